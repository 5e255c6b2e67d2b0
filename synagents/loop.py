"""The only loop: agents see and act, the world reckons, the learner learns; round after round inside one compiled scan.

    begin -> Run;   advance(Run, updates) -> (Run, History), as often as you like;   train = begin + advance

Worlds and runs: `num_worlds` worlds share *one* learner, which sees them all; `num_runs` runs are independent learners
with worlds of their own (seeds, intervals, benchmarks). States carry axes [K, W, ...], minds [K, ...].

Randomness is never chained: what happens at round t in world w of run k depends on fold_in of k, t, w and its purpose,
so results do not depend on how a life is cut into calls of `advance`.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from synagents.probes import Probe, Round
from synagents.settings import require, settings, static
from synagents.world import Learner, Part, Transition, Tree, World

_BIRTH = 2**32 - 1  # stands for a round (reset) and for a world (the learner's own key) that never come
_ACT, _SETTLE, _REFRESH = range(3)


@settings
class Run:
    """Training that can go on: everything a later call of `advance` needs.

    Attributes:
        world: the world (shared by all runs).
        learner: the learner (its settings; what it knows is in `mind`).
        key: one key per run, key[K]; never changes.
        state: the worlds' states, axes [K, W, ...]; field `task` has axes [K, ...] with `shared_task`.
        mind: what the learners know, axes [K, ...].
        t: rounds played.
        num_worlds: W.
        num_runs: K.
        shared_task: whether the W worlds of a run see one and the same batch.
        worlds: "vmap" (one wide program) or "loop" (one after the other: slower, but every world and run is computed
            exactly as if it were alone).
    """

    world: World
    learner: Learner
    key: Key[Array, "K"]
    state: Any
    mind: Any
    t: int = static()
    num_worlds: int = static()
    num_runs: int = static()
    shared_task: bool = static()
    worlds: Literal["vmap", "loop"] = static()


class History(NamedTuple):
    """What happened, round by round."""

    reward: Float[Array, "K rounds W"]  # of the team: the mean over its groups and agents
    info: dict[str, Float[Array, "K rounds W"]]  # what the world reports: "loss"
    metrics: dict[str, Float[Array, "K updates"]]  # what the learner reports
    probes: dict[str, Any]  # what each probe saw, axes [K, probed rounds, W, ...]
    probed: np.ndarray  # int[probed rounds]: the rounds that were probed


def begin(
    key: Key[Array, ""],
    world: World,
    learner: Learner,
    *,
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    worlds: Literal["vmap", "loop"] = "vmap",
) -> Run:
    """Fresh worlds and fresh minds, nothing played yet.

    Args:
        key: random key of the whole experiment.
        world: the world.
        learner: the learner.
        num_worlds: worlds per learner, >= 1.
        num_runs: independent learners, >= 1.
        shared_task: let the worlds of a run see one batch, so that W thin products become one wide one.
        worlds: "vmap", or "loop" for exact independence of the number of worlds and runs.

    Raises:
        ValueError: if a number is out of range or the learner does not fit the world's agents.
    """
    require(num_worlds >= 1 and num_runs >= 1, f"Need at least one world and one run, got {num_worlds} and {num_runs}.")
    require(worlds in ("vmap", "loop"), f"worlds must be vmap or loop, but is {worlds!r}.")
    require(
        not (shared_task and worlds == "loop"), "Worlds that share a batch are one wide product: use worlds='vmap'."
    )
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num_runs))
    run = Run(world, learner, keys, None, None, 0, num_worlds, num_runs, shared_task, worlds)
    state, mind = _begin(run)
    return replace(run, state=state, mind=mind)


def advance(
    run: Run, updates: int, *, horizon: int = 1, probes: tuple[Probe, ...] = (), probe_interval: int = 100
) -> tuple[Run, History]:
    """Play `updates * horizon` more rounds.

    Args:
        run: where to go on from; it stays valid.
        updates: how often the learner learns, >= 1.
        horizon: rounds T per update, >= 1; the world's interval must be a multiple of it.
        probes: functions of a round to record (`synagents.probes`).
        probe_interval: rounds between probed rounds, a multiple of `horizon`.

    Raises:
        ValueError: if a number is out of range or an interval is not a multiple of `horizon`.
    """
    require(updates >= 1 and horizon >= 1, f"updates and horizon must be >= 1, but are {updates} and {horizon}.")
    for name, interval in (("interval", run.world.interval), ("probe_interval", probe_interval)):
        require(interval % horizon == 0, f"{name} must be a multiple of horizon {horizon}, but is {interval}.")
    require(run.t % horizon == 0, f"This run has played {run.t} rounds, which is no multiple of horizon {horizon}.")
    rounds = updates * horizon
    # Refreshes and probes happen only where blocks of rounds begin: a branch inside every round would copy the batch.
    block = math.gcd(rounds, *((run.t, run.world.interval) if run.world.interval else ()))
    if probes:
        require(probe_interval >= 1, f"probe_interval must be >= 1, but is {probe_interval}.")
        block = math.gcd(block, run.t, probe_interval)
    plan = _Plan(rounds // block, block // horizon, horizon, probes, probe_interval)
    state, mind, (reward, info, metrics, seen) = _advance(replace(run, t=0), jnp.uint32(run.t), plan)
    starts = run.t + np.arange(plan.blocks) * block
    probed = np.flatnonzero(starts % probe_interval == 0) if probes else np.arange(0)
    seen = jax.tree.map(lambda rows: rows[:, probed], seen)
    return replace(run, state=state, mind=mind, t=run.t + rounds), History(reward, info, metrics, seen, starts[probed])


def train(
    key: Key[Array, ""],
    world: World,
    learner: Learner,
    updates: int,
    *,
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    worlds: Literal["vmap", "loop"] = "vmap",
    horizon: int = 1,
    probes: tuple[Probe, ...] = (),
    probe_interval: int = 100,
) -> tuple[Run, History]:
    """Begin and advance in one call, and stop where the loss does; arguments as there.

    Raises:
        ValueError: if an argument is out of range.
        FloatingPointError: if the loss is not finite; the sentence says from which round on.
    """
    run = begin(key, world, learner, num_worlds=num_worlds, num_runs=num_runs, shared_task=shared_task, worlds=worlds)
    run, history = advance(run, updates, horizon=horizon, probes=probes, probe_interval=probe_interval)
    check_finite(history)
    return run, history


def evaluate(run: Run, part: Part = "held_out") -> dict[str, Float[Array, "K W"]]:
    """The task's metrics of every network over a whole part: "loss", and "accuracy" where there are classes."""
    return _evaluate(replace(run, t=0), part)  # t is static: one program for all times


