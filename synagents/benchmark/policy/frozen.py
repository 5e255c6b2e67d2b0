"""A policy that was learned elsewhere, and is only played: as a table where it is one.

    act     as the algorithm acts by its mind; or draw from pi[s, .], where all it is is a table over histories
    update  nothing

A feed-forward policy over finitely many histories costs what a table costs, whatever computes it.
"""

from jaxtyping import Array, Float, Key

from synagents.benchmark.marl.kit import SharedPolicy
from synagents.hyperparameters import settings
from synagents.learners.choice import sample
from synagents.world import (
    AnyLearner,
    Group,
    Memory,
    MemoryLearner,
    Metrics,
    Mind,
    RoundNumber,
    Transition,
    Tree,
)


@settings
class Frozen(MemoryLearner):
    """An algorithm's mind at play.

    Attributes:
        algorithm: the learner whose mind it is.
        mind: what it has learned.
    """

    algorithm: AnyLearner
    mind: Mind

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Float[Array, "S A"] | Mind:
        """The policy as a table, or the mind where it is none."""
        del key, groups
        table = self._table()
        return self.mind if table is None else table

    def begin_world(self, key: Key[Array, ""], mind: Mind, groups: tuple[Group, ...]) -> Memory:
        """What the algorithm keeps in a world."""
        del mind
        if isinstance(self.algorithm, MemoryLearner):
            return self.algorithm.begin_world(key, self.mind, groups)
        return ()

    def act(
        self, key: Key[Array, ""], mind: Mind, memory: Memory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, Memory, tuple[()]]:
        """What the policy does."""
        if self._table() is not None:
            return sample(key, mind, obs), memory, ()
        if isinstance(self.algorithm, MemoryLearner):
            actions, memory, _ = self.algorithm.act(key, mind, memory, obs, t, turn)
            return actions, memory, ()
        return self.algorithm.act(key, mind, obs, t, turn)[0], memory, ()

    def update(
        self,
        key: Key[Array, ""],
        mind: Mind,
        memory: Memory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[Mind, Memory, Metrics]:
        """Nothing is learned."""
        del key, transition, last_obs, t
        return mind, memory, {}

    def _table(self) -> Float[Array, "S A"] | None:
        return self.algorithm.policy_table(self.mind) if isinstance(self.algorithm, SharedPolicy) else None
