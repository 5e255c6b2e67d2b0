"""Drive a baseline over its budget: K seeds side by side, and a look at the held-out part every so many samples.

    spend, look, spend, look, ...: at every look each seed has spent as many sample evaluations as fit

Weights, batches and redraws are drawn from the keys of `synagents.keys`, as a world's are: seed k begins with the
network and the batch of run k, and where a step costs one pass it sees the batches that the agents see.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int64, Key

from synagents.benchmark.optimizers import Baseline, Problem
from synagents.keys import reset_key, learner_key, refresh_key, round_key, run_key, world_key
from synagents.settings import require, require_whole
from synagents.world import Params


class Curve(NamedTuple):
    """How well K networks did at what cost; P looks, the first at the untrained networks."""

    cost: Int64[np.ndarray, "P"]  # sample evaluations spent by each seed
    held_out: dict[str, Float[np.ndarray, "K P"]]  # the task's metrics: "loss", and "accuracy" where there are classes
    weights: Params  # {group: f32[K, ...]} of the trained networks


def drive(
    key: Key[Array, ""], baseline: Baseline, problem: Problem, budget: int, *, num_runs: int = 1, looks: int = 100
) -> Curve:
    """Spend a budget and watch.

    Args:
        key: random key of the whole experiment.
        baseline: the optimizer.
        problem: what it is to learn.
        budget: sample evaluations per seed, at most; those of the looks are not counted.
        num_runs: seeds K, >= 1.
        looks: how often to look after the first time, 1 .. budget.

    Raises:
        ValueError: if a number is out of range, not a single step fits the budget, or the network does not suit the
            baseline.
        FloatingPointError: if the held-out loss is not finite; the sentence says from which cost on.
    """
    require_whole("num_runs", num_runs, 1)
    require_whole("looks", looks, 1, budget)
    quota, prices = budget // looks, prices_of(baseline, problem)
    require(
        sum(prices) <= quota * looks < 2**31 * looks,
        f"A step of this baseline costs {prices.step} sample evaluations and a new batch {prices.meet}, which does not "
        f"fit the budget of {budget}: raise it.",
    )
    keys = jax.vmap(run_key, (None, 0))(key, jnp.arange(num_runs))
    weights, owed, held_out = _drive(baseline, problem, keys, jnp.int32(quota), looks, prices)
    cost = quota * np.arange(looks + 1, dtype=np.int64) - np.asarray(owed[0], np.int64)
    curve = Curve(cost, {name: np.asarray(values) for name, values in held_out.items()}, weights)
    finite = np.isfinite(curve.held_out["loss"]).all(axis=0)
    if not finite.all():
        raise FloatingPointError(
            f"The loss is not finite from a cost of {cost[np.argmin(finite)]} on: lower the step size."
        )
    return curve


class Prices(NamedTuple):
    """What a baseline costs, in sample evaluations."""

    step: int
    meet: int  # of a new batch


def prices_of(baseline: Baseline, problem: Problem) -> Prices:
    """What a step and a new batch cost; nothing is computed."""
    told = []

    def try_out(key: Key[Array, ""]) -> None:
        batch, state = problem.task.init(key), baseline.init(key, problem)
        state, meet = baseline.meet(problem, batch, state)
        _, step = baseline.step(key, problem, batch, state, jnp.float32(0))
        told.append(Prices(step, meet))

    jax.eval_shape(try_out, jax.random.key(0))
    return told[0]


class _Life(NamedTuple):
    """One seed's; the counters are the same in all of them, so that no loop or branch depends on the seed."""

    batch: Any
    state: Any
    t: Array  # steps made
    owed: Array  # sample evaluations that may be spent before the next look; below zero after a dear new batch
    due: Array  # whether a new batch must come first


@partial(jax.jit, static_argnums=(4, 5))
def _drive(
    baseline: Baseline, problem: Problem, keys: Key[Array, "K"], quota: Array, looks: int, prices: Prices
) -> tuple[Params, Array, dict[str, Array]]:
    task, interval = problem.task, problem.interval

    def one_seed(key: Key[Array, ""]) -> tuple[Params, Array, dict[str, Array]]:
        network_key, task_key, _ = jax.random.split(world_key(reset_key(key), 0), 3)  # as a world at its reset
        batch = task.init(task_key)
        state, _ = baseline.meet(problem, batch, baseline.init(network_key, problem))
        life = _Life(batch, state, jnp.int32(0), jnp.int32(-prices.meet), jnp.bool_(False))

        def redraw(life: _Life) -> _Life:
            draw_key, _ = jax.random.split(refresh_key(world_key(round_key(key, life.t), 0)))
            batch = task.refresh(draw_key, life.batch)
            state, _ = baseline.meet(problem, batch, life.state)
            return life._replace(batch=batch, state=state, owed=life.owed - prices.meet, due=jnp.bool_(False))

        def spend(share: Array, life: _Life) -> _Life:
            """As many steps as there are before the next look or the next batch."""
            life = jax.lax.cond(life.due, redraw, lambda life: life, life)
            steps = jnp.maximum(life.owed, 0) // prices.step
            if interval:
                steps = jnp.minimum(steps, interval - life.t % interval)

            def one_step(i: Array, state: Any) -> Any:
                progress = share - (life.owed - i * prices.step) / (quota * looks)
                luck = learner_key(round_key(key, life.t + i))
                return baseline.step(luck, problem, life.batch, state, progress)[0]

            state, t = jax.lax.fori_loop(0, steps, one_step, life.state), life.t + steps
            due = (steps > 0) & (t % interval == 0) if interval else life.due
            return _Life(life.batch, state, t, life.owed - steps * prices.step, due)

        def look(life: _Life) -> tuple[Array, dict[str, Array]]:
            apply = partial(problem.network.apply, life.state.weights)
            return life.owed, task.evaluate(life.batch, apply, "held_out")

        def until_look(life: _Life, share: Array) -> tuple[_Life, tuple[Array, dict[str, Array]]]:
            life = life._replace(owed=life.owed + quota)
            life = jax.lax.while_loop(lambda life: life.owed >= prices.step, partial(spend, share), life)
            return life, look(life)

        first = look(life)
        life, rest = jax.lax.scan(until_look, life, jnp.arange(1, looks + 1) / looks)
        owed, held_out = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest)
        return life.state.weights, owed, held_out

    if len(keys) == 1:  # a product with an axis of length one is slower than one without
        return jax.tree.map(lambda x: x[None], one_seed(keys[0]))
    return jax.vmap(one_seed)(keys)
