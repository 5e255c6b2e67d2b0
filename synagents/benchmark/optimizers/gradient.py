"""Gradient descent, plain and Adam: what the network, the data and the budget allow to those who may differentiate.

    SGD    v <- momentum v + dL/dw;   w <- w - step_size v
    Adam   m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;   w <- w - step_size m^ / (sqrt(v^) + eps)

One step is a forward and a backward pass: three sample evaluations per sample. (Robbins & Monro 1951; Polyak 1964;
Kingma & Ba 2015; both by optax.)
"""

from typing import ClassVar, NamedTuple

import jax
import optax
from jaxtyping import Array, Float, Key, PyTree

from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.hyperparameters import require_between, settings
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["SGD", "Adam"]


class DescentState(NamedTuple):
    """Where it is, and what it remembers of earlier gradients."""

    weights: Params
    memory: PyTree  # optax's


@settings
class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Attributes:
        step_size: weight change per unit of gradient, >= 0; a number or a schedule over progress.
        momentum: share in [0, 1] of the last step that is kept.
    """

    told: ClassVar[Told] = "gradient"

    step_size: Schedule = 0.1
    momentum: float = 0.9

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)
        require_between("momentum", self.momentum, 0, 1)

    def init(self, key: Key[Array, ""], problem: Problem) -> DescentState:
        """The network's initial weights, at rest."""
        return _begin(key, problem, self._rule())

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: DescentState, progress: Float[Array, ""]
    ) -> tuple[DescentState, int]:
        """One step down: a forward and a backward pass."""
        del key
        return _descend(problem, batch, state, self._rule(), at(self.step_size, progress))

    def _rule(self) -> optax.GradientTransformation:
        return optax.trace(self.momentum)


@settings
class Adam(Optimizer):
    """Adam with optax's usual moments.

    Attributes:
        step_size: largest weight change per step, about, >= 0; a number or a schedule over progress.
    """

    told: ClassVar[Told] = "gradient"

    step_size: Schedule = 1e-2

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)

    def init(self, key: Key[Array, ""], problem: Problem) -> DescentState:
        """The network's initial weights."""
        return _begin(key, problem, optax.scale_by_adam())

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: DescentState, progress: Float[Array, ""]
    ) -> tuple[DescentState, int]:
        """One step down: a forward and a backward pass."""
        del key
        return _descend(problem, batch, state, optax.scale_by_adam(), at(self.step_size, progress))


def _begin(key: Key[Array, ""], problem: Problem, rule: optax.GradientTransformation) -> DescentState:
    weights = problem.network.init(key)
    return DescentState(weights, rule.init(weights))


def _descend(
    problem: Problem, batch: TaskState, state: DescentState, rule: optax.GradientTransformation, rate: Float[Array, ""]
) -> tuple[DescentState, int]:
    gradient = jax.grad(problem.loss)(state.weights, batch)
    direction, memory = rule.update(gradient, state.memory)
    weights = jax.tree.map(lambda w, d: w - rate * d, state.weights, direction)
    return DescentState(weights, memory), 3 * problem.samples(batch)
