"""Hebbian plasticity: what fires together wires together (the source's "plastic").

    action_ij = eta pre_i post_j

eta is one number for all, improved between lives. (Miconi, Clune & Stanley 2018, arXiv 1804.02464, equation 2.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.plasticity import Felt, product
from synagents.agents.rules import Rule
from synagents.hyperparameters import settings
from synagents.world import Group, Mind

__all__ = ["Hebbian"]


@settings
class Hebbian(Rule):
    """The plain Hebbian rule.

    Attributes:
        eta: the rate before the first life.
    """

    eta: float = 0.1

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """The rate."""
        return super().init(key, groups) | {"eta": jnp.asarray(self.eta, jnp.float32)}

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """Eta pre post."""
        return mind["eta"] * product(felt)
