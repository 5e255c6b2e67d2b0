"""Recurrent IPPO: agents remember by a gated recurrent unit what codes and traces do not tell them.

    z, r = sigmoid(W [x, h] + b),   c = tanh(V [x, r h] + d),   h <- z h + (1 - z) c
    pi(. | h) = (1 - epsilon) softmax(f(h)) + epsilon / A,   V(h) linear

The weights are shared, and every agent has a state h of its own in every world, which goes on from rollout to rollout;
gradients reach back to the beginning of a rollout, and rows of minibatches are whole worlds. A second state lives
the mirror image, in which all was opposite, as policies are averaged with theirs (`networks`). (Cho et al. 2014;
Hausknecht & Stone 2015; with PPO as in Yu et al. 2022; the loss is that of `ppo`.)
"""

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
    descend,
    going_on,
    require_settings,
    team_rewards,
)
from synagents.benchmark.marl.networks import Net, Sight, outputs, perceptron, sight_of, together
from synagents.benchmark.marl.ppo import clipped, normalised
from synagents.hyperparameters import settings, static
from synagents.learners.choice import sample_each
from synagents.world import Group, MemoryLearner, Metrics, RewardKind, RoundNumber, Transition, Tree

__all__ = ["RecurrentIPPO"]


class Recurrent(NamedTuple):
    """What is trained."""

    gates: Net  # z and r
    candidate: Net  # c
    actor: Net  # f
    critic: Net  # V


class RecurrentMind(NamedTuple):
    """What the population knows."""

    trained: Trained  # params: Recurrent
    sight: Sight


class RecurrentMemory(NamedTuple):
    """What the agents of one world remember, and what they remembered when the rollout began."""

    state: Float[Array, "2 N H"]  # h, and its mirror image's
    start: Float[Array, "2 N H"]


class Rows(NamedTuple):
    """The worlds of a rollout."""

    start: Float[Array, "W 2 N H"]
    seen: Array  # [W, T, N, ...]
    actions: Array  # [W, T, N]
    old: Float[Array, "W T N"]
    advantage: Float[Array, "W T N"]
    returns: Float[Array, "W T N"]


