"""A recurrent network lives a life; every plastic synapse is an agent that changes its own trace by what it can feel.

    W_t = W + alpha trace_t,   trace_{t+1} = bounded(trace_t + action)        the task pays everybody R

Tasks of lives are played so. Tasks of samples are played by a perceptron whose synapses change their weights; where it
differs, the data sheet says so below.

| data sheet  |                                                                                                   |
|-------------|---------------------------------------------------------------------------------------------------|
| Import      | `from synagents.envs import plastic_v0`, or by Gymnasium's name                                   |
|             | `gymnasium.make_vec("synagents.envs:synagents/Plastic-v0", num_envs=W, units=4)`                  |
| Faces       | `parallel_env` (PettingZoo), `env` and `raw_env` (agent after agent), `vector_env` (Gymnasium),   |
|             | `functional_env` (JaxMARL's style), and `world`, the pure functions that `synagents.outer` plays  |
| Worlds      | `num_envs=W` of `vector_env` and `make_vec`; its attribute `num_envs` counts agents of all worlds |
| Agents      | one per plastic synapse: the group `recurrent` of shape [H, H], agents `recurrent_<i>`; of the    |
|             | cell `lif-forward` the group `input` of shape [D, H], agents `input_<i>`                          |
| Sharing     | none of traces; slow weights are the world's, and the rule is whatever the learner shares:        |
|             | clients that make one policy for each group of names make one for all                             |
| Observation | Box(6): pre and post activity of this round (of spiking units low-passed), own trace, own         |
|             | eligibility, the modulator, the sliding threshold of the unit behind                              |
| State       | for central critics: the stimulus, the activity on both sides, the modulator, f32[D + n + H + 1]  |
| Action      | Box(): what is added to the own trace                                                             |
| Turns       | one                                                                                               |
| Reward      | one number for the whole team: what the task answers to the network's decision                    |
| Info        | `loss`: minus the reward; of the network's decision `log_probability` and `concentration`, the    |
|             | sum of squared probabilities; `value`: the network's own forecast of what will be earned          |
| Episode     | a life: as many rounds as the task's episodes have                                                |
| Seeds       | 0 .. 2^32 - 1; `reset(seed)` begins the seed's first life, `reset()` the next one                 |
| Options     | `reset_mask` for `vector_env`, which begins anew in the worlds that it names; no other            |
| Pictures    | traces, what was added to them last, the recurrent slow weights, and the loss of every round      |
| Arguments   | those of `world`; `max_cycles`; `render_mode`; `names`; `num_envs`; `keyed`                       |
| Source      | Miconi, Rawal, Clune & Stanley 2019, "Backpropamine" (arXiv 2002.10585); Miconi, Clune & Stanley  |
|             | 2018, "Differentiable plasticity" (1804.02464). Synapses as agents are ours                       |

With a task of samples, such as `plastic_v0.world("digits")`:

| data sheet  |                                                                                                   |
|-------------|---------------------------------------------------------------------------------------------------|
| Agents      | one per weight and bias: groups `layer0_weight` [n, m], `layer0_bias` [m], ..., agents            |
|             | `<group>_<i>`                                                                                     |
| Sharing     | as in `synapse_v0`: `names="agent"` makes one group of names of all weights                       |
| Observation | Box(B, 3), for each of the B samples: the activity of the sending unit (of a bias 1), the noise z |
|             | of the own unit, N(0, 1), and the modulator, which is the same for all: how far sigma z made the  |
|             | sample's loss fall, divided by sigma                                                              |
| State       | for central critics: all weights and the loss, f32[N + 1]                                         |
| Action      | Box(): what is added to the own weight                                                            |
| Reward      | one number for the whole team: by how much the batch's loss fell; in a round that begins with a   |
|             | new batch, the last batch's loss less the new one's                                               |
| Info        | `loss`: of the batch in use, by the pass without noise                                            |
| Episode     | the training of one network; it never ends by itself                                              |
| Pictures    | weights, what was added to them last, and the loss of every round                                 |
| Cost        | two passes of a batch per round, and two before the first: 2 B (1 + T) sample evaluations         |
| Batches     | kept for `interval` rounds; agents feel a new one from the round after it came                    |
| Source      | Jabri & Flower 1992; Werfel, Xie & Seung 2005 (node perturbation). Synapses as agents are ours    |

In a round of a life the synapses act on what the network has just done; then its decision is drawn, the task answers,
and the network sees the next stimulus. A new life begins with silence and traces of 0; a task may clear activity within
a life, too (`LifeTask.silences`). Networks decide by a softmax.

Version history: v0, the first.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key, PyTree

from synagents import registry
from synagents.agents.plasticity import Bound, Felt, mean, moved, product
from synagents.agents.rules import Rule
from synagents.counter import counter_key
from synagents.envs import plastic_samples
from synagents.envs.faces import Faces
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.networks.cells import LSTM, Cell, Rate, linear
from synagents.networks.lif import LIF, ForwardLIF
from synagents.registry import Plays
from synagents.world import (
    ForecastTask,
    Group,
    LifeTask,
    LifeWorld,
    Memory,
    Metrics,
    Outcome,
    Params,
    Part,
    Policy,
    RoundNumber,
    Task,
    TaskState,
    Tree,
    num_choices,
)

__all__ = ["PlasticState", "PlasticWorld", "env", "functional_env", "parallel_env", "raw_env", "vector_env", "world"]

ALPHA, RATE, SLIDE = "alpha", "eligibility_rate", "threshold_rate"  # slow weights that only plastic networks have
CELLS: dict[str, Callable[[int], Cell]] = {"rate": Rate, "lstm": LSTM, "lif": LIF, "lif-forward": ForwardLIF}


class PlasticState(NamedTuple):
    """A network in the middle of a life."""

    carry: PyTree  # the cell's
    felt: Felt  # what the synapses feel of the last step
    logits: Float[Array, "A"]  # of the next decision
    value: Float[Array, ""]  # what the network expects to earn from now on
    weights: Params  # the slow weights of a network of this life's own; none where the world has them
    task: TaskState  # the task's own state: the stimulus that was seen last


@settings
class PlasticWorld(LifeWorld):
    """The world of plastic synapses for a task of decisions; `plastic_v0.world` builds it from names.

    Attributes:
        task: asks and pays; all its episodes have as many rounds.
        cell: the recurrent layer.
        slow: the network's slow weights, as `init` makes them; None draws a network for every world.
        alpha: how much traces count: "synapse", a slow weight of every synapse; "shared", one for all; "none", nothing.
        modulator: "none", or "scalar": one number in (-1, 1) that the network makes and all synapses feel.
        eligibility: whether synapses keep a running mean of pre times post.
        threshold: whether units keep a running mean of the square of post.
        bound: of traces: "hard" or "soft".
        limit: the largest trace, > 0.
    """

    task: LifeTask
    cell: Cell
    slow: Params | None = None
    alpha: Literal["synapse", "shared", "none"] = static(default="synapse")
    modulator: Literal["none", "scalar"] = static(default="none")
    eligibility: bool = static(default=False)
    threshold: bool = static(default=False)
    bound: Bound = static(default="hard")
    limit: float = static(default=1.0)

    def __post_init__(self) -> None:
        require(
            isinstance(self.task, LifeTask),
            f"A life has as many rounds as the task's episodes, but those of this {type(self.task).__name__} differ: "
            "play cue or maze, or derive your own class from synagents.LifeTask.",
        )
        require(
            isinstance(self.task.action_space, spaces.Discrete),
            f"A plastic network chooses by a softmax, but the task's decisions lie in {self.task.action_space}.",
        )
        require_between("limit", self.limit, 0, above=True)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All synapses of the matrix that may be plastic."""
        there = {"trace": self.alpha != "none", "modulator": self.modulator != "none"}
        there |= {"eligibility": self.eligibility, "threshold": self.threshold}
        felt = spaces.Box(-np.inf, np.inf, (len(Felt._fields),), np.float32)
        trace = spaces.Box(-np.inf, np.inf, (), np.float32)
        about = tuple(name for name, given in there.items() if given)
        return (Group(self.cell.plastic, self._shape, felt, trace, about=about),)

    @cached_property
    def interval(self) -> int:
        """The rounds of a life."""
        return self.task.length

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of the stimulus, units, choices."""
        return (math.prod(self.task.in_shape), self.cell.units, num_choices(self.task.action_space))

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh slow weights.

        Layers are uniform within 1 / sqrt(fan-in); the recurrent weights normal with deviation 0.7 / sqrt(H), and alpha
        uniform within 0.1. (Where all begin above 0, as in the source, traces freeze at their bounds in many runs.)
        """
        inputs, units, choices = self.sizes
        cell, recurrent, alpha, readout, value, modulator = jax.random.split(key, 6)
        params = self.cell.init(cell, inputs)
        scale = self.cell.spread / math.sqrt(self._shape[0])
        params |= {self._plastic: scale * jax.random.normal(recurrent, self._shape, jnp.float32)}
        params |= linear(readout, "readout", units, choices) | linear(value, "value", units, 1)
        if self.alpha != "none":
            shape = self._shape if self.alpha == "synapse" else ()
            params[ALPHA] = jax.random.uniform(alpha, shape, jnp.float32, -0.1, 0.1)
        if self.modulator != "none":
            params |= linear(modulator, "modulator", units, 1)
        if self.eligibility:
            params[RATE] = jnp.float32(0.5)
        if self.threshold:
            params[SLIDE] = jnp.float32(0.05)
        return params

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> PlasticState:
        """A new life, and a new network where the world has none: it has seen the first stimulus."""
        network, task = jax.random.split(key)
        weights = self.init(network) if self.slow is None else {}
        return self._born(weights, self.task.init(task) if task_state is None else task_state)

    def observe(self, state: PlasticState, turn: int) -> Tree:
        """What the synapses feel, as factors: {group: Felt}."""
        del turn
        return {self.cell.plastic: cast("PyTree", state.felt)}

    def move(self, state: PlasticState, actions: Tree, t: RoundNumber, turn: int) -> PlasticState:
        """The traces after the synapses have acted, and their eligibility."""
        del t, turn
        felt = state.felt
        trace = moved(felt.trace, actions[self.cell.plastic].reshape(felt.trace.shape), self.bound, self.limit)
        felt = felt._replace(trace=trace)
        if self.eligibility:
            felt = felt._replace(eligibility=mean(felt.eligibility, product(felt), self.weights(state)[RATE]))
        if self.threshold:
            felt = felt._replace(threshold=mean(felt.threshold, felt.post**2, self.weights(state)[SLIDE]))
        return state._replace(felt=felt)

    def resolve(self, key: Key[Array, ""], state: PlasticState) -> tuple[PlasticState, Outcome]:
        """Draw the network's decision, let the task answer, and let the network see what comes next."""
        decide, respond = jax.random.split(counter_key(key))
        log_p, action = jax.nn.log_softmax(state.logits), jax.random.categorical(decide, state.logits).astype(jnp.int32)
        task_state, answer = self.task.respond(respond, state.task, action)
        reward = self.task.reward(state.task, log_p) if isinstance(self.task, ForecastTask) else answer.reward
        info = {
            "loss": -reward,
            "log_probability": log_p[action],
            "concentration": jnp.sum(jnp.exp(2 * log_p)),
            "value": state.value,
        }
        after = self._step(state._replace(task=task_state))
        return after, Outcome({self.cell.plastic: reward}, answer.terminated, answer.truncated, info)

    def refresh(self, key: Key[Array, ""], state: PlasticState) -> PlasticState:
        """The next life of the same network."""
        return self._born(state.weights, self.task.init(jax.random.split(key)[1]))

    def evaluate(self, key: Key[Array, ""], state: PlasticState, policy: Policy, part: Part) -> Metrics:
        """Loss: minus the mean reward of lives that no round has seen, lived by the policy."""
        keys = jax.random.split(jax.random.fold_in(key, part == "held_out"), self.task.evaluation_episodes)

        def live(key: Key[Array, ""]) -> Float[Array, ""]:
            born, memory, rounds = jax.random.split(key, 3)

            def one(now: tuple[PlasticState, Memory], t: Integer[Array, ""]) -> tuple[Any, Float[Array, ""]]:
                here, memory = now
                act_key, resolve_key = jax.random.split(jax.random.fold_in(rounds, t))
                actions, memory = policy.act(act_key, memory, self.observe(here, 0), 0)
                here, outcome = self.resolve(resolve_key, self.move(here, actions, t, 0))
                return (here, memory), outcome.reward[self.cell.plastic]

            first = self._born(state.weights, self.task.first(born, part))
            return jax.lax.scan(one, (first, policy.begin_world(memory)), jnp.arange(self.task.length))[1].sum()

        return {"loss": -jnp.mean(jax.vmap(live)(keys))}

    def global_state(self, state: PlasticState) -> Float[Array, "D"]:
        """The stimulus, the activity on both sides of the synapses, the modulator."""
        parts = (self._stimulus(state), state.felt.pre, state.felt.post, state.felt.modulator)
        return jnp.concatenate([part.reshape(-1) for part in parts])

    def weights(self, state: PlasticState) -> Params:
        """The slow weights."""
        return state.weights if self.slow is None else self.slow

    def pictures(self, state: PlasticState) -> Params:
        """The traces, under the group's name, and the slow weights beside which they count."""
        return {self.cell.plastic: state.felt.trace, self._plastic: self.weights(state)[self._plastic]}

    def with_slow(self, slow: Params) -> "PlasticWorld":
        """This world with these slow weights."""
        return replace(self, slow=slow)

    def monitor(self, state: PlasticState) -> Tree:
        """The root of the mean squared trace, the modulator; the stimulus, the units, the choices' probabilities."""
        felt, choices = state.felt, jax.nn.softmax(state.logits)
        numbers = {"trace": jnp.sqrt(jnp.mean(felt.trace**2)), "modulator": felt.modulator.reshape(())}
        return numbers | {"stimulus": self._stimulus(state), "units": felt.post.reshape(-1), "choices": choices}

    @property
    def _plastic(self) -> str:
        """The name of the slow weights that may be plastic."""
        return f"{self.cell.plastic}_weight"

    @property
    def _shape(self) -> tuple[int, int]:
        return self.cell.shape(self.sizes[0])

    def _stimulus(self, state: PlasticState) -> Float[Array, "D"]:
        return self.task.stimulus(state.task).reshape(-1).astype(jnp.float32)

    def _born(self, weights: Params, task_state: TaskState) -> PlasticState:
        """A network that has seen its first stimulus."""
        dtype, (inputs, units) = (weights if self.slow is None else self.slow)[self._plastic].dtype, self._shape
        nothing, traces, post = (jnp.zeros(shape, dtype) for shape in ((1, 1), self._shape, (1, units)))
        eligibility, threshold = traces if self.eligibility else nothing, post if self.threshold else nothing
        felt = Felt(jnp.zeros((inputs, 1), dtype), post, traces, eligibility, nothing, threshold)
        logits = jnp.zeros(self.sizes[-1], dtype)
        silence = self.cell.begin(dtype, self.sizes[0])
        return self._step(PlasticState(silence, felt, logits, logits[0], weights, task_state))

    def _step(self, state: PlasticState) -> PlasticState:
        """The network sees the stimulus."""
        slow = self.weights(state)
        weights, cleared = slow[self._plastic], self.task.silences(state.task)
        if self.alpha != "none":
            weights = weights + slow[ALPHA] * state.felt.trace
        silence = self.cell.begin(weights.dtype, self.sizes[0])
        carry = jax.tree.map(partial(jnp.where, cleared), silence, state.carry)
        carry, out, pre, post = self.cell.step(slow, carry, self._stimulus(state), weights)
        logits = out @ slow["readout_weight"] + slow["readout_bias"]
        value = (out @ slow["value_weight"] + slow["value_bias"])[0]
        felt = state.felt._replace(pre=pre[:, None], post=post[None])
        if self.modulator != "none":
            felt = felt._replace(modulator=jnp.tanh(out @ slow["modulator_weight"] + slow["modulator_bias"])[:, None])
        return state._replace(carry=carry, felt=felt, logits=logits, value=value)


