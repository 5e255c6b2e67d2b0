"""Networks and tasks: what is trained, and what on. The rest of the contract is `synagents.world`.

    loss = respond(network.apply(weights, stimulus))          a Task answers the outputs for a batch with one loss
    reward = respond(action)                                  a DecisionTask answers one action with a reward

Both are pure functions of their own state T. An abstract method must be written; every other member has the default
that its docstring gives.
"""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Key, Num

from synagents.groups import TaskState
from synagents.hyperparameters import require

Params: TypeAlias = dict[str, Num[Array, "..."]]  # one array of weights per group: f32, or int8 where they are whole
Metrics: TypeAlias = dict[str, Float[Array, ""]]  # numbers worth recording, by name
Part = Literal["train", "held_out"]
LARGEST_INT8 = 127  # -128 is not used, so that every number has its opposite

# Attributes with a default are cached properties. Unlike a property, a cached property gives way to a dataclass field
# of the same name in a subclass.


class Levels(NamedTuple):
    """Evenly spaced numbers."""

    low: float
    high: float
    size: int  # >= 2

    def at(self, index: Integer[Array, "..."]) -> Float[Array, "..."]:
        """The number with an index in 0 .. size - 1."""
        return jnp.float32(self.low) + jnp.float32((self.high - self.low) / (self.size - 1)) * index

    def nearest(self, number: Float[Array, "..."]) -> Integer[Array, "..."]:
        """The index of the nearest one; from halfway between two it goes up."""
        place = (number - self.low) / (self.high - self.low) * (self.size - 1)
        return jnp.clip(jnp.floor(place + 0.5), 0, self.size - 1).astype(jnp.int32)


class Network(ABC):
    """Two pure functions; any pytree of arrays keyed by group name will do as parameters.

    A network that is named on the command line (`--network`) is made for the task: parameters `in_shape` and `out_size`
    of its constructor are the task's, a parameter `sizes` is (numbers of a sample, *hidden, out_size) with a flag
    `--hidden`, and all others are flags.
    """

    integer: ClassVar[bool] = False
    """Whether its weights and samples are int8 and its outputs int32. By default False: all are f32."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input first, for reports. By default empty: not a chain of layers."""
        return ()

    @cached_property
    def normalises(self) -> bool:
        """Whether a sample's output depends on the others of its batch. By default False: on its own sample alone."""
        return False

    def project(self, params: Params) -> Params:
        """The nearest parameters that the network may have; whoever moves them calls it. By default the same ones."""
        return params

    def levels(self) -> dict[str, Levels]:
        """The numbers that the weights of each group may be, where they are few. By default empty: any numbers."""
        return {}

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, {group: f32[...]}; the order of the names is the order of the groups."""

    @abstractmethod
    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs for a batch of inputs, a row for each sample."""


