"""Backpropagation, the yardstick: hidden units send their means, only the output is drawn.

    h_l = f(U_l)        d_L = score_L        d_l = (W_{l+1} d_{l+1}) f'(U_l)        dw = alpha (R - b) h_{l-1} (x) d_l

The exact policy gradient of a network without hidden luck: what a team of agents would have to match without passing
errors backward. (Rumelhart, Hinton & Williams 1986; the output as in Williams 1992.)
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents import td
from synagents.settings import require, settings, static
from synagents.team import (
    Baseline,
    Rates,
    Team,
    activities,
    backpropagate,
    potentials,
    scores,
)
from synagents.units import fire, layers_of, potential
from synagents.world import Group, Transition, Tree

__all__ = ["Backprop"]

WORLDS = ("unit_v0",)


@settings
class Backprop:
    """Policy gradient by backpropagation, through hidden units that are numbers.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: none, average (a running mean of the reward) or leave-one-out (needs worlds that see the same).
        activation: of the hidden units: tanh or softplus.
        temperature: of the output units, > 0; where they are Gaussian, their variance.
        gamma: discount of later rewards, in [0, 1], where there are traces or a critic (`synagents.td`).
        trace: decay lambda of eligibility traces, in [0, 1]; with neither traces nor a critic each decision is paid its
            own reward, as in a bandit.
        critic_rate: learning rates of a critic with as many hidden units, as above; none for no critic.
        critic_trace: decay lambda of the critic's traces, in [0, 1].
    """

    learning_rate: Rates = (0.01,)
    baseline: Baseline = static(default="average")
    activation: Literal["tanh", "softplus"] = static(default="tanh")
    temperature: float = 1.0
    gamma: float = 0.98
    trace: float = static(default=0.0)
    critic_rate: Rates = ()
    critic_trace: float = static(default=0.0)

    def __post_init__(self) -> None:
        td.require_student(self)
        require(
            self.activation in ("tanh", "softplus"), f"activation must be tanh or softplus, but is {self.activation!r}."
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Team:
        """Random weights; ValueError where hidden units are no numbers or settle."""
        return td.gather(key, layers_of(groups, "Backpropagation", hidden=("gaussian",)), self)

    def act(self, key: Key[Array, ""], mind: Team, obs: Tree, turn: int) -> tuple[Tree, Tree]:
        """Hidden units send f(U); the output units draw."""
        (name, x), *_ = obs.items()
        layer, u = mind.layers[turn], potential(mind.weights[name], x)
        is_output = layer == mind.layers[-1]
        return {name: fire(key, layer, u, self.temperature) if is_output else self._mean(u)}, {name: u}

    def update(
        self, key: Key[Array, ""], mind: Team, transition: Transition, last_obs: Tree
    ) -> tuple[Team, dict[str, Array]]:
        """One step along the gradient."""
        del last_obs
        h, u = activities(mind, transition), potentials(mind, transition)
        top = scores(mind, transition, self.temperature)[-1]
        slopes = [1 - jnp.tanh(u_l) ** 2 if self.activation == "tanh" else jax.nn.sigmoid(u_l) for u_l in u[:-1]]
        posts = backpropagate(mind, top, slopes)
        return td.learn(self, key, mind, list(zip(h, posts, strict=False)), transition), {}

    def _mean(self, u: Array) -> Array:
        return jnp.tanh(u) if self.activation == "tanh" else jax.nn.softplus(u)
