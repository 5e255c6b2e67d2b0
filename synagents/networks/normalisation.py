"""Batch norm without parameters: every unit's sums have mean 0 and variance 1 over the batch, whatever the weights.

    u <- (u - mean(u)) / sqrt(var(u) + 1e-4)          mean and variance of the batch in use, in evaluation, too

(Ioffe & Szegedy 2015, without their scale, shift and running averages.)
"""

from typing import Literal, TypeAlias

import jax
from jaxtyping import Array, Float

Norm: TypeAlias = Literal["none", "batch"]
EPSILON = 1e-4


def batch_norm(u: Float[Array, "... n"]) -> Float[Array, "... n"]:
    """Every column with mean 0 and variance 1 over all axes but the last."""
    axes = tuple(range(u.ndim - 1))
    return (u - u.mean(axis=axes)) * jax.lax.rsqrt(u.var(axis=axes) + EPSILON)
