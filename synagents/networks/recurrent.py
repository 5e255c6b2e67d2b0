"""A recurrent network that reads a sample row by row, and answers after the last row.

    h_t, c_t = cell(x_t, h_{t-1}, c_{t-1}),   outputs = h_T V + b          h_0 = 0, c_0 = 0

The cells are those of plastic worlds (`cells`), whose matrix that may be plastic is a weight like all others here.
(Elman 1990; Hochreiter & Schmidhuber 1997.)
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

CELLS: dict[str, type[Rate] | type[LSTM]] = {"rate": Rate, "lstm": LSTM}
PLASTIC = "recurrent_weight"


@settings
class Recurrent(Network):
    """One recurrent layer and a linear readout; parameters are those of the cell, `recurrent_weight`, `readout_...`.

    Attributes:
        in_shape: of a sample: [T, ...] is read in T steps, of one axis all numbers in one step.
        out_size: outputs.
        cell: rate (a tanh network) or lstm.
        units: of the recurrent layer, >= 1.
    """

    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    cell: Literal["rate", "lstm"] = static(default="rate")
    units: int = static(default=32)

    def __post_init__(self) -> None:
        require(len(self.in_shape) > 0, "A sample that is one number is read in no step: give it an axis.")
        require(self.cell in CELLS, f"cell must be {' or '.join(CELLS)}, but is {self.cell!r}.")
        for name in ("out_size", "units"):
            require_whole(name, getattr(self, name), 1)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of a row, units, outputs."""
        return (math.prod(self.in_shape[1:] or self.in_shape), self.units, self.out_size)

    def init(self, key: Key[Array, ""]) -> Params:
        """Uniform within 1 / sqrt(fan-in); the recurrent weights normal with deviation 0.7 / sqrt(units)."""
        cell, recurrent, readout = jax.random.split(key, 3)
        scale = Cell.spread / math.sqrt(self.units)
        weights = scale * jax.random.normal(recurrent, (self.units, self.units), jnp.float32)
        layer = self._cell.init(cell, self.sizes[0]) | {PLASTIC: weights}
        return layer | linear(readout, "readout", self.units, self.out_size)

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs after the last row."""
        rows = jnp.moveaxis(x.reshape(x.shape[0], -1, self.sizes[0]), 1, 0)
        step = jax.vmap(lambda carry, row: self._cell.step(params, carry, row, params[PLASTIC]))

        def read(before: tuple[PyTree, Array], row: Array) -> tuple[tuple[PyTree, Array], None]:
            after = step(before[0], row)
            return (after.carry, after.out), None

        silence = jax.tree.map(
            lambda one: jnp.broadcast_to(one, (x.shape[0], *one.shape)), self._cell.begin(x.dtype, self.sizes[0])
        )
        nothing = jnp.zeros((x.shape[0], self.units), x.dtype)
        (_, out), _ = jax.lax.scan(read, (silence, nothing), rows)
        return out @ params["readout_weight"] + params["readout_bias"]

    @property
    def _cell(self) -> Cell:
        return CELLS[self.cell](self.units)
