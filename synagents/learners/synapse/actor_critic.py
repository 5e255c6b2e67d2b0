"""Actor-critic: a softmax table acts, a table of history values says whether things went better than expected.

    delta = R + gamma V[s'] - V[s]
    V[s] += beta (mean of delta over the hits of s)
    theta += alpha sum_i delta_i grad log pi(a_i | s_i) / sqrt(n_s),   pi(a | s) = softmax(theta[s, .])_a

n_s counts the hits of history s (`tabular` says why). (Barto, Sutton & Anderson 1983; Sutton & Barto 2018,
section 13.5, one-step actor-critic, continuing: without the factor gamma^t.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.hyperparameters import require_between, settings
from synagents.learners.choice import sample
from synagents.learners.synapse.tabular import hits_of, mirror_of, policy_gradient, pool
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree, require_discrete

__all__ = ["ActorCritic"]


class ActorCriticMind(NamedTuple):
    """What the population knows."""

    preferences: Float[Array, "S A"]  # theta: logits of action a after history s
    values: Float[Array, "S"]  # V: discounted rewards to come after history s
    mirror: Integer[Array, "S"] | None = None  # the mirrored history of each


@settings
class ActorCritic(Learner):
    """A shared softmax table over histories, taught by a shared table of their values.

    Attributes:
        alpha: step of the preferences, >= 0, in logits per surprise and standard deviation of what was drawn.
        beta: learning rate of the values, in [0, 1], per update.
        gamma: discount of future rewards in [0, 1].
    """

    alpha: float = 0.05
    beta: float = 0.001
    gamma: float = 0.8

    def __post_init__(self) -> None:
        require_between("alpha", self.alpha, 0)
        require_between("beta", self.beta, 0, 1)
        require_between("gamma", self.gamma, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> ActorCriticMind:
        """The uniform policy and values of zero; ValueError if one table cannot serve these agents."""
        del key
        histories, actions = require_discrete(groups, "ActorCritic")
        preferences, values = jnp.zeros((histories, actions), jnp.float32), jnp.zeros(histories, jnp.float32)
        return ActorCriticMind(preferences, values, mirror_of(groups))

    def act(
        self, key: Key[Array, ""], mind: ActorCriticMind, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """Draw every agent's action from its history's row."""
        del t, turn
        return sample(key, jax.nn.softmax(mind.preferences), obs), ()

    def update(
        self, key: Key[Array, ""], mind: ActorCriticMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[ActorCriticMind, Metrics]:
        """The same surprises teach both tables."""
        del key, t
        parts = []
        for hit in hits_of(transition, last_obs).values():
            surprise = hit.reward + self.gamma * hit.goes_on * mind.values[hit.later] - mind.values[hit.s]
            parts.append((hit, surprise))
        count, total = pool(parts, mind.preferences.shape)
        gradient = policy_gradient(jax.nn.softmax(mind.preferences), count, total, mind.mirror)
        change = self.beta * total.sum(axis=1) / jnp.maximum(count.sum(axis=1), 1)
        after = ActorCriticMind(mind.preferences + self.alpha * gradient, mind.values + change, mind.mirror)
        return after, {"value_change": jnp.abs(change).max()}
