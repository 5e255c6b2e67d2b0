"""A network: bumps in the space of the samples, and a weighted sum of them for each output."""

import math

import jax
import jax.numpy as jnp

import synagents


@synagents.settings
class Bumps(synagents.Network):
    """Radial basis functions.

    Attributes:
        in_shape: of a sample; the task's.
        out_size: how many outputs; the task's.
        bumps: how many, >= 1.
    """

    in_shape: tuple[int, ...] = synagents.static()
    out_size: int = synagents.static()
    bumps: int = synagents.static(default=8)

    def init(self, key):
        centres, out = jax.random.split(key)
        return {
            "centres": jax.random.uniform(centres, (self.bumps, math.prod(self.in_shape)), minval=-1),
            "out": 0.1 * jax.random.normal(out, (self.bumps, self.out_size)),
        }

    def apply(self, params, x):
        away = x.reshape(len(x), 1, -1) - params["centres"]
        return jnp.exp(-2 * jnp.sum(away**2, axis=2)) @ params["out"]
