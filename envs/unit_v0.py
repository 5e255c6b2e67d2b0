"""Every unit of a network is an agent that sees the activity reaching it, fires or not, and shares the team's reward.

    h_l ~ pi_l(. | h_{l-1}),  l = 1 .. L, one turn each          action = h_L          the task pays everybody R

| data sheet  |                                                                                                   |
|-------------|---------------------------------------------------------------------------------------------------|
| Import      | `from synagents.envs import unit_v0`                                                              |
| Faces       | `parallel_env` (PettingZoo), `env` and `raw_env` (agent after agent), `functional_env` (JaxMARL's |
|             | style), and `world`, the pure functions that `synagents.train` plays; `vector_env` (Gymnasium)    |
|             | only without hidden layers, since layers differ in what they see and when they act                |
| Agents      | one per unit: groups `hidden0`, `hidden1`, ..., `output`; agents `<group>_<i>`; a softmax output  |
|             | is one agent that chooses one of K                                                                |
| Sharing     | none: a unit's incoming weights are its policy and belong to the learner; they survive `reset`    |
| Observation | Box: the activity of the layer below (of the stimulus for `hidden0`); with `feedback` also of the |
|             | layer above; with `lateral` also of the own layer                                                 |
| State       | for central critics: the stimulus and the activity of every layer, f32[inputs + widths]           |
| Action      | Discrete(2), silent or firing, for `sign` {-1, 1} and `bit` {0, 1} units; Box(), the activity     |
|             | itself, for `gaussian` ones; Discrete(K) for a softmax output                                     |
| Turns       | one per layer, from below; then, where layers settle, two per sweep (every other layer, then the  |
|             | rest with the output) and one last for the layers that act before the output                      |
| Reward      | one number for the whole team: what the task answers to the output's last action                  |
| Info        | `returns`: of the episode that ended in this round, else 0; `episodes`: 1 where one ended, else 0;|
|             | `loss`: minus the mean return of the last hundred episodes, about                                 |
| Episode     | the task's: one decision for a bandit, one episode of a control problem; weights survive          |
| Arguments   | those of `world`; `max_cycles`; `keyed`                                                           |
| Source      | Chung 2023, "Structural Credit Assignment with Coordinated Exploration" (arXiv 2307.13256); Chung |
|             | 2020, "MAP Propagation Algorithm" (2010.07893); Chung 2020, "Learning by Competition of           |
|             | Self-Interested Reinforcement Learning Agents" (2010.09770). Data layout and turns are ours       |

A minibatch of B decisions is B worlds that share one learner. In the compiled loop the task goes on by itself: after an
episode's end the next one has begun; in a face the end of an episode is the end of a life.

Version history: v0, the first.
"""

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key

from synagents import registry
from synagents.settings import require, require_whole, settings, static
from synagents.units import CODES, activity
from synagents.world import DecisionTask, Group, Outcome, Part, Tree, num_choices

if TYPE_CHECKING:
    from synagents.envs.views import FunctionalEnv, ParallelView, VectorView

__all__ = ["UnitState", "UnitWorld", "env", "functional_env", "parallel_env", "raw_env", "vector_env", "world"]

Units = Literal["sign", "bit", "gaussian"]
INPUT, OUTPUT = "input", "output"
RECENT = 100  # episodes over which returns are averaged for those who look on


class UnitState(NamedTuple):
    """A network in the middle of a decision."""

    activity: Tree  # {group: f32[width]} since the round began; 0 for layers that have not acted yet
    choice: Array  # the output agents' last actions, [n]
    earned: Float[Array, ""]  # rewards of the episode so far
    episodes: Integer[Array, ""]  # that have ended
    recent: Float[Array, ""]  # mean return of the last hundred of them, about
    task: Any  # the task's own state: the stimulus that is to be answered


