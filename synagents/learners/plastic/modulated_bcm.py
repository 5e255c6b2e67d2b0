"""The rule of Bienenstock, Cooper and Munro with neuromodulation: the network says when and which way to learn.

    action_ij = M pre_i post_j (post_j - threshold_j),   threshold_j a running mean of post_j^2

(The rule: Bienenstock, Cooper & Munro 1982. Its neuromodulated variant in networks of spiking units: Schmidgall,
Ashkanazy, Lawson & Hays 2021, arXiv 2106.02681, whose equations are not public: this form is ours.)
"""

from typing import ClassVar

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, bcm
from synagents.agents.rules import ModulatedRule
from synagents.hyperparameters import settings

__all__ = ["ModulatedBCM"]


@settings
class ModulatedBCM(ModulatedRule):
    """The rule of Bienenstock, Cooper and Munro times the modulator."""

    feels: ClassVar[tuple[str, ...]] = ("modulator", "threshold")

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post (post - threshold)."""
        return bcm(felt)
