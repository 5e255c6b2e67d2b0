"""The compiled inside of `synagents.loop`: one round, the rounds that are learned from at once, blocks of rounds.

    advance = scan of blocks;   block = refresh, probes, scan of updates;   update = scan of T rounds, then learn
    round = every turn: observe, act, move; then resolve

What is written here is written for one run; `synagents.axes` gives it the axes of worlds and runs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, Num, PyTree, UInt32

from synagents import axes, keys
from synagents.display import html_table
from synagents.groups import GLOBAL, Group, observer
from synagents.hyperparameters import require, settings, static
from synagents.probes import Probe, Round
from synagents.schedules import is_due
from synagents.world import (
    AnyLearner,
    Memory,
    MemoryLearner,
    Metrics,
    Mind,
    RoundNumber,
    State,
    Transition,
    Tree,
    World,
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
        world_axis: "vmap" (one wide program) or "loop" (one after the other: slower, but every world and run is
            computed exactly as if it were alone).
    """

    KEPT: ClassVar[tuple[str, ...]] = ("key", "state", "memory", "mind")  # what a checkpoint keeps beside t
    STATICS: ClassVar[tuple[str, ...]] = ("num_worlds", "num_runs", "shared_task", "world_axis")

    world: World
    learner: AnyLearner
    key: Key[Array, "K"]
    state: State
    memory: Memory
    mind: Mind
    t: int = static()
    num_worlds: int = static()
    num_runs: int = static()
    shared_task: bool = static()
    world_axis: Literal["vmap", "loop"] = static()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        agents = sum(group.size for group in self.world.groups)
        names = (("world", type(self.world).__name__), ("learner", type(self.learner).__name__))
        counts = (("rounds played", self.t), ("agents of a world", agents), ("worlds", self.num_worlds))
        return html_table((), (*names, *counts, ("runs", self.num_runs)))


class Keys(NamedTuple):
    """What one round draws from."""

    world: Key[Array, "*W"]
    action: Key[Array, "*W"]


class Acted(NamedTuple):
    """The part of a round that is the agents' own: before the world resolves it."""

    moved: State
    obs: Tree
    actions: Tree
    extras: dict[int, PyTree]
    memory: Memory


class Played(NamedTuple):
    """One round of one world."""

    made: Round  # the round as it was lived
    tried: Round  # what the learner learns from: with C candidates an axis [C] in front of all but `mind` and states


def play(
    world: World, learner: AnyLearner, key: Keys, state: State, memory: Memory, mind: Mind, t: RoundNumber
) -> tuple[State, Memory, Played]:
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


def _parts(learner: AnyLearner, method: str, returned: Any, parts: tuple[str, ...]) -> Any:
    """What a learner's method returned; ValueError unless it is as many things as it should be."""
    require(
        isinstance(returned, tuple) and len(returned) == len(parts),
        f"{type(learner).__name__}.{method} must return ({', '.join(parts)}).",
    )
    return returned


def _play_once(
    world: World, learner: AnyLearner, key: Keys, state: State, memory: Memory, mind: Mind, t: RoundNumber
) -> Round:
    """Everyone sees and acts, then the world resolves the round."""
    done = act_all(world, learner, key.action, state, memory, mind, t)
    after, outcome = world.resolve(key.world, done.moved)
    return Round(state, after, done.obs, done.actions, done.extras, outcome, mind, done.memory, t)