def lives(
    task: str | LifeTask = "cue",
    *,
    cell: Literal["rate", "lstm", "lif", "lif-forward"] = "rate",
    units: int = 24,
    slow: Params | None = None,
    alpha: Literal["synapse", "shared", "none"] = "synapse",
    modulator: Literal["none", "scalar"] = "none",
    eligibility: bool = False,
    threshold: bool = False,
    bound: Bound = "hard",
    limit: float = 1.0,
    **task_options: Any,
) -> PlasticWorld:
    """A recurrent network of plastic synapses on a task of lives.

    Args:
        task: a task's name ("cue", "maze"), or a task object whose episodes all have as many rounds.
        cell: rate (a tanh network), lstm, lif (spiking units that hear each other) or lif-forward (spiking units that
            hear the stimulus alone, by plastic synapses).
        units: of the recurrent layer, >= 1.
        slow: the network's slow weights, such as an outer loop has found; None draws a network for every world.
        alpha: how much traces count: synapse (a slow weight of every synapse), shared (one for all) or none (nothing).
        modulator: none, or scalar: one number in (-1, 1) that the network makes and all synapses feel.
        eligibility: let synapses keep a running mean of pre times post.
        threshold: let units keep a running mean of the square of post.
        bound: of traces: hard or soft.
        limit: the largest trace, > 0.
        **task_options: options of the named task, such as `bits=20`.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name.
    """
    require(cell in CELLS, f"cell must be {' or '.join(CELLS)}, but is {cell!r}.")
    require_whole("units", units, 1)
    chosen = registry.make_task(task, task_options, lives)
    return PlasticWorld(chosen, CELLS[cell](units), slow, alpha, modulator, eligibility, threshold, bound, limit)


