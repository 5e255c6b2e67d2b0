"""Shapley values: what each group adds to the fall of the loss in one round, over all orders in which groups may act.

    v(C) = L(all do otherwise) - L(only the groups in C do what they chose)
    phi_g = mean over orders of v(those before g, and g) - v(those before g)           sum_g phi_g = v(all groups)

The only division of a team's gain that is efficient, symmetric, additive and gives nothing to who adds nothing
(Shapley 1953). Where all orders are at most as many as asked for, every one is taken and the value is exact; else they
are drawn without bias (Castro et al. 2009), and the interval is Student's over orders.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from synagents.benchmark.statistics import student
from synagents.groups import Tree
from synagents.hyperparameters import require_whole
from synagents.interventions.moment import Moment, instead_of, loss_when, moment_of
from synagents.loop import Run

ORDERS = 200
CHUNK = 16  # coalitions side by side


class Shapley(NamedTuple):
    """What every group's move was worth, in units of the loss; > 0 lowered it.

    Attributes:
        value: {group: phi}.
        half: {group: half the width of the 95 % interval over orders}; 0 where all orders were taken.
        alone: {group: what it adds when no other acts}.
        last: {group: what it adds when all others have acted}.
        team: what all add together.
        orders: how many orders were taken.
        exact: whether they are all.
    """

    value: dict[str, float]
    half: dict[str, float]
    alone: dict[str, float]
    last: dict[str, float]
    team: float
    orders: int
    exact: bool


def shapley(
    run: Run,
    *,
    orders: int = ORDERS,
    instead: float | None = None,
    index: int = 0,
    number: int = 0,
    seed: int = 0,
) -> Shapley:
    """The Shapley value of every group in the round that a run plays next; the run itself goes nowhere.

    Args:
        run: as it stands.
        orders: to draw, >= 2; all of them, where there are no more.
        instead: the action that agents are compared with; None for doing nothing.
        index: of the run, in 0 .. K - 1.
        number: of the world, in 0 .. W - 1.
        seed: of the orders that are drawn, >= 0.

    Raises:
        ValueError: if a number is out of range, there is no such action, or a round has several candidates.
    """
    require_whole("orders", orders, 2)
    require_whole("seed", seed, 0)
    moment, other = moment_of(run, index, number), instead_of(run.world, instead)
    names = [group.name for group in run.world.groups]
    taken = orders_of(len(names), orders, seed)
    acting = coalitions(taken, len(names))
    rows, place = np.unique(acting.reshape(-1, len(names)), axis=0, return_inverse=True)
    with jax.enable_x64(True):
        losses = np.asarray(_losses(moment, other, np.concatenate([rows, edges(len(names))])))
    seen, (nobody, *ends) = losses[: len(rows)], losses[len(rows) :]
    added = -np.diff(seen[place.reshape(len(taken), -1)], axis=1)  # [orders, place in the order]
    by_group = np.empty_like(added)
    np.put_along_axis(by_group, np.asarray(taken), added, axis=1)
    exact = len(taken) == math.factorial(len(names))
    value, half = (by_group.mean(axis=0), np.zeros(len(names))) if exact else student(by_group)
    alone, last, everyone = nobody - np.array(ends[: len(names)]), np.array(ends[len(names) : -1]), ends[-1]

    def by_name(numbers: Float[np.ndarray, "G"]) -> dict[str, float]:
        return dict(zip(names, map(float, numbers), strict=True))

    ends_by_name = by_name(alone), by_name(last - everyone)
    return Shapley(by_name(value), by_name(half), *ends_by_name, float(nobody - everyone), len(taken), exact)


def orders_of(count: int, most: int, seed: int) -> list[tuple[int, ...]]:
    """All orders of so many players, where they are at most `most`; else `most` drawn at random."""
    if math.factorial(count) <= most:
        return list(itertools.permutations(range(count)))
    rng = np.random.default_rng(seed)
    return [tuple(map(int, rng.permutation(count))) for _ in range(most)]


def coalitions(orders: Sequence[tuple[int, ...]], count: int) -> Bool[np.ndarray, "orders G+1 G"]:
    """Who has acted after none, one, .. all of each order."""
    places = np.argsort(np.asarray(orders), axis=1)
    return places[:, None, :] < np.arange(count + 1)[None, :, None]


def edges(count: int) -> Bool[np.ndarray, "2G+2 G"]:
    """Nobody; each alone; all but each; all."""
    one = np.eye(count, dtype=bool)
    return np.concatenate([np.zeros((1, count), bool), one, ~one, np.ones((1, count), bool)])


@jax.jit
def _losses(moment: Moment, instead: Tree, acting: Bool[Array, "C G"]) -> Float[Array, "C"]:
    """The loss where only some groups do what they chose."""
    names = [group.name for group in moment.world.groups]

    def of(chosen: Bool[Array, "G"]) -> Float[Array, ""]:
        return loss_when(moment, instead, {name: ~chosen[place] for place, name in enumerate(names)})

    return jax.lax.map(of, acting, batch_size=CHUNK)