@settings
class UnitWorld:
    """The world of units for any task of decisions; build it by `unit_v0.world`, which checks what you ask for.

    Attributes:
        task: asks and pays.
        hidden: units of the hidden layers.
        units: kind of the hidden units: "sign" {-1, 1}, "bit" {0, 1} or "gaussian", any number.
        output: "softmax", one agent for Discrete tasks, or "unit", one that fires or not, for tasks of two actions.
        feedback: whether hidden layers also listen to the layer above.
        lateral: whether hidden layers also listen to themselves.
        sweeps: how often the layers settle after the first pass upward.
    """

    task: DecisionTask
    hidden: tuple[int, ...] = static()
    units: Units = static(default="sign")
    output: Literal["softmax", "unit"] = static(default="softmax")
    feedback: bool = static(default=False)
    lateral: bool = static(default=False)
    sweeps: int = static(default=0)

    @property
    def interval(self) -> int:
        """0: the task draws its next question itself."""
        return 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in the stimulus and in the activity of every layer."""
        return (math.prod(self.task.in_shape), *self.hidden, self._output_width)

    @property
    def repeats(self) -> int:
        """How many worlds in a row see the same stimuli."""
        return getattr(self.task, "repeats", 1)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """One group per layer, from input to output."""
        names = [f"hidden{number}" for number in range(len(self.hidden))] + [OUTPUT]
        inputs, *sizes = self.sizes
        inner = _NUMBERS if self.units == "gaussian" else CODES[self.units]
        spans = {INPUT: (inputs, _NUMBERS)} | {name: (size, inner) for name, size in zip(names, sizes, strict=True)}
        spans[OUTPUT] = (sizes[-1], self._output_code or (_NUMBERS if self._is_gaussian else (0.0, 1.0)))
        groups = []
        for place, name in enumerate(names):
            sources = [(INPUT, *names)[place]]
            if name != OUTPUT:
                sources += names[place + 1 : place + 2] * self.feedback + [name] * self.lateral
            code = self._output_code if name == OUTPUT else CODES.get(self.units, ())
            one_of = name == OUTPUT and not code and not self._is_gaussian
            groups.append(
                Group(
                    name,
                    (1 if one_of else sizes[place],),
                    _sight([spans[source] for source in sources]),
                    spaces.Discrete(sizes[place] if one_of else 2) if one_of or code else spaces.Box(*_NUMBERS, ()),
                    self._turns(place, len(names)),
                    tuple(sources),
                    code,
                )
            )
        return tuple(groups)

    def reset(self, key: Key[Array, ""], task_state: Any = None) -> UnitState:
        """A first question (or the given one); nobody has acted."""
        last = self.groups[-1]
        return UnitState(
            activity=self._silence(),
            choice=jnp.zeros(last.size, jnp.float32 if self._is_gaussian else jnp.uint8),
            earned=jnp.float32(0),
            episodes=jnp.int32(0),
            recent=jnp.float32(0),
            task=self.task.init(key) if task_state is None else task_state,
        )

    def observe(self, state: UnitState, turn: int) -> Tree:
        """What reaches the layers of a turn, {group: f32[D]}: stored once, since all units of a layer see the same."""
        there = state.activity | {INPUT: self.task.stimulus(state.task).reshape(-1)}
        return {
            group.name: jnp.concatenate([there[source] for source in group.sources])
            for group in self.groups
            if turn in group.turns
        }

    def move(self, state: UnitState, actions: Tree, turn: int) -> UnitState:
        """The network after the layers of a turn have fired."""
        del turn
        fired = {group.name: activity(group, actions[group.name]) for group in self.groups if group.name in actions}
        return state._replace(activity=state.activity | fired, choice=actions.get(OUTPUT, state.choice))

    def settle(self, key: Key[Array, ""], state: UnitState) -> tuple[UnitState, Outcome]:
        """Let the task answer the output's action, and pay everybody the same; the network falls silent again."""
        action = state.choice if self._is_gaussian else state.choice[0].astype(jnp.int32)
        task_state, answer = self.task.respond(key, state.task, action)
        ended = answer.terminated | answer.truncated
        earned, episodes = state.earned + answer.reward, state.episodes + ended
        recent = state.recent + ended * (earned - state.recent) / jnp.clip(episodes, 1, RECENT)
        after = UnitState(self._silence(), state.choice, jnp.where(ended, 0.0, earned), episodes, recent, task_state)
        info = {"loss": -recent, "returns": jnp.where(ended, earned, 0.0), "episodes": ended.astype(jnp.float32)}
        reward = {group.name: answer.reward for group in self.groups}
        return after, Outcome(reward, answer.terminated, answer.truncated, info)

    def refresh(self, key: Key[Array, ""], state: UnitState) -> UnitState:
        """The same state: questions come one by one."""
        del key
        return state

    def evaluate(self, state: UnitState, part: Part) -> dict[str, Float[Array, ""]]:
        """Loss: minus the mean return of the last hundred episodes, about, whatever the part.

        The weights are the learner's, and a task of decisions has no parts: what the team earns is what is known of it.
        """
        del part
        return {"loss": -state.recent}

    def overview(self, state: UnitState) -> Float[Array, "D"]:
        """The stimulus and what every layer has done since the round began."""
        return jnp.concatenate(
            [self.task.stimulus(state.task).reshape(-1), *(state.activity[group.name] for group in self.groups)]
        )

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
    def _output_code(self) -> tuple[float, ...]:
        one_unit = self.output == "unit" and not self._is_gaussian
        return CODES["bit" if self.units == "bit" else "sign"] if one_unit else ()

    def _silence(self) -> Tree:
        return {group.name: jnp.zeros(width) for group, width in zip(self.groups, self.sizes[1:], strict=True)}

    def _turns(self, place: int, layers: int) -> int | tuple[int, ...]:
        """Upward once, then sweep after sweep: the layers that act before the output's, then those with it."""
        if self.sweeps == 0:
            return place
        before = (layers - 1 - place) % 2
        again = [layers + 2 * sweep + 1 - before for sweep in range(self.sweeps)]
        return (place, *again, *[layers + 2 * self.sweeps] * before)


