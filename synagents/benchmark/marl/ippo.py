"""IPPO: every agent a PPO of its own, and all of them one: actor and critic are shared, and see what an agent sees.

    pi(a | s) = (1 - epsilon) softmax(f(s))_a + epsilon / A,     ratio = pi(a | s) / pi_old(a | s)
    loss = - mean min(ratio A, clip(ratio, 1 - c, 1 + c) A) + value_weight (V(s) - G)^2 - entropy_weight H(pi)

A and G are generalised advantages and returns (`kit`), from the team's reward, as every agent gets the same. That the
sum over agents of A grad log pi says which action was better is due to A being weighed by how the team deviated from
its policy: with N agents the noise of a rollout is sqrt(N) times the signal, so minibatches are large and advantages
normalised. The share epsilon of uniform actions is part of the policy, ours: agents that all act alike learn nothing
of each other's moves. (Schulman et al. 2017; de Witt et al. 2020, "Is independent learning all you need?")
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.benchmark.marl.kit import GRADED, TINY, Trained, adam, advantages, descend, team_rewards, together
from synagents.benchmark.marl.networks import Net, Sight, choose, perceptron, sight_of
from synagents.hyperparameters import require_between, require_whole, settings, static
from synagents.world import Group, Learner, Metrics, RewardKind, RoundNumber, Transition, Tree

__all__ = ["IPPO"]


class ActorCritic(NamedTuple):
    """What is trained."""

    actor: Net  # f: a preference for every action
    critic: Net  # V


class PPOMind(NamedTuple):
    """What the population knows."""

    trained: Trained  # params: ActorCritic
    sight: Sight


class Rows(NamedTuple):
    """The rounds of a rollout, [T, W, ...]."""

    seen: Array
    actions: Array
    old: Float[Array, "T W N"]  # log pi_old(a | s)
    advantage: Float[Array, "T W N"]
    returns: Float[Array, "T W N"]


@settings
class IPPO(Learner):
    """Independent proximal policy optimisation with shared parameters.

    Attributes:
        hidden: units of each hidden layer of actor and critic.
        learning_rate: of Adam, > 0.
        gamma: discount in [0, 1] of later rewards.
        gae_lambda: how far advantages look ahead, in [0, 1].
        clip: c, how far the ratio may stray from 1, > 0.
        epsilon: share in [0, 1) of uniform actions in the policy.
        entropy_weight: >= 0.
        value_weight: >= 0.
        epochs: passes over a rollout, >= 1.
        minibatches: of a pass, >= 1.
    """

    needs: ClassVar[RewardKind] = GRADED

    hidden: tuple[int, ...] = static(default=(32,))
    learning_rate: float = 3e-3
    gamma: float = 0.5
    gae_lambda: float = 0.9
    clip: float = 0.2
    epsilon: float = 0.3
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    epochs: int = static(default=4)
    minibatches: int = static(default=4)

    def __post_init__(self) -> None:
        for name in ("gamma", "gae_lambda", "epsilon"):
            require_between(name, getattr(self, name), 0, 1)
        for name in ("learning_rate", "clip"):
            require_between(name, getattr(self, name), 0, above=True)
        for name in ("entropy_weight", "value_weight"):
            require_between(name, getattr(self, name), 0)
        for name in ("epochs", "minibatches"):
            require_whole(name, getattr(self, name), 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> PPOMind:
        """Networks drawn at random, a policy that is almost uniform; ValueError if agents are not alike."""
        sight = sight_of(groups, "IPPO")
        actor, critic = jax.random.split(key)
        inputs, actions = len(sight.order), len(sight.opposite)
        params = ActorCritic(
            perceptron(actor, (inputs, *self.hidden, actions), last=0.01),
            perceptron(critic, (inputs, *self.hidden, 1)),
        )
        return PPOMind(Trained(params, adam(self.learning_rate).init(params)), sight)

    def act(self, key: Key[Array, ""], mind: PPOMind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Draw every agent's action from the policy."""
        del t, turn
        actor = mind.trained.params.actor
        if mind.sight.codes is not None:
            return choose(key, mind.sight, self.policy_table(mind), obs), ()
        policies = {name: self.probabilities(mind.sight.policy(actor, seen)) for name, seen in obs.items()}
        return choose(key, mind.sight, policies, obs), ()

    def update(
        self, key: Key[Array, ""], mind: PPOMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[PPOMind, Metrics]:
        """Several epochs of clipped policy gradient on T rounds of W worlds."""
        del t
        (actor, critic), sight = mind.trained.params, mind.sight
        seen, last = together(transition.obs, 2), together(last_obs, 1)
        actions = together(transition.actions, 2).astype(jnp.int32)
        value = sight.value(critic, seen)
        goes_on = jnp.broadcast_to(~transition.terminated[..., None], value.shape).astype(jnp.float32)
        reward = team_rewards(transition)[..., None]
        advantage = advantages(reward, value, sight.value(critic, last), goes_on, self.gamma, self.gae_lambda)
        old = self.log_probability(sight, actor, seen, actions)
        rows = Rows(seen, actions, old, normalised(advantage), advantage + value)

        def loss(params: ActorCritic, rows: Rows) -> Float[Array, ""]:
            return self.loss(sight, params, rows)

        rule = adam(self.learning_rate)
        trained = descend(key, mind.trained, loss, rows, rule, epochs=self.epochs, minibatches=self.minibatches)
        return PPOMind(trained, sight), {"value": value.mean()}

    def loss(self, sight: Sight, params: ActorCritic, rows: Rows) -> Float[Array, ""]:
        """What is descended on."""
        ratio = jnp.exp(self.log_probability(sight, params.actor, rows.seen, rows.actions) - rows.old)
        gain = jnp.minimum(ratio * rows.advantage, jnp.clip(ratio, 1 - self.clip, 1 + self.clip) * rows.advantage)
        error = jnp.mean((sight.value(params.critic, rows.seen) - rows.returns) ** 2)
        total = self.value_weight * error - gain.mean()
        policy = self.probabilities(sight.policy(params.actor, None if sight.codes is not None else rows.seen))
        entropy = -jnp.sum(policy * jnp.log(policy + TINY), axis=-1)
        return total - self.entropy_weight * entropy.mean()

    def probabilities(self, preferences: Float[Array, "*n A"]) -> Float[Array, "*n A"]:
        """pi(. | s)."""
        return (1 - self.epsilon) * jax.nn.softmax(preferences) + self.epsilon / preferences.shape[-1]

    def log_probability(self, sight: Sight, actor: Net, seen: Array, actions: Array) -> Float[Array, "*n"]:
        """log pi(a | s) of what each agent did."""
        if sight.codes is not None:
            policy = jnp.log(self.probabilities(sight.policy(actor)) + TINY)
            return policy.reshape(-1)[seen.astype(jnp.int32) * policy.shape[1] + actions]
        policy = jnp.log(self.probabilities(sight.policy(actor, seen)) + TINY)
        return jnp.take_along_axis(policy, actions[..., None], axis=-1)[..., 0]

    def policy_table(self, mind: PPOMind) -> Float[Array, "S A"] | None:
        """pi(a | s) after every history; None where agents see numbers."""
        return None if mind.sight.codes is None else self.probabilities(mind.sight.policy(mind.trained.params.actor))


def normalised(advantage: Float[Array, "T W N"]) -> Float[Array, "T W N"]:
    """With mean 0 and standard deviation 1."""
    return (advantage - advantage.mean()) / (advantage.std() + TINY)
