"""One table of action values for all agents: the reference learner of synaptic reinforcement learning.

    act      a_i = uniform{-, 0, +} with probability epsilon, else argmax_a Q[s_i, a]
    learn    Q[s, a] += (1 - (1 - alpha)^c) (m - Q[s, a]),   m = mean over hits of R + gamma max_a' Q[s', a']

c counts how often the cell (s, a) was hit by the agents, worlds and rounds of one update. For one world and one round
all targets of a cell are equal, and this is the original's synapse-by-synapse update with the bootstrap held fixed.
(Bhargava et al. 2022, equations 1-3, and the authors' code SynRL;
Watkins & Dayan 1992.)
"""

from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require, settings, static
from synagents.learners.synapse.tabular import Hits, QMind, Rate, TabularQ, hits_of
from synagents.world import Metrics, RoundNumber, Transition, Tree

__all__ = ["QTable"]


@settings
class QTable(TabularQ):
    """The reference algorithm: a shared table of action values, frozen (learned elsewhere) or adaptive (learned here).

    Attributes:
        table: f32[S, A] to start from; None is all zeros, which only makes sense with `adaptive`.
        adaptive: whether the table learns; a frozen one is only applied.
        rate: what alpha counts: "per-agent" (every hit, as published: with thousands of agents a cell jumps to its mean
            target whatever alpha is) or "per-step" (every cell that was hit moves by alpha once per update).
    """

    alpha: float = 0.01
    rate: Rate = static(default="per-agent")
    adaptive: bool = static(default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.adaptive or self.table is not None,
            "A frozen QTable needs a table: give QTable(table=load_table()), or adaptive=True to learn from zeros.",
        )

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[QMind, Metrics]:
        """One update from T rounds of W worlds; a frozen table stays as it is."""
        return super().update(key, mind, transition, last_obs, t) if self.adaptive else (mind, {})

    def errors(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> list[tuple[Hits, Float[Array, "hits"]]]:
        """R + gamma max_a' Q[s', a'] - Q[s, a]."""
        del key, t
        table = self.action_values(mind)
        best = table.max(axis=1)
        return [
            (hit, hit.reward + self.gamma * hit.goes_on * best[hit.later] - table[hit.s, hit.a])
            for hit in hits_of(transition, last_obs).values()
        ]
