"""Weight maximization: a hidden unit is paid for how much it makes the weights grow by which others listen to it.

    R_i = sum_j d|w_ij|^2 = 2 h_i sum_j w_ij R_j s_j        dw_ki = alpha h_k R_i s_i        R_output = R - b

Every hidden unit is a self-interested agent with a reward of its own, a first-order estimate of what its firing was
worth. (Chung 2020, arXiv 2010.09770, and the author's code, with |.|^2.) The two unbiased forms are derived by us; the
paper claims one and we do not know it. With bit i flipped, rho_ij = p(v_j | h') / p(v_j | h) for what child j did:

    per-child:  R_i = 1/2 sum_j R_j (1 - rho_ij),  below the output as in joint;   dU_i = P'(U_i) (+-1) R_i
    joint:      R_i = R (1 - prod_j rho_ij)

Joint is exactly unbiased, as long as no ratio exceeds 10, where it is cut, and noisy; per-child, whose R_j is what
child j's own flip is worth, is nearly so (bias from three units' interplay alone; 1/2, since averaging over v_j counts
the difference twice) and much quieter.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.units import CODES, Layer, Synapses, Temperature, slope
from synagents.hyperparameters import require, settings, static
from synagents.learners.unit.layers import (
    Baseline,
    Factors,
    Rates,
    UnitLearnerState,
    activities,
    advantage,
    by_layer,
    climb,
    correlate,
    potentials,
    score_functions,
    team_reward,
)
from synagents.learners.unit.td import Traces, UnitLearner
from synagents.world import Metrics, RoundNumber, Transition, Tree

__all__ = ["WeightMaximization"]

Form = Literal["first-order", "per-child", "joint"]
MOST = 10.0  # a likelihood ratio above this is cut: it belongs to an event that hardly ever happens


@settings
class WeightMaximization(UnitLearner):
    """Weight maximization for units that fire or not, with an output of any kind.

    Attributes:
        form: of a hidden unit's reward: first-order, as published, per-child or joint.
    """

    learning_rate: Rates = (1e-2, 1e-3, 1e-4)
    baseline: Baseline = static(default="none")
    form: Form = static(default="first-order")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.form == "first-order" or not self.looks_ahead,
            f"Traces and critics go with the form first-order, but it is {self.form}.",
        )

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One step for every layer along its units' own rewards."""
        del last_obs
        if self.looks_ahead:
            posts = score_functions(mind, transition, self.temperature)
            factors = list(zip(activities(mind, transition), posts, strict=False))
            return self.learn(key, mind, factors, transition, t, uphill=partial(self._by_traces, mind)), {}
        paid = advantage(mind, self.baseline, transition)
        flipped = self._first_order if self.form == "first-order" else self._flipped
        gradient = by_layer(mind, [correlate(pre, post) for pre, post in flipped(mind, transition, paid)])
        return climb(mind, gradient, self.learning_rate, team_reward(transition), t), {}

    def _by_traces(self, mind: UnitLearnerState, delta: Float[Array, ""], traces: Traces) -> Traces:
        """Every synapse's trace times its unit's reward, which counts the outgoing weights' traces; from above."""
        rewards, gradient = jnp.full(mind.layers[-1].width, delta), {}
        for layer in reversed(mind.layers):
            trace = traces[layer.name]
            gradient[layer.name] = Synapses(trace.weight * rewards, trace.bias * rewards)
            rewards = 2 * (mind.weights[layer.name].weight * trace.weight) @ rewards
        return gradient

    def _first_order(self, mind: UnitLearnerState, transition: Transition, paid: Float[Array, "T W"]) -> list[Factors]:
        h, each = activities(mind, transition), score_functions(mind, transition, self.temperature)
        posts = [paid[..., None] * each[-1]]
        for place in reversed(range(len(mind.layers) - 1)):
            outgoing = mind.weights[mind.layers[place + 1].name].weight
            own = 2 * h[place + 1] * (posts[0] @ outgoing.T)
            posts.insert(0, own * each[place])
        return list(zip(h, posts, strict=False))

    def _flipped(self, mind: UnitLearnerState, transition: Transition, paid: Float[Array, "T W"]) -> list[Factors]:
        h, u = activities(mind, transition), potentials(mind, transition)
        posts = [paid[..., None] * score_functions(mind, transition, self.temperature)[-1]]
        worth = paid[..., None]  # of the children: R for the output, then each unit's own reward
        for place in reversed(range(len(mind.layers) - 1)):
            layer, child = mind.layers[place], mind.layers[place + 1]
            is_output = place + 2 == len(mind.layers)
            ratio = likelihood_ratios(
                layer,
                child,
                mind.weights[child.name],
                (h[place + 1], h[place + 2], u[place + 1]),
                self.temperature if is_output else 1.0,
            )
            if self.form == "joint" or is_output:
                worth = paid[..., None] * (1 - jnp.prod(ratio, axis=-1))
            else:
                worth = 0.5 * jnp.einsum("twj,twij->twi", worth, 1 - ratio)
            low, high = CODES[layer.kind]
            sign = (2 * h[place + 1] - low - high) / (high - low)
            posts.insert(0, slope(layer, u[place]) / (high - low) * sign * worth)
        return list(zip(h, posts, strict=False))


def likelihood_ratios(
    layer: Layer,
    child: Layer,
    synapses: Synapses,
    heard: tuple[Float[Array, "*B n"], Float[Array, "*B m"], Float[Array, "*B m"]],
    temperature: Temperature,
) -> Float[Array, "*B n m"]:
    """How much less or more likely each child's activity becomes when one unit's bit is flipped, in [0, 10].

    Args:
        layer: whose units are flipped, one at a time.
        child: the layer that listens; the one ratio of a softmax group has m = 1.
        synapses: the child's.
        heard: the layer's activity, the child's, and the child's potentials.
        temperature: of the child.
    """
    h, v, u = heard
    flip = sum(CODES[layer.kind]) - 2 * h
    flipped = u[..., None, :] + flip[..., :, None] * synapses.weight

    def log_likelihood(u: Array, v: Array) -> Array:
        if child.kind == "softmax":
            return jnp.sum(v * jax.nn.log_softmax(u / temperature), axis=-1, keepdims=True)
        if child.kind == "gaussian":
            return -((v - u) ** 2) / (2 * temperature)
        low, high = CODES[child.kind]
        return jax.nn.log_sigmoid(jnp.where(v == high, 1.0, -1.0) * (high - low) * u / temperature)

    return jnp.minimum(jnp.exp(log_likelihood(flipped, v[..., None, :]) - log_likelihood(u, v)[..., None, :]), MOST)
