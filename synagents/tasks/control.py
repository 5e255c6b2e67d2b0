"""Control problems whose dynamics are compiled, so that training runs inside one program: Gymnasium's, state by state.

    state, reward, terminated = step(state, action)        truncated after `limit` steps; then an episode begins anew

Observations are Gymnasium's, unnormalised. (CartPole-v1: Barto, Sutton & Anderson 1983. Acrobot-v1: Sutton 1996, the
book's equations, Runge-Kutta. MountainCarContinuous-v0: Moore 1990. gymnax has them too, but asks for an older
Gymnasium than ours; the tests hold each to Gymnasium itself.)
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.hyperparameters import require_whole, settings, static
from synagents.world import Answer, DecisionTask

__all__ = ["acrobot", "cartpole", "mountain_car"]

Step = tuple[Float[Array, "n"], Float[Array, ""], Bool[Array, ""]]


class Physics(Protocol):
    """A plant to be controlled: a frozen, hashable object of pure functions."""

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of what is observed."""

    @property
    def action_space(self) -> spaces.Space:
        """Discrete, or a Box."""

    def start(self, key: Key[Array, ""]) -> Float[Array, "n"]:
        """A first state."""

    def observe(self, state: Float[Array, "n"]) -> Float[Array, "D"]:
        """What is seen of it."""

    def step(self, state: Float[Array, "n"], action: Array) -> Step:
        """The next state, the reward, and whether that was the end."""


class Episode(NamedTuple):
    """How an episode stands."""

    state: Float[Array, "n"]
    steps: Integer[Array, ""]  # taken so far


@settings
class Control(DecisionTask):
    """A control problem; build it by `cartpole`, `acrobot` or `mountain_car`.

    Attributes:
        physics: the plant.
        limit: steps after which an episode is truncated.
    """

    physics: Physics = static()
    limit: int = static()

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of what is observed."""
        return self.physics.in_shape

    @property
    def action_space(self) -> spaces.Space:
        """Discrete, or a Box."""
        return self.physics.action_space

    def init(self, key: Key[Array, ""]) -> Episode:
        """A new episode."""
        return Episode(self.physics.start(key), jnp.int32(0))

    def stimulus(self, state: Episode) -> Float[Array, "D"]:
        """What is seen of the plant."""
        return self.physics.observe(state.state)

    def respond(self, key: Key[Array, ""], state: Episode, action: Array) -> tuple[Episode, Answer]:
        """One step, and a new episode where that was the last."""
        after, reward, terminated = self.physics.step(state.state, action)
        steps = state.steps + 1
        truncated = steps >= self.limit
        begun = self.init(key)
        ended = terminated | truncated
        following = Episode(jnp.where(ended, begun.state, after), jnp.where(ended, 0, steps))
        return following, Answer(reward, terminated, truncated)


@dataclass(frozen=True)
class CartPole:
    """A pole on a cart that is pushed left or right; 1 for every step until it falls or the cart leaves the track."""

    in_shape = (4,)
    action_space = spaces.Discrete(2)

    def start(self, key: Key[Array, ""]) -> Float[Array, "4"]:
        """All four numbers within 0.05 of rest."""
        return jax.random.uniform(key, (4,), jnp.float32, minval=-0.05, maxval=0.05)

    def observe(self, state: Float[Array, "4"]) -> Float[Array, "4"]:
        """Position (m), velocity (m/s), angle (rad), angular velocity (rad/s)."""
        return state

    def step(self, state: Float[Array, "4"], action: Integer[Array, ""]) -> Step:
        """Euler's method, 0.02 s, a push of 10 N."""
        _, x_dot, theta, theta_dot = state
        pole, total, length = 0.1, 1.1, 0.5  # kg, kg, m
        force, cos, sin = jnp.where(action == 1, jnp.float32(10), jnp.float32(-10)), jnp.cos(theta), jnp.sin(theta)
        push = (force + pole * length * theta_dot**2 * sin) / total
        theta_acc = (9.8 * sin - cos * push) / (length * (4 / 3 - pole * cos**2 / total))
        x_acc = push - pole * length * theta_acc * cos / total
        after = state + 0.02 * jnp.stack([x_dot, x_acc, theta_dot, theta_acc])
        fallen = (jnp.abs(after[0]) > 2.4) | (jnp.abs(after[2]) > 12 * math.pi / 180)
        return after, jnp.float32(1), fallen


