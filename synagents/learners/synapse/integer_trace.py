"""The rule of `trace` in whole numbers: each synapse goes where the team did better than usual, and often rests.

    surprise   q_t = clip(R_t - b_t)               b: the running mean of the team's reward, b += (R - b) / 2^mean_shift
    trace      e_i <- e_i - e_i / 2^trace_shift + q_t (a_i - E[a_i])            int32, divided by shifts
    act        with probability `active`: a_i = sign(e_i), or any of {-, 0, +} with probability epsilon;   else rest

One level of an int8 weight is a large step. So the steps stay as they are and fewer agents move as training goes on,
which takes the place of a step size that falls. (Williams 1992, REINFORCE with a running baseline; for synapses Xie &
Seung 2004, Fiete & Seung 2006; training in integers only: Sarkar et al. 2025, arXiv 2511.16652. The rule is ours.)
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, Key, Num, UInt32

from synagents.hyperparameters import require_whole, settings, static
from synagents.learners.choice import RESOLUTION, require_nudges, words
from synagents.schedules import Schedule, at, require_range
from synagents.world import (
    Group,
    MemoryLearner,
    Metrics,
    RewardKind,
    RoundNumber,
    Transition,
    Tree,
)

__all__ = ["IntegerTrace"]

ACTION_BITS = 12  # an action is 2^12 units
MEAN_BITS = 8  # the running mean has so many bits behind the point
TRACE_BITS = 30  # that a trace fills at most
FLOAT_BITS = 18  # rewards that are real numbers are counted in units of 2^-18


class IntegerTraceMemory(NamedTuple):
    """What the agents of one world remember."""

    trace: Tree  # {group: int32[n]} of every agent, in units of reward times 2^-12 action
    mean: Int32[Array, ""]  # the running mean of the team's reward, in units of 2^-8 reward


@settings
class IntegerTrace(MemoryLearner):
    """A leaky memory of rewarded directions in every agent, in int32; only the schedules are real numbers.

    It plays networks of real numbers, too: their rewards are rounded to multiples of 2^-18.

    Attributes:
        trace_shift: a trace remembers about 2^trace_shift rounds, 0 .. 12.
        epsilon: probability in [0, 1] that an agent that moves draws any action; a number or a schedule over rounds.
        active: probability in [0, 1] that an agent does not rest; a number or a schedule over rounds.
        mean_shift: the running mean of the reward remembers about 2^mean_shift rounds, 0 .. 8.
    """

    needs: ClassVar[RewardKind] = RewardKind(graded=True, same_batch=True)

    trace_shift: int = static(default=6)
    epsilon: Schedule = 0.5
    active: Schedule = 1.0
    mean_shift: int = static(default=3)

    def __post_init__(self) -> None:
        require_whole("trace_shift", self.trace_shift, 0, 12)
        require_whole("mean_shift", self.mean_shift, 0, MEAN_BITS)
        require_range("epsilon", self.epsilon, 0, 1)
        require_range("active", self.active, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> tuple[()]:
        """Nothing that worlds share; ValueError where actions are not -, 0, +."""
        del key
        require_nudges(groups, "IntegerTrace")
        return ()

    def begin_world(self, key: Key[Array, ""], mind: tuple[()], groups: tuple[Group, ...]) -> IntegerTraceMemory:
        """No traces yet."""
        del key, mind
        return IntegerTraceMemory({g.name: jnp.zeros(g.size, jnp.int32) for g in groups}, jnp.int32(0))

    def act(
        self, key: Key[Array, ""], mind: tuple[()], memory: IntegerTraceMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, IntegerTraceMemory, tuple[()]]:
        """Rest, follow the trace's sign, or draw."""
        del mind, obs, turn
        follows, draws = self.thresholds(t)
        down, leave = draws // 3, 2 * (draws // 3)
        chosen: Tree = {}
        for name, word in words(key, memory.trace).items():
            drawn = jnp.where(word < down, 0, jnp.where(word < leave, 1, 2))
            followed = jnp.where(word < draws + follows, 1 + jnp.sign(memory.trace[name]), 1)
            chosen[name] = jnp.where(word < draws, drawn, followed).astype(jnp.uint8)
        return chosen, memory, ()

    def thresholds(self, t: RoundNumber) -> tuple[UInt32[Array, ""], UInt32[Array, ""]]:
        """Of 2^24, how many words mean to follow the trace, and how many to draw: all that schedules are asked for."""
        active, epsilon = at(self.active, t), at(self.epsilon, t)
        draws = jnp.round(active * epsilon * RESOLUTION).astype(jnp.uint32)
        return jnp.round(active * RESOLUTION).astype(jnp.uint32) - draws, draws

    def update(
        self,
        key: Key[Array, ""],
        mind: tuple[()],
        memory: IntegerTraceMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[tuple[()], IntegerTraceMemory, Metrics]:
        """Every agent's surprising deviations of T rounds, one after the other; of C candidates their mean."""
        del key, last_obs
        worlds = len(memory.mean)
        expected = (self.thresholds(t)[0] >> (24 - ACTION_BITS)).astype(jnp.int32)
        forward = {name: expected * jnp.sign(trace) for name, trace in memory.trace.items()}
        rewards = {name: whole(own) for name, own in transition.reward.items()}

        def one_round(now: IntegerTraceMemory, made: tuple[Tree, Tree]) -> tuple[IntegerTraceMemory, None]:
            reward, actions = ({name: x.reshape(worlds, -1, *x.shape[1:]) for name, x in part.items()} for part in made)
            return self._after(now, forward, reward, actions), None

        memory, _ = jax.lax.scan(one_round, memory, (rewards, transition.actions))
        return mind, memory, {"mean_reward": memory.mean.sum(dtype=jnp.int32) // worlds >> MEAN_BITS}

    def _after(self, memory: IntegerTraceMemory, forward: Tree, rewards: Tree, actions: Tree) -> IntegerTraceMemory:
        """The memory [W, ...] after one round with rewards [W, C] and actions [W, C, n]."""
        # Traces stay below 2^30: 2^trace_shift rounds of the largest surprise and the largest deviation.
        most = 1 << (TRACE_BITS - ACTION_BITS - 1 - self.trace_shift)
        half = 1 << self.trace_shift >> 1
        traces: Tree = {}
        for name, trace in memory.trace.items():
            surprise = jnp.clip(rewards[name] - (memory.mean[:, None] >> MEAN_BITS), -most, most)
            deviation = ((actions[name].astype(jnp.int32) - 1) << ACTION_BITS) - forward[name][:, None]
            news = (surprise[..., None] * deviation).sum(axis=1, dtype=jnp.int32) // surprise.shape[1]
            traces[name] = trace - ((trace + half) >> self.trace_shift) + news
        seen = jnp.stack([own.sum(axis=1, dtype=jnp.int32) // own.shape[1] for own in rewards.values()])
        seen = seen.sum(axis=0, dtype=jnp.int32) // len(rewards)
        seen = jnp.clip(seen, -(1 << 22), 1 << 22) << MEAN_BITS
        return IntegerTraceMemory(traces, memory.mean + ((seen - memory.mean) >> self.mean_shift))


def whole(reward: Num[Array, "..."]) -> Int32[Array, "..."]:
    """Rewards as whole numbers: as they are, or in units of 2^-18 where they are real numbers."""
    if jnp.issubdtype(reward.dtype, jnp.integer):
        return reward
    return jnp.round(jnp.clip(reward, -16, 16) * (1 << FLOAT_BITS)).astype(jnp.int32)
