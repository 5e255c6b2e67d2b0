"""Every weight of a network is an agent that nudges it down, leaves it or nudges it up, paid when the loss falls.

    R_t = +1 if L_t < L_{t-1} else -1          w_i <- w_i + step_size a_i,  a_i in {-1, 0, +1}

| data sheet  |                                                                                                   |
|-------------|---------------------------------------------------------------------------------------------------|
| Import      | `from synagents.envs import synapse_v0`, or by Gymnasium's name                                   |
|             | `gymnasium.make_vec("synagents.envs:synagents/Synapse-v0", num_envs=W, task="digits")`            |
| Faces       | `parallel_env` (PettingZoo), `env` and `raw_env` (agent after agent), `vector_env` (Gymnasium),   |
|             | `functional_env` (JaxMARL's style), and `world`, the pure functions that `synagents.train` plays  |
| Worlds      | `num_envs=W` of `vector_env` and `make_vec` counts worlds; the environment's attribute `num_envs` |
|             | counts its sub-environments, which are the agents of all worlds                                   |
| Agents      | one per weight and bias of the network: 25,450 for 784-32-10; groups `layer0_weight`,             |
|             | `layer0_bias`, ..., agents `<group>_<i>` with i the row-major index in [fan_in, fan_out]          |
| Sharing     | agents are alike: one policy for all is the published game; clients that make one for each group  |
|             | of names do so with `parallel_env(..., names="agent")`: agent_0 .. agent_{N-1}                    |
| Observation | the agent's own last n actions and the team's last n rewards (`synagents.agents.codes`):          |
|             | `discrete`, Discrete(9^n); `multi-discrete`, their 2n digits 0, 1, 2; `box`, one-hots f32[6n]; of |
|             | A actions Discrete((3 A)^n), A digits for each action, and f32[(3 + A) n];                        |
|             | `features` adds four numbers that the published agents do not see (`SynapseWorld`)                |
| History     | `history="trace"` shows each agent's evidence instead (`synagents.agents.evidence`): a trace of   |
|             | its rewarded actions in standard errors, as one of 9 buckets or, with `box`, as a number in       |
|             | [-3, 3]; for each of 1 to 3 `history_decay`, and before the last `memory` actions and rewards     |
| State       | for central critics: f32[N + n + 1], all weights, the last n rewards, the present loss            |
| Action      | Discrete(3): 0, 1, 2 = down, leave, up by `step_size`; biases move `bias_gain` times as far; with |
|             | `moves="set"` Discrete(2^k): the level of a weight of k <= 3 bits (`synagents.agents.moves`)      |
| Reward      | one number for the whole team: the sign of the loss decrease, or (`delta`) the decrease itself    |
| Info        | `loss`: of the moved network on the batch in use                                                  |
| Episode     | the training of one network; it never ends by itself and is truncated after `max_cycles` rounds   |
|             | in a face                                                                                         |
| Bytes       | of an agent between rounds: 4 for its weight, 1 for its actions (n > 5: 2), 4 for each trace      |
| Seeds       | 0 .. 2^32 - 1; `reset(seed)` begins the seed's first episode, `reset()` the next one              |
| Options     | `reset_mask` for `vector_env`, which begins anew in the worlds that it names; no other            |
| Pictures    | weights, what each agent did last, and the loss of every round                                    |
| Arguments   | those of `world`, with units and ranges; `max_cycles`; `render_mode`; `names`; `num_envs`;        |
|             | `keyed`                                                                                           |
| Source      | Bhargava, Rezaei, Lankarany 2022, "Gradient-Free Neural Network Training via Synaptic-Level       |
|             | Reinforcement Learning", AppliedMath 2(2); details of the authors' code (SynRL v6) are marked [C] |

Version history: v0, the reference world.
"""

import math
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key, Num

