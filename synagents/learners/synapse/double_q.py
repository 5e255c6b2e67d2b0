"""Double Q-learning of the team: one table names the best next action, the other says what it is worth.

    V = sum_i B[s_i, argmax_a A[s_i, a]] / sqrt(N),   (A, B) = (Q1, Q2) or (Q2, Q1) by a coin   (`team` has the rest)

A maximum over noisy values is too high; values learned from other rewards than those that named the maximum are not.
All agents of a round are paid alike, so they share one coin per round and world: with a coin each, both tables would
learn from the same rewards. Agents act by the tables' mean. (van Hasselt 2010; Sutton & Barto 2018, section 6.7.)
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.hyperparameters import settings
from synagents.learners.synapse.team import Cells, TeamTable

__all__ = ["DoubleQ"]


@settings
class DoubleQ(TeamTable):
    """Two shared tables of team values that check each other."""

    tables: ClassVar[int] = 2

    def worth(self, own: Cells, other: Cells, policy: Cells, seen: Float[Array, "*S"]) -> Float[Array, ""]:
        """sum_s seen[s] other[s, argmax_a own[s, a]]."""
        del policy
        best = jnp.take_along_axis(other, own.argmax(axis=1, keepdims=True), axis=1)
        return jnp.vdot(seen, best[:, 0])

    def learns(self, key: Key[Array, ""]) -> Integer[Array, ""]:
        """A coin."""
        return jax.random.bernoulli(key, jnp.float32(0.5)).astype(jnp.int32)
