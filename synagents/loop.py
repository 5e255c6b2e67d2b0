"""The only loop: agents see and act, the world resolves the round, the learner learns; inside one compiled scan.

    begin -> Run;   advance(Run, rounds) -> (Run, History), as often as you like;   train = begin + advance

Worlds and runs: `num_worlds` worlds share *one* learner, which sees them all; `num_runs` runs are independent learners
with worlds of their own (seeds, intervals, benchmarks). States and memories have axes [K, W, ...], minds [K, ...].

Candidates: a world may ask for several moves a round (`World.candidates`). All are tried from the same state, the one
of the lowest loss is made, and the learner learns from each as from a world of its own.

Randomness is never chained (`synagents.keys`), so results do not depend on how a life is cut into calls of `advance`.
"""

import inspect
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, UInt32

from synagents import axes, keys
from synagents.hyperparameters import require, require_whole
from synagents.probes import Probe
from synagents.rounds import Plan, Run, advance_runs, groups_shown, per_world, repeated, state_axes
from synagents.world import (
    AnyLearner,
    DecisionTask,
    Group,
    LearnerBase,
    Memory,
    MemoryLearner,
    Metrics,
    Mind,
    Part,
    Policy,
    RewardKind,
    RoundNumber,
    State,
    Tree,
    World,
)


class History(NamedTuple):
    """What happened, round by round."""

    reward: Float[Array, "K rounds W"]  # of the team: the mean over its groups and agents
    info: dict[str, Float[Array, "K rounds W"]]  # what the world reports: "loss"
    metrics: dict[str, Float[Array, "K updates"]]  # what the learner reports
    probes: dict[str, PyTree]  # what each probe saw, axes [K, probed rounds, W, ...]
    probed: np.ndarray  # int[probed rounds]: the rounds that were probed


def begin(
    key: int | Key[Array, ""],
    world: World,
    learner: AnyLearner,
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
        ValueError: if a number is out of range, an interval is not a multiple of `rollout_length`, or several rounds
            are to be learned from at once in a world with candidates.
    """
    if not isinstance(run, Run):  # no `require`: its sentence would print all arrays of a run at every call
        raise ValueError(f"advance goes on with a Run, such as `begin` gives, and not with {run!r:.60}.")
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
    plan = Plan(rounds // block, block // rollout_length, rollout_length, probes, probe_interval)
    state, memory, mind, (reward, info, metrics, seen) = advance_runs(replace(run, t=0), jnp.uint32(run.t), plan)
    starts = run.t + np.arange(plan.blocks) * block
    probed = np.flatnonzero(starts % probe_interval == 0) if probes else np.arange(0)
    seen = jax.tree.map(lambda rows: rows[:, probed], seen)
    after = replace(run, state=state, memory=memory, mind=mind, t=run.t + rounds)
    return after, History(reward, info, metrics, seen, starts[probed])


def train(
    key: int | Key[Array, ""],
    world: World,
    learner: AnyLearner,
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


def check_pair(world: World, learner: AnyLearner) -> None:
    """Raise ValueError unless these are a world and a learner, known to JAX, and the rewards say what is needed."""
    require(
        isinstance(world, World),
        f"A world is what `synapse_v0.world(...)` gives, but this is {_named(world)}: "
        "give an environment's own world, env.world, or build one.",
    )
    require(
        isinstance(learner, LearnerBase),
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
        "Every world has decisions of its own here: let worlds see the same stimuli by the world's repeats.",
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
    """The probes as a tuple; ValueError unless each is a function of (world, round) with a name of its own."""
    probes = tuple(probes)
    names = [getattr(probe, "__name__", None) for probe in probes]
    require(
        None not in names and len(set(names)) == len(names),
        "Probes are recorded under their names: give functions with a different __name__ each.",
    )
    for probe in probes:
        try:
            inspect.signature(probe).bind("world", "round")
        except TypeError:
            raise ValueError(
                f"The probe {probe.__name__} must take (world, round), but takes {inspect.signature(probe)}."
            ) from None
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


@jax.jit
def _begin(run: Run) -> tuple[State, Memory, Mind]:
    world, learner, groups = run.world, run.learner, groups_shown(run.world, run.learner)

    def one_run(key: Key[Array, ""]) -> tuple[State, Memory, Mind]:
        """All worlds and the learner of one run."""
        birth = keys.reset_key(key)
        world_keys = per_world(run, birth, repeats=world.repeats)
        if run.shared_task:
            first = world.reset(world_keys[0])
            state = jax.vmap(lambda k: world.reset(k, first.task), 0, state_axes(run, first))(world_keys)
        else:
            state = axes.each(world.reset, run.num_worlds, (0,), how=run.world_axis)(world_keys)
        mind = learner.init(keys.learner_key(birth), groups)
        memory: Memory = ()
        if isinstance(learner, MemoryLearner):
            begin_world = partial(learner.begin_world, mind=mind, groups=groups)
            memory = axes.each(begin_world, run.num_worlds, (0,), how=run.world_axis)(per_world(run, birth))
        return (*(axes.add((state, memory)) if run.num_worlds == 1 else (state, memory)), mind)

    return axes.over(one_run, run.num_runs, run.key, how=run.world_axis)


@partial(jax.jit, static_argnums=2)
def _evaluate(run: Run, t: UInt32[Array, ""], part: Part) -> dict[str, Array]:
    world, learner, worlds = run.world, run.learner, run.num_worlds

    def one_run(key: Key[Array, ""], state: State, mind: Mind) -> Metrics:
        policy = policy_of(learner, mind, groups_shown(world, learner), t)

        def measure(key: Key[Array, ""], state: State) -> Metrics:
            return world.evaluate(key, state, policy, part)

        drawn = keys.evaluation_key(key)
        if world.weights_in == "mind":
            first = jax.tree.map(lambda x: x[0], state)
            return repeated(measure(drawn, first), worlds)
        each = axes.each(measure, worlds, (None, state_axes(run, state)), how=run.world_axis)
        return axes.add(each(drawn, axes.drop(state))) if worlds == 1 else each(drawn, state)

    return axes.over(one_run, run.num_runs, run.key, run.state, run.mind, how=run.world_axis)


def policy_of(learner: AnyLearner, mind: Mind, groups: tuple[Group, ...], t: RoundNumber) -> Policy:
    """A mind as `World.evaluate` sees it: it acts as in round t, and does not learn."""
    if isinstance(learner, MemoryLearner):
        remembering = learner

        def act(key: Key[Array, ""], memory: Memory, obs: Tree, turn: int) -> tuple[Tree, Memory]:
            actions, memory, _ = remembering.act(key, mind, memory, obs, t, turn)
            return actions, memory

        return Policy(lambda key: remembering.begin_world(key, mind, groups), act)

    def act_anew(key: Key[Array, ""], memory: Memory, obs: Tree, turn: int) -> tuple[Tree, Memory]:
        return learner.act(key, mind, obs, t, turn)[0], memory

    return Policy(lambda key: (), act_anew)
