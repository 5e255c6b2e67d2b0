"""Lines to beat that have no agents: one file per optimizer, all held to one small contract.

    init(key, problem) -> state                                    state.weights is the network as it stands
    on_new_batch(problem, batch, state) -> (state, cost)           called with every new batch, the first one too
    step(key, problem, batch, state, progress) -> (state, cost)

Cost counts *sample evaluations*: samples through a forward pass; a backward pass counts two more. It is a whole number
that depends on sizes alone. `progress` is the share of the budget that is spent, in [0, 1): a step size that decays is
a schedule over it, such as `Exponential(2e-3, 2e-4, 1.0)`, whatever a step costs.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeAlias

from jaxtyping import Array, Float, Key, PyTree

from synagents import keys
from synagents.hyperparameters import require, require_whole, settings, static
from synagents.world import Network, Params, Task, TaskState, forward

# What a line is told after a forward pass: whether the loss fell; the loss; what units did, and each sample's loss; the
# gradient. Lines are compared with those that are told the same.
Told: TypeAlias = Literal["sign", "size", "samples", "gradient"]


@settings
class Problem:
    """What is to be learned, with the batch rule of the worlds: a batch is kept for a while, then a new one is drawn.

    Attributes:
        network: whose weights are sought.
        task: hands out the batches and scores the outputs; its answer draws nothing at random.
        interval: steps a batch is kept, >= 0; 0 = for ever.
    """

    network: Network
    task: Task
    interval: int = static(default=0)

    def __post_init__(self) -> None:
        require_whole("interval", self.interval, 0)
        require(
            not self.network.integer,
            "Lines move weights by real numbers, and this network's are whole ones: name learners of synapses, such as "
            "integer-trace, or another network.",
        )

    def loss(self, weights: Params, batch: TaskState) -> Float[Array, ""]:
        """The loss of any weights on the batch in use: as many sample evaluations as the batch has samples."""
        return forward(self.network, self.task, weights, batch, keys.seed_key(0))[1]

    def samples(self, batch: TaskState) -> int:
        """B, how many samples a batch has."""
        return self.task.stimulus(batch).shape[0]


class Optimizer(ABC):
    """An optimizer with its settings: write `class Mine(Optimizer)` with `@synagents.settings` above it.

    Its state is a NamedTuple with a field `weights`.
    """

    told: ClassVar[Told]
    """What it is told; every optimizer says its own."""

    @abstractmethod
    def init(self, key: Key[Array, ""], problem: Problem) -> PyTree:
        """A first state, whose weights are those that the network itself begins with.

        Raises:
            ValueError: where the network does not fit the optimizer, in one sentence.
        """

    def on_new_batch(self, problem: Problem, batch: TaskState, state: PyTree) -> tuple[PyTree, int]:
        """What must be known of a new batch before the next step, and its cost. By default nothing.

        Args:
            problem: what is to be learned.
            batch: the task's state with the new batch.
            state: of the optimizer.

        Returns:
            The state, and the sample evaluations spent.
        """
        del problem, batch
        return state, 0

    @abstractmethod
    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: PyTree, progress: Float[Array, ""]
    ) -> tuple[PyTree, int]:
        """One step, the body of a loop: the state keeps its structure, shapes and types.

        Args:
            key: for what is drawn.
            problem: what is to be learned.
            batch: the task's state with the batch in use.
            state: of the optimizer.
            progress: share in [0, 1) of the budget that was spent before: the time of schedules.

        Returns:
            The state, and the sample evaluations spent.
        """
