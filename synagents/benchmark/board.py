"""The lines of the board and the settings each plays with; what is finished is kept, so that a board can grow.

A line is a learner (its agents share a policy), or a rule to beat that has no agents (`baselines`), of which some
follow a gradient. Settings are first choices on validation parts cut from the training parts of other splits
(`BenchmarkTask.design`), never on what is held out here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from synagents import experiment, flags, registry
from synagents.benchmark import results
from synagents.benchmark.baselines import Problem
from synagents.benchmark.drive import drive
from synagents.benchmark.results import Board, Curves
from synagents.benchmark.scoring import score
from synagents.benchmark.suite import POINTS, BenchmarkTask
from synagents.networks.mlp import MLP
from synagents.settings import nearest, require

AGENTS, NO_AGENTS, GRADIENT = "agents", "no agents", "gradient"

USUAL: dict[str, dict[str, Any]] = {  # of learners on the data of a task, where they have no settings of their own
    "digits": {"batch_size": 500, "interval": 250},
    "notmnist": {"batch_size": 500, "interval": 100, "step_size": "exponential:2e-3:2e-4"},
}


def _falling(start: float) -> str:
    """A step size that falls to a tenth over the run."""
    return f"exponential:{start:g}:{start / 10:g}"


_SMALL: dict[str, Any] = {"batch_size": 100, "interval": 10}
_MEDIUM: dict[str, Any] = {"batch_size": 200, "interval": 10}
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {  # of a line on a task's data, or on the task of that name
    ("trace", "notmnist"): {"step_size": "exponential:3e-4:2e-5"},
    ("one-plus-one-es", "digits"): {"batch_size": 100, "interval": 50, "step_size": _falling(0.004)},
    ("one-plus-one-es", "notmnist"): {"batch_size": 500, "interval": 100, "step_size": _falling(0.003)},
    ("spsa", "digits"): _SMALL | {"step_size": _falling(0.01), "momentum": 0.0},
    ("spsa", "digits-0"): {"step_size": _falling(0.03)},
    ("spsa", "notmnist"): _MEDIUM | {"step_size": _falling(6e-4), "momentum": 0.0},
    ("node-perturbation", "digits"): _SMALL | {"step_size": _falling(0.1)},
    ("node-perturbation", "notmnist"): _MEDIUM | {"step_size": _falling(0.02)},
    ("antithetic-es", "digits"): _SMALL | {"step_size": _falling(0.01), "pairs": 4},
    ("antithetic-es", "notmnist"): _MEDIUM | {"step_size": _falling(0.008), "pairs": 16},
    ("snes", "digits"): _SMALL | {"width": 0.05, "step_mean": 0.5, "step_width": 0.3},
    ("snes", "notmnist"): _MEDIUM | {"width": 0.02, "step_mean": 0.5, "step_width": 0.3},
    ("sgd", "digits"): _SMALL | {"step_size": _falling(0.03)},
    ("sgd", "notmnist"): _MEDIUM | {"step_size": _falling(0.005)},
    ("adam", "digits"): _SMALL | {"step_size": _falling(0.01)},
    ("adam", "notmnist"): _MEDIUM | {"step_size": _falling(5e-4)},
}


def lines() -> dict[str, str]:
    """The kind of every line there is, by name: all learners of synapse worlds, and all baselines."""
    learners = [name for name in registry.offers("learners") if "synapse_v0" in registry.worlds("learners", name)]
    kinds = dict.fromkeys(learners, AGENTS)
    for name, constructor in registry.offers("benchmark.baselines").items():
        kinds[name] = GRADIENT if constructor.__module__.endswith(".gradient") else NO_AGENTS
    return kinds


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
    own = SETTINGS.get((line, task.task), {}) | SETTINGS.get((line, task.name), {}) | (given or {})
    if line in registry.offers("benchmark.baselines"):
        return _driven(task, line, own, runs, seed, data)
    require(":" in line or line in lines(), f"No line is called {line!r}: {nearest(line, lines())}.")
    return score(task, line, USUAL.get(task.task, {}) | own, runs=runs, seed=seed, data=data)


def fill(
    path: Path,
    tasks: Sequence[BenchmarkTask],
    players: Sequence[str],
    given: dict[str, Any] | None = None,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Board:
    """Play what a file of scores lacks, and add each cell when it is finished; arguments as in `play`."""
    board = results.read(path) if path.exists() else {}
    for task in tasks:
        for line in players:
            if line in board.get(task.id, {}):
                continue
            tell(f"{line} on {task.id}: {runs} runs of {task.budget:,} sample evaluations")
            board.setdefault(task.id, {})[line] = play(task, line, given, runs=runs, seed=seed, data=data)
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
