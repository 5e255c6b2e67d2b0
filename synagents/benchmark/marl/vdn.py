"""VDN: the team's value is the sum of its agents', so what is learned of an agent is what its action adds.

    Q = mean_i v(s_i) + sum_i d(s_i, a_i) / sqrt(N)

The scales are ours: with these the two parts of Q are of order one for ten agents and for ten thousand. A team's
deviations, by how many more than usual did what, are what d is fitted to; `learners.synapse.team` fits a table to the
same by least squares. (Sunehag et al. 2018, "Value-decomposition networks"; the rest is `deep_q`.)
"""

import math

from jaxtyping import Array, Float, PyTree

from synagents.benchmark.marl.deep_q import DeepQ
from synagents.benchmark.marl.networks import Seen
from synagents.hyperparameters import settings

__all__ = ["VDN"]


@settings
class VDN(DeepQ):
    """Value decomposition with shared parameters."""

    def team(
        self, mixer: PyTree, level: Float[Array, "*rows N"], difference: Float[Array, "*rows N"], seen: Seen
    ) -> Float[Array, "*rows 1"]:
        """Q of the team."""
        del mixer, seen
        total = level.mean(axis=-1, keepdims=True)
        return total + difference.sum(axis=-1, keepdims=True) / math.sqrt(difference.shape[-1])
