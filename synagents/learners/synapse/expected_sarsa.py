"""Expected SARSA of the team: on-policy like SARSA, but the next actions are averaged over instead of drawn.

    V = sum_i sum_a pi(a | s_i) Q[s_i, a] / sqrt(N)   (`team` has the rest)

The same expectation as SARSA's and less variance. With `epsilon` 0 it is Q-learning. (van Seijen, van Hasselt, Whiteson
& Wiering 2009; Sutton & Barto 2018, section 6.6.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from synagents.hyperparameters import settings
from synagents.learners.synapse.team import Cells, TeamTable

__all__ = ["ExpectedSarsa"]


@settings
class ExpectedSarsa(TeamTable):
    """A shared table of team values, learned from what the policy is worth after each history."""

    def worth(self, own: Cells, other: Cells, policy: Cells, seen: Float[Array, "*S"]) -> Float[Array, ""]:
        """sum_s seen[s] sum_a pi(a | s) Q[s, a]."""
        del other
        return jnp.vdot(seen, (policy * own).sum(axis=1))
