"""Unit worlds on images: every rule names the class of one image at a time, is paid 1 or 0, and is judged on the rest.

    python studies/unit_images.py --search [--data DIR]     # learning rates, on splits 0 .. 2 (letters: 0 and 1)
    python studies/unit_images.py [--data DIR] [--only RULE ...] [--seeds 10] [--letter-seeds 10]
    python studies/unit_images.py --table                   # the table of docs/benchmark.md, of what is done

A cell is one training by the preset of `synagents train TASK --world unit --learner RULE`, with a seed that also draws
the split; it leaves one line in results/unit_images.jsonl and is never played twice. Splits 100 and later are those of
the table; `--search` tries the same few rates for every rule on a few others. The letters need `--data`, the folder
with notMNIST. `uniform` is the control.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, compilations, percent

from synagents.benchmark import decisions
from synagents.cli.build import preset
from synagents.loop import advance, evaluate
from synagents.run.config import versions

TOLD = decisions.TOLD["unit"]
RULES = tuple(rule for group in TOLD.values() for rule in group)
RATES = {  # of the hidden layer and the output
    "digits": ("0.003,0.003", "0.01,0.01", "0.03,0.03", "0.003,3e-4", "0.01,0.001", "0.01,1e-4"),
    "notmnist": ("0.001,0.001", "0.003,0.003", "0.003,3e-4"),
}
DESIGN = {"digits": range(3), "notmnist": range(2)}  # splits of the search
FIRST = 100  # split of the table
CHUNK = 1000  # rounds of one call


class Cell(NamedTuple):
    """One training."""

    task: str
    rule: str
    seed: int
    rate: str = ""  # empty for the preset's

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self)).strip()


def search(rules: Iterable[str]) -> list[Cell]:
    """Every rule that learns, with every rate."""
    learning = [rule for rule in rules if rule != "uniform"]
    return [
        Cell(task, rule, seed, rate)
        for task, rule in product(RATES, learning)
        for rate in RATES[task]
        for seed in DESIGN[task]
    ]


def comparison(rules: list[str], seeds: int, letter_seeds: int) -> list[Cell]:
    """Every rule by its preset."""
    cells = [Cell("digits", rule, FIRST + number) for rule in rules for number in range(seeds)]
    return cells + [Cell("notmnist", rule, FIRST + number) for rule in rules for number in range(letter_seeds)]


def play(one: Cell, data: Path | None) -> dict[str, Any]:
    """Train by the preset; return the accuracies, the sample evaluations, and the seconds without compilation."""
    given: dict[str, Any] = {"learning_rate": one.rate} if one.rate else {}
    given |= {"data": data} if one.task == "notmnist" else {}
    spec = preset(one.task, one.rule, world="unit", seed=one.seed, **given)
    compiled, started = compilations(), time.perf_counter()
    run = spec.begin()
    for _ in range(spec.rounds // CHUNK):
        run, _ = advance(run, CHUNK)
    accuracy = {part: float(np.mean(evaluate(run, part)["accuracy"])) for part in ("held_out", "train")}
    seconds = time.perf_counter() - started
    return accuracy | {"samples": spec.rounds * run.num_worlds, "seconds": seconds - sum(compiled)}


def table(rows: list[dict[str, Any]]) -> None:
    """Held-out accuracy and cost of every rule on every task, by what a unit is told."""
    print(f"| rule | {' | '.join(f'{task} (seeds) | in training | seconds' for task in RATES)} |")
    print(f"|---|{'---|---|---|' * len(RATES)}")
    for told, rules in TOLD.items():
        print(f"| *{told}* |{' | | |' * len(RATES)}")
        for rule in rules:
            mine = [[row for row in rows if (row["task"], row["rule"]) == (task, rule)] for task in RATES]
            print(f"| `{rule}` | {' | '.join(map(_columns, mine))} |")


def _columns(rows: list[dict[str, Any]]) -> str:
    """Of one rule on one task: held-out accuracy, accuracy in training, median seconds."""
    if len(rows) < 2:
        return " | | "
    held_out, train = percent([row["held_out"] for row in rows]), mean(row["train"] for row in rows)
    return f"{held_out} ({len(rows)}) | {100 * train:.1f} | {median(row['seconds'] for row in rows):.1f}"


def found(rows: list[dict[str, Any]]) -> None:
    """Mean held-out accuracy over the splits of the search, by task, rule and rate."""
    for task, rates in RATES.items():
        print(f"\n| {task} | {' | '.join(rates)} |\n|{'---|' * (1 + len(rates))}")
        for rule in [rule for rule in RULES if rule != "uniform"]:
            mine = [row for row in rows if (row["task"], row["rule"]) == (task, rule)]
            by_rate = [[row["held_out"] for row in mine if row["rate"] == rate] for rate in rates]
            print(f"| `{rule}` | {' | '.join(f'{100 * mean(own):.1f}' if own else '' for own in by_rate)} |")


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images; without it the digits alone")
    parser.add_argument("--only", nargs="+", default=list(RULES), choices=RULES, help="rules, in this order")
    parser.add_argument("--seeds", type=int, default=10, help="splits of the digits")
    parser.add_argument("--letter-seeds", type=int, default=10, help="splits of the letters")
    parser.add_argument("--search", action="store_true", help="try learning rates on other splits instead")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "unit_images.jsonl")
    cells = search(args.only) if args.search else comparison(args.only, args.seeds, args.letter_seeds)
    program = ("", "")  # what is compiled for it: seeds and rates are arguments
    for one in cells:
        if args.table or one.key in done or (one.task == "notmnist" and args.data is None):
            continue
        if (one.task, one.rule) != program:
            jax.clear_caches()
            program = (one.task, one.rule)
        got = play(one, args.data)
        done.add({"key": one.key, **one._asdict(), **got, "versions": versions()})
        print(one.key, json.dumps(got), file=sys.stderr, flush=True)
    rows = [row for row in done.rows.values() if row["rule"] in args.only]
    found([row for row in rows if row["rate"]]) if args.search else table([row for row in rows if not row["rate"]])


if __name__ == "__main__":
    main()
