"""The straight-through estimator: fire at random on the way up, and pretend on the way down that the mean was sent.

    d_L = s_L        d_l = (W_{l+1} d_{l+1}) dE[h_l] / dU_l        dw = alpha (R - b) h_{l-1} (x) d_l

A baseline that is neither local nor unbiased: a unit needs the weights by which others listen to it. (Hinton 2012;
Bengio, Leonard & Courville 2013, arXiv 1308.3432; with "identity" slopes the derivative of the mean is left out.)
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.agents.units import slope
from synagents.hyperparameters import settings, static
from synagents.learners.unit.layers import (
    UnitLearnerState,
    activities,
    backpropagate,
    potentials,
    score_functions,
)
from synagents.learners.unit.td import UnitLearner
from synagents.world import Metrics, RoundNumber, Transition, Tree

__all__ = ["StraightThrough"]


@settings
class StraightThrough(UnitLearner):
    """Policy gradient of the output, sent down through units that fire or not as if they were their means.

    Attributes:
        slopes: mean (the derivative of a unit's mean) or identity (1).
    """

    slopes: Literal["mean", "identity"] = static(default="mean")

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One step along the pretended gradient."""
        del last_obs
        h, u = activities(mind, transition), potentials(mind, transition)
        top = score_functions(mind, transition, self.temperature)[-1]
        slopes = [
            slope(layer, u_l) if self.slopes == "mean" else jnp.ones_like(u_l)
            for layer, u_l in zip(mind.layers[:-1], u, strict=False)
        ]
        posts = backpropagate(mind, top, slopes)
        return self.learn(key, mind, list(zip(h, posts, strict=False)), transition, t), {}
