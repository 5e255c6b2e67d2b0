"""Proximal policy optimisation for agents who share an actor; algorithms differ in what their critic sees.

    pi(a | s) = (1 - epsilon) softmax(f(s))_a + epsilon / A,     ratio = pi(a | s) / pi_old(a | s)
    loss = - mean min(ratio A, clip(ratio, 1 - c, 1 + c) A) + value_weight (V - G)^2 - entropy_weight H(pi)

A and G are generalised advantages and returns (`kit`) of the team's reward, which all agents get. That the mean over
agents of A grad log pi says which action was better is due to how many more agents did it than was likely: with N of
them the noise of a rollout is sqrt(N) times what one agent adds, so minibatches are large and advantages normalised.
The share epsilon of uniform actions belongs to the policy, and is ours: a team whose agents all act alike learns
nothing of single ones. (Schulman, Wolski, Dhariwal, Radford & Klimov 2017.)
"""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.benchmark.marl.kit import (
    GRADED,
    TINY,
    SharedPolicy,
    Trained,
    adam,
    advantages,
    by_round,
    descend,
    going_on,
    require_settings,
    team_rewards,
)
from synagents.benchmark.marl.networks import (
    Net,
    Seen,
    Sight,
    choose,
    perceptron,
    seen_by_all,
    sight_of,
    together,
)
from synagents.hyperparameters import settings, static
from synagents.world import Group, Learner, Metrics, RewardKind, RoundNumber, Transition, Tree


class ActorCritic(NamedTuple):
    """What is trained."""

    actor: Net  # f: a preference for every action
    critic: Net  # V


class PPOMind(NamedTuple):
    """What the population knows."""

    trained: Trained  # params: ActorCritic
    sight: Sight


class Rows(NamedTuple):
    """The rounds of a rollout; critics of the team have one value for all N agents."""

    seen: Seen
    actions: Array  # [T, W, N]
    old: Float[Array, "T W N"]  # log pi_old(a | s)
    advantage: Float[Array, "T W #N"]
    returns: Float[Array, "T W #N"]


@settings
class PPO(SharedPolicy, Learner):
    """A shared actor; a subclass says what the critic sees.

    Attributes:
        hidden: units of each hidden layer of actor and critic.
        learning_rate: of Adam, > 0.
        gamma: discount in [0, 1] of later rewards.
        gae_lambda: how far advantages look ahead, in [0, 1].
        clip: c, how far the ratio may stray from 1, > 0.
        epsilon: share in [0, 1] of uniform actions in the policy.
        entropy_weight: >= 0.
        value_weight: >= 0.
        epochs: passes over a rollout, >= 1.
        minibatches: of a pass, >= 1.
    """

    needs: ClassVar[RewardKind] = GRADED

    hidden: tuple[int, ...] = static(default=(32,))
    learning_rate: float = 1e-3
    gamma: float = 0.95
    gae_lambda: float = 0.9
    clip: float = 0.2
    epsilon: float = 0.3
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    epochs: int = static(default=4)
    minibatches: int = static(default=4)

    def __post_init__(self) -> None:
        require_settings(
            self,
            shares=("gamma", "gae_lambda", "epsilon"),
            above=("learning_rate", "clip"),
            whole=("epochs", "minibatches"),
            least=("entropy_weight", "value_weight"),
        )

    @abstractmethod
    def critic_inputs(self, sight: Sight, groups: tuple[Group, ...]) -> int:
        """How many numbers the critic reads."""

    @abstractmethod
    def values(self, sight: Sight, critic: Net, seen: Seen) -> Float[Array, "*rows #N"]:
        """What the critic expects of what is seen: for every agent, or one number for the team."""

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> PPOMind:
        """Networks drawn at random, a policy that is almost uniform; ValueError if agents are not alike."""
        sight = sight_of(groups, type(self).__name__)
        actor, critic = jax.random.split(key)
        params = ActorCritic(
            perceptron(actor, (len(sight.order), *self.hidden, len(sight.opposite)), last=0.01),
            perceptron(critic, (self.critic_inputs(sight, groups), *self.hidden, 1)),
        )
        return PPOMind(Trained(params, adam(self.learning_rate).init(params)), sight)

    def act(self, key: Key[Array, ""], mind: PPOMind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Draw every agent's action from the policy."""
        del t, turn
        actor, sight = mind.trained.params.actor, mind.sight
        return choose(key, sight, lambda seen: self.probabilities(sight.policy(actor, seen)), obs), ()

    def update(
        self, key: Key[Array, ""], mind: PPOMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[PPOMind, Metrics]:
        """Several epochs of clipped policy gradient on T rounds of W worlds."""
        del t
        (actor, critic), sight = mind.trained.params, mind.sight
        seen, actions = seen_by_all(transition.obs, 2), together(transition.actions, 2).astype(jnp.int32)
        value, last = self.values(sight, critic, seen), self.values(sight, critic, seen_by_all(last_obs, 1))
        goes_on = going_on(transition, value)
        reward = team_rewards(transition)[..., None]
        advantage = advantages(reward, value, last, goes_on, self.gamma, self.gae_lambda)
        old = self.log_probability(sight, actor, seen, actions)
        rows = by_round(Rows(seen, actions, old, normalised(advantage), advantage + value))
        trained = descend(
            key,
            mind.trained,
            lambda params, rows: self.loss(sight, params, rows),
            rows,
            adam(self.learning_rate),
            epochs=self.epochs,
            minibatches=self.minibatches,
        )
        return PPOMind(trained, sight), {"value": value.mean()}

    def loss(self, sight: Sight, params: ActorCritic, rows: Rows) -> Float[Array, ""]:
        """What is descended on."""
        own = None if sight.codes is not None else rows.seen.own  # of codes: every history counts once
        policy = self.probabilities(sight.policy(params.actor, own))
        logs = jnp.log(policy + TINY)
        ratio = jnp.exp(sight.of_actions(lambda _: logs, rows.seen, rows.actions) - rows.old)
        gain = clipped(ratio, rows.advantage, self.clip)
        error = (self.values(sight, params.critic, rows.seen) - rows.returns) ** 2
        entropy = -jnp.sum(policy * logs, axis=-1)
        return self.value_weight * error.mean() - gain.mean() - self.entropy_weight * entropy.mean()

    def probabilities(self, preferences: Float[Array, "*n A"]) -> Float[Array, "*n A"]:
        """pi(. | s)."""
        return (1 - self.epsilon) * jax.nn.softmax(preferences) + self.epsilon / preferences.shape[-1]

    def log_probability(self, sight: Sight, actor: Net, seen: Seen, actions: Array) -> Float[Array, "*rows N"]:
        """The logarithm of pi(a | s) of what each agent did."""
        return sight.of_actions(lambda own: jnp.log(self.probabilities(sight.policy(actor, own)) + TINY), seen, actions)

    def policy_table(self, mind: PPOMind) -> Float[Array, "S A"] | None:
        """pi(a | s) after every history; None where agents see numbers."""
        return None if mind.sight.codes is None else self.probabilities(mind.sight.policy(mind.trained.params.actor))


def normalised(advantage: Float[Array, "*rows"]) -> Float[Array, "*rows"]:
    """With mean 0 and standard deviation 1."""
    return (advantage - advantage.mean()) / (advantage.std() + TINY)


def clipped(
    ratio: Float[Array, "*rows N"], advantage: Float[Array, "*rows #N"], clip: float
) -> Float[Array, "*rows N"]:
    """What is gained by a ratio of the new policy to the old, no more than near 1."""
    return jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)
