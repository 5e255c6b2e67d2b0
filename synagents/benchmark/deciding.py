"""A score on a task of decisions: rounds of unit worlds, or updates of an outer loop, until the budget is spent.

    cost of a round = W, its worlds' decisions        cost of an update = 3 L T, its L lives of T rounds and a gradient

Looks are at the mean return of unseen episodes: those that the task evaluates, or 256 fresh lives.
"""

from typing import NamedTuple

import numpy as np

from synagents import outer
from synagents.benchmark.decisions import DecisionsTask
from synagents.benchmark.line_settings import COUNTS, complete, names_of
from synagents.benchmark.looks import Kept, Look, watch
from synagents.benchmark.results import Curves
from synagents.benchmark.suite import POINTS
from synagents.cli.build import Built, build
from synagents.hyperparameters import Values, require, require_whole
from synagents.loop import Run, advance, begin, evaluate
from synagents.outer import OuterRun
from synagents.run.outer_spec import LIVES
from synagents.world import LifeWorld

WITH_GRADIENT = 3  # passes that a life costs whose gradient is taken: the way back counts two


class Parts(NamedTuple):
    """What a line plays with on a task."""

    built: Built
    width: int  # worlds, or lives of an update
    price: int  # of a round or an update


def parts_of(task: DecisionsTask, line: str, given: Values, steps: int) -> Parts:
    """The world, the learner and the outer loop, from the benchmark's own settings alone.

    Args:
        task: of decisions.
        line: who plays, or module:Class.
        given: settings by parameter name that replace those of the benchmark.
        steps: the length of decays that name none.

    Raises:
        ValueError: if the line cannot play the task, or a setting is fixed, unknown or out of range.
    """
    values = complete(task, line, given, steps)
    width = values.pop(COUNTS[task.family].parameter)
    require_whole(COUNTS[task.family].parameter, width, 1)
    built = build(names_of(line, task), values | task.frozen, rounds=steps, by_preset=False)
    rounds = WITH_GRADIENT * built.world.task.length if isinstance(built.world, LifeWorld) else 1
    return Parts(built, width, width * rounds)


def score(
    task: DecisionsTask, line: str, given: Values, *, runs: int = 10, seed: int = 0, kept: Kept | None = None
) -> Curves:
    """Play a line on a task of decisions.

    Args:
        task: of decisions.
        line: who plays, or module:Class.
        given: settings by parameter name that replace those of the benchmark.
        runs: independent runs, >= 1.
        seed: of the runs.
        kept: where to go on from, and to keep what is reached.

    Raises:
        ValueError: if the line cannot play the task, a setting is out of range, or the budget does not pay for 100
            rounds or updates.
        FloatingPointError: if the return is not finite.
    """
    price = parts_of(task, line, given, 1).price
    share = task.budget // price // POINTS  # rounds or updates between two looks
    require(share > 0, f"A budget of {task.budget:,} does not pay for {POINTS} steps of {price:,} {task.currency}.")
    built, width, _ = parts_of(task, line, given, share * POINTS)
    looks = (_lived if built.method else _decided)(built, width, share, runs, seed, kept)
    loss = np.stack([look["loss"] for look in looks], axis=1)
    if not np.isfinite(loss).all():
        raise FloatingPointError(f"The return of {line} on {task.id} is not finite: lower the learning rate.")
    return Curves(price * share * np.arange(POINTS + 1), 0 - loss, loss, task.metric)


def _decided(built: Built, width: int, share: int, runs: int, seed: int, kept: Kept | None) -> list[Look]:
    """All looks at units, which go on by rounds."""

    def onward(run: Run) -> Run:
        return advance(run, share)[0]

    def look(run: Run) -> Look:
        return {"loss": np.asarray(evaluate(run)["loss"], float)[:, 0]}

    begun = begin(seed, built.world, built.learner, num_worlds=width, num_runs=runs)
    return watch(begun, onward, look, POINTS, kept)[1]


def _lived(built: Built, width: int, share: int, runs: int, seed: int, kept: Kept | None) -> list[Look]:
    """All looks at lives, which an outer loop improves update by update."""
    world, objective, method = built.world, built.objective, built.method
    assert isinstance(world, LifeWorld) and objective and method

    def onward(run: OuterRun) -> OuterRun:
        return outer.advance(run, share)[0]

    def look(run: OuterRun) -> Look:
        return {"loss": -np.asarray(outer.evaluate(run, LIVES), float).sum(axis=1)}

    begun = outer.begin(seed, world, built.learner, objective, method, lives=width, num_runs=runs)
    return watch(begun, onward, look, POINTS, kept)[1]
