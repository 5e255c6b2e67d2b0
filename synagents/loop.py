"""The only loop: agents see and act, the world resolves the round, the learner learns; inside one compiled scan.

    begin -> Run;   advance(Run, rounds) -> (Run, History), as often as you like;   train = begin + advance

Worlds and runs: `num_worlds` worlds share *one* learner, which sees them all; `num_runs` runs are independent learners
with worlds of their own (seeds, intervals, benchmarks). States and memories have axes [K, W, ...], minds [K, ...].

Candidates: a world may ask for several moves a round (`World.candidates`). All are tried from the same state, the one of
the lowest loss is made, and the learner learns from each as from a world of its own.

Randomness is never chained (`synagents.keys`), so results do not depend on how a life is cut into calls of `advance`.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from synagents import axes, keys
from synagents.probes import Probe, Round
from synagents.settings import require, require_whole, settings, static
from synagents.world import (
    DecisionTask,
    Learner,
    MemoryLearner,
    Metrics,
    Part,
    Policy,
    RewardKind,
    RoundNumber,
    Transition,
    Tree,
    World,
    is_due,
    observe_all,
    turns_of,
)


@settings
class Run:
    """Training that can go on: everything a later call of `advance` needs.

    Attributes:
        world: the world (shared by all runs).
        learner: the learner (its settings; what it knows is in `mind`).
        key: one key per run, key[K]; never changes.
        state: the worlds' states, axes [K, W, ...]; field `task` has axes [K, ...] with `shared_task`.
        memory: what a MemoryLearner keeps in each world, axes [K, W, ...]; () for other learners.
        mind: what the learners know, axes [K, ...].
        t: rounds played.
        num_worlds: W.
        num_runs: K.
        shared_task: whether the W worlds of a run see one and the same batch.
        world_axis: "vmap" (one wide program) or "loop" (one after the other: slower, but every world and run is computed
            exactly as if it were alone).
    """

    world: World
    learner: Learner
    key: Key[Array, "K"]
    state: Any
    memory: Any
    mind: Any
    t: int = static()
    num_worlds: int = static()
    num_runs: int = static()
    shared_task: bool = static()
    world_axis: Literal["vmap", "loop"] = static()


class History(NamedTuple):
    """What happened, round by round."""

    reward: Float[Array, "K rounds W"]  # of the team: the mean over its groups and agents
    info: dict[str, Float[Array, "K rounds W"]]  # what the world reports: "loss"
    metrics: dict[str, Float[Array, "K updates"]]  # what the learner reports
    probes: dict[str, Any]  # what each probe saw, axes [K, probed rounds, W, ...]
    probed: np.ndarray  # int[probed rounds]: the rounds that were probed


def begin(
    key: int | Key[Array, ""],
    world: World,
    learner: Learner,
    *,
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    world_axis: Literal["vmap", "loop"] = "vmap",
) -> Run:
    """Fresh worlds and fresh minds, nothing played yet.

    Args:
        key: random key of the whole experiment, or its seed in 0 .. 2^32 - 1.
        world: the world.
        learner: the learner.
        num_worlds: worlds per learner, >= 1.
        num_runs: independent learners, >= 1.
        shared_task: let the worlds of a run see one batch, so that W thin products become one wide one.
        world_axis: "vmap", or "loop" for exact independence of the number of worlds and runs.

    Raises:
        ValueError: if a number is out of range, the learner does not fit the world, or either is no such object.
    """
    check_pair(world, learner)
    check_counts(world, num_worlds, num_runs, shared_task, world_axis)
    run_keys = jax.vmap(keys.run_key, (None, 0))(keys.seed_key(key), jnp.arange(num_runs))
    shared = shared_task and num_worlds > 1
    run = Run(world, learner, run_keys, None, None, None, 0, num_worlds, num_runs, shared, world_axis)
    state, memory, mind = _begin(run)
    return replace(run, state=state, memory=memory, mind=mind)


def advance(
    run: Run, rounds: int, *, rollout_length: int = 1, probes: tuple[Probe, ...] = (), probe_interval: int = 100
) -> tuple[Run, History]:
    """Play more rounds.

    Args:
        run: where to go on from; it stays valid.
        rounds: how many, >= 1, a multiple of `rollout_length`.
        rollout_length: rounds T per update of the learner, >= 1; the world's interval must be a multiple of it.
        probes: functions of a round to record (`synagents.probes`).
        probe_interval: rounds between probed rounds, a multiple of `rollout_length`.

    Raises:
        ValueError: if a number is out of range, an interval is not a multiple of `rollout_length`, or several rounds are
            to be learned from at once in a world with candidates.
    """
    require(isinstance(run, Run), f"advance goes on with a Run, such as `begin` gives, and not with {run!r:.60}.")
    require_whole("rounds", rounds, 1)
    check_intervals(run.world, rollout_length, probe_interval if probes else None)
    require(
        rounds % rollout_length == 0, f"rounds must be a multiple of rollout_length {rollout_length}, but are {rounds}."
    )
    require(
        run.t % rollout_length == 0,
        f"This run has played {run.t} rounds, which is no multiple of rollout_length {rollout_length}.",
    )
    probes = check_probes(probes)
    # Refreshes and probes happen only where blocks of rounds begin: a branch inside every round would copy the batch.
    block = math.gcd(rounds, *((run.t, run.world.interval) if run.world.interval else ()))
    if probes:
        block = math.gcd(block, run.t, probe_interval)
    plan = _Plan(rounds // block, block // rollout_length, rollout_length, probes, probe_interval)
    state, memory, mind, (reward, info, metrics, seen) = _advance(replace(run, t=0), jnp.uint32(run.t), plan)
    starts = run.t + np.arange(plan.blocks) * block
    probed = np.flatnonzero(starts % probe_interval == 0) if probes else np.arange(0)
    seen = jax.tree.map(lambda rows: rows[:, probed], seen)
    after = replace(run, state=state, memory=memory, mind=mind, t=run.t + rounds)
    return after, History(reward, info, metrics, seen, starts[probed])


def train(
    key: int | Key[Array, ""],
    world: World,
    learner: Learner,
    rounds: int,
    *,
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    world_axis: Literal["vmap", "loop"] = "vmap",
    rollout_length: int = 1,
    probes: tuple[Probe, ...] = (),
    probe_interval: int = 100,
) -> tuple[Run, History]:
    """Begin and advance in one call, and stop where the loss does; arguments as there.

    Raises:
        ValueError: if an argument is out of range.
        FloatingPointError: if the loss is not finite; the sentence says from which round on.
    """
    run = begin(
        key,
        world,
        learner,
        num_worlds=num_worlds,
        num_runs=num_runs,
        shared_task=shared_task,
        world_axis=world_axis,
    )
    run, history = advance(run, rounds, rollout_length=rollout_length, probes=probes, probe_interval=probe_interval)
    check_finite(history)
    return run, history


def evaluate(run: Run, part: Part = "held_out") -> dict[str, Float[Array, "K W"]]:
    """The metrics of every network over a whole part: "loss", and "accuracy" where there are classes.

    Where the learner owns the weights, the worlds of a run share a network, and have the same metrics.
    """
    require(part in ("train", "held_out"), f"part must be train or held_out, but is {part!r}.")
    return _evaluate(replace(run, t=0), jnp.uint32(run.t), part)  # t is static: one program for all times


def check_pair(world: World, learner: Learner) -> None:
    """Raise ValueError unless these are a world and a learner, known to JAX, and the rewards say what is needed."""
    require(
        isinstance(world, World),
        f"A world is what `synapse_v0.world(...)` gives, but this is {_named(world)}: "
        "give an environment's own world, env.world, or build one.",
    )
    require(
        isinstance(learner, Learner),
        f"A learner is an object such as synagents.Trace(), but this is {_named(learner)}: make one, or derive your "
        "class from synagents.Learner.",
    )
    for part in (world, learner):
        name = type(part).__name__
        require(not jax.tree_util.all_leaves((part,)), f"JAX does not know the class {name}: write @settings above it.")
    _check_rewards(type(learner).__name__, learner.needs, world.reward_kind)


def _named(thing: Any) -> str:
    """What somebody gave instead of a world or learner, for an error."""
    if isinstance(thing, type):
        return f"the class {thing.__name__} itself"
    return repr(thing) if isinstance(thing, str) else f"a {type(thing).__name__}"


def _check_rewards(learner: str, needs: RewardKind, pays: RewardKind) -> None:
    require(
        pays.graded or not needs.graded,
        f"{learner} needs to know by how much the loss fell, but this world tells only whether: "
        "build it with reward='delta'.",
    )
    require(
        pays.same_batch or not needs.same_batch,
        f"{learner} takes every reward for what its own actions did, but this world also pays for a new batch: "
        "build it with batch_change='reevaluate'.",
    )


def check_counts(world: World, num_worlds: int, num_runs: int, shared_task: bool, world_axis: str) -> None:
    """Raise ValueError unless there can be so many worlds and runs of this world."""
    require_whole("num_worlds", num_worlds, 1)
    require_whole("num_runs", num_runs, 1)
    require(world_axis in ("vmap", "loop"), f"world_axis must be vmap or loop, but is {world_axis!r}.")
    require(
        not (shared_task and world_axis == "loop"),
        "Worlds that share a batch are one wide product: use world_axis='vmap'.",
    )
    require(
        num_worlds % world.repeats == 0,
        f"Stimuli come to {world.repeats} worlds each: {num_worlds} worlds are no multiple of that.",
    )
    require(
        not shared_task or not isinstance(world.task, DecisionTask),
        "Every world has decisions of its own here: let worlds see the same stimuli by the task's repeats.",
    )


def check_intervals(world: World, rollout_length: int, probe_interval: int | None) -> None:
    """Raise ValueError unless batches, and probed rounds where there are any, last whole updates."""
    require_whole("rollout_length", rollout_length, 1)
    require(
        rollout_length == 1 or world.candidates == 1,
        f"Candidate moves are learned from in every round: use rollout_length 1, not {rollout_length}.",
    )
    require(
        world.interval % rollout_length == 0,
        f"interval must be a multiple of rollout_length {rollout_length}, but is {world.interval}.",
    )
    if probe_interval is not None:
        require_whole("probe_interval", probe_interval, 1)
        require(
            probe_interval % rollout_length == 0,
            f"probe_interval must be a positive multiple of rollout_length {rollout_length}, but is {probe_interval}.",
        )


def check_probes(probes: Iterable[Probe]) -> tuple[Probe, ...]:
    """The probes as a tuple; ValueError unless each is a function with a name of its own."""
    probes = tuple(probes)
    names = [getattr(probe, "__name__", None) for probe in probes]
    require(
        None not in names and len(set(names)) == len(names),
        "Probes are recorded under their names: give functions with a different __name__ each.",
    )
    return probes


def check_finite(history: History, start: int = 0) -> None:
    """Raise FloatingPointError naming the first round with a loss that is not finite; the history begins at `start`."""
    for name, values in history.info.items():
        bad = np.flatnonzero(~np.isfinite(np.asarray(values)).all(axis=(0, 2)))
        if bad.size:
            raise FloatingPointError(
                f"The {name} is not finite from round {start + bad[0] + 1} on: lower the step size, or look at the "
                "data."
            )


class Keys(NamedTuple):
    """What one round draws from."""

    world: Key[Array, "*W"]
    action: Key[Array, "*W"]


class Played(NamedTuple):
    """One round of one world."""

    made: Round  # the round as it was lived
    tried: Round  # what the learner learns from: with C candidates an axis [C] in front of all but `mind` and states


def play(
    world: World, learner: Learner, key: Keys, state: Any, memory: Any, mind: Any, t: RoundNumber
) -> tuple[Any, Any, Played]:
    """One round of one world; of several candidates the one of the lowest loss.

    Args:
        world: the world.
        learner: the learner.
        key: for what the world draws, and for what the agents draw.
        state: the world's state S.
        memory: what the learner keeps in this world, M.
        mind: what the learner knows, L.
        t: rounds played before.

    Returns:
        S and M after the round, and the round itself, for learners and probes.
    """
    if world.candidates == 1:
        made = _play_once(world, learner, key, state, memory, mind, t)
        return made.after, made.memory, Played(made, made)
    return _play_candidates(world, learner, key, state, memory, mind, t)


def _play_once(
    world: World, learner: Learner, key: Keys, state: Any, memory: Any, mind: Any, t: RoundNumber
) -> Round:
    """Everyone sees and acts, turn by turn, then the world resolves the round."""
    before = state
    obs: Tree = {}
    actions: Tree = {}
    extras: dict[int, Any] = {}
    for turn in turns_of(world.groups):
        seen = world.observe(state, turn)
        drawn = jax.random.fold_in(key.action, turn)
        if isinstance(learner, MemoryLearner):
            chosen, memory, extras[turn] = learner.act(drawn, mind, memory, seen, t, turn)
        else:
            chosen, extras[turn] = learner.act(drawn, mind, seen, t, turn)
        state = world.move(state, chosen, t, turn)
        obs, actions = obs | seen, actions | chosen
    state, outcome = world.resolve(key.world, state)
    return Round(before, state, obs, actions, extras, outcome, mind, memory, t)


def _play_candidates(
    world: World, learner: Learner, key: Keys, state: Any, memory: Any, mind: Any, t: RoundNumber
) -> tuple[Any, Any, Played]:
    """C moves from the same state and memory, each with agents that draw something else."""
    moved = type(state)(*[None if field == "task" else 0 for field in state._fields])
    own: dict[str, Any] = {"after": moved, "actions": 0, "extras": 0, "outcome": 0, "memory": 0}
    out_axes = Round(**(dict.fromkeys(Round._fields) | own))
    action_keys = jax.vmap(keys.world_key, (None, 0))(key.action, jnp.arange(world.candidates))

    def once(action: Key[Array, ""]) -> Round:
        return _play_once(world, learner, Keys(key.world, action), state, memory, mind, t)

    tried = jax.vmap(once, out_axes=out_axes)(action_keys)
    best = jnp.argmin(tried.outcome.info["loss"])
    moves = (tried.after._replace(task=()), tried.actions, tried.extras, tried.outcome, tried.memory)
    after, actions, extras, outcome, memory = jax.tree.map(lambda each: each[best], moves)
    after = after._replace(task=tried.after.task)
    made = Round(state, after, tried.obs, actions, extras, outcome, mind, memory, t)
    tried = tried._replace(obs=_repeated(tried.obs, world.candidates))
    return after, memory, Played(made, tried)


def _repeated(tree: Any, n: int) -> Any:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), tree)


@jax.jit
def _begin(run: Run) -> tuple[Any, Any, Any]:
    world, learner = run.world, run.learner

    def one_run(key: Key[Array, ""]) -> tuple[Any, Any, Any]:
        birth = keys.reset_key(key)
        world_keys = _per_world(run, birth, repeats=world.repeats)
        if run.shared_task:
            first = world.reset(world_keys[0])
            state = jax.vmap(lambda k: world.reset(k, first.task), 0, _state_axes(run, first))(world_keys)
        else:
            state = axes.each(world.reset, run.num_worlds, (0,), how=run.world_axis)(world_keys)
        mind = learner.init(keys.learner_key(birth), world.groups)
        memory: Any = ()
        if isinstance(learner, MemoryLearner):
            begin_world = partial(learner.begin_world, mind=mind, groups=world.groups)
            memory = axes.each(begin_world, run.num_worlds, (0,), how=run.world_axis)(_per_world(run, birth))
        return (*(axes.add((state, memory)) if run.num_worlds == 1 else (state, memory)), mind)

    return axes.over(one_run, run.num_runs, run.key, how=run.world_axis)


def _state_axes(run: Run, state: Any) -> Any:
    """Which fields of a state have a world axis: all, or all but the task."""
    return type(state)(*[None if run.shared_task and field == "task" else 0 for field in state._fields])


def _per_world(run: Run, key: Key[Array, ""], *, repeats: int = 1) -> Key[Array, "*W"]:
    if run.num_worlds == 1:
        return keys.world_key(key, 0)
    return jax.vmap(keys.world_key, (None, 0))(key, jnp.arange(run.num_worlds) // repeats)


class _Plan(NamedTuple):
    """How a call of `advance` is cut up: blocks of updates of rounds."""

    blocks: int
    updates: int  # in a block
    rollout_length: int
    probes: tuple[Probe, ...]
    probe_interval: int


class _Carry(NamedTuple):
    """What goes from round to round in one run."""

    state: Any
    memory: Any
    mind: Any


class _Happened(NamedTuple):
    """What one round of one world leaves."""

    transition: Transition
    last_obs: Tree | None  # with candidates: what is seen after each; otherwise it is looked at after the last round
    reward: Float[Array, ""]
    info: Metrics


@partial(jax.jit, static_argnums=2)
def _advance(run: Run, start: UInt32[Array, ""], plan: _Plan) -> tuple[Any, Any, Any, tuple]:
    one_run = partial(_advance_run, run, plan, start)
    return axes.over(one_run, run.num_runs, run.key, run.state, run.memory, run.mind, how=run.world_axis)


def _advance_run(
    run: Run, plan: _Plan, start: UInt32[Array, ""], key: Key[Array, ""], state: Any, memory: Any, mind: Any
) -> tuple[Any, Any, Any, tuple]:
    """All blocks of one run."""
    alone = run.num_worlds == 1
    times = start + plan.updates * plan.rollout_length * jnp.arange(plan.blocks, dtype=start.dtype)
    carry = _Carry(*(axes.drop((state, memory)) if alone else (state, memory)), mind)
    carry, (reward, info, metrics, seen) = jax.lax.scan(partial(_block, run, plan, key), carry, times)
    by_round = jax.tree.map(lambda x: x.reshape(-1, run.num_worlds), (reward, info))
    by_update = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), metrics)
    state, memory = carry.state, carry.memory
    if alone:
        state, memory = axes.add((state, memory))
        seen = jax.tree.map(lambda x: x[:, None], seen)
    return state, memory, carry.mind, (*by_round, by_update, seen)


def _block(run: Run, plan: _Plan, key: Key[Array, ""], carry: _Carry, t: Array) -> tuple[_Carry, tuple]:
    """A new batch where it is due, a look by the probes where they are, then the block's updates."""
    times = t + jnp.arange(plan.updates * plan.rollout_length, dtype=t.dtype)
    round_keys = jax.vmap(keys.round_key, (None, 0))(key, times)
    now = _keys(run, round_keys[0])
    if run.world.interval:
        refresh = partial(_refresh, run)
        state = jax.lax.cond(is_due(t, run.world.interval), refresh, lambda _, state: state, now, carry.state)
        carry = carry._replace(state=state)
    seen: dict[str, Any] = {}
    if plan.probes:  # the round is played once more for them; zeros where no probe is due
        look = partial(_probe, run, plan.probes, now)
        blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(look, carry, t))
        seen = jax.lax.cond(t % plan.probe_interval == 0, look, lambda *_: blank, carry, t)
    by_update = (plan.updates, plan.rollout_length)
    carry, happened = jax.lax.scan(
        partial(_update, run), carry, (round_keys.reshape(by_update), times.reshape(by_update))
    )
    return carry, (*happened, seen)


