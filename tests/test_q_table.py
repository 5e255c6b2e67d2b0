from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.synapse.q_table import QMind, QTable
from synagents.schedules import Linear, Switch
from synagents.world import Transition
from tests.claims import refused, same_bits
from tests.lives import lived
from tests.oracle import learn_in_place
from tests.toys import group

KEY = jax.random.key(0)
START = np.random.default_rng(0).normal(size=(81, 3)).astype(np.float32)


def learned(learner: QTable, table: Any, transition: Transition, last_obs: Any) -> np.ndarray:
    mind = QMind(jnp.asarray(table, jnp.float32))
    last = {name: jnp.asarray(last_obs, jnp.uint8) for name in transition.obs}
    return np.array(learner.update(KEY, mind, transition, last, 0)[0].values)


def adaptive(**options: Any) -> QTable:
    return QTable(adaptive=True, **{"alpha": 0.1, "gamma": 0.8, **options})


# By hand: histories 0, 1, 2 and actions 0, 1, 2 are enough


def test_one_hit_moves_its_cell_by_alpha_towards_the_target() -> None:
    table = np.zeros((81, 3))
    table[7] = [0.0, 2.0, 1.0]
    after = learned(adaptive(), table, lived([[[3]]], [[[2]]], [[1]]), [[7]])
    assert after[3, 2] == pytest.approx(0.1 * (1 + 0.8 * 2))
    after[3, 2] = 0
    np.testing.assert_array_equal(after, table.astype(np.float32))


def test_two_agents_in_one_cell_hit_it_twice() -> None:
    after = learned(adaptive(), np.zeros((81, 3)), lived([[[3, 3]]], [[[2, 2]]], [[1]]), [[7, 7]])
    assert after[3, 2] == pytest.approx(1 - 0.9**2)


def test_per_step_a_cell_moves_by_alpha_however_often_it_was_hit() -> None:
    learner = adaptive(rate="per-step")
    after = learned(learner, np.zeros((81, 3)), lived([[[3, 3, 5]]], [[[2, 2, 0]]], [[1]]), [[7, 7, 7]])
    assert after[3, 2] == after[5, 0] == pytest.approx(0.1)
    assert np.count_nonzero(after) == 2


def test_hits_of_all_worlds_and_rounds_are_pooled_to_their_number_and_mean() -> None:
    # Cell (3, 2) is hit in both worlds of round 0, paid 1 and -1, and in world 0 of round 1, paid 1.
    obs = [[[3], [3]], [[3], [6]]]
    actions = [[[2], [2]], [[2], [1]]]
    reward = [[1, -1], [1, -1]]
    after = learned(adaptive(gamma=0.0), np.zeros((81, 3)), lived(obs, actions, reward), [[7], [7]])
    assert after[3, 2] == pytest.approx((1 - 0.9**3) * (1 - 1 + 1) / 3)
    assert after[6, 1] == pytest.approx(-0.1)
    per_step = learned(adaptive(gamma=0.0, rate="per-step"), np.zeros((81, 3)), lived(obs, actions, reward), [[7], [7]])
    assert per_step[3, 2] == pytest.approx(0.1 / 3)


def test_the_history_after_a_round_is_the_next_rounds_and_after_the_last_the_last_obs() -> None:
    table = np.zeros((81, 3))
    table[4, 0], table[7, 0] = 10, 100
    transition = lived([[[3]], [[4]]], [[[2]], [[1]]], [[0], [0]])
    after = learned(adaptive(), table, transition, [[7]])
    assert after[3, 2] == pytest.approx(0.1 * 0.8 * 10)
    assert after[4, 1] == pytest.approx(0.1 * 0.8 * 100)


def test_a_life_that_ended_promises_nothing_and_one_that_was_cut_off_still_does() -> None:
    table = np.zeros((81, 3))
    table[7, 0] = 10
    cases: list[tuple[dict[str, Any], int]] = [({"terminated": True}, 0), ({"truncated": True}, 8), ({}, 8)]
    for flags, worth in cases:
        after = learned(adaptive(), table, lived([[[3]]], [[[2]]], [[1]], **flags), [[7]])
        assert after[3, 2] == pytest.approx(0.1 * (1 + worth))


def test_only_the_world_that_ended_promises_nothing() -> None:
    table = np.zeros((81, 3))
    table[7, 0] = 10
    transition = lived([[[3], [4]]], [[[2], [2]]], [[1, 1]], terminated=[[True, False]])
    after = learned(adaptive(), table, transition, [[7], [7]])
    assert (after[3, 2], after[4, 2]) == (pytest.approx(0.1), pytest.approx(0.9))


def test_agents_may_be_paid_apart() -> None:
    after = learned(adaptive(), np.zeros((81, 3)), lived([[[3, 4]]], [[[2, 2]]], [[[1, -1]]]), [[7, 7]])
    assert (after[3, 2], after[4, 2]) == (pytest.approx(0.1), pytest.approx(-0.1))


