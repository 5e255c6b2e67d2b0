import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.choice import FEW, epsilon_greedy, explore_around, sample
from tests.claims import same_bits

KEY = jax.random.key(0)
CHI_SQUARE = {1: 10.83, 2: 13.82, 4: 18.47, 8: 26.12}  # exceeded once in a thousand, by degrees of freedom


def draws(policy: list[list[float]], codes: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(sample(jax.random.key(seed), jnp.array(policy), {"g": jnp.asarray(codes)})["g"])


def chi_square(counts: np.ndarray, expected: np.ndarray) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("row", [[0.2, 0.5, 0.3], [1 / 3, 1 / 3, 1 / 3], [0.9, 0.05, 0.05], [0.98, 0.01, 0.01]])
def test_actions_are_as_frequent_as_their_probabilities(row: list[float]) -> None:
    chosen = draws([row], np.zeros(60_000, np.uint8))
    assert chi_square(np.bincount(chosen, minlength=3), 60_000 * np.array(row)) < CHI_SQUARE[2]


def test_every_agent_draws_from_the_row_of_its_own_history() -> None:
    policy = [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]
    codes = np.arange(60_000, dtype=np.uint8) % 2
    chosen = draws(policy, codes)
    for code in (0, 1):
        counts = np.bincount(chosen[codes == code], minlength=3)
        assert chi_square(counts, 30_000 * np.array(policy[code])) < CHI_SQUARE[2]


def test_neighbours_draw_independently() -> None:
    chosen = draws([[1 / 3, 1 / 3, 1 / 3]], np.zeros(60_000, np.uint8)).astype(int)
    pairs = np.bincount(3 * chosen[0::2] + chosen[1::2], minlength=9)
    assert chi_square(pairs, np.full(9, 30_000 / 9)) < CHI_SQUARE[8]


def test_one_agent_draws_independently_from_round_to_round() -> None:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(20_000))
    policy, seen = jnp.full((1, 3), 1 / 3), {"g": jnp.zeros(1, jnp.uint8)}
    chosen = np.asarray(jax.vmap(lambda key: sample(key, policy, seen)["g"][0])(keys)).astype(int)
    pairs = np.bincount(3 * chosen[:-1] + chosen[1:], minlength=9)
    assert chi_square(pairs[:9], np.full(9, 19_999 / 9)) < CHI_SQUARE[8]


def test_groups_draw_independently_of_one_another() -> None:
    codes = jnp.zeros(30_000, jnp.uint8)
    chosen = sample(KEY, jnp.full((1, 3), 1 / 3), {"a": codes, "b": codes})
    pairs = np.bincount(3 * np.asarray(chosen["a"]).astype(int) + np.asarray(chosen["b"]), minlength=9)
    assert chi_square(pairs, np.full(9, 30_000 / 9)) < CHI_SQUARE[8]


def test_the_same_key_draws_the_same_and_another_key_does_not() -> None:
    codes = np.zeros(100, np.uint8)
    assert same_bits(draws([[0.2, 0.5, 0.3]], codes), draws([[0.2, 0.5, 0.3]], codes))
    assert not same_bits(draws([[0.2, 0.5, 0.3]], codes), draws([[0.2, 0.5, 0.3]], codes, seed=1))


@pytest.mark.parametrize("action", [0, 1, 2])
def test_a_certain_action_is_always_taken(action: int) -> None:
    row = [float(a == action) for a in range(3)]
    assert (draws([row], np.zeros(100_000, np.uint8)) == action).all()


def test_an_impossible_action_is_never_taken() -> None:
    assert 1 not in draws([[0.5, 0.0, 0.5]], np.zeros(100_000, np.uint8))
    assert 0 not in draws([[0.0, 0.5, 0.5]], np.zeros(100_000, np.uint8))
    assert 2 not in draws([[0.5, 0.5, 0.0]], np.zeros(100_000, np.uint8))


def test_actions_are_bytes() -> None:
    assert draws([[0.2, 0.5, 0.3]], np.zeros(3, np.uint16)).dtype == np.uint8


def test_without_exploration_the_best_action_is_certain_and_ties_go_to_the_lowest() -> None:
    table = jnp.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 2.0], [-1.0, -1.0, -2.0]])
    expected = [[0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert epsilon_greedy(table, jnp.float32(0)).tolist() == expected


def test_full_exploration_is_uniform_whatever_the_table_says() -> None:
    np.testing.assert_allclose(epsilon_greedy(jnp.array([[5.0, 0.0, -5.0]]), jnp.float32(1)), [[1 / 3] * 3])


def test_the_best_action_may_be_explored_too() -> None:
    np.testing.assert_allclose(epsilon_greedy(jnp.array([[0.0, 3.0, 1.0]]), jnp.float32(0.3)), [[0.1, 0.8, 0.1]])


def test_agents_that_never_explore_do_what_they_were_given_and_all_others_draw() -> None:
    given = {"a": jnp.array([0, 1, 2, 2], jnp.uint8), "b": jnp.array([1.0, 0.0])}
    kept = explore_around(KEY, given, jnp.float32(0), 3)
    assert {name: own.tolist() for name, own in kept.items()} == {"a": [0, 1, 2, 2], "b": [1, 0]}
    drawn = explore_around(KEY, {"a": jnp.full(30_000, 2)}, jnp.float32(1), 3)["a"]
    assert np.allclose(np.bincount(drawn), 10_000, atol=4 * np.sqrt(30_000 * 2 / 9))


def test_an_agent_keeps_its_action_unless_a_draw_replaces_it() -> None:
    chosen = explore_around(KEY, {"a": jnp.full(30_000, 1)}, jnp.float32(0.6), 3)["a"]
    expected = 30_000 * np.array([0.2, 0.6, 0.2])
    assert np.allclose(np.bincount(chosen), expected, atol=4 * np.sqrt(expected))


def test_with_64_bits_agents_draw_what_they_draw_without() -> None:
    row, obs = jnp.full((1, 3), 1 / 3, jnp.float32), {"g": jnp.zeros(99, jnp.uint8)}
    own = {"g": jnp.ones(99, jnp.float32)}
    plain = sample(KEY, row, obs)["g"], explore_around(KEY, own, jnp.float32(0.5), 3)["g"]
    with jax.enable_x64(True):
        wide = sample(KEY, row, obs)["g"], explore_around(KEY, own, jnp.float32(0.5), 3)["g"]
    assert same_bits(plain, wide) and all(len(np.unique(actions)) == 3 for actions in wide)


@pytest.mark.parametrize("rows", [1, 2, 9, FEW])
def test_a_small_table_is_drawn_from_as_the_first_rows_of_a_large_one_are(rows: int) -> None:
    policy = np.random.default_rng(0).dirichlet(np.ones(3), 2 * FEW).astype(np.float32)
    codes = {"g": jnp.asarray(np.random.default_rng(1).integers(0, rows, 5000), jnp.uint8)}
    small = sample(jax.random.key(0), jnp.asarray(policy[:rows]), codes)
    large = sample(jax.random.key(0), jnp.asarray(policy), codes)
    assert same_bits(small["g"], large["g"])
