"""A stochastic unit: its inputs make a potential, the potential a probability, and a random number its activity.

    U = sum_i x_i w_i + b        p(h) ~ exp(h U / temperature)
    score function = d log p(h) / dU = (h - E[h]) / temperature

One formula serves units that fire or not in either code ({-1, 1}: E[h] = tanh(U / temperature); {0, 1}: a sigmoid),
one of K (a softmax; h is one-hot) and Gaussian units around U, whose temperature is their variance. (The exponential
family; Williams 1992 calls the score function the characteristic eligibility.)
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require
from synagents.world import Group

Kind = Literal["sign", "bit", "gaussian", "softmax"]
CODES: dict[str, tuple[float, ...]] = {"sign": (-1.0, 1.0), "bit": (0.0, 1.0)}
Temperature = float | Float[Array, ""]


class Synapses(NamedTuple):
    """What a layer's units listen with: their policy's parameters. Gradients and traces have the same form."""

    weight: Float[Array, "D n"]
    bias: Float[Array, "n"]


class Fired(NamedTuple):
    """What the units of a layer drew from: what learners note of a turn, for `update` and for probes."""

    potential: Float[Array, "n"]  # U
    temperature: Float[Array, ""] | None  # of the draw; None where it was none around U as the layer's kind says


@dataclass(frozen=True)
class Layer:
    """A group of stochastic units: what `Group.about` holds in worlds of units.

    Attributes:
        name: of the group.
        kind: "sign" {-1, 1} and "bit" {0, 1} fire or not; "gaussian" units are numbers; "softmax" is one of K.
        width: numbers in its activity: units, or the K choices of the one softmax agent.
        sources: whose activity its units see, in the order of their observation, such as ("input",) or
            ("hidden0", "output").
        fans: numbers that come from each source.
    """

    name: str
    kind: Kind
    width: int
    sources: tuple[str, ...]
    fans: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """Numbers that reach a unit."""
        return sum(self.fans)


def layers_of(
    groups: tuple[Group, ...],
    learner: str,
    *,
    hidden: Collection[str] = ("sign", "bit"),
    output: Collection[str] = get_args(Kind),
    recurrent: bool = False,
) -> tuple[Layer, ...]:
    """The layers of a network of units, from input to output; ValueError where the learner cannot use them.

    Args:
        groups: the agents of a world.
        learner: its name in the error.
        hidden: kinds of hidden units it knows.
        output: kinds of output units it knows.
        recurrent: whether it is made for layers that also listen to the layer above, rather than for those that do not.
    """
    layers: list[Layer] = []
    for group in groups:
        if not isinstance(group.about, Layer):
            raise ValueError(
                f"{learner} needs units that see one another's activity, but {group.name} sees {group.obs_space}: play "
                "a task of decisions, such as multiplexer, in synagents.envs.unit_v0."
            )
        layers.append(group.about)
    for layer in layers[:-1]:
        require(
            layer.kind in hidden,
            f"{learner} knows hidden units of kind {' or '.join(hidden)}, but those of {layer.name} are "
            f"{layer.kind}: choose others by the world's units.",
        )
    require(
        layers[-1].kind in output,
        f"{learner} knows output units of kind {' or '.join(output)}, but the task asks for {layers[-1].kind}.",
    )
    listens = any(len(layer.sources) > 1 for layer in layers)
    require(
        listens == recurrent,
        f"{learner} is made for layers that "
        + (
            "also listen to the layer above: build the world with feedback."
            if recurrent
            else "listen to the layer below alone: build the world without feedback."
        ),
    )
    return tuple(layers)


def activity(layer: Layer, action: Array) -> Float[Array, "... n"]:
    """What an action is inside the network: in the units' code, one-hot for softmax; any axes in front."""
    if layer.kind == "softmax":
        return jax.nn.one_hot(action[..., 0], layer.width, dtype=jnp.float32)
    if layer.kind == "gaussian":
        return action
    low, high = CODES[layer.kind]
    return low + (high - low) * action.astype(jnp.float32)


def potential(synapses: Synapses, x: Float[Array, "... D"]) -> Float[Array, "... n"]:
    """What reaches each unit of a layer."""
    return x @ synapses.weight + synapses.bias


def mean(layer: Layer, u: Float[Array, "... n"], temperature: Temperature = 1.0) -> Float[Array, "... n"]:
    """E[h]: what a unit's activity is on average."""
    match layer.kind:
        case "sign":
            return jnp.tanh(u / temperature)
        case "bit":
            return jax.nn.sigmoid(u / temperature)
        case "softmax":
            return jax.nn.softmax(u / temperature)
    return u


def score_function(
    layer: Layer, h: Float[Array, "... n"], u: Float[Array, "... n"], temperature: Temperature = 1.0
) -> Float[Array, "... n"]:
    """The characteristic eligibility d log p(h) / dU: where the potential has to go for more of this activity."""
    return (h - mean(layer, u, temperature)) / temperature


def slope(layer: Layer, u: Float[Array, "... n"]) -> Float[Array, "... n"]:
    """The derivative d E[h] / dU of units that fire or not, at temperature 1."""
    m = mean(layer, u)
    return 1 - m**2 if layer.kind == "sign" else m * (1 - m)


def fire(key: Key[Array, ""], layer: Layer, u: Float[Array, "n"], temperature: Temperature = 1.0) -> Array:
    """Draw the actions of a layer's agents: uint8[n] or f32[n], uint8[1] for softmax.

    Args:
        key: random key, used once.
        layer: whose units they are.
        u: their potentials.
        temperature: > 0; the variance of Gaussian units.
    """
    if layer.kind == "gaussian":
        return u + jnp.sqrt(temperature) * jax.random.normal(key, u.shape, jnp.float32)
    if layer.kind == "softmax":
        noise = jax.random.gumbel(key, u.shape, jnp.float32)
        return jnp.argmax(u / temperature + noise, keepdims=True).astype(jnp.uint8)
    low, high = CODES[layer.kind]
    chance = jax.nn.sigmoid((high - low) * u / temperature)
    return (jax.random.uniform(key, u.shape, jnp.float32) < chance).astype(jnp.uint8)
