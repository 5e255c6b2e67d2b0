"""SARSA, expected SARSA and double Q: one update by hand, many against plain loops. (Q-learning: test_q_table.py.)"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.choice import epsilon_greedy
from synagents.learners.synapse.double_q import DoubleQ
from synagents.learners.synapse.expected_sarsa import ExpectedSarsa
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.sarsa import Sarsa, next_actions
from synagents.learners.synapse.tabular import QMind
from synagents.schedules import Switch
from tests.claims import refused, same_bits
from tests.lives import lived, rounds_at_random
from tests.toys import group

KEY = jax.random.key(0)
START = np.random.default_rng(0).normal(size=(81, 3)).astype(np.float32)
OTHER = np.random.default_rng(1).normal(size=(81, 3)).astype(np.float32)
SEVEN = {"g": jnp.array([[7]], jnp.uint8)}
Target = Callable[..., float]  # of (t, world, agent, reward, goes_on, later): what a hit says its cell is worth


def table_with_seven(*row: float) -> np.ndarray:
    table = np.zeros((81, 3), np.float32)
    table[7] = row
    return table


def learned(learner: Any, table: np.ndarray, transition: Any, last_obs: Any, key: Any = KEY) -> np.ndarray:
    mind = QMind(jnp.asarray(table)[None])
    return np.array(jax.jit(learner.update)(key, mind, transition, last_obs, 0)[0].values[0])


def pooled_loop(
    table: np.ndarray, lives: Any, target: Target, *, alpha: float, per_agent: bool, heard: Any = None
) -> np.ndarray:
    """Agent by agent, note what every cell is told; then move each cell. `heard` [T, W] leaves rounds out."""
    told: dict[tuple[int, int], list[float]] = {}
    for (t, world, agent), s in np.ndenumerate(lives.obs):
        if heard is not None and not heard[t, world]:
            continue
        goes_on = 0.0 if lives.terminated[t, world] else 1.0
        cell = (s, lives.actions[t, world, agent])
        later = lives.later()[t, world, agent]
        told.setdefault(cell, []).append(target(t, world, agent, lives.reward[t, world], goes_on, later))
    after = np.array(table, np.float64)
    for cell, targets in told.items():
        share = 1 - (1 - alpha) ** len(targets) if per_agent else alpha
        after[cell] += share * (np.mean(targets) - after[cell])
    return after


# SARSA


def test_sarsa_moves_a_cell_by_alpha_towards_what_the_next_action_is_worth() -> None:
    sarsa = Sarsa(alpha=0.1, gamma=0.8, epsilon=0.0)
    obs, actions, rewards = [[[3]], [[7]]], [[[2]], [[1]]], [[1], [-1]]  # after 7 comes action 1, though 2 is better
    after = learned(sarsa, table_with_seven(0, 2, 5), lived(obs, actions, rewards), {"g": jnp.array([[9]], jnp.uint8)})
    assert after[3, 2] == pytest.approx(0.1 * (1 + 0.8 * 2))
    assert after[7, 1] == pytest.approx(2 + 0.1 * (-1 + 0.8 * 0 - 2))
    assert np.count_nonzero(after) == 3


def test_the_action_after_the_last_round_is_the_one_the_policy_would_take() -> None:
    sarsa = Sarsa(alpha=0.1, gamma=0.8, epsilon=0.0)
    after = learned(sarsa, table_with_seven(0, 2, 5), lived([[[3]]], [[[2]]], [[1]]), SEVEN)
    assert after[3, 2] == pytest.approx(0.1 * (1 + 0.8 * 5))


@pytest.mark.parametrize("rate", ["per-agent", "per-step"])
@pytest.mark.parametrize(("rounds", "worlds"), [(1, 1), (3, 2)])
def test_sarsa_is_the_plain_loop_over_agents(rate: Any, rounds: int, worlds: int) -> None:
    lives = rounds_at_random(rounds, worlds, 20)
    best = START.argmax(axis=1)  # without exploration, what is done after the last round

    def target(t: int, world: int, agent: int, reward: float, goes_on: float, later: int) -> float:
        after = lives.actions[t + 1, world, agent] if t + 1 < rounds else best[later]
        return reward + 0.8 * goes_on * START[later, after]

    ours = learned(Sarsa(alpha=0.1, gamma=0.8, epsilon=0.0, rate=rate), START, lives.transition(), lives.last_obs())
    theirs = pooled_loop(START, lives, target, alpha=0.1, per_agent=rate == "per-agent")
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_next_actions_are_those_that_were_taken_and_then_as_likely_as_the_policy_says() -> None:
    policy = jnp.tile(jnp.array([[0.6, 0.3, 0.1]]), (81, 1))
    lives = rounds_at_random(2, 2, 15_000)
    after = np.asarray(next_actions(KEY, policy, lives.transition(), lives.last_obs())["g"]).reshape(2, 2, 15_000)
    assert (after[0] == lives.actions[1]).all()
    for drawn in after[1]:
        expected = 15_000 * np.array([0.6, 0.3, 0.1])
        assert ((np.bincount(drawn, minlength=3) - expected) ** 2 / expected).sum() < 13.82  # one in a thousand


# Expected SARSA


def test_expected_sarsa_averages_over_what_the_policy_may_do_next() -> None:
    learner = ExpectedSarsa(alpha=0.1, gamma=0.8, epsilon=0.3)
    after = learned(learner, table_with_seven(0, 2, 5), lived([[[3]]], [[[2]]], [[1]]), SEVEN)
    assert after[3, 2] == pytest.approx(0.1 * (1 + 0.8 * (0.1 * 0 + 0.1 * 2 + 0.8 * 5)))


@pytest.mark.parametrize("rate", ["per-agent", "per-step"])
def test_expected_sarsa_is_the_plain_loop_over_agents(rate: Any) -> None:
    lives = rounds_at_random(3, 2, 20)
    worth = 0.7 * START.max(axis=1) + 0.3 * START.mean(axis=1)

    def target(t: int, world: int, agent: int, reward: float, goes_on: float, later: int) -> float:
        return reward + 0.8 * goes_on * worth[later]

    learner = ExpectedSarsa(alpha=0.1, gamma=0.8, epsilon=0.3, rate=rate)
    ours = learned(learner, START, lives.transition(), lives.last_obs())
    theirs = pooled_loop(START, lives, target, alpha=0.1, per_agent=rate == "per-agent")
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_expected_sarsa_without_exploration_is_q_learning() -> None:
    lives = rounds_at_random(3, 2, 20)
    settings = {"alpha": 0.1, "gamma": 0.8, "epsilon": 0.0}
    ours = learned(ExpectedSarsa(**settings, rate="per-agent"), START, lives.transition(), lives.last_obs())
    theirs = learned(QTable(adaptive=True, **settings), START, lives.transition(), lives.last_obs())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_mean_of_many_sarsa_updates_is_expected_sarsas() -> None:
    transition, last = lived([[[3]]], [[[2]]], [[1]]), SEVEN
    settings = {"alpha": 0.1, "gamma": 0.8, "epsilon": 0.5}
    mind = QMind(jnp.asarray(START)[None])
    keys = jax.random.split(KEY, 4000)
    sarsa = Sarsa(**settings, rate="per-step")
    drawn = jax.vmap(lambda key: sarsa.update(key, mind, transition, last, 0)[0].values[0, 3, 2])(keys)
    assert len(np.unique(drawn)) == 3  # one for every next action
    expected = learned(ExpectedSarsa(**settings), START, transition, last)[3, 2]
    assert float(drawn.mean()) == pytest.approx(expected, abs=4 * float(drawn.std()) / 4000**0.5)


# Double Q


def both(first: np.ndarray, second: np.ndarray) -> QMind:
    return QMind(jnp.stack([first, second]))


def coin(key: Any, shape: tuple[int, int] = (1, 1)) -> np.ndarray:
    return np.asarray(jax.random.bernoulli(key, shape=shape)).astype(int)


@pytest.mark.parametrize("side", [0, 1])
def test_double_q_asks_one_table_what_is_best_and_the_other_what_it_is_worth(side: int) -> None:
    key = next(key for key in jax.random.split(KEY, 20) if coin(key)[0, 0] == side)
    names, judges = table_with_seven(0, 9, 5), table_with_seven(8, 2, 7)
    before = [names, judges] if side == 0 else [judges, names]
    mind, _ = jax.jit(DoubleQ(alpha=0.1, gamma=0.8).update)(
        key, both(*before), lived([[[3]]], [[[2]]], [[1]]), SEVEN, 0
    )
    after = np.array(mind.values)
    assert after[side, 3, 2] == pytest.approx(0.1 * (1 + 0.8 * 2))
    after[side, 3, 2] = 0
    assert same_bits(after, np.stack(before))


@pytest.mark.parametrize("rate", ["per-agent", "per-step"])
def test_double_q_is_the_plain_loop_over_agents(rate: Any) -> None:
    lives, tables = rounds_at_random(4, 3, 20), (START, OTHER)
    coins = coin(KEY, (4, 3))
    assert 0 < coins.mean() < 1
    ours, _ = jax.jit(DoubleQ(alpha=0.1, gamma=0.8, rate=rate).update)(
        KEY, both(*tables), lives.transition(), lives.last_obs(), 0
    )
    for side in (0, 1):

        def target(
            t: int, world: int, agent: int, reward: float, goes_on: float, later: int, side: int = side
        ) -> float:
            return reward + 0.8 * goes_on * tables[1 - side][later, tables[side][later].argmax()]

        heard = coins == side
        theirs = pooled_loop(tables[side], lives, target, alpha=0.1, per_agent=rate == "per-agent", heard=heard)
        np.testing.assert_allclose(ours.values[side], theirs, rtol=1e-5, atol=1e-5)


def test_double_q_acts_by_the_mean_of_its_tables_which_is_what_it_leaves_on_disk() -> None:
    mind = both(START, OTHER)
    np.testing.assert_allclose(DoubleQ().action_values(mind), (START + OTHER) / 2, rtol=1e-6)
    codes = {"g": jnp.arange(81, dtype=jnp.uint8)}
    chosen, _ = DoubleQ(epsilon=0.0).act(KEY, mind, codes, 0, 0)
    assert chosen["g"].tolist() == (START + OTHER).argmax(axis=1).tolist()


# All three


@pytest.mark.parametrize("make", [Sarsa, ExpectedSarsa, DoubleQ])
def test_exploration_follows_its_schedule_over_the_rounds(make: Any) -> None:
    learner = make(epsilon=Switch(1.0, 0.0, 2))
    groups, codes = (group(300),), {"g": jnp.full(300, 40, jnp.uint8)}
    mind = learner.init(KEY, groups)
    assert set(np.asarray(learner.act(KEY, mind, codes, 1, 0)[0]["g"])) == {0, 1, 2}
    assert set(np.asarray(learner.act(KEY, mind, codes, 2, 0)[0]["g"])) == {0}


@pytest.mark.parametrize("make", [Sarsa, ExpectedSarsa, DoubleQ])
def test_a_table_to_start_from_is_where_all_tables_start(make: Any) -> None:
    mind = make(table=START).init(KEY, (group(5),))
    assert same_bits(mind.values, jnp.stack([START] * make.tables))
    told = refused(lambda: make(table=START[:9]).init(KEY, (group(5),)))
    assert "(9, 3)" in told and "81 histories and 3 actions" in told


@pytest.mark.parametrize("make", [Sarsa, ExpectedSarsa, DoubleQ])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epsilon": 1.5}, "epsilon must lie in [0, 1]"),
        ({"alpha": 1.1}, "alpha must lie in [0, 1]"),
        ({"gamma": -1}, "gamma must lie in [0, 1]"),
        ({"rate": "per-year"}, "rate must be one of per-agent, per-step"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(make: Any, options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: make(**options))


@pytest.mark.parametrize("make", [Sarsa, ExpectedSarsa, DoubleQ])
def test_agents_of_unequal_spaces_cannot_share_a_table(make: Any) -> None:
    told = refused(lambda: make().init(KEY, (group(5, name="a"), group(5, name="b", histories=9))))
    assert told.startswith(make.__name__) and "b has Discrete(9)" in told


def test_the_policy_that_expected_sarsa_averages_over_is_the_one_it_acts_by() -> None:
    # Both come from epsilon_greedy; here its rows are what 30,000 agents do.
    learner, mind = ExpectedSarsa(epsilon=0.3), QMind(jnp.asarray(START)[None])
    chosen, _ = learner.act(KEY, mind, {"g": jnp.full(30_000, 3, jnp.uint8)}, 0, 0)
    expected = 30_000 * np.asarray(epsilon_greedy(jnp.asarray(START), jnp.float32(0.3)))[3]
    assert ((np.bincount(chosen["g"], minlength=3) - expected) ** 2 / expected).sum() < 13.82
