import jax.numpy as jnp
import numpy as np
import pytest

from synagents.agents import codes
from tests.claims import refused
from tests.oracle import base3


def test_for_two_rounds_the_digits_weigh_27_9_3_1() -> None:
    zeros = [0, 0, 0, 0]
    for position, weight in enumerate((27, 9, 3, 1)):
        values = [*zeros]
        values[position] = 1
        oldest, newest, older_reward, last_reward = (value + 1 for value in values)
        code = codes.encode(jnp.array([3 * oldest + newest]), jnp.array(3 * older_reward + last_reward), 2)
        assert code.tolist() == [40 + weight] == [base3(values)]


@pytest.mark.parametrize(("memory", "start"), [(1, 4), (2, 40), (3, 364), (4, 3280), (5, 29524)])
def test_a_life_begins_with_the_code_of_zeros(memory: int, start: int) -> None:
    digits = codes.start_digits(memory)
    assert codes.encode(jnp.array([digits]), jnp.array(digits), memory).tolist() == [start]
    assert start == base3([0] * 2 * memory)


@pytest.mark.parametrize("memory", [1, 2, 3, 4, 5])
def test_pushing_forgets_the_oldest_and_appends_the_newest(memory: int) -> None:
    rng = np.random.default_rng(memory)
    remembered = [0] * memory
    digits = jnp.asarray(codes.start_digits(memory), codes.smallest_dtype(3**memory))
    for value in rng.integers(-1, 2, 12).tolist():
        remembered = [*remembered[1:], value]
        digits = codes.push(digits, jnp.asarray(value + 1), memory)
        assert int(digits) == base3(remembered)
        assert digits.dtype == codes.smallest_dtype(3**memory)


@pytest.mark.parametrize("memory", [1, 2, 3, 5])
def test_the_last_action_and_reward_are_read_back_from_the_code(memory: int) -> None:
    for action in (0, 1, 2):
        for reward in (0, 2):
            digits = codes.push(jnp.asarray(codes.start_digits(memory)), jnp.asarray(action), memory)
            rewards = codes.push(jnp.asarray(codes.start_digits(memory)), jnp.asarray(reward), memory)
            code = codes.encode(digits[None], rewards, memory)
            assert codes.last_action(code, memory).tolist() == [action]
            assert codes.last_reward(code).tolist() == [reward]


@pytest.mark.parametrize(
    ("memory", "digits", "code"),
    [
        (1, "uint8", "uint8"),
        (2, "uint8", "uint8"),
        (3, "uint8", "uint16"),
        (5, "uint8", "uint16"),
        (6, "uint16", "uint32"),
    ],
)
def test_histories_take_the_smallest_type_that_holds_them(memory: int, digits: str, code: str) -> None:
    assert codes.smallest_dtype(3**memory) == digits
    assert codes.smallest_dtype(codes.num_codes(memory)) == code
    largest = 3**memory - 1
    encoded = codes.encode(jnp.array([largest], digits), jnp.asarray(largest, digits), memory)
    assert encoded.dtype == code and encoded.tolist() == [9**memory - 1]


@pytest.mark.parametrize("memory", range(1, 10))
def test_the_memory_of_a_table_is_read_from_its_rows(memory: int) -> None:
    assert codes.memory_of(codes.num_codes(memory)) == memory


@pytest.mark.parametrize("rows", [0, 1, 3, 10, 80, 82])
def test_a_table_of_other_than_a_power_of_nine_rows_is_refused(rows: int) -> None:
    assert str(rows) in refused(lambda: codes.memory_of(rows))


def test_all_codes_are_all_codes() -> None:
    assert codes.all_codes(2).tolist() == list(range(81))
