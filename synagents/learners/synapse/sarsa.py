"""SARSA of the team: the table learns what deviations are worth to agents that go on exploring.

    V = sum_i Q[s_i, a_i] / sqrt(N),   V' with the actions that come next   (`team` has the rest)

The agents have not acted yet on what they saw last, so a' is drawn from the policy that they are about to act by. That
action has the distribution of SARSA's a', so the update has the expectation and the variance of SARSA's, and no mind
must remember who was where. (Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.counter import counter_key
from synagents.hyperparameters import settings
from synagents.learners.choice import sample
from synagents.learners.synapse.team import Cells, TeamTable, tally
from synagents.world import Tree

__all__ = ["Sarsa"]


@settings
class Sarsa(TeamTable):
    """A shared table of team values, learned on-policy from the actions that came next."""

    def worth(self, own: Cells, other: Cells, policy: Cells, seen: Float[Array, "*S"]) -> Float[Array, ""]:
        """sum_s,a seen[s, a] Q[s, a]."""
        del other, policy
        return jnp.vdot(seen, own)

    def seen_later(self, key: Key[Array, ""], policy: Float[Array, "S A"], after: Tree) -> Float[Array, "T R S A"]:
        """How many agents saw each history a round later, and did each action then."""
        drawn = sample(counter_key(key), policy, {name: own.ravel() for name, own in after.items()})
        cells = {
            name: own.astype(jnp.int32) * policy.shape[1] + drawn[name].reshape(own.shape)
            for name, own in after.items()
        }
        return tally(cells, policy.shape)
