"""A multilayer perceptron of whole numbers: int8 weights and activations, int32 sums, nothing else.

    s = h W + 2^7 b                                    h, W, b int8;  s int32
    h <- clip(s >> k, 0, 127),   k = 4 + round(log2(fan_in) / 2)      a hidden layer: ReLU, back to int8
    out = s >> 4                                       the last layer: logits in units of 2^-10 bit

A bias is the weight of an input that is always 2^7. The shift divides by 2^4 sqrt(fan_in), so that sums of fan_in
products of ordinary size fit eight bits. (EGGROLL's integer model: Sarkar et al. 2025, arXiv 2511.16652; int8 products
with int32 sums: Jacob et al. 2018. There a model may have other layers; this is the plain perceptron.)
"""

import math
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8, Int32, Key

from synagents.hyperparameters import require_whole, settings, static
from synagents.networks.mlp import require_layers
from synagents.task import LARGEST_INT8, Levels
from synagents.world import Network, Params

__all__ = ["IntegerMLP"]

ONE = 7  # a bias is the weight of an input 2^7
OUT_SHIFT = 4  # from sums to logits in units of 2^-10 bit


@settings
class IntegerMLP(Network):
    """A fully connected network; parameters are `layer0_weight` int8[fan_in, fan_out], `layer0_bias` int8[fan_out], ...

    Attributes:
        sizes: units of every layer, input first, each >= 1; (64, 32, 10) has one hidden layer.
        init_levels: half-width of the uniform initial weights in levels, 0 .. 127; biases begin at 0.
    """

    integer: ClassVar[bool] = True

    sizes: tuple[int, ...] = static()
    init_levels: int = static(default=13)

    def __post_init__(self) -> None:
        require_layers(self.sizes)
        require_whole("init_levels", self.init_levels, 0, LARGEST_INT8)

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """By how many bits the sums of each layer are moved right."""
        hidden = tuple(4 + round(math.log2(fan_in) / 2) for fan_in in self.sizes[:-2])
        return (*hidden, OUT_SHIFT)

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, layer by layer."""
        params = {}
        for layer, shape in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)):
            most = self.init_levels
            drawn = jax.random.randint(jax.random.fold_in(key, layer), shape, -most, most + 1, jnp.int32)
            params[f"layer{layer}_weight"] = drawn.astype(jnp.int8)
            params[f"layer{layer}_bias"] = jnp.zeros(shape[1:], jnp.int8)
        return params

    def levels(self) -> dict[str, Levels]:
        """The whole numbers -127 .. 127."""
        groups = [f"layer{layer}_{part}" for layer in range(len(self.sizes) - 1) for part in ("weight", "bias")]
        return dict.fromkeys(groups, Levels(-LARGEST_INT8, LARGEST_INT8, 2 * LARGEST_INT8 + 1))

    def apply(self, params: Params, x: Int8[Array, "B ..."]) -> Int32[Array, "B out"]:
        """The outputs, logits in units of 2^-10 bit, for inputs of any shape with sizes[0] numbers each."""
        h = x.reshape(x.shape[0], -1)
        for layer, shift in enumerate(self.shifts):
            s = summed(h, params[f"layer{layer}_weight"], params[f"layer{layer}_bias"]) >> shift
            h = s if layer == len(self.shifts) - 1 else jnp.clip(s, 0, LARGEST_INT8).astype(jnp.int8)
        return h


def summed(h: Int8[Array, "B n"], weight: Int8[Array, "n m"], bias: Int8[Array, "m"]) -> Int32[Array, "B m"]:
    """Sums h W + 2^7 b in int32: products of int8, for which processors have instructions of their own."""
    products = jax.lax.dot_general(h, weight, (((1,), (0,)), ((), ())), preferred_element_type=jnp.int32)
    return products + (bias.astype(jnp.int32) << ONE)