def check_finite(history: History, start: int = 0) -> None:
    """Raise FloatingPointError naming the first step with a loss that is not finite; the history begins at `start`."""
    for name, values in history.info.items():
        bad = np.flatnonzero(~np.isfinite(np.asarray(values)).all(axis=(0, 2)))
        if bad.size:
            raise FloatingPointError(
                f"The {name} is not finite from step {start + bad[0] + 1} on: lower the step size, or look at the data."
            )


def play(run: Run, key: Key[Array, ""], t: UInt32[Array, ""], state: Any, mind: Any) -> tuple[Any, Round]:
    """One round of the W worlds of one run: everyone sees and acts, turn by turn, then the worlds reckon."""
    world, axes = run.world, _state_axes(run, state)
    each = partial(_each_world, run)
    keys = _world_keys(run, key, t)
    before = state
    obs: Tree = {}
    actions: Tree = {}
    extras: dict[int, Any] = {}
    for turn in range(1 + max(group.turn for group in world.groups)):
        seen = each(lambda s, turn=turn: world.observe(s, turn), (axes,))(state)
        act = each(
            lambda k, s, turn=turn: run.learner.act(
                jax.random.fold_in(jax.random.fold_in(k, _ACT), turn), mind, s, turn
            ),
            (0, 0),
        )
        chosen, extras[turn] = act(keys, seen)
        state = each(lambda s, a, turn=turn: world.move(s, a, turn), (axes, 0), axes)(state, chosen)
        obs, actions = obs | seen, actions | chosen
    settle = each(lambda k, s: world.settle(jax.random.fold_in(k, _SETTLE), s), (0, axes), (axes, 0))
    state, outcome = settle(keys, state)
    return state, Round(before, state, obs, actions, extras, outcome, mind)


class _Plan(NamedTuple):
    """How a call of `advance` is cut up: blocks of updates of rounds."""

    blocks: int
    updates: int
    horizon: int
    probes: tuple[Probe, ...]
    probe_interval: int


def _state_axes(run: Run, state: Any) -> Any:
    """Which fields of a state have a world axis: all, or all but the task."""
    return type(state)(*[None if run.shared_task and field == "task" else 0 for field in state._fields])


def _each_world(run: Run, function: Callable, in_axes: tuple, out_axes: Any = 0) -> Callable:
    """`function` of one world, applied to W."""
    if run.worlds == "vmap":
        return jax.vmap(function, in_axes, out_axes)
    return lambda *args: jax.lax.map(lambda one: function(*one), args)


def _each_run(run: Run, function: Callable) -> Callable:
    """`function` of one run, applied to K."""
    if run.worlds == "vmap":
        return jax.vmap(function)
    return lambda *args: jax.lax.map(lambda one: function(*one), args)


def _world_keys(run: Run, key: Key[Array, ""], t: UInt32[Array, ""] | int) -> Key[Array, "W"]:
    round_key = jax.random.fold_in(key, t)
    return jax.vmap(jax.random.fold_in, (None, 0))(round_key, jnp.arange(run.num_worlds))


