"""The only loop: agents see and act, the world reckons, the learner learns; round after round inside one compiled scan.

    begin -> Run;   advance(Run, updates) -> (Run, History), as often as you like;   train = begin + advance

Worlds and runs: `num_worlds` worlds share *one* learner, which sees them all; `num_runs` runs are independent learners
with worlds of their own (seeds, intervals, benchmarks). States carry axes [K, W, ...], minds [K, ...].

Candidates: a world may ask for several moves a round (`SynapseWorld.candidates`). All are tried from the same state,
the best is made, and to the learner they are as many worlds.

Randomness is never chained (`synagents.keys`), so results do not depend on how a life is cut into calls of `advance`.
"""

import math
import numbers
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from synagents.counter import counter_key
from synagents.keys import of_birth, of_learner, of_luck, of_refresh, of_round, of_run, of_world
from synagents.probes import Probe, Round
from synagents.settings import require, require_whole, settings, static
from synagents.world import Learner, Part, Transition, Tree, World, turns_of


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
        generator: of the agents' luck: "counter" (`synagents.counter`) or "threefry", JAX's own: slower.
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
    generator: Literal["counter", "threefry"] = static()


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
    generator: Literal["counter", "threefry"] = "counter",
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
        generator: of the keys that `act` gets: "counter", or "threefry" for JAX's own.

    Raises:
        ValueError: if a number is out of range, the learner does not fit the world's agents, or the class of either is
            not one of `synagents.settings.settings` or another that JAX knows.
    """
    some = all(isinstance(n, numbers.Integral) and n is not True and n >= 1 for n in (num_worlds, num_runs))
    require(some, f"Need at least one world and one run, got {num_worlds} and {num_runs}.")
    require(worlds in ("vmap", "loop"), f"worlds must be vmap or loop, but is {worlds!r}.")
    require(generator in ("counter", "threefry"), f"generator must be counter or threefry, but is {generator!r}.")
    require(
        not (shared_task and worlds == "loop"), "Worlds that share a batch are one wide product: use worlds='vmap'."
    )
    require(
        num_worlds % _repeats(world) == 0,
        f"Stimuli come to {_repeats(world)} worlds each: {num_worlds} worlds are no multiple of that.",
    )
    require(
        not shared_task or not hasattr(world.task, "action_space"),
        "Every world has decisions of its own here: let worlds see the same stimuli by the task's repeats.",
    )
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()
    require(typed and jax.random.key_data(key).size == 2, "Give one threefry key: jax.random.key(seed).")
    for part in (world, learner):
        name = type(part).__name__
        require(not jax.tree_util.all_leaves((part,)), f"JAX does not know the class {name}: write @settings above it.")
    keys = jax.vmap(of_run, (None, 0))(key, jnp.arange(num_runs))
    shared = shared_task and num_worlds > 1
    run = Run(world, learner, keys, None, None, 0, num_worlds, num_runs, shared, worlds, generator)
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
        ValueError: if a number is out of range, an interval is not a multiple of `horizon`, or several rounds are to be
            learned from at once in a world with candidates.
    """
    require_whole("updates", updates, 1)
    check_intervals(run.world, horizon, probe_interval if probes else None)
    require(
        horizon == 1 or _candidates(run.world) == 1,
        f"Candidate moves are learned from in every round: use horizon 1, not {horizon}.",
    )
    require(run.t % horizon == 0, f"This run has played {run.t} rounds, which is no multiple of horizon {horizon}.")
    probes, names = tuple(probes), [getattr(probe, "__name__", None) for probe in probes]
    require(
        None not in names and len(set(names)) == len(names),
        "Probes are recorded under their names: give functions with a different __name__ each.",
    )
    rounds = updates * horizon
    # Refreshes and probes happen only where blocks of rounds begin: a branch inside every round would copy the batch.
    block = math.gcd(rounds, *((run.t, run.world.interval) if run.world.interval else ()))
    if probes:
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
    require(part in ("train", "held_out"), f"part must be train or held_out, but is {part!r}.")
    return _evaluate(replace(run, t=0), part)  # t is static: one program for all times


