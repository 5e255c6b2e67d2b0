"""One table of action values for all agents, which learns from how the whole team deviated from its policy.

    features   phi[s, a] = (count[s, a] - count[s] pi(a | s)) / sqrt(N)
    target     y = clip(q / sqrt(v), -3, 3) + gamma (V' - V),    V = sum_i max_a Q[s_i, a] / sqrt(N)
    learn      g = P phi / (forget + phi' P phi),   Q <- Q + g (y - phi' Q),   P <- (P - g (P phi)') / forget

count[s, a] is how many of a world's N agents saw s and did a; q = R - u is the surprise in the team's reward, u and v
are the running means of R and of q^2, and ' is a round later. All agents get the same number, so if every cell that
was hit moved towards it, as in the published update (`q_table`), all actions of a row would look alike as soon as
there are many agents. What says which action was better is by how much their shares deviated, by chance, from what
the policy made likely. That is value decomposition, Q_team = sum_i Q[s_i, a_i] with a shared table (VDN, Sunehag et
al. 2018), fitted by recursive least squares (Ljung 1999, section 11.2); trace(P) is bounded, and a row of Q has mean
0. No direction of a weight is special, so phi and Q are averaged with their mirror images: a history makes of an
action what the mirrored history makes of the opposite action. The combination is ours.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key

from synagents.agents.codes import mirrored
from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.choice import sample
from synagents.schedules import Schedule, Switch, at, require_range
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

__all__ = ["TeamQ"]

RIDGE = 10.0  # P before the first round, times the identity; its trace never exceeds this one's
LARGEST = 3.0  # standard deviations of surprise that are learned from at most
TINY = float(np.finfo(np.float32).tiny)


class TeamMind(NamedTuple):
    """What the population knows."""

    values: Float[Array, "S A"]  # Q: rows of mean 0
    covariance: Float[Array, "SA SA"]  # P
    mirror: Integer[Array, "S"]  # the mirrored history of each


class TeamMemory(NamedTuple):
    """What one world's rewards usually are."""

    mean: Float[Array, ""]  # u
    variance: Float[Array, ""]  # v