def _refresh(run: Run, now: Keys, state: Any) -> Any:
    """A new batch in every world; one shared batch needs one key, the first world's."""
    drawn, axis = (now.world[0], None) if run.shared_task else (now.world, 0)

    def refresh(key: Key[Array, ""], state: Any) -> Any:
        return run.world.refresh(keys.refresh_key(key), state)

    in_axes = (axis, _state_axes(run, state))
    return axes.each(refresh, run.num_worlds, in_axes, in_axes[1], how=run.world_axis)(drawn, state)


def _probe(run: Run, probes: tuple[Probe, ...], now: Keys, carry: _Carry, t: Array) -> dict[str, Any]:
    """What the probes see of the round that is about to be played."""

    def look(key: Keys, state: Any, memory: Any, mind: Any) -> dict[str, Any]:
        made = play(run.world, run.learner, key, state, memory, mind, t)[2].made
        return {probe.__name__: probe(run.world, made) for probe in probes}

    in_axes = (0, _state_axes(run, carry.state), 0, None)
    return axes.each(look, run.num_worlds, in_axes, how=run.world_axis)(now, *carry)


def _update(run: Run, carry: _Carry, rollout: tuple[Key[Array, "T"], Array]) -> tuple[_Carry, tuple]:
    """T rounds, then what the learner learns from them."""
    round_keys, times = rollout
    carry, happened = jax.lax.scan(partial(_round, run), carry, rollout)
    transition, last_obs, memory = _with_world_axis(run, carry, happened)
    drawn = keys.learner_key(round_keys[-1])
    if isinstance(run.learner, MemoryLearner):
        mind, memory, metrics = run.learner.update(drawn, carry.mind, memory, transition, last_obs, times[0])
        memory = axes.drop(memory) if run.num_worlds == 1 else memory
        carry = carry._replace(mind=mind, memory=memory)
    else:
        mind, metrics = run.learner.update(drawn, carry.mind, transition, last_obs, times[0])
        carry = carry._replace(mind=mind)
    return carry, (happened.reward, happened.info, metrics)


