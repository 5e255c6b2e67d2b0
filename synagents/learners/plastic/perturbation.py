"""Node perturbation by agents: a synapse goes along with its unit's noise where the sample's reward says it was good.

    action_ij = step_size(t)  mean over samples b of  modulator_b pre_bi z_bj

Three numbers that are at hand where the synapse is: what came in, how its unit was shaken, and a reward that is told to
all. The mean over z is a step of gradient descent, up to terms of order sigma. Nothing is remembered. (Jabri & Flower
1992; as reward-modulated Hebbian learning: Werfel, Xie & Seung 2005.)
"""

from jaxtyping import Array, Key

from synagents.agents.perturbation import Perturbed, mean_product, sees
from synagents.hyperparameters import require, settings
from synagents.schedules import Schedule, at, require_range
from synagents.world import Group, Learner, Metrics, Mind, RoundNumber, Transition, Tree

__all__ = ["Perturbation"]


@settings
class Perturbation(Learner):
    """Synapses that follow the noise of their units; they know nothing but a step size.

    Attributes:
        step_size: weight change per unit of estimated gradient, >= 0; a number or a schedule over rounds.
    """

    step_size: Schedule = 0.1

    def __post_init__(self) -> None:
        require_range("step_size", self.step_size, 0)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """Nothing; ValueError where agents do not see their units' noise."""
        del key
        for group in groups:
            require(
                sees(group),
                f"Perturbation needs synapses that see their unit's noise on every sample, but {group.name} sees "
                f"{group.obs_space}: play it in synagents.envs.plastic_v0 with a task of samples, such as digits.",
            )
        return {}

    def act(self, key: Key[Array, ""], mind: Mind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Every synapse adds its mean product, times the step size."""
        del key, mind, turn
        step = at(self.step_size, t)
        return {name: step * mean_product(Perturbed(*felt)) for name, felt in obs.items()}, ()

    def update(
        self, key: Key[Array, ""], mind: Mind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Metrics]:
        """Nothing is learned: agents change weights alone."""
        del key, transition, last_obs, t
        return mind, {}
