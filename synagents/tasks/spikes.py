"""Spikes as inputs: every neuron fires or not, by chance, and noise turns some of that into the contrary.

P(spike) = p + noise (1 - 2 p)            p without noise, and every neuron flipped with probability `noise`
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.counter import counter_key


def spikes(key: Key[Array, ""], p: Float[Array, "n"], noise: float) -> Float[Array, "n"]:
    """Who fires, 1 or 0.

    Args:
        key: for what is drawn.
        p: probability of a spike of every neuron, in [0, 1].
        noise: probability that a neuron does the contrary, in [0, 1/2].
    """
    return (jax.random.uniform(counter_key(key), p.shape, jnp.float32) < p + noise * (1 - 2 * p)).astype(jnp.float32)