def check_intervals(world: World, horizon: int, probe_interval: int | None) -> None:
    """Raise ValueError unless batches, and probed rounds where there are any, last whole updates."""
    require_whole("horizon", horizon, 1)
    require(
        world.interval % horizon == 0, f"interval must be a multiple of horizon {horizon}, but is {world.interval}."
    )
    if probe_interval is not None:
        require(
            isinstance(probe_interval, numbers.Integral) and probe_interval >= 1 and probe_interval % horizon == 0,
            f"probe_interval must be a positive multiple of horizon {horizon}, but is {probe_interval}.",
        )


def check_finite(history: History, start: int = 0) -> None:
    """Raise FloatingPointError naming the first step with a loss that is not finite; the history begins at `start`."""
    for name, values in history.info.items():
        bad = np.flatnonzero(~np.isfinite(np.asarray(values)).all(axis=(0, 2)))
        if bad.size:
            raise FloatingPointError(
                f"The {name} is not finite from step {start + bad[0] + 1} on: lower the step size, or look at the data."
            )


def play(
    world: World, learner: Learner, key: Key[Array, ""], luck: Key[Array, ""], state: Any, mind: Any
) -> tuple[Any, Round]:
    """One round of one world: everyone sees and acts, turn by turn, then the world reckons.

    Args:
        world: the world.
        learner: the learner.
        key: for what the world draws.
        luck: for what the agents draw.
        state: the world's state S.
        mind: what the learner knows, L.

    Returns:
        The world after the round, and the round itself, for learners and probes.
    """
    before = state
    obs: Tree = {}
    actions: Tree = {}
    extras: dict[int, Any] = {}
    for turn in turns_of(world.groups):
        seen = world.observe(state, turn)
        chosen, extras[turn] = learner.act(jax.random.fold_in(luck, turn), mind, seen, turn)
        state = world.move(state, chosen, turn)
        obs, actions = obs | seen, actions | chosen
    state, outcome = world.settle(key, state)
    return state, Round(before, state, obs, actions, extras, outcome, mind)


def attempt(
    world: World, learner: Learner, key: Key[Array, ""], luck: Key[Array, ""], state: Any, mind: Any
) -> tuple[Any, Round, Round]:
    """One round of one world in which C candidate moves are tried and the one of the lowest loss is made.

    Args:
        world: the world; its `candidates` is C.
        learner: the learner, which acts C times on what it sees.
        key: for what the world draws.
        luck: for what the agents draw, for every candidate something else.
        state: the world's state S.
        mind: what the learner knows, L.

    Returns:
        The world after the round; the round that was made; and all that were tried, with an axis [C] in front of
        actions, extras, outcomes and states after them, but not of the task's.
    """
    moved = type(state)(*[None if field == "task" else 0 for field in state._fields])
    axes: dict[str, Any] = dict.fromkeys(Round._fields) | {"after": moved, "actions": 0, "extras": 0, "outcome": 0}
    lucks = jax.vmap(of_world, (None, 0))(luck, jnp.arange(_candidates(world)))
    once = jax.vmap(partial(play, world, learner), (None, 0, None, None), (moved, Round(**axes)))
    _, tried = once(key, lucks, state, mind)
    best = jnp.argmin(tried.outcome.info["loss"])
    moves = tried.after._replace(task=()), tried.actions, tried.extras, tried.outcome
    after, actions, extras, outcome = jax.tree.map(lambda all_of_them: all_of_them[best], moves)
    made = Round(state, after._replace(task=tried.after.task), tried.obs, actions, extras, outcome, mind)
    return made.after, made, tried


class _Plan(NamedTuple):
    """How a call of `advance` is cut up: blocks of updates of rounds."""

    blocks: int
    updates: int
    horizon: int
    probes: tuple[Probe, ...]
    probe_interval: int


class _Keys(NamedTuple):
    """What one round draws from, in every world."""

    world: Key[Array, "*W"]
    luck: Key[Array, "*W"]


def _axes(run: Run, state: Any) -> Any:
    """Which fields of a state have a world axis: all, or all but the task."""
    return type(state)(*[None if run.shared_task and field == "task" else 0 for field in state._fields])


