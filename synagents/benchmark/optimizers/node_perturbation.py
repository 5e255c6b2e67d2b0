"""Node perturbation: shake every unit's input a little, and blame the shaking for the change of each sample's loss.

    h_l = x_l W_l + b_l,   h'_l = x'_l W_l + b_l + sigma z_l,   z ~ N(0, 1) per sample and unit
    dW_l = mean over samples of (loss' - loss) / sigma  x_l^T z_l,   db_l likewise without x;   w <- w - step_size dw

All layers are shaken at once; each sample has its own noise and is blamed with its own loss, less its loss without
noise: two passes. A layer's input x_l is that of the clean pass. The mean of dw over z is the gradient up to terms of
order sigma. Where a synapse agent is blamed for the team's loss, here a unit is, and its synapses share the blame by
what they carried. (Jabri & Flower 1992; Werfel, Xie & Seung 2005.)
"""

from typing import ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents import keys
from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.counter import counter_key
from synagents.hyperparameters import require, require_between, settings
from synagents.networks.mlp import ACTIVATIONS, MLP
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["NodePerturbation"]


class NPState(NamedTuple):
    """Where it is and where it is going."""

    weights: Params
    velocity: Params


@settings
class NodePerturbation(Optimizer):
    """Descent along what the noise of single units says of the gradient; for multilayer perceptrons.

    Attributes:
        step_size: weight change per unit of estimated gradient, >= 0; a number or a schedule over progress.
        noise: sigma, standard deviation of what is added to a unit's input, > 0.
        momentum: share in [0, 1] of the last step that is kept.
    """

    told: ClassVar[Told] = "samples"

    step_size: Schedule = 0.1
    noise: float = 1e-2
    momentum: float = 0.0

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)
        require_between("noise", self.noise, 0, above=True)
        require_between("momentum", self.momentum, 0, 1)

    def init(self, key: Key[Array, ""], problem: Problem) -> NPState:
        """The network's initial weights, at rest; ValueError unless the network is an MLP."""
        require(
            isinstance(problem.network, MLP),
            f"Node perturbation knows the units of an MLP, but the network is a {type(problem.network).__name__}: "
            "choose another line to beat.",
        )
        weights = problem.network.init(key)
        return NPState(weights, jax.tree.map(jnp.zeros_like, weights))

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: NPState, progress: Float[Array, ""]
    ) -> tuple[NPState, int]:
        """One noisy pass beside a clean one: two passes."""
        network, weights = cast(MLP, problem.network), state.weights  # init has checked
        x, samples = problem.task.stimulus(batch), problem.samples(batch)
        noise = _noise(key, network.sizes[1:], samples)
        silence = [jnp.zeros_like(z) for z in noise]
        clean, inputs = passed(network, weights, x, silence)
        noisy, _ = passed(network, weights, x, [self.noise * z for z in noise])
        blame = (_losses(problem, batch, noisy) - _losses(problem, batch, clean)) / (self.noise * samples)
        gradient = {}
        for layer, (x, z) in enumerate(zip(inputs, noise, strict=True)):
            gradient[f"layer{layer}_weight"] = x.T @ (blame[:, None] * z)
            gradient[f"layer{layer}_bias"] = blame @ z
        velocity = {name: self.momentum * v + gradient[name] for name, v in state.velocity.items()}
        rate = at(self.step_size, progress)
        return NPState({name: w - rate * velocity[name] for name, w in weights.items()}, velocity), 2 * samples


def passed(
    network: MLP, weights: Params, x: Float[Array, "B in"], noise: list[Float[Array, "B n"]]
) -> tuple[Float[Array, "B out"], list[Float[Array, "B n"]]]:
    """The network's outputs with noise on the inputs of its units, and what each layer was given."""
    h, given = x.reshape(x.shape[0], -1), []
    for layer, shake in enumerate(noise):
        given.append(h)
        h = h @ weights[f"layer{layer}_weight"] + weights[f"layer{layer}_bias"] + shake
        if layer < len(noise) - 1:
            h = ACTIVATIONS[network.activation](h)
    return h, given


def _noise(key: Key[Array, ""], units: tuple[int, ...], samples: int) -> list[Float[Array, "B n"]]:
    """Standard normal numbers per sample and unit, layer by layer."""
    return [
        jax.random.normal(jax.random.fold_in(counter_key(key), layer), (samples, n), jnp.float32)
        for layer, n in enumerate(units)
    ]


def _losses(problem: Problem, batch: TaskState, out: Float[Array, "B out"]) -> Float[Array, "B"]:
    """The loss of every sample by itself."""

    def loss(one: Float[Array, "out"], target: Array) -> Float[Array, ""]:
        alone = batch._replace(target=target[None])
        return problem.task.respond(keys.seed_key(0), alone, one[None])[1]

    return jax.vmap(loss)(out, batch.target)
