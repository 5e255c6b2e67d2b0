"""One table of action values for all agents: the reference learner of synaptic reinforcement learning.

    act      a_i = uniform{-, 0, +} with probability epsilon, else argmax_a Q[s_i, a]
    learn    Q[s, a] += (1 - (1 - alpha)^c) (m - Q[s, a]),   m = mean over hits of R + gamma max_a' Q[s', a']

c counts how often the cell (s, a) was hit by the agents, worlds and rounds of one update. For one world and one round
all targets of a cell are equal, and this is the original's synapse-by-synapse update with the bootstrap held fixed.
(Bhargava et al. 2022, equations 1-3, and the authors' code SynRL;
Watkins & Dayan 1992.)
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from synagents.agents.tables import Table, begin_values
from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.choice import epsilon_greedy, sample
from synagents.learners.synapse.tabular import Hits, Rate, hits_of, learn_values
from synagents.schedules import Schedule, at, require_range
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree, require_discrete

__all__ = ["QTable"]


class QMind(NamedTuple):
    """What the population knows."""

    values: Float[Array, "S A"]  # of action a after history s


@settings
class QTable(Learner):
    """The reference algorithm: a shared table of action values, frozen (learned elsewhere) or adaptive (learned here).

    Attributes:
        table: f32[S, A] or a `Table` to start from; None is all zeros, which only makes sense with `adaptive`.
        epsilon: probability of a uniform action, in [0, 1]; a number or a schedule over rounds.
        adaptive: whether the table learns; a frozen one is only applied.
        alpha: learning rate in [0, 1].
        gamma: discount of future rewards in [0, 1].
        rate: what alpha counts: "per-agent" (every hit, as published: with thousands of agents a cell jumps to its mean
            target whatever alpha is) or "per-step" (every cell that was hit moves by alpha once per update).
    """

    table: Table | Float[Array | np.ndarray, "S A"] | None = None
    epsilon: Schedule = 0.1
    adaptive: bool = static(default=False)
    alpha: float = 0.01
    gamma: float = 0.8
    rate: Rate = static(default="per-agent")

    def __post_init__(self) -> None:
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("alpha", self.alpha, 0, 1)
        require_between("gamma", self.gamma, 0, 1)
        require(
            self.adaptive or self.table is not None,
            "A frozen QTable needs a table: give QTable(table=load_table()), or adaptive=True to learn from zeros.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> QMind:
        """The values to start from; ValueError if one table cannot serve these agents, or means something else."""
        del key
        return QMind(begin_values(self.table, groups, require_discrete(groups, "QTable"), self.credit))

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions."""
        del turn
        return sample(key, epsilon_greedy(mind.values, at(self.epsilon, t)), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[QMind, Metrics]:
        """One update from T rounds of W worlds: every cell moves towards the mean target of its hits, unless frozen."""
        del key, t
        if not self.adaptive:
            return mind, {}
        best = mind.values.max(axis=1)

        def error(hit: Hits) -> Float[Array, "hits"]:
            return hit.reward + self.gamma * hit.goes_on * best[hit.later] - mind.values[hit.s, hit.a]

        parts = [(hit, error(hit)) for hit in hits_of(transition, last_obs).values()]
        values = learn_values(mind.values, parts, self.alpha, self.rate)
        return QMind(values), {"q_change": jnp.abs(values - mind.values).max()}

    def action_values(self, mind: QMind) -> Float[Array, "S A"]:
        """The table."""
        return mind.values
