"""Environments of Gymnasium's own, played by Python, are pure functions of a seed and a list of actions."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.envs import unit_v0
from synagents.learners.uniform import Uniform
from synagents.loop import advance, begin
from synagents.tasks.from_gymnasium import _Kept, from_gymnasium, lunar_lander
from tests.claims import refused, same_bits

KEY = jax.random.key(0)
ACTIONS = [1, 0, 1] + [0] * 13  # the pole falls within them, once


def played(task: Any, actions: list[int]) -> list[Any]:
    """Every state and answer on the way, by single calls."""
    respond, states = jax.jit(task.respond), [(jax.jit(task.init)(KEY), None)]
    for t, action in enumerate(actions):
        states.append(respond(jax.random.key(t), states[-1][0], jnp.int32(action)))
    return states


def test_every_step_is_the_environments_own_and_a_new_episode_begins_at_an_end() -> None:
    task, env = from_gymnasium("CartPole-v1"), gymnasium.make("CartPole-v1")
    states = played(task, ACTIONS)
    seen, _ = env.reset(seed=int(states[0][0].seed))
    ends = 0
    for action, (state, answer) in zip(ACTIONS, states[1:], strict=True):
        seen, reward, terminated, _, _ = env.step(action)
        assert (float(answer.reward), bool(answer.terminated)) == (reward, terminated)
        if terminated:
            ends += 1
            seen, _ = env.reset(seed=int(state.seed))
        np.testing.assert_array_equal(state.seen, seen)
    assert ends == 1


def test_a_step_may_be_repeated_out_of_order_and_in_another_process() -> None:
    task = from_gymnasium("CartPole-v1")
    states = played(task, ACTIONS[:6])
    again = jax.jit(task.respond)(jax.random.key(2), states[2][0], jnp.int32(ACTIONS[2]))
    assert same_bits(again, states[3])
    _Kept.by_name.clear()  # as in another process: the episode is played again from its start
    last = jax.jit(task.respond)(jax.random.key(5), states[5][0], jnp.int32(ACTIONS[5]))
    assert same_bits(last, states[6])


def test_runs_side_by_side_are_the_runs_alone() -> None:
    world = unit_v0.world(from_gymnasium("CartPole-v1", limit=9), hidden=(2,))
    many, history = advance(begin(KEY, world, Uniform(), num_runs=3, num_worlds=2), 20)
    _, once_more = advance(begin(KEY, world, Uniform(), num_runs=3, num_worlds=2), 20)
    assert same_bits(history, once_more) and history.info["returns"].max() == 9
    assert len(np.unique(many.state.task.seen.reshape(6, -1), axis=0)) == 6


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CartPol-v1", "Gymnasium cannot make CartPol-v1"),
        ("Blackjack-v1", "but units see a flat Box"),
        ("no_such_module:Env-v0", "Gymnasium cannot make no_such_module:Env-v0"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(name: str, said: str) -> None:
    assert said in refused(lambda: from_gymnasium(name))


def test_an_episode_of_no_steps_is_refused() -> None:
    assert "limit must be a whole number >= 1" in refused(lambda: lunar_lander(limit=0))


def test_numbers_are_actions_too() -> None:
    task, env = from_gymnasium("Pendulum-v1", limit=3), gymnasium.make("Pendulum-v1")
    state = jax.jit(task.init)(KEY)
    env.reset(seed=int(state.seed))
    for t, push in enumerate((0.5, -5.0)):  # the second is cut to the bounds
        state, answer = jax.jit(task.respond)(jax.random.key(t), state, jnp.array([push], jnp.float32))
        seen, reward, *_ = env.step(np.array([max(push, -2)], np.float32))
        np.testing.assert_array_equal(state.seen, seen)
        assert float(answer.reward) == pytest.approx(float(reward))
