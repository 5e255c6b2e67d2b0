"""Drive an optimizer over its budget: K seeds side by side, and a look at the held-out part every so many samples.

    spend, look, spend, look, ...: at every look each seed has spent as many sample evaluations as fit

Weights and batches are drawn from the keys of `synagents.keys`, as a world's are: seed k begins with the network and
the batch of run k, and where a step costs one pass it sees the batches that the agents see.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int64, Key, PyTree

from synagents import axes, keys
from synagents.benchmark.looks import Kept, Look, watch
from synagents.benchmark.optimizers import Optimizer, Problem
from synagents.hyperparameters import require, require_whole
from synagents.schedules import is_due
from synagents.world import Metrics, Params, TaskState


class Curve(NamedTuple):
    """How well K networks did at what cost; P looks, the first at the untrained networks."""

    cost: Int64[np.ndarray, "P"]  # sample evaluations spent by each seed
    held_out: dict[str, Float[np.ndarray, "K P"]]  # the task's metrics: "loss", and "accuracy" where there are classes
    weights: Params  # {group: f32[K, ...]} of the trained networks


def drive(
    key: int | Key[Array, ""],
    optimizer: Optimizer,
    problem: Problem,
    budget: int,
    *,
    num_runs: int = 1,
    looks: int = 100,
    kept: Kept | None = None,
) -> Curve:
    """Spend a budget and watch.

    Args:
        key: random key of the whole experiment, or its seed in 0 .. 2^32 - 1.
        optimizer: who trains the networks.
        problem: what is to be learned.
        budget: sample evaluations per seed, at most; those of the looks are not counted.
        num_runs: seeds K, >= 1.
        looks: how often to look after the first time, 1 .. budget.
        kept: where to go on from, and to keep what is reached.

    Raises:
        ValueError: if a number is out of range, not a single step fits the budget, or the network does not suit the
            optimizer.
        FloatingPointError: if the held-out loss is not finite; the sentence says from which cost on.
    """
    require_whole("num_runs", num_runs, 1)
    require_whole("looks", looks, 1, budget)
    quota, prices = budget // looks, prices_of(optimizer, problem)
    require(
        sum(prices) <= quota * looks < 2**31 * looks,
        f"A step of this optimizer costs {prices.step} sample evaluations and a new batch {prices.batch}, which does "
        f"not fit the budget of {budget}: raise it.",
    )
    run_keys = jax.vmap(keys.run_key, (None, 0))(keys.seed_key(key), jnp.arange(num_runs))
    parts = (optimizer, problem, run_keys, jnp.int32(quota))

    def onward(now: Driven) -> Driven:
        share = np.float32(now.t + 1) / np.float32(looks)
        return Driven(_spend(*parts, looks, prices, now.progress, share), now.t + 1)

    def look(now: Driven) -> Look:
        seen = _look(problem, now.progress, num_runs)
        all_owe = np.full(num_runs, now.progress.owed, float)
        return {name: np.asarray(part, float) for name, part in seen.items()} | {"owed": all_owe}

    last, seen = watch(Driven(_begin(*parts, looks, prices), 0), onward, look, looks, kept)
    held_out = {name: np.stack([look[name] for look in seen], axis=1) for name in seen[0]}
    cost = quota * np.arange(looks + 1, dtype=np.int64) - held_out.pop("owed")[0].astype(np.int64)
    curve = Curve(cost, held_out, last.progress.state.weights)
    finite = np.isfinite(curve.held_out["loss"]).all(axis=0)
    if not finite.all():
        raise FloatingPointError(
            f"The loss is not finite from a cost of {cost[np.argmin(finite)]} on: lower the step size."
        )
    return curve


class Prices(NamedTuple):
    """What an optimizer costs, in sample evaluations."""

    step: int
    batch: int  # a new one


def prices_of(optimizer: Optimizer, problem: Problem) -> Prices:
    """What a step and a new batch cost; nothing is computed."""
    prices = []

    def try_out(key: Key[Array, ""]) -> None:
        batch, state = problem.task.init(key), optimizer.init(key, problem)
        state, of_batch = optimizer.on_new_batch(problem, batch, state)
        _, of_step = optimizer.step(key, problem, batch, state, jnp.float32(0))
        prices.append(Prices(of_step, of_batch))

    jax.eval_shape(try_out, keys.seed_key(0))
    return prices[0]


class _Progress(NamedTuple):
    """How far one seed is; the numbers are the same for all seeds, so that no loop or branch depends on the seed."""

    batch: TaskState
    state: PyTree  # the optimizer's
    t: Array  # steps made
    owed: Array  # sample evaluations that may be spent before the next look; below zero after a dear new batch
    due: Array  # whether a new batch must come first


@dataclass(frozen=True)
class Driven:
    """K seeds on their way.

    Attributes:
        progress: how far they are; batch and state have axes [K, ...].
        t: looks after the first.
    """

    KEPT: ClassVar[tuple[str, ...]] = ("progress",)
    STATICS: ClassVar[tuple[str, ...]] = ()

    progress: _Progress
    t: int


# The numbers stay without an axis: a loop or branch that depended on the seed would compute everything for all seeds.
_AXES = _Progress(0, 0, None, None, None)  # type: ignore[arg-type]  # axes in place of arrays


@partial(jax.jit, static_argnums=(4, 5))
def _begin(
    optimizer: Optimizer, problem: Problem, run_keys: Key[Array, "K"], quota: Array, looks: int, prices: Prices
) -> _Progress:
    def one(key: Key[Array, ""]) -> _Progress:
        return _Seed(key, optimizer, problem, quota, looks, prices).begin()

    if len(run_keys) == 1:
        return _with_axis(one(run_keys[0]))
    return jax.vmap(one, out_axes=_AXES)(run_keys)


@partial(jax.jit, static_argnums=(4, 5))
def _spend(
    optimizer: Optimizer,
    problem: Problem,
    run_keys: Key[Array, "K"],
    quota: Array,
    looks: int,
    prices: Prices,
    now: _Progress,
    share: Array,
) -> _Progress:
    def one(key: Key[Array, ""], now: _Progress) -> _Progress:
        return _Seed(key, optimizer, problem, quota, looks, prices).until_look(share, now)

    if len(run_keys) == 1:
        return _with_axis(one(run_keys[0], now._replace(batch=axes.drop(now.batch), state=axes.drop(now.state))))
    return jax.vmap(one, (0, _AXES), _AXES)(run_keys, now)


def _with_axis(now: _Progress) -> _Progress:
    return now._replace(batch=axes.add(now.batch), state=axes.add(now.state))


@partial(jax.jit, static_argnums=2)
def _look(problem: Problem, now: _Progress, num_runs: int) -> Metrics:
    """The held-out metrics of the networks as they are, [K] each."""

    def one(batch: TaskState, weights: Params) -> Metrics:
        return problem.task.evaluate(batch, partial(problem.network.apply, weights), "held_out")

    return axes.over(one, num_runs, now.batch, now.state.weights)


class _Seed(NamedTuple):
    """One seed, and what all of them have in common."""

    key: Key[Array, ""]
    optimizer: Optimizer
    problem: Problem
    quota: Array  # sample evaluations between two looks
    looks: int
    prices: Prices

    def begin(self) -> _Progress:
        """The network and the first batch, drawn as a world's are at its reset."""
        own = keys.reset_keys(keys.world_key(keys.reset_key(self.key), 0))
        batch = self.problem.task.init(own.task)
        state, _ = self.optimizer.on_new_batch(self.problem, batch, self.optimizer.init(own.network, self.problem))
        return _Progress(batch, state, jnp.int32(0), jnp.int32(-self.prices.batch), jnp.bool_(False))

    def until_look(self, share: Array, now: _Progress) -> _Progress:
        """All steps before the look at `share` of the budget."""
        now = now._replace(owed=now.owed + self.quota)
        return jax.lax.while_loop(lambda now: now.owed >= self.prices.step, partial(self.spend, share), now)

    def spend(self, share: Array, now: _Progress) -> _Progress:
        """As many steps as there are before the next look, at `share` of the budget, or the next batch."""
        price, interval = self.prices.step, self.problem.interval
        now = jax.lax.cond(now.due, self.refresh, lambda now: now, now)
        steps = jnp.maximum(now.owed, 0) // price
        if interval:
            steps = jnp.minimum(steps, interval - now.t % interval)

        def one_step(i: Array, state: PyTree) -> PyTree:
            progress = (share - (now.owed - i * price) / (self.quota * self.looks)).astype(jnp.float32)
            drawn = keys.learner_key(keys.round_key(self.key, now.t + i))
            state = self.optimizer.step(drawn, self.problem, now.batch, state, progress)[0]
            return state._replace(weights=self.problem.network.project(state.weights))

        state, t = jax.lax.fori_loop(0, steps, one_step, now.state), now.t + steps
        due = (steps > 0) & is_due(t, interval) if interval else now.due
        return _Progress(now.batch, state, t, now.owed - steps * price, due)

    def refresh(self, now: _Progress) -> _Progress:
        """A new batch, drawn as a world draws it in this round."""
        own = keys.refresh_keys(keys.refresh_key(keys.world_key(keys.round_key(self.key, now.t), 0)))
        batch = self.problem.task.refresh(own.batch, now.batch)
        state, _ = self.optimizer.on_new_batch(self.problem, batch, now.state)
        return now._replace(batch=batch, state=state, owed=now.owed - self.prices.batch, due=jnp.bool_(False))
