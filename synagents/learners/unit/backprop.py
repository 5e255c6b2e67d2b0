"""Backpropagation, the yardstick: hidden units send their means, only the output is random.

    h_l = f(U_l)        d_L = s_L        d_l = (W_{l+1} d_{l+1}) f'(U_l)        dw = alpha (R - b) h_{l-1} (x) d_l

The exact policy gradient of a network without random hidden units: what a team of agents would have to match without
passing errors backward. (Rumelhart, Hinton & Williams 1986; the output as in Williams 1992.)
"""

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.agents.units import Fired, fire, potential
from synagents.hyperparameters import settings, static
from synagents.learners.unit.layers import (
    Rates,
    UnitLearnerState,
    activities,
    backpropagate,
    potentials,
    score_functions,
)
from synagents.learners.unit.td import UnitLearner
from synagents.world import Metrics, RoundNumber, Transition, Tree

__all__ = ["Backprop"]


@settings
class Backprop(UnitLearner):
    """Policy gradient by backpropagation, through hidden units that are numbers.

    Attributes:
        activation: of the hidden units: tanh or softplus.
    """

    hidden_kinds: ClassVar[tuple[str, ...]] = ("gaussian",)

    learning_rate: Rates = (0.01,)
    activation: Literal["tanh", "softplus"] = static(default="tanh")

    def act(
        self, key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, dict[str, Fired]]:
        """Hidden units send f(U); the output units draw."""
        del t
        (name, x), *_ = obs.items()
        layer, u = mind.layers[turn], potential(mind.weights[name], x)
        if layer == mind.layers[-1]:
            return {name: fire(key, layer, u, self.temperature)}, {name: Fired(u, jnp.float32(self.temperature))}
        return {name: self._mean(u)}, {name: Fired(u, None)}

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One step along the gradient."""
        del last_obs
        h, u = activities(mind, transition), potentials(mind, transition)
        top = score_functions(mind, transition, self.temperature)[-1]
        slopes = [1 - jnp.tanh(u_l) ** 2 if self.activation == "tanh" else jax.nn.sigmoid(u_l) for u_l in u[:-1]]
        posts = backpropagate(mind, top, slopes)
        return self.learn(key, mind, list(zip(h, posts, strict=False)), transition, t), {}

    def _mean(self, u: Array) -> Array:
        return jnp.tanh(u) if self.activation == "tanh" else jax.nn.softplus(u)
