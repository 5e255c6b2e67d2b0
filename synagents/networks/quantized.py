"""A multilayer perceptron whose weights and activations have few bits, with batch norm and no biases.

    W~ = H q(W / H),   H = sqrt(1.5 / (fan_in + fan_out))             every weight rounded to k = weight_bits
    h <- q(norm(h W~))                                                k = activation_bits; the last layer: norm alone
    norm(u) = (u - mean u) / sqrt(var u + 1e-4)                       over the batch that is given
    q(x) = 2 / (2^k - 1) round((2^k - 1) (clip(x, -1, 1) + 1) / 2) - 1    2^k even levels in [-1, 1]; of one bit sign(x)
    dq / dx = 1[|x| <= 1]                                             straight through

(Hubara, Courbariaux, Soudry, El-Yaniv & Bengio 2016, "Quantized Neural Networks", section 2, and BinaryNet's code; H is
from Courbariaux, Bengio & David 2015. There batch norm has a gain, an offset and running statistics; here it has none.)
The rounding has a derivative of its own, so whatever differentiates the loss trains the network by the published rule;
agents only run it forward.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require, settings, static
from synagents.networks.mlp import require_layers
from synagents.networks.normalisation import batch_norm
from synagents.world import Levels, Network, Params

__all__ = ["Quantized"]

MOST_BITS = 8
FLOAT = 32  # bits of a number that is not rounded


@settings
class Quantized(Network):
    """A fully connected network of rounded numbers; parameters are `layer0_weight` f32[fan_in, fan_out], ...

    A sample's output depends on the others of its batch, whose mean and variance are taken.

    Attributes:
        sizes: units of every layer, input first, each >= 1; (64, 32, 10) has one hidden layer.
        weight_bits: of a weight: 1 (-1 or +1) .. 8, or 32, where weights are not rounded.
        activation_bits: of a hidden unit: 1 (-1 or +1) .. 8, or 32, where it is clip(u, -1, 1).
    """

    sizes: tuple[int, ...] = static()
    weight_bits: int = static(default=1)
    activation_bits: int = static(default=1)

    def __post_init__(self) -> None:
        require_layers(self.sizes)
        require_bits("weight_bits", self.weight_bits)
        require_bits("activation_bits", self.activation_bits)

    @property
    def normalises(self) -> bool:
        """Over the batch."""
        return True

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, uniform in (-H, H), layer by layer."""
        return {
            name: bound * jax.random.uniform(jax.random.fold_in(key, layer), shape, jnp.float32, -1.0, 1.0)
            for layer, (name, (shape, bound)) in enumerate(self._layers().items())
        }

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs (logits), normalised over the batch, for inputs of any shape with sizes[0] numbers each."""
        h = x.reshape(x.shape[0], -1)
        for layer, (name, (_, bound)) in enumerate(self._layers().items()):
            if layer:
                h = rounded(h, self.activation_bits)
            # The bound is left out, since batch norm undoes it: products of one bit are sums of whole numbers.
            weight = params[name] / bound
            h = batch_norm(h @ (weight if self.weight_bits == FLOAT else rounded(weight, self.weight_bits)))
        return h

    def project(self, params: Params) -> Params:
        """Weights that are rounded stay within (-H, H), where the rounding can see them move."""
        if self.weight_bits == FLOAT:
            return params
        return {name: jnp.clip(params[name], -bound, bound) for name, (_, bound) in self._layers().items()}

    def levels(self) -> dict[str, Levels]:
        """2^weight_bits numbers from -H to H; none where weights are not rounded."""
        if self.weight_bits == FLOAT:
            return {}
        return {name: Levels(-bound, bound, 2**self.weight_bits) for name, (_, bound) in self._layers().items()}

    def _layers(self) -> dict[str, tuple[tuple[int, int], float]]:
        """Every layer's shape and H."""
        shapes = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return {f"layer{i}_weight": (shape, math.sqrt(1.5 / sum(shape))) for i, shape in enumerate(shapes)}


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def rounded(x: Float[Array, "..."], bits: int) -> Float[Array, "..."]:
    """The nearest of 2^bits evenly spaced numbers in [-1, 1]; from halfway between two it goes up.

    Its derivative is that of clip(x, -1, 1), straight through.

    Args:
        x: any numbers.
        bits: 1 .. 8, or 32: not rounded, but clip(x, -1, 1).
    """
    if bits == FLOAT:
        return jnp.clip(x, -1, 1)
    if bits == 1:
        return jnp.where(x >= 0, jnp.float32(1), -1)
    steps = 2**bits - 1
    return jnp.floor(steps * (jnp.clip(x, -1, 1) + 1) / 2 + 0.5) * (2 / steps) - 1


@rounded.defjvp
def _straight_through(
    bits: int, x: tuple[Float[Array, "..."]], dx: tuple[Float[Array, "..."]]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    return rounded(x[0], bits), jnp.where(jnp.abs(x[0]) <= 1, dx[0], 0)


def require_bits(name: str, bits: int) -> None:
    """Raise ValueError unless numbers can have so many bits here."""
    require(
        type(bits) is int and (1 <= bits <= MOST_BITS or bits == FLOAT),
        f"{name} must be a whole number in 1 .. {MOST_BITS}, or {FLOAT} for no rounding, but is {bits!r}.",
    )
