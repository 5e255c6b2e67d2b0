"""What a synapse remembers, as one small number: its last n actions and the team's last n rewards in base 3.

Each value v in {-1, 0, +1} is the digit v + 1; the code of a history is the number with the digits
`a[t-n] .. a[t-1], R[t-n] .. R[t-1]`, most significant first. For n = 2 the digits weigh 27, 9, 3, 1, and the history of
an agent that has not lived yet (null actions, zero rewards) is 40. (Bhargava et al. 2022, section 2; a reward digit has
three values because histories start with zeros.)
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from synagents.groups import Tree
from synagents.hyperparameters import require

NUM_ACTIONS = 3  # 0, 1, 2 stand for -, 0, +
MAX_MEMORY = 9  # 9^10 codes would not fit a table anyone could fill


def num_codes(memory: int) -> int:
    """How many histories there are: 9^n."""
    return 9**memory


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
    return (3**memory - 1) // 2


def push(digits: Integer[Array, "..."], new: Integer[Array, "..."], memory: int) -> Integer[Array, "..."]:
    """Forget the oldest of n base-3 digits and append a new one; the dtype of `digits` is kept."""
    return (digits % 3 ** (memory - 1)) * 3 + new.astype(digits.dtype)


def encode(actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int) -> Integer[Array, "*n"]:
    """The history code from the action digits and the reward digits, each a number below 3^n."""
    dtype = smallest_dtype(num_codes(memory))
    return actions.astype(dtype) * dtype.type(3**memory) + rewards.astype(dtype)


def digits(actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int) -> Integer[Array, "*n 2*n"]:
    """The same history digit by digit, each in 0 .. 2: last actions, oldest first, then last rewards."""
    places = [3**place for place in reversed(range(memory))]
    own = [actions // place % 3 for place in places]
    team = [jnp.broadcast_to(rewards // place % 3, actions.shape) for place in places]
    return jnp.stack([*own, *team], axis=-1).astype(jnp.uint8)


def one_hots(actions: Integer[Array, "*n"], rewards: Integer[Array, "*#n"], memory: int) -> Float[Array, "*n 6*n"]:
    """The digits as one-hot rows of three, one after the other: what every deep learner accepts."""
    return jax.nn.one_hot(digits(actions, rewards, memory), 3, dtype=jnp.float32).reshape(*actions.shape, 6 * memory)


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
