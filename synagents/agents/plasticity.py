"""What a plastic synapse can feel, and what its actions make of its trace.

    D = pre post                                        pre of this round's input, post of what it led to
    trace <- bounded(trace + action),   eligibility <- (1 - rate) eligibility + rate D
    threshold_j <- (1 - rate') threshold_j + rate' post_j^2

Hard bounds cut the trace at +-limit. Soft ones scale what leads towards a bound by the share of the way that is left.
(Miconi, Rawal, Clune & Stanley 2019, arXiv 2002.10585, equations 2-6; the sliding threshold:
Bienenstock, Cooper & Munro 1982.)
"""

from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

Bound: TypeAlias = Literal["hard", "soft"]


class Felt(NamedTuple):
    """What the synapses of an [n, m] matrix feel, in factors that broadcast to it; clients see them side by side."""

    pre: Float[Array, "n 1"]
    post: Float[Array, "1 m"]
    trace: Float[Array, "n m"]
    eligibility: Float[Array, "n m"]  # [1, 1] where there is none
    modulator: Float[Array, "1 1"]  # the same for all
    threshold: Float[Array, "1 m"]  # a running mean of the square of post; [1, 1] where there is none


@runtime_checkable
class Limited(Protocol):
    """A world whose traces have a largest value."""

    limit: float  # > 0


def product(felt: Felt) -> Float[Array, "n m"]:
    """D. Of factors a matrix product, whose gradients are products, too; of single agents elementwise."""
    return felt.pre @ felt.post


def oja(felt: Felt) -> Float[Array, "n m"]:
    """Pre post - post^2 trace (Oja 1982)."""
    return product(felt) - felt.post**2 * felt.trace


def bcm(felt: Felt) -> Float[Array, "n m"]:
    """Pre post (post - threshold) (Bienenstock, Cooper & Munro 1982)."""
    return felt.pre * (felt.post * (felt.post - felt.threshold))


def mean(old: Float[Array, "..."], new: Float[Array, "..."], rate: Float[Array, ""]) -> Float[Array, "..."]:
    """A running mean after one more."""
    return (1 - rate) * old + rate * new


def moved(trace: Float[Array, "n m"], action: Float[Array, "n m"], bound: Bound, limit: float) -> Float[Array, "n m"]:
    """The trace after an action."""
    if bound == "soft":
        action = action * jnp.where(action > 0, limit - trace, limit + trace) / limit
    return jnp.clip(trace + action, -limit, limit)
