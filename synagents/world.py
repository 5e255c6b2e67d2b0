"""The contract: what a world, a network, a task and a learner are to each other.

One round of a world: its agents *see* (`observe`) and *act* (`move`), then the world *resolves* the round (`resolve`: run
the network on the task's stimulus, take the loss, turn it into rewards). A *mind* is what a learner knows; it acts for
all agents at once. Everything is a pure function of what it is given, written for one world; `synagents.loop` makes
many.

    observe(state) -> act -> move(state, actions)      every turn of a round
    resolve(state) -> Outcome(reward, info)            once a round
    update(mind, Transition of T rounds of W worlds)   once in T rounds

The classes below are the bases of everything that can be plugged in. An abstract method must be written; every other
member has the default that its docstring gives, so that nothing is ever looked up by its name.

Letters of shapes: N agents, n a group's agents, T rounds, W worlds, K runs, B samples, S histories, A actions.
S is also a world's state, T a task's, L a mind and M a memory. Trees over agents are dicts keyed by group name.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias


import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Key, UInt32

Tree: TypeAlias = dict[str, Array]  # one array per group
Params: TypeAlias = dict[str, Float[Array, "..."]]  # one array of weights per group
Metrics: TypeAlias = dict[str, Float[Array, ""]]  # numbers worth recording, by name
Part = Literal["train", "held_out"]
RoundNumber: TypeAlias = int | UInt32[Array, ""]  # rounds played before this one

# Attributes with a default are cached properties. Unlike a property, a cached property gives way to a dataclass field
# of the same name in a subclass.


@dataclass(frozen=True)
class Group:
    """Agents of one kind: the synapses of one weight array, the units of one layer.

    Attributes:
        name: letters [a-z0-9_]; its agents are `<name>_<i>`, i the row-major index in `shape`.
        shape: how the agents are laid out, e.g. (fan_in, fan_out).
        obs_space: what one agent observes.
        action_space: what one agent does.
        turn: when in a round the group acts; 0 where all act at once, several turns where it acts again and again.
        about: what learners of the world's family know of the group beside this, such as
            `synagents.agents.units.Layer`; None in families that need nothing more.
    """

    name: str
    shape: tuple[int, ...]
    obs_space: spaces.Space
    action_space: spaces.Space
    turn: int | tuple[int, ...] = 0
    about: Any = None

    @property
    def size(self) -> int:
        """How many agents."""
        return math.prod(self.shape)

    @property
    def turns(self) -> tuple[int, ...]:
        """All turns in which the group acts."""
        return (self.turn,) if isinstance(self.turn, int) else self.turn


class Outcome(NamedTuple):
    """What the world answers when a round is resolved."""

    reward: Tree  # {group: f32[] or f32[n]}; f32[] is one number for the whole group
    terminated: Bool[Array, ""]  # the task itself ended
    truncated: Bool[Array, ""]  # stopped from outside, the task goes on
    info: Metrics  # "loss" is required: logs, displays and the check for NaN read it; lower is better


class Transition(NamedTuple):
    """What a learner learns from: T rounds of W worlds.

    What an agent sees next is the next round's `obs`, and `last_obs` after the last round. A group that acts in several
    turns of a round appears with what it saw and did in its last turn; `extras` has all turns. In a world with C
    candidates there are W C rows of axis W, the candidates of one world side by side.
    """

    obs: Tree  # {group: [T, W, n, ...]}, or [T, W, ...] where all of a group see the same
    actions: Tree  # {group: [T, W, n]}
    extras: dict[int, Any]  # {turn: what `act` returned beside the actions, with axes [T, W] in front}
    reward: Tree  # {group: f32[T, W] or f32[T, W, n]}
    terminated: Bool[Array, "T W"]
    truncated: Bool[Array, "T W"]


class RewardKind(NamedTuple):
    """What a world's rewards say, or what a learner needs them to say."""

    graded: bool = False  # by how much things got better, not only whether
    same_batch: bool = False  # always a comparison of two losses on one and the same batch


class Policy(NamedTuple):
    """A mind that acts and does not learn: what `World.evaluate` may use. M is its memory, of one world."""

    begin_world: Callable[[Key[Array, ""]], Any]  # key -> M
    act: Callable[[Key[Array, ""], Any, Tree, int], tuple[Tree, Any]]  # (key, M, obs, turn) -> (actions, M)