_NUMBERS = (-math.inf, math.inf)


def _sight(spans: list[tuple[int, tuple[float, ...]]]) -> spaces.Box:
    low, high = (np.repeat([span[end] for _, span in spans], [n for n, _ in spans]) for end in (0, 1))
    # Between a round's beginning and its own turn a layer is silent, which is 0 in every code.
    return spaces.Box(low.astype(np.float32), high.astype(np.float32))


def world(
    task: str | DecisionTask = "multiplexer",
    *,
    hidden: tuple[int, ...] = (64,),
    units: Units = "sign",
    output: Literal["softmax", "unit"] = "softmax",
    feedback: bool = False,
    lateral: bool = False,
    sweeps: int = 0,
    **task_options: Any,
) -> UnitWorld:
    """A layered network of stochastic units on a task of decisions.

    Args:
        task: a task's name ("multiplexer", "scalar-regression", ...), or a task object.
        hidden: units of the hidden layers, each >= 1; none for a network that is its output layer.
        units: kind of the hidden units: sign {-1, 1}, bit {0, 1} or gaussian.
        output: softmax (one agent that chooses) or unit (one that fires or not, for tasks of two actions); tasks whose
            actions are numbers have Gaussian output units anyway.
        feedback: let hidden layers also listen to the layer above; needs sweeps.
        lateral: let hidden layers also listen to themselves; needs sweeps.
        sweeps: how often the layers settle after the first pass upward, >= 0.
        **task_options: options of the named task, such as `bits=5`.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name.
    """
    require(
        isinstance(hidden, tuple | list), f"hidden must be a tuple of layer sizes such as (64,), but is {hidden!r}."
    )
    for size in hidden:
        require_whole("every size in hidden", size, 1)
    require_whole("sweeps", sweeps, 0)
    for name, asked in (("feedback", feedback), ("lateral", lateral)):
        require(isinstance(asked, bool), f"{name} must be True or False, but is {asked!r}.")
    require(units in get_args(Units), f"units must be sign, bit or gaussian, but is {units!r}.")
    require(output in ("softmax", "unit"), f"output must be softmax or unit, but is {output!r}.")
    require(
        (sweeps > 0) == (feedback or lateral),
        "Layers settle if they listen to the layer above or to themselves: give sweeps together with feedback or "
        "lateral, or neither.",
    )
    require(bool(hidden) or sweeps == 0, "An output layer has nothing to settle with: give hidden layers.")
    chosen = registry.make_task(task, task_options) if isinstance(task, str) else task
    require(
        chosen is not task or not task_options, f"Set options on the task object itself: {', '.join(task_options)}."
    )
    require(
        hasattr(chosen, "action_space"),
        "This task scores outputs and asks for no decisions: play it in synagents.envs.synapse_v0.",
    )
    require(
        output == "softmax" or chosen.action_space == spaces.Discrete(2) or isinstance(chosen.action_space, spaces.Box),
        f"One output unit chooses between two actions, but the task has {chosen.action_space}: use output='softmax'.",
    )
    return UnitWorld(chosen, tuple(hidden), units, output, feedback, lateral, sweeps)


