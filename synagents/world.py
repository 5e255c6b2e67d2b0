"""The contract: what a world, a network, a task and a learner are to each other.

In a round of a world its agents *see* (`observe`) and *act* (`move`); then the world *resolves* the round (`resolve`):
it runs the network on the task's stimulus, takes the loss, and turns it into rewards. A *mind* is what a learner knows;
it acts for all agents at once. Everything is a pure function, written for one world; `synagents.loop` makes many.

    observe(state) -> act -> move(state, actions)      every turn of a round
    resolve(state) -> Outcome(reward, info)            once a round
    update(mind, Transition of T rounds of W worlds)   once in T rounds

The classes below are the bases of everything that can be plugged in. An abstract method must be written; every other
member has the default that its docstring gives, so that nothing is ever looked up by its name.

Letters of shapes: N agents, n a group's agents, T rounds, W worlds, K runs, B samples, S histories, A actions.
S is also a world's state, T a task's, L a mind and M a memory. Trees over agents are dicts keyed by group name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from jaxtyping import Array, Bool, Float, Key, PyTree, UInt32

from synagents.groups import (
    Group,
    Memory,
    Mind,
    State,
    TaskState,
    Tree,
    agent_ids,
    each_agent,
    flat,
    num_choices,
    require_discrete,
    turns_of,
    unflat,
)
from synagents.task import (
    Answer,
    DecisionTask,
    ForecastTask,
    Levels,
    LifeTask,
    Metrics,
    Network,
    Params,
    Part,
    Task,
    forward,
)

RoundNumber: TypeAlias = int | UInt32[Array, ""]  # rounds played before this one
Credit = Literal["agent", "team"]


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

    Attributes:
        obs: {group: [T, W, n, ...]}, or [T, W, ...] where all of a group see the same.
        actions: {group: [T, W, n]}.
        extras: {turn: what `act` returned last, with axes [T, W] in front}.
        reward: {group: f32[T, W] or f32[T, W, n]}.
        terminated: where an episode of the task ended in this round.
        truncated: where one was cut off.
    """

    obs: Tree
    actions: Tree
    extras: dict[int, PyTree]
    reward: Tree
    terminated: Bool[Array, "T W"]
    truncated: Bool[Array, "T W"]


class RewardKind(NamedTuple):
    """What a world's rewards say, or what a learner needs them to say."""

    graded: bool = False  # by how much things got better, not only whether
    same_batch: bool = False  # always a comparison of two losses on one and the same batch


class Policy(NamedTuple):
    """A mind that acts and does not learn: what `World.evaluate` may use. M is its memory, of one world."""

    begin_world: Callable[[Key[Array, ""]], Memory]  # key -> M
    act: Callable[[Key[Array, ""], Memory, Tree, int], tuple[Tree, Memory]]  # (key, M, obs, turn) -> (actions, M)


class World(ABC):
    """A network in training with agents inside. Its state S is a NamedTuple with a field `task`, the task's state.

    A world never restarts by itself in the loop: where a task has episodes, the task begins the next one.
    """

    weights_in: ClassVar[Literal["state", "mind"]] = "state"
    """Who owns the network's weights: each world ("state"), or the learner ("mind"), whose worlds share a network."""

    @cached_property
    def task(self) -> Task | DecisionTask:
        """What the network is to learn: a Task or a DecisionTask. Must be given."""
        raise ValueError(f"{type(self).__name__} does not say its task: give it a field or a property of that name.")

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The agents; flat order everywhere is groups in this order, row-major within. Must be given.

        Computing it touches no device: shapes come from `jax.eval_shape`.
        """
        raise ValueError(f"{type(self).__name__} does not say its groups: give it a property that returns them.")

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
        """Joint moves C tried in a round, of which the one of the lowest loss is made. By default 1."""
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
    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> State:
        """A new life: fresh weights, a first batch (or the given task state), and its loss for the first reward."""

    @abstractmethod
    def observe(self, state: State, turn: int) -> Tree:
        """What the agents of a turn see, {group: [n, ...]}, or [...] where all of a group see the same.

        Where an observation has several numbers it may come in factors, such as f32[n, 1] for what all of a row see: a
        NamedTuple with an array for each number, which broadcasts to the group's shape (`groups.each_agent`).

        A read: no network call, no randomness. It may be called any number of times.
        """

    @abstractmethod
    def move(self, state: State, actions: Tree, t: RoundNumber, turn: int) -> State:
        """The world after the agents of a turn have acted.

        Args:
            state: S.
            actions: {group: [n]} of the groups that act in this turn, each within the group's action space.
            t: rounds played before this one: the time of schedules.
            turn: a Python number, known when the program is compiled.
        """

    @abstractmethod
    def resolve(self, key: Key[Array, ""], state: State) -> tuple[State, Outcome]:
        """Run the network, let the task answer, turn the answer into rewards.

        Called once in a round, after its last turn; no new batch is drawn in here.
        """

    def refresh(self, key: Key[Array, ""], state: State) -> State:
        """The state with a new batch; called between intervals, never inside a round. By default the same state."""
        del key
        return state

    @abstractmethod
    def evaluate(self, key: Key[Array, ""], state: State, policy: Policy, part: Part) -> Metrics:
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
    def global_state(self, state: State) -> Float[Array, "D"]:
        """What a central critic may see and no agent does: the state as one vector."""

    def weights(self, state: State) -> Params:
        """The network's weights, {group: f32[shape]}, for files and probes. By default none: the learner has them."""
        del state
        return {}

    def pictures(self, state: State) -> Params:
        """Arrays that a picture shows, {name: f32[...]}, a group's under its name. By default the weights."""
        return self.weights(state)

    def loss(self, weights: Params, task_state: TaskState) -> Float[Array, ""]:
        """The loss of any weights on the batch in use; probes differentiate it and agents never see it.

        Raises:
            ValueError: by default: there is no such function of weights alone.
        """
        del weights, task_state
        raise ValueError(f"{type(self).__name__} has no loss that is a function of its weights: leave alignment out.")


