"""Layers of leaky integrate-and-fire units that read a sample row by row, in time, through synapses that low-pass.

    I_t = a^{l-1}_t W + a^{l-2}_t S + r a_{t-1}       what arrives: from the layer below, past one layer, from itself
    I <- .5 (I - mean) / sd                           on request, over a batch's samples and steps, before r a is added
    u <- (1 - 1 / tau) u + gain I_t                   membrane;   tau = 1 + softplus(rho + 5 leak),  gain = e^{5 gain}
    s = 1[u > 1],   u <- u (1 - s)                    spike and reset
    a <- a + (s - a) / tau_s                          what the synapses pass on (post-synaptic current)
    ds / du = sigma'((u - 1) / .2) / .2               in place of the derivative that a step does not have

S, r, and the intrinsic numbers leak and gain of every unit are there where they are asked for (ScSr-SNN with BIP, Zhang
& Li 2021: "Skip-connected self-recurrent spiking neural networks with joint intrinsic parameter and synaptic weight
training"; units and synapses as in TSSL-BP, Zhang & Li 2020; the surrogate as in Neftci, Mostafa & Zenke 2019). Since
a unit's only recurrence is its own, a layer is one product over all steps and a loop over elements. The paper's code is
not public: the form of leak and gain is ours.
"""

import math
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.networks.normalisation import Norm, batch_norm
from synagents.world import Network, Params

__all__ = ["Spiking"]

Readout = Literal["leaky", "spikes"]
WIDTH = 0.2  # of the surrogate, in units of the threshold
FASTER = 5.0  # how much further intrinsic numbers go than weights, in the exponent
GAIN = 10.0  # of what is read out of spikes
CURRENT = 0.5  # deviation of currents with batch norm: with the usual leak a unit then fires in a part of the steps


