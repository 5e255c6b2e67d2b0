"""Choose the settings that the benchmark's lines play with; prints every setting that was tried.

    python studies/tuning.py --data DIR [--task NAME ...] [--line NAME ...]
    python studies/tuning.py --table                        # of what is done; plays nothing
    python studies/tuning.py --choose                       # writes synagents/assets/bench_settings.json

A line begins with the settings below, which were found by hand. Then its step size (for SNES its width) is doubled for
as long as that helps, and halved for as long as that helps. What helps is the last look's accuracy, or if that is the
same the mean of all looks, on a fifth cut from the training part of data splits (`BenchmarkTask.design`), one run on
each; on xor and boundary, where nothing is split, in runs of another seed than the scores'. Cells are kept in
results/tuning.jsonl and never played twice. What is written is complete: settings that are not searched are the
constructors' defaults, or those below.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import jax
import numpy as np
from common import RESULTS, Cells

from synagents import registry
from synagents.benchmark import line_settings, lines, suite
from synagents.cli import flags

CHOSEN = Path(__file__).parents[1] / "synagents" / "assets" / "bench_settings.json"
SPLITS = {"digits-0": range(5), "digits-16": range(5), "notmnist-0": range(3), "notmnist-32": range(1)}
RUNS = {"xor": 40, "boundary": 10}  # where nothing is split
Worth = tuple[float, float]  # accuracy at the last look, and of all looks


def _falling(start: float) -> str:
    """A step size that falls to a tenth over the run."""
    return f"exponential:{start:g}:{start / 10:g}"


_SMALL: dict[str, Any] = {"batch_size": 100, "interval": 10}
_MEDIUM: dict[str, Any] = {"batch_size": 200, "interval": 10}
AGENTS: dict[str, dict[str, Any]] = {  # of every learner, by the data it is played on
    "xor": {"step_size": "0.01"},
    "boundary": {"step_size": "0.01"},
    "digits": {"batch_size": 500, "interval": 250, "step_size": _falling(0.002)},
    "notmnist": {"batch_size": 500, "interval": 100, "step_size": _falling(0.002)},
}
START: dict[tuple[str, str], dict[str, Any]] = {
    ("q-table", "notmnist"): {"step_size": _falling(0.0005)},
    ("trace", "boundary"): {"step_size": "exponential:2e-2:2e-4"},
    ("trace", "digits"): {"step_size": _falling(0.001)},
    ("trace", "notmnist"): {
        "batch_size": 200,
        "interval": 50,
        "trace_decay": 0.99,
        "step_size": "exponential:1e-4:5e-6",
    },
    ("one-plus-one-es", "digits"): {"batch_size": 100, "interval": 50, "step_size": _falling(0.004)},
    ("one-plus-one-es", "notmnist"): {"batch_size": 500, "interval": 100, "step_size": _falling(0.003)},
    ("spsa", "digits"): _SMALL | {"step_size": _falling(0.01), "momentum": 0.0},
    ("spsa", "notmnist"): _MEDIUM | {"step_size": _falling(6e-4), "momentum": 0.0},
    ("node-perturbation", "digits"): _SMALL | {"step_size": _falling(0.1)},
    ("node-perturbation", "notmnist"): _MEDIUM | {"step_size": _falling(0.02)},
    ("antithetic-es", "digits"): _SMALL | {"step_size": _falling(0.01), "pairs": 4},
    ("antithetic-es", "notmnist"): _MEDIUM | {"step_size": _falling(0.008), "pairs": 16},
    ("snes", "digits"): _SMALL | {"width": 0.05, "step_mean": 0.5, "step_width": 0.3},
    ("snes", "notmnist"): _MEDIUM | {"width": 0.02, "step_mean": 0.5, "step_width": 0.3},
    ("sgd", "digits"): _SMALL | {"step_size": _falling(0.03)},
    ("sgd", "notmnist"): _MEDIUM | {"step_size": _falling(0.005)},
    ("adam", "digits"): _SMALL | {"step_size": _falling(0.003)},
    ("adam", "notmnist"): _MEDIUM | {"step_size": _falling(3e-4)},
}
TOY: dict[str, dict[str, Any]] = {  # of optimizers on xor and boundary
    "one-plus-one-es": {"step_size": "0.05"},
    "spsa": {"step_size": "0.05"},
    "node-perturbation": {"step_size": "0.3"},
    "antithetic-es": {"step_size": "0.05"},
    "snes": {"width": 0.2},
    "sgd": {"step_size": "0.3"},
    "adam": {"step_size": "0.02"},
}


def start(task: suite.BenchmarkTask, line: str) -> dict[str, Any]:
    """Where the search begins."""
    if lines.lines()[line] == lines.AGENTS:
        return AGENTS[task.task] | START.get((line, task.task), {})
    return START[line, task.task] if task.batched else TOY[line]


def scaled(settings: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same with another step size."""
    name = "step_size" if "step_size" in settings else "width"
    if name == "width":
        return settings | {name: settings[name] * factor}
    words = settings[name].split(":")
    return settings | {name: ":".join(f"{float(word) * factor:.3g}" if word[0].isdigit() else word for word in words)}


