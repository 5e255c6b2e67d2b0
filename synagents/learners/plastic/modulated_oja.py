"""Oja's rule with neuromodulation: a number that the network makes says when and which way to learn.

    action_ij = M (pre_i post_j - post_j^2 trace_ij)

(The rule: Oja 1982. Its neuromodulated variant in networks of spiking units: Schmidgall, Ashkanazy, Lawson & Hays 2021,
arXiv 2106.02681, whose equations are not public: this form is ours.)
"""

from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt, oja
from synagents.agents.rules import ModulatedRule
from synagents.hyperparameters import settings

__all__ = ["ModulatedOja"]


@settings
class ModulatedOja(ModulatedRule):
    """Oja's rule times the modulator."""

    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """Pre post - post^2 trace."""
        return oja(felt)
