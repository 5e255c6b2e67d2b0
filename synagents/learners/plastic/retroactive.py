"""Retroactive neuromodulation: the modulator makes of what was, not of what is (the source's "retro").

    action_ij = M eligibility_ij

The eligibility is a running mean of pre post up to the round before, so a reward can change what led to it. (Miconi,
Rawal, Clune & Stanley 2019, arXiv 2002.10585, equations 5 and 6; after dopamine as in Cassenaer & Laurent 2012.)
"""

from typing import ClassVar

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt
from synagents.agents.rules import Rule
from synagents.hyperparameters import settings
from synagents.world import Mind

__all__ = ["Retroactive"]


@settings
class Retroactive(Rule):
    """The eligibility times the modulator."""

    feels: ClassVar[tuple[str, ...]] = ("modulator", "eligibility")

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """M eligibility."""
        del mind
        return felt.modulator * felt.eligibility
