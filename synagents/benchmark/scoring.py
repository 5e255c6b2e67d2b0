"""A learner's score on a task of the list: play until the budget is spent, and look every 1 % of it.

cost = B (1 + C rounds + refreshes [reevaluate])       B samples per batch, C candidate moves per round
cost = 2 B (1 + rounds)                                where units are shaken: every round has a clean and a noisy pass
"""

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from synagents import registry
from synagents.benchmark.line_settings import Played, complete, learner_of, world_of, world_settings
from synagents.benchmark.looks import Kept, Look, watch
from synagents.benchmark.marl.kit import SharedPolicy
from synagents.benchmark.results import Curves
from synagents.benchmark.suite import POINTS, BenchmarkTask
from synagents.envs.plastic_samples import PerturbedWorld
from synagents.hyperparameters import Values, require
from synagents.loop import Run, advance, begin, evaluate
from synagents.world import AnyLearner


def score(
    task: BenchmarkTask,
    learner: str,
    given: Values,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
    kept: Kept | None = None,
) -> Curves:
    """Play a learner on a task.

    Args:
        task: of the suite.
        learner: a line that is played by a learner, or module:Class.
        given: settings of the world and the learner by parameter name that replace those of the benchmark.
        runs: independent runs, >= 1; run k draws from the k-th key of `seed`.
        seed: of the runs; the data split belongs to the task.
        data: folder with the notMNIST images.
        kept: where to go on from, and to keep what is reached.

    Raises:
        ValueError: if a setting is out of range or the budget does not pay for 100 rounds.
        FloatingPointError: if the loss is not finite.
    """
    rounds = 1
    for _ in range(2):  # a decay spans the run, whose length is known once the world is
        world, mind = build(task, learner, given, rounds, data)
        rounds = affordable(world, task.budget)
    begun = begin(seed, world, mind, num_runs=runs, world_axis="loop")
    return watched(begun, rounds, f"{learner} on {task.id}", kept=kept)


def watched(begun: Run, rounds: int, name: str, *, kept: Kept | None = None) -> Curves:
    """Play so many rounds, a multiple of 100, and look 100 times.

    Args:
        begun: runs of one world each, of a benchmark task.
        rounds: as `affordable` says.
        name: of the score, for an error.
        kept: where to go on from, and to keep what is reached.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    world: Any = begun.world
    size, rollout = batch_size(world), rollout_of(begun.learner, world, rounds)
    share = rounds // POINTS // rollout * rollout  # between two looks

    def onward(run: Run) -> Run:
        return advance(run, share, rollout_length=rollout)[0]

    def look(run: Run) -> Look:
        return {name: np.asarray(seen, float)[:, 0] for name, seen in evaluate(run).items()}

    _, looks = watch(begun, onward, look, POINTS, kept)
    accuracy, loss = (np.stack([look[name] for look in looks], axis=1) for name in ("accuracy", "loss"))
    if not np.isfinite(loss).all():
        raise FloatingPointError(f"The loss of {name} is not finite: lower the step size.")
    cost = [size * passes(world, point * share) for point in range(POINTS + 1)]
    return Curves(np.array(cost), accuracy, loss)


def rollout_of(learner: AnyLearner, world: Played, rounds: int) -> int:
    """Rounds that are learned from at once: one, or of a deep learner as many of its own as fit batches and looks."""
    if not isinstance(learner, SharedPolicy):
        return 1
    return min(math.gcd(learner.rollout_length, world.interval), rounds // POINTS)


def build(
    task: BenchmarkTask, learner: str, given: Values, rounds: int, data: Path | None
) -> tuple[Played, AnyLearner]:
    """The task's world and the learner, from the benchmark's own settings alone.

    Args:
        task: of the suite.
        learner: a line that is played by a learner, or module:Class.
        given: settings by parameter name that replace those of the benchmark.
        rounds: the length of decays that name none.
        data: folder with the notMNIST images.

    Raises:
        ValueError: if the learner is made for other worlds, or a setting is fixed, unknown or out of range.
    """
    values = complete(task, learner, given, rounds)
    own = {name: value for name, value in values.items() if name not in world_settings(learner, task)}
    return world_for(task, learner, values, data), registry.find("learners", learner_of(learner))(**own)


def world_for(task: BenchmarkTask, learner: str, values: Values, data: Path | None) -> Played:
    """The task's world for a learner's line, from its settings as `complete` gives them."""
    known = world_settings(learner, task)
    of_world = {name: value for name, value in values.items() if name in known and name != "batch_size"}
    made = task.make(values.get("batch_size", 0), data=data)
    shape: Values = {"hidden": task.hidden} if task.usual else {"network": task.network_for(made)}
    return world_of(learner, task)(made, **shape, **of_world)


def batch_size(world: Played) -> int:
    """Samples that one forward pass of the world takes."""
    key = jax.random.key(0)
    return jax.eval_shape(lambda: world.task.stimulus(world.task.init(key))).shape[0]


def passes(world: Played, rounds: int) -> int:
    """Forward passes of so many rounds, those before the first and re-evaluations included."""
    if isinstance(world, PerturbedWorld):
        return 2 * (1 + rounds)
    refreshes = (rounds - 1) // world.interval if world.interval and rounds else 0
    return 1 + world.candidates * rounds + (refreshes if world.batch_change == "reevaluate" else 0)


def spent(world: Played, rounds: int) -> int:
    """Sample evaluations of so many rounds."""
    return batch_size(world) * passes(world, rounds)


def affordable(world: Played, budget: int) -> int:
    """The largest number of rounds, a multiple of 100, that costs no more than the budget."""
    size = batch_size(world)
    low, high = 0, budget // size // POINTS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size * passes(world, middle * POINTS) <= budget else (low, middle - 1)
    require(low > 0, f"A budget of {budget:,} does not pay for {POINTS} rounds of {size} samples.")
    return low * POINTS