@settings
class Spiking(Network):
    """A feed-forward network of spiking layers; parameters are `layer0_weight`, and `layer<i>_skip`, `_loop`, ...

    Attributes:
        in_shape: of a sample: [T, ...] is read in T steps, of one axis all numbers in each of `exposure` steps.
        out_size: outputs.
        hidden: units of the hidden layers, each >= 1.
        self_recurrence: whether every unit hears its own last current, by a weight of its own (`_loop`).
        skips: whether every layer but the first also hears the layer below the one below (`_skip`).
        intrinsic: whether leak and gain of every unit are parameters, too (`_leak`, `_gain`).
        readout: leaky, the outputs are membranes that never fire, or spikes, they are currents of units that do; the
            mean over the last `window` steps.
        window: steps that are read out, >= 1; all where there are fewer.
        exposure: steps in which a sample of one axis is shown, >= 1.
        membrane: tau, time constant of membranes in steps, > 1.
        synapse: tau_s, time constant of currents in steps, >= 1.
        norm: of what arrives at a unit from other layers: none, or batch, with deviation 0.5 over samples and steps.
        init_scale: standard deviation of fresh weights, times the root of the fan-in, >= 0.
        hidden_scale: how many times larger those of hidden layers are, >= 0. With batch norm a step turns a unit's
            weights the less, the larger they are, and nothing else changes; without it currents are larger.
    """

    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    hidden: tuple[int, ...] = static(default=(48,))
    self_recurrence: bool = static(default=False)
    skips: bool = static(default=False)
    intrinsic: bool = static(default=False)
    readout: Readout = static(default="leaky")
    window: int = static(default=10)
    exposure: int = static(default=8)
    membrane: float = 5.0
    synapse: float = 3.0
    norm: Norm = static(default="none")
    init_scale: float = 3.0
    hidden_scale: float = 1.0

    def __post_init__(self) -> None:
        require(len(self.in_shape) > 0, "A sample that is one number is read in no step: give it an axis.")
        require(
            all(type(units) is int and units >= 1 for units in self.hidden),
            f"Every hidden layer needs a unit, but hidden is {self.hidden}.",
        )
        for name in ("out_size", "window", "exposure"):
            require_whole(name, getattr(self, name), 1)
        require_between("membrane", self.membrane, 1, above=True)
        require_between("synapse", self.synapse, 1)
        require_between("init_scale", self.init_scale, 0)
        require_between("hidden_scale", self.hidden_scale, 0)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of a row, hidden units, outputs."""
        row = self.in_shape if len(self.in_shape) == 1 else self.in_shape[1:]
        return (math.prod(row), *self.hidden, self.out_size)

    @cached_property
    def normalises(self) -> bool:
        """Whether currents are normalised over the batch."""
        return self.norm == "batch"

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh weights from a normal distribution; skips, loops, leaks and gains are 0.

        Skips that were drawn, too, would double the variance of what arrives, and the networks end lower.
        """
        params: Params = {}
        for layer, units in enumerate(self.sizes[1:]):
            fan_in = self.sizes[layer]
            larger = self.hidden_scale if layer < len(self.hidden) else 1
            scale = jnp.asarray(self.init_scale * larger / math.sqrt(fan_in), jnp.float32)
            drawn = jax.random.normal(jax.random.fold_in(key, layer), (fan_in, units), jnp.float32)
            params[f"layer{layer}_weight"] = scale * drawn
            if self.skips and layer:
                params[f"layer{layer}_skip"] = jnp.zeros((self.sizes[layer - 1], units), jnp.float32)
            if self.self_recurrence:
                params[f"layer{layer}_loop"] = jnp.zeros(units, jnp.float32)
            for name in ("leak", "gain") if self.intrinsic else ():
                params[f"layer{layer}_{name}"] = jnp.zeros(units, jnp.float32)
        return params

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs, read out of the last layer over the last steps."""
        out = self.layers(params, x)[-1][-self.window :].mean(axis=0)
        return GAIN * out if self.readout == "spikes" else out

    def layers(self, params: Params, x: Float[Array, "B ..."]) -> list[Float[Array, "T B n"]]:
        """What every layer passes on, step by step; of a leaky readout its membranes."""
        passed, last = [self._currents(x)], len(self.sizes) - 2
        for layer in range(last + 1):
            arriving = passed[layer] @ params[f"layer{layer}_weight"]
            if self.skips and layer:
                arriving = arriving + passed[layer - 1] @ params[f"layer{layer}_skip"]
            if self.norm == "batch":
                arriving = CURRENT * batch_norm(arriving)
            fires = layer < last or self.readout == "spikes"
            passed.append(self._layer(params, layer, arriving, fires=fires))
        return passed[1:]

    def _currents(self, x: Float[Array, "B ..."]) -> Float[Array, "T B n"]:
        """The sample, step by step, through synapses."""
        if len(self.in_shape) == 1:
            shown = jnp.broadcast_to(x.reshape(x.shape[0], -1), (self.exposure, x.shape[0], self.sizes[0]))
        else:
            shown = jnp.moveaxis(x.reshape(x.shape[0], self.in_shape[0], -1), 1, 0)

        def step(a: Array, now: Array) -> tuple[Array, Array]:
            a = a + (now - a) / self.synapse
            return a, a

        return jax.lax.scan(step, jnp.zeros_like(shown[0]), shown)[1]

    def _layer(
        self, params: Params, layer: int, arriving: Float[Array, "T B n"], *, fires: bool
    ) -> Float[Array, "T B n"]:
        """What the units of a layer pass on, or their membranes where they do not fire."""
        tau, gain = jnp.asarray(self.membrane, jnp.float32), jnp.float32(1)
        if self.intrinsic:
            rho = jnp.log(jnp.expm1(tau - 1))  # so that leak 0 means the usual time constant
            tau = 1 + jax.nn.softplus(rho + FASTER * params[f"layer{layer}_leak"])
            gain = jnp.exp(FASTER * params[f"layer{layer}_gain"])
        loop = params[f"layer{layer}_loop"] if self.self_recurrence else jnp.float32(0)

        def step(carry: tuple[Array, Array], now: Array) -> tuple[tuple[Array, Array], Array]:
            u, a = carry
            u = (1 - 1 / tau) * u + gain * (now + loop * a)
            if not fires:
                return (u, u), u
            s = fired(u)
            a = a + (s - a) / self.synapse
            return (u * (1 - s), a), a

        silent = jnp.zeros_like(arriving[0])
        return jax.lax.scan(step, (silent, silent), arriving)[1]


@jax.custom_jvp
def fired(u: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 where a membrane is above the threshold 1, else 0; its derivative is that of a logistic function."""
    return (u > 1).astype(u.dtype)


@fired.defjvp
def _surrogate(
    u: tuple[Float[Array, "..."]], du: tuple[Float[Array, "..."]]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    z = jax.nn.sigmoid((u[0] - 1) / WIDTH)
    return fired(u[0]), z * (1 - z) / WIDTH * du[0]