def act_all(
    world: World,
    learner: AnyLearner,
    key: Key[Array, ""],
    state: State,
    memory: Memory,
    mind: Mind,
    t: RoundNumber,
    change: Callable[[Tree], Tree] = lambda chosen: chosen,
) -> Acted:
    """Everyone sees and acts by turns; arguments as `play`, the agents' key, and what becomes of what a turn chose."""
    obs: Tree = {}
    actions: Tree = {}
    extras: dict[int, PyTree] = {}
    for turn in turns_of(world.groups):
        seen = _shown(world, learner, state, world.observe(state, turn))
        drawn = jax.random.fold_in(key, turn)
        if isinstance(learner, MemoryLearner):
            acted: tuple = learner.act(drawn, mind, memory, seen, t, turn)
            chosen, memory, extras[turn] = _parts(learner, "act", acted, ("actions", "memory", "extras"))
        else:
            acted = learner.act(drawn, mind, seen, t, turn)
            chosen, extras[turn] = _parts(learner, "act", acted, ("actions", "extras"))
        chosen = change(chosen)
        state = world.move(state, chosen, t, turn)
        obs, actions = obs | seen, actions | chosen
    return Acted(state, obs, actions, extras, memory)


def _shown(world: World, learner: AnyLearner, state: State, seen: Tree) -> Tree:
    """What the learner is given of what the agents see: with a central critic also what none of them does."""
    return seen | {GLOBAL: world.global_state(state)} if learner.sees_state else seen


def groups_shown(world: World, learner: AnyLearner) -> tuple[Group, ...]:
    """The agents, and where there is a central critic who sees what it does."""
    if not learner.sees_state:
        return world.groups
    state = jax.eval_shape(lambda: world.global_state(world.reset(jax.random.key(0))))
    return (*world.groups, observer(state.size))


def _look(world: World, learner: AnyLearner, state: State) -> Tree:
    """What is seen between two rounds."""
    return _shown(world, learner, state, observe_all(world, state))


def _play_candidates(
    world: World, learner: AnyLearner, key: Keys, state: State, memory: Memory, mind: Mind, t: RoundNumber
) -> tuple[State, Memory, Played]:
    """C moves from the same state and memory, each with agents that draw something else."""
    moved = type(state)(*[None if field == "task" else 0 for field in state._fields])
    own: dict[str, PyTree] = {"after": moved, "actions": 0, "extras": 0, "outcome": 0, "memory": 0}
    out_axes = Round._make(own.get(field) for field in Round._fields)
    action_keys = jax.vmap(keys.world_key, (None, 0))(key.action, jnp.arange(world.candidates))

    def once(action: Key[Array, ""]) -> Round:
        return _play_once(world, learner, Keys(key.world, action), state, memory, mind, t)

    tried = jax.vmap(once, out_axes=out_axes)(action_keys)
    best = jnp.argmin(tried.outcome.info["loss"])
    moves = (tried.after._replace(task=()), tried.actions, tried.extras, tried.outcome, tried.memory)
    after, actions, extras, outcome, memory = jax.tree.map(lambda each: each[best], moves)
    after = after._replace(task=tried.after.task)
    made = Round(state, after, tried.obs, actions, extras, outcome, mind, memory, t)
    tried = tried._replace(obs=repeated(tried.obs, world.candidates))
    return after, memory, Played(made, tried)


