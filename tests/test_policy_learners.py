"""The softmax tables, REINFORCE and actor-critic: one update by hand, many against plain loops."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.synapse.actor_critic import ActorCritic, ActorCriticMind
from synagents.learners.synapse.policy_gradient import PolicyGradient, PolicyMind, returns
from tests.claims import refused
from tests.lives import lived, rounds_at_random
from tests.toys import group

KEY = jax.random.key(0)
START = np.random.default_rng(0).normal(size=(81, 3)).astype(np.float32)
VALUES = np.random.default_rng(1).normal(size=81).astype(np.float32)
SEVEN = {"g": jnp.array([[7]], jnp.uint8)}


def softmax(row: np.ndarray) -> np.ndarray:
    return np.exp(row) / np.exp(row).sum()


def ascended(theta: np.ndarray, lives: Any, advantage: np.ndarray, alpha: float) -> np.ndarray:
    """Agent by agent, the gradient of log pi of what it did times its advantage; over the root of its row's hits."""
    gradient, hits = np.zeros(theta.shape), np.zeros(len(theta))
    for index, s in np.ndenumerate(lives.obs):
        gradient[s] += advantage[index] * (np.eye(3)[lives.actions[index]] - softmax(theta[s]))
        hits[s] += 1
    return theta + alpha * gradient / np.sqrt(np.maximum(hits, 1))[:, None]


# REINFORCE


def test_reinforce_makes_what_was_paid_more_than_usual_likelier_and_the_rest_less_likely() -> None:
    learner = PolicyGradient(alpha=0.3, mean_rate=0.1)
    mind = PolicyMind(jnp.zeros((81, 3)), jnp.float32(0.5))
    after, metrics = jax.jit(learner.update)(KEY, mind, lived([[[3]]], [[[2]]], [[1]]), SEVEN, 0)
    third = 0.3 * (1 - 0.5) / 3
    np.testing.assert_allclose(after.preferences[3], [-third, -third, 2 * third], rtol=1e-5)
    assert np.count_nonzero(after.preferences) == 3
    assert float(after.baseline) == float(metrics["baseline"]) == pytest.approx(0.5 + 0.1 * 0.5)


def test_a_team_that_is_always_paid_alike_learns_nothing_once_it_is_used_to_it() -> None:
    learner, usual = PolicyGradient(alpha=1.0, mean_rate=0.5), PolicyMind(jnp.asarray(START), jnp.float32(1))
    after, _ = jax.jit(learner.update)(
        KEY, usual, lived([[[3, 5]]], [[[2, 0]]], [[1]]), {"g": jnp.array([[7, 7]], jnp.uint8)}, 0
    )
    np.testing.assert_array_equal(after.preferences, START)


def test_a_return_is_discounted_to_the_end_of_the_update_and_not_carried_over_the_end_of_a_life() -> None:
    reward = jnp.array([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]])
    ended = jnp.array([[False, True], [False, False], [False, False]])
    expected = [[1 - 0.5 + 0.25, 1], [-1 + 0.5, -1 + 0.5], [1, 1]]
    np.testing.assert_allclose(returns(reward, ended, 0.5), expected)
    apart = returns(jnp.stack([reward, -reward], axis=2), ended, 0.5)  # agents paid one by one
    np.testing.assert_allclose(apart, np.stack([expected, np.negative(expected)], axis=2))


@pytest.mark.parametrize(("rounds", "worlds"), [(1, 1), (3, 2)])
def test_reinforce_is_the_plain_loop_over_agents(rounds: int, worlds: int) -> None:
    lives = rounds_at_random(rounds, worlds, 20)
    gain = np.zeros((rounds + 1, worlds))
    for t in reversed(range(rounds)):
        gain[t] = lives.reward[t] + 0.9 * ~lives.terminated[t] * gain[t + 1]
    advantage = np.broadcast_to(gain[:rounds, :, None] - 0.2, lives.obs.shape)
    mind = PolicyMind(jnp.asarray(START), jnp.float32(0.2))
    after, _ = jax.jit(PolicyGradient(alpha=0.3, mean_rate=0.1, gamma=0.9).update)(
        KEY, mind, lives.transition(), lives.last_obs(), 0
    )
    np.testing.assert_allclose(after.preferences, ascended(START, lives, advantage, 0.3), rtol=1e-4, atol=1e-5)
    assert float(after.baseline) == pytest.approx(0.2 + 0.1 * (gain[:rounds].mean() - 0.2), rel=1e-5)


