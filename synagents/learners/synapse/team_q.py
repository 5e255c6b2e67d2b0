"""Q-learning of the team: one table for all agents, which learns from how the whole team deviated from its policy.

    Q <- least squares of   y = q / sqrt(v) + gamma (V' - V)   on   phi = (count - count pi) / sqrt(N)   (`team`)
    V = sum_i max_a Q[s_i, a] / sqrt(N)

An agent is told nothing but its own actions and the team's rewards, which its evidence (`agents.evidence`) or its last
rounds (`agents.codes`) sum up as its history s. As all agents get the same number, what they did says nothing, and
what more of them did than was likely says all: `team` has the equations.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.codes import NUM_ACTIONS
from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.synapse.team import TINY, Cells, TeamMemory, TeamMind, TeamTable, greedy
from synagents.schedules import at
from synagents.world import Group, Metrics, RoundNumber, Transition, Tree, require_discrete

__all__ = ["TeamQ"]


@settings
class TeamQ(TeamTable):
    """A shared table of action values with credit for the team, adaptive (learned here) or frozen.

    Attributes:
        adaptive: whether the table learns; a frozen one is only applied, and must be given.
        policy: what agents do with the probability 1 - epsilon: "greedy", the action of the highest value; "boltzmann",
            one drawn by exp(Q / temperature); or "graded", the better of down and up with a probability that grows with
            the difference of their values and is 1 from max / grade on, else nothing.
        grade: of the graded policy, > 0.
        temperature: of the Boltzmann policy, > 0, in units of Q.
    """

    gamma: float = static(default=0.0)
    adaptive: bool = static(default=True)
    policy: Literal["greedy", "boltzmann", "graded"] = static(default="greedy")
    grade: float = 2.0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between("grade", self.grade, 0, above=True)
        require_between("temperature", self.temperature, 0, above=True)
        require(
            self.adaptive or self.table is not None,
            "A frozen TeamQ needs a table: give table=..., or adaptive=True to learn from zeros.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> TeamMind:
        """The values to start from; ValueError as in `TeamTable`, or where a graded policy has no down and up."""
        _, actions = require_discrete(groups, "TeamQ")
        require(
            self.policy != "graded" or actions == NUM_ACTIONS,
            f"The graded policy weighs up against down, but these agents have {actions} actions: use policy='greedy' "
            "or 'boltzmann'.",
        )
        return super().init(key, groups)

    def update(
        self,
        key: Key[Array, ""],
        mind: TeamMind,
        memory: TeamMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[TeamMind, TeamMemory, Metrics]:
        """Learn from T rounds of W worlds; a frozen table stays as it is."""
        return super().update(key, mind, memory, transition, last_obs, t) if self.adaptive else (mind, memory, {})

    def worth(self, own: Cells, other: Cells, policy: Cells, seen: Float[Array, "*S"]) -> Float[Array, ""]:
        """sum_s seen[s] max_a Q[s, a]."""
        del other, policy
        return jnp.vdot(seen, own.max(axis=1))

    def probabilities(self, values: Float[Array, "S A"], t: RoundNumber) -> Float[Array, "S A"]:
        """pi(a | s) of all actions after every history in round t."""
        epsilon = at(self.epsilon, t)
        if self.policy == "boltzmann":
            chosen = jax.nn.softmax(values / self.temperature, axis=1)
        elif self.policy == "greedy":
            chosen = greedy(values)
        else:
            lean = values[:, 2] - values[:, 0]
            share = jnp.clip(self.grade * lean / jnp.maximum(jnp.abs(lean).max(), TINY), -1, 1)
            chosen = jnp.stack([jnp.maximum(-share, 0), 1 - jnp.abs(share), jnp.maximum(share, 0)], axis=1)
        return (1 - epsilon) * chosen + epsilon / values.shape[1]
