"""Spiking cells: leaky integrate-and-fire units, whose synapses feel low-passed spikes on both sides.

    u' = .9 u (1 - s) + arriving,   s' = 1[u' > 1],   y' = .8 y + .2 s'        membrane, spike, low-passed spike
    lif            arriving = x Wx + s W                                       pre = y, post = y'
    lif-forward    arriving = x W,   z' = .8 z + .2 x                          pre = z', post = y'

W is what may be plastic. A spike resets the membrane to 0. The derivative of a spike is a surrogate
(`networks/spiking.py`). What the rest of the network sees is y'. (Plasticity of spiking networks by gradients:
Schmidgall, Ashkanazy, Lawson & Hays 2021, "SpikePropamine", arXiv 2106.02681. Neither their equations nor their
constants are public: these are ours.)
"""

import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import settings, static
from synagents.networks.cells import Cell, Stepped
from synagents.networks.spiking import fired
from synagents.task import Params

LEAK = 0.9  # what a step leaves of a membrane
SMOOTH = 0.8  # what a step leaves of a low-passed spike
SPREAD = 3.0  # of fresh input weights


class Spiked(NamedTuple):
    """Units after a step."""

    membrane: Float[Array, "H"]
    spike: Float[Array, "H"]
    smooth: Float[Array, "H"]  # y
    seen: Float[Array, "D"]  # z; of `lif` empty


@settings
class LIF(Cell):
    """Spiking units that also hear each other's spikes of the step before; these synapses may be plastic.

    Attributes:
        units: H >= 1.
    """

    units: int = static(default=24)

    def init(self, key: Key[Array, ""], inputs: int) -> Params:
        """`input_weight` [D, H], normal."""
        scale = SPREAD / math.sqrt(inputs)
        return {"input_weight": scale * jax.random.normal(key, (inputs, self.units), jnp.float32)}

    def begin(self, dtype: jnp.dtype, inputs: int) -> Spiked:
        """Silence."""
        del inputs
        return _silence(self.units, 0, dtype)

    def step(self, params: Params, carry: Spiked, x: Float[Array, "D"], weights: Float[Array, "H H"]) -> Stepped:
        """One step."""
        after = _fire(carry, x @ params["input_weight"] + carry.spike @ weights)
        return Stepped(after, after.smooth, carry.smooth, after.smooth)


@settings
class ForwardLIF(Cell):
    """Spiking units that hear the stimulus alone, through synapses that may be plastic.

    Attributes:
        units: H >= 1.
    """

    plastic: ClassVar[str] = "input"
    spread: ClassVar[float] = SPREAD

    units: int = static(default=24)

    def init(self, key: Key[Array, ""], inputs: int) -> Params:
        """Nothing: the input weights are those that may be plastic."""
        del key, inputs
        return {}

    def begin(self, dtype: jnp.dtype, inputs: int) -> Spiked:
        """Silence."""
        return _silence(self.units, inputs, dtype)

    def step(self, params: Params, carry: Spiked, x: Float[Array, "D"], weights: Float[Array, "D H"]) -> Stepped:
        """One step."""
        del params
        after = _fire(carry, x @ weights)._replace(seen=_smoothed(carry.seen, x))
        return Stepped(after, after.smooth, after.seen, after.smooth)


def _silence(units: int, inputs: int, dtype: jnp.dtype) -> Spiked:
    silent = jnp.zeros(units, dtype)
    return Spiked(silent, silent, silent, jnp.zeros(inputs, dtype))


def _fire(units: Spiked, arriving: Float[Array, "H"]) -> Spiked:
    """The units after a step in which this arrived."""
    u = LEAK * units.membrane * (1 - units.spike) + arriving
    s = fired(u)
    return units._replace(membrane=u, spike=s, smooth=_smoothed(units.smooth, s))


def _smoothed(y: Float[Array, "n"], s: Float[Array, "n"]) -> Float[Array, "n"]:
    return SMOOTH * y + (1 - SMOOTH) * s
