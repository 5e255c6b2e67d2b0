"""Separable natural evolution strategy: a Gaussian over weights, one mean and one width each, climbs its own gradient.

    w_p = mu + s z_p,  z_p ~ N(0, 1)^N;      u_p = utility of w_p's rank
    mu <- mu + step_mean s sum_p u_p z_p
    s  <- s exp(step_width r / 2 sum_p u_p (z_p^2 - 1)),  r = (3 + log N) / (5 sqrt(N))

u_p = max(0, log(P/2 + 1) - log(rank)) scaled to sum to one, less 1 / P: only the better half is followed. (Wierstra,
Schaul, Glasmachers, Sun, Peters & Schmidhuber 2014, algorithm 6; Schaul, Glasmachers & Schmidhuber 2011.)
"""

import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.counter import counter_key
from synagents.hyperparameters import require_between, require_whole, settings, static
from synagents.world import Params, TaskState

__all__ = ["SNES"]


class SNESState(NamedTuple):
    """The Gaussian."""

    weights: Params  # mu
    width: Params  # s, alike


@settings
class SNES(Optimizer):
    """The separable natural evolution strategy.

    Attributes:
        width: initial standard deviation of every weight, > 0.
        step_mean: learning rate of the mean, > 0; the paper's is 1.
        step_width: learning rate of the widths in units of the paper's r, >= 0.
        population: P >= 2 samples per step.
    """

    told: ClassVar[Told] = "size"

    width: float = 0.05
    step_mean: float = 1.0
    step_width: float = 1.0
    population: int = static(default=32)

    def __post_init__(self) -> None:
        require_between("width", self.width, 0, above=True)
        require_between("step_mean", self.step_mean, 0, above=True)
        require_between("step_width", self.step_width, 0)
        require_whole("population", self.population, 2)

    def init(self, key: Key[Array, ""], problem: Problem) -> SNESState:
        """The network's initial weights, all of one width."""
        weights = problem.network.init(key)
        return SNESState(weights, jax.tree.map(lambda w: jnp.full_like(w, self.width), weights))

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: SNESState, progress: Float[Array, ""]
    ) -> tuple[SNESState, int]:
        """One population: P passes."""
        del progress
        mean, unravel = ravel_pytree(state.weights)
        width, _ = ravel_pytree(state.width)
        rate = self.step_width * (3 + math.log(mean.size)) / (5 * math.sqrt(mean.size))
        z = jax.random.normal(counter_key(key), (self.population, mean.size), jnp.float32)
        losses = jax.vmap(lambda z: problem.loss(unravel(mean + width * z), batch))(z)
        utility = utilities(self.population)[jnp.argsort(jnp.argsort(losses))]
        mean = mean + self.step_mean * width * (utility @ z)
        width = width * jnp.exp(rate / 2 * (utility @ (z**2 - 1)))
        return SNESState(unravel(mean), unravel(width)), self.population * problem.samples(batch)


def utilities(population: int) -> Float[Array, "P"]:
    """What a rank is worth, the best first; they sum to zero."""
    raw = jnp.maximum(0, math.log(population / 2 + 1) - jnp.log(jnp.arange(1, population + 1, dtype=jnp.float32)))
    return raw / raw.sum() - 1 / population
