"""The contract: what a world, a network, a task and a learner are to each other.

A world puts agents inside a network: agents *see* (`observe`) and *act* (`move`), and the world *reckons* (`settle`:
run the network on the task's stimulus, let the task answer, turn the score into rewards). A learner is the whole
population's mind. Everything is a pure function of what it is given, written for one world; `synagents.loop` makes
many.

Letters of shapes: N agents, n a group's agents, T rounds, W worlds, K runs, B samples, S histories, A actions.
S is also a world's state and L a learner's; trees over agents are dicts keyed by group name.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Key

Tree = dict[str, Array]  # one array per group
Params = dict[str, Float[Array, "..."]]  # one array of weights per group
Part = Literal["train", "held_out"]


@dataclass(frozen=True)
class Group:
    """Agents of one kind: the synapses of one weight array, the units of one layer.

    Attributes:
        name: letters [a-z0-9_]; its agents are `<name>_<i>`, i the row-major index in `shape`.
        shape: how the agents are laid out, e.g. (fan_in, fan_out).
        obs_space: what one agent observes.
        action_space: what one agent does.
        turn: when in a round the group acts; 0 where all act at once, several turns where it acts again and again.
        sources: whose activity an agent sees, in the order of its observation: ("input",), ("hidden0", "output"); none
            where it sees something else.
        code: the activity that each Discrete action stands for, such as (-1, 1); empty where actions mean themselves.
    """

    name: str
    shape: tuple[int, ...]
    obs_space: spaces.Space
    action_space: spaces.Space
    turn: int | tuple[int, ...] = 0
    sources: tuple[str, ...] = ()
    code: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many agents."""
        return math.prod(self.shape)

    @property
    def turns(self) -> tuple[int, ...]:
        """All turns in which the group acts."""
        return (self.turn,) if isinstance(self.turn, int) else self.turn


class Outcome(NamedTuple):
    """What the world answers after all groups have acted."""

    reward: Tree  # {group: f32[] or f32[n]}; f32[] is one number for the whole group
    terminated: Bool[Array, ""]  # the task itself ended
    truncated: Bool[Array, ""]  # stopped from outside, the task goes on
    info: dict[str, Array]  # numbers worth recording, f32[] each: {"loss": ..}


class Transition(NamedTuple):
    """What a learner learns from: T rounds of W worlds. What an agent sees next is the next round's `obs`."""

    obs: Tree  # {group: [T, W, n, ...]}
    actions: Tree  # {group: [T, W, n, ...]}
    extras: Any  # whatever `act` returned beside the actions, with axes [T, W] in front
    reward: Tree  # {group: f32[T, W] or f32[T, W, n]}
    terminated: Bool[Array, "T W"]
    truncated: Bool[Array, "T W"]


class Network(Protocol):
    """Two pure functions; any pytree of arrays keyed by group name will do as parameters."""

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters."""

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs for a batch of inputs."""


class Task(Protocol):
    """Hands out a stimulus and answers the network's output with a score. T is the task's own state."""

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample."""

    @property
    def out_size(self) -> int:
        """Outputs it expects."""

    def init(self, key: Key[Array, ""]) -> Any:
        """A first state: a batch drawn, a teacher made."""

    def stimulus(self, state: Any) -> Float[Array, "B ..."]:
        """What the network is to answer."""

    def respond(self, key: Key[Array, ""], state: Any, out: Float[Array, "B out"]) -> tuple[Any, Float[Array, ""]]:
        """The score of an output, higher is better; no new batch is drawn in here."""

    def refresh(self, key: Key[Array, ""], state: Any) -> Any:
        """A new batch (or the same state, where there is none)."""

    def evaluate(self, state: Any, apply_fn: Callable[[Array], Array], part: Part) -> dict[str, Float[Array, ""]]:
        """Metrics over a whole part of the data: "loss", and "accuracy" where there are classes."""


class Answer(NamedTuple):
    """What a task of decisions answers to one action."""

    reward: Float[Array, ""]
    terminated: Bool[Array, ""]  # the episode came to its own end with this decision
    truncated: Bool[Array, ""]  # it was cut by a time limit


class DecisionTask(Protocol):
    """Asks for one action at a time and pays for it: a bandit, a control problem. T is the task's own state."""

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one stimulus: (numbers,)."""

    @property
    def action_space(self) -> spaces.Space:
        """Discrete, or a Box of shape (numbers,)."""

    def init(self, key: Key[Array, ""]) -> Any:
        """A first state: a question drawn, an episode begun."""

    def stimulus(self, state: Any) -> Float[Array, "D"]:
        """What the next decision is about."""

    def respond(self, key: Key[Array, ""], state: Any, action: Array) -> tuple[Any, Answer]:
        """What comes of an action; the next question is drawn, and an episode that ended begins anew, in here."""


class World(Protocol):
    """A network in training with agents inside. Its state S is a NamedTuple with a field `task`."""

    @property
    def task(self) -> Any:
        """What the network is to learn: a Task or a DecisionTask."""

    @property
    def interval(self) -> int:
        """Rounds a batch is kept; 0 = never refreshed."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents; flat order everywhere is groups in this order, row-major within."""

    def reset(self, key: Key[Array, ""], task_state: Any = None) -> Any:
        """A new life: fresh weights, a first batch (or a given task state), and its score for the first reward."""

    def observe(self, state: Any, turn: int) -> Tree:
        """What the agents of a turn see, {group: [n, ...]}, or [...] where all of a group see the same.

        A read: no network call, no randomness.
        """

    def move(self, state: Any, actions: Tree, turn: int) -> Any:
        """The world after the agents of a turn have acted."""

    def settle(self, key: Key[Array, ""], state: Any) -> tuple[Any, Outcome]:
        """Run the network, let the task answer, turn the score into rewards."""

    def refresh(self, key: Key[Array, ""], state: Any) -> Any:
        """A new batch; called between intervals, never inside a round."""

    def evaluate(self, state: Any, part: Part) -> dict[str, Float[Array, ""]]:
        """The task's metrics of the present network."""

    def overview(self, state: Any) -> Float[Array, "D"]:
        """What a central critic may see and no agent does: the state as one vector."""