from synagents import keys, registry
from synagents.agents import codes, evidence
from synagents.agents.evidence import Evidence
from synagents.agents.histories import Form, Histories
from synagents.agents.moves import MoveKind, Moves, Nudge, chosen
from synagents.envs.faces import Faces
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.networks.mlp import MLP, Activation
from synagents.registry import Plays
from synagents.schedules import Schedule
from synagents.task import require_fit, require_kinds, require_scoring
from synagents.world import (
    Group,
    LearnerBase,
    Metrics,
    Network,
    Outcome,
    Params,
    Part,
    Policy,
    RewardKind,
    RoundNumber,
    Task,
    TaskState,
    Tree,
    World,
    flat,
    forward,
)

__all__ = ["SynapseState", "SynapseWorld", "env", "functional_env", "parallel_env", "raw_env", "vector_env", "world"]

History = Literal["codes", "trace"]


class SynapseState(NamedTuple):
    """A network in training and what its synapses remember."""

    weights: Params  # {group: f32[shape]}, or int8 of a network of whole numbers
    actions: Tree  # {group: uint8[n]} every synapse's last actions, in base A, the number of actions
    rewards: Integer[Array, ""]  # the team's last rewards, base 3
    loss: Num[Array, ""]  # at the end of the last round: f32, or int32
    task: TaskState  # the task's own state: the batch in use
    evidence: Evidence | tuple[()] = ()  # with history="trace": every synapse's traces


