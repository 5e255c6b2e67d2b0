"""Expected SARSA: on-policy like SARSA, but the next action is averaged over instead of drawn.

    Q[s, a] += alpha (R + gamma sum_a' pi(a' | s') Q[s', a'] - Q[s, a]),   pi epsilon-greedy in Q

The same expectation as SARSA's and less variance. With `epsilon` 0 it is Q-learning. Cells are pooled
(`tabular`). (van Seijen, van Hasselt, Whiteson & Wiering 2009; Sutton & Barto 2018, section 6.6.)
"""

from jaxtyping import Array, Float, Key

from synagents.hyperparameters import settings
from synagents.learners.synapse.tabular import Hits, QMind, TabularQ, hits_of
from synagents.world import RoundNumber, Transition, Tree

__all__ = ["ExpectedSarsa"]


@settings
class ExpectedSarsa(TabularQ):
    """A shared table of action values, learned from what the policy is worth after each history."""

    def errors(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> list[tuple[Hits, Float[Array, "hits"]]]:
        """R + gamma sum_a' pi(a' | s') Q[s', a'] - Q[s, a]."""
        del key
        table = self.action_values(mind)
        worth = (self.policy(mind, t) * table).sum(axis=1)
        return [
            (hit, hit.reward + self.gamma * hit.goes_on * worth[hit.later] - table[hit.s, hit.a])
            for hit in hits_of(transition, last_obs).values()
        ]
