"""The k-bit multiplexer: k address bits choose one of 2^k data bits, and the team is to say what it is.

    x ~ Bernoulli(1/2)^(k + 2^k)        y = x[k + address],  address = the first k bits, most significant first
    the network sees 2x - 1             R = +1 if the action is y, else -1

Chance is 0, the maximum 1; a linear policy ends near .27 (k = 3). A classic of structural credit assignment (Barto
1985; as in Chung 2020, arXiv 2010.07893 and 2010.09770).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key, UInt32

from synagents.hyperparameters import require_whole, settings, static
from synagents.world import Answer, DecisionTask

__all__ = ["multiplexer"]

MAX_BITS = 16  # 65,552 inputs


class Question(NamedTuple):
    """The bits of one question."""

    x: Integer[Array, "D"]  # uint8: the address, most significant bit first, then the data


@settings
class Multiplexer(DecisionTask):
    """A bandit whose context is the bits; build it by `multiplexer`.

    Attributes:
        bits: address bits k.
    """

    bits: int = static(default=3)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Address and data bits."""
        return (self.bits + 2**self.bits,)

    @property
    def action_space(self) -> spaces.Discrete:
        """What the bit is said to be."""
        return spaces.Discrete(2)

    @property
    def evaluation_episodes(self) -> int:
        """Held-out questions."""
        return 1024

    def init(self, key: Key[Array, ""]) -> Question:
        """A first question."""
        return self._ask(key)

    def stimulus(self, state: Question) -> Float[Array, "D"]:
        """The bits as -1 and +1."""
        return 2 * state.x.astype(jnp.float32) - 1

    def respond(self, key: Key[Array, ""], state: Question, action: Integer[Array, ""]) -> tuple[Question, Answer]:
        """+1 or -1, and the next question."""
        reward = jnp.where(action == self.right_answer(state), jnp.float32(1), jnp.float32(-1))
        return self._ask(key), Answer(reward, jnp.bool_(True), jnp.bool_(False))

    def right_answer(self, state: Question) -> Integer[Array, ""]:
        """The bit at the address."""
        address = jnp.int32(0)
        for bit in range(self.bits):
            address = 2 * address + state.x[bit]
        return state.x[self.bits + address]

    def _ask(self, key: Key[Array, ""]) -> Question:
        size = self.bits + 2**self.bits
        words: UInt32[Array, words] = jax.random.bits(key, (-(-size // 32),), jnp.uint32)  # 32 fair coins in one number
        coins = words[:, None] >> jnp.arange(32, dtype=jnp.uint32) & 1
        return Question(coins.reshape(-1)[:size].astype(jnp.uint8))


def multiplexer(*, bits: int = 3) -> Multiplexer:
    """Say which data bit the address bits point to: one decision per question, +1 if right, -1 if wrong.

    Args:
        bits: address bits k, 1 .. 16; there are k + 2^k inputs (11 for k = 3).
    """
    require_whole("bits", bits, 1, MAX_BITS)
    return Multiplexer(bits)
