"""Every unit of a network is an agent that sees the activity reaching it, fires or not, and shares the team's reward.

    h_l ~ pi_l(. | h_{l-1}),  l = 1 .. L, one turn each          action = h_L          the task pays everybody R

| data sheet  |                                                                                                   |
|-------------|---------------------------------------------------------------------------------------------------|
| Import      | `from synagents.envs import unit_v0`, or by Gymnasium's name                                      |
|             | `gymnasium.make_vec("synagents.envs:synagents/Unit-v0", num_envs=W, hidden=())`                   |
| Faces       | `parallel_env` (PettingZoo), `env` and `raw_env` (agent after agent), `functional_env` (JaxMARL's |
|             | style), and `world`, the pure functions that `synagents.train` plays; `vector_env` (Gymnasium)    |
|             | only without hidden layers, since layers differ in what they see and when they act                |
| Worlds      | `num_envs=W` of `vector_env` and `make_vec` counts worlds; the environment's attribute `num_envs` |
|             | counts its sub-environments, which are the agents of all worlds                                   |
| Agents      | one per unit: groups `hidden0`, `hidden1`, ..., `output`; agents `<group>_<i>`; a softmax output  |
|             | is one agent that chooses one of K                                                                |
| Sharing     | none: a unit's incoming weights are its policy and belong to the learner; they survive `reset`.   |
|             | Clients share one policy among the units of a layer; `names="agent"` is refused where layers      |
|             | differ                                                                                            |
| Observation | Box: the activity of the layer below (of the stimulus for `hidden0`); with `feedback` also of the |
|             | layer above; with `lateral` also of the own layer                                                 |
| State       | for central critics: the stimulus and the activity of every layer, f32[inputs + widths]           |
| Action      | Discrete(2), silent or firing, for `sign` {-1, 1} and `bit` {0, 1} units; Box(), the activity     |
|             | itself, for `gaussian` ones; Discrete(K) for a softmax output                                     |
| Turns       | one per layer, from below; then two per sweep (every other layer, then the rest with the output), |
|             | and one last, after sweeps, for the layers that act before the output                             |
| Reward      | one number for the whole team: what the task answers to the output's last action                  |
| Info        | `returns`: of the episode that ended in this round, else 0; `episodes`: 1 where one ended, else 0;|
|             | `loss`: minus the mean return of the last hundred episodes, about                                 |
| Episode     | the task's: one decision for a bandit, one episode of a control problem; weights survive          |
| Samples     | with classes (`digits`, `notmnist`, `idx`, arrays) are asked one by one: a decision is a class,   |
|             | R = 1 if it is the right one, else 0; evaluation asks every sample of a part once                 |
| Seeds       | 0 .. 2^32 - 1; `reset(seed)` begins the seed's first episode, `reset()` the next one              |
| Options     | `reset_mask` for `vector_env`, which begins anew in the worlds that it names; no other            |
| Pictures    | the stimulus and the activity since the round began, what every unit did last, and the return of  |
|             | every episode; no weights: they belong to the learner, whom a face does not know                  |
| Arguments   | those of `world`; `max_cycles`; `render_mode`; `names`; `num_envs`; `keyed`                       |
| Source      | Chung 2023, "Structural Credit Assignment with Coordinated Exploration" (arXiv 2307.13256); Chung |
|             | 2020, "MAP Propagation Algorithm" (2010.07893); Chung 2020, "Learning by Competition of           |
|             | Self-Interested Reinforcement Learning Agents" (2010.09770). Data layout and turns are ours       |

A minibatch of B decisions is B worlds that share one learner. In the compiled loop the task goes on by itself: after an
episode's end the next one has begun. In a face the task's episode is the environment's, so `reset` follows.

Version history: v0, the first.
"""

import math
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key

from synagents import registry
from synagents.agents.units import CODES, Kind, Layer, activity
from synagents.envs.faces import Faces
from synagents.hyperparameters import Values, require, require_whole, settings, static
from synagents.registry import Plays
from synagents.tasks import episodes
from synagents.tasks.bandit import with_bandit_feedback
from synagents.tasks.samples import Samples
from synagents.world import (
    DecisionTask,
    Group,
    Memory,
    Metrics,
    Outcome,
    Part,
    Policy,
    RoundNumber,
    TaskState,
    Tree,
    World,
    num_choices,
    turns_of,
)