def _with_world_axis(run: Run, carry: _Carry, happened: _Happened) -> tuple[Transition, Tree, Any]:
    """What the learner learns from, with the axis of worlds that the rounds of a single world go without."""
    alone, tries = run.num_worlds == 1, run.world.candidates
    transition, last_obs = happened.transition, happened.last_obs
    memory = axes.add(carry.memory) if alone else carry.memory
    if tries > 1:
        ahead = 2 if alone else 3  # axes: rounds, worlds where there are several, candidates
        transition, last_obs = jax.tree.map(
            lambda x: x.reshape(x.shape[0], run.num_worlds * tries, *x.shape[ahead:]), (transition, last_obs)
        )
        return transition, axes.drop(last_obs), memory
    look = partial(observe_all, run.world)
    last_obs = axes.each(look, run.num_worlds, (_state_axes(run, carry.state),), how=run.world_axis)(carry.state)
    if alone:
        transition = jax.tree.map(lambda x: x[:, None], transition)
        last_obs = axes.add(last_obs)
    return transition, last_obs, memory


def _round(run: Run, carry: _Carry, now: tuple[Key[Array, ""], Array]) -> tuple[_Carry, _Happened]:
    """One round of all worlds."""
    key, t = now

    def one_world(key: Keys, state: Any, memory: Any, mind: Any) -> tuple[Any, Any, _Happened]:
        state, memory, played = play(run.world, run.learner, key, state, memory, mind, t)
        return state, memory, _happened(run.world, played)

    # Asks the compiler not to mix a round with what surrounds it: chunks of any length, the same bits.
    state, memory = jax.lax.optimization_barrier((carry.state, carry.memory))
    per_field = _state_axes(run, state)
    each = axes.each(one_world, run.num_worlds, (0, per_field, 0, None), (per_field, 0, 0), how=run.world_axis)
    state, memory, happened = each(_keys(run, key), state, memory, carry.mind)
    return _Carry(state, memory, carry.mind), happened


