"""An evolution strategy of mirrored pairs: many directions at once, each tried both ways.

    g = 1 / (2 P sigma) sum_p (rank(L(w + sigma z_p)) - rank(L(w - sigma z_p))) z_p,   w <- Adam(w, g)

rank is the centred rank among all 2 P losses, in [-1/2, 1/2], so no scale of the loss matters. A population is one wide
product, fast for what it costs. (Salimans, Ho, Chen, Sidor & Sutskever 2017; mirrored pairs: Brockhoff et al. 2010;
Adam: Kingma & Ba 2015, by optax.)
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.counter import counter_key
from synagents.hyperparameters import require_between, require_whole, settings, static
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["AntitheticES"]


class MirrorState(NamedTuple):
    """Where the population is centred."""

    weights: Params
    moments: PyTree  # Adam's


@settings
class AntitheticES(Optimizer):
    """OpenAI's evolution strategy.

    Attributes:
        step_size: Adam's, >= 0; a number or a schedule over progress.
        noise: sigma, standard deviation of what is added to a weight, > 0.
        pairs: P >= 1 directions per step, each tried both ways.
    """

    told: ClassVar[Told] = "size"

    step_size: Schedule = 1e-2
    noise: float = 2e-2
    pairs: int = static(default=16)

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)
        require_between("noise", self.noise, 0, above=True)
        require_whole("pairs", self.pairs, 1)

    def init(self, key: Key[Array, ""], problem: Problem) -> MirrorState:
        """The network's initial weights."""
        weights = problem.network.init(key)
        return MirrorState(weights, optax.scale_by_adam().init(weights))

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: MirrorState, progress: Float[Array, ""]
    ) -> tuple[MirrorState, int]:
        """One population: 2 P passes."""
        centre, unravel = ravel_pytree(state.weights)
        z = jax.random.normal(counter_key(key), (self.pairs, centre.size), jnp.float32)
        points = jnp.concatenate([centre + self.noise * z, centre - self.noise * z])
        ranks = centred_ranks(jax.vmap(lambda w: problem.loss(unravel(w), batch))(points))
        gradient = (ranks[: self.pairs] - ranks[self.pairs :]) @ z / (2 * self.pairs * self.noise)
        direction, moments = optax.scale_by_adam().update(unravel(gradient), state.moments)
        rate = at(self.step_size, progress)
        weights = jax.tree.map(lambda w, d: w - rate * d, state.weights, direction)
        return MirrorState(weights, moments), 2 * self.pairs * problem.samples(batch)


def centred_ranks(losses: Float[Array, "P"]) -> Float[Array, "P"]:
    """-1/2 for the lowest to 1/2 for the highest."""
    return jnp.argsort(jnp.argsort(losses)).astype(jnp.float32) / (losses.size - 1) - 0.5
