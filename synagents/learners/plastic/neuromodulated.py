"""Simple neuromodulation: a number that the network makes says when and which way to learn (the source's "simple").

    action_ij = M pre_i post_j

(Miconi, Rawal, Clune & Stanley 2019, arXiv 2002.10585, equation 4.)
"""

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, product
from synagents.agents.rules import ModulatedRule
from synagents.hyperparameters import settings

__all__ = ["Neuromodulated"]


@settings
class Neuromodulated(ModulatedRule):
    """Hebbian plasticity times the modulator."""

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post."""
        return product(felt)
