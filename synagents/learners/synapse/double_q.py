"""Double Q-learning: one table names the best next action, the other says what it is worth.

    U[s, a] += alpha (R + gamma V[s', argmax_a' U[s', a']] - U[s, a]),   (U, V) = (Q1, Q2) or (Q2, Q1) by a coin

A maximum over noisy values is too high; values learned from other rewards than those that named the maximum are not.
All agents of a round are paid alike, so they share one coin per round and world: with a coin each, both tables would
learn from the same rewards. Agents act epsilon-greedily by Q1 + Q2; cells are pooled (`tabular`). (van
Hasselt 2010; Sutton & Barto 2018, section 6.7.)
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import settings
from synagents.learners.synapse.tabular import Hits, QMind, TabularQ, hits_of
from synagents.world import RoundNumber, Transition, Tree

__all__ = ["DoubleQ"]


@settings
class DoubleQ(TabularQ):
    """Two shared tables of action values that check each other."""

    tables: ClassVar[int] = 2

    def errors(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> list[tuple[Hits, Float[Array, "hits"]]]:
        """A coin per round and world says which table learns from it."""
        del t
        tables, histories = mind.values, mind.values.shape[1]
        coins = jax.random.bernoulli(key, jnp.float32(0.5), transition.terminated.shape).astype(jnp.int32)
        # worth[u, s]: the value that the other table gives to the action that table u prefers.
        worth = jnp.take_along_axis(tables[::-1], tables.argmax(axis=2, keepdims=True), axis=2)[..., 0]
        parts = []
        for name, hit in hits_of(transition, last_obs).items():
            learns = jnp.broadcast_to(coins[..., None], transition.obs[name].shape).ravel()
            target = hit.reward + self.gamma * hit.goes_on * worth[learns, hit.later]
            parts.append((hit._replace(s=hit.s + histories * learns), target - tables[learns, hit.s, hit.a]))
        return parts
