"""Oja's rule: Hebbian plasticity that forgets as fast as it learns, so that traces do not grow.

    action_ij = eta (pre_i post_j - post_j^2 trace_ij)

Of a linear unit it makes the first principal component of what it sees. (Oja 1982; in plastic networks: Miconi, Clune &
Stanley 2018, arXiv 1804.02464, equation 3.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.plasticity import Felt, product
from synagents.agents.rules import Rule
from synagents.hyperparameters import settings
from synagents.world import Group, Mind

__all__ = ["Oja"]


@settings
class Oja(Rule):
    """Oja's rule.

    Attributes:
        eta: the rate before the first life.
    """

    eta: float = 0.1

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """The rate."""
        return super().init(key, groups) | {"eta": jnp.asarray(self.eta, jnp.float32)}

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """Eta (pre post - post^2 trace)."""
        return mind["eta"] * (product(felt) - felt.post**2 * felt.trace)