PLAYS = (
    Plays(LifeTask, lives, learner="neuromodulated", outer=True),
    Plays(Task, plastic_samples.world, learner="perturbation"),
)


def world(task: str | LifeTask | Task = "cue", **options: Any) -> Any:
    """The plastic world that plays a task: a `PlasticWorld` of lives, a `PerturbedWorld` of samples.

    Args:
        task: a task's name ("cue", "digits"), or a task object.
        **options: those of `lives` or of `synagents.envs.plastic_samples.world`, by the kind of task.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name.
    """
    kind = registry.task_kind(task) if isinstance(task, str) else type(task)
    how = registry.fitting(kind, PLAYS) or PLAYS[0]  # who plays lives says best what is missing
    return how.world(task, **options)


def settings_for(learner: str) -> dict[str, Any]:
    """The settings of a world that suits the learner of that name: what its rule feels, and whether it acts at all."""
    rule: Any = registry.find("learners", learner)
    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        return {}
    return {
        "alpha": "synapse" if rule.acts else "none",
        "modulator": "scalar" if "modulator" in rule.feels else "none",
        "eligibility": "eligibility" in rule.feels,
        "threshold": "threshold" in rule.feels,
    }


faces = Faces(world, "plastic_v0")
parallel_env, raw_env, env = faces.parallel_env, faces.raw_env, faces.env
vector_env, functional_env = faces.vector_env, faces.functional_env