__all__ = ["UnitState", "UnitWorld", "env", "functional_env", "parallel_env", "raw_env", "vector_env", "world"]

Units = Literal["sign", "bit", "gaussian"]
INPUT, OUTPUT = "input", "output"
RECENT = 100  # episodes over which returns are averaged for logs and displays
MOST_CHOICES = 256  # of one agent: actions are kept in 8 bits


class UnitState(NamedTuple):
    """A network in the middle of a decision."""

    activity: Tree  # {group: f32[width]} since the round began; 0 for layers that have not acted yet
    choice: Array  # the output agents' last actions, [n]
    earned: Float[Array, ""]  # rewards of the episode so far
    episodes: Integer[Array, ""]  # that have ended
    recent: Float[Array, ""]  # mean return of the last hundred of them, about
    task: TaskState  # the task's own state: the stimulus that is to be answered


@settings
class UnitWorld(World):
    """The world of units for any task of decisions; `unit_v0.world` builds it from names.

    Attributes:
        task: asks and pays.
        hidden: units of the hidden layers, each >= 1.
        units: kind of the hidden units: "sign" {-1, 1}, "bit" {0, 1} or "gaussian", any number.
        output: "softmax", one agent for Discrete tasks, or "unit", one that fires or not, for tasks of two actions.
        feedback: whether hidden layers also listen to the layer above; needs sweeps.
        lateral: whether hidden layers also listen to themselves; needs sweeps.
        sweeps: how often the layers act again after the first pass upward, >= 0; none without feedback or lateral.
        repeats: worlds in a row that are asked the same questions, >= 1.
    """

    weights_in: ClassVar[Literal["state", "mind"]] = "mind"

    task: DecisionTask
    hidden: tuple[int, ...] = static()
    units: Units = static(default="sign")
    output: Literal["softmax", "unit"] = static(default="softmax")
    feedback: bool = static(default=False)
    lateral: bool = static(default=False)
    sweeps: int = static(default=0)
    repeats: int = static(default=1)

    def __post_init__(self) -> None:
        require(
            isinstance(self.task, DecisionTask),
            f"This {type(self.task).__name__} asks for no decisions: play a task that answers outputs with a loss in "
            "synagents.envs.synapse_v0, or derive your own class from synagents.DecisionTask.",
        )
        require(
            isinstance(self.hidden, tuple),
            f"hidden must be a tuple of layer sizes such as (64,), but is {self.hidden!r}.",
        )
        for size in self.hidden:
            require_whole("every size in hidden", size, 1)
        require_whole("sweeps", self.sweeps, 0)
        require_whole("repeats", self.repeats, 1)
        for name, asked in (("feedback", self.feedback), ("lateral", self.lateral)):
            require(isinstance(asked, bool), f"{name} must be True or False, but is {asked!r}.")
        require(
            (self.sweeps > 0) == (self.feedback or self.lateral),
            "Layers act again if they listen to the layer above or to themselves: give sweeps together with feedback "
            "or lateral, or neither.",
        )
        require(
            bool(self.hidden) or self.sweeps == 0,
            "An output layer alone has nothing to act again with: give hidden layers.",
        )
        space = self.task.action_space
        require(
            self.output == "softmax" or space == spaces.Discrete(2) or isinstance(space, spaces.Box),
            f"One output unit chooses between two actions, but the task has {space}: use output='softmax'.",
        )
        require(
            not isinstance(space, spaces.Discrete) or space.n <= MOST_CHOICES,
            f"One agent chooses among at most {MOST_CHOICES} actions, but the task has {space}: play a smaller one.",
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in the stimulus and in the activity of every layer."""
        return (math.prod(self.task.in_shape), *(layer.width for layer in self.layers))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The network, from input to output."""
        names = [f"hidden{number}" for number in range(len(self.hidden))] + [OUTPUT]
        widths = dict(zip(names, (*self.hidden, self._output_width), strict=True))
        widths[INPUT] = math.prod(self.task.in_shape)
        layers = []
        for place, name in enumerate(names):
            sources = [(INPUT, *names)[place]]
            if name != OUTPUT:
                sources += names[place + 1 : place + 2] * self.feedback + [name] * self.lateral
            kind: Kind = self._output_kind if name == OUTPUT else self.units
            layers.append(Layer(name, kind, widths[name], tuple(sources), tuple(widths[each] for each in sources)))
        return tuple(layers)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """One group per layer, from input to output."""
        ranges = {layer.name: _activity_range(layer.kind) for layer in self.layers} | {INPUT: _NUMBERS}
        groups = []
        for place, layer in enumerate(self.layers):
            fires = layer.kind in CODES
            choices = {"softmax": layer.width}.get(layer.kind, 2)
            groups.append(
                Group(
                    layer.name,
                    (1 if layer.kind == "softmax" else layer.width,),
                    _obs_space([(fan, ranges[source]) for source, fan in zip(layer.sources, layer.fans, strict=True)]),
                    spaces.Discrete(choices) if fires or layer.kind == "softmax" else spaces.Box(*_NUMBERS, ()),
                    self._turns(place),
                    layer,
                )
            )
        return tuple(groups)

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> UnitState:
        """A first question (or the given one); nobody has acted."""
        return self._asked(self.task.init(key) if task_state is None else task_state)

    def observe(self, state: UnitState, turn: int) -> Tree:
        """What reaches the layers of a turn, {group: f32[D]}: stored once, since all units of a layer see the same."""
        there = state.activity | {INPUT: self._stimulus(state)}
        return {
            group.name: jnp.concatenate([there[source] for source in group.about.sources])
            for group in self.groups
            if turn in group.turns
        }

    def move(self, state: UnitState, actions: Tree, t: RoundNumber, turn: int) -> UnitState:
        """The network after the layers of a turn have fired."""
        del t, turn
        fired = {layer.name: activity(layer, actions[layer.name]) for layer in self.layers if layer.name in actions}
        return state._replace(activity=state.activity | fired, choice=actions.get(OUTPUT, state.choice))

    def resolve(self, key: Key[Array, ""], state: UnitState) -> tuple[UnitState, Outcome]:
        """Let the task answer the output's action, and pay everybody the same; the network falls silent again."""
        task_state, answer = self.task.respond(key, state.task, self._decision(state))
        ended, paid = answer.terminated | answer.truncated, answer.reward.astype(jnp.float32)
        earned, ends = state.earned + paid, state.episodes + ended
        recent = state.recent + ended * (earned - state.recent) / jnp.clip(ends, 1, RECENT).astype(jnp.float32)
        now = jnp.where(ended, jnp.float32(0), earned)
        after = UnitState(self._silence(), state.choice, now, ends, recent, task_state)
        info = {
            "loss": -recent,
            "returns": jnp.where(ended, earned, jnp.float32(0)),
            "episodes": ended.astype(jnp.float32),
        }
        reward = {group.name: paid for group in self.groups}
        return after, Outcome(reward, answer.terminated, answer.truncated, info)

    def evaluate(self, key: Key[Array, ""], state: UnitState, policy: Policy, part: Part) -> Metrics:
        """The task's metrics of the policy in episodes that no round has seen, or on every sample (`episodes`)."""
        del state

        def decide(key: Key[Array, ""], memory: Memory, task_state: TaskState) -> tuple[Array, Memory]:
            asked = self._asked(task_state)
            for turn in turns_of(self.groups):
                drawn = jax.random.fold_in(key, turn)
                actions, memory = policy.act(drawn, memory, self.observe(asked, turn), turn)
                asked = self.move(asked, actions, 0, turn)
            return self._decision(asked), memory

        return episodes.evaluate(self.task, key, policy.begin_world, decide, part)

    def global_state(self, state: UnitState) -> Float[Array, "D"]:
        """The stimulus and what every layer has done since the round began."""
        return jnp.concatenate([self._stimulus(state), *(state.activity[layer.name] for layer in self.layers)])

    def pictures(self, state: UnitState) -> Tree:
        """The stimulus and the activity since the round began; the weights are the learner's."""
        return {INPUT: self._stimulus(state)} | {layer.name: state.activity[layer.name] for layer in self.layers}

    def _asked(self, task_state: TaskState) -> UnitState:
        """A network that has heard a question and done nothing yet."""
        size, zero = self.groups[-1].size, jnp.float32(0)
        choice = jnp.zeros(size, jnp.float32 if self._is_gaussian else jnp.uint8)
        return UnitState(self._silence(), choice, zero, jnp.int32(0), zero, task_state)

    def _stimulus(self, state: UnitState) -> Float[Array, "D"]:
        """What is asked, f32 also where a task of somebody's own computes with 64 bits."""
        return self.task.stimulus(state.task).reshape(-1).astype(jnp.float32)

    def _decision(self, state: UnitState) -> Array:
        """The output's action as the task takes it."""
        return state.choice if self._is_gaussian else state.choice[0].astype(jnp.int32)

    @property
    def _is_gaussian(self) -> bool:
        return isinstance(self.task.action_space, spaces.Box)

    @property
    def _output_width(self) -> int:
        space = self.task.action_space
        if isinstance(space, spaces.Box):
            return math.prod(space.shape)
        return 1 if self.output == "unit" else num_choices(space)

    @property
    def _output_kind(self) -> Kind:
        if self._is_gaussian:
            return "gaussian"
        if self.output == "softmax":
            return "softmax"
        return "bit" if self.units == "bit" else "sign"

    def _silence(self) -> Tree:
        return {layer.name: jnp.zeros(layer.width, jnp.float32) for layer in self.layers}

    def _turns(self, place: int) -> int | tuple[int, ...]:
        """Upward once, then sweep after sweep: the layers that act before the output's, then those with it."""
        if self.sweeps == 0:
            return place
        count = len(self.layers)
        before = (count - 1 - place) % 2
        again = [count + 2 * sweep + 1 - before for sweep in range(self.sweeps)]
        return (place, *again, *[count + 2 * self.sweeps] * before)


_NUMBERS = (-math.inf, math.inf)


def _activity_range(kind: Kind) -> tuple[float, float]:
    """The lowest and the highest activity of a unit."""
    low, high = {"gaussian": _NUMBERS, "softmax": (0.0, 1.0)}.get(kind) or CODES[kind]
    return low, high


def _obs_space(parts: list[tuple[int, tuple[float, float]]]) -> spaces.Box:
    low, high = (np.repeat([span[end] for _, span in parts], [n for n, _ in parts]) for end in (0, 1))
    # Between a round's beginning and its own turn a layer is silent, which is 0 in every code.
    return spaces.Box(low.astype(np.float32), high.astype(np.float32))


def world(
    task: str | DecisionTask | Samples = "multiplexer",
    *,
    hidden: tuple[int, ...] = (64,),
    units: Units = "sign",
    output: Literal["softmax", "unit"] = "softmax",
    feedback: bool = False,
    lateral: bool = False,
    sweeps: int = 0,
    repeats: int = 1,
    **task_options: Any,
) -> UnitWorld:
    """A layered network of stochastic units on a task of decisions.

    Args:
        task: a task's name ("multiplexer", "digits", ...), or a task object; samples with classes are asked one by one
            (`synagents.tasks.bandit`).
        hidden: units of the hidden layers, each >= 1; none for a network that is its output layer.
        units: kind of the hidden units: sign {-1, 1}, bit {0, 1} or gaussian.
        output: softmax (one agent that chooses) or unit (one that fires or not, for tasks of two actions); tasks whose
            actions are numbers have Gaussian output units anyway.
        feedback: let hidden layers also listen to the layer above; needs sweeps.
        lateral: let hidden layers also listen to themselves; needs sweeps.
        sweeps: how often the layers act again after the first pass upward, >= 0.
        repeats: worlds in a row that are asked the same questions, >= 1; 2 and more give each decision company to
            compare its reward with (leave-one-out baselines), at as many times fewer questions per batch.
        **task_options: options of the named task, such as `bits=5`.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name, or samples have no classes.
    """
    chosen = registry.make_task(task, task_options, world, PLAYS)
    chosen = with_bandit_feedback(chosen) if isinstance(chosen, Samples) else chosen
    hidden = tuple(hidden) if isinstance(hidden, list) else hidden
    return UnitWorld(chosen, hidden, units, output, feedback, lateral, sweeps, repeats)


# Samples are asked one by one, each time for one class, so the batch and the loss of outputs are none of the user's.
ONE_BY_ONE: Values = {"batch_size": 1, "loss": "cross-entropy"}
PLAYS = (
    Plays(DecisionTask, world, learner="map-propagation"),
    Plays(Samples, world, learner="weight-maximization", decides=ONE_BY_ONE),
)


def settings_for(learner: str) -> dict[str, Any]:
    """The settings of a world that suits the learner of that name: none beside the defaults."""
    del learner
    return {}


faces = Faces(world, "unit_v0")
parallel_env, raw_env, env = faces.parallel_env, faces.raw_env, faces.env
vector_env, functional_env = faces.vector_env, faces.functional_env
