"""A table learns from how the whole team deviated from its policy: what the learners of team values share.

    features   phi[s, a] = (count[s, a] - count[s] pi(a | s)) / sqrt(N)
    target     y = clip(q / sqrt(v), -3, 3) + gamma (V' - V)
    learn      g = P phi / (forget + phi' P phi),   Q <- Q + g (y - phi' Q),   P <- (P - g (P phi)') / forget

count[s, a] is how many of a world's N agents saw s and did a; q = R - u is the surprise in the team's reward, u and v
are the running means of R and of q^2, V is what the histories that the agents saw are worth to the team over sqrt(N),
V' that a round later: learners differ in what they say a history is worth. All agents get the same number, so if every
cell that was hit moved towards it, as in the published update (`q_table`), all actions of a row would look alike as
soon as there are many agents. What says which action was better is by how much their shares deviated, by chance, from
what the policy made likely. That is value decomposition, Q_team = sum_i Q[s_i, a_i] with a shared table (VDN, Sunehag
et al. 2018), fitted by recursive least squares (Ljung 1999, section 11.2); trace(P) is bounded, and a row of Q has
mean 0. No direction of a weight is special, so phi and Q are averaged with their mirror images: a history makes of an
action what the mirrored history makes of the opposite action. The combination is ours.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key

from synagents.agents.histories import mirrored
from synagents.agents.tables import Table, begin_values
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.learners.choice import sample
from synagents.schedules import Schedule, Switch, at, require_range
from synagents.world import (
    Credit,
    Group,
    MemoryLearner,
    Metrics,
    RewardKind,
    RoundNumber,
    Transition,
    Tree,
    require_discrete,
)

RIDGE = 10.0  # P before the first round, times the identity; its trace never exceeds this one's
LARGEST = 3.0  # standard deviations of surprise that are learned from at most
TINY = float(np.finfo(np.float32).tiny)
Cells: TypeAlias = Float[Array, "S A"]


class TeamMind(NamedTuple):
    """What the population knows."""

    values: Float[Array, "U S A"]  # Q of each of U tables: rows of mean 0
    covariance: Float[Array, "U SA SA"]  # P
    mirror: Integer[Array, "S"]  # the mirrored history of each


class TeamMemory(NamedTuple):
    """What one world's rewards usually are."""

    mean: Float[Array, ""]  # u
    variance: Float[Array, ""]  # v


class Row(NamedTuple):
    """One round of one world: what least squares learn from."""

    counts: Float[Array, "S A"]  # agents by what they saw and did
    later: Float[Array, "*S"]  # agents by what they saw a round later, and did then where a learner asks for it
    policy: Float[Array, "S A"]
    surprise: Float[Array, ""]  # in standard deviations
    goes_on: Float[Array, ""]  # 0 at the end of a life, else 1