# Actor-critic


def test_an_actor_is_taught_by_the_surprise_of_its_critic_and_so_is_the_critic() -> None:
    learner = ActorCritic(alpha=0.3, beta=0.1, gamma=0.8)
    values = jnp.zeros(81).at[3].set(0.5).at[7].set(2.0)
    after, metrics = learner.update(
        KEY, ActorCriticMind(jnp.zeros((81, 3)), values), lived([[[3]]], [[[0]]], [[-1]]), SEVEN, 0
    )
    surprise = -1 + 0.8 * 2 - 0.5
    np.testing.assert_allclose(after.preferences[3], 0.3 * surprise * np.array([2, -1, -1]) / 3, rtol=1e-4)
    np.testing.assert_allclose(after.values, values.at[3].add(0.1 * surprise), rtol=1e-6)
    assert float(metrics["value_change"]) == pytest.approx(0.1 * surprise, rel=1e-4)


def test_a_life_that_ended_promises_nothing_and_one_that_was_cut_off_still_does() -> None:
    learner, mind = ActorCritic(beta=0.1, gamma=0.8), ActorCriticMind(jnp.zeros((81, 3)), jnp.zeros(81).at[7].set(10.0))
    cases: list[tuple[dict[str, Any], int]] = [({"terminated": True}, 0), ({"truncated": True}, 8), ({}, 8)]
    for flags, worth in cases:
        after, _ = jax.jit(learner.update)(KEY, mind, lived([[[3]]], [[[2]]], [[1]], **flags), SEVEN, 0)
        assert float(after.values[3]) == pytest.approx(0.1 * (1 + worth))


@pytest.mark.parametrize(("rounds", "worlds"), [(1, 1), (3, 2)])
def test_actor_critic_is_the_plain_loop_over_agents(rounds: int, worlds: int) -> None:
    lives = rounds_at_random(rounds, worlds, 20)
    promised = 0.8 * ~lives.terminated[..., None] * VALUES[lives.later()]
    surprise = lives.reward[..., None] + promised - VALUES[lives.obs]
    mind = ActorCriticMind(jnp.asarray(START), jnp.asarray(VALUES))
    after, _ = jax.jit(ActorCritic(alpha=0.3, beta=0.1, gamma=0.8).update)(
        KEY, mind, lives.transition(), lives.last_obs(), 0
    )
    np.testing.assert_allclose(after.preferences, ascended(START, lives, surprise, 0.3), rtol=1e-4, atol=1e-5)
    values = VALUES.copy()
    for s in np.unique(lives.obs):
        values[s] += 0.1 * surprise[lives.obs == s].mean()
    np.testing.assert_allclose(after.values, values, rtol=1e-4, atol=1e-5)


# Both


@pytest.mark.parametrize("learner", [PolicyGradient(), ActorCritic()])
def test_agents_act_as_likely_as_their_preferences_say(learner: Any) -> None:
    mind = learner.init(KEY, (group(3),))
    mind = mind._replace(preferences=mind.preferences.at[3].set(jnp.log(jnp.array([0.6, 0.3, 0.1]))))
    chosen, _ = learner.act(KEY, mind, {"g": jnp.full(30_000, 3, jnp.uint8)}, 0, 0)
    expected = 30_000 * np.array([0.6, 0.3, 0.1])
    assert ((np.bincount(chosen["g"], minlength=3) - expected) ** 2 / expected).sum() < 13.82


@pytest.mark.parametrize("make", [PolicyGradient, ActorCritic])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"alpha": -1}, "alpha must lie in [0, inf]"),
        ({"gamma": -1}, "gamma must lie in [0, 1]"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(make: Any, options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: make(**options))


def test_a_rate_that_is_no_share_is_refused() -> None:
    assert "beta must lie in [0, 1]" in refused(lambda: ActorCritic(beta=1.1))
    assert "mean_rate must lie in [0, 1]" in refused(lambda: PolicyGradient(mean_rate=1.1))
