"""A recurrent network of whole numbers that reads a window and answers at its end: int8 states, int32 sums.

    s = x_t Wx + h Wh + 2^7 b                   x, h, Wx, Wh, b int8;  s int32
    h <- clip(s >> k, -127, 127),   k = 4 + round(log2(units) / 2)
    out = ((h Wo + 2^7 bo) >> 2) + (x_T S >> 1)       logits in units of 2^-10 bit;  S where it is asked for

The unit is Elman's (1990) with a hard tanh, and S a path around it, as in `recurrent`, the network's real twin. (The
integer recurrent model of EGGROLL, Sarkar et al. 2025, arXiv 2511.16652, has gates; this one has none.)
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8, Int32, Key

from synagents.hyperparameters import require_whole, settings, static
from synagents.networks.integer import summed
from synagents.networks.recurrent import require_steps
from synagents.task import LARGEST_INT8
from synagents.world import Network, Params

__all__ = ["IntegerRecurrent"]

OUT_SHIFT = 2
SKIP_SHIFT = 1  # a level of a skip from a 127 is 1/16 bit


@settings
class IntegerRecurrent(Network):
    """One recurrent layer; parameters are `input_weight`, `recurrent_weight`, `recurrent_bias`, `output_weight`, ...

    Attributes:
        in_shape: of a sample: (steps, numbers in each).
        out_size: outputs.
        units: of the recurrent layer, >= 1.
        init_levels: half-width of the uniform initial weights in levels, 0 .. 127; biases begin at 0.
        skip: whether what is seen last reaches the outputs past the layer, too, by `skip_weight`, which begins at 0.
    """

    integer: ClassVar[bool] = True

    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    units: int = static(default=64)
    init_levels: int = static(default=32)
    skip: bool = static(default=False)

    def __post_init__(self) -> None:
        require_steps(self.in_shape)
        require_whole("out_size", self.out_size, 1)
        require_whole("units", self.units, 1)
        require_whole("init_levels", self.init_levels, 0, LARGEST_INT8)

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters."""
        shapes = {
            "input_weight": (self.in_shape[1], self.units),
            "recurrent_weight": (self.units, self.units),
            "output_weight": (self.units, self.out_size),
        }
        most = self.init_levels
        params = {
            name: jax.random.randint(jax.random.fold_in(key, place), shape, -most, most + 1, jnp.int32).astype(jnp.int8)
            for place, (name, shape) in enumerate(shapes.items())
        }
        zeros: dict[str, tuple[int, ...]] = {"recurrent_bias": (self.units,), "output_bias": (self.out_size,)}
        if self.skip:
            zeros["skip_weight"] = (self.in_shape[1], self.out_size)
        return params | {name: jnp.zeros(shape, jnp.int8) for name, shape in zeros.items()}

    def apply(self, params: Params, x: Int8[Array, "B T D"]) -> Int32[Array, "B out"]:
        """The outputs after the last step, logits in units of 2^-10 bit."""
        batch, (steps, numbers) = len(x), self.in_shape
        seen = x.reshape(batch * steps, numbers)
        arrived = summed(seen, params["input_weight"], params["recurrent_bias"]).reshape(batch, steps, self.units)
        shift = 4 + round(math.log2(self.units) / 2)
        silent = jnp.zeros_like(params["recurrent_bias"])

        def step(h: Int8[Array, "B H"], arrived: Int32[Array, "B H"]) -> tuple[Int8[Array, "B H"], None]:
            s = (arrived + summed(h, params["recurrent_weight"], silent)) >> shift
            return jnp.clip(s, -LARGEST_INT8, LARGEST_INT8).astype(jnp.int8), None

        h, _ = jax.lax.scan(step, jnp.zeros((batch, self.units), jnp.int8), jnp.moveaxis(arrived, 1, 0))
        out = summed(h, params["output_weight"], params["output_bias"]) >> OUT_SHIFT
        if not self.skip:
            return out
        last = seen.reshape(batch, steps, numbers)[:, -1]
        return out + (summed(last, params["skip_weight"], jnp.zeros_like(params["output_bias"])) >> SKIP_SHIFT)
