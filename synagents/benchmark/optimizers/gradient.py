"""Gradient descent, plain and Adam: what the network, the data and the budget allow to those who may differentiate.

    SGD    v <- momentum v + dL/dw;   w <- w - step_size v
    Adam   m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;   w <- w - step_size m^ / (sqrt(v^) + eps)
    bits   g <- s q(g / s + u),   s = max |g| of an array,  q: 2^k even levels in [-1, 1],  u = 0 or uniform noise

One step is a forward and a backward pass: three sample evaluations per sample. (Robbins & Monro 1951; Polyak 1964;
Kingma & Ba 2015; both by optax. Gradients of few bits: Hubara et al. 2016, section 3.)
"""

from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.hyperparameters import require_between, settings, static
from synagents.networks.quantized import FLOAT, require_bits, rounded
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["SGD", "Adam"]

Rounding = Literal["nearest", "stochastic"]
TINY = float(np.finfo(np.float32).tiny)


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
        gradient_bits: of a number of the gradient: 1 .. 8, or 32, where it is not rounded.
        rounding: to the nearest level, or stochastic, up or down so that the mean is right.
    """

    told: ClassVar[Told] = "gradient"

    step_size: Schedule = 0.1
    momentum: float = 0.9
    gradient_bits: int = static(default=FLOAT)
    rounding: Rounding = static(default="nearest")

    def __post_init__(self) -> None:
        require_bits("gradient_bits", self.gradient_bits)
        require_range("step_size", self.step_size, 0)
        require_between("momentum", self.momentum, 0, 1)

    def init(self, key: Key[Array, ""], problem: Problem) -> DescentState:
        """The network's initial weights, at rest."""
        return _begin(key, problem, self._rule())

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: DescentState, progress: Float[Array, ""]
    ) -> tuple[DescentState, int]:
        """One step down: a forward and a backward pass."""
        gradient = _gradient(key, problem, batch, state, self.gradient_bits, self.rounding)
        return _descend(problem, batch, state, gradient, self._rule(), at(self.step_size, progress))

    def _rule(self) -> optax.GradientTransformation:
        return optax.trace(self.momentum)


@settings
class Adam(Optimizer):
    """Adam with optax's usual moments.

    Attributes:
        step_size: largest weight change per step, about, >= 0; a number or a schedule over progress.
        gradient_bits: of a number of the gradient: 1 .. 8, or 32, where it is not rounded.
        rounding: to the nearest level, or stochastic, up or down so that the mean is right.
    """

    told: ClassVar[Told] = "gradient"

    step_size: Schedule = 1e-2
    gradient_bits: int = static(default=FLOAT)
    rounding: Rounding = static(default="nearest")

    def __post_init__(self) -> None:
        require_bits("gradient_bits", self.gradient_bits)
        require_range("step_size", self.step_size, 0)

    def init(self, key: Key[Array, ""], problem: Problem) -> DescentState:
        """The network's initial weights."""
        return _begin(key, problem, optax.scale_by_adam())

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: DescentState, progress: Float[Array, ""]
    ) -> tuple[DescentState, int]:
        """One step down: a forward and a backward pass."""
        gradient = _gradient(key, problem, batch, state, self.gradient_bits, self.rounding)
        return _descend(problem, batch, state, gradient, optax.scale_by_adam(), at(self.step_size, progress))


def _begin(key: Key[Array, ""], problem: Problem, rule: optax.GradientTransformation) -> DescentState:
    weights = problem.network.init(key)
    return DescentState(weights, rule.init(weights))


def _gradient(
    key: Key[Array, ""], problem: Problem, batch: TaskState, state: DescentState, bits: int, rounding: Rounding
) -> Params:
    """Of the loss, rounded array by array."""
    gradient = jax.grad(problem.loss)(state.weights, batch)
    if bits == FLOAT:
        return gradient
    found = {}
    for index, (name, own) in enumerate(gradient.items()):
        largest = jnp.maximum(jnp.abs(own).max(), TINY)
        noise: Array | float = 0.0
        if rounding == "stochastic":  # half a level up or down, at most
            half = 1 / (2**bits - 1)
            noise = jax.random.uniform(jax.random.fold_in(key, index), own.shape, own.dtype, -half, half)
        found[name] = largest * rounded(own / largest + noise, bits)
    return found


def _descend(
    problem: Problem,
    batch: TaskState,
    state: DescentState,
    gradient: Params,
    rule: optax.GradientTransformation,
    rate: Float[Array, ""],
) -> tuple[DescentState, int]:
    direction, memory = rule.update(gradient, state.memory)
    weights = jax.tree.map(lambda w, d: w - rate * d, state.weights, direction)
    return DescentState(weights, memory), 3 * problem.samples(batch)
