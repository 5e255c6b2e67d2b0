"""The rule of Bienenstock, Cooper and Munro: who fires more than usual learns, who fires less unlearns.

    action_ij = eta pre_i post_j (post_j - threshold_j),   threshold_j a running mean of post_j^2

The threshold slides, so that what grows makes further growth harder; a unit that sees several patterns ends responding
to one. The world keeps the threshold of every unit (`threshold=True`), and the outer loop improves how fast it slides.
(Bienenstock, Cooper & Munro 1982; in spiking networks: Schmidgall, Ashkanazy, Lawson & Hays 2021, arXiv 2106.02681.)
"""

from typing import ClassVar

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, bcm
from synagents.agents.rules import RatedRule
from synagents.hyperparameters import settings

__all__ = ["BCM"]


@settings
class BCM(RatedRule):
    """The rule of Bienenstock, Cooper and Munro."""

    feels: ClassVar[tuple[str, ...]] = ("threshold",)

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post (post - threshold)."""
        return bcm(felt)
