"""Double Q-learning: one table names the best next action, the other says what it is worth.

    U[s, a] += alpha (R + gamma V[s', argmax_a' U[s', a']] - U[s, a]),   (U, V) = (Q1, Q2) or (Q2, Q1) by a coin

A maximum over noisy values is too high; values learned from other rewards than those that named the maximum are not.
All agents of a round are paid alike, so they share one coin per round and world: with a coin each, both tables would
learn from the same rewards. Agents act epsilon-greedily by Q1 + Q2; cells are pooled (`synagents.pooling`). (van
Hasselt 2010; Sutton & Barto 2018, section 6.7.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.choice import epsilon_greedy, sample
from synagents.pooling import Rate, hits_of, learn_values, require_rates
from synagents.schedules import Schedule, at
from synagents.settings import settings, static
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["DoubleQ"]


class DoubleMind(NamedTuple):
    """What the population knows."""

    tables: Float[Array, "2 S A"]  # two opinions of action a after history s
    rounds: Integer[Array, ""]  # lived so far: the time of the exploration schedule

    @property
    def table(self) -> Float[Array, "... S A"]:
        """The mean of both, as any learner of action values knows it."""
        return self.tables.mean(axis=-3)


@settings
class DoubleQ:
    """Two shared tables of action values that check each other.

    Attributes:
        explore: probability of a uniform action, in [0, 1]; a number or a schedule over rounds.
        alpha: learning rate in [0, 1].
        gamma: discount of future rewards in [0, 1].
        rate: what alpha counts: every hit of a cell ("per-agent") or every update that hits it ("per-step").
    """

    explore: Schedule = 0.1
    alpha: float = 0.003
    gamma: float = 0.8
    rate: Rate = static(default="per-step")

    def __post_init__(self) -> None:
        require_rates(self.explore, self.alpha, self.gamma, self.rate)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> DoubleMind:
        """All values zero; ValueError if one table cannot serve these agents."""
        del key
        return DoubleMind(jnp.zeros((2, *require_discrete(groups, "DoubleQ"))), jnp.int32(0))

    def act(self, key: Key[Array, ""], mind: DoubleMind, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions by the mean of both tables."""
        del turn
        return sample(key, epsilon_greedy(mind.table, at(self.explore, mind.rounds)), obs), ()

    def update(
        self, key: Key[Array, ""], mind: DoubleMind, transition: Transition, last_obs: Tree
    ) -> tuple[DoubleMind, dict[str, Array]]:
        """A coin per round and world says which table learns from it."""
        tables, histories = mind.tables, mind.tables.shape[1]
        coins = jax.random.bernoulli(key, shape=transition.terminated.shape).astype(jnp.int32)
        # worth[u, s]: what the other table thinks of the action that table u prefers.
        worth = jnp.take_along_axis(tables[::-1], tables.argmax(axis=2, keepdims=True), axis=2)[..., 0]
        parts = []
        for name, hit in hits_of(transition, last_obs).items():
            learns = jnp.broadcast_to(coins[..., None], transition.obs[name].shape).ravel()
            target = hit.reward + self.gamma * hit.goes_on * worth[learns, hit.later]
            parts.append((hit._replace(s=hit.s + histories * learns), target - tables[learns, hit.s, hit.a]))
        stacked = tables.reshape(2 * histories, -1)  # one table under the other: a hit is in the one that learns
        learned = learn_values(stacked, parts, self.alpha, self.rate).reshape(tables.shape)
        rounds = mind.rounds + len(transition.terminated)
        return DoubleMind(learned, rounds), {"q_change": jnp.abs(learned - tables).max()}
