"""Random directions in the space of all weights, alike in structure to the weights themselves.

The agents' cheap generator (`synagents.counter`) draws them, so that random numbers cost an optimizer no more time than
they cost a learner.
"""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Key

from synagents.counter import counter_key
from synagents.world import Params


def gaussian(key: Key[Array, ""], weights: Params) -> Params:
    """Independent standard normal numbers."""
    flat, unravel = ravel_pytree(weights)
    return unravel(jax.random.normal(counter_key(key), flat.shape, jnp.float32))


def signs(key: Key[Array, ""], weights: Params) -> Params:
    """Independent signs, -1 or +1 with equal probability."""
    flat, unravel = ravel_pytree(weights)
    return unravel(jax.random.rademacher(counter_key(key), flat.shape, jnp.float32))
