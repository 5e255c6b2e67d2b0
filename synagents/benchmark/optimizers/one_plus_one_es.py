"""(1+1) evolution strategy: move all weights at random, and stay where the loss is no higher.

    w' = w + sigma z,  z ~ N(0, 1)^N;      w <- w' if L(w') <= L(w)
    sigma <- sigma exp(adapt (1[accepted] - 1/5))

The 1/5 rule makes steps longer while more than one in five succeeds. It takes what synapse agents have, one number per
forward pass, and adds a centre that remembers all weights and takes a step back. (Rechenberg 1973; the rule as a smooth
update: Kern et al. 2004.)
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.benchmark.directions import gaussian
from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.hyperparameters import require_between, settings
from synagents.schedules import Schedule, at, require_range
from synagents.world import Params, TaskState

__all__ = ["OnePlusOneES"]


class ESState(NamedTuple):
    """The parent."""

    weights: Params
    loss: Float[Array, ""]  # on the batch in use
    gain: Float[Array, ""]  # what the 1/5 rule has made of the step size: a factor


@settings
class OnePlusOneES(Optimizer):
    """The (1+1)-ES with a step size that is scheduled, adapted, or both.

    Attributes:
        step_size: sigma, standard deviation of a step of a weight, >= 0; a number or a schedule over progress.
        adapt: strength of the 1/5 rule per step, >= 0; 0 leaves the step size to its schedule.
    """

    told: ClassVar[Told] = "sign"

    step_size: Schedule = 2e-3
    adapt: float = 0.0

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)
        require_between("adapt", self.adapt, 0)

    def init(self, key: Key[Array, ""], problem: Problem) -> ESState:
        """The network's initial weights."""
        return ESState(problem.network.init(key), jnp.float32(jnp.inf), jnp.float32(1))

    def on_new_batch(self, problem: Problem, batch: TaskState, state: ESState) -> tuple[ESState, int]:
        """Score the parent on the new batch: one pass."""
        return state._replace(loss=problem.loss(state.weights, batch)), problem.samples(batch)

    def step(
        self, key: Key[Array, ""], problem: Problem, batch: TaskState, state: ESState, progress: Float[Array, ""]
    ) -> tuple[ESState, int]:
        """One child: one pass."""
        sigma = at(self.step_size, progress) * state.gain
        child = jax.tree.map(lambda w, z: w + sigma * z, state.weights, gaussian(key, state.weights))
        loss = problem.loss(child, batch)
        accepted = loss <= state.loss
        weights = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), child, state.weights)
        gain = state.gain * jnp.exp(self.adapt * (accepted - 0.2))
        return ESState(weights, jnp.where(accepted, loss, state.loss), gain), problem.samples(batch)
