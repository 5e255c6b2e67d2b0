"""Each synapse remembers which way it went when the team did better than usual, and goes that way.

    surprise   q_t = R_t - b_t                 b: the running mean of the team's reward, b += mean_rate (R - b)
    trace      e_i <- trace_decay e_i + q_t (a_i - E[a_i])
    act        a_i = sign(e_i) with probability 1 - epsilon, else uniform in {-, 0, +}

An eligibility trace of reward-correlated actions: (a_i - E[a_i]) q is, in expectation, the slope of the team's reward
in the agent's own mean action (Williams 1992, REINFORCE with a running baseline; for synapses Xie & Seung 2004, Fiete &
Seung 2006), and the trace sums it with a leak, as momentum does. Every round explores around where the team is going
anyway, so no forward pass is spent on undoing. The agent needs nothing but its own actions and the team's rewards, but
these must say how much: reward="delta". The rule is ours; only the sign of a trace counts, not the scale of rewards.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.codes import NUM_ACTIONS
from synagents.hyperparameters import require_between, settings
from synagents.learners.choice import explore_around, require_nudges
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

__all__ = ["Trace"]


class TraceMemory(NamedTuple):
    """What the agents of one world remember."""

    trace: Tree  # {group: f32[n]} of every agent, in units of reward times action
    mean: Float[Array, ""]  # the running mean of the team's reward


@settings
class Trace(MemoryLearner):
    """A leaky memory of rewarded directions in every agent of every world; nothing is shared between worlds.

    Attributes:
        trace_decay: what is left of a trace after a round, in [0, 1]; 0.98 remembers about 50 rounds.
        epsilon: probability in [0, 1] of a uniform action; a number or a schedule over rounds.
        mean_rate: share in [0, 1] of the way that the running mean of the reward moves towards each reward.
    """

    needs: ClassVar[RewardKind] = RewardKind(graded=True, same_batch=True)

    trace_decay: float = 0.98
    epsilon: Schedule = 0.5
    mean_rate: float = 0.1

    def __post_init__(self) -> None:
        require_between("trace_decay", self.trace_decay, 0, 1)
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("mean_rate", self.mean_rate, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> tuple[()]:
        """Nothing that worlds share; ValueError where actions are not -, 0, +."""
        del key
        require_nudges(groups, "Trace")
        return ()

    def begin_world(self, key: Key[Array, ""], mind: tuple[()], groups: tuple[Group, ...]) -> TraceMemory:
        """No traces yet."""
        del key, mind
        return TraceMemory({g.name: jnp.zeros(g.size, jnp.float32) for g in groups}, jnp.float32(0))

    def act(
        self, key: Key[Array, ""], mind: tuple[()], memory: TraceMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, TraceMemory, tuple[()]]:
        """Follow the trace's sign, or draw; an agent without a trace rests or draws."""
        del mind, obs, turn
        forward = {name: 1 + jnp.sign(trace) for name, trace in memory.trace.items()}
        return explore_around(key, forward, at(self.epsilon, t), NUM_ACTIONS), memory, ()

    def update(
        self,
        key: Key[Array, ""],
        mind: tuple[()],
        memory: TraceMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[tuple[()], TraceMemory, Metrics]:
        """Every agent's surprising deviations of T rounds, older ones weaker; of C candidates their mean."""
        del key, last_obs
        worlds, (rounds, rows) = len(memory.mean), transition.terminated.shape
        candidates = rows // worlds
        expected = 1 - at(self.epsilon, t)
        age = self.trace_decay ** jnp.arange(rounds - 1, -1, -1, dtype=jnp.float32)
        weight = jnp.broadcast_to(age[:, None, None], (rounds, worlds, candidates)) / candidates
        left = (1 - self.mean_rate) ** rounds
        traces: Tree = {}
        means: list[Any] = []
        for name, trace in memory.trace.items():
            reward = transition.reward[name].reshape(rounds, worlds, candidates, -1)
            action = transition.actions[name].reshape(rounds, worlds, candidates, -1)
            deviation = action.astype(jnp.float32) - 1 - expected * jnp.sign(trace)[:, None]
            surprise = reward - memory.mean[:, None, None]
            # A product: the sum written out would take the compiler's code forty times as long.
            news = jnp.einsum("twc,twcn->wn", weight, surprise * deviation)
            traces[name] = self.trace_decay**rounds * trace + news
            means.append(reward.mean(axis=(0, 2, 3)))
        mean = left * memory.mean + (1 - left) * jnp.stack(means).mean(axis=0)
        return mind, TraceMemory(traces, mean), {"mean_reward": mean.mean()}
