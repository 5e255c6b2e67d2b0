"""Simple neuromodulation: a number that the network makes says when and which way to learn (the source's "simple").

    action_ij = M pre_i post_j

(Miconi, Rawal, Clune & Stanley 2019, arXiv 2002.10585, equation 4.)
"""

from typing import ClassVar

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, product
from synagents.agents.rules import Rule
from synagents.hyperparameters import settings
from synagents.world import Mind

__all__ = ["Neuromodulated"]


@settings
class Neuromodulated(Rule):
    """Hebbian plasticity times the modulator."""

    feels: ClassVar[tuple[str, ...]] = ("modulator",)

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """M pre post."""
        del mind
        return felt.modulator * product(felt)
