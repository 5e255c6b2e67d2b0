"""The lines of the benchmark: who plays, and the file of scores, to which every finished score is added.

A line is a learner, whose agents share a policy, or an optimizer without agents (`benchmark.optimizers`); lines are
compared with those that are told as much of the network. Settings were chosen on validation parts cut from training
parts (`BenchmarkTask.design`), never on what is held out here: `studies/tuning.py` searches them and writes
`assets/bench_settings.json`.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from synagents import registry
from synagents.benchmark import deciding, decisions, provenance, results
from synagents.benchmark.decisions import BoardTask, DecisionsTask
from synagents.benchmark.drive import drive, prices_of
from synagents.benchmark.line_settings import (
    BATCH,
    complete,
    is_optimizer,
    is_written,
    known_settings,
    learner_of,
    players,
)
from synagents.benchmark.looks import Kept
from synagents.benchmark.optimizers import Optimizer, Problem, Told
from synagents.benchmark.results import Curves, Scores
from synagents.benchmark.scoring import build, score
from synagents.benchmark.suite import POINTS, USUAL_NETWORK, BenchmarkTask
from synagents.benchmark.workers import spread
from synagents.cli import by_name, flags
from synagents.cli.build import misfit
from synagents.envs import synapse_v0
from synagents.hyperparameters import Values, nearest, require
from synagents.run.files import Json


def fitting(task: BoardTask, data: Path | None = None) -> list[str]:
    """The lines that play a task unless somebody names others: all with settings written for it.

    On another network than the benchmark's own perceptrons, for which nothing is written: all that can begin there.

    Args:
        task: of the suite or of decisions.
        data: folder with the notMNIST images.

    Raises:
        ValueError: if none can, as the last one says.
    """
    if isinstance(task, DecisionsTask):
        return list(decisions.told(task.family))
    if task.usual:
        return [line for line in lines() if is_written(line, task)]
    there, reason = [], None
    for line in lines():
        try:
            _try(task, line, data)
            there.append(line)
        except ValueError as error:
            reason = error
    if reason and not there:
        raise reason
    return there


def _try(task: BenchmarkTask, line: str, data: Path | None) -> None:
    """Raise ValueError if a line cannot begin on a task; nothing is computed."""
    if is_optimizer(line):
        prices_of(*_optimizing(task, line, {}, data))
        return
    reason = misfit(*build(task, line, {}, 1, data))
    require(reason is None, str(reason))


def lines() -> dict[str, Told]:
    """What every line of the suite is told, by name: all that learners play, and all optimizers."""
    optimizers: dict[str, Any] = registry.offers("benchmark.optimizers")
    told = {line: _told(learner_of(line)) for line in players()}
    return told | {name: constructor.told for name, constructor in optimizers.items()}


def _told(learner: str) -> Told:
    """What the agents of a learner are told of the network."""
    if "synapse" not in registry.families(learner):
        return "samples"  # plastic synapses of samples
    return "size" if synapse_v0.settings_for(learner).get("reward") == "delta" else "sign"


def play(
    task: BoardTask,
    line: str,
    given: Values | None = None,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
    kept: Kept | None = None,
) -> Curves:
    """Play a line on a task.

    Args:
        task: of the suite or of decisions.
        line: a learner's or an optimizer's name, or module:Class of a learner.
        given: settings by parameter name that replace those of the benchmark.
        runs: independent runs, >= 1.
        seed: of the runs.
        data: folder with the notMNIST images.
        kept: where to go on from if it was interrupted, and to keep what is reached.

    Raises:
        ValueError: if there is no such line, or a setting is not its own or out of range.
        FloatingPointError: if the loss is not finite.
    """
    if isinstance(task, DecisionsTask):
        return deciding.score(task, line, given or {}, runs=runs, seed=seed, kept=kept)
    if is_optimizer(line):
        return _driven(task, line, given or {}, runs, seed, data, kept)
    _require_known(line)
    return score(task, line, given or {}, runs=runs, seed=seed, data=data, kept=kept)


def _require_known(line: str) -> None:
    deep = registry.offers("benchmark.marl")
    there = {*lines(), *deep, *registry.offers("learners")}  # of a learner that plays elsewhere, `score` says so
    require(":" in line or line in there, f"No line is called {line!r}: {nearest(line, [*lines(), *deep])}.")


def fill(
    path: Path,
    tasks: Sequence[BoardTask],
    players: Sequence[str],
    given: Values | None = None,
    *,
    runs: int = 10,
    seed: int = 0,
    data: Path | None = None,
    workers: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> Scores:
    """Play what a file of scores lacks, and add each score when it is finished.

    A score that is interrupted stands beside the file until it is finished, and goes on from its last look.

    Args:
        path: the file.
        tasks: of the suite or of decisions.
        players: the lines.
        given: settings by parameter name that replace those of the benchmark.
        runs: independent runs, >= 1.
        seed: of the runs.
        data: folder with the notMNIST images.
        workers: scores made at a time, each in a process with its share of the cores, >= 1.
        tell: receives a sentence about each score that begins.

    Raises:
        ValueError: if there is no such line, a setting is not its own or out of range, or a score that is there was
            made with other settings, data or seeds.
        FloatingPointError: if a loss is not finite; scores that were finished by then are kept.
    """
    scores, made = (results.read(path), provenance.read(path)) if path.exists() else ({}, {})
    order = {task: dict.fromkeys((*scores.get(task.id, {}), *players)) for task in tasks}
    missing = [(task, line) for task, lines in order.items() for line in lines if line not in scores.get(task.id, {})]
    recorded = {task: scores.get(task.id, {}).keys() & made.get(task.id, {}).keys() for task in tasks}

    def require_same(task: BoardTask, line: str, asked: Json) -> None:
        odd = provenance.difference(made[task.id][line], asked, [*asked])
        require(odd is None, f"{path} has {line} on {task.id}, made with other {odd}: name another file.")

    for task, already in recorded.items():
        for line in already & set(players):
            require_same(task, line, provenance.asked_of(task, line, given or {}, runs, seed))
    for task in dict(missing):
        described = provenance.data_of(task, data) if recorded[task] else {}
        for line in recorded[task]:
            require_same(task, line, {"data": described})
    cell = partial(_cell, path=path, given=given or {}, runs=runs, seed=seed, data=data)

    def begun(of: tuple[BoardTask, str]) -> None:
        tell(f"{of[1]} on {of[0].id}: {runs} runs of {of[0].budget:,} {of[0].currency}")

    for (task, line), (curves, own) in spread(cell, missing, workers, begun):
        played = scores.get(task.id, {}) | {line: curves}
        scores[task.id] = {name: played[name] for name in order[task] if name in played}
        made.setdefault(task.id, {})[line] = own
        provenance.write(path, made)
        results.write(path, scores)
        _unfinished(path, task, line).unlink(missing_ok=True)
    return scores


def _cell(
    task: BoardTask, line: str, *, path: Path, given: Values, runs: int, seed: int, data: Path | None
) -> tuple[Curves, Json]:
    """A score that is kept while it is made, and what it is made with."""
    if isinstance(task, BenchmarkTask) and not is_optimizer(line):
        _require_known(line)
    made = provenance.made_with(task, line, given, runs, seed, data)
    kept = Kept(_unfinished(path, task, line), made)
    try:
        return play(task, line, given, runs=runs, seed=seed, data=data, kept=kept), made
    except FloatingPointError:
        kept.path.unlink(missing_ok=True)  # nothing is to go on from there
        raise


def _unfinished(path: Path, task: BoardTask, line: str) -> Path:
    """Where a score of a file is kept while it is made."""
    name = re.sub(r"[^\w.+=,-]", "_", f"{task.id}.{line}".removeprefix("synapse/"))
    return path.with_name(f"{path.name}.{name}.unfinished")


def typed(players: Sequence[str], tasks: Sequence[BoardTask], pairs: Sequence[str]) -> Values:
    """Settings typed as NAME=VALUE, which every one of these lines must know.

    Raises:
        ValueError: if a pair is no pair, or a line does not know it.
    """
    given: Values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        require(bool(equals), f"{pair!r} is no setting: write NAME=VALUE.")
        name = name.replace("-", "_")
        for line in players:
            known = known_settings(line, tasks[0])
            require(name in known, f"{line} has no setting {name!r}: {nearest(name, known)}.")
            given[name] = flags.read(known[name], text)
    return given


def on_network(tasks: Sequence[BoardTask], network: str, pairs: Sequence[str]) -> tuple[list[BenchmarkTask], list[str]]:
    """The same tasks on another network, and the pairs NAME=VALUE that are none of the network's settings.

    Raises:
        ValueError: if there is no such network, a value cannot be read, or a task is one of decisions.
    """
    perceptrons = [task for task in tasks if isinstance(task, BenchmarkTask)]
    for task in tasks:
        require(task in perceptrons, f"{task.id} has a network of its own world: leave --network out.")
    known, settings, others = by_name.network_flags(network), {}, []
    if network == USUAL_NETWORK:  # the benchmark's own, of which learners set what their world has an option for
        known = {name: flag for name, flag in known.items() if name not in signature(synapse_v0.world).parameters}
    for pair in pairs:
        name, _, text = pair.partition("=")
        name = name.replace("-", "_")
        if name in known:
            settings[name] = flags.read(known[name], text)
        else:
            others.append(pair)
    return [task.on(network, settings) for task in perceptrons], others


def _driven(
    task: BenchmarkTask, line: str, given: Values, runs: int, seed: int, data: Path | None, kept: Kept | None
) -> Curves:
    """An optimizer's curves; its schedules run over the share of the budget that is spent."""
    optimizer, problem = _optimizing(task, line, given, data)
    curve = drive(seed, optimizer, problem, task.budget, num_runs=runs, looks=POINTS, kept=kept)
    return Curves(curve.cost, curve.held_out["accuracy"], curve.held_out["loss"])


def _optimizing(task: BenchmarkTask, line: str, given: Values, data: Path | None) -> tuple[Optimizer, Problem]:
    """The optimizer with its settings, and what it is to learn."""
    values = complete(task, line, given, 1)
    batch_size, interval = (values.pop(name, 0) for name in BATCH)
    made = task.make(batch_size, data=data)
    optimizer = registry.find("benchmark.optimizers", line)(**values)
    return optimizer, Problem(task.network_for(made), made, interval)