def _each_world(run: Run, function: Callable, in_axes: tuple, out_axes: Any = 0) -> Callable:
    """`function` of one world, applied to W.

    A single world goes without the axis: a product or a look-up with an axis of length one is slower than one without.
    """
    if run.num_worlds == 1:
        return function
    return jax.vmap(function, in_axes, out_axes) if run.worlds == "vmap" else _one_after_another(function, in_axes)


def _each_run(run: Run, function: Callable, *args: Any) -> Any:
    """`function` of one run, applied to the K runs' arguments."""
    if run.num_runs == 1:
        return _add_axis(function(*_drop_axis(args)))
    return (jax.vmap(function) if run.worlds == "vmap" else _one_after_another(function, (0,) * len(args)))(*args)


def _one_after_another(function: Callable, in_axes: tuple) -> Callable:
    """Like vmap, but exactly what `function` computes when it is alone."""

    def loop(*args: Any) -> Any:
        def one(moving: list[Any]) -> Any:
            rest = iter(moving)
            return function(*[fixed if axis is None else next(rest) for fixed, axis in zip(args, in_axes, strict=True)])

        return jax.lax.map(one, [arg for arg, axis in zip(args, in_axes, strict=True) if axis is not None])

    return loop


def _add_axis(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[None], tree)


def _drop_axis(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[0], tree)