@settings
class TeamQ(MemoryLearner):
    """A shared table of action values with credit for the team, adaptive (learned here) or frozen.

    Attributes:
        table: f32[S, A] to start from; None is all zeros.
        adaptive: whether the table learns; a frozen one is only applied, and must be given.
        policy: what agents do with the probability 1 - epsilon: "greedy", the action of the highest value; "boltzmann",
            one drawn by exp(Q / temperature); or "graded", the better of down and up with a probability that grows with
            the difference of their values and is 1 from max / grade on, else nothing.
        grade: of the graded policy, > 0.
        temperature: of the Boltzmann policy, > 0, in units of Q.
        epsilon: probability in [0, 1] of a uniform action; a number or a schedule over rounds.
        gamma: discount of later surprises, in [0, 1).
        forget: weight in (0, 1] of a round in the fit, relative to the next one.
        mean_rate: share in [0, 1] of the way that the running means move towards each reward.
    """

    needs: ClassVar[RewardKind] = RewardKind(graded=True, same_batch=True)

    table: Float[Array | np.ndarray, "S A"] | None = None
    adaptive: bool = static(default=True)
    policy: Literal["greedy", "boltzmann", "graded"] = static(default="greedy")
    grade: float = 2.0
    temperature: float = 0.1
    epsilon: Schedule = Switch(1.0, 0.5, 1000)
    gamma: float = static(default=0.0)
    forget: float = 0.998
    mean_rate: float = 0.1

    def __post_init__(self) -> None:
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("grade", self.grade, 0, above=True)
        require_between("temperature", self.temperature, 0, above=True)
        require_between("gamma", self.gamma, 0, 1)
        require(self.gamma != 1, "gamma must be below 1.")
        require_between("forget", self.forget, 0, 1, above=True)
        require_between("mean_rate", self.mean_rate, 0, 1)
        require(
            self.adaptive or self.table is not None,
            "A frozen TeamQ needs a table: give table=..., or adaptive=True to learn from zeros.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> TeamMind:
        """The values to start from; ValueError if one table cannot serve these agents, or has another shape."""
        del key
        shape = require_discrete(groups, "TeamQ")
        mirror = jnp.asarray(mirrored(groups, "TeamQ"))
        start = jnp.zeros(shape, jnp.float32) if self.table is None else jnp.asarray(self.table, jnp.float32)
        require(
            start.shape == shape,
            f"The table has shape {start.shape}, but these agents have {shape[0]} histories and {shape[1]} actions: "
            "use a table learned with the same history and memory.",
        )
        return TeamMind(start, RIDGE * jnp.eye(start.size, dtype=jnp.float32), mirror)

    def begin_world(self, key: Key[Array, ""], mind: TeamMind, groups: tuple[Group, ...]) -> TeamMemory:
        """No reward yet."""
        del key, mind, groups
        return TeamMemory(jnp.float32(0), jnp.float32(0))

    def act(
        self, key: Key[Array, ""], mind: TeamMind, memory: TeamMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, TeamMemory, Float[Array, "S A"]]:
        """Draw every agent's action from its history's row; the policy is kept for the update."""
        del turn
        policy = self.probabilities(mind.values, t)
        return sample(key, policy, obs), memory, policy

    def update(
        self,
        key: Key[Array, ""],
        mind: TeamMind,
        memory: TeamMemory,
        transition: Transition,
        last_obs: Tree,
        t: RoundNumber,
    ) -> tuple[TeamMind, TeamMemory, Metrics]:
        """One step of least squares for every round of every world, one after the other."""
        del key, t
        rewards = jnp.stack([reward.mean(axis=tuple(range(2, reward.ndim))) for reward in transition.reward.values()])
        memory, surprise = self._surprises(memory, rewards.mean(axis=0))
        if not self.adaptive:
            return mind, memory, {}
        counts, later = _counts(transition, last_obs, mind.values.shape)

        def learn(mind: TeamMind, seen: tuple[Array, ...]) -> tuple[TeamMind, None]:
            return self._fit(mind, *seen), None

        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (counts, later, transition.extras[0], surprise))
        learned, _ = jax.lax.scan(learn, mind, rows)
        return learned, memory, {"q_change": jnp.abs(learned.values - mind.values).max()}

    def action_values(self, mind: TeamMind) -> Float[Array, "S A"]:
        """The table."""
        return mind.values

    def probabilities(self, values: Float[Array, "S A"], t: RoundNumber) -> Float[Array, "S A"]:
        """pi(a | s) of all actions after every history in round t."""
        epsilon = at(self.epsilon, t)
        if self.policy == "boltzmann":
            chosen = jax.nn.softmax(values / self.temperature, axis=1)
        elif self.policy == "greedy":
            best = (values >= values.max(axis=1, keepdims=True)).astype(jnp.float32)
            chosen = best / best.sum(axis=1, keepdims=True)  # actions that are equally good share the agents
        else:
            lean = values[:, 2] - values[:, 0]
            share = jnp.clip(self.grade * lean / jnp.maximum(jnp.abs(lean).max(), TINY), -1, 1)
            chosen = jnp.stack([jnp.maximum(-share, 0), 1 - jnp.abs(share), jnp.maximum(share, 0)], axis=1)
        return (1 - epsilon) * chosen + epsilon / values.shape[1]

    def _surprises(self, memory: TeamMemory, rewards: Float[Array, "T R"]) -> tuple[TeamMemory, Float[Array, "T R"]]:
        """The memories of W worlds after T rounds, and every surprise in standard deviations; R = W C."""
        worlds = len(memory.mean)

        def one(memory: TeamMemory, reward: Float[Array, "W C"]) -> tuple[TeamMemory, Float[Array, "W C"]]:
            q = reward - memory.mean[:, None]
            variance = memory.variance + self.mean_rate * (jnp.mean(q**2, axis=1) - memory.variance)
            mean = memory.mean + self.mean_rate * jnp.mean(q, axis=1)
            z = jnp.clip(q / jnp.sqrt(jnp.maximum(variance, TINY))[:, None], -LARGEST, LARGEST)
            return TeamMemory(mean, variance), z

        memory, z = jax.lax.scan(one, memory, rewards.reshape(len(rewards), worlds, -1))
        return memory, z.reshape(rewards.shape)

    def _fit(self, mind: TeamMind, count: Array, later: Array, policy: Array, surprise: Array) -> TeamMind:
        """Recursive least squares with one row: a world's counts [S, A], of later histories [S], pi and z."""
        q, p, mirror = mind
        agents = count.sum()
        deviation = (count - count.sum(axis=1, keepdims=True) * policy) / jnp.sqrt(agents)
        phi = (0.5 * (deviation + deviation[mirror, ::-1])).reshape(-1)
        target = surprise
        if self.gamma:
            best = q.max(axis=1)
            target = target + self.gamma * jnp.vdot(later - count.sum(axis=1), best) / jnp.sqrt(agents)
        spread = p @ phi
        gain = spread / (self.forget + jnp.vdot(phi, spread))
        fitted = (q.reshape(-1) + gain * (target - jnp.vdot(phi, q.reshape(-1)))).reshape(q.shape)
        fitted = fitted - fitted.mean(axis=1, keepdims=True)
        p = (p - jnp.outer(gain, spread)) / self.forget
        p = p * jnp.minimum(1, RIDGE * len(p) / jnp.trace(p))
        return TeamMind(0.5 * (fitted + fitted[mirror, ::-1]), p, mirror)


def _counts(transition: Transition, last_obs: Tree, shape: tuple[int, int]) -> tuple[Any, Any]:
    """How many agents of each world saw s and did a, f32[T, R, S, A], and saw s a round later, f32[T, R, S]."""
    cells, later = [], []
    for name, obs in transition.obs.items():
        cells.append(obs.astype(jnp.int32) * shape[1] + transition.actions[name])
        later.append(jnp.concatenate([obs[1:], last_obs[name][None]]).astype(jnp.int32))

    def histogram(values: Array, bins: int) -> Array:
        return jnp.zeros(bins, jnp.float32).at[values].add(1, mode="promise_in_bounds")

    over = jax.vmap(jax.vmap(histogram, (0, None)), (0, None))
    count = over(jnp.concatenate(cells, axis=-1), shape[0] * shape[1])
    return count.reshape(*count.shape[:2], *shape), over(jnp.concatenate(later, axis=-1), shape[0])
