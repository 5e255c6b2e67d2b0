"""Q-learning with networks for agents who share one; algorithms differ in whose return it predicts.

    q(s, a) = v(s) + d(s, a),   d(s, .) has mean 0                       (dueling, Wang et al. 2016)
    G[t] = r + gamma ((1 - lambda) E Q' + lambda G[t+1]),   loss = mean (Q - G)^2
    act    greedy in d; with probability epsilon uniform;   E d = (1 - epsilon) max d

Q is what a subclass makes of all q(s_i, a_i), and E Q' the same of what its agents are expected to do next. In its
place max Q' is the value of a team of which nobody explores. As epsilon stays, it lies above what happens by some
sqrt(N) for N agents, is taken for a gain, and grows: with 1,210 agents values went beyond 10^5. Many worlds at once
take the place of a memory of old rounds, and returns that look ahead that of a second, slower network, since what was
right for a team that learns is soon out of date. (Gallici et al. 2025, "Simplifying deep temporal difference learning",
PQN; the expectation: van Seijen et al. 2009, "Expected Sarsa".)
"""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from synagents.benchmark.marl.kit import (
    GRADED,
    SharedPolicy,
    Trained,
    adam,
    by_round,
    descend,
    going_on,
    lambda_returns,
    require_settings,
    team_rewards,
)
from synagents.benchmark.marl.networks import Net, Seen, Sight, choose, perceptron, seen_by_all, sight_of, together
from synagents.hyperparameters import settings, static
from synagents.learners.synapse.team import greedy
from synagents.world import Group, Learner, Metrics, RewardKind, RoundNumber, Transition, Tree


class Values(NamedTuple):
    """What is trained."""

    level: Net  # v
    difference: Net  # d, before its mean is taken away
    mixer: PyTree  # what a subclass adds


class QMind(NamedTuple):
    """What the population knows."""

    trained: Trained  # params: Values
    sight: Sight


class Rows(NamedTuple):
    """The rounds of a rollout."""

    seen: Seen
    actions: Array  # [T, W, N]
    returns: Float[Array, "T W #N"]


@settings
class DeepQ(SharedPolicy, Learner):
    """Shared action values; a subclass says what the team makes of them.

    Attributes:
        hidden: units of each hidden layer.
        learning_rate: of Adam, > 0.
        gamma: discount in [0, 1] of later rewards.
        q_lambda: how far returns look ahead, in [0, 1].
        epsilon: probability in [0, 1] of a uniform action.
        epochs: passes over a rollout, >= 1.
        minibatches: of a pass, >= 1.
    """

    needs: ClassVar[RewardKind] = GRADED

    hidden: tuple[int, ...] = static(default=(32,))
    learning_rate: float = 1e-3
    gamma: float = 0.95
    q_lambda: float = 0.9
    epsilon: float = 0.5
    epochs: int = static(default=4)
    minibatches: int = static(default=4)

    def __post_init__(self) -> None:
        shares, whole = ("gamma", "q_lambda", "epsilon"), ("epochs", "minibatches")
        require_settings(self, shares=shares, above=("learning_rate",), whole=whole)

    @abstractmethod
    def team(
        self, mixer: PyTree, level: Float[Array, "*rows N"], difference: Float[Array, "*rows N"], seen: Seen
    ) -> Float[Array, "*rows #N"]:
        """Q of the team, or of every agent, from v(s_i) and d(s_i, a_i)."""

    def mixing(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> PyTree:
        """Parameters of `team`; by default none."""
        del key, groups
        return ()

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> QMind:
        """Networks drawn at random; ValueError if agents are not alike."""
        sight = sight_of(groups, type(self).__name__)
        level, difference, mixer = jax.random.split(key, 3)
        inputs = (len(sight.order), *self.hidden)
        params = Values(
            perceptron(level, (*inputs, 1)),
            perceptron(difference, (*inputs, len(sight.opposite)), last=0.01),
            self.mixing(mixer, groups),
        )
        return QMind(Trained(params, adam(self.learning_rate).init(params)), sight)

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions."""
        del t, turn
        net, sight = mind.trained.params.difference, mind.sight
        return choose(key, sight, lambda seen: self.probabilities(sight.policy(net, seen)), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[QMind, Metrics]:
        """Several epochs of regression on the returns of T rounds of W worlds."""
        del t
        seen, actions = seen_by_all(transition.obs, 2), together(transition.actions, 2).astype(jnp.int32)
        params, sight = mind.trained.params, mind.sight
        value = self.expected(sight, params, seen)
        last = self.expected(sight, params, seen_by_all(last_obs, 1))
        goes_on = going_on(transition, value)
        later = jnp.concatenate([value[1:], last[None]])
        reward = team_rewards(transition)[..., None]
        returns = lambda_returns(reward, later, goes_on, self.gamma, self.q_lambda)

        def loss(params: Values, rows: Rows) -> Float[Array, ""]:
            return jnp.mean((self.predicted(sight, params, rows.seen, rows.actions) - rows.returns) ** 2)

        rows, rule = by_round(Rows(seen, actions, returns)), adam(self.learning_rate)
        trained = descend(key, mind.trained, loss, rows, rule, epochs=self.epochs, minibatches=self.minibatches)
        return QMind(trained, sight), {"value": value.mean()}

    def predicted(self, sight: Sight, params: Values, seen: Seen, actions: Array) -> Float[Array, "*rows #N"]:
        """Q of what was done."""
        done = sight.of_actions(lambda own: centred(sight.policy(params.difference, own)), seen, actions)
        return self.team(params.mixer, sight.value(params.level, seen.own), done, seen)

    def expected(self, sight: Sight, params: Values, seen: Seen) -> Float[Array, "*rows #N"]:
        """Q of what agents are expected to do."""
        best = centred(sight.policy(params.difference, seen.own)).max(axis=-1)
        expected = (1 - self.epsilon) * best  # a uniform action adds the mean of d(s, .), which is 0
        return self.team(params.mixer, sight.value(params.level, seen.own), expected, seen)

    def probabilities(self, values: Float[Array, "n A"]) -> Float[Array, "n A"]:
        """pi(. | s): actions that are equally good share the agents."""
        return (1 - self.epsilon) * greedy(values) + self.epsilon / values.shape[-1]

    def policy_table(self, mind: QMind) -> Float[Array, "S A"] | None:
        """pi(a | s) after every history; None where agents see numbers."""
        sight = mind.sight
        return None if sight.codes is None else self.probabilities(sight.policy(mind.trained.params.difference))


def centred(values: Float[Array, "*n A"]) -> Float[Array, "*n A"]:
    """With mean 0 over actions."""
    return values - values.mean(axis=-1, keepdims=True)