class Task(ABC):
    """Hands out a batch as the stimulus and answers the network's outputs with a loss. T is the task's own state."""

    @cached_property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample. Must be given."""
        raise ValueError(f"{type(self).__name__} does not say its in_shape: give it one, such as in_shape = (64,).")

    @cached_property
    def out_size(self) -> int:
        """Outputs it expects for each sample. Must be given."""
        raise ValueError(f"{type(self).__name__} does not say its out_size: give it one, such as out_size = 10.")

    @cached_property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the data, for reports: pairs of a name and a value. By default empty."""
        return ()

    @cached_property
    def loss_unit(self) -> float:
        """What reports multiply a round's loss by, so that it can stand beside that of `evaluate`. By default 1."""
        return 1.0

    def integers(self) -> "Task":
        """This task with samples in int8 and a loss in int32, for networks of whole numbers. By default there is none.

        Raises:
            ValueError: where the task has no such form.
        """
        raise ValueError(
            f"{type(self).__name__} hands out real numbers, and this network takes whole ones: play samples with "
            "classes, such as digits, or another network."
        )

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> TaskState:
        """A first state T: a batch drawn, a teacher made."""

    @abstractmethod
    def stimulus(self, state: TaskState) -> Float[Array, "B ..."]:
        """What the network is to answer, [B, *in_shape]."""

    @abstractmethod
    def respond(
        self, key: Key[Array, ""], state: TaskState, out: Float[Array, "B out"]
    ) -> tuple[TaskState, Float[Array, ""]]:
        """The state after the outputs are scored, and their loss f32[], lower is better; no new batch is drawn here.

        The loss of outputs in int32 is int32[].
        """

    @abstractmethod
    def refresh(self, key: Key[Array, ""], state: TaskState) -> TaskState:
        """The state with a new batch (or the same state, where there is none)."""

    @abstractmethod
    def evaluate(self, state: TaskState, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
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
        raise ValueError(f"{type(self).__name__} does not say its in_shape: give it one, such as in_shape = (64,).")

    @cached_property
    def action_space(self) -> spaces.Space:
        """Discrete, or a Box of shape (numbers,). Must be given."""
        raise ValueError(
            f"{type(self).__name__} does not say its action_space: give it one, such as action_space = Discrete(2)."
        )

    @cached_property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the task, for reports: pairs of a name and a value. By default empty."""
        return ()

    @cached_property
    def evaluation_episodes(self) -> int:
        """Held-out episodes that `synagents.tasks.episodes.evaluate` plays side by side. By default 16."""
        return 16

    def questions(self, part: Part) -> TaskState:
        """All questions of a part of the data, states T with one axis in front, where a part has so many and no more.

        Evaluation asks each of them once, and an episode is one decision. By default None: questions are drawn without
        end, and evaluation plays `evaluation_episodes` episodes.
        """
        del part
        return None

    def metrics(self, returns: Float[Array, "E"]) -> Metrics:
        """What the returns of evaluated episodes come to. By default minus their mean, as the loss."""
        return {"loss": -jnp.mean(returns)}

    @abstractmethod
    def init(self, key: Key[Array, ""]) -> TaskState:
        """A first state T: a question drawn, an episode begun."""

    @abstractmethod
    def stimulus(self, state: TaskState) -> Float[Array, "D"]:
        """What the next decision is about, f32[*in_shape]."""

    @abstractmethod
    def respond(self, key: Key[Array, ""], state: TaskState, action: Array) -> tuple[TaskState, Answer]:
        """What comes of an action.

        The next question is drawn, and an episode that ended begins anew, in here: the state that is returned is ready
        for the next decision.
        """


class LifeTask(DecisionTask):
    """A task of decisions whose episodes are lives: all have as many rounds, and each asks for something else."""

    @cached_property
    def length(self) -> int:
        """Rounds of a life, >= 1. Must be given."""
        raise ValueError(f"{type(self).__name__} does not say its length: give it one, such as length = 40.")

    @cached_property
    def levels(self) -> dict[str, float]:
        """Expected rewards of a life that a player's can be compared with, by name. By default none is known."""
        return {}

    @cached_property
    def ground(self) -> Bool[np.ndarray, "rows columns"] | None:
        """A map to draw a life on, True for walls. By default None: there is none."""
        return None

    def position(self, state: TaskState) -> Float[Array, "2"]:
        """Row and column on the map."""
        del state
        raise ValueError(f"{type(self).__name__} has no map: give it a ground and a position to draw lives on.")

    def silences(self, state: TaskState) -> Bool[Array, ""]:
        """Whether activity is cleared before what is seen now, so that only traces remember. By default never."""
        del state
        return jnp.bool_(False)

    def first(self, key: Key[Array, ""], part: Part) -> TaskState:
        """A first state of a life that asks for what is in one part of the data. By default `init`: there is no data.

        Args:
            key: for what is drawn.
            part: "train" or "held_out".
        """
        del part
        return self.init(key)


class ForecastTask(LifeTask):
    """A life in which the right choice is known after every round, such as the next character of a text.

    Whoever gives probabilities is paid by what the right choice got, such as its logarithm; who makes one guess, by
    `respond`, for being right.
    """

    @abstractmethod
    def reward(self, state: TaskState, log_p: Float[Array, "A"]) -> Float[Array, ""]:
        """What is paid for giving the choices these log-probabilities."""


def forward(
    network: Network, task: Task, weights: Params, task_state: TaskState, key: Key[Array, ""]
) -> tuple[TaskState, Float[Array, ""]]:
    """One forward pass: the task's state after it, and the loss of these weights on the batch in use."""
    return task.respond(key, task_state, network.apply(weights, task.stimulus(task_state)))


def require_scoring(task: Any) -> Task:
    """The task; ValueError if it is none that answers outputs with a loss."""
    if not isinstance(task, Task):
        raise ValueError(
            f"This {type(task).__name__} is no task that answers outputs with a loss: play a task of decisions in "
            "synagents.envs.unit_v0, or derive your own class from synagents.Task."
        )
    return task


def require_kinds(network: Any, task: Any) -> None:
    """Raise ValueError unless these are a network and a task that JAX knows."""
    require(
        isinstance(network, Network),
        f"A network is an object of a class derived from synagents.Network, but this is {network!r:.60}: derive yours "
        "from it, or make one of a Flax or Equinox module by `from_module`.",
    )
    for part in (network, require_scoring(task)):
        name = type(part).__name__
        require(not jax.tree_util.all_leaves((part,)), f"JAX does not know the class {name}: write @settings above it.")


def require_fit(network: Network, task: Task) -> None:
    """Raise ValueError unless the network takes the task's samples and gives as many outputs as it wants.

    Networks and tasks whose leaves are no numbers pass: JAX makes such ones while it compiles.
    """
    if not _is_concrete((network, task)):
        return
    x = jax.ShapeDtypeStruct((2, *task.in_shape), jnp.int8 if network.integer else jnp.float32)
    try:
        out = jax.eval_shape(lambda x: network.apply(network.init(jax.random.key(0)), x), x).shape
    except Exception as error:  # a network of one's own may raise anything
        raise ValueError(
            f"The network cannot answer the task's samples, of shape {task.in_shape} (see the "
            f"{type(error).__name__} above): make one that takes as many numbers."
        ) from error
    require(
        len(jax.eval_shape(lambda: network.init(jax.random.key(0)))) > 0,
        "The network has no weights, so nobody acts in it: let its init make at least one array.",
    )
    require(
        out == (2, task.out_size),
        f"The task wants {task.out_size} outputs for each sample, but for two samples the network gives {list(out)}.",
    )


def _is_concrete(tree: Any) -> bool:
    leaves = jax.tree.leaves(tree)
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves) and all(
        isinstance(leaf, numbers.Number | np.ndarray | np.generic | jax.Array) for leaf in leaves
    )
