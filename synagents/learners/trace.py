"""Each synapse remembers which way it went when the team did better than usual, and goes that way.

    surprise   q_t = R_t - b_t                 b: the running mean of the team's reward
    trace      e_i <- decay e_i + q_t (a_i - E[a_i])
    act        a_i = sign(e_i) with probability 1 - explore, else uniform in {-, 0, +}

An eligibility trace of reward-correlated actions: (a_i - E[a_i]) q is, in expectation, the slope of the team's reward
in the agent's own mean action (Williams 1992, REINFORCE with a running baseline; for synapses Xie & Seung 2004, Fiete &
Seung 2006), and the trace sums it with a leak, as momentum does. Every round explores around where the team is going
anyway, so no forward pass is spent on undoing. The agent needs nothing but its own actions and the team's rewards, but
these must say how much: reward="delta". The rule is ours; only the sign of a trace counts, not the scale of rewards.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents.choice import explore_around
from synagents.history import NUM_ACTIONS
from synagents.schedules import Schedule, at, require_range
from synagents.settings import require_between, settings
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["Trace"]


class TraceMind(NamedTuple):
    """What the population remembers."""

    trace: Tree  # {group: f32[n]} of every agent, in units of reward times action
    usual: Float[Array, ""]  # the running mean of the team's reward
    rounds: Integer[Array, ""]  # lived so far: the time of the exploration schedule


@settings
class Trace:
    """A leaky memory of rewarded directions in every agent; worlds that share a mind pool what their agents were paid.

    Attributes:
        decay: what is left of a trace after a round, in [0, 1]; 0.98 remembers about 50 rounds.
        explore: probability in [0, 1] of a uniform action; a number or a schedule over rounds.
        baseline: what is left of the usual reward's past after a round, in [0, 1].
    """

    decay: float = 0.98
    explore: Schedule = 0.5
    baseline: float = 0.9

    def __post_init__(self) -> None:
        require_between("decay", self.decay, 0, 1)
        require_range("explore", self.explore, 0, 1)
        require_between("baseline", self.baseline, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> TraceMind:
        """No memories; ValueError where actions are not -, 0, +."""
        del key
        _, actions = require_discrete(groups, "Trace")
        if actions != NUM_ACTIONS:
            raise ValueError(f"Trace knows the three actions -, 0, +, but these agents have {actions}.")
        return TraceMind({g.name: jnp.zeros(g.size) for g in groups}, jnp.float32(0), jnp.int32(0))

    def act(self, key: Key[Array, ""], mind: TraceMind, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Follow the trace's sign, or draw; an agent without a trace rests or draws."""
        del obs, turn
        explore = jnp.asarray(at(self.explore, mind.rounds))
        on = {name: 1 + jnp.sign(trace) for name, trace in mind.trace.items()}
        return explore_around(key, on, explore, NUM_ACTIONS), ()

    def update(
        self, key: Key[Array, ""], mind: TraceMind, transition: Transition, last_obs: Tree
    ) -> tuple[TraceMind, dict[str, Array]]:
        """Every agent's surprising deviations of T rounds, older ones weaker, as the mean over W worlds."""
        del key, last_obs
        rounds, worlds = transition.terminated.shape
        expected = 1 - at(self.explore, mind.rounds)
        weight = jnp.broadcast_to(self.decay ** jnp.arange(rounds - 1, -1, -1)[:, None], (rounds, worlds)) / worlds
        traces, means = {}, []
        for name, trace in mind.trace.items():
            reward = transition.reward[name].reshape(rounds, worlds, -1)
            deviation = transition.actions[name].astype(jnp.float32) - 1 - expected * jnp.sign(trace)
            # A product: the sum written out would take the compiler's code forty times as long.
            news = jnp.einsum("tw,twn->n", weight, (reward - mind.usual) * deviation)
            traces[name] = self.decay**rounds * trace + news
            means.append(reward.mean())
        left = self.baseline**rounds
        usual = left * mind.usual + (1 - left) * jnp.stack(means).mean()
        return TraceMind(traces, usual, mind.rounds + rounds), {"usual_reward": usual}
