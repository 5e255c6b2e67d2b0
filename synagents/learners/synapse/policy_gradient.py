"""REINFORCE: agents draw from a softmax table, and what was done before a better reward than usual becomes likelier.

    pi(a | s) = softmax(theta[s, .])_a
    theta += alpha sum_i (G_i - b) grad log pi(a_i | s_i) / sqrt(n_s),   b += mean_rate (mean G - b)

G is the discounted sum of the rewards from a round to the end of the update: the round's own reward where an update is
one round. n_s counts the hits of history s (`tabular` says why). Unlike a greedy table this one can say how
sure it is, history by history. (Williams 1992; the running baseline is his reinforcement comparison, Sutton & Barto
2018, section 13.4.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.hyperparameters import require_between, settings
from synagents.learners.choice import sample
from synagents.learners.synapse.tabular import hits_of, mirror_of, policy_gradient, pool
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree, require_discrete

__all__ = ["PolicyGradient"]


class PolicyMind(NamedTuple):
    """What the population knows."""

    preferences: Float[Array, "S A"]  # theta: logits of action a after history s
    baseline: Float[Array, ""]  # b: the usual return
    mirror: Integer[Array, "S"] | None = None  # the mirrored history of each


@settings
class PolicyGradient(Learner):
    """A shared softmax table over histories that follows the policy gradient.

    Attributes:
        alpha: step of the preferences, >= 0, in logits per advantage and standard deviation of what was drawn.
        mean_rate: share in [0, 1] of the way that the baseline moves towards each update's mean return.
        gamma: discount in [0, 1] of later rewards of the same update.
    """

    alpha: float = 0.05
    mean_rate: float = 0.01
    gamma: float = 0.8

    def __post_init__(self) -> None:
        require_between("alpha", self.alpha, 0)
        require_between("mean_rate", self.mean_rate, 0, 1)
        require_between("gamma", self.gamma, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> PolicyMind:
        """The uniform policy; ValueError if one table cannot serve these agents."""
        del key
        preferences = jnp.zeros(require_discrete(groups, "PolicyGradient"), jnp.float32)
        return PolicyMind(preferences, jnp.float32(0), mirror_of(groups))

    def act(
        self, key: Key[Array, ""], mind: PolicyMind, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """Draw every agent's action from its history's row."""
        del t, turn
        return sample(key, jax.nn.softmax(mind.preferences), obs), ()

    def update(
        self, key: Key[Array, ""], mind: PolicyMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[PolicyMind, Metrics]:
        """One step along the gradient, with the baseline as it was before these returns."""
        del key, t
        gains = {name: returns(r, transition.terminated, self.gamma) for name, r in transition.reward.items()}
        hits = hits_of(transition._replace(reward=gains), last_obs).values()
        pooled = pool([(hit, hit.reward - mind.baseline) for hit in hits], mind.preferences.shape)
        gradient = policy_gradient(jax.nn.softmax(mind.preferences), *pooled, mind.mirror)
        usual = jnp.mean(jnp.stack([jnp.mean(gain) for gain in gains.values()]))
        baseline = mind.baseline + self.mean_rate * (usual - mind.baseline)
        return PolicyMind(mind.preferences + self.alpha * gradient, baseline, mind.mirror), {"baseline": baseline}


def returns(reward: Float[Array, "T W *n"], terminated: Bool[Array, "T W"], gamma: float) -> Float[Array, "T W *n"]:
    """G[t] = R[t] + gamma G[t+1], the last one its reward alone; nothing is carried over the end of a life."""
    goes_on = ~terminated.reshape(terminated.shape + (1,) * (reward.ndim - 2))

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        gain = now[0] + gamma * now[1] * later
        return gain, gain

    return jax.lax.scan(back, jnp.zeros_like(reward[0]), (reward, goes_on), reverse=True)[1]
