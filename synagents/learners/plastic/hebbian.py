"""Hebbian plasticity: what fires together wires together (the source's "plastic").

    action_ij = eta pre_i post_j

eta is one number for all, constant or improved between lives. (Miconi, Clune & Stanley 2018, arXiv 1804.02464, equation
2.)
"""

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, product
from synagents.agents.rules import RatedRule
from synagents.hyperparameters import settings

__all__ = ["Hebbian"]


@settings
class Hebbian(RatedRule):
    """The plain Hebbian rule."""

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post."""
        return product(felt)