@dataclass(frozen=True)
class Acrobot:
    """Two links of which the second is driven; -1 for every step until its tip swings above the line."""

    in_shape = (6,)
    action_space = spaces.Discrete(3)

    def start(self, key: Key[Array, ""]) -> Float[Array, "4"]:
        """All four numbers within 0.1 of hanging at rest."""
        return jax.random.uniform(key, (4,), jnp.float32, minval=-0.1, maxval=0.1)

    def observe(self, state: Float[Array, "4"]) -> Float[Array, "6"]:
        """Cosine and sine of both angles, and both angular velocities (rad/s)."""
        one, two, *velocities = state
        return jnp.stack([jnp.cos(one), jnp.sin(one), jnp.cos(two), jnp.sin(two), *velocities])

    def step(self, state: Float[Array, "4"], action: Integer[Array, ""]) -> Step:
        """Runge and Kutta's method of fourth order, 0.2 s, a torque of -1, 0 or 1 Nm."""
        torque = action.astype(jnp.float32) - 1

        def slope(s: Float[Array, "4"]) -> Float[Array, "4"]:
            """The state's derivative in time."""
            one, two, v_one, v_two = s
            d1 = 0.25 + (1.25 + jnp.cos(two)) + 2  # all lengths, masses and moments of inertia are 1
            d2 = 0.25 + 0.5 * jnp.cos(two) + 1
            phi2 = 0.5 * 9.8 * jnp.cos(one + two - math.pi / 2)
            phi1 = (
                -0.5 * v_two**2 * jnp.sin(two)
                - v_two * v_one * jnp.sin(two)
                + 1.5 * 9.8 * jnp.cos(one - math.pi / 2)
                + phi2
            )
            a_two = (torque + d2 / d1 * phi1 - 0.5 * v_one**2 * jnp.sin(two) - phi2) / (1.25 - d2**2 / d1)
            return jnp.stack([v_one, v_two, -(d2 * a_two + phi1) / d1, a_two])

        k1 = slope(state)
        k2 = slope(state + 0.1 * k1)
        k3 = slope(state + 0.1 * k2)
        k4 = slope(state + 0.2 * k3)
        one, two, v_one, v_two = state + 0.2 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        one, two = (angle - 2 * math.pi * jnp.round(angle / (2 * math.pi)) for angle in (one, two))
        v_one = jnp.clip(v_one, -4 * math.pi, 4 * math.pi)
        v_two = jnp.clip(v_two, -9 * math.pi, 9 * math.pi)
        swung = -jnp.cos(one) - jnp.cos(one + two) > 1
        return jnp.stack([one, two, v_one, v_two]), jnp.where(swung, jnp.float32(0), jnp.float32(-1)), swung


@dataclass(frozen=True)
class MountainCar:
    """A weak car in a valley; 100 on the hill, less 0.1 times the square of every push."""

    in_shape = (2,)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def start(self, key: Key[Array, ""]) -> Float[Array, "2"]:
        """At rest, near the bottom."""
        return jnp.stack([jax.random.uniform(key, (), jnp.float32, minval=-0.6, maxval=-0.4), jnp.float32(0)])

    def observe(self, state: Float[Array, "2"]) -> Float[Array, "2"]:
        """Position and velocity."""
        return state

    def step(self, state: Float[Array, "2"], action: Float[Array, "1"]) -> Step:
        """A push in [-1, 1]; what exceeds it is cut, also in the price."""
        position, velocity = state
        push = jnp.clip(action[0], -1, 1)
        velocity = jnp.clip(velocity + 0.0015 * push - 0.0025 * jnp.cos(3 * position), -0.07, 0.07)
        position = jnp.clip(position + velocity, -1.2, 0.6)
        velocity = jnp.where((position == jnp.float32(-1.2)) & (velocity < 0), 0.0, velocity)
        arrived = (position >= 0.45) & (velocity >= 0)
        return (
            jnp.stack([position, velocity]),
            jnp.where(arrived, jnp.float32(100), jnp.float32(0)) - 0.1 * push**2,
            arrived,
        )


def cartpole(*, limit: int = 500) -> Control:
    """Balance a pole on a cart: Gymnasium's CartPole-v1, compiled.

    Args:
        limit: steps after which an episode is truncated, >= 1.
    """
    require_whole("limit", limit, 1)
    return Control(CartPole(), limit)


def acrobot(*, limit: int = 500) -> Control:
    """Swing up two links by the joint between them: Gymnasium's Acrobot-v1, compiled.

    Args:
        limit: steps after which an episode is truncated, >= 1.
    """
    require_whole("limit", limit, 1)
    return Control(Acrobot(), limit)


def mountain_car(*, limit: int = 999) -> Control:
    """Drive a weak car out of a valley by pushes in [-1, 1]: Gymnasium's MountainCarContinuous-v0, compiled.

    Args:
        limit: steps after which an episode is truncated, >= 1.
    """
    require_whole("limit", limit, 1)
    return Control(MountainCar(), limit)