class Network(ABC):
    """Two pure functions; any pytree of arrays keyed by group name will do as parameters."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input first, for reports. By default empty: not a chain of layers."""
        return ()

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, {group: f32[...]}; the order of the names is the order of the groups."""

    @abstractmethod
    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs for a batch of inputs; each row depends on its own sample alone."""


class Task(ABC):
    """Hands out a batch as the stimulus and answers the network's outputs with a loss. T is the task's own state."""

    @cached_property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample. Must be given."""
        raise NotImplementedError(f"{type(self).__name__} does not say its in_shape.")

    @cached_property
    def out_size(self) -> int:
        """Outputs it expects for each sample. Must be given."""
        raise NotImplementedError(f"{type(self).__name__} does not say its out_size.")

    @cached_property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the data, for reports: pairs of a name and a value. By default empty."""
        return ()

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Any:
        """A first state T: a batch drawn, a teacher made."""

    @abstractmethod
    def stimulus(self, state: Any) -> Float[Array, "B ..."]:
        """What the network is to answer, [B, *in_shape]."""

    @abstractmethod
    def respond(self, key: Key[Array, ""], state: Any, out: Float[Array, "B out"]) -> tuple[Any, Float[Array, ""]]:
        """The state after the outputs are scored, and their loss f32[], lower is better; no new batch is drawn here."""

    @abstractmethod
    def refresh(self, key: Key[Array, ""], state: Any) -> Any:
        """The state with a new batch (or the same state, where there is none)."""

    @abstractmethod
    def evaluate(self, state: Any, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Metrics over a whole part of the data: "loss", and "accuracy" in [0, 1] where there are classes.

        Args:
            state: of the task.
            apply_fn: inputs [n, *in_shape] -> outputs [n, out_size].
            part: "train" or "held_out".
        """


class Answer(NamedTuple):
    """What a task of decisions answers to one action."""

    reward: Float[Array, ""]
    terminated: Bool[Array, ""]  # the episode came to its own end with this decision
    truncated: Bool[Array, ""]  # it was cut by a time limit


class DecisionTask(ABC):
    """Asks for one action at a time and pays for it: a bandit, a control problem. T is the task's own state."""

    @cached_property
    def in_shape(self) -> tuple[int, ...]:
        """Of one stimulus: (numbers,). Must be given."""
        raise NotImplementedError(f"{type(self).__name__} does not say its in_shape.")

    @cached_property
    def action_space(self) -> spaces.Space:
        """Discrete, or a Box of shape (numbers,). Must be given."""
        raise NotImplementedError(f"{type(self).__name__} does not say its action_space.")

    @cached_property
    def repeats(self) -> int:
        """How many worlds in a row are asked the same questions. By default 1: each has its own."""
        return 1

    @cached_property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the task, for reports: pairs of a name and a value. By default empty."""
        return ()

    @cached_property
    def evaluation_episodes(self) -> int:
        """Held-out episodes that `synagents.tasks.episodes.evaluate` plays side by side. By default 16."""
        return 16

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Any:
        """A first state T: a question drawn, an episode begun."""

    @abstractmethod
    def stimulus(self, state: Any) -> Float[Array, "D"]:
        """What the next decision is about, f32[*in_shape]."""

    @abstractmethod
    def respond(self, key: Key[Array, ""], state: Any, action: Array) -> tuple[Any, Answer]:
        """What comes of an action.

        The next question is drawn, and an episode that ended begins anew, in here: the state that is returned is ready
        for the next decision.
        """


class World(ABC):
    """A network in training with agents inside. Its state S is a NamedTuple with a field `task`, the task's state.

    A world never restarts by itself in the loop: where a task has episodes, the task begins the next one.
    """

    weights_in: ClassVar[Literal["state", "mind"]] = "state"
    """Who owns the network's weights: each world ("state"), or the learner ("mind"), whose worlds share a network."""

    @cached_property
    def task(self) -> Any:
        """What the network is to learn: a Task or a DecisionTask. Must be given."""
        raise NotImplementedError(f"{type(self).__name__} does not say its task.")

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The agents; flat order everywhere is groups in this order, row-major within. Must be given.

        Computing it touches no device: shapes come from `jax.eval_shape`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say its groups.")

    @cached_property
    def interval(self) -> int:
        """Rounds a batch is kept. By default 0: never refreshed."""
        return 0

    @cached_property
    def repeats(self) -> int:
        """How many worlds in a row see the same stimuli. By default 1: each sees its own."""
        return 1

    @cached_property
    def candidates(self) -> int:
        """Joint moves C that are tried in a round, of which the one of the lowest loss is made. By default 1."""
        return 1

    @cached_property
    def reward_kind(self) -> RewardKind:
        """What rewards say. By default they are graded and compare losses on one batch."""
        return RewardKind(graded=True, same_batch=True)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer of the network, input first, for reports. By default empty."""
        return ()

    @abstractmethod
    def reset(self, key: Key[Array, ""], task_state: Any = None) -> Any:
        """A new life: fresh weights, a first batch (or the given task state), and its loss for the first reward."""

    @abstractmethod
    def observe(self, state: Any, turn: int) -> Tree:
        """What the agents of a turn see, {group: [n, ...]}, or [...] where all of a group see the same.

        A read: no network call, no randomness. It may be called any number of times.
        """

    @abstractmethod
    def move(self, state: Any, actions: Tree, t: RoundNumber, turn: int) -> Any:
        """The world after the agents of a turn have acted.

        Args:
            state: S.
            actions: {group: [n]} of the groups that act in this turn, each within the group's action space.
            t: rounds played before this one: the time of schedules.
            turn: a Python number, known when the program is compiled.
        """

    @abstractmethod
    def resolve(self, key: Key[Array, ""], state: Any) -> tuple[Any, Outcome]:
        """Run the network, let the task answer, turn the answer into rewards.

        Called once in a round, after its last turn; no new batch is drawn in here.
        """

    def refresh(self, key: Key[Array, ""], state: Any) -> Any:
        """The state with a new batch; called between intervals, never inside a round. By default the same state."""
        del key
        return state

    @abstractmethod
    def evaluate(self, key: Key[Array, ""], state: Any, policy: Policy, part: Part) -> Metrics:
        """The task's metrics of the present network over a part of the data; nothing is learned.

        Args:
            key: for what is drawn; the same at every look of a run, so that looks compare.
            state: S; where `weights_in` is "mind" it is the first world's, and stands for all.
            policy: the mind, for worlds in which it owns the weights; others ignore it.
            part: "train" or "held_out".

        Returns:
            "loss" f32[], and "accuracy" f32[] in [0, 1] where there are classes.
        """

    @abstractmethod
    def global_state(self, state: Any) -> Float[Array, "D"]:
        """What a central critic may see and no agent does: the state as one vector."""

    def weights(self, state: Any) -> Params:
        """The network's weights, {group: f32[shape]}, for files and probes. By default none: the learner has them."""
        del state
        return {}

    def loss(self, weights: Params, task_state: Any) -> Float[Array, ""]:
        """The loss of any weights on the batch in use; probes differentiate it and agents never see it.

        Raises:
            ValueError: by default: there is no such function of weights alone.
        """
        del weights, task_state
        raise ValueError(f"{type(self).__name__} has no loss that is a function of its weights: leave alignment out.")


class Learner(ABC):
    """The mind of the whole population: parameter sharing, independence and central critics are choices inside it.

    Write `class Mine(Learner)` with `init`, `act` and `update`, and `@synagents.settings` above it.
    """

    needs: ClassVar[RewardKind] = RewardKind()
    """What rewards must say for this learner. By default nothing in particular; `begin` refuses a world that says less."""

    @abstractmethod
    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Any:
        """A fresh mind L for these agents.

        Args:
            key: for what is drawn.
            groups: of the world; all worlds of a run have the same.

        Raises:
            ValueError: where the learner does not fit the agents, in one sentence.
        """

    @abstractmethod
    def act(self, key: Key[Array, ""], mind: Any, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, Any]:
        """What the agents of one world do in one turn.

        Args:
            key: for what the agents draw; another one for every world, round and turn.
            mind: L; the same for all worlds of a run.
            obs: {group: [n, ...]} of the groups that act in this turn, as `World.observe` gives it.
            t: rounds played before this one: the time of schedules.
            turn: a Python number, known when the program is compiled.

        Returns:
            {group: [n]} actions of the same groups, uint8 where they are Discrete and f32 where they are a Box; and
            extras that `update` wants to see again: any tree of arrays, or ().
        """

    @abstractmethod
    def update(
        self, key: Key[Array, ""], mind: Any, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Any, Metrics]:
        """The mind after T rounds of W worlds, with the same structure, shapes and types as before.

        Args:
            key: for what is drawn.
            mind: L, which acted in these rounds.
            transition: what happened, with axes [T, W] in front.
            last_obs: {group: [W, n, ...]}, what is seen after the last round.
            t: rounds played before the first of the T.

        Returns:
            The mind, and numbers worth recording, f32[] each: the same names every time.
        """

    def action_values(self, mind: Any) -> Float[Array, "S A"] | None:
        """The table of action values or preferences that other tools may read. By default None: there is none."""
        del mind
        return None

    def weights(self, mind: Any) -> Params:
        """The network's weights where the learner owns them, {name: f32[...]}. By default none: the world has them."""
        del mind
        return {}


class MemoryLearner(Learner):
    """A learner that keeps a memory M in every world: an eligibility trace, a recurrent policy's state.

    The mind is shared by the worlds of a run; a memory belongs to one world. It is begun with the world, changed when the
    agents act and again after the rewards, and kept in checkpoints. The loop carries it; the world never sees it.
    """

    @abstractmethod
    def begin_world(self, key: Key[Array, ""], mind: Any, groups: tuple[Group, ...]) -> Any:
        """A fresh memory M for one new world: any tree of arrays."""

    @abstractmethod
    def act(  # type: ignore[override]  # takes the memory, too; the loop tells the two kinds of learners apart
        self, key: Key[Array, ""], mind: Any, memory: Any, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, Any, Any]:
        """As `Learner.act`, with the world's memory M; returns (actions, M, extras).

        With C candidates a round is tried C times from the same memory, and the memory of the move that is made stays.
        """

    @abstractmethod
    def update(  # type: ignore[override]
        self, key: Key[Array, ""], mind: Any, memory: Any, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Any, Any, Metrics]:
        """As `Learner.update`, with the memories of all worlds, M with an axis [W] in front; returns (mind, M, metrics).

        With C candidates the transition has W C rows and the memory W: rows w C .. w C + C - 1 were tried in world w.
        Whoever needs the memory as it was in each of the T rounds returns it from `act` as extras.
        """


def forward(network: Network, task: Task, weights: Params, task_state: Any, key: Any) -> tuple[Any, Float[Array, ""]]:
    """One forward pass: the task's state after it, and the loss of these weights on the batch in use."""
    return task.respond(key, task_state, network.apply(weights, task.stimulus(task_state)))


def is_due(t: RoundNumber, interval: int) -> Bool[Array, ""]:
    """Whether round t begins with a new batch, where batches are kept for `interval` >= 1 rounds."""
    return jnp.asarray((t % interval == 0) & (t > 0))


def flat(tree: Tree, groups: tuple[Group, ...]) -> Float[Array, "N"]:
    """All agents' values as one vector: groups in order, row-major within (the order of names, states and files)."""
    return jnp.concatenate([tree[group.name].reshape(-1) for group in groups])


def unflat(vector: Array, groups: tuple[Group, ...]) -> Tree:
    """The inverse of `flat`, for vectors [..., N]: {group: [..., n]}."""
    tree, start = {}, 0
    for group in groups:
        tree[group.name] = vector[..., start : start + group.size]
        start += group.size
    return tree


def agent_ids(groups: tuple[Group, ...]) -> list[str]:
    """Names of all agents in flat order: `<group>_<i>`."""
    return [f"{group.name}_{i}" for group in groups for i in range(group.size)]


def observe_all(world: World, state: Any) -> Tree:
    """What the agents of all turns see now, {group: [n, ...] or [...]}."""
    return {name: seen for turn in turns_of(world.groups) for name, seen in world.observe(state, turn).items()}


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
    "MemoryLearner",
    "Metrics",
    "Network",
    "Outcome",
    "Params",
    "Part",
    "Policy",
    "RewardKind",
    "RoundNumber",
    "Task",
    "Transition",
    "Tree",
    "World",
    "agent_ids",
    "each_agent",
    "flat",
    "forward",
    "is_due",
    "num_choices",
    "observe_all",
    "require_discrete",
    "turns_of",
    "unflat",
]
