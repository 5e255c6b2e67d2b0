"""The lines of the board and the settings each plays with; what is finished is kept, so that a board can grow.

A line is a learner (its agents share a policy), or a rule to beat that has no agents (`baselines`), of which some
follow a gradient. Settings were chosen on validation parts cut from training parts (`BenchmarkTask.design`), never on
what is held out here: `studies/tuning.py` searches them and writes `assets/bench_settings.json`.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import numpy as np

from synagents import registry
from synagents.cli import build as experiment
from synagents.cli import flags
from synagents.benchmark import results
from synagents.benchmark.optimizers import Problem
from synagents.benchmark.drive import drive
from synagents.benchmark.results import Board, Curves
from synagents.benchmark.scoring import score
from synagents.benchmark.suite import POINTS, BenchmarkTask
from synagents.benchmark.workers import spread
from synagents.networks.mlp import MLP
from synagents.settings import nearest, require

AGENTS, NO_AGENTS, GRADIENT = "agents", "no agents", "gradient"


def lines() -> dict[str, str]:
    """The kind of every line there is, by name: all learners of synapse worlds, and all baselines."""
    learners = [name for name in registry.offers("learners") if "synapse_v0" in registry.worlds("learners", name)]
    kinds = dict.fromkeys(learners, AGENTS)
    for name, constructor in registry.offers("benchmark.baselines").items():
        kinds[name] = GRADIENT if constructor.__module__.endswith(".gradient") else NO_AGENTS
    return kinds


@cache
def _settings() -> dict[str, dict[str, dict[str, Any]]]:
    return json.loads((files("synagents") / "assets" / "bench_settings.json").read_text())


def chosen(task: BenchmarkTask, line: str) -> dict[str, Any]:
    """The settings a line plays with; a learner that the board does not have plays with those of the reference."""
    there = _settings()[task.name]
    return there.get(line, there["q-table"])


def play(
    task: BenchmarkTask,
    line: str,
    given: dict[str, Any] | None = None,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
) -> Curves:
    """Play a line on a task.

    Args:
        task: of the suite.
        line: a learner's or a baseline's name, or module:Class of a learner.
        given: settings by parameter name that replace the board's.
        runs: independent runs, >= 1.
        seed: of the runs.
        data: folder with the notMNIST images.

    Raises:
        ValueError: if there is no such line, or a setting is not its own or out of range.
        FloatingPointError: if the loss is not finite.
    """
    own = chosen(task, line) | (given or {})
    if line in registry.offers("benchmark.baselines"):
        return _driven(task, line, own, runs, seed, data)
    require(":" in line or line in lines(), f"No line is called {line!r}: {nearest(line, lines())}.")
    return score(task, line, own, runs=runs, seed=seed, data=data)


def fill(
    path: Path,
    tasks: Sequence[BenchmarkTask],
    players: Sequence[str],
    given: dict[str, Any] | None = None,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
    workers: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> Board:
    """Play what a file of scores lacks, and add each cell when it is finished.

    Args:
        path: the file.
        tasks: of the suite.
        players: the lines.
        given: settings by parameter name that replace the board's.
        runs: independent runs, >= 1.
        seed: of the runs.
        data: folder with the notMNIST images.
        workers: cells played at a time, each in a process with its share of the cores, >= 1.
        tell: what to do with a sentence about each cell that begins.

    Raises:
        ValueError: if there is no such line, or a setting is not its own or out of range.
        FloatingPointError: if a loss is not finite; what the others have by then is kept.
    """
    board = results.read(path) if path.exists() else {}
    order = {task: dict.fromkeys((*board.get(task.id, {}), *players)) for task in tasks}
    missing = [(task, line) for task, lines in order.items() for line in lines if line not in board.get(task.id, {})]
    cell = partial(play, given=given, runs=runs, seed=seed, data=data)

    def begun(of: tuple[BenchmarkTask, str]) -> None:
        tell(f"{of[1]} on {of[0].id}: {runs} runs of {of[0].budget:,} sample evaluations")

    for (task, line), curves in spread(cell, missing, workers, begun):
        there = board.get(task.id, {}) | {line: curves}
        board[task.id] = {name: there[name] for name in order[task] if name in there}
        results.write(path, board)
    return board


def typed(players: Sequence[str], tasks: Sequence[BenchmarkTask], pairs: Sequence[str]) -> dict[str, Any]:
    """Settings typed as NAME=VALUE, which every one of these lines must know.

    Raises:
        ValueError: if a pair is no pair, or a line does not know it.
    """
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        require(bool(equals), f"{pair!r} is no setting: write NAME=VALUE.")
        name = name.replace("-", "_")
        for line in players:
            known = known_settings(line, tasks[0])
            require(name in known, f"{line} has no setting {name!r}: {nearest(name, known)}.")
            given[name] = flags.read(known[name], text)
    return given


def known_settings(line: str, task: BenchmarkTask) -> dict[str, flags.Flag]:
    """What may be set of a line on a task, by parameter name; the benchmark's own settings are not among it."""
    if line not in registry.offers("benchmark.baselines"):
        titled = experiment.sections(task.task, line)
        known = {name: flag for section in titled.values() for name, flag in section.items()}
        return {name: flag for name, flag in known.items() if name not in task.frozen}
    batches = {name: flags.Flag(name, int, None, "") for name in ("batch_size", "interval") if task.batched}
    return batches | flags.flags_of(registry.find("benchmark.baselines", line))


def _driven(task: BenchmarkTask, line: str, given: dict[str, Any], runs: int, seed: int, data: Path | None) -> Curves:
    """A baseline's curves: schedules run over the share of the budget that is spent."""
    constructor, known = registry.find("benchmark.baselines", line), known_settings(line, task)
    for name in given:
        require(name in known, f"{line} has no setting {name!r}: {nearest(name, known)}.")
    rule = {name: given[name] for name in ("batch_size", "interval") if name in given}
    rest = {name: value for name, value in given.items() if name not in rule}
    made = task.make(rule.get("batch_size", 100), data=data)
    network = MLP((int(np.prod(made.in_shape)), *task.hidden, made.out_size))
    problem = Problem(network, made, rule.get("interval", 10) if task.batched else 0)
    baseline = constructor(**{name: flags.value(known[name], value, 1) for name, value in rest.items()})
    curve = drive(jax.random.key(seed), baseline, problem, task.budget, num_runs=runs, looks=POINTS)
    return Curves(curve.cost, curve.held_out["accuracy"], curve.held_out["loss"])