class Learner(Protocol):
    """The whole population's mind: parameter sharing, independence and central critics are choices inside it."""

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Any:
        """A fresh mind L for these agents; ValueError where it does not fit them."""

    def act(self, key: Key[Array, ""], mind: Any, obs: Tree, turn: int) -> tuple[Tree, Any]:
        """Actions for one world, {group: [n]}, and extras that `update` wants to see again (or an empty tuple)."""

    def update(
        self, key: Key[Array, ""], mind: Any, transition: Transition, last_obs: Tree
    ) -> tuple[Any, dict[str, Float[Array, ""]]]:
        """A wiser mind after T rounds of W worlds, and numbers worth recording. `last_obs` is {group: [W, n, ...]}."""


def flat(tree: Tree, groups: tuple[Group, ...]) -> Float[Array, "N"]:
    """All agents' values as one vector: groups in order, row-major within (the order of names, states and files)."""
    return jnp.concatenate([tree[group.name].reshape(-1) for group in groups])


def agent_ids(groups: tuple[Group, ...]) -> list[str]:
    """Names of all agents in flat order: `<group>_<i>`."""
    return [f"{group.name}_{i}" for group in groups for i in range(group.size)]


def each_agent(seen: Tree, groups: tuple[Group, ...]) -> Tree:
    """What every single agent sees, {group: [n, ...]}, where a group that sees the same is stored once."""
    return {
        group.name: jnp.broadcast_to(seen[group.name], (group.size, *(group.obs_space.shape or ())))
        for group in groups
        if group.name in seen
    }


def num_choices(space: spaces.Space) -> int:
    """How many values a Discrete space has; ValueError if it is another."""
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"This counts the values of Discrete spaces, but there is {space}.")
    return int(space.n)


def turns_of(groups: tuple[Group, ...]) -> range:
    """The turns of a round."""
    return range(1 + max(turn for group in groups for turn in group.turns))


def require_discrete(groups: tuple[Group, ...], learner: str) -> tuple[int, int]:
    """The one (histories, actions) shape of all groups; ValueError if one table cannot serve them all."""
    shapes = {
        (num_choices(g.obs_space), num_choices(g.action_space))
        if isinstance(g.obs_space, spaces.Discrete) and isinstance(g.action_space, spaces.Discrete)
        else None
        for g in groups
    }
    if len(shapes) != 1 or None in shapes:
        raise ValueError(
            f"{learner} keeps one table for all agents, so every group needs the same Discrete spaces, but "
            + "; ".join(f"{g.name} has {g.obs_space} and {g.action_space}" for g in groups[:3])
            + "."
        )
    return next(s for s in shapes if s is not None)


__all__ = [
    "Answer",
    "DecisionTask",
    "Group",
    "Learner",
    "Network",
    "Outcome",
    "Params",
    "Part",
    "Task",
    "Transition",
    "Tree",
    "World",
    "agent_ids",
    "each_agent",
    "flat",
    "num_choices",
    "require_discrete",
    "turns_of",
]