@settings
class RecurrentIPPO(SharedPolicy, MemoryLearner):
    """Independent proximal policy optimisation with a shared recurrent policy.

    Attributes:
        units: H of an agent's state, >= 1.
        learning_rate: of Adam, > 0.
        gamma: discount in [0, 1] of later rewards.
        gae_lambda: how far advantages look ahead, in [0, 1].
        clip: how far the ratio of new to old policy may stray from 1, > 0.
        epsilon: share in [0, 1] of uniform actions in the policy.
        epochs: passes over a rollout, >= 1.
        minibatches: of a pass, >= 1.
    """

    needs: ClassVar[RewardKind] = GRADED

    units: int = static(default=16)
    learning_rate: float = 1e-3
    gamma: float = 0.95
    gae_lambda: float = 0.9
    clip: float = 0.2
    epsilon: float = 0.3
    epochs: int = static(default=2)
    minibatches: int = static(default=4)

    def __post_init__(self) -> None:
        shares, whole = ("gamma", "gae_lambda", "epsilon"), ("units", "epochs", "minibatches")
        require_settings(self, shares=shares, above=("learning_rate", "clip"), whole=whole)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> RecurrentMind:
        """Networks drawn at random, a policy that is almost uniform; ValueError if agents are not alike."""
        sight = sight_of(groups, "RecurrentIPPO")
        gates, candidate, actor, critic = jax.random.split(key, 4)
        inputs, units = len(sight.order) + self.units, self.units
        params = Recurrent(
            perceptron(gates, (inputs, 2 * units)),
            perceptron(candidate, (inputs, units)),
            perceptron(actor, (units, len(sight.opposite)), last=0.01),
            perceptron(critic, (units, 1)),
        )
        return RecurrentMind(Trained(params, adam(self.learning_rate).init(params)), sight)

    def begin_world(self, key: Key[Array, ""], mind: RecurrentMind, groups: tuple[Group, ...]) -> RecurrentMemory:
        """States of zero."""
        del key, mind
        nothing = jnp.zeros((2, sum(group.size for group in groups), self.units), jnp.float32)
        return RecurrentMemory(nothing, nothing)

    def act(
        self, key: Key[Array, ""], mind: RecurrentMind, memory: RecurrentMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, RecurrentMemory, tuple[()]]:
        """Remember, then draw every agent's action."""
        del t, turn
        state = self._step(mind.sight, mind.trained.params, memory.state, together(obs, 0))
        policy, policies, start = self._policy(mind.sight, mind.trained.params, state), {}, 0
        for name in sorted(obs):
            size = len(obs[name])
            policies[name] = policy[start : start + size]
            start += size
        return sample_each(key, policies), memory._replace(state=state), ()

    def update(
        self,
        key: Key[Array, ""],
        mind: RecurrentMind,
        memory: RecurrentMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[RecurrentMind, RecurrentMemory, Metrics]:
        """Several epochs of clipped policy gradient through the rollouts of W worlds."""
        del t
        sight, params = mind.sight, mind.trained.params
        seen, actions = together(transition.obs, 2), together(transition.actions, 2).astype(jnp.int32)
        states = jax.vmap(self._unrolled, (None, None, 0, 1), 1)(sight, params, memory.start, seen)  # [T, W, 2, N, H]
        after = jax.vmap(self._step, (None, None, 0, 0))(sight, params, memory.state, together(last_obs, 1))
        value = self._value(params, states)
        goes_on = going_on(transition, value)
        reward = team_rewards(transition)[..., None]
        advantage = advantages(reward, value, self._value(params, after), goes_on, self.gamma, self.gae_lambda)
        old = _of(jnp.log(self._policy(sight, params, states) + TINY), actions)
        of_rounds = (seen, actions, old, normalised(advantage), advantage + value)
        rows = Rows(memory.start, *(jnp.swapaxes(each, 0, 1) for each in of_rounds))

        def loss(params: Recurrent, rows: Rows) -> Float[Array, ""]:
            states = jax.vmap(self._unrolled, (None, None, 0, 0))(sight, params, rows.start, rows.seen)
            new = _of(jnp.log(self._policy(sight, params, states) + TINY), rows.actions)
            gain = clipped(jnp.exp(new - rows.old), rows.advantage, self.clip)
            return 0.5 * jnp.mean((self._value(params, states) - rows.returns) ** 2) - gain.mean()

        rule = adam(self.learning_rate)
        trained = descend(key, mind.trained, loss, rows, rule, epochs=self.epochs, minibatches=self.minibatches)
        return RecurrentMind(trained, sight), RecurrentMemory(memory.state, memory.state), {"value": value.mean()}

    def _step(self, sight: Sight, params: Recurrent, state: Float[Array, "2 N H"], seen: Array) -> Array:
        """All agents' states after they have seen, in life and in its mirror image."""
        x = sight.numbers(seen)
        x = jnp.stack([x, sight.mirrored(x)])
        gates = jax.nn.sigmoid(outputs(params.gates, jnp.concatenate([x, state], axis=-1)))
        keep, reset = jnp.split(gates, 2, axis=-1)
        candidate = jnp.tanh(outputs(params.candidate, jnp.concatenate([x, reset * state], axis=-1)))
        return keep * state + (1 - keep) * candidate

    def _unrolled(self, sight: Sight, params: Recurrent, start: Float[Array, "2 N H"], seen: Array) -> Array:
        """The states f32[T, 2, N, H] in one world after what was seen in each of T rounds."""

        def step(state: Array, seen: Array) -> tuple[Array, Array]:
            state = self._step(sight, params, state, seen)
            return state, state

        return jax.lax.scan(step, start, seen)[1]

    def _policy(self, sight: Sight, params: Recurrent, state: Float[Array, "*n 2 N H"]) -> Float[Array, "*n N A"]:
        both = outputs(params.actor, state)
        policy = jax.nn.softmax(sight.even(both[..., 0, :, :], both[..., 1, :, :]))
        return (1 - self.epsilon) * policy + self.epsilon / policy.shape[-1]

    def _value(self, params: Recurrent, state: Float[Array, "*n 2 N H"]) -> Float[Array, "*n N"]:
        return outputs(params.critic, state)[..., 0].mean(axis=-2)


def _of(numbers: Float[Array, "*n A"], actions: Array) -> Float[Array, "*n"]:
    """That of the action which each agent took."""
    return jnp.take_along_axis(numbers, actions[..., None], axis=-1)[..., 0]
