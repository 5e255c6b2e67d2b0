"""Choose the settings that the benchmark's lines play with; prints every setting that was tried.

    python studies/tuning.py --data DIR [--task NAME ...] [--line NAME ...]
    python studies/tuning.py --table                        # of what is done; plays nothing
    python studies/tuning.py --choose                       # writes synagents/assets/bench_settings.json

All lines are searched alike. A line begins with the settings below, and one after the other its step size, its batches,
how long a batch is kept, its memory and its exploration (COORDINATES) go up, and down, for as long as that helps: the
step size twofold, the others along GRIDS. That is repeated until nothing helps, at most PASSES times. At a task's whole
budget a line begins with what was found at a tenth of it, and its step size and batches are searched once more, in one
pass. What helps is the last look's accuracy, or if that is the same the mean of all looks, on a fifth cut from the
training part of data splits (`BenchmarkTask.design`), one run on each; on xor and boundary, where nothing is split, in
runs of another seed than the scores'. Learners that differ from `team-q` in what a history is worth alone play with its
settings, and agents that know nothing with the reference's (ALIKE). Cells are kept in results/tuning.jsonl and never
played twice. What is written is complete: settings that are not searched are the constructors' defaults, or those
below.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import jax
import numpy as np
from common import RESULTS, SETTINGS, Cells, write_settings

from synagents.benchmark import line_settings, lines, suite
from synagents.cli import flags
from synagents.cli.build import usual_table
from synagents.envs import synapse_v0
from synagents.hyperparameters import Values

SPLITS = {"digits-0": 4, "digits-16": 4, "notmnist-0": 1, "notmnist-32": 1}
SPLITS |= {"digits-0-tenth": 6, "digits-16-tenth": 6, "notmnist-0-tenth": 2, "notmnist-32-tenth": 2}
RUNS = {"xor": 40, "boundary": 10}  # where nothing is split
PASSES = 2
BIAS_GAIN = 2.0  # as published, for all agents that nudge
Worth = tuple[float, float]  # accuracy at the last look, and of all looks

COORDINATES = (
    ("step_size", "width"),
    ("batch_size",),
    ("interval",),
    ("trace_decay", "history_decay", "memory", "momentum", "population", "pairs"),
    ("epsilon", "alpha", "noise", "perturbation"),
    ("policy",),
)
AT_WHOLE_BUDGET = COORDINATES[:2]
ALIKE = dict.fromkeys(("sarsa", "expected-sarsa", "double-q"), "team-q") | {"uniform": "q-table"}
GRIDS: dict[str, tuple[Any, ...]] = {
    "batch_size": (20, 50, 100, 200, 500, 1000),
    "interval": (5, 10, 25, 50, 100, 250),
    "trace_decay": (0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
    "history_decay": ((0.9,), (0.95,), (0.98,), (0.99,), (0.995,), (0.998,)),
    "memory": (1, 2, 3),
    "momentum": (0.0, 0.5, 0.9, 0.95),
    "population": (8, 16, 32, 64),
    "pairs": (2, 4, 8, 16, 32),
    "epsilon": (0.05, 0.1, 0.2, 0.35, 0.5, 0.75),
    "alpha": (0.005, 0.01, 0.02, 0.05, 0.1),
    "noise": (0.002, 0.005, 0.01, 0.02, 0.05),
    "perturbation": (0.002, 0.005, 0.01, 0.02, 0.05),
    "policy": ("greedy", "graded"),
}

EXPLORING = tuple(f"switch:1:{epsilon:g}:1000" for epsilon in GRIDS["epsilon"])  # where a table starts from zeros


def _falling(start: float) -> str:
    """A step size that falls to a tenth over the run."""
    return f"exponential:{start:g}:{start / 10:g}"


AGENTS: dict[str, Values] = {  # of every learner, by the data it is played on
    "xor": {"step_size": "0.01"},
    "boundary": {"step_size": "0.01"},
    "digits": {"batch_size": 100, "interval": 50, "step_size": _falling(0.002)},
    "notmnist": {"batch_size": 100, "interval": 50, "step_size": _falling(2e-4)},
}
LEARNERS: dict[str, Values] = {  # wherever they play
    "trace": {"trace_decay": 0.99, "epsilon": 0.5},
    "team-q": {"history": "trace", "history_decay": (0.99,), "epsilon": "switch:1:0.5:1000", "policy": "greedy"},
    "team-q-frozen": {
        "history": "trace",
        "history_decay": (0.99,),
        "epsilon": 0.5,
        "policy": "greedy",
        "adaptive": False,
        "table": "shipped",
    },
    "repeat-undo": {"memory": 2},
    "actor-critic": {"history": "trace", "history_decay": (0.99,), "alpha": 0.02},
    "policy-gradient": {"history": "trace", "history_decay": (0.99,), "alpha": 0.02},
    "q-table": {"epsilon": 0.1},  # the shipped table has a memory of 2
}
OPTIMIZERS: dict[str, dict[str, Values]] = {
    "digits": {
        "one-plus-one-es": {"step_size": _falling(0.004)},
        "spsa": {"step_size": _falling(0.01), "momentum": 0.0, "perturbation": 0.01},
        "node-perturbation": {"step_size": _falling(0.1), "momentum": 0.0, "noise": 0.01},
        "antithetic-es": {"step_size": _falling(0.01), "pairs": 4, "noise": 0.02},
        "snes": {"width": 0.05, "step_mean": 0.5, "step_width": 0.3, "population": 16},
        "sgd": {"step_size": _falling(0.03), "momentum": 0.9},
        "adam": {"step_size": _falling(0.003)},
    },
    "notmnist": {
        "one-plus-one-es": {"step_size": _falling(0.003)},
        "spsa": {"step_size": _falling(6e-4), "momentum": 0.0, "perturbation": 0.01},
        "node-perturbation": {"step_size": _falling(0.02), "momentum": 0.0, "noise": 0.01},
        "antithetic-es": {"step_size": _falling(0.008), "pairs": 8, "noise": 0.02},
        "snes": {"width": 0.02, "step_mean": 0.5, "step_width": 0.3, "population": 32},
        "sgd": {"step_size": _falling(0.005), "momentum": 0.9},
        "adam": {"step_size": _falling(3e-4)},
    },
    "xor": {
        "one-plus-one-es": {"step_size": "0.05"},
        "spsa": {"step_size": "0.05", "momentum": 0.9, "perturbation": 0.01},
        "node-perturbation": {"step_size": "0.3", "momentum": 0.0, "noise": 0.01},
        "antithetic-es": {"step_size": "0.05", "pairs": 16, "noise": 0.02},
        "snes": {"width": 0.2, "population": 32},
        "sgd": {"step_size": "0.3", "momentum": 0.9},
        "adam": {"step_size": "0.02"},
    },
}
OPTIMIZERS["boundary"] = OPTIMIZERS["xor"]
BATCHES = {"batch_size": 100, "interval": 10}  # of optimizers
TWINS = {"perturbation": "node-perturbation"}  # agents that do what an optimizer does, and begin as it does


def start(task: suite.BenchmarkTask, line: str) -> Values:
    """Where the search begins at the smallest budget that a task is played with."""
    optimizer = line if line_settings.is_optimizer(line) else TWINS.get(line)
    if optimizer is None:
        return AGENTS[task.task] | LEARNERS.get(line, {})
    known = line_settings.known_settings(line, task)
    settings = (BATCHES if task.batched else {}) | OPTIMIZERS[task.task][optimizer]
    return {name: value for name, value in settings.items() if name in known}


def moved(settings: Values, name: str, way: int) -> Values | None:
    """The same with one setting a notch up (1) or down (-1); None where there is none."""
    value = settings[name]
    if name == "width":
        return settings | {name: value * 2.0**way}
    if name == "step_size":
        words = str(value).split(":")
        scaled = (f"{float(word) * 2.0**way:.3g}" if word[0].isdigit() else word for word in words)
        return settings | {name: ":".join(scaled)}
    grid = EXPLORING if str(value).startswith("switch") else GRIDS[name]
    there = grid.index(value) + way
    return settings | {name: grid[there]} if 0 <= there < len(grid) else None


def climb(
    first: Values, worth: Callable[[Values], Worth], coordinates: Sequence[tuple[str, ...]], passes: int
) -> Values:
    """The settings from which no notch helps, or those after the last pass."""
    best, top = first, worth(first)
    for _ in range(passes):
        before = best
        for name in [name for names in coordinates for name in names if name in first]:
            for way in (1, -1):
                while (other := moved(best, name, way)) is not None and (value := worth(other)) > top:
                    best, top = other, value
        if best == before:
            break
    return best


def search(task: suite.BenchmarkTask, line: str, cell: Callable[..., Worth]) -> Values:
    """The settings it ends with; `cell` says what settings are worth."""

    def worth(settings: Values) -> Worth:
        return cell(task, line, settings)

    short = suite.TENTHS.get(f"{task.name}-tenth")
    if short is None:
        return climb(start(task, line), worth, COORDINATES, PASSES)
    return climb(search(short, line, cell), worth, AT_WHOLE_BUDGET, 1)


def key(task: suite.BenchmarkTask, line: str, settings: Values) -> str:
    """Of a cell."""
    return json.dumps([task.name, line, settings])


def play(task: suite.BenchmarkTask, line: str, settings: Values, data: Path | None) -> np.ndarray:
    """Accuracy [runs, looks]; a run is a split, where there are any."""
    settings = complete(task, line, settings)
    if not task.batched:
        return lines.play(task, line, settings, runs=RUNS[task.name], seed=1).score
    return np.concatenate(
        [
            lines.play(task.design(seed), line, settings, runs=1, seed=seed, data=data).score
            for seed in range(SPLITS[task.name])
        ]
    )


class Missing(Exception):
    """A cell that is not played yet."""


def choose(cell: Callable[..., Worth]) -> dict[str, dict[str, Values]]:
    """The settings of every line on every task; where the search has not ended, those there are, or it begins with."""
    written = json.loads(SETTINGS.read_text())
    chosen: dict[str, dict[str, Values]] = {}
    for task in suite.TASKS.values():
        for line in lines.fitting(task):
            like = ALIKE.get(line, line)
            known = line_settings.known_settings(line, task)
            try:
                settings = search(task, like, cell)
            except Missing:
                settings = written.get(task.name, {}).get(line) or start(task, like)
            own = {name: value for name, value in settings.items() if name in known}
            chosen.setdefault(task.name, {})[line] = own
    return chosen


def complete(task: suite.BenchmarkTask, line: str, settings: Values) -> Values:
    """Every setting of a line on a task: those that were searched, and below them the constructors' defaults."""
    usual = {name: flag.default for name, flag in line_settings.known_settings(line, task).items()}
    if not line_settings.is_optimizer(line):
        usual |= synapse_v0.settings_for(line_settings.learner_of(line)) | ({} if task.batched else {"interval": 0})
        usual |= {"bias_gain": BIAS_GAIN} if "bias_gain" in usual else {}
        if "table" in usual:
            usual["table"] = usual_table(usual | settings)
    return {name: flags.plain(value) for name, value in (usual | settings).items()}


