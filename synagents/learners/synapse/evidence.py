"""Each synapse keeps evidence for every level that its weight may have, and names the level with the most of it.

    act        a_i = argmax_a e_i[a] with probability 1 - epsilon, else one of the other levels
    value      V_t = V_{t-1} + R_t                      how much better the team does than in the beginning
    surprise   q_t = clip((V_t - b_t) / s_t, -3, 3)     b: the running mean of V,  s^2: of (V - b)^2
    evidence   e_i[a] <- evidence_decay e_i[a] + q_t (1[a_i = a] - P(a_i = a))

The team's joint action is the network itself (moves="set"), and the level that is named most of the time is its best
guess: a few agents try another one in each round, and all of them remember for long how the team did then. In
expectation (1[a_i = a] - P) q is the slope of the team's value in the probability that the agent names a (Williams
1992, REINFORCE with a running baseline); it is summed with a slow leak instead of being applied with a small step. The
rule is ours; the scale of rewards does not matter.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.codes import MOST_LEVELS, NUM_ACTIONS
from synagents.hyperparameters import require, require_between, settings
from synagents.learners.choice import explore_others
from synagents.schedules import Schedule, at, require_range
from synagents.world import (
    Group,
    MemoryLearner,
    Metrics,
    RewardKind,
    RoundNumber,
    Transition,
    Tree,
    require_discrete,
)

__all__ = ["Evidence"]

LARGEST = 3.0  # surprise, in standard deviations
SPREAD_RATE = 0.01  # of the running mean of squared surprises
FIRST = 1e-3  # scale of what evidence begins with, against 3 for a surprise: it decides which level is named first
TINY = 1e-12  # variance, where nothing has happened


class EvidenceMemory(NamedTuple):
    """What the agents of one world remember."""

    evidence: Tree  # {group: f32[A, n]} for every level of every agent, in standard deviations
    value: Float[Array, ""]  # the sum of the team's rewards
    mean: Float[Array, ""]  # the running mean of it
    variance: Float[Array, ""]  # the running mean of the squared distance between the two


@settings
class Evidence(MemoryLearner):
    """A slow leak of surprises in every agent of every world; nothing is shared between worlds.

    Attributes:
        evidence_decay: what is left of evidence after a round, in [0, 1]; 0.99999 remembers about 100,000 rounds.
        epsilon: probability in [0, 1] of naming another level; a number or a schedule over rounds.
        mean_rate: share in [0, 1] of the way that the running mean of the value moves towards each value.
    """

    needs: ClassVar[RewardKind] = RewardKind(graded=True, same_batch=True)
    sets_weights: ClassVar[bool] = True

    evidence_decay: float = 0.99999
    epsilon: Schedule = 1e-3
    mean_rate: float = 0.1

    def __post_init__(self) -> None:
        require_between("evidence_decay", self.evidence_decay, 0, 1)
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("mean_rate", self.mean_rate, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> tuple[()]:
        """Nothing that worlds share; ValueError where actions do not name levels."""
        del key
        _, actions = require_discrete(groups, "Evidence")
        require(
            actions != NUM_ACTIONS and actions <= MOST_LEVELS,
            f"Evidence is for the levels of a weight, 2 to {MOST_LEVELS} of them, but these agents have {actions} "
            "actions: build the world with moves='set' and a network of few bits.",
        )
        return ()

    def begin_world(self, key: Key[Array, ""], mind: tuple[()], groups: tuple[Group, ...]) -> EvidenceMemory:
        """As good as no evidence; what little there is says which level is named first."""
        del mind
        evidence = {}
        for index, group in enumerate(groups):
            _, actions = require_discrete((group,), "Evidence")
            drawn = jax.random.normal(jax.random.fold_in(key, index), (actions, group.size), jnp.float32)
            evidence[group.name] = FIRST * (drawn - drawn.mean(axis=0))
        return EvidenceMemory(evidence, jnp.float32(0), jnp.float32(0), jnp.float32(0))

    def act(
        self, key: Key[Array, ""], mind: tuple[()], memory: EvidenceMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, EvidenceMemory, tuple[()]]:
        """Name the level with the most evidence, or another one."""
        del mind, obs, turn
        best = {name: jnp.argmax(own, axis=0) for name, own in memory.evidence.items()}
        levels = len(next(iter(memory.evidence.values())))
        return explore_others(key, best, at(self.epsilon, t), levels), memory, ()

    def update(
        self,
        key: Key[Array, ""],
        mind: tuple[()],
        memory: EvidenceMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[tuple[()], EvidenceMemory, Metrics]:
        """The evidence after T rounds, older surprises weaker; of C candidates their mean."""
        del key, last_obs
        worlds, (rounds, rows) = len(memory.value), transition.terminated.shape
        shape = (rounds, worlds, rows // worlds)
        reward = jnp.stack([own.reshape(*shape, -1).mean(axis=-1) for own in transition.reward.values()]).mean(axis=0)
        memory, surprise = jax.lax.scan(self._surprised, memory, reward)
        age = self.evidence_decay ** jnp.arange(rounds - 1, -1, -1, dtype=jnp.float32)
        weight = age[:, None, None] * surprise / shape[-1]
        epsilon, evidence = at(self.epsilon, t), {}
        for name, own in memory.evidence.items():
            levels = jnp.arange(own.shape[1], dtype=jnp.uint8)[:, None]
            named = transition.actions[name].reshape(*shape, 1, -1) == levels
            best = jnp.argmax(own, axis=1)[:, None] == levels
            likely = jnp.where(best, 1 - epsilon, epsilon / (len(levels) - 1))
            news = jnp.einsum("twc,twcan->wan", weight, named.astype(jnp.float32) - likely[:, None])
            evidence[name] = self.evidence_decay**rounds * own + news
        return mind, memory._replace(evidence=evidence), {"mean_value": memory.mean.mean()}

    def _surprised(
        self, memory: EvidenceMemory, reward: Float[Array, "W C"]
    ) -> tuple[EvidenceMemory, Float[Array, "W C"]]:
        """How all candidates of a round surprise; the best of them is made, and its value stays."""
        value = memory.value[:, None] + reward
        apart = value - memory.mean[:, None]
        variance = memory.variance + SPREAD_RATE * ((apart**2).mean(axis=1) - memory.variance)
        mean = memory.mean + self.mean_rate * (value.mean(axis=1) - memory.mean)
        surprise = jnp.clip(apart / jnp.sqrt(jnp.maximum(variance, TINY))[:, None], -LARGEST, LARGEST)
        return memory._replace(value=value.max(axis=1), mean=mean, variance=variance), surprise
