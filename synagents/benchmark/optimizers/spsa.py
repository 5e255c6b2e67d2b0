"""Simultaneous perturbation stochastic approximation: the slope along one random direction, from two losses.

    g = (L(w + c D) - L(w - c D)) / (2 c) D,   D uniform in {-1, +1}^N
    v <- momentum v + g;   w <- w - step_size v

The mean of g over D is the gradient up to terms of order c^2. (Spall 1992; momentum: Spall 2000's smoothing in its
common form.)
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.benchmark.directions import signs
from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.hyperparameters import require_between, settings
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["SPSA"]


class SPSAState(NamedTuple):
    """Where it is and where it is going."""

    weights: Params
    velocity: Params


@settings
class SPSA(Optimizer):
    """Descent along one random direction per step.

    Attributes:
        step_size: weight change per unit of slope, >= 0; a number or a schedule over progress.
        perturbation: c, how far each weight is moved to measure the slope, > 0.
        momentum: share in [0, 1] of the last step that is kept.
    """

    told: ClassVar[Told] = "size"

    step_size: Schedule = 1e-3
    perturbation: float = 1e-2
    momentum: float = 0.9

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)
        require_between("perturbation", self.perturbation, 0, above=True)
        require_between("momentum", self.momentum, 0, 1)

    def init(self, key: Key[Array, ""], problem: Problem) -> SPSAState:
        """The network's initial weights, at rest."""
        weights = problem.network.init(key)
        return SPSAState(weights, jax.tree.map(jnp.zeros_like, weights))

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: SPSAState, progress: Float[Array, ""]
    ) -> tuple[SPSAState, int]:
        """One slope: two passes."""
        direction, rate = signs(key, state.weights), at(self.step_size, progress)
        ahead, behind = (
            problem.loss(jax.tree.map(lambda w, d, c=c: w + c * d, state.weights, direction), batch)
            for c in (self.perturbation, -self.perturbation)
        )
        slope = (ahead - behind) / (2 * self.perturbation)
        velocity = jax.tree.map(lambda v, d: self.momentum * v + slope * d, state.velocity, direction)
        weights = jax.tree.map(lambda w, v: w - rate * v, state.weights, velocity)
        return SPSAState(weights, velocity), 2 * problem.samples(batch)
