"""TD(lambda) by hand, and what the rules do with it."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from synagents import train
from synagents.agents.units import Fired, Layer
from synagents.cli.build import preset
from synagents.envs import unit_v0
from synagents.learners.uniform import Uniform
from synagents.learners.unit import layers
from synagents.learners.unit.map_propagation import MapPropagation
from synagents.learners.unit.reinforce import Reinforce
from synagents.learners.unit.weight_maximization import WeightMaximization
from synagents.loop import advance, begin
from synagents.tasks.control import cartpole
from synagents.tasks.multiplexer import multiplexer
from synagents.world import Transition
from tests.claims import refused

KEY = jax.random.key(3)


@pytest.fixture
def steps_are_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "ADAM", optax.identity())


def lived(team: Any, x: Any, action: int, reward: float, *, ended: bool = False, cut: bool = False) -> Transition:
    """A round of one world whose network is its output layer."""
    u = x @ team.weights["output"].weight + team.weights["output"].bias
    paid = {"output": jnp.float32(reward)}
    actions = {"output": jnp.array([action], jnp.uint8)}
    round_ = Transition({"output": x}, actions, {0: {"output": Fired(u, None)}}, paid, jnp.bool_(ended), jnp.bool_(cut))
    return jax.tree.map(lambda v: v[None, None], round_)


def test_a_step_is_learned_from_in_the_next_one_with_traces_that_fade_and_end_with_the_episode(
    steps_are_gradients: None,
) -> None:
    # One linear critic, one softmax of two; gamma lambda = 0.45 and 0.72, rates 0.1 and 0.2.
    student = Reinforce((0.1,), gamma=0.9, trace_decay=0.5, critic_rate=(0.2,), critic_trace_decay=0.8)
    team = student.init(KEY, unit_v0.world(multiplexer(bits=1), hidden=()).groups)
    w, b = (np.array(part, np.float64) for part in team.weights["output"])
    v, c = (np.array(part, np.float64) for part in team.past.critic.weights["output"])
    story = [  # x, action, reward, terminated, truncated
        ([1, -1, 1], 0, 1.0, False, False),
        ([1, 1, -1], 1, -0.5, True, False),
        ([-1, 1, 1], 0, 2.0, False, True),
        ([1, 1, 1], 1, 0.3, False, False),
        ([-1, -1, 1], 1, 0.0, False, False),
    ]
    e, e_b, f, f_b = np.zeros((3, 2)), np.zeros(2), np.zeros((3, 1)), np.zeros(1)
    before: tuple[float, float, bool, bool] | None = None
    for x, action, reward, terminated, truncated in story:
        team, _ = student.update(
            KEY, team, lived(team, jnp.array(x, jnp.float32), action, reward, ended=terminated, cut=truncated), {}, 0
        )
        seen = np.array(x, np.float64)
        value, p = float(seen @ v[:, 0] + c[0]), np.exp(seen @ w + b) / np.exp(seen @ w + b).sum()
        if before:
            r, v_before, was_end, was_cut = before
            delta = 0.0 if was_cut else r + 0.9 * value * (not was_end) - v_before
            w, b, v, c = w + 0.1 * delta * e, b + 0.1 * delta * e_b, v + 0.2 * delta * f, c + 0.2 * delta * f_b
            if was_end or was_cut:
                e, e_b, f, f_b = e * 0, e_b * 0, f * 0, f_b * 0
        score = np.eye(2)[action] - p
        e, e_b = 0.45 * e + np.outer(seen, score), 0.45 * e_b + score
        f, f_b = 0.72 * f + seen[:, None], 0.72 * f_b + 1
        before = (reward, value, terminated, truncated)
        np.testing.assert_allclose(team.weights["output"].weight, w, atol=1e-5)
        np.testing.assert_allclose(team.past.critic.weights["output"].weight, v, atol=1e-5)
        np.testing.assert_allclose(team.past.critic.weights["output"].bias, c, atol=1e-5)


@pytest.mark.parametrize("learner", [Reinforce, WeightMaximization])
def test_where_every_decision_is_an_episode_traces_change_nothing(learner: Any, steps_are_gradients: None) -> None:
    world = unit_v0.world(multiplexer(bits=1), hidden=(3, 2), units="bit")
    bandit, student = learner((0.1,), baseline="none"), learner((0.1,), baseline="none", trace_decay=0.5)
    run, _ = advance(begin(KEY, world, bandit), 1)
    later, _ = advance(begin(KEY, world, student), 2)
    once, _ = advance(begin(KEY, world, student), 1)
    first, second = (jax.tree.map(lambda w: w[0], one.mind.weights) for one in (run, later))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), first, second)
    start = begin(KEY, world, student).mind.weights
    jax.tree.map(np.testing.assert_array_equal, once.mind.weights, start)  # nothing is learned before the next step
    assert np.abs(second["output"].bias - start["output"].bias[0]).max() > 1e-4


def test_a_critic_by_map_propagation_raises_its_value_along_the_stimulus() -> None:
    chain = (Layer("output", "gaussian", 1, ("input",), (3,)),)
    critic = layers.new_state(KEY, chain, (1.0,))
    critic = replace(critic, weights=jax.tree.map(lambda w: w + 0.5, critic.weights))
    x = jnp.array([1.0, -2.0, 0.5])
    value, raises = MapPropagation(critic_variance=(0.1,))._look(KEY, critic, x)
    assert float(value) == pytest.approx(float(x @ critic.weights["output"].weight[:, 0] + 0.5), rel=1e-5)
    np.testing.assert_allclose(raises["output"].weight[:, 0], x / 0.1, rtol=1e-3)


@pytest.mark.parametrize(("reward", "counts_as"), [(100.0, 5.0), (-7.0, -5.0), (3.0, 3.0)])
def test_a_reward_beyond_the_limit_counts_as_the_limit(reward: float, counts_as: float) -> None:
    student = MapPropagation((0.1,), variance=(0.1,), critic_rate=(0.1,), critic_variance=(0.1,), reward_limit=5.0)
    team = student.init(KEY, unit_v0.world(multiplexer(bits=1), hidden=()).groups)
    x = jnp.ones(3)
    limited, _ = student.update(KEY, team, lived(team, x, 1, reward), {}, 0)
    assert limited.past.reward == counts_as
    free, _ = replace(student, reward_limit=0.0).update(KEY, team, lived(team, x, 1, reward), {}, 0)
    assert free.past.reward == reward


def test_traces_are_for_one_world_and_one_round_at_a_time() -> None:
    world = unit_v0.world(multiplexer(bits=1), hidden=(2,))
    run = begin(KEY, world, Reinforce(trace_decay=0.5), num_worlds=2)
    assert "one world" in refused(lambda: advance(run, 1))
    assert "first-order" in refused(lambda: WeightMaximization(form="joint", trace_decay=0.5))
    assert not Reinforce().looks_ahead and Reinforce(critic_rate=(0.1,)).looks_ahead


def last_returns(world: Any, learner: Any) -> float:
    """Mean return of the episodes of the last fifth of 15,000 rounds."""
    _, history = train(KEY, world, learner, 15_000)
    returns, episodes = (np.asarray(history.info[name])[0, -3000:].sum() for name in ("returns", "episodes"))
    return float(returns / episodes)


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize("name", ["map-propagation", "weight-maximization"])
def test_a_team_of_units_learns_to_balance_a_pole_and_one_that_draws_at_random_does_not(name: str) -> None:
    team = preset("cartpole", name, rounds=15_000)
    assert last_returns(team.world, team.learner) > 100
    assert last_returns(unit_v0.world(cartpole(), hidden=(2,)), Uniform()) < 40
