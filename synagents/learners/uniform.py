"""The control: every agent draws uniformly from {-, 0, +}, whatever it sees. What learns must beat it.

pi(a | s) = 1 / A
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.choice import sample
from synagents.settings import settings
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["Uniform"]


@settings
class Uniform:
    """A policy that ignores its observations."""

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Float[Array, "S A"]:
        """The uniform policy over the groups' spaces."""
        del key
        histories, actions = require_discrete(groups, "Uniform")
        return jnp.full((histories, actions), 1 / actions)

    def act(self, key: Key[Array, ""], mind: Float[Array, "S A"], obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """A uniform action for every agent."""
        del turn
        return sample(key, mind, obs), ()

    def update(
        self, key: Key[Array, ""], mind: Float[Array, "S A"], transition: Transition, last_obs: Tree
    ) -> tuple[Float[Array, "S A"], dict[str, Array]]:
        """Nothing is learned."""
        del key, transition, last_obs
        return mind, {}
