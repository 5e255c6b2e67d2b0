"""SARSA: the table learns what actions are worth to agents that go on exploring, from the action that came next.

    Q[s, a] += alpha (R + gamma Q[s', a'] - Q[s, a]),   a' what the agent did after s'

Where s' is the last an update saw, which with one round per update it always is, the agent has not acted on it yet: a'
is then drawn from the policy it is about to act by. That action has the distribution of SARSA's a', so the update has
the expectation and the variance of SARSA's, and no mind must remember who was where. Actions are epsilon-greedy, cells
are pooled (`synagents.pooling`). (Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.choice import epsilon_greedy, sample
from synagents.counter import counter_key
from synagents.learners.q_table import QMind
from synagents.pooling import Rate, hits_of, learn_values, require_rates
from synagents.schedules import Schedule, at
from synagents.settings import settings, static
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["Sarsa"]


@settings
class Sarsa:
    """A shared table of action values, learned on-policy from the action that came next.

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
        return QMind(jnp.zeros(require_discrete(groups, "Sarsa")), jnp.int32(0))

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions."""
        del turn
        return sample(key, self._policy(mind), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree
    ) -> tuple[QMind, dict[str, Array]]:
        """Every hit moves its cell towards the worth of what followed."""
        after = next_actions(key, self._policy(mind), transition, last_obs)
        parts = []
        for name, hit in hits_of(transition, last_obs).items():
            target = hit.reward + self.gamma * hit.goes_on * mind.table[hit.later, after[name]]
            parts.append((hit, target - mind.table[hit.s, hit.a]))
        table = learn_values(mind.table, parts, self.alpha, self.rate)
        return QMind(table, mind.rounds + len(transition.terminated)), {"q_change": jnp.abs(table - mind.table).max()}

    def _policy(self, mind: QMind) -> Float[Array, "S A"]:
        return epsilon_greedy(mind.table, at(self.explore, mind.rounds))


def next_actions(
    key: Key[Array, ""], policy: Float[Array, "S A"], transition: Transition, last_obs: Tree
) -> dict[str, Integer[Array, "hits"]]:
    """What the agents of each group did after each hit; drawn from `policy` after the last round."""
    drawn = sample(counter_key(key), policy, {name: obs.ravel() for name, obs in last_obs.items()})
    return {name: jnp.concatenate([done[1:].ravel(), drawn[name]]) for name, done in transition.actions.items()}
