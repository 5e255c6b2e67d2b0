"""No plasticity: what lives are compared with (the source's "rnn").

action = 0
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from synagents.agents.plasticity import Felt
from synagents.agents.rules import Rule
from synagents.hyperparameters import settings
from synagents.world import Mind

__all__ = ["Fixed"]


@settings
class Fixed(Rule):
    """Synapses that stay as they are."""

    acts: ClassVar[bool] = False

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """Nothing."""
        del mind
        return jnp.zeros_like(felt.trace)
