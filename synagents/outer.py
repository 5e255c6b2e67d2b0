"""The second loop, and the last: lives are lived, and what does not change within a life is improved between lives.

    live(world, learner, mind, key) -> Life                    rounds as in `synagents.rounds`, from birth to the end
    begin -> OuterRun;   advance(OuterRun, updates) -> (OuterRun, OuterHistory), as often as you like
    update:   theta <- method(theta, mean over lives of objective(life))                  theta = (world.slow, mind)

A life is a pure function of theta and its key, so `Ascend` differentiates through all of its rounds and `Evolve` tries
neighbours of theta (`synagents.outer_methods`). What happens in a round is computed again on the way back
(`jax.checkpoint`), so memory holds one state per round and life.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree, UInt32

from synagents import axes, keys
from synagents.hyperparameters import require, require_whole, settings, static
from synagents.loop import check_pair
from synagents.outer_methods import Life, Lived, Method, Objective, Theta
from synagents.rounds import Keys, play
from synagents.world import (
    AnyLearner,
    LifeWorld,
    Memory,
    MemoryLearner,
    Metrics,
    Mind,
    Part,
    RoundNumber,
    State,
    Tree,
    World,
)


class Moments(NamedTuple):
    """What a life looked like after every round."""

    numbers: Metrics  # {name: f32[T]} what its world monitors and is one number
    position: PyTree  # f32[T, 2] row and column on the task's map; () where there is none
    activity: Tree  # {name: f32[T, n]} what it monitors of the network's layers
    traces: Tree  # {group: f32[T, *shape]} what the agents of each group keep


def live(
    world: LifeWorld,
    learner: AnyLearner,
    mind: Mind,
    key: Key[Array, ""],
    part: Part = "train",
    record: Callable[[State], PyTree] = lambda state: (),
) -> Life:
    """A life, from birth to its end.

    Args:
        world: of a LifeTask, which says how many rounds a life has.
        learner: who acts.
        mind: what it knows.
        key: of the life: the same as `keys.run_key(seed, episode)` of a face, and so the same life.
        part: of what the task has to ask, "train" or "held_out".
        record: what of the state after every round is worth keeping.
    """
    born = keys.world_key(keys.reset_key(key), 0)
    state = world.reset(born, None if part == "train" else world.task.first(born, part))
    memory: Memory = learner.begin_world(born, mind, world.groups) if isinstance(learner, MemoryLearner) else ()

    def draw(t: RoundNumber) -> Keys:
        moment = keys.round_key(key, t)
        return Keys(keys.world_key(moment, 0), keys.world_key(keys.action_key(moment), 0))

    @jax.checkpoint
    def one(
        now: tuple[State, Memory], moment: tuple[RoundNumber, Keys]
    ) -> tuple[tuple[State, Memory], tuple[Array, Metrics, PyTree]]:
        t, drawn = moment
        state, memory, played = play(world, learner, drawn, *now, mind, t)
        outcome = played.made.outcome
        reward = jnp.mean(jnp.stack([jnp.mean(part) for part in outcome.reward.values()]))
        return (state, memory), (reward, outcome.info, record(state))

    times = jnp.arange(world.task.length, dtype=jnp.uint32)
    # All keys are drawn at once: what a round would draw for itself is drawn again on the way back.
    (state, _), (reward, info, seen) = jax.lax.scan(one, (state, memory), (times, jax.vmap(draw)(times)))
    return Life(reward, info, state, seen)


@settings
class OuterRun:
    """An outer loop that can go on: everything a later call of `advance` needs.

    Attributes:
        world: the world, whatever slow weights it has itself.
        learner: the rule.
        objective: of a life.
        method: how theta is improved.
        key: one key per run, key[K]; never changes.
        theta: what is improved, axes [K, ...].
        memory: the method's, axes [K, ...].
        t: updates made so far.
        lives: lives per update.
        num_runs: K independent runs.
    """

    KEPT: ClassVar[tuple[str, ...]] = ("key", "theta", "memory")  # what a checkpoint keeps beside t
    STATICS: ClassVar[tuple[str, ...]] = ("lives", "num_runs")

    world: LifeWorld
    learner: AnyLearner
    objective: Objective
    method: Method
    key: Key[Array, "K"]
    theta: Theta
    memory: PyTree
    t: int = static()
    lives: int = static()
    num_runs: int = static()


class OuterHistory(NamedTuple):
    """What happened, update by update."""

    reward: Float[Array, "K updates"]  # of a life, mean over the lives of an update
    objective: Float[Array, "K updates"]
    change: Float[Array, "K updates"]  # of theta, its length


def begin(
    key: int | Key[Array, ""],
    world: LifeWorld,
    learner: AnyLearner,
    objective: Objective,
    method: Method,
    *,
    lives: int = 30,
    num_runs: int = 1,
) -> OuterRun:
    """Fresh networks and rules, nothing lived yet.

    Args:
        key: random key of the whole experiment, or its seed in 0 .. 2^32 - 1.
        world: the world, whose task says how many rounds a life has.
        learner: the rule.
        objective: what is to become smaller, of one life.
        method: how theta is improved, such as `Ascend(learning_rate=2e-3)`.
        lives: lives per update, >= 1.
        num_runs: independent runs, >= 1.

    Raises:
        ValueError: if a number is out of range, the rule does not fit the world, or a life has no end.
    """
    check(world, learner, objective, method, lives, num_runs)
    run_keys = jax.vmap(keys.run_key, (None, 0))(keys.seed_key(key), jnp.arange(num_runs))
    theta, memory = _begin(world, learner, method, run_keys)
    return OuterRun(world, learner, objective, method, run_keys, theta, memory, 0, lives, num_runs)


def check(world: World, learner: AnyLearner, objective: Objective, method: Method, lives: int, num_runs: int) -> None:
    """Raise ValueError unless an outer loop of these can begin."""
    check_pair(world, learner)
    require(
        isinstance(world, LifeWorld),
        f"{type(world).__name__} has no lives for an outer loop to improve: play plastic_v0, or train it by rounds.",
    )
    for name, part, kind in (("objective", objective, Objective), ("method", method, Method)):
        require(isinstance(part, kind), f"{name} must be a synagents.{kind.__name__}, but is {part!r:.60}.")
    require_whole("lives", lives, 1)
    require_whole("num_runs", num_runs, 1)


def advance(run: OuterRun, updates: int) -> tuple[OuterRun, OuterHistory]:
    """Make more updates.

    Args:
        run: where to go on from; it stays valid.
        updates: how many, >= 1.

    Raises:
        ValueError: if the number is out of range.
    """
    require_whole("updates", updates, 1)
    theta, memory, history = _advance(replace(run, t=0), jnp.uint32(run.t), updates)
    return replace(run, theta=theta, memory=memory, t=run.t + updates), history


def check_finite(history: OuterHistory, start: int = 0) -> None:
    """Raise FloatingPointError naming the first update with a number that is not finite; it begins at `start`."""
    bad = ~np.isfinite(np.asarray(history.objective + history.change)).all(axis=0)
    if bad.any():
        raise FloatingPointError(
            f"The objective or its gradient is not finite from update {start + int(np.argmax(bad)) + 1} on: "
            "lower the learning rate."
        )


def evaluate(run: OuterRun, lives: int, part: Part = "held_out") -> Float[Array, "K T"]:
    """The reward of every round, mean over fresh lives: the same lives at every look of a run.

    Args:
        run: whose theta plays.
        lives: how many, >= 1.
        part: of what the task has to ask, "train" or "held_out".
    """
    require_whole("lives", lives, 1)
    return _evaluate(replace(run, t=0), lives, part)


def replay(run: OuterRun, index: int, number: int | UInt32[Array, ""] = 0) -> Life:
    """One of the fresh lives in which a run is judged, with what it looked like after every round.

    Args:
        run: whose theta plays.
        index: of the run, in 0 .. K - 1.
        number: of the life, >= 0.

    Returns:
        The life; `seen` are its `Moments`.
    """
    theta: Theta = jax.tree.map(lambda leaf: leaf[index], run.theta)
    world, task = run.world.with_slow(theta.slow), run.world.task

    def record(state: State) -> Moments:
        pictures = world.pictures(state)
        traces = {group.name: pictures[group.name] for group in world.groups if group.name in pictures}
        position = task.position(state.task) if task.ground is not None else ()
        seen = world.monitor(state)
        numbers = {name: own for name, own in seen.items() if own.ndim == 0}
        return Moments(numbers, position, {name: own for name, own in seen.items() if own.ndim}, traces)

    key = keys.world_key(keys.evaluation_key(run.key[index]), number)
    return live(world, run.learner, theta.mind, key, "held_out", record)


@jax.jit
def _begin(world: LifeWorld, learner: AnyLearner, method: Method, run_keys: Key[Array, "K"]) -> tuple[Theta, PyTree]:
    def one(key: Key[Array, ""]) -> tuple[Theta, PyTree]:
        birth = keys.reset_key(key)
        slow = world.weights(world.reset(keys.world_key(birth, 0)))
        theta = Theta(slow, learner.init(keys.learner_key(birth), world.groups))
        return theta, method.init(theta)

    return axes.over(one, len(run_keys), run_keys)


@partial(jax.jit, static_argnums=2)
def _advance(run: OuterRun, start: UInt32[Array, ""], updates: int) -> tuple[Theta, PyTree, OuterHistory]:
    def one_run(key: Key[Array, ""], theta: Theta, memory: PyTree) -> tuple[Theta, PyTree, OuterHistory]:
        def update(now: tuple[Theta, PyTree], t: Array) -> tuple[tuple[Theta, PyTree], OuterHistory]:
            drawn = keys.round_key(key, t)
            life_keys = jax.vmap(keys.world_key, (None, 0))(drawn, jnp.arange(run.lives))
            theta, memory, lived = run.method.step(keys.learner_key(drawn), *now, partial(_live_all, run, life_keys))
            change = optax.tree.norm(jax.tree.map(jnp.subtract, theta, now[0]))
            return (theta, memory), OuterHistory(lived.reward, lived.objective, change)

        times = start + jnp.arange(updates, dtype=jnp.uint32)
        (theta, memory), history = jax.lax.scan(update, (theta, memory), times)
        return theta, memory, history

    return axes.over(one_run, run.num_runs, run.key, run.theta, run.memory)


@partial(jax.jit, static_argnums=(1, 2))
def _evaluate(run: OuterRun, lives: int, part: Part) -> Float[Array, "K T"]:
    def one_run(key: Key[Array, ""], theta: Theta) -> Float[Array, "T"]:
        drawn = keys.evaluation_key(key)
        life_keys = jax.vmap(keys.world_key, (None, 0))(drawn, jnp.arange(lives))
        world = run.world.with_slow(theta.slow)
        return jax.vmap(lambda key: live(world, run.learner, theta.mind, key, part).reward)(life_keys).mean(axis=0)

    return axes.over(one_run, run.num_runs, run.key, run.theta)


def _live_all(run: OuterRun, life_keys: Key[Array, "lives"], theta: Theta) -> Lived:
    """An update's lives."""
    world = run.world.with_slow(theta.slow)

    def one(key: Key[Array, ""]) -> Lived:
        lived = live(world, run.learner, theta.mind, key)
        return Lived(run.objective(lived), lived.reward.sum())

    return jax.tree.map(jnp.mean, jax.vmap(one)(life_keys))
