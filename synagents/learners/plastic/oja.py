"""Oja's rule: Hebbian plasticity that forgets as fast as it learns, so that traces do not grow.

    action_ij = eta (pre_i post_j - post_j^2 trace_ij)

Of a linear unit it makes the first principal component of what it sees. (Oja 1982; in plastic networks: Miconi, Clune &
Stanley 2018, arXiv 1804.02464, equation 3.)
"""

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, oja
from synagents.agents.rules import RatedRule
from synagents.hyperparameters import settings

__all__ = ["Oja"]


@settings
class Oja(RatedRule):
    """Oja's rule."""

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post - post^2 trace."""
        return oja(felt)