def repeated(tree: PyTree, n: int) -> PyTree:
    """Every array with an axis of n equal rows in front."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), tree)


def state_axes(run: Run, state: State) -> PyTree:
    """Which fields of a state have a world axis: all, or all but the task."""
    return type(state)(*[None if run.shared_task and field == "task" else 0 for field in state._fields])


def per_world(run: Run, key: Key[Array, ""], *, repeats: int = 1) -> Key[Array, "*W"]:
    """Every world's key; `repeats` worlds in a row have the same."""
    if run.num_worlds == 1:
        return keys.world_key(key, 0)
    return jax.vmap(keys.world_key, (None, 0))(key, jnp.arange(run.num_worlds) // repeats)


class Plan(NamedTuple):
    """How a call of `advance` is cut up: blocks of updates of rounds."""

    blocks: int
    updates: int  # in a block
    rollout_length: int
    probes: tuple[Probe, ...]
    probe_interval: int


class _Carry(NamedTuple):
    """What goes from round to round in one run."""

    state: State
    memory: Memory
    mind: Mind


class _Happened(NamedTuple):
    """What one round of one world leaves."""

    transition: Transition
    last_obs: Tree | None  # with candidates: what is seen after each; otherwise it is looked at after the last round
    reward: Num[Array, ""]  # f32, or int32 where the world pays whole numbers
    info: Metrics


@partial(jax.jit, static_argnums=2)
def advance_runs(run: Run, start: UInt32[Array, ""], plan: Plan) -> tuple[State, Memory, Mind, tuple]:
    """States, memories and minds after a plan's rounds, and what happened: rewards, info, metrics, probes."""
    one_run = partial(_advance_run, run, plan, start)
    return axes.over(one_run, run.num_runs, run.key, run.state, run.memory, run.mind, how=run.world_axis)


def _advance_run(
    run: Run, plan: Plan, start: UInt32[Array, ""], key: Key[Array, ""], state: State, memory: Memory, mind: Mind
) -> tuple[State, Memory, Mind, tuple]:
    """All blocks of one run."""
    alone = run.num_worlds == 1
    times = start + plan.updates * plan.rollout_length * jnp.arange(plan.blocks, dtype=start.dtype)
    state, memory = axes.drop((state, memory)) if alone else (state, memory)
    carry = _Carry(state, memory, mind)
    carry, (reward, info, metrics, seen) = jax.lax.scan(partial(_block, run, plan, key), carry, times)
    by_round = jax.tree.map(lambda x: x.reshape(-1, run.num_worlds), (reward, info))
    by_update = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), metrics)
    state, memory = carry.state, carry.memory
    if alone:
        state, memory = axes.add((state, memory))
        seen = jax.tree.map(lambda x: x[:, None], seen)
    return state, memory, carry.mind, (*by_round, by_update, seen)


def _block(run: Run, plan: Plan, key: Key[Array, ""], carry: _Carry, t: Array) -> tuple[_Carry, tuple]:
    """A new batch where it is due, a look by the probes where they are, then the block's updates."""
    times = t + jnp.arange(plan.updates * plan.rollout_length, dtype=t.dtype)
    round_keys = jax.vmap(keys.round_key, (None, 0))(key, times)
    now = _keys(run, round_keys[0])
    if run.world.interval:
        refresh = partial(_refresh, run)
        state = jax.lax.cond(is_due(t, run.world.interval), refresh, lambda _, state: state, now, carry.state)
        carry = carry._replace(state=state)
    seen: dict[str, PyTree] = {}
    if plan.probes:  # the round is played once more for them; zeros where no probe is due
        look = partial(_probe, run, plan.probes, now)
        blank = jax.tree.map(jnp.zeros_like, jax.eval_shape(look, carry, t))
        seen = jax.lax.cond(t % plan.probe_interval == 0, look, lambda *_: blank, carry, t)
    by_update = (plan.updates, plan.rollout_length)
    carry, happened = jax.lax.scan(
        partial(_update, run), carry, (round_keys.reshape(by_update), times.reshape(by_update))
    )
    return carry, (*happened, seen)


def _refresh(run: Run, now: Keys, state: State) -> State:
    """A new batch in every world; one shared batch needs one key, the first world's."""
    drawn, axis = (now.world[0], None) if run.shared_task else (now.world, 0)

    def refresh(key: Key[Array, ""], state: State) -> State:
        return run.world.refresh(keys.refresh_key(key), state)

    in_axes = (axis, state_axes(run, state))
    return axes.each(refresh, run.num_worlds, in_axes, in_axes[1], how=run.world_axis)(drawn, state)


def _probe(run: Run, probes: tuple[Probe, ...], now: Keys, carry: _Carry, t: Array) -> dict[str, PyTree]:
    """What the probes see of the round that is about to be played."""

    def look(key: Keys, state: State, memory: Memory, mind: Mind) -> dict[str, PyTree]:
        made = play(run.world, run.learner, key, state, memory, mind, t)[2].made
        return {probe.__name__: probe(run.world, made) for probe in probes}

    in_axes = (0, state_axes(run, carry.state), 0, None)
    return axes.each(look, run.num_worlds, in_axes, how=run.world_axis)(now, *carry)


