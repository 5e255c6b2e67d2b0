"""Every agent draws uniformly from its actions, whatever it sees: what learns must beat it.

pi(a | s) = 1 / A
"""

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import settings, static
from synagents.learners.choice import sample
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree, num_choices, require_discrete

__all__ = ["Uniform"]


@settings
class UniformMind:
    """What agents that draw at random know: what they can do.

    Attributes:
        policy: f32[S, A], all rows alike, where all agents have one table's spaces; else there is none.
        actions: (group, agents, actions of each) otherwise.
    """

    policy: Float[Array, "S A"] | None = None
    actions: tuple[tuple[str, int, int], ...] = static(default=())


@settings
class Uniform(Learner):
    """A policy that ignores its observations."""

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> UniformMind:
        """The uniform policy over the groups' spaces; ValueError where actions are not Discrete."""
        del key
        if all(isinstance(group.obs_space, spaces.Discrete) for group in groups):
            histories, actions = require_discrete(groups, "Uniform")
            return UniformMind(policy=jnp.full((histories, actions), 1 / actions, jnp.float32))
        return UniformMind(actions=tuple((group.name, group.size, num_choices(group.action_space)) for group in groups))

    def act(
        self, key: Key[Array, ""], mind: UniformMind, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """A uniform action for every agent."""
        del t, turn
        if mind.policy is not None:
            return sample(key, mind.policy, obs), ()
        return {
            name: jax.random.randint(jax.random.fold_in(key, number), (size,), 0, choices, jnp.uint8)
            for number, (name, size, choices) in enumerate(mind.actions)
            if name in obs
        }, ()

    def update(
        self, key: Key[Array, ""], mind: UniformMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UniformMind, Metrics]:
        """Nothing is learned."""
        del key, transition, last_obs, t
        return mind, {}
