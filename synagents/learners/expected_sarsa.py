"""Expected SARSA: on-policy like SARSA, but the next action is averaged over instead of drawn.

    Q[s, a] += alpha (R + gamma sum_a' pi(a' | s') Q[s', a'] - Q[s, a]),   pi epsilon-greedy in Q

The same expectation as SARSA's and less variance. With `explore` 0 it is Q-learning. Cells are pooled
(`synagents.pooling`). (van Seijen, van Hasselt, Whiteson & Wiering 2009; Sutton & Barto 2018, section 6.6.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.choice import epsilon_greedy, sample
from synagents.learners.q_table import QMind
from synagents.pooling import Rate, hits_of, learn_values, require_rates
from synagents.schedules import Schedule, at
from synagents.settings import settings, static
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["ExpectedSarsa"]


@settings
class ExpectedSarsa:
    """A shared table of action values, learned from what the policy is worth after each history.

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

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> QMind:
        """All values zero; ValueError if one table cannot serve these agents."""
        del key
        return QMind(jnp.zeros(require_discrete(groups, "ExpectedSarsa")), jnp.int32(0))

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions."""
        del turn
        return sample(key, self._policy(mind), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree
    ) -> tuple[QMind, dict[str, Array]]:
        """Every hit moves its cell towards the mean worth of what follows."""
        del key
        worth = (self._policy(mind) * mind.table).sum(axis=1)
        parts = []
        for hit in hits_of(transition, last_obs).values():
            target = hit.reward + self.gamma * hit.goes_on * worth[hit.later]
            parts.append((hit, target - mind.table[hit.s, hit.a]))
        table = learn_values(mind.table, parts, self.alpha, self.rate)
        return QMind(table, mind.rounds + len(transition.terminated)), {"q_change": jnp.abs(table - mind.table).max()}

    def _policy(self, mind: QMind) -> Float[Array, "S A"]:
        return epsilon_greedy(mind.table, at(self.explore, mind.rounds))
