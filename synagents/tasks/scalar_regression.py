"""Scalar regression as a bandit: say a number, and lose the square of the error.

    x ~ N(0, I_8)        y = relu(relu(x A) c),  A 8x8 and c 8x1 drawn once from N(0, 1)        R = -(a - y)^2

The best any policy with output variance v can do is -v; the best constant answer loses the variance of y. (Chung 2020,
arXiv 2010.07893; the teacher there was drawn once and saved, ours is drawn from `teacher_seed`.)
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require_whole, settings
from synagents.keys import LARGEST_SEED, seed_key
from synagents.world import Answer, DecisionTask

__all__ = ["scalar_regression"]

INPUTS = 8


class Point(NamedTuple):
    """One point of the plane to be fitted."""

    x: Float[Array, "8"]


@settings
class ScalarRegression(DecisionTask):
    """A bandit whose context is a point and whose action is a number; build it by `scalar_regression`.

    The teacher lies on JAX's default device from the moment the task is made.

    Attributes:
        first: A, f32[8, 8].
        second: c, f32[8, 1].
    """

    first: Float[Array, "8 8"]
    second: Float[Array, "8 1"]

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of a point."""
        return (INPUTS,)

    @property
    def action_space(self) -> spaces.Box:
        """One number."""
        return spaces.Box(-math.inf, math.inf, (1,), np.float32)

    @property
    def evaluation_episodes(self) -> int:
        """Held-out points."""
        return 1024

    def init(self, key: Key[Array, ""]) -> Point:
        """A first point."""
        return self._ask(key)

    def stimulus(self, state: Point) -> Float[Array, "8"]:
        """The point."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Point, action: Float[Array, "1"]) -> tuple[Point, Answer]:
        """Minus the squared error, and the next point."""
        reward = -((action[0] - self.right_answer(state)) ** 2)
        return self._ask(key), Answer(reward, jnp.bool_(True), jnp.bool_(False))

    def right_answer(self, state: Point) -> Float[Array, ""]:
        """The teacher's number."""
        return jax.nn.relu(jax.nn.relu(state.x @ self.first) @ self.second)[0]

    def _ask(self, key: Key[Array, ""]) -> Point:
        return Point(jax.random.normal(key, (INPUTS,), jnp.float32))


def scalar_regression(*, teacher_seed: int = 0) -> ScalarRegression:
    """Say the number that a random network of rectifiers assigns to a point in 8 dimensions; R = -(error)^2.

    Args:
        teacher_seed: seed of the random network, 0 .. 2^32 - 1.
    """
    require_whole("teacher_seed", teacher_seed, 0, LARGEST_SEED)
    first, second = jax.random.split(seed_key(teacher_seed))
    return ScalarRegression(
        jax.random.normal(first, (INPUTS, INPUTS), jnp.float32),
        jax.random.normal(second, (INPUTS, 1), jnp.float32),
    )
