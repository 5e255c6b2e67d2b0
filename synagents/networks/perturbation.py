"""Two passes of one batch, one with noise on every unit's input: what node perturbation learns from.

    h_l = x_l W_l + b_l,   h'_l = x'_l W_l + b_l + sigma z_l,   z ~ N(0, 1) per sample and unit

For small sigma the mean over z of z_l (loss' - loss) / sigma, sample by sample, is the gradient of the loss by h_l. All
layers are shaken at once. (Jabri & Flower 1992; Werfel, Xie & Seung 2005.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.counter import counter_key
from synagents.hyperparameters import require
from synagents.networks.mlp import MLP
from synagents.world import Params


class Passes(NamedTuple):
    """What the two passes of a batch leave; tuples have an array for every layer of n inputs and m units."""

    inputs: tuple[Float[Array, "B n"], ...]  # of the layer in the clean pass
    noise: tuple[Float[Array, "B m"], ...]  # z
    clean: Float[Array, "B out"]  # the network's outputs
    noisy: Float[Array, "B out"]


def require_apart(network: MLP) -> None:
    """Raise ValueError unless a sample's loss depends on the noise of its own pass alone."""
    require(
        not network.normalises,
        "Noise gives credit sample by sample, but this network normalises over the batch: use norm='none'.",
    )


def two_passes(
    key: Key[Array, ""], network: MLP, weights: Params, x: Float[Array, "B ..."], sigma: float | Float[Array, ""]
) -> Passes:
    """A clean and a noisy pass.

    Args:
        key: for the noise.
        network: the perceptron.
        weights: its parameters.
        x: the batch.
        sigma: standard deviation of the noise on a unit's input, > 0.
    """
    drawn = counter_key(key)
    noise = tuple(
        jax.random.normal(jax.random.fold_in(drawn, layer), (x.shape[0], units), jnp.float32)
        for layer, units in enumerate(network.sizes[1:])
    )
    clean, inputs = network.passed(weights, x)
    noisy, _ = network.passed(weights, x, tuple(sigma * z for z in noise))
    return Passes(inputs, noise, clean, noisy)
