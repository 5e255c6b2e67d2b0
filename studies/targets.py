"""How well synapse agents train notMNIST in a given time: the paper's accuracy, and gradient descent's.

    python studies/targets.py --data DIR                   # the report: split seeds 100-109, run seed = split seed
    python studies/targets.py --data DIR --design          # what settings are chosen by: splits 0-9, validation
    python studies/targets.py --data DIR --design --only notmnist-32/180 --set step_size=exponential:3e-4:2e-5

A goal is an accuracy within so many seconds of training, without compilation, on a machine with nothing else to do.
Each has settings of its own, since step sizes fall over the time there is. With --design accuracy is of a fifth cut
from the training part, which training then lacks; held-out images are never looked at.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import jax
from common import interval

from synagents.benchmark import lines, scoring, suite
from synagents.loop import advance, begin, evaluate

# Large batches, since noise of the batch is noise in every reward, and several candidates, whose thin products are one
# wide one; step sizes so small that the weights of inputs that hardly matter do not wander far.
_ALONE: dict[str, Any] = {"batch_size": 500, "interval": 100, "candidates": 8, "epsilon": "0.75", "init_scale": 0.0}
_HIDDEN: dict[str, Any] = _ALONE | {"candidates": 4, "init_scale": 0.05}


class Goal(NamedTuple):
    """An accuracy, the seconds there are for it, and how a line of the benchmark tries."""

    task: str
    line: str
    seconds: float
    accuracy: float  # in %
    rounds: int
    settings: dict[str, Any]


GOALS = {
    "notmnist-0/10": Goal("notmnist-0", "trace", 10, 88.28, 16_000, _ALONE | {"step_size": "exponential:4e-4:1.5e-5"}),
    "notmnist-0/60": Goal(
        "notmnist-0", "trace", 60, 89.0, 90_000, _ALONE | {"trace_decay": 0.99, "step_size": "exponential:1.5e-4:5e-6"}
    ),
    "notmnist-32/30": Goal(
        "notmnist-32",
        "trace",
        30,
        88.45,
        34_000,
        _HIDDEN | {"trace_decay": 0.99, "step_size": "exponential:3e-4:1e-5"},
    ),
    "notmnist-32/180": Goal(
        "notmnist-32",
        "trace",
        180,
        89.56,
        205_000,
        _HIDDEN | {"trace_decay": 0.995, "step_size": "exponential:8e-5:2e-6"},
    ),
}


def play(
    task: suite.BenchmarkTask, line: str, rounds: int, settings: dict[str, Any], seed: int, data: Path
) -> dict[str, float]:
    """One run; compiled before the clock starts."""
    world, learner = scoring.build(task, line, settings, rounds, data)
    run = begin(seed, world, learner)
    jax.block_until_ready(advance(run, rounds // 10))
    began = time.perf_counter()
    for _ in range(10):
        run, _ = advance(run, rounds // 10)
    jax.block_until_ready(run)
    seconds = time.perf_counter() - began
    held_out, trained_on = evaluate(run), evaluate(run, "train")
    return {
        "seed": seed,
        "accuracy": 100 * held_out["accuracy"].item(),
        "loss": held_out["loss"].item(),
        "training_loss": trained_on["loss"].item(),
        "seconds": seconds,
        "cost": scoring.spent(world, rounds),
    }


def main() -> None:
    """Print a row per goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the notMNIST images")
    parser.add_argument("--design", action="store_true", help="on validation parts of splits 0-9")
    parser.add_argument("--runs", type=int, default=10, choices=range(2, 11))
    parser.add_argument("--only", nargs="+", default=list(GOALS), choices=list(GOALS))
    parser.add_argument(
        "--line",
        choices=lines.fitting(suite.find("notmnist-0")),
        help="instead of the goal's, with settings of its own",
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting")
    parser.add_argument("--rounds", type=int, help="instead of the goal's, a multiple of 10")
    parser.add_argument("--json", type=Path, help="write every run there")
    args = parser.parse_args()
    if args.rounds is not None and (args.rounds < 10 or args.rounds % 10):
        parser.error(f"--rounds must be a positive multiple of 10, but is {args.rounds}.")
    try:
        given = lines.typed([args.line or GOALS[goal].line for goal in args.only], [suite.find("notmnist-0")], args.set)
    except ValueError as error:
        parser.error(str(error))
    found = {}
    print("| goal | line | settings | runs | sample evaluations | accuracy, 95 % interval ", end="")
    print("| loss (training part) | seconds, median and maximum |\n|---|---|---|---|---|---|---|---|")
    for goal in args.only:
        name, line, limit, bar, rounds, settings = GOALS[goal]
        if args.line not in (None, line):
            line, settings = args.line, {}
        settings, rounds, task, runs = settings | given, args.rounds or rounds, suite.find(name), []
        for number in range(args.runs):
            seed = number if args.design else 100 + number
            split = task.design(seed) if args.design else task.split(seed)
            runs.append(play(split, line, rounds, settings, seed, args.data))
        found[goal] = {"line": line, "settings": settings, "rounds": rounds, "runs": runs}
        accuracy, loss, training_loss, seconds = (
            [run[measure] for run in runs] for measure in ("accuracy", "loss", "training_loss", "seconds")
        )
        words = " ".join(f"{n}={value}" for n, value in settings.items())
        print(
            f"| {name}: {bar} % within {limit:.0f} s | {line} | `{words} rounds={rounds}` | {len(runs)} "
            f"| {runs[0]['cost']:,} | {mean(accuracy):.2f} +- {interval(accuracy):.2f} "
            f"| {mean(loss):.3f} ({mean(training_loss):.3f}) | {median(seconds):.1f}, {max(seconds):.1f} |",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
