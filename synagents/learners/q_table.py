"""One table of action values for all agents: the reference learner of synaptic reinforcement learning.

    act      a_i = uniform{-, 0, +} with probability explore, else argmax_a Q[s_i, a]
    learn    Q[s, a] += (1 - (1 - alpha)^c) (m - Q[s, a]),   m = mean over hits of R + gamma max_a' Q[s', a']

c counts how often the cell (s, a) was hit by the agents, worlds and rounds of one update. For one world and one round
all targets of a cell are equal, and this is the original's synapse-by-synapse update with the bootstrap held fixed;
`mode="sequential"` is that in-place loop, literally. (Bhargava et al. 2022, equations 1-3, and the authors' code SynRL;
Watkins & Dayan 1992.)
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key

from synagents.choice import epsilon_greedy, sample
from synagents.pooling import Hits, Rate, hits_of, learn_values, require_rates
from synagents.schedules import Schedule, at
from synagents.settings import require, settings, static
from synagents.world import Group, Transition, Tree, require_discrete

__all__ = ["QTable"]


class QMind(NamedTuple):
    """What the population knows."""

    table: Float[Array, "S A"]  # value of action a after history s
    rounds: Integer[Array, ""]  # lived so far: the time of the exploration schedule


@settings
class QTable:
    """The reference algorithm: a shared table of action values, frozen (learned elsewhere) or adaptive (learned here).

    Attributes:
        table: f32[S, A] to start from; None is all zeros, which only makes sense with `adaptive`.
        explore: probability of a uniform action, in [0, 1]; a number or a schedule over rounds.
        adaptive: whether the table learns; a frozen one is only applied.
        alpha: learning rate in [0, 1].
        gamma: discount of future rewards in [0, 1].
        rate: what alpha counts: "per-agent" (every hit, as published: with thousands of agents a cell jumps to its mean
            target whatever alpha is) or "per-step" (every cell that was hit moves by alpha once per update).
        mode: "batched", or "sequential": the original's in-place loop over agents (groups by name), slow.
    """

    table: Float[Array | np.ndarray, "S A"] | None = None
    explore: Schedule = 0.1
    adaptive: bool = static(default=False)
    alpha: float = 0.01
    gamma: float = 0.8
    rate: Rate = static(default="per-agent")
    mode: Literal["batched", "sequential"] = static(default="batched")

    def __post_init__(self) -> None:
        require_rates(self.explore, self.alpha, self.gamma, self.rate)
        require(self.mode in ("batched", "sequential"), f"mode must be batched or sequential, but is {self.mode!r}.")
        require(
            self.adaptive or self.table is not None,
            "A frozen QTable needs a table: give QTable(table=load_table()), or adaptive=True to learn from zeros.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> QMind:
        """The table to start from; ValueError if its shape does not fit the agents' spaces."""
        del key
        shape = require_discrete(groups, "QTable")
        try:
            table = jnp.zeros(shape) if self.table is None else jnp.asarray(self.table, jnp.float32)
        except (TypeError, ValueError) as error:
            raise ValueError("The table must be an array of numbers, such as `load_table` gives.") from error
        require(
            table.shape == shape,
            f"The table has shape {table.shape}, but these agents have {shape[0]} histories and {shape[1]} actions: "
            "use a table learned with the same memory.",
        )
        return QMind(table, jnp.int32(0))

    def act(self, key: Key[Array, ""], mind: QMind, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Epsilon-greedy actions."""
        del turn
        return sample(key, epsilon_greedy(mind.table, at(self.explore, mind.rounds)), obs), ()

    def update(
        self, key: Key[Array, ""], mind: QMind, transition: Transition, last_obs: Tree
    ) -> tuple[QMind, dict[str, Array]]:
        """One update from T rounds of W worlds; a frozen table only grows older."""
        del key
        rounds = mind.rounds + transition.terminated.shape[0]
        if not self.adaptive:
            return QMind(mind.table, rounds), {}
        learn = _learn_batched if self.mode == "batched" else _learn_sequential
        table = learn(self, mind.table, list(hits_of(transition, last_obs).values()))
        return QMind(table, rounds), {"q_change": jnp.abs(table - mind.table).max()}


def _errors(q: QTable, table: Float[Array, "S A"], hit: Hits) -> Float[Array, "..."]:
    """R + gamma max_a' Q[s', a'] - Q[s, a]."""
    return hit.reward + q.gamma * hit.goes_on * table.max(axis=1)[hit.later] - table[hit.s, hit.a]


def _learn_batched(q: QTable, table: Float[Array, "S A"], groups: list[Hits]) -> Float[Array, "S A"]:
    return learn_values(table, [(hit, _errors(q, table, hit)) for hit in groups], q.alpha, q.rate)


def _learn_sequential(q: QTable, table: Float[Array, "S A"], groups: list[Hits]) -> Float[Array, "S A"]:
    def one_agent(table: Float[Array, "S A"], hit: Hits) -> tuple[Float[Array, "S A"], None]:
        return table.at[hit.s, hit.a].add(q.alpha * _errors(q, table, hit)), None

    for hit in groups:
        table, _ = jax.lax.scan(one_agent, table, hit)
    return table