def parallel_env(
    task: str | DecisionTask = "multiplexer", *, max_cycles: int = 10_000, **options: Any
) -> "ParallelView":
    """The world as a PettingZoo ParallelEnv; one step is one turn, agents are called `hidden0_0`, ..., `output_0`.

    Args:
        task: as in `world`.
        max_cycles: rounds after which a life is truncated, >= 1.
        **options: every other keyword of `world`.

    Raises:
        ValueError: if anything is out of range, there is no task or option of that name, or units are Gaussian.
    """
    from synagents.envs.views import ParallelView

    return ParallelView(world(task, **options), "unit_v0", max_cycles=max_cycles)


def raw_env(task: str | DecisionTask = "multiplexer", **options: Any) -> Any:
    """The world as a PettingZoo AECEnv, agent after agent; every keyword of `parallel_env`."""
    from synagents.envs.views import agent_after_agent

    return agent_after_agent(parallel_env(task, **options))


def env(task: str | DecisionTask = "multiplexer", **options: Any) -> Any:
    """`raw_env` with PettingZoo's usual wrappers, which tell actions out of bounds and calls out of order."""
    from synagents.envs.views import agent_after_agent

    return agent_after_agent(parallel_env(task, **options), wrapped=True)


def vector_env(
    task: str | DecisionTask = "multiplexer", *, num_envs: int = 1, max_cycles: int = 10_000, **options: Any
) -> "VectorView":
    """The world as a Gymnasium VectorEnv, for networks whose agents all have one space and turn: without hidden layers.

    Args:
        task: as in `world`.
        num_envs: worlds, >= 1; there are as many sub-environments as agents in all of them.
        max_cycles: rounds after which a life is truncated, >= 1.
        **options: every other keyword of `world`.

    Raises:
        ValueError: if anything is out of range, or layers differ in what they see or do or when.
    """
    from synagents.envs.views import VectorView

    return VectorView(world(task, **options), num_worlds=num_envs, max_cycles=max_cycles)


def functional_env(
    task: str | DecisionTask = "multiplexer",
    *,
    max_cycles: int = 10_000,
    keyed: Literal["group", "agent"] = "group",
    **options: Any,
) -> "FunctionalEnv":
    """The world as pure functions in the style of JaxMARL: `reset(key)`, `step(key, state, actions)`.

    Args:
        task: as in `world`.
        max_cycles: rounds after which a life is truncated, >= 1.
        keyed: what dictionaries are keyed by: "group", or "agent" in worlds of at most 256.
        **options: every other keyword of `world`.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name.
    """
    from synagents.envs.views import FunctionalEnv

    return FunctionalEnv(world(task, **options), max_cycles, keyed)
