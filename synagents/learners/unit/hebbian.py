"""Reward-modulated Hebbian learning of networks that settle: what fired together is made likelier by a good reward.

    dw_ij = alpha (R - b(s)) (f_ij - c_ij(s)),   f_ij = pre_i post_j after settling

The gradient of a Boltzmann machine is E[(R - b) (f - E[f | s])]; its negative phase E[f | s] drops out exactly where
b(s) = E[R | s], and the bias of what is left, (E[R | s] - b)(E[f | s] - c), is none where either b or c is right: b by
leave-one-out, or c by a mean field that knows nothing of the action. (The idea is that of Chung 2023, arXiv 2307.13256;
the derivation and the rules as they stand here are ours.)
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import jax
from jaxtyping import Array, Float

from synagents.agents.units import Synapses, mean
from synagents.learners.unit.layers import Factors, UnitLearnerState, activities, correlate
from synagents.world import Transition

ControlVariate = Literal["none", "mean-field"]
Fields = Callable[[Sequence[Array]], list[Array]]  # activities, stimulus first -> local fields of all layers
FIELD_ITERATIONS = 5


def coincidences(mind: UnitLearnerState, transition: Transition, fields: Fields, *, expected: bool) -> list[Factors]:
    """Pre and post factors of the upward synapses of every layer, for what the network has settled to.

    Args:
        mind: the network.
        transition: what it did.
        fields: what reaches every layer.
        expected: whether hidden units count with their mean given what reaches them, instead of what they did: the same
            expectation with less noise. The output counts with what it did: that is what was paid for.
    """
    h = activities(mind, transition)
    if not expected:
        return list(pairwise(h))
    means = [mean(layer, u) for layer, u in zip(mind.layers, fields(h), strict=True)]
    # Averaging one end of a pair given the other is allowed; the last pair keeps the output's end.
    return [*zip(h[:-2], means[:-1], strict=True), (means[-2], h[-1])]


def mean_field(mind: UnitLearnerState, stimulus: Float[Array, "T W D"], fields: Fields) -> list[Factors]:
    """The same factors as a deterministic guess at E[f | s]: the network of means, relaxed without randomness."""
    start = [stimulus]
    for layer in mind.layers:  # the first pass upward: nobody above has acted yet
        silent = [stimulus[..., :1].repeat(other.width, -1) * 0 for other in mind.layers[len(start) - 1 :]]
        start.append(mean(layer, fields([*start, *silent])[len(start) - 1]))

    def settle(_: int, m: list[Array]) -> list[Array]:
        return [m[0], *(mean(layer, u) for layer, u in zip(mind.layers, fields(m), strict=True))]

    m = jax.lax.fori_loop(0, FIELD_ITERATIONS, settle, start)
    return list(pairwise(m))


def modulated(paid: Float[Array, "T W"], seen: Sequence[Factors], guessed: Sequence[Factors] | None) -> list[Synapses]:
    """The mean of paid (f - c) for the upward synapses of every layer."""
    gradients = [correlate(pre, paid[..., None] * post) for pre, post in seen]
    if guessed is None:
        return gradients
    quiet = [correlate(pre, paid[..., None] * post) for pre, post in guessed]
    return [jax.tree.map(lambda f, c: f - c, *pair) for pair in zip(gradients, quiet, strict=True)]
