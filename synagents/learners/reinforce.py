"""Independent REINFORCE: every unit is paid the team's reward for what it did, and knows nothing of the others.

    dw_ij = alpha (R - b) x_i score_j        score_j = d log p(h_j) / dU_j

Unbiased whatever the other units do, and slow, since to each of them the others are noise. (Williams 1992; Barto 1985
for networks of such units.)
"""

from jaxtyping import Array, Key

from synagents import td
from synagents.settings import settings, static
from synagents.team import Baseline, Rates, Team, activities, fire_each, scores
from synagents.units import layers_of
from synagents.world import Group, Transition, Tree

__all__ = ["Reinforce"]

WORLDS = ("unit_v0",)


@settings
class Reinforce:
    """Independent REINFORCE for units that fire or not, with an output of any kind.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: none, average (a running mean of the reward) or leave-one-out (needs worlds that see the same).
        temperature: of the output units, > 0; where they are Gaussian, their variance.
        gamma: discount of later rewards, in [0, 1], where there are traces or a critic (`synagents.td`).
        trace: decay lambda of eligibility traces, in [0, 1]; with neither traces nor a critic each decision is paid its
            own reward, as in a bandit.
        critic_rate: learning rates of a critic with as many hidden units, as above; none for no critic.
        critic_trace: decay lambda of the critic's traces, in [0, 1].
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="average")
    temperature: float = 1.0
    gamma: float = 0.98
    trace: float = static(default=0.0)
    critic_rate: Rates = ()
    critic_trace: float = static(default=0.0)

    def __post_init__(self) -> None:
        td.require_student(self)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Team:
        """Random weights; ValueError where the units are of another kind or settle."""
        return td.gather(key, layers_of(groups, "Reinforce"), self)

    def act(self, key: Key[Array, ""], mind: Team, obs: Tree, turn: int) -> tuple[Tree, Tree]:
        """Fire or not, as the potentials make likely."""
        del turn
        return fire_each(key, mind, obs, self.temperature)

    def update(
        self, key: Key[Array, ""], mind: Team, transition: Transition, last_obs: Tree
    ) -> tuple[Team, dict[str, Array]]:
        """One step along the scores, each paid the same."""
        del last_obs
        factors = zip(activities(mind, transition), scores(mind, transition, self.temperature), strict=False)
        return td.learn(self, key, mind, list(factors), transition), {}