@jax.jit
def _begin(run: Run) -> tuple[Any, Any]:
    def one_run(key: Key[Array, ""]) -> tuple[Any, Any]:
        keys = _world_keys(run, key, _BIRTH)
        mind = run.learner.init(jax.random.fold_in(jax.random.fold_in(key, _BIRTH), _BIRTH), run.world.groups)
        if not run.shared_task:
            return _each_world(run, run.world.reset, (0,))(keys), mind
        first = run.world.reset(keys[0])
        return jax.vmap(lambda k: run.world.reset(k, first.task), 0, _state_axes(run, first))(keys), mind

    return _each_run(run, one_run)(run.key)


@partial(jax.jit, static_argnums=2)
def _advance(run: Run, start: UInt32[Array, ""], plan: _Plan) -> tuple[Any, Any, tuple]:
    def one_run(key: Key[Array, ""], state: Any, mind: Any) -> tuple[Any, Any, tuple]:
        def one_round(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], tuple[Transition, Array, dict]]:
            # The barrier makes a round the same program whatever surrounds it, so the same bits.
            state, mind = jax.lax.optimization_barrier(carry)
            state, seen = play(run, key, t, state, mind)
            outcome = seen.outcome
            reward = jnp.mean(jnp.stack([r.reshape(run.num_worlds, -1).mean(1) for r in outcome.reward.values()]), 0)
            transition = Transition(
                seen.obs, seen.actions, seen.extras, outcome.reward, outcome.terminated, outcome.truncated
            )
            return (state, mind), (transition, reward, outcome.info)

        def one_update(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], tuple]:
            (state, mind), (transition, reward, info) = jax.lax.scan(
                one_round, carry, t + jnp.arange(plan.horizon, dtype=t.dtype)
            )
            last_obs: Tree = {}
            for turn in range(1 + max(group.turn for group in run.world.groups)):
                observe = _each_world(run, lambda s, turn=turn: run.world.observe(s, turn), (_state_axes(run, state),))
                last_obs |= observe(state)
            learn_key = jax.random.fold_in(jax.random.fold_in(key, t), _BIRTH)
            mind, metrics = run.learner.update(learn_key, mind, transition, last_obs)
            return (state, mind), (reward, info, metrics)

        def one_block(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], tuple]:
            state, mind = carry
            if run.world.interval:
                due = (t % run.world.interval == 0) & (t > 0)
                state = jax.lax.cond(due, lambda s: _refresh(run, key, t, s), lambda s: s, state)
            seen = _probe(run, plan, key, t, state, mind) if plan.probes else {}
            times = t + plan.horizon * jnp.arange(plan.updates, dtype=t.dtype)
            carry, happened = jax.lax.scan(one_update, (state, mind), times)
            return carry, (*happened, seen)

        times = start + plan.updates * plan.horizon * jnp.arange(plan.blocks, dtype=start.dtype)
        (state, mind), (reward, info, metrics, seen) = jax.lax.scan(one_block, (state, mind), times)
        by_round = jax.tree.map(lambda x: x.reshape(-1, run.num_worlds), (reward, info))
        by_update = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), metrics)
        return state, mind, (*by_round, by_update, seen)

    return _each_run(run, one_run)(run.key, run.state, run.mind)


def _refresh(run: Run, key: Key[Array, ""], t: UInt32[Array, ""], state: Any) -> Any:
    keys, axes = _world_keys(run, key, t), _state_axes(run, state)
    if run.shared_task:  # one batch needs one key: the first world's
        return jax.vmap(lambda s: run.world.refresh(jax.random.fold_in(keys[0], _REFRESH), s), (axes,), axes)(state)
    return _each_world(run, lambda k, s: run.world.refresh(jax.random.fold_in(k, _REFRESH), s), (0, 0))(keys, state)


def _probe(run: Run, plan: _Plan, key: Key[Array, ""], t: UInt32[Array, ""], state: Any, mind: Any) -> dict[str, Any]:
    """What the probes see of round t, which is played once more for them; zeros where no probe is due."""

    def look(state: Any, mind: Any) -> dict[str, Any]:
        _, seen = play(run, key, t, state, mind)
        axes = _state_axes(run, state)
        every = (axes, axes, 0, 0, 0, 0, None)  # the fields of a Round; the mind has no world axis
        return {
            probe.__name__: jax.vmap(lambda *fields, probe=probe: probe(run.world, Round(*fields)), every)(*seen)
            for probe in plan.probes
        }

    def look_away(state: Any, mind: Any) -> dict[str, Any]:
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(look, state, mind))

    return jax.lax.cond(t % plan.probe_interval == 0, look, look_away, state, mind)


@partial(jax.jit, static_argnums=1)
def _evaluate(run: Run, part: Part) -> dict[str, Array]:
    def one_run(state: Any) -> dict[str, Array]:
        return _each_world(run, lambda s: run.world.evaluate(s, part), (_state_axes(run, state),))(state)

    return _each_run(run, one_run)(run.state)