def _per_world(run: Run, key: Key[Array, ""], *, repeats: int = 1) -> Key[Array, "*W"]:
    if run.num_worlds == 1:
        return of_world(key, 0)
    return jax.vmap(of_world, (None, 0))(key, jnp.arange(run.num_worlds) // repeats)


def _keys(run: Run, key: Key[Array, ""]) -> _Keys:
    """This round's keys, from the round's own: what the worlds draw may be alike, what their agents draw never is."""
    luck = counter_key(key) if run.generator == "counter" else of_luck(key)
    return _Keys(_per_world(run, key, repeats=_repeats(run.world)), _per_world(run, luck))


def _repeats(world: World) -> int:
    """How many worlds in a row see the same stimuli; one, where the world does not say."""
    return getattr(world, "repeats", 1)


def _candidates(world: World) -> int:
    """How many moves are tried in a round; one, where the world does not say."""
    return getattr(world, "candidates", 1)


@jax.jit
def _begin(run: Run) -> tuple[Any, Any]:
    world = run.world

    def one_run(key: Key[Array, ""]) -> tuple[Any, Any]:
        birth = of_birth(key)
        keys = _per_world(run, birth, repeats=_repeats(world))
        if run.shared_task:
            first = world.reset(keys[0])
            state = jax.vmap(lambda k: world.reset(k, first.task), 0, _axes(run, first))(keys)
        else:
            state = _each_world(run, world.reset, (0,))(keys)
        mind = run.learner.init(of_learner(birth), world.groups)
        return (_add_axis(state) if run.num_worlds == 1 else state), mind

    return _each_run(run, one_run, run.key)


@partial(jax.jit, static_argnums=2)
def _advance(run: Run, start: UInt32[Array, ""], plan: _Plan) -> tuple[Any, Any, tuple]:
    world, learner, alone, tries = run.world, run.learner, run.num_worlds == 1, _candidates(run.world)

    def one_world(key: Array, luck: Array, state: Any, mind: Any) -> tuple[Any, tuple]:
        if tries == 1:
            state, made = play(world, learner, key, luck, state, mind)
            tried, last_obs = made, None
        else:
            state, made, tried = attempt(world, learner, key, luck, state, mind)
            tried = tried._replace(obs=jax.tree.map(lambda x: jnp.broadcast_to(x, (tries, *x.shape)), tried.obs))
            last_obs = jax.vmap(look_again)(tried.after._replace(task=()))
        reward, ended, cut, _ = tried.outcome
        transition = Transition(tried.obs, tried.actions, tried.extras, reward, ended, cut)
        team = jnp.mean(jnp.stack([jnp.mean(part) for part in made.outcome.reward.values()]))
        return state, (transition, last_obs, team, made.outcome.info)

    def look_again(state: Any) -> Tree:
        return {name: seen for turn in turns_of(world.groups) for name, seen in world.observe(state, turn).items()}

    def look_closely(key: Array, luck: Array, state: Any, mind: Any) -> dict[str, Any]:
        seen = (play if tries == 1 else attempt)(world, learner, key, luck, state, mind)[1]
        return {probe.__name__: probe(world, seen) for probe in plan.probes}

    def one_run(key: Key[Array, ""], state: Any, mind: Any) -> tuple[Any, Any, tuple]:
        axes = _axes(run, state)
        each = partial(_each_world, run)

        def one_round(carry: tuple[Any, Any], key: Key[Array, ""]) -> tuple[tuple[Any, Any], tuple]:
            # Asks the compiler not to mix a round with what surrounds it: chunks of any length, the same bits.
            state, mind = jax.lax.optimization_barrier(carry[0]), carry[1]
            keys = _keys(run, key)
            state, happened = each(one_world, (0, 0, axes, None), (axes, 0))(keys.world, keys.luck, state, mind)
            return (state, mind), happened

        def one_update(carry: tuple[Any, Any], keys: Key[Array, "T"]) -> tuple[tuple[Any, Any], tuple]:
            (state, mind), (transition, last_obs, reward, info) = jax.lax.scan(one_round, carry, keys)
            if tries > 1:
                ahead = 2 if alone else 3  # axes: rounds, worlds where there are several, candidates
                transition, last_obs = jax.tree.map(
                    lambda x: x.reshape(x.shape[0], run.num_worlds * tries, *x.shape[ahead:]), (transition, last_obs)
                )
                last_obs = _drop_axis(last_obs)
            else:
                last_obs = each(look_again, (axes,))(state)
                if alone:
                    transition = jax.tree.map(lambda x: x[:, None], transition)
                    last_obs = _add_axis(last_obs)
            mind, metrics = learner.update(of_learner(keys[-1]), mind, transition, last_obs)
            return (state, mind), (reward, info, metrics)

        def one_block(carry: tuple[Any, Any], t: Array) -> tuple[tuple[Any, Any], tuple]:
            state, mind = carry
            times = t + jnp.arange(plan.updates * plan.horizon, dtype=t.dtype)
            keys = jax.vmap(of_round, (None, 0))(key, times)
            now = _keys(run, keys[0])
            if world.interval:
                due = (t % world.interval == 0) & (t > 0)
                state = jax.lax.cond(due, refresh, lambda now, state: state, now, state)
            seen: dict[str, Any] = {}
            if plan.probes:  # the round is played once more for them; zeros where no probe is due
                look = each(look_closely, (0, 0, axes, None))
                blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(look, now.world, now.luck, state, mind))
                seen = jax.lax.cond(
                    t % plan.probe_interval == 0, look, lambda *_: blank, now.world, now.luck, state, mind
                )
            by_update = keys.reshape(plan.updates, plan.horizon)
            carry, happened = jax.lax.scan(one_update, (state, mind), by_update)
            return carry, (*happened, seen)

        def refresh(now: _Keys, state: Any) -> Any:
            # One shared batch needs one key: the first world's.
            keys, axis = (now.world[0], None) if run.shared_task else (now.world, 0)
            return each(lambda key, state: world.refresh(of_refresh(key), state), (axis, axes), axes)(keys, state)

        times = start + plan.updates * plan.horizon * jnp.arange(plan.blocks, dtype=start.dtype)
        state = _drop_axis(state) if alone else state
        (state, mind), (reward, info, metrics, seen) = jax.lax.scan(one_block, (state, mind), times)
        by_round = jax.tree.map(lambda x: x.reshape(-1, run.num_worlds), (reward, info))
        by_update = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), metrics)
        if alone:
            state, seen = _add_axis(state), jax.tree.map(lambda x: x[:, None], seen)
        return state, mind, (*by_round, by_update, seen)

    return _each_run(run, one_run, run.key, run.state, run.mind)


@partial(jax.jit, static_argnums=1)
def _evaluate(run: Run, part: Part) -> dict[str, Array]:
    def one_run(state: Any) -> dict[str, Array]:
        measure = _each_world(run, lambda s: run.world.evaluate(s, part), (_axes(run, state),))
        return _add_axis(measure(_drop_axis(state))) if run.num_worlds == 1 else measure(state)

    return _each_run(run, one_run, run.state)