def _update(run: Run, carry: _Carry, rollout: tuple[Key[Array, "T"], Array]) -> tuple[_Carry, tuple]:
    """T rounds, then what the learner learns from them."""
    round_keys, times = rollout
    carry, happened = jax.lax.scan(partial(_round, run), carry, rollout)
    transition, last_obs, memory = _with_world_axis(run, carry, happened)
    drawn = keys.learner_key(round_keys[-1])
    if isinstance(run.learner, MemoryLearner):
        learned: tuple = run.learner.update(drawn, carry.mind, memory, transition, last_obs, times[0])
        mind, memory, metrics = _parts(run.learner, "update", learned, ("mind", "memory", "metrics"))
        memory = axes.drop(memory) if run.num_worlds == 1 else memory
        carry = carry._replace(mind=mind, memory=memory)
    else:
        learned = run.learner.update(drawn, carry.mind, transition, last_obs, times[0])
        mind, metrics = _parts(run.learner, "update", learned, ("mind", "metrics"))
        carry = carry._replace(mind=mind)
    return carry, (happened.reward, happened.info, metrics)


def _with_world_axis(run: Run, carry: _Carry, happened: _Happened) -> tuple[Transition, Tree, Memory]:
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
    look = partial(_look, run.world, run.learner)
    last_obs = axes.each(look, run.num_worlds, (state_axes(run, carry.state),), how=run.world_axis)(carry.state)
    if alone:
        transition = jax.tree.map(lambda x: x[:, None], transition)
        last_obs = axes.add(last_obs)
    return transition, last_obs, memory


def _round(run: Run, carry: _Carry, now: tuple[Key[Array, ""], Array]) -> tuple[_Carry, _Happened]:
    """One round of all worlds."""
    key, t = now

    def one_world(key: Keys, state: State, memory: Memory, mind: Mind) -> tuple[State, Memory, _Happened]:
        state, memory, played = play(run.world, run.learner, key, state, memory, mind, t)
        return state, memory, _happened(run, played)

    # Asks the compiler not to mix a round with what surrounds it: chunks of any length, the same bits.
    state, memory = jax.lax.optimization_barrier((carry.state, carry.memory))
    per_field = state_axes(run, state)
    each = axes.each(one_world, run.num_worlds, (0, per_field, 0, None), (per_field, 0, 0), how=run.world_axis)
    state, memory, happened = each(_keys(run, key), state, memory, carry.mind)
    return _Carry(state, memory, carry.mind), happened


def _happened(run: Run, played: Played) -> _Happened:
    made, tried = played
    last_obs = None
    if run.world.candidates > 1:
        last_obs = jax.vmap(partial(_look, run.world, run.learner))(tried.after._replace(task=()))
    reward, terminated, truncated, _ = tried.outcome
    transition = Transition(tried.obs, tried.actions, tried.extras, reward, terminated, truncated)
    team = _mean(jnp.stack([_mean(part) for part in made.outcome.reward.values()]))
    return _Happened(transition, last_obs, team, made.outcome.info)


def _mean(rewards: Num[Array, "..."]) -> Num[Array, ""]:
    """The mean; of whole numbers a whole one, so that a round of whole numbers has no others."""
    if jnp.issubdtype(rewards.dtype, jnp.integer):
        return rewards.sum(dtype=rewards.dtype) // rewards.size
    return jnp.mean(rewards)


def _keys(run: Run, key: Key[Array, ""]) -> Keys:
    """A round's keys, from the round's own: what the worlds draw may be alike, what their agents draw never is."""
    return Keys(per_world(run, key, repeats=run.world.repeats), per_world(run, keys.action_key(key)))
