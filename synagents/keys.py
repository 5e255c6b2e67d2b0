"""Which random key is whose: every draw of a life is folded from the seed's key, the run, the round and the world.

    run k: fold(seed, k)      round t: fold(run, t)      world w in it: fold(round, w)

Nothing is chained, so what happens in round t does not depend on how a life is cut into calls, and the same life can be
told by the compiled loop and by every face of a world. Worlds that are to see the same stimuli (`repeats` in a row)
draw with the key of one world; what their agents draw with stays their own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from synagents.counter import counter_key
from synagents.hyperparameters import require, require_whole

GENERATOR = "threefry2x32"  # whatever JAX's default is: the same seed is the same life everywhere
LARGEST_SEED = 2**32 - 1

# Numbers of rounds and of worlds that never come stand for other purposes of a key.
_RESET = 2**32 - 1  # of a round: a run's reset; of a world: the learner
_REFRESH, _EVALUATE = 2**32 - 3, 2**32 - 4

Number = int | Int[Array, ""]


def seed_key(seed: int | Key[Array, ""]) -> Key[Array, ""]:
    """The key of a whole experiment, from a seed in 0 .. 2^32 - 1 or from a key of any of JAX's generators.

    Raises:
        ValueError: if it is neither; TypeError never.
    """
    if not isinstance(seed, jax.Array):
        require_whole("seed", seed, 0, LARGEST_SEED)
        return jax.random.key(int(seed), impl=GENERATOR)
    if seed.ndim == 0 and jnp.issubdtype(seed.dtype, jnp.integer):
        return jax.random.key(seed, impl=GENERATOR)
    typed = jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) and seed.shape == ()
    require(typed, "Give one seed, a whole number in 0 .. 2^32 - 1, or one key: jax.random.key(seed).")
    # Keys of other generators have more words; their first two are the same seed's words here.
    return jax.random.wrap_key_data(jax.random.key_data(seed)[:2], impl=GENERATOR)


def run_key(seed: Key[Array, ""], run: Number) -> Key[Array, ""]:
    """The key of one of many independent runs, or of one of a face's episodes."""
    return jax.random.fold_in(seed, run)


def reset_key(run: Key[Array, ""]) -> Key[Array, ""]:
    """The key of a run's reset: that of a round that never comes."""
    return jax.random.fold_in(run, _RESET)


def round_key(run: Key[Array, ""], t: Number) -> Key[Array, ""]:
    """The key of round t."""
    return jax.random.fold_in(run, t)


def world_key(moment: Key[Array, ""], world: Number) -> Key[Array, ""]:
    """What one world draws with, in a round or at its reset."""
    return jax.random.fold_in(moment, world)


def refresh_key(world: Key[Array, ""]) -> Key[Array, ""]:
    """What a world draws a new batch with, from its key in the round that begins with it."""
    return jax.random.fold_in(world, _REFRESH)


def action_key(moment: Key[Array, ""]) -> Key[Array, ""]:
    """What the agents draw with in a round, which has its own, cheap generator (`synagents.counter`)."""
    return counter_key(moment)


def learner_key(moment: Key[Array, ""]) -> Key[Array, ""]:
    """What the learner draws with at a run's reset, or for an update that ends with a round."""
    return jax.random.fold_in(moment, _RESET)


def evaluation_key(run: Key[Array, ""]) -> Key[Array, ""]:
    """What is drawn when a run is evaluated: the same at every look."""
    return jax.random.fold_in(run, _EVALUATE)


class ResetKeys(NamedTuple):
    """What a world of a network and a task draws with at its reset."""

    network: Key[Array, ""]
    task: Key[Array, ""]
    loss: Key[Array, ""]  # of the first forward pass


def reset_keys(key: Key[Array, ""]) -> ResetKeys:
    """The parts of a world's reset."""
    return ResetKeys(*jax.random.split(key, 3))


class RefreshKeys(NamedTuple):
    """What a world draws with when it gets a new batch."""

    batch: Key[Array, ""]
    loss: Key[Array, ""]  # of the forward pass on it, where there is one


def refresh_keys(key: Key[Array, ""]) -> RefreshKeys:
    """The parts of a refresh."""
    return RefreshKeys(*jax.random.split(key))
