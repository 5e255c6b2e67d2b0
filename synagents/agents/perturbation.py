"""What a synapse feels where its unit's input is shaken, sample by sample: a reward that says whether that was good.

    modulator_b = (loss_b - loss'_b) / sigma          loss of the clean, loss' of the noisy pass; sigma z was the noise

With sigma z small, the mean over z of modulator z is minus the gradient of the sample's loss by the unit's input.
(Jabri & Flower 1992; a reward that gates pre times noise: Werfel, Xie & Seung 2005.)
"""

from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float

from synagents.world import Group


class Perturbed(NamedTuple):
    """What the synapses of a group feel, in factors that broadcast to [B, *shape]; clients see [B, 3] of every agent.

    The shape of a group of weights is [n, m]; that of biases is [m], and they have no axis of n here.
    """

    pre: Float[Array, "B *n 1"]  # activity of the sending unit in the clean pass; of a bias 1
    noise: Float[Array, "B *one m"]  # z of the own unit
    modulator: Float[Array, "B *one 1"]  # the team's reward for the sample


def space(samples: int) -> spaces.Box:
    """What one synapse observes of a batch of so many samples."""
    return spaces.Box(-np.inf, np.inf, (samples, len(Perturbed._fields)), np.float32)


def sees(group: Group) -> bool:
    """Whether the agents of a group observe this."""
    shape = group.obs_space.shape
    return shape is not None and len(shape) == 2 and shape[1] == len(Perturbed._fields)


def mean_product(felt: Perturbed) -> Float[Array, "N"]:
    """The mean over samples of modulator pre noise for each of a group's N = n m synapses: one matrix product."""
    samples = felt.pre.shape[0]
    pre, noise, modulator = (factor.reshape(samples, -1) for factor in felt)
    return (pre.T @ (modulator * noise)).reshape(-1) / samples
