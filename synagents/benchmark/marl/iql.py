"""IQL: every agent learns what its own actions are worth, as if the others were part of the world.

    Q_i = v(s_i) + d(s_i, a_i),   all of them fitted to the team's return

As all agents get the same return, the difference between the actions of a row is that of two means over almost the same
rounds: it falls with the number of agents (docs/credit.md), and the algorithm goes blind where `vdn` does not. (Tan
1993; with networks Tampuu et al. 2017; the rest is `deep_q`.)
"""

from jaxtyping import Array, Float, PyTree

from synagents.benchmark.marl.deep_q import DeepQ
from synagents.benchmark.marl.networks import Seen
from synagents.hyperparameters import settings

__all__ = ["IQL"]


@settings
class IQL(DeepQ):
    """Independent Q-learning with shared parameters."""

    def team(
        self, mixer: PyTree, level: Float[Array, "*rows N"], difference: Float[Array, "*rows N"], seen: Seen
    ) -> Float[Array, "*rows N"]:
        """Q of every agent."""
        del mixer, seen
        return level + difference
