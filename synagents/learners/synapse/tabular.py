"""Many agents fill one table: what happened to all of them is pooled per cell before the table learns from it.

    count[s, a] = hits of the cell,   total[s, a] = the sum of a number (an error, an advantage) over them
    values      table += share (total / count),  share = 1 - (1 - alpha)^count per agent, alpha per step
    policies    preferences[s, .] += step (total[s, .] - pi[s, .] sum_a total[s, a]) / sqrt(count[s, .])

The first is the original's agent-by-agent update where all targets of a cell are equal (Bhargava et al. 2022); the
second is the gradient of log pi for a softmax table (Sutton & Barto 2018, section 13.3), summed over all agents and
measured in units of its own noise: the mean of n draws strays from pi by 1 / sqrt(n), so the step means the same for
ten agents and for ten thousand. It is averaged with its mirror image, what the mirrored history makes of the opposite
action: else middle rows, whose best action is noise, drift one way together and kill hidden units.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from synagents.agents.histories import Histories, mirrored
from synagents.world import Group, Transition, Tree

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
    policy: Float[Array, "S A"],
    count: Float[Array, "S A"],
    total: Float[Array, "S A"],
    mirror: Integer[Array, "S"] | None,
) -> Float[Array, "S A"]:
    """Where a softmax table's preferences should go, from pooled hits and their advantages.

    Args:
        policy: that the agents acted by.
        count: hits of each cell.
        total: of their advantages.
        mirror: the mirrored history of each, as no direction of a weight is special; None where nobody knows.
    """
    gradient = total - policy * total.sum(axis=1, keepdims=True)
    gradient = gradient / jnp.sqrt(jnp.maximum(count.sum(axis=1, keepdims=True), 1))
    return gradient if mirror is None else 0.5 * (gradient + gradient[mirror, ::-1])


def mirror_of(groups: tuple[Group, ...]) -> Integer[Array, "S"] | None:
    """The mirrored history of each, where the world says what histories are made of."""
    known = all(isinstance(group.about, Histories) for group in groups)
    return jnp.asarray(mirrored(groups, "")) if known else None
