"""Lines to beat that are no agents: one file per optimizer, all held to one small contract.

    init(key, problem) -> state                                    state.weights is the network as it stands
    meet(problem, batch, state) -> (state, cost)                   a new batch has come, the first one too
    step(key, problem, batch, state, progress) -> (state, cost)

Cost counts *sample evaluations*: samples through a forward pass; a backward pass counts two more. It is a whole number
that depends on sizes alone. `progress` is the share of the budget that is spent, in [0, 1): a step size that decays is
a schedule over it, such as `Exponential(2e-3, 2e-4, 1.0)`, whatever a step costs.
"""

from typing import Any, Protocol

import jax
from jaxtyping import Array, Float, Key

from synagents.settings import require_whole, settings, static
from synagents.world import Network, Params, Task


@settings
class Problem:
    """What is to be learned, with the batch rule of the worlds: a batch is kept for a while, then redrawn.

    Attributes:
        network: whose weights are sought.
        task: hands out the batches and scores the outputs; one that answers each output by itself.
        interval: steps a batch is kept; 0 = never redrawn.
    """

    network: Network
    task: Task
    interval: int = static(default=0)

    def __post_init__(self) -> None:
        require_whole("interval", self.interval, 0)

    def loss(self, weights: Params, batch: Any) -> Float[Array, ""]:
        """The loss on the batch in use: as many sample evaluations as it has samples."""
        out = self.network.apply(weights, self.task.stimulus(batch))
        return -self.task.respond(jax.random.key(0), batch, out)[1]

    def samples(self, batch: Any) -> int:
        """B, how many samples a batch has."""
        return self.task.stimulus(batch).shape[0]


class Baseline(Protocol):
    """An optimizer with its settings."""

    def init(self, key: Key[Array, ""], problem: Problem) -> Any:
        """A state with a field `weights`, the network's own initial ones; ValueError where the network does not fit."""

    def meet(self, problem: Problem, batch: Any, state: Any) -> tuple[Any, int]:
        """What must be known of a new batch before the next step, and its cost."""

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: Any, state: Any, progress: Float[Array, ""]
    ) -> tuple[Any, int]:
        """One step and its cost; a scan body."""