class LifeWorld(World):
    """A world whose rounds make up lives; an outer loop improves what stays as it is within a life (`synagents.outer`).

    Its task is a LifeTask, and `weights` gives the slow weights.
    """

    task: LifeTask

    @abstractmethod
    def with_slow(self, slow: Params) -> "LifeWorld":
        """This world with these slow weights in all of its networks, instead of weights of their own."""

    def monitor(self, state: State) -> Tree:
        """What of a life is worth drawing, round by round, {name: f32[] or, of a layer, f32[n]}. By default nothing."""
        del state
        return {}


class LearnerBase(ABC):
    """What both kinds of learners have: `Learner`, and `MemoryLearner`, which keeps a memory in every world."""

    needs: ClassVar[RewardKind] = RewardKind()
    """What rewards must say for this learner. By default nothing; `begin` refuses a world whose rewards say less."""

    sets_weights: ClassVar[bool] = False
    """Whether its actions name what a weight becomes, and do not nudge it. By default False."""

    credit: ClassVar[Credit] = "agent"
    """Whose rewards its action values speak of: an agent's, or what a deviation adds to the team's surprise."""

    sees_state: ClassVar[bool] = False
    """Whether a central critic sees the `global_state`: then it is in all observations (`groups.GLOBAL`)."""

    @abstractmethod
    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """A fresh mind L for these agents.

        Args:
            key: for what is drawn.
            groups: of the world; all worlds of a run have the same.

        Raises:
            ValueError: where the learner does not fit the agents, in one sentence.
        """

    def action_values(self, mind: Mind) -> Float[Array, "S A"] | None:
        """The table of action values or preferences that other tools may read. By default None: there is none."""
        del mind
        return None

    def weights(self, mind: Mind) -> Params:
        """The network's weights where the learner owns them, {name: f32[...]}. By default none: the world has them."""
        del mind
        return {}


class Learner(LearnerBase):
    """The mind of the whole population: parameter sharing, independence and central critics are choices inside it.

    Write `class Mine(Learner)` with `init`, `act` and `update`, and `@synagents.settings` above it.
    """

    @abstractmethod
    def act(self, key: Key[Array, ""], mind: Mind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, PyTree]:
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
        self, key: Key[Array, ""], mind: Mind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Metrics]:
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


class MemoryLearner(LearnerBase):
    """A learner that keeps a memory M in every world: an eligibility trace, a recurrent policy's state.

    The mind is shared by the worlds of a run; a memory belongs to one world. It is begun with the world, changed when
    the agents act and again after the rewards, and kept in checkpoints. The loop carries it; the world never sees it.
    """

    @abstractmethod
    def begin_world(self, key: Key[Array, ""], mind: Mind, groups: tuple[Group, ...]) -> Memory:
        """A fresh memory M for one new world: any tree of arrays."""

    @abstractmethod
    def act(
        self, key: Key[Array, ""], mind: Mind, memory: Memory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, Memory, PyTree]:
        """As `Learner.act`, with the world's memory M; returns (actions, M, extras).

        With C candidates a round is tried C times from the same memory, and the memory of the move that is made stays.
        """

    @abstractmethod
    def update(
        self, key: Key[Array, ""], mind: Mind, memory: Memory, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Memory, Metrics]:
        """As `Learner.update`, with the memories M of all worlds, axis [W] in front; returns (mind, M, metrics).

        With C candidates the transition has W C rows and the memory W: rows w C .. w C + C - 1 were tried in world w.
        Whoever needs the memory as it was in each of the T rounds returns it from `act` as extras.
        """


def observe_all(world: World, state: State) -> Tree:
    """What the agents of all turns see now, {group: [n, ...] or [...]}."""
    return {name: seen for turn in turns_of(world.groups) for name, seen in world.observe(state, turn).items()}


AnyLearner: TypeAlias = Learner | MemoryLearner
__all__ = [
    "Answer",
    "AnyLearner",
    "DecisionTask",
    "ForecastTask",
    "Group",
    "Learner",
    "LearnerBase",
    "Levels",
    "LifeTask",
    "LifeWorld",
    "Memory",
    "MemoryLearner",
    "Metrics",
    "Mind",
    "Network",
    "Outcome",
    "Params",
    "Part",
    "Policy",
    "RewardKind",
    "RoundNumber",
    "State",
    "Task",
    "TaskState",
    "Transition",
    "Tree",
    "World",
    "agent_ids",
    "each_agent",
    "flat",
    "forward",
    "num_choices",
    "observe_all",
    "require_discrete",
    "turns_of",
    "unflat",
]
