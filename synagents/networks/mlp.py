"""A multilayer perceptron: h <- f(h W + b) layer by layer, the last layer linear.

Weights start uniform in (-init_scale, init_scale) and biases at 0, as in the original (SynRL: 0.1). With batch norm the
sums of hidden units are normalised before their bias is added.
"""

import numbers
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require, require_between, settings, static
from synagents.networks.normalisation import Norm, batch_norm
from synagents.world import Network, Params

__all__ = ["MLP"]

Activation = Literal["relu", "tanh", "sigmoid", "identity"]
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "identity": lambda h: h}


@settings
class MLP(Network):
    """A fully connected network; parameters are `layer0_weight` f32[fan_in, fan_out], `layer0_bias` f32[fan_out], ...

    Attributes:
        sizes: units of every layer, input first, each >= 1; (784, 32, 10) has one hidden layer.
        activation: of the hidden units: relu, tanh, sigmoid or identity.
        init_scale: half-width of the uniform initial weights, >= 0.
        norm: of the sums of hidden units: none, or batch (`synagents.networks.normalisation`).
    """

    sizes: tuple[int, ...] = static()
    activation: Activation = static(default="relu")
    init_scale: float = 0.1
    norm: Norm = static(default="none")

    def __post_init__(self) -> None:
        require_layers(self.sizes)
        require_between("init_scale", self.init_scale, 0)

    @cached_property
    def normalises(self) -> bool:
        """Whether there is a hidden layer with batch norm."""
        return self.norm == "batch" and len(self.sizes) > 2

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, layer by layer."""
        params = {}
        for layer, (fan_in, fan_out) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)):
            unit = jax.random.uniform(jax.random.fold_in(key, layer), (fan_in, fan_out), jnp.float32, -1.0, 1.0)
            params[f"layer{layer}_weight"] = jnp.asarray(self.init_scale, jnp.float32) * unit
            params[f"layer{layer}_bias"] = jnp.zeros(fan_out, jnp.float32)
        return params

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs (logits) for a batch of inputs of any shape with sizes[0] numbers each."""
        return self.passed(params, x)[0]

    def passed(
        self, params: Params, x: Float[Array, "B ..."], added: tuple[Float[Array, "B m"], ...] | None = None
    ) -> tuple[Float[Array, "B out"], tuple[Float[Array, "B n"], ...]]:
        """The outputs, and what each layer was given.

        Args:
            params: of `init`.
            x: inputs of any shape with sizes[0] numbers each.
            added: to the inputs of the m units of every layer; None for nothing.
        """
        h, given = x.reshape(x.shape[0], -1), []
        last = len(self.sizes) - 2
        for layer in range(last + 1):
            given.append(h)
            h = h @ params[f"layer{layer}_weight"]
            if self.norm == "batch" and layer < last:
                h = batch_norm(h)
            h = h + params[f"layer{layer}_bias"]
            if added is not None:
                h = h + added[layer]
            if layer < last:
                h = ACTIVATIONS[self.activation](h)
        return h, tuple(given)


def require_layers(sizes: tuple[int, ...]) -> None:
    """Raise ValueError unless these are the units of two layers or more."""
    whole = all(isinstance(size, numbers.Integral) and size >= 1 for size in sizes)
    require(
        len(sizes) >= 2 and whole,
        f"A network needs an input and an output layer and at least one unit in each, but sizes are {sizes}.",
    )
