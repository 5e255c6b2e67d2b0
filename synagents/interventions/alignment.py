"""How well each layer's moves follow the gradient that nobody sees, beside what noise leaves to be followed.

    alignment = cos(move, -g),  g: the gradient on the batch in use          one number for each layer and round
    ceiling = |E g| / sqrt(E |g|^2)                                          E: over batches, at the present weights
    floor = 1.96 / sqrt(n)                                                   of n weights that move at random, in 95 %

The ceiling is what a team shows that follows the gradient of all data exactly: a batch's gradient is that and noise.
Whoever fits the batch itself, for which it is paid, can lie above. |E g|^2 is the mean product of two batches'
gradients, which noise does not make larger.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from synagents import keys
from synagents.benchmark.statistics import Estimate, student
from synagents.groups import Tree
from synagents.hyperparameters import require, require_whole
from synagents.interventions.moment import Moment, has_loss, moment_of
from synagents.loop import Run, advance
from synagents.probes import layer_alignment

ROUNDS, BATCHES = 100, 16
BLOCKS = 10  # of rounds; neighbouring rounds are alike, and blocks much less so


class LayerAlignment(NamedTuple):
    """What one group's moves have to do with its gradient."""

    alignment: Estimate  # mean over rounds, with Student's 95 % interval over ten blocks of them
    ceiling: float  # in [0, 1]
    floor: float


def alignment_of(
    run: Run, *, rounds: int = ROUNDS, batches: int = BATCHES, index: int = 0, number: int = 0
) -> dict[str, LayerAlignment]:
    """How the next rounds' moves are aligned, group by group; the run itself goes nowhere.

    Args:
        run: as it stands.
        rounds: to play on, >= 10.
        batches: whose gradients are compared for the ceiling, >= 2.
        index: of the run, in 0 .. K - 1.
        number: of the world, in 0 .. W - 1.

    Raises:
        ValueError: if a number is out of range, or the loss is no function of weights that have a gradient.
    """
    require_whole("rounds", rounds, BLOCKS)
    require_whole("batches", batches, 2)
    world = run.world
    require(has_loss(world), "The loss of this world is no function of its weights: play synapses.")
    moment = moment_of(run, index, number)
    _, history = advance(run, rounds, probes=(layer_alignment,), probe_interval=1)
    seen = history.probes["layer_alignment"]
    ceilings = {name: float(own) for name, own in _ceilings(moment, batches).items()}
    told = {}
    for group in world.groups:
        own = np.asarray(seen[group.name])[index, :, number]
        mean, half = student(np.array([block.mean() for block in np.array_split(own, BLOCKS)]))
        estimate = Estimate(float(mean), float(mean - half), float(mean + half))
        told[group.name] = LayerAlignment(estimate, ceilings[group.name], 1.96 / group.size**0.5)
    return told


@partial(jax.jit, static_argnums=1)
def _ceilings(moment: Moment, batches: int) -> dict[str, Float[Array, ""]]:
    """The ceiling of every group, by the gradients on fresh batches."""
    world, weights = moment.world, moment.world.weights(moment.state)

    def slope(number: Array) -> Tree:
        drawn = keys.refresh_key(keys.world_key(moment.key.world, number))
        return jax.grad(world.loss)(weights, world.refresh(drawn, moment.state).task)

    slopes = jax.lax.map(slope, jnp.arange(batches))
    return {name: _reliability(own.reshape(batches, -1)) for name, own in slopes.items()}


def _reliability(slopes: Float[Array, "batches n"]) -> Float[Array, ""]:
    """|E g| / sqrt(E |g|^2), the first from products of different batches; 0 where noise is all there is."""
    count, squares = len(slopes), jnp.sum(slopes**2)
    products = (jnp.sum(slopes.sum(axis=0) ** 2) - squares) / (count * (count - 1))
    return jnp.sqrt(jnp.maximum(products, 0) / jnp.where(squares > 0, squares / count, 1))
