"""The counter generator's statistics, at the sizes at which agents use it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.counter import counter_key


def rows(steps: int, agents: int, seed: int = 0) -> np.ndarray:
    """One row of random words per step, keyed as the loop keys them: threefry for the step, the hash for the agents."""

    def row(step: jax.Array) -> jax.Array:
        return jax.random.bits(counter_key(jax.random.fold_in(jax.random.key(seed), step)), (agents,))

    return np.asarray(jax.jit(jax.vmap(row))(jnp.arange(steps)))


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    return rows(256, 8192)


def test_every_action_is_drawn_as_often_as_its_probability_says(words: np.ndarray) -> None:
    actions = words >> 8
    for low, high in ((0, 2**24 // 3), (2**24 // 3, 2 * 2**24 // 3), (0, 2**24 // 20)):
        p, n = (high - low) / 2**24, words.size
        hits = np.count_nonzero((actions >= low) & (actions < high))
        chi_square = (hits - n * p) ** 2 / (n * p * (1 - p))
        assert chi_square < 15.1  # one degree of freedom, p = 1e-4


def test_a_chi_square_over_256_classes_finds_nothing(words: np.ndarray) -> None:
    for shift in (0, 8, 16, 24):
        counts = np.bincount((words.ravel() >> shift) & 255, minlength=256)
        expected = words.size / 256
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert 170 < chi_square < 350  # 255 degrees of freedom, both tails at 1e-4


def test_a_biased_generator_would_be_found(words: np.ndarray) -> None:
    biased = np.where(words % 64 == 0, words | 1, words).ravel() & 255
    counts = np.bincount(biased, minlength=256)
    expected = words.size / 256
    assert ((counts - expected) ** 2 / expected).sum() > 350


@pytest.mark.parametrize("axis", [0, 1], ids=["across steps", "across agents"])
def test_no_correlation_at_lags_up_to_64(words: np.ndarray, axis: int) -> None:
    unit = words / 2.0**32 - 0.5
    unit = unit if axis else unit.T
    for lag in range(1, 65):
        product = unit[:, :-lag] * unit[:, lag:]
        assert abs(product.mean()) * 12 < 5 / np.sqrt(product.size)


def test_no_correlation_of_shifted_steps(words: np.ndarray) -> None:
    # A counter generator's own danger: one step's row being another's, moved along.
    unit = words / 2.0**32 - 0.5
    for shift in (1, 2, 3, 7, 64):
        product = unit[:-1, shift:] * unit[1:, :-shift]
        assert abs(product.mean()) * 12 < 5 / np.sqrt(product.size)


def test_every_bit_is_set_half_the_time(words: np.ndarray) -> None:
    for bit in range(32):
        share = np.mean(words >> bit & 1)
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(words.size)


def test_no_two_of_100_000_steps_are_equal() -> None:
    few = rows(100_000, 8)
    assert len(np.unique(few, axis=0)) == 100_000


def test_worlds_and_turns_draw_from_keys_of_their_own() -> None:
    key = counter_key(jax.random.key(0))
    folded = jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(100_000)))
    assert len(np.unique(np.asarray(folded), axis=0)) == 100_000
    one, other = (jax.random.bits(jax.random.fold_in(key, world), (4096,)) for world in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / 64


def test_the_zero_key_is_as_good_as_any() -> None:
    words = np.asarray(jax.random.bits(counter_key(jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32))), (65536,)))
    assert abs(np.mean(words / 2.0**32) - 0.5) < 5 / np.sqrt(12 * words.size)


def test_jax_draws_whatever_it_likes_from_a_counter_key() -> None:
    key = counter_key(jax.random.key(1))
    normal = jax.random.normal(key, (10_000,))
    assert abs(float(normal.mean())) < 0.05 and abs(float(normal.std()) - 1) < 0.05
    assert sorted(jax.random.permutation(key, 10).tolist()) == list(range(10))
    assert jax.random.bits(key, (3,), jnp.uint8).dtype == jnp.uint8
