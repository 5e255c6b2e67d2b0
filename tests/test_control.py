"""The compiled plants are Gymnasium's, state by state over thousands of random steps."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.tasks.control import Episode, acrobot, cartpole, mountain_car

KEY = jax.random.key(0)
STEPS = 3000


def episodes_of(name: str) -> tuple[Any, ...]:
    """States, actions, next states, observations, rewards and ends in Gymnasium itself: random play, and every other
    episode pushes the way the plant is moving, which gets it far."""
    env = gymnasium.make(name)
    plain: Any = env.unwrapped
    env.action_space.seed(0)
    env.reset(seed=0)
    rows, random = [], True
    for _ in range(STEPS):
        before = np.array(plain.state, np.float64)
        action = env.action_space.sample()
        if not random and name != "CartPole-v1":
            forward = before[3] > 0 if name == "Acrobot-v1" else before[1] >= 0
            action = 2 * int(forward) if name == "Acrobot-v1" else np.float32([1 if forward else -1])
        seen, reward, terminated, truncated, _ = env.step(action)
        rows.append((before, action, np.array(plain.state, np.float64), seen, reward, terminated))
        if terminated or truncated:
            env.reset()
            random = not random
    return tuple(np.array(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("task", "name", "ends"),
    [(cartpole(), "CartPole-v1", 50), (acrobot(), "Acrobot-v1", 2), (mountain_car(), "MountainCarContinuous-v0", 1)],
    ids=["cartpole", "acrobot", "mountain-car"],
)
def test_every_step_is_gymnasiums(task: Any, name: str, ends: int) -> None:
    before, actions, after, seen, rewards, terminated = episodes_of(name)
    assert terminated.sum() >= ends
    actions = actions.astype(np.float32 if actions.dtype.kind == "f" else np.int32)
    state, reward, ended = jax.jit(jax.vmap(task.physics.step))(jnp.asarray(before, jnp.float32), actions)
    turn = (np.asarray(state) - after + np.pi) % (2 * np.pi) - np.pi if name == "Acrobot-v1" else state - after
    np.testing.assert_allclose(turn, 0, atol=3e-5)
    np.testing.assert_allclose(jax.vmap(task.physics.observe)(jnp.asarray(after, jnp.float32)), seen, atol=1e-5)
    edge = np.abs(reward - rewards) > 1e-4  # a state within rounding of the threshold may fall on either side of it
    assert ((np.asarray(ended) != terminated) | edge).sum() <= 1
    assert task.in_shape == seen.shape[1:] and task.action_space == gymnasium.make(name).action_space


def test_a_car_that_arrives_is_paid_and_one_at_the_wall_stands_still() -> None:
    physics = mountain_car().physics
    _, reward, arrived = physics.step(jnp.array([0.44, 0.06]), jnp.array([0.5]))
    assert arrived and float(reward) == pytest.approx(100 - 0.025)
    state, _, _ = physics.step(jnp.array([-1.19, -0.07]), jnp.array([-1.0]))
    assert np.asarray(state).tolist() == [np.float32(-1.2), 0]


@pytest.mark.parametrize(("task", "limit"), [(cartpole(), 500), (acrobot(), 500), (mountain_car(), 999)])
def test_an_episode_is_cut_at_gymnasiums_limit_and_begins_anew(task: Any, limit: int) -> None:
    start = task.init(KEY)
    action = jnp.zeros(1) if task.action_space.shape else jnp.int32(1)
    for steps, cut in ((limit - 2, False), (limit - 1, True)):
        after, answer = task.respond(jax.random.key(1), Episode(start.state, jnp.int32(steps)), action)
        assert bool(answer.truncated) == cut and not answer.terminated
        assert int(after.steps) == (0 if cut else steps + 1)
    assert np.array_equal(after.state, task.init(jax.random.key(1)).state)