def test_alpha_one_jumps_to_the_mean_target_and_alpha_zero_stays() -> None:
    transition = lived([[[3], [3]]], [[[2], [2]]], [[1, -0.5]])
    assert learned(adaptive(alpha=1.0), START, transition, [[7], [7]])[3, 2] == pytest.approx(
        0.25 + 0.8 * START[7].max(), rel=1e-5
    )
    assert same_bits(learned(adaptive(alpha=0.0), START, transition, [[7], [7]]), START)


def test_the_change_is_told() -> None:
    mind = QMind(jnp.zeros((81, 3)))
    last = {"g": jnp.array([[7]], jnp.uint8)}
    _, metrics = adaptive().update(KEY, mind, lived([[[3]]], [[[2]]], [[-1]]), last, 0)
    assert float(metrics["q_change"]) == pytest.approx(0.1)


# Against the oracle


def test_in_a_batch_one_round_of_one_world_is_the_originals_loop_with_the_bootstrap_held() -> None:
    rng = np.random.default_rng(4)
    obs, actions = rng.integers(0, 12, (1, 1, 400)), rng.integers(0, 3, (1, 1, 400))
    later = (3 * obs + actions) % 81  # what follows depends on history and action alone, as in the world
    hits = [(s, a, -1.0, then) for s, a, then in zip(obs[0, 0], actions[0, 0], later[0, 0], strict=True)]
    after = learned(adaptive(), START, lived(obs, actions, [[-1]]), later[0])
    np.testing.assert_allclose(
        after, learn_in_place(START, hits, alpha=0.1, gamma=0.8, hold=True), rtol=1e-5, atol=1e-6
    )


def test_groups_share_the_one_table() -> None:
    parts = [lived([[[3]]], [[[2]]], [[1]], name=name) for name in ("a", "b")]
    both = parts[0]._replace(
        **{f: {**getattr(parts[0], f), **getattr(parts[1], f)} for f in ("obs", "actions", "reward")}
    )
    assert learned(adaptive(), np.zeros((81, 3)), both, [[7]])[3, 2] == pytest.approx(1 - 0.9**2)


# Acting


def chosen(learner: QTable, mind: Any, codes: Any, t: int = 0) -> np.ndarray:
    return np.asarray(learner.act(KEY, mind, {"g": jnp.asarray(codes, jnp.uint8)}, t, 0)[0]["g"])


def test_a_table_without_exploration_is_obeyed() -> None:
    learner = QTable(jnp.asarray(START), epsilon=0.0)
    codes = np.arange(81)
    assert chosen(learner, learner.init(KEY, (group(81),)), codes).tolist() == START.argmax(axis=1).tolist()


def test_ties_go_to_the_lowest_action() -> None:
    learner = QTable(adaptive=True, epsilon=0.0)
    assert chosen(learner, learner.init(KEY, (group(9),)), [40] * 9).tolist() == [0] * 9


def test_exploring_always_is_uniform() -> None:
    learner = QTable(jnp.asarray(START), epsilon=1.0)
    counts = np.bincount(chosen(learner, learner.init(KEY, (group(3),)), [40] * 30_000), minlength=3)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 13.82  # chi-square, one in a thousand


def test_exploration_follows_its_schedule_over_the_rounds_lived() -> None:
    learner = QTable(jnp.asarray(START), epsilon=Switch(1.0, 0.0, 2))
    mind = learner.init(KEY, (group(81),))
    best = START.argmax(axis=1)
    assert (chosen(learner, mind, np.arange(81), t=1) != best).any()
    assert (chosen(learner, mind, np.arange(81), t=2) == best).all()


def test_a_frozen_table_stays_as_it_is() -> None:
    after = learned(QTable(jnp.asarray(START)), START, lived([[[3]]], [[[2]]], [[1]]), [[7]])
    assert same_bits(after, START)


# Bad input


def test_a_frozen_table_must_be_given() -> None:
    assert "QTable(table=load_table())" in refused(QTable)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epsilon": 1.5}, "epsilon must lie in [0, 1]"),
        ({"epsilon": -0.1}, "epsilon must lie in [0, 1]"),
        ({"epsilon": Linear(2.0, 0.0, 10)}, "epsilon must lie in [0, 1]"),
        ({"epsilon": float("nan")}, "epsilon must lie in [0, 1]"),
        ({"alpha": 1.1}, "alpha must lie in [0, 1]"),
        ({"gamma": -1}, "gamma must lie in [0, 1]"),
        ({"rate": "per-year"}, "rate must be one of per-agent, per-step"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: QTable(adaptive=True, **options))


@pytest.mark.parametrize("shape", [(9, 3), (81, 2), (81,), (3, 81)])
def test_a_table_of_another_shape_is_refused_and_told_both(shape: tuple[int, ...]) -> None:
    told = refused(lambda: QTable(jnp.zeros(shape)).init(KEY, (group(5),)))
    assert str(shape) in told and "81 histories and 3 actions" in told


def test_groups_of_unequal_spaces_cannot_share_a_table() -> None:
    groups = (group(5, name="a"), group(5, name="b", histories=9))
    told = refused(lambda: QTable(adaptive=True).init(KEY, groups))
    assert "a has Discrete(81)" in told and "b has Discrete(9)" in told
