"""Many agents fill one table: what happened to all of them is pooled per cell before the table learns from it.

    count[s, a] = hits of the cell,   total[s, a] = the sum of a number (an error, an advantage) over them
    values      table += share (total / count),  share = 1 - (1 - alpha)^count per agent, alpha per step
    policies    preferences[s, .] += step (total[s, .] - pi[s, .] sum_a total[s, a]) / sqrt(count[s, .])

The first is the original's agent-by-agent update where all targets of a cell are equal (Bhargava et al. 2022); the
second is the gradient of log pi for a softmax table (Sutton & Barto 2018, section 13.3), summed over all agents and
measured in units of its own noise: the mean of n draws strays from pi by 1 / sqrt(n), so the step means the same for
ten agents and for ten thousand. `TabularQ` is what all learners of action values share: they differ in their targets.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.choice import epsilon_greedy, sample
from synagents.schedules import Schedule, at, require_range
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree, require_discrete

Rate = Literal["per-agent", "per-step"]


class Hits(NamedTuple):
    """What happened to the agents of one group, over worlds and rounds: vectors of equal length, round by round."""

    s: Integer[Array, "hits"]
    a: Integer[Array, "hits"]
    reward: Float[Array, "hits"]
    later: Integer[Array, "hits"]  # the history that followed
    goes_on: Bool[Array, "hits"]  # whether that history is worth anything


def hits_of(transition: Transition, last_obs: Tree) -> dict[str, Hits]:
    """All hits, group by group."""
    groups = {}
    for name, obs in transition.obs.items():
        later = jnp.concatenate([obs[1:], last_obs[name][None]])
        reward = transition.reward[name]
        reward = jnp.broadcast_to(reward if reward.ndim == obs.ndim else reward[..., None], obs.shape)
        goes_on = jnp.broadcast_to(~transition.terminated[..., None], obs.shape)
        hits = Hits(obs, transition.actions[name], reward, later, goes_on)
        groups[name] = Hits(*(part.ravel() for part in hits))
    return groups


def pool(
    parts: Iterable[tuple[Hits, Float[Array, "hits"]]], shape: tuple[int, ...]
) -> tuple[Float[Array, "S A"], Float[Array, "S A"]]:
    """How often each cell (s, a) of a table of this shape was hit, and the sum of a number over its hits."""
    pooled = jnp.zeros((shape[0] * shape[1], 2), jnp.float32)  # both at once: one pass over memory
    for hit, numbers in parts:
        cell = hit.s.astype(jnp.int32) * shape[1] + hit.a
        pooled = pooled.at[cell].add(jnp.stack([jnp.ones_like(numbers), numbers], axis=1), mode="promise_in_bounds")
    count, total = pooled.T.reshape(2, *shape)
    return count, total


def learn_values(
    table: Float[Array, "S A"], parts: Iterable[tuple[Hits, Float[Array, "hits"]]], alpha: float, rate: Rate
) -> Float[Array, "S A"]:
    """The table after every cell that was hit has moved towards its mean target; `parts` give (hits, target - value).

    Args:
        table: f32[S, A].
        parts: for every group its hits and their errors.
        alpha: learning rate in [0, 1].
        rate: "per-agent", alpha counts for every hit, or "per-step", once for every cell that was hit.
    """
    count, total = pool(parts, table.shape)
    share = 1 - (1 - alpha) ** count if rate == "per-agent" else alpha * (count > 0)
    return table + share * total / jnp.maximum(count, 1)


def policy_gradient(
    policy: Float[Array, "S A"], count: Float[Array, "S A"], total: Float[Array, "S A"]
) -> Float[Array, "S A"]:
    """Where a softmax table's preferences should go, from pooled hits and their advantages."""
    gradient = total - policy * total.sum(axis=1, keepdims=True)
    return gradient / jnp.sqrt(jnp.maximum(count.sum(axis=1, keepdims=True), 1))


class QMind(NamedTuple):
    """What the population knows."""

    values: Float[Array, "U S A"]  # of action a after history s, in each of U tables


@settings
class TabularQ(Learner):
    """Shared tables of action values from which all agents act epsilon-greedily; a subclass says what they learn.

    Attributes:
        table: f32[S, A] to start from; None is all zeros.
        epsilon: probability of a uniform action, in [0, 1]; a number or a schedule over rounds.
        alpha: learning rate in [0, 1].
        gamma: discount of future rewards in [0, 1].
        rate: what alpha counts: every hit of a cell ("per-agent") or every update that hits it ("per-step").
    """

    tables: ClassVar[int] = 1  # U

    table: Float[Array | np.ndarray, "S A"] | None = None
    epsilon: Schedule = 0.1
    alpha: float = 0.003
    gamma: float = 0.8
    rate: Rate = static(default="per-step")

    def __post_init__(self) -> None:
        require_range("epsilon", self.epsilon, 0, 1)
        require_between("alpha", self.alpha, 0, 1)
        require_between("gamma", self.gamma, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> QMind:
        """The values to start from; ValueError if one table cannot serve these agents, or has another shape."""
        del key
        shape = require_discrete(groups, type(self).__name__)
        try:
            start = jnp.zeros(shape, jnp.float32) if self.table is None else jnp.asarray(self.table, jnp.float32)
        except (TypeError, ValueError) as error:
            raise ValueError("The table must be an array of numbers, such as `load_table` gives.") from error
        require(
            start.shape == shape,
            f"The table has shape {start.shape}, but these agents have {shape[0]} histories and {shape[1]} actions: "
            "use a table learned with the same memory.",
        )
        return QMind(jnp.stack([start] * self.tables))

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions by the mean of the tables."""
        del turn
        return sample(key, self.policy(mind, t), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[QMind, Metrics]:
        """Every hit moves its cell towards its target."""
        stacked = mind.values.reshape(-1, mind.values.shape[-1])  # one table under the other
        errors = self.errors(key, mind, transition, last_obs, t)
        values = learn_values(stacked, errors, self.alpha, self.rate).reshape(mind.values.shape)
        return QMind(values), {"q_change": jnp.abs(values - mind.values).max()}

    def action_values(self, mind: QMind) -> Float[Array, "S A"]:
        """The mean of the tables."""
        return mind.values.mean(axis=0)

    def policy(self, mind: QMind, t: RoundNumber) -> Float[Array, "S A"]:
        """The probabilities of all actions after every history in round t."""
        return epsilon_greedy(self.action_values(mind), at(self.epsilon, t))

    @abstractmethod
    def errors(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> list[tuple[Hits, Float[Array, "hits"]]]:
        """For every group its hits and their errors, target - value; arguments as `update`.

        A hit's `s` is a row of all tables one under the other: history s of table u is row u S + s.
        """