def climb(worth: Callable[[float], Worth]) -> float:
    """The factor, a power of two, from which neither doubling nor halving helps."""
    best, top = 1.0, worth(1.0)
    for way in (2.0, 0.5):
        while (value := worth(best * way)) > top:
            best, top = best * way, value
    return best


def search(task: suite.BenchmarkTask, line: str, cell: Callable[..., Worth]) -> dict[str, Any]:
    """The settings it ends with; `cell` says what settings are worth."""
    first = start(task, line)
    return scaled(first, climb(lambda factor: cell(task, line, scaled(first, factor))))


def key(task: suite.BenchmarkTask, line: str, settings: dict[str, Any]) -> str:
    """Of a cell."""
    return json.dumps([task.name, line, settings])


def play(task: suite.BenchmarkTask, line: str, settings: dict[str, Any], data: Path | None) -> np.ndarray:
    """Accuracy [runs, looks]; a run is a split, where there are any."""
    settings = complete(task, line, settings)
    if not task.batched:
        return lines.play(task, line, settings, runs=RUNS[task.name], seed=1).accuracy
    splits = SPLITS[task.name]
    return np.concatenate(
        [lines.play(task.design(seed), line, settings, runs=1, seed=seed, data=data).accuracy for seed in splits]
    )


class Missing(Exception):
    """A cell that is not played yet."""


def choose(cell: Callable[..., Worth]) -> dict[str, dict[str, Any]]:
    """The settings of every line on every task; where the search has not ended, those it begins with."""
    chosen: dict[str, dict[str, Any]] = {}
    for task in suite.SUITE.values():
        for line in lines.lines():
            try:
                settings = search(task, line, cell)
            except Missing:
                settings = start(task, line)
            chosen.setdefault(task.name, {})[line] = settings
    return chosen


def complete(task: suite.BenchmarkTask, line: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Every setting of a line on a task: those that were searched, and below them the constructors' defaults."""
    usual = {name: flag.default for name, flag in line_settings.known_settings(line, task).items()}
    if lines.lines()[line] == lines.AGENTS:
        learner: Any = registry.find("learners", line)
        usual |= line_settings.rewards_for(learner.needs) | ({} if task.batched else {"interval": 0})
        if "table" in usual:
            usual["table"] = "shipped" if usual.get("adaptive") is False else "zeros"
    return {name: flags.plain(value) for name, value in (usual | settings).items()}


def write(chosen: dict[str, dict[str, Any]]) -> None:
    """The asset: a line of text for each line of the benchmark."""
    blocks = []
    for name, of_lines in chosen.items():
        full = {line: complete(suite.SUITE[name], line, settings) for line, settings in of_lines.items()}
        rows = ",\n".join(f"  {json.dumps(line)}: {json.dumps(settings)}" for line, settings in full.items())
        blocks.append(f" {json.dumps(name)}: {{\n{rows}\n }}")
    CHOSEN.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def main() -> None:
    """Play what is missing, or show what is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images")
    parser.add_argument("--task", action="append", choices=list(suite.SUITE), help="only these")
    parser.add_argument("--line", action="append", choices=list(lines.lines()), help="only these")
    parser.add_argument("--table", action="store_true", help="print what was tried and play nothing")
    parser.add_argument("--choose", action="store_true", help="write what was chosen and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "tuning.jsonl")
    tasks = [suite.SUITE[name] for name in args.task or suite.SUITE]
    players = args.line or list(lines.lines())
    quiet = args.table or args.choose

    def cell(task: suite.BenchmarkTask, line: str, settings: dict[str, Any]) -> Worth:
        name = key(task, line, settings)
        if name not in done:
            if quiet:
                raise Missing
            began = time.perf_counter()
            try:
                accuracy = play(task, line, settings, args.data)
            except FloatingPointError:  # a step too large
                accuracy = np.zeros((1, 1))
            row = {"key": name, "task": task.name, "line": line, "settings": settings}
            row |= {"accuracy": accuracy[:, -1].tolist(), "average": float(accuracy.mean())}
            row["seconds"] = round(time.perf_counter() - began, 1)
            done.add(row)
            print(f"{task.name} {line} {settings} {mean(row['accuracy']):.4f} ({row['seconds']} s)", file=sys.stderr)
        return mean(done[name]["accuracy"]), done[name]["average"]

    if not quiet:
        for task in tasks:
            for line in players:
                search(task, line, cell)
                jax.clear_caches()
        return
    chosen = choose(cell)
    if args.table:
        print("| task | line | settings | accuracy on validation parts | chosen |\n|---|---|---|---|---|")
        for row in sorted(done.rows.values(), key=lambda row: (list(suite.SUITE).index(row["task"]), row["line"])):
            words = " ".join(f"{name}={value}" for name, value in row["settings"].items())
            mark = "yes" if chosen.get(row["task"], {}).get(row["line"]) == row["settings"] else ""
            print(f"| {row['task']} | `{row['line']}` | `{words}` | {mean(row['accuracy']):.4f} | {mark} |")
    if args.choose:
        write(chosen)


if __name__ == "__main__":
    main()