@settings
class TeamTable(MemoryLearner):
    """Shared tables of team values; a subclass says what a history is worth to the team.

    Attributes:
        table: f32[S, A] or a `Table` to start from; None is all zeros.
        epsilon: probability in [0, 1] of a uniform action; a number or a schedule over rounds.
        gamma: discount of later surprises, in [0, 1).
        forget: weight in (0, 1] of a round in the fit, relative to the next one.
        mean_rate: share in [0, 1] of the way that the running means move towards each reward.
        learn_from: agents whose actions are counted in a round, >= 1, a share of every group; all where there are no
            more. Others take their turn in the next round: each says as much, and a count costs time.
    """

    needs: ClassVar[RewardKind] = RewardKind(graded=True, same_batch=True)
    credit: ClassVar[Credit] = "team"
    tables: ClassVar[int] = 1  # U

    table: Table | Float[Array | np.ndarray, "S A"] | None = None
    epsilon: Schedule = Switch(1.0, 0.5, 1000)
    gamma: float = static(default=0.5)
    forget: float = 0.998
    mean_rate: float = 0.1
    learn_from: int = static(default=2048)

    def __post_init__(self) -> None:
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("gamma", self.gamma, 0, 1)
        require(self.gamma != 1, "gamma must be below 1.")
        require_between("forget", self.forget, 0, 1, above=True)
        require_between("mean_rate", self.mean_rate, 0, 1)
        require_whole("learn_from", self.learn_from, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> TeamMind:
        """The values to start from; ValueError if one table cannot serve these agents, or means something else."""
        del key
        name = type(self).__name__
        start = begin_values(self.table, groups, require_discrete(groups, name), self.credit)
        cells = jnp.eye(start.size, dtype=jnp.float32)
        return TeamMind(
            jnp.stack([start] * self.tables),
            RIDGE * jnp.stack([cells] * self.tables),
            jnp.asarray(mirrored(groups, name)),
        )

    def begin_world(self, key: Key[Array, ""], mind: TeamMind, groups: tuple[Group, ...]) -> TeamMemory:
        """No reward yet."""
        del key, mind, groups
        return TeamMemory(jnp.float32(0), jnp.float32(0))

    def act(
        self, key: Key[Array, ""], mind: TeamMind, memory: TeamMemory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, TeamMemory, Float[Array, "S A"]]:
        """Draw every agent's action from its history's row; the policy is kept for the update."""
        del turn
        policy = self.probabilities(self.action_values(mind), t)
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
        rewards = jnp.stack([reward.mean(axis=tuple(range(2, reward.ndim))) for reward in transition.reward.values()])
        memory, surprise = self._surprises(memory, rewards.mean(axis=0))
        shape, turn = mind.values.shape[1:], window(transition.obs, self.learn_from, t)
        obs, actions = turn(transition.obs), turn(transition.actions)
        count = tally({name: own.astype(jnp.int32) * shape[1] + actions[name] for name, own in obs.items()}, shape)
        later = count[..., 0]
        if self.gamma:
            last = turn(last_obs)
            after = {name: jnp.concatenate([own[1:], last[name][None]]) for name, own in obs.items()}
            later = self.seen_later(key, self.probabilities(self.action_values(mind), t), after)
        goes_on = 1 - transition.terminated.astype(jnp.float32)
        rows = Row(count, later, transition.extras[0], surprise, goes_on)
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)

        def learn(mind: TeamMind, numbered: tuple[Array, Row]) -> tuple[TeamMind, None]:
            number, row = numbered
            return self._fit(mind, row, self.learns(jax.random.fold_in(key, number))), None

        learned, _ = jax.lax.scan(learn, mind, (jnp.arange(len(rows.surprise)), rows))
        return learned, memory, {"q_change": jnp.abs(learned.values - mind.values).max()}

    def action_values(self, mind: TeamMind) -> Float[Array, "S A"]:
        """The mean of the tables."""
        return mind.values.mean(axis=0)

    def probabilities(self, values: Float[Array, "S A"], t: RoundNumber) -> Float[Array, "S A"]:
        """pi(a | s) of all actions after every history in round t; actions that are equally good share the agents."""
        epsilon = at(self.epsilon, t)
        return (1 - epsilon) * greedy(values) + epsilon / values.shape[1]

    @abstractmethod
    def worth(self, own: Cells, other: Cells, policy: Cells, seen: Float[Array, "*S"]) -> Float[Array, ""]:
        """What the agents may expect of the histories that they saw, in total.

        Args:
            own: the table that learns.
            other: the last of the others, the same where there is one table.
            policy: they acted by.
            seen: a count as `seen_later` gives it.
        """

    def seen_later(self, key: Key[Array, ""], policy: Float[Array, "S A"], after: Tree) -> Float[Array, "T R *S"]:
        """How many agents saw each history a round later.

        Args:
            key: for what is drawn.
            policy: that they act by next.
            after: {group: [T, R, n]} what they saw.
        """
        del key
        return tally(after, policy.shape[:1])

    def learns(self, key: Key[Array, ""]) -> Integer[Array, ""] | int:
        """Which of the tables learns from a round."""
        del key
        return 0

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

    def _fit(self, mind: TeamMind, row: Row, u: Integer[Array, ""] | int) -> TeamMind:
        """Recursive least squares of table u with one row."""
        q, other, p, mirror = mind.values[u], mind.values[self.tables - 1 - u], mind.covariance[u], mind.mirror
        here = row.counts.sum(axis=1)
        root = jnp.sqrt(here.sum())
        deviation = (row.counts - here[:, None] * row.policy) / root
        phi = (0.5 * (deviation + deviation[mirror, ::-1])).reshape(-1)
        target = row.surprise
        if self.gamma:
            now = here if row.later.ndim == 1 else row.counts
            later, before = (self.worth(q, other, row.policy, seen) for seen in (row.later, now))
            target = target + self.gamma * (row.goes_on * later - before) / root
        spread = p @ phi
        gain = spread / (self.forget + jnp.vdot(phi, spread))
        fitted = (q.reshape(-1) + gain * (target - jnp.vdot(phi, q.reshape(-1)))).reshape(q.shape)
        fitted = fitted - fitted.mean(axis=1, keepdims=True)
        fitted = 0.5 * (fitted + fitted[mirror, ::-1])
        p = (p - jnp.outer(gain, spread)) / self.forget
        p = p * jnp.minimum(1, RIDGE * len(p) / jnp.trace(p))
        return TeamMind(mind.values.at[u].set(fitted), mind.covariance.at[u].set(p), mirror)


def greedy(values: Float[Array, "*n A"]) -> Float[Array, "*n A"]:
    """The policy that takes the best action of every row; those that are equally good share the agents."""
    # Without the barrier the compiler may compute values twice, rounded differently, and no action is the best.
    values = jax.lax.optimization_barrier(values)
    best = (values >= values.max(axis=-1, keepdims=True)).astype(jnp.float32)
    return best / best.sum(axis=-1, keepdims=True)


def window(agents: Tree, most: int, t: RoundNumber) -> Callable[[Tree], Tree]:
    """What picks the agents whose turn it is: all of them, or of every group an equal share of about `most` in total.

    Args:
        agents: {group: [..., n]}.
        most: agents per round, >= 1.
        t: rounds played before: windows of neighbours take turns.
    """
    total = sum(own.shape[-1] for own in agents.values())

    def pick(own: Array) -> Array:
        n = own.shape[-1]
        size = max(1, round(n * most / total))
        start = (t % -(-n // size)) * size  # the last window is moved back, so that it is as wide as the others
        return jax.lax.dynamic_slice_in_dim(own, start, size, axis=-1)

    return lambda tree: {name: pick(own) if total > most else own for name, own in tree.items()}


def tally(cells: Tree, shape: tuple[int, ...]) -> Float[Array, "T R *S"]:
    """How many agents of each round and row are in each cell, from {group: [T, R, n]} their numbers."""
    own = jnp.concatenate([each.astype(jnp.int32) for each in cells.values()], axis=-1)
    rows, size = math.prod(own.shape[:2]), math.prod(shape)
    # One histogram over all rows: several, batched by `vmap`, take ten times as long.
    own = own.reshape(rows, -1) + size * jnp.arange(rows, dtype=jnp.int32)[:, None]
    count = jnp.zeros(rows * size, jnp.int32).at[own].add(1, mode="promise_in_bounds")
    return count.astype(jnp.float32).reshape(*next(iter(cells.values())).shape[:2], *shape)
