"""The straight-through estimator: fire at random on the way up, and pretend on the way down that the mean was sent.

    d_L = score_L        d_l = (W_{l+1} d_{l+1}) dE[h_l] / dU_l        dw = alpha (R - b) h_{l-1} (x) d_l

A baseline that is neither local nor unbiased: a unit needs the weights by which others listen to it. (Hinton 2012;
Bengio, Leonard & Courville 2013, arXiv 1308.3432; with "identity" slopes the derivative of the mean is left out.)
"""

from typing import Literal

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
    fire_each,
    potentials,
    scores,
)
from synagents.units import layers_of, slope
from synagents.world import Group, Transition, Tree

__all__ = ["StraightThrough"]

WORLDS = ("unit_v0",)


@settings
class StraightThrough:
    """Policy gradient of the output, sent down through units that fire or not as if they were their means.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: none, average (a running mean of the reward) or leave-one-out (needs worlds that see the same).
        slopes: mean (the derivative of a unit's mean) or identity (1).
        temperature: of the output units, > 0; where they are Gaussian, their variance.
        gamma: discount of later rewards, in [0, 1], where there are traces or a critic (`synagents.td`).
        trace: decay lambda of eligibility traces, in [0, 1]; with neither traces nor a critic each decision is paid its
            own reward, as in a bandit.
        critic_rate: learning rates of a critic with as many hidden units, as above; none for no critic.
        critic_trace: decay lambda of the critic's traces, in [0, 1].
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="average")
    slopes: Literal["mean", "identity"] = static(default="mean")
    temperature: float = 1.0
    gamma: float = 0.98
    trace: float = static(default=0.0)
    critic_rate: Rates = ()
    critic_trace: float = static(default=0.0)

    def __post_init__(self) -> None:
        td.require_student(self)
        require(self.slopes in ("mean", "identity"), f"slopes must be mean or identity, but is {self.slopes!r}.")

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Team:
        """Random weights; ValueError where the units are of another kind or settle."""
        return td.gather(key, layers_of(groups, "The straight-through estimator"), self)

    def act(self, key: Key[Array, ""], mind: Team, obs: Tree, turn: int) -> tuple[Tree, Tree]:
        """Fire or not, as the potentials make likely."""
        del turn
        return fire_each(key, mind, obs, self.temperature)

    def update(
        self, key: Key[Array, ""], mind: Team, transition: Transition, last_obs: Tree
    ) -> tuple[Team, dict[str, Array]]:
        """One step along the pretended gradient."""
        del last_obs
        h, u = activities(mind, transition), potentials(mind, transition)
        top = scores(mind, transition, self.temperature)[-1]
        slopes = [
            slope(layer, u_l) if self.slopes == "mean" else jnp.ones_like(u_l)
            for layer, u_l in zip(mind.layers[:-1], u, strict=False)
        ]
        posts = backpropagate(mind, top, slopes)
        return td.learn(self, key, mind, list(zip(h, posts, strict=False)), transition), {}
