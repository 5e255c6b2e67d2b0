"""A recurrent network that reads a sample step by step and answers at its end: the real twin of `integer-recurrent`.

    h_t = cell(x_t, h_{t-1}),   out = h_T Wo + bo + x_T S         S where it is asked for

The cells are those of plastic worlds (`synagents.networks.cells`), with the recurrent weights among the parameters.
S is a path around the cell, as between embedding and output in Bengio et al. (2003), "A neural probabilistic language
model": after one-hots of characters it is a table of pairs. (Elman 1990; Hochreiter & Schmidhuber 1997.)
"""

import math
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from synagents.hyperparameters import require, require_whole, settings, static
from synagents.networks.cells import LSTM, Cell, Rate, linear
from synagents.world import Network, Params

__all__ = ["Recurrent"]


@settings
class Recurrent(Network):
    """One recurrent layer; parameters are those of its cell, `recurrent_weight`, `output_weight`, `output_bias`, ...

    Attributes:
        in_shape: of a sample: (steps, numbers in each).
        out_size: outputs.
        cell: rate, units that are numbers in (-1, 1), or lstm.
        units: of the recurrent layer, >= 1.
        skip: whether what is seen last reaches the outputs past the cell, too, by `skip_weight`, which begins at 0.
    """

    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    cell: Literal["rate", "lstm"] = static(default="rate")
    units: int = static(default=64)
    skip: bool = static(default=False)

    def __post_init__(self) -> None:
        require_steps(self.in_shape)
        require_whole("out_size", self.out_size, 1)
        require_whole("units", self.units, 1)

    @cached_property
    def _cell(self) -> Cell:
        return Rate(self.units) if self.cell == "rate" else LSTM(self.units)

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, uniform within 1 / sqrt(fan-in)."""
        own, recurrent, output = jax.random.split(key, 3)
        bound = 1 / math.sqrt(self.units)
        params = self._cell.init(own, self.in_shape[1]) | linear(output, "output", self.units, self.out_size)
        shape = (self.units, self.units)
        params["recurrent_weight"] = jax.random.uniform(recurrent, shape, jnp.float32, -bound, bound)
        if self.skip:
            params["skip_weight"] = jnp.zeros((self.in_shape[1], self.out_size), jnp.float32)
        return params

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs after the last step."""
        steps = jnp.moveaxis(x.reshape(len(x), *self.in_shape), 1, 0)

        def step(carry: PyTree, x: Float[Array, "B D"]) -> tuple[PyTree, Float[Array, "B H"]]:
            stepped = jax.vmap(self._cell.step, (None, 0, 0, None))(params, carry, x, params["recurrent_weight"])
            return stepped.carry, stepped.out

        silence = self._cell.begin(steps.dtype, self.in_shape[1])
        carry = jax.tree.map(lambda zero: jnp.broadcast_to(zero, (len(x), *zero.shape)), silence)
        h = jax.lax.scan(step, carry, steps)[1][-1]
        out = h @ params["output_weight"] + params["output_bias"]
        return out + steps[-1] @ params["skip_weight"] if self.skip else out


def require_steps(in_shape: tuple[int, ...]) -> None:
    """Of a network that reads step by step: that a sample has steps, and numbers in each; else ValueError."""
    require(
        len(in_shape) == 2,
        f"A recurrent network reads samples of shape (steps, numbers), such as characters, not {in_shape}.",
    )
