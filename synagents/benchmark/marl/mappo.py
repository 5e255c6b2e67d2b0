"""MAPPO: agents act by what they see, and a central critic sees the whole team: all weights of the network in training.

    A = GAE(r, V(x)),   x the world's global state: one advantage for all agents of a round

The critic is needed while the policy learns, and never when it acts. It belongs to networks of one size: a policy that
was learned on toys goes elsewhere without it. (Yu et al. 2022, "The surprising effectiveness of PPO in cooperative
multi-agent games"; the rest is `ppo`.)
"""

from typing import ClassVar

from jaxtyping import Array, Float

from synagents.benchmark.marl.networks import Net, Seen, Sight, outputs, state_size
from synagents.benchmark.marl.ppo import PPO
from synagents.hyperparameters import settings
from synagents.world import Group

__all__ = ["MAPPO"]


@settings
class MAPPO(PPO):
    """Multi-agent proximal policy optimisation: a shared actor and a central critic."""

    sees_state: ClassVar[bool] = True

    def critic_inputs(self, sight: Sight, groups: tuple[Group, ...]) -> int:
        """The numbers of the global state."""
        del sight
        return state_size(groups)

    def values(self, sight: Sight, critic: Net, seen: Seen) -> Float[Array, "*rows 1"]:
        """V(x), one for the team."""
        return outputs(critic, seen.state)