def _happened(world: World, played: Played) -> _Happened:
    made, tried = played
    last_obs = None
    if world.candidates > 1:
        last_obs = jax.vmap(partial(observe_all, world))(tried.after._replace(task=()))
    reward, terminated, truncated, _ = tried.outcome
    transition = Transition(tried.obs, tried.actions, tried.extras, reward, terminated, truncated)
    team = jnp.mean(jnp.stack([jnp.mean(part) for part in made.outcome.reward.values()]))
    return _Happened(transition, last_obs, team, made.outcome.info)


def _keys(run: Run, key: Key[Array, ""]) -> Keys:
    """A round's keys, from the round's own: what the worlds draw may be alike, what their agents draw never is."""
    return Keys(_per_world(run, key, repeats=run.world.repeats), _per_world(run, keys.action_key(key)))


@partial(jax.jit, static_argnums=2)
def _evaluate(run: Run, t: UInt32[Array, ""], part: Part) -> dict[str, Array]:
    world, learner, worlds = run.world, run.learner, run.num_worlds

    def one_run(key: Key[Array, ""], state: Any, mind: Any) -> Metrics:
        policy = policy_of(learner, mind, world.groups, t)

        def measure(key: Key[Array, ""], state: Any) -> Metrics:
            return world.evaluate(key, state, policy, part)

        drawn = keys.evaluation_key(key)
        if world.weights_in == "mind":
            first = jax.tree.map(lambda x: x[0], state)
            return _repeated(measure(drawn, first), worlds)
        each = axes.each(measure, worlds, (None, _state_axes(run, state)), how=run.world_axis)
        return axes.add(each(drawn, axes.drop(state))) if worlds == 1 else each(drawn, state)

    return axes.over(one_run, run.num_runs, run.key, run.state, run.mind, how=run.world_axis)


def policy_of(learner: Learner, mind: Any, groups: tuple, t: RoundNumber) -> Policy:
    """A mind as `World.evaluate` sees it: it acts as in round t, and does not learn."""
    if isinstance(learner, MemoryLearner):
        remembering = learner

        def act(key: Key[Array, ""], memory: Any, obs: Tree, turn: int) -> tuple[Tree, Any]:
            actions, memory, _ = remembering.act(key, mind, memory, obs, t, turn)
            return actions, memory

        return Policy(lambda key: remembering.begin_world(key, mind, groups), act)

    def act_anew(key: Key[Array, ""], memory: Any, obs: Tree, turn: int) -> tuple[Tree, Any]:
        return learner.act(key, mind, obs, t, turn)[0], memory

    return Policy(lambda key: (), act_anew)
