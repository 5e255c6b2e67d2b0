"""SARSA: the table learns what actions are worth to agents that go on exploring, from the action that came next.

    Q[s, a] += alpha (R + gamma Q[s', a'] - Q[s, a]),   a' what the agent did after s'

Where s' is the last an update saw, which with one round per update it always is, the agent has not acted on it yet: a'
is then drawn from the policy it is about to act by. That action has the distribution of SARSA's a', so the update has
the expectation and the variance of SARSA's, and no mind must remember who was where. Actions are epsilon-greedy, cells
are pooled (`tabular`). (Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.counter import counter_key
from synagents.hyperparameters import settings
from synagents.learners.choice import sample
from synagents.learners.synapse.tabular import Hits, QMind, TabularQ, hits_of
from synagents.world import RoundNumber, Transition, Tree

__all__ = ["Sarsa"]


@settings
class Sarsa(TabularQ):
    """A shared table of action values, learned on-policy from the action that came next."""

    def errors(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> list[tuple[Hits, Float[Array, "hits"]]]:
        """R + gamma Q[s', a'] - Q[s, a]."""
        table, after = self.action_values(mind), next_actions(key, self.policy(mind, t), transition, last_obs)
        return [
            (hit, hit.reward + self.gamma * hit.goes_on * table[hit.later, after[name]] - table[hit.s, hit.a])
            for name, hit in hits_of(transition, last_obs).items()
        ]


def next_actions(
    key: Key[Array, ""], policy: Float[Array, "S A"], transition: Transition, last_obs: Tree
) -> dict[str, Integer[Array, "hits"]]:
    """What the agents of each group did after each hit; drawn from `policy` after the last round."""
    drawn = sample(counter_key(key), policy, {name: obs.ravel() for name, obs in last_obs.items()})
    return {name: jnp.concatenate([done[1:].ravel(), drawn[name]]) for name, done in transition.actions.items()}
