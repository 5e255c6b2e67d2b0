"""Recurrent cells: one step of a network that has a state; who plays it brings the weights that may be plastic.

    rate    h' = tanh(x Wx + b + h W)                                     pre = h, post = h'
    lstm    f, i, o = sigmoid(x Wx + h Wh + b),  g = tanh(x Wg + bg + h W)
            c' = f c + i g,  h' = o tanh(c')                              pre = h, post = g

W is what may be plastic: `pre` and `post` are the activities on its two sides. Spiking cells are in `lif.py`. (Elman
1990; Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; which path is plastic: Miconi, Rawal,
Clune & Stanley 2019.)
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from synagents.hyperparameters import require_whole, settings, static
from synagents.task import Params


class Stepped(NamedTuple):
    """A cell after a step."""

    carry: PyTree
    out: Float[Array, "H"]  # what the rest of the network sees
    pre: Float[Array, "n"]  # before the weights that may be plastic
    post: Float[Array, "H"]  # behind them


class Cell(ABC):
    """A layer of H units with a state."""

    plastic: ClassVar[str] = "recurrent"
    """Which of its matrices may be plastic: "recurrent", from its units to its units, or "input", from the stimulus."""

    spread: ClassVar[float] = 0.7
    """Standard deviation of that matrix's fresh weights, times the root of the fan-in."""

    units: int

    def __post_init__(self) -> None:
        require_whole("units", self.units, 1)

    def shape(self, inputs: int) -> tuple[int, int]:
        """Of the matrix that may be plastic, [pre, post], where the stimulus has so many numbers."""
        return (self.units if self.plastic == "recurrent" else inputs, self.units)

    @abstractmethod
    def init(self, key: Key[Array, ""], inputs: int) -> Params:
        """Everything but the matrix that may be plastic."""

    @abstractmethod
    def begin(self, dtype: jnp.dtype, inputs: int) -> PyTree:
        """The carry of a network that has seen nothing, in the type of its parameters."""

    @abstractmethod
    def step(self, params: Params, carry: PyTree, x: Float[Array, "D"], weights: Float[Array, "n H"]) -> Stepped:
        """One step.

        Args:
            params: of `init`.
            carry: of the last step, or of `begin`.
            x: what the network sees.
            weights: W, [pre, post], the matrix that may be plastic.
        """


@settings
class Rate(Cell):
    """Units that are numbers in (-1, 1); the carry is h.

    Attributes:
        units: H >= 1.
    """

    units: int = static(default=24)

    def init(self, key: Key[Array, ""], inputs: int) -> Params:
        """`input_weight` [D, H] and `input_bias` [H], uniform within 1 / sqrt(fan-in)."""
        return linear(key, "input", inputs, self.units)

    def begin(self, dtype: jnp.dtype, inputs: int) -> Float[Array, "H"]:
        """Silence."""
        del inputs
        return jnp.zeros(self.units, dtype)

    def step(
        self, params: Params, carry: Float[Array, "H"], x: Float[Array, "D"], weights: Float[Array, "H H"]
    ) -> Stepped:
        """One step."""
        h = jnp.tanh(x @ params["input_weight"] + params["input_bias"] + carry @ weights)
        return Stepped(h, h, carry, h)


@settings
class LSTM(Cell):
    """Long short-term memory; the carry is (h, c).

    Attributes:
        units: H >= 1.
    """

    units: int = static(default=64)

    def init(self, key: Key[Array, ""], inputs: int) -> Params:
        """`input_weight` [D, 4 H], `gates_weight` [H, 3 H] and `input_bias` [4 H]: forget, in, out, candidate.

        All are uniform within 1 / sqrt(fan-in).
        """
        own, gates = jax.random.split(key)
        of_gates = linear(gates, "gates", self.units, 3 * self.units)
        return linear(own, "input", inputs, 4 * self.units) | {"gates_weight": of_gates["gates_weight"]}

    def begin(self, dtype: jnp.dtype, inputs: int) -> tuple[Float[Array, "H"], Float[Array, "H"]]:
        """Silence."""
        del inputs
        return jnp.zeros(self.units, dtype), jnp.zeros(self.units, dtype)

    def step(
        self,
        params: Params,
        carry: tuple[Float[Array, "H"], Float[Array, "H"]],
        x: Float[Array, "D"],
        weights: Float[Array, "H H"],
    ) -> Stepped:
        """One step."""
        h, c = carry
        arrived = x @ params["input_weight"] + params["input_bias"]
        gates, candidate = jnp.split(arrived, [3 * self.units])
        forget, enter, leave = jnp.split(jax.nn.sigmoid(gates + h @ params["gates_weight"]), 3)
        g = jnp.tanh(candidate + h @ weights)
        c = forget * c + enter * g
        out = leave * jnp.tanh(c)
        return Stepped((out, c), out, h, g)


def linear(key: Key[Array, ""], name: str, fan_in: int, fan_out: int) -> Params:
    """`<name>_weight` [fan_in, fan_out] and `<name>_bias` [fan_out], uniform within 1 / sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    drawn = jax.random.uniform(key, (fan_in + 1, fan_out), jnp.float32, -bound, bound)
    return {f"{name}_weight": drawn[:-1], f"{name}_bias": drawn[-1]}