@settings
class SynapseWorld(World):
    """The reference world for any network and task; `synapse_v0.world` builds it from names.

    Attributes:
        network: two pure functions; every parameter array is a group of agents.
        task: hands out the batches and answers outputs with a loss; the network fits its samples and outputs.
        moves: what an action does: "nudge" a weight down, leave it, or up, as published (an int8 weight by one level),
            or "set" it to one of its levels, which a network of few bits has.
        step_size: of nudges, weight change per action, >= 0; a number or a schedule over rounds; by default 1e-4.
        bias_gain: of nudges, how many times further groups whose name ends in "bias" move, >= 0; by default 2, as in
            the original [C].
        history: "codes", the last n actions and rewards, as published, or "trace", evidence of which way to go: an
            eligibility trace of rewarded actions in standard errors (`synagents.agents.evidence`).
        memory: rounds n whose actions and rewards an agent sees: 1 .. 9, by default 2; with "trace" 0 .. 9 beside the
            evidence, by default 0.
        history_decay: with "trace" what is left of a trace after a round, in [0, 1]; by default 0.98. Of two or three
            every agent keeps as many traces.
        interval: rounds a batch is kept; 0 = for ever.
        reward: "sign" of the loss decrease, as published, or "delta", the decrease itself.
        batch_change: "compare" the new batch's loss with the old batch's, as the original does (a wrong reward once per
            interval), or "reevaluate" the weights on the new batch first (one more forward pass per interval).
        candidates: joint moves tried in every round from the same weights and batch, >= 1, of which the one with the
            lowest loss is made; each is a forward pass, and the learner learns from all. In the compiled loop only.
        observation: "discrete", one code; "multi-discrete", its digits; "box", the digits as one-hots, f32[6n], after
            the evidence as numbers in [-3, 3].
        features: with "box", four more numbers: the array's place among the network's (0 first, 1 last), one over the
            square root of its rows' number, the agent's place in it (0 .. 1), and its present weight. They leave the
            published information set: the agents there know neither where they are nor what they weigh.
    """

    network: Network
    task: Task
    moves: MoveKind = static(default="nudge")
    step_size: Schedule | None = None
    bias_gain: float | None = None
    history: History = static(default="codes")
    memory: int = static(default=None)
    history_decay: tuple[float, ...] | None = None
    interval: int = static(default=0)
    reward: Literal["sign", "delta"] = static(default="sign")
    batch_change: Literal["compare", "reevaluate"] = static(default="compare")
    candidates: int = static(default=1)
    observation: Form = static(default="discrete")
    features: bool = static(default=False)

    def __post_init__(self) -> None:
        self._check_moves()
        self._check_history()
        require_whole("interval", self.interval, 0)
        require_whole("candidates", self.candidates, 1)
        require(isinstance(self.features, bool), f"features must be True or False, but is {self.features!r}.")
        require(not self.features or self.observation == "box", "Features are real numbers: use observation='box'.")
        require_fit(self.network, self.task)

    def _check_moves(self) -> None:
        require_kinds(self.network, self.task)
        if self.network.integer:
            object.__setattr__(self, "task", self.task.integers())
        moves = self._moves
        if isinstance(moves, Nudge):
            object.__setattr__(self, "step_size", moves.step_size)
            object.__setattr__(self, "bias_gain", moves.bias_gain)

    def _check_history(self) -> None:
        traced = self.history == "trace"
        if self.memory is None:
            object.__setattr__(self, "memory", 0 if traced else 2)
        require_whole("memory", self.memory, 0 if traced else 1, codes.most_memory(self._moves.num_actions))
        if traced and self.history_decay is None:
            object.__setattr__(self, "history_decay", (0.98,))
        require(traced or self.history_decay is None, "history_decay is of traces: use it with history='trace'.")
        if traced:
            require(
                1 <= len(self._decays) <= 3, f"history_decay must be one to three numbers, but is {self._decays!r}."
            )
            for decay in self._decays:
                require_between("history_decay", decay, 0, 1)

    @cached_property
    def _moves(self) -> Moves:
        traced = self.history == "trace"
        return chosen(self.moves, self.network, self.step_size, self.bias_gain, traced=traced)

    @property
    def _kept(self) -> int:
        return max(self.memory, 1)  # rounds; the last action moves weights and traces also where nobody sees it

    @property
    def _histories(self) -> Histories:
        return Histories(self.memory, len(self._decays), self._moves.num_actions)

    @property
    def _decays(self) -> tuple[float, ...]:
        return self.history_decay or ()

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """One group per parameter array, in the order in which the network makes them."""
        shapes: dict[str, tuple[int, ...]] = {}

        def note_shapes() -> None:  # JAX would sort the names of a returned dict
            shapes.update({name: array.shape for name, array in self.network.init(jax.random.key(0)).items()})

        jax.eval_shape(note_shapes)
        choice = spaces.Discrete(self._moves.num_actions)
        about = self._histories
        seen = about.space(self.observation, self.features)
        return tuple(Group(name, shape, seen, choice, about=about) for name, shape in shapes.items())

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The network's."""
        return self.network.sizes

    @cached_property
    def reward_kind(self) -> RewardKind:
        """Graded with `delta`; of one batch if it never changes or weights are reevaluated on a new one."""
        return RewardKind(self.reward == "delta", self.interval == 0 or self.batch_change == "reevaluate")

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> SynapseState:
        """A new network, a first batch (or the given one) and the loss on it; nobody has acted yet."""
        own = keys.reset_keys(key)
        weights, acted = self._moves.begin(self.network.init(own.network))
        task_state = self.task.init(own.task) if task_state is None else task_state
        task_state, loss = self._forward(weights, task_state, own.loss)
        count = self._moves.num_actions
        times, digits = codes.repeated(1, self._kept, count), codes.smallest_dtype(count**self._kept)
        return SynapseState(
            weights=weights,
            actions={
                name: jnp.broadcast_to((times * acted[name]).astype(digits), array.size)
                for name, array in weights.items()
            },
            rewards=jnp.asarray(codes.start_digits(self._kept), codes.smallest_dtype(3**self._kept)),
            loss=loss,
            task=task_state,
            evidence=evidence.begin(weights, self._decays) if self._decays else (),
        )

    def observe(self, state: SynapseState, turn: int = 0) -> Tree:
        """What every synapse sees, {group: [n]} codes, or {group: [n, ...]} digits or numbers."""
        del turn
        seen = self._histories.show(self.observation, state.actions, state.rewards, state.evidence)
        if self.features:
            more = codes.places({group.name: state.weights[group.name] for group in self.groups})
            seen = {name: jnp.concatenate([own, more[name]], axis=1) for name, own in seen.items()}
        return seen

    def move(self, state: SynapseState, actions: Tree, t: RoundNumber, turn: int = 0) -> SynapseState:
        """Nudge every weight, or set it to the level that is named, and remember the actions."""
        del turn
        base = self._moves.num_actions
        remembered = {name: codes.push(own, actions[name], self._kept, base) for name, own in state.actions.items()}
        # The action is read back from memory. If the weights used it directly, XLA would fuse the agents' choice into
        # both of its uses and compute it twice.
        last = {name: own % base for name, own in remembered.items()}
        weights = self.network.project(self._moves.make(state.weights, last, t))
        return state._replace(weights=weights, actions=remembered)

    def resolve(self, key: Key[Array, ""], state: SynapseState) -> tuple[SynapseState, Outcome]:
        """Take the loss of the moved network; an equal loss counts as worse, as in the original."""
        task_state, loss = self._forward(state.weights, state.task, key)
        better = loss < state.loss
        reward = jnp.where(better, 1, -1).astype(loss.dtype) if self.reward == "sign" else state.loss - loss
        rewards = codes.push(state.rewards, 2 * better, self._kept)
        if isinstance(state.evidence, Evidence):
            last = {name: own % 3 for name, own in state.actions.items()}
            state = state._replace(evidence=evidence.add(state.evidence, self._decays, last, reward))
        never = jnp.bool_(False)
        outcome = Outcome({name: reward for name in state.weights}, never, never, {"loss": loss})
        return state._replace(rewards=rewards, loss=loss, task=task_state), outcome

    def refresh(self, key: Key[Array, ""], state: SynapseState) -> SynapseState:
        """A new batch; with `reevaluate` the next reward compares the new batch with itself."""
        own = keys.refresh_keys(key)
        task_state, loss = self.task.refresh(own.batch, state.task), state.loss
        if self.batch_change == "reevaluate":
            task_state, loss = self._forward(state.weights, task_state, own.loss)
        return state._replace(task=task_state, loss=loss)

    def weights(self, state: SynapseState) -> Params:
        """The network's."""
        return state.weights

    def loss(self, weights: Params, task_state: TaskState) -> Float[Array, ""]:
        """The loss of any weights on the batch in use."""
        return self._forward(weights, task_state, jax.random.key(0))[1]

    def evaluate(self, key: Key[Array, ""], state: SynapseState, policy: Policy, part: Part) -> Metrics:
        """The task's metrics over a whole part of the data."""
        del key, policy
        return self.task.evaluate(state.task, lambda x: self.network.apply(state.weights, x), part)

    def global_state(self, state: SynapseState) -> Float[Array, "D"]:
        """All weights in flat order, the team's last rewards (-1, 0, +1; oldest first) and the present loss."""
        rewards = [state.rewards // 3**place % 3 - jnp.float32(1) for place in reversed(range(self._kept))]
        weights = flat(state.weights, self.groups).astype(jnp.float32)
        return jnp.concatenate([weights, jnp.stack([*rewards, state.loss])])

    def _forward(self, weights: Params, task_state: TaskState, key: Key[Array, ""]) -> tuple[Any, Num[Array, ""]]:
        """The task's state and the loss: int32 of whole numbers, f64 of weights in f64, else f32."""
        task_state, loss = forward(self.network, self.task, weights, task_state, key)
        widest = jnp.result_type(jnp.float32, *weights.values())
        return task_state, loss.astype(jnp.int32 if self.network.integer else widest)


def world(
    task: str | Task = "digits",
    *,
    hidden: tuple[int, ...] = (32,),
    activation: Activation = "relu",
    init_scale: float = 0.1,
    moves: MoveKind = "nudge",
    step_size: Schedule | None = None,
    bias_gain: float | None = None,
    history: History = "codes",
    memory: int | None = None,
    history_decay: tuple[float, ...] | None = None,
    interval: int = 500,
    reward: Literal["sign", "delta"] = "sign",
    batch_change: Literal["compare", "reevaluate"] = "compare",
    candidates: int = 1,
    observation: Form = "discrete",
    features: bool = False,
    network: Network | None = None,
    **task_options: Any,
) -> SynapseWorld:
    """A multilayer perceptron on a task, as a world of synapse agents.

    Args:
        task: a task's name ("digits", "notmnist", ...; `synagents tasks` lists them), or a task object.
        hidden: units of the hidden layers, each >= 1; none for a perceptron.
        activation: of the hidden units: relu, tanh, sigmoid or identity.
        init_scale: half-width of the uniform initial weights, >= 0.
        moves: nudge (a weight goes down, stays, or goes up, as published) or set (the action names the weight's level,
            of a network of 1 to 3 bits); int8 weights are nudged by one level.
        step_size: of nudges, weight change per action, >= 0; a number or a schedule over rounds; by default 1e-4.
        bias_gain: of nudges, how many times further biases move than weights, >= 0; by default 2, as in the original.
        history: codes (the last n actions and rewards, as published) or trace (which way the agent went when the team
            did better than usual, in standard errors).
        memory: rounds n whose actions and rewards an agent sees, 1 .. 9, by default 2 as published; with trace 0 .. 9
            beside the evidence, by default 0.
        history_decay: with trace what is left of a trace after a round, in [0, 1]; 1 to 3 numbers, by default 0.98.
        interval: rounds a batch is kept, >= 0; 0 = for ever.
        reward: sign (-1 or +1, as published) or delta (the loss decrease).
        batch_change: compare (the new batch's loss with the old batch's, as published) or reevaluate.
        candidates: joint moves tried a round, of which the best is made, >= 1; each is a forward pass.
        observation: discrete (one code, as published), multi-discrete (its digits) or box (their one-hots, f32[6n]).
        features: with box, also where an agent is and what it weighs: beyond the published information set.
        network: instead of a multilayer perceptron any network, such as `synagents.from_module(...)`; `hidden`,
            `activation` and `init_scale` then mean nothing.
        **task_options: fields of the named task, such as `batch_size=500`.

    Raises:
        ValueError: if anything is out of range or unknown, or the network does not fit the task.
    """
    require(
        isinstance(hidden, tuple | list), f"hidden must be a tuple of layer sizes such as (32,), but is {hidden!r}."
    )
    chosen = require_scoring(registry.make_task(task, task_options, world))
    if network is None:
        network = MLP((math.prod(chosen.in_shape), *hidden, chosen.out_size), activation, init_scale)
    return SynapseWorld(
        network=network,
        task=chosen,
        moves=moves,
        step_size=step_size,
        bias_gain=bias_gain,
        history=history,
        memory=memory,  # type: ignore[arg-type]
        history_decay=history_decay,
        interval=interval,
        reward=reward,
        batch_change=batch_change,
        candidates=candidates,
        observation=observation,
        features=features,
    )


PLAYS = (Plays(Task, world, learner="team-q"),)


def settings_for(learner: str) -> dict[str, str]:
    """The settings with which this world suits the learner of that name; none where a function makes it."""
    constructor: Any = registry.find("learners", learner)
    is_class = isinstance(constructor, type) and issubclass(constructor, LearnerBase)
    needs = constructor.needs if is_class else RewardKind()
    paid = {"reward": "delta"} if needs.graded else {}
    paid |= {"batch_change": "reevaluate"} if needs.same_batch else {}
    return paid | ({"moves": "set"} if is_class and constructor.sets_weights else {})


faces = Faces(world, "synapse_v0")
parallel_env, raw_env, env = faces.parallel_env, faces.raw_env, faces.env
vector_env, functional_env = faces.vector_env, faces.functional_env
