"""The cross-entropy in whole numbers: powers of two and their logarithms by shifts and one product each.

    loss = sum over samples of  log2(sum_c 2^out_c) - out_target,     out and loss in units of 2^-10 bit
    2^-f ~ 1 - f (0.6716 - 0.1716 f),   log2(1 + m) ~ m (1.3431 - 0.3431 m),      f and m in [0, 1)

Both parabolas are exact at 0, 1/2 and 1 and nowhere further off than 0.002 and 0.011. (EGGROLL takes a table of 2^x for
the same end: Sarkar et al. 2025, arXiv 2511.16652; a product is faster than a look-up on processors with wide
registers. The logarithm by leading zeros: Mitchell 1962.)
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

UNIT = 10  # a bit is 2^10 units
_ONE = 1 << UNIT
_NATS = math.log(2) / _ONE  # of a unit
_POWER = 15  # 2^0 is 2^15, so that 2^15 classes fit into 31 bits
_MOST = 31  # bits that a sample can cost
MOST_SAMPLES = 2**31 // (_MOST << UNIT)


def cross_entropy(out: Int32[Array, "B C"], target: Int32[Array, "B"]) -> Int32[Array, ""]:
    """The batch's cross-entropy, its sum over samples in units of 2^-10 bit; no sample costs more than 31 bits.

    Args:
        out: logits in units of 2^-10 bit, for up to 2^15 classes.
        target: classes; up to 67,650 samples, so that the sum fits 31 bits.
    """
    below = jnp.max(out, axis=1, keepdims=True) - out
    total = jnp.sum(power(below), axis=1, dtype=jnp.int32)
    lacking = jnp.take_along_axis(below, target[:, None], axis=1)[:, 0]
    cost = logarithm(total) - (_POWER << UNIT) + lacking
    return jnp.sum(jnp.minimum(cost, _MOST << UNIT), dtype=jnp.int32)


def nats_per_sample(batch_size: int) -> float:
    """What a batch's cross-entropy is multiplied by, for its mean over samples in nats."""
    return _NATS / batch_size


def in_nats(out: Int32[Array, "..."]) -> Float[Array, "..."]:
    """The same logits as real numbers, for whoever reports."""
    return out.astype(jnp.float32) * jnp.float32(_NATS)


def power(below: Int32[Array, "..."]) -> Int32[Array, "..."]:
    """2^-x in units of 2^-15, for x >= 0 in units of 2^-10."""
    fraction = below & (_ONE - 1)
    parabola = (fraction * (704_512 - 176 * fraction)) >> 15  # from units of 2^-30, so that it is at most 2^29
    return ((1 << _POWER) - parabola) >> jnp.minimum(below >> UNIT, 31)


def logarithm(number: Int32[Array, "..."]) -> Int32[Array, "..."]:
    """log2 of a whole number >= 1, in units of 2^-10."""
    whole = 31 - jax.lax.clz(number)
    mantissa = ((number << (30 - whole)) >> (30 - UNIT)) & (_ONE - 1)
    return (whole << UNIT) + ((mantissa * (1375 - ((351 * mantissa) >> UNIT))) >> UNIT)