def main() -> None:
    """Play what is missing, or show what is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images")
    parser.add_argument("--task", action="append", choices=list(suite.TASKS), help="only these")
    parser.add_argument("--line", action="append", choices=list(lines.lines()), help="only these")
    parser.add_argument("--table", action="store_true", help="print what was tried and play nothing")
    parser.add_argument("--choose", action="store_true", help="write what was chosen and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "tuning.jsonl")
    tasks = [suite.TASKS[name] for name in args.task or suite.TASKS]
    players = [line for line in args.line or lines.fitting(tasks[0]) if line not in ALIKE]
    quiet = args.table or args.choose

    def cell(task: suite.BenchmarkTask, line: str, settings: Values) -> Worth:
        name = key(task, line, settings)
        if name not in done:
            if quiet:
                raise Missing
            began = time.perf_counter()
            try:
                accuracy = play(task, line, settings, args.data)
            except FloatingPointError:  # a step too large
                accuracy = np.zeros((1, 1))
            row: dict[str, Any] = {"key": name, "task": task.name, "line": line, "settings": settings}
            row |= {"accuracy": accuracy[:, -1].tolist(), "average": float(accuracy.mean())}
            row |= {"seconds": round(time.perf_counter() - began, 1)}
            done.add(row)
            print(f"{task.name} {line} {settings} {mean(row['accuracy']):.4f} ({row['seconds']} s)", file=sys.stderr)
        # Older cells were played on more splits than are asked for now.
        return mean(done[name]["accuracy"][: SPLITS.get(task.name)]), done[name]["average"]

    if not quiet:
        for task in tasks:
            for line in players:
                search(task, line, cell)
                jax.clear_caches()
        return
    chosen = choose(cell)
    if args.table:
        print("| task | line | settings | accuracy on validation parts | chosen |\n|---|---|---|---|---|")
        for row in sorted(done.rows.values(), key=lambda row: (list(suite.TASKS).index(row["task"]), row["line"])):
            words = " ".join(f"{name}={value}" for name, value in row["settings"].items())
            mark = "yes" if chosen.get(row["task"], {}).get(row["line"]) == row["settings"] else ""
            print(f"| {row['task']} | `{row['line']}` | `{words}` | {mean(row['accuracy']):.4f} | {mark} |")
    if args.choose:
        write_settings(
            {
                name: {line: complete(suite.TASKS[name], line, settings) for line, settings in of_lines.items()}
                for name, of_lines in chosen.items()
            }
        )


if __name__ == "__main__":
    main()
