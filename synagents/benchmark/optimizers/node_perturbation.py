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

from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.hyperparameters import require, require_between, settings
from synagents.networks.mlp import MLP
from synagents.networks.perturbation import require_apart, two_passes
from synagents.schedules import Schedule, at, require_range
from synagents.tasks.samples import sample_losses
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
        require_apart(cast(MLP, problem.network))
        weights = problem.network.init(key)
        return NPState(weights, jax.tree.map(jnp.zeros_like, weights))

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: NPState, progress: Float[Array, ""]
    ) -> tuple[NPState, int]:
        """One noisy pass beside a clean one: two passes."""
        network, weights = cast(MLP, problem.network), state.weights  # init has checked
        samples = problem.samples(batch)
        seen = two_passes(key, network, weights, problem.task.stimulus(batch), self.noise)
        clean, noisy = (sample_losses(problem.task, batch, out) for out in (seen.clean, seen.noisy))
        blame = (noisy - clean) / (self.noise * samples)
        gradient = {}
        for layer, (x, z) in enumerate(zip(seen.inputs, seen.noise, strict=True)):
            gradient[f"layer{layer}_weight"] = x.T @ (blame[:, None] * z)
            gradient[f"layer{layer}_bias"] = blame @ z
        velocity = {name: self.momentum * v + gradient[name] for name, v in state.velocity.items()}
        rate = at(self.step_size, progress)
        return NPState({name: w - rate * velocity[name] for name, w in weights.items()}, velocity), 2 * samples
