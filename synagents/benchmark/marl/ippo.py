"""IPPO: every agent a PPO of its own, and all of them one: the critic sees what an agent sees.

    A_i = GAE(r, V(s_i)),   V shared by all agents, r the team's reward

Agents that see different things are credited differently for the same reward, by what each of them expected. (de Witt
et al. 2020, "Is independent learning all you need in the StarCraft multi-agent challenge?"; the rest is `ppo`.)
"""

from jaxtyping import Array, Float

from synagents.benchmark.marl.networks import Net, Seen, Sight
from synagents.benchmark.marl.ppo import PPO
from synagents.hyperparameters import settings
from synagents.world import Group

__all__ = ["IPPO"]


@settings
class IPPO(PPO):
    """Independent proximal policy optimisation with shared parameters."""

    def critic_inputs(self, sight: Sight, groups: tuple[Group, ...]) -> int:
        """As many as the actor's."""
        del groups
        return len(sight.order)

    def values(self, sight: Sight, critic: Net, seen: Seen) -> Float[Array, "*rows N"]:
        """V(s_i) of every agent."""
        return sight.value(critic, seen.own)
