"""Independent REINFORCE: every unit is paid the team's reward for what it did, and knows nothing of the others.

    dw_ij = alpha (R - b) x_i s_j        s_j = d log p(h_j) / dU_j

Unbiased whatever the other units do, and slow, since to each of them the others are noise. (Williams 1992; Barto 1985
for networks of such units.)
"""

from jaxtyping import Array, Key

from synagents.hyperparameters import settings
from synagents.learners.unit.layers import UnitLearnerState, activities, score_functions
from synagents.learners.unit.td import UnitLearner
from synagents.world import Metrics, RoundNumber, Transition, Tree

__all__ = ["Reinforce"]


@settings
class Reinforce(UnitLearner):
    """Independent REINFORCE for units that fire or not, with an output of any kind."""

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One step along the score functions, each paid the same."""
        del last_obs
        posts = score_functions(mind, transition, self.temperature)
        factors = list(zip(activities(mind, transition), posts, strict=False))
        return self.learn(key, mind, factors, transition, t), {}
