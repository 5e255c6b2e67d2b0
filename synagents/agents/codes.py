"""What a synapse remembers, as one small number: its last n actions and the team's last n rewards in base 3.

Each value v in {-1, 0, +1} is the digit v + 1; the code of a history is the number with the digits
`a[t-n] .. a[t-1], R[t-n] .. R[t-1]`, most significant first. For n = 2 the digits weigh 27, 9, 3, 1, and the history of
an agent that has not lived yet (null actions, zero rewards) is 40. (Bhargava et al. 2022, section 2; a reward digit has
three values because histories start with zeros.) Where actions name one of A levels of a weight, their digits
are in base A, and there are (3 A)^n histories.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from synagents.groups import Tree
from synagents.hyperparameters import require

NUM_ACTIONS = 3  # 0, 1, 2 stand for -, 0, +
MOST_LEVELS = 8  # that an action may name instead: a weight of three bits
MAX_MEMORY = 9  # 9^10 codes would not fit a table anyone could fill


def most_memory(actions: int) -> int:
    """The largest n with no more histories of A actions than 9^9."""
    return int(MAX_MEMORY * math.log(9) / math.log(3 * actions) + 1e-9)


def num_codes(memory: int, actions: int = NUM_ACTIONS) -> int:
    """How many histories there are: (3 A)^n of A actions, 9^n of three."""
    return (3 * actions) ** memory


def memory_of(codes: int) -> int:
    """The memory n of a table over `codes` = 9^n histories; ValueError if `codes` is no power of nine."""
    memory = round(np.log(codes) / np.log(9)) if codes > 1 else 0
    require(
        memory >= 1 and num_codes(memory) == codes, f"a table over histories has 9^n rows, but this one has {codes}."
    )
    return memory


def smallest_dtype(values: int) -> np.dtype:
    """The smallest unsigned dtype that holds 0 .. values - 1."""
    return np.min_scalar_type(values - 1)


def start_digits(memory: int) -> int:
    """The code of n zeros: n digits 1 in base 3."""
    return repeated(1, memory)


def repeated(digit: int, memory: int, base: int = 3) -> int:
    """The code of n times the same digit; of digit 1, what each digit is to be multiplied by."""
    return digit * (base**memory - 1) // (base - 1)


def push(
    digits: Integer[Array, "..."], new: Integer[Array, "..."], memory: int, base: int = 3
) -> Integer[Array, "..."]:
    """Forget the oldest of n digits and append a new one; the dtype of `digits` is kept."""
    return (digits % base ** (memory - 1)) * base + new.astype(digits.dtype)


def encode(
    actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int, num_actions: int = NUM_ACTIONS
) -> Integer[Array, "*n"]:
    """The history code from the action digits, in base A, and the reward digits, in base 3."""
    dtype = smallest_dtype(num_codes(memory, num_actions))
    return actions.astype(dtype) * dtype.type(3**memory) + rewards.astype(dtype)


def digits(
    actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int, num_actions: int = NUM_ACTIONS
) -> Integer[Array, "*n 2*n"]:
    """The same history digit by digit: last actions in 0 .. A - 1, oldest first, then last rewards in 0 .. 2."""
    places = list(reversed(range(memory)))
    own = [actions // num_actions**place % num_actions for place in places]
    team = [jnp.broadcast_to(rewards // 3**place % 3, actions.shape) for place in places]
    return jnp.stack([*own, *team], axis=-1).astype(jnp.uint8)


def one_hots(
    actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int, num_actions: int = NUM_ACTIONS
) -> Float[Array, "*n (3+A)*n"]:
    """The digits as one-hot rows of A and of three, one after the other: what every deep learner accepts."""
    both = digits(actions, rewards, memory, num_actions)
    parts = [
        jax.nn.one_hot(part, size, dtype=jnp.float32).reshape(*actions.shape, size * memory)
        for part, size in ((both[..., :memory], num_actions), (both[..., memory:], 3))
    ]
    return jnp.concatenate(parts, axis=-1)


def last_action(code: Integer[Array, "..."], memory: int) -> Integer[Array, "..."]:
    """The digit of a[t-1] in {0, 1, 2}."""
    return code // 3**memory % 3


def last_reward(code: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """The digit of R[t-1] in {0, 1, 2}: 0 after a reward of -1, 2 after +1, 1 before the first."""
    return code % 3


def all_codes(memory: int) -> Integer[Array, "S"]:
    """Every history code: 0 .. 9^n - 1, int32[S]."""
    return jnp.arange(num_codes(memory), dtype=jnp.int32)


def places(weights: Tree) -> Tree:
    """Four numbers for every synapse that the published agents do not see, {group: f32[n, 4]}.

    The array's place among the network's (0 first, 1 last), one over the square root of its rows' number, the synapse's
    place in it (0 .. 1), and its present weight.
    """
    shown = {}
    for index, (name, array) in enumerate(weights.items()):
        place = jnp.full(array.size, index / max(len(weights) - 1, 1), jnp.float32)
        rows = jnp.full(array.size, math.prod(array.shape[:-1]) ** -0.5, jnp.float32)
        within = jnp.arange(array.size, dtype=jnp.float32) / max(array.size - 1, 1)
        shown[name] = jnp.stack([place, rows, within, array.reshape(-1).astype(jnp.float32)], axis=1)
    return shown
