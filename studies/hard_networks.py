"""Networks of few bits, each trained in two ways: by the published rule, and by agents that only run it forward.

    python studies/hard_networks.py [--data DIR] [--only PART ...] [--seeds 10] [--first 100]
    python studies/hard_networks.py --table                 # the tables of docs/hard_networks.md, of what is done

Parts: `rule`, the published rule with weights and activations of several widths; `gradient`, the same with gradients of
few bits; `agents`, synapse agents and the rule on one and the same network. A cell is one training with a seed that
also draws the split; it leaves one line in results/hard_networks.jsonl and is never played twice. Splits 100 and later
are those of the tables; settings were chosen on 0 .. 9. The letters need `--data`, the folder with notMNIST.

The rule (Hubara et al. 2016): squared hinge, Adam with a step that falls from 3e-3 to 3e-5 as a geometric series,
weights kept within the bound that their rounding sees, which is also the unit of their steps.
"""

import argparse
import json
import math
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, compilations, interval, percent

from synagents import Exponential, Quantized, registry
from synagents.benchmark.drive import drive
from synagents.benchmark.optimizers import Problem
from synagents.benchmark.optimizers.gradient import Adam, Rounding
from synagents.cli.build import preset
from synagents.loop import advance, evaluate
from synagents.run.config import versions

PARTS = ("rule", "gradient", "agents")
WIDTHS = {
    "float": (32, 32),
    "W1A32": (1, 32),
    "W1A4": (1, 4),
    "W1A2": (1, 2),
    "W1A1": (1, 1),
}  # weight, activation bits
GRADIENTS = (32, 8, 6, 4, 3, 2, 1)
EPOCHS = {"digits": (32, 60), "notmnist": (100, 8)}  # batch size, and how often the training part is seen
SOFT = "adam, cross-entropy"  # the rule with the loss that agents have, in place of the published squared hinge
LETTERS = 5  # splits on which agents play the letters: a run takes minutes
CHUNK = 1000  # rounds of one call of the agents' loop


class Cell(NamedTuple):
    """One training."""

    part: str
    task: str
    hidden: tuple[int, ...]
    width: str  # of WIDTHS
    method: str  # a learner's preset, "adam" or SOFT
    seed: int
    asked: int = 0  # sample evaluations of agents, or samples that Adam is shown; 0: as EPOCHS says
    gradient_bits: int = 32
    rounding: Rounding = "nearest"

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self))


def cells_of(part: str, seeds: range) -> list[Cell]:
    """What is played, and in which order."""
    if part == "rule":
        return [Cell(part, task, (128, 128), own, "adam", seed) for task in EPOCHS for own in WIDTHS for seed in seeds]
    if part == "gradient":
        ways: list[tuple[int, Rounding]] = [(32, "nearest"), *product(GRADIENTS[1:], ("nearest", "stochastic"))]
        return [
            Cell(part, "digits", (64, 64), "W1A2", "adam", seed, 0, bits, way) for bits, way in ways for seed in seeds
        ]
    played = [("W1A1", by, shown) for by, shown in product(("adam", SOFT), (200_000, 1_200_000))]
    played += [("W1A1", "evidence", 15_000_000), ("W1A1", "evidence", 50_000_000)]
    played += [("W1A1", "trace", 15_000_000), ("W1A1", "uniform", 15_000_000)]
    played += [("W1A2", "adam", 1_200_000), ("W1A2", SOFT, 1_200_000), ("W1A2", "evidence", 15_000_000)]
    played += [("W1A2", "evidence", 50_000_000)]
    cells = [Cell(part, "digits", (64,), own, by, seed, asked) for own, by, asked in played for seed in seeds]
    letters = [("adam", 1_200_000), (SOFT, 1_200_000), ("evidence", 15_000_000), ("uniform", 15_000_000)]
    return cells + [
        Cell(part, "notmnist", (32,), "W1A1", by, seed, asked) for by, asked in letters for seed in seeds[:LETTERS]
    ]


def play(one: Cell, data: Path | None) -> dict[str, Any]:
    """Train; return the held-out accuracy, the sample evaluations, and the seconds without compilation."""
    compiled, started = compilations(), time.perf_counter()
    accuracy, samples = (_by_rule if one.method in ("adam", SOFT) else _by_agents)(one, data)
    seconds = time.perf_counter() - started - sum(compiled)
    return {"held_out": accuracy, "samples": samples, "seconds": seconds}


def _by_rule(one: Cell, data: Path | None) -> tuple[float, int]:
    batch_size, epochs = EPOCHS[one.task]
    loss = "cross-entropy" if one.method == SOFT else "squared-hinge"
    options: dict[str, Any] = {"batch_size": batch_size, "split_seed": one.seed, "loss": loss}
    task = registry.find("tasks", one.task)(**options | ({"data": data} if one.task == "notmnist" else {}))
    network = Quantized((math.prod(task.in_shape), *one.hidden, task.out_size), *WIDTHS[one.width])
    adam = Adam(Exponential(3e-3, 3e-5, 1.0), one.gradient_bits, one.rounding)
    samples = one.asked or epochs * len(task.target)
    budget = 3 * batch_size * (samples // batch_size)
    curve = drive(one.seed, adam, Problem(network, task, 1), budget, looks=1)
    return float(curve.held_out["accuracy"][0, -1]), budget


def _by_agents(one: Cell, data: Path | None) -> tuple[float, int]:
    weight_bits, activation_bits = WIDTHS[one.width]
    files: dict[str, Any] = {"data": data} if one.task == "notmnist" else {}
    bits: dict[str, Any] = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    # The control has the world and the batches of the learner that it controls.
    usual = preset(one.task, "evidence", **files).about["settings"]
    sets = {name: usual[name] for name in ("batch_size", "interval")} | {"moves": "set"}
    more = files | bits | (sets if one.method == "uniform" else {})
    chosen = partial(preset, one.task, one.method, network="quantized", hidden=one.hidden, seed=one.seed, **more)
    size = chosen().about["settings"]["batch_size"]
    rounds = one.asked // size // CHUNK * CHUNK
    spec = chosen(rounds=rounds)
    run = spec.begin()
    for _ in range(rounds // CHUNK):
        run, _ = advance(run, CHUNK)
    return float(np.mean(evaluate(run)["accuracy"])), rounds * size


def table(rows: list[dict[str, Any]]) -> None:
    """A table for each part: means over splits +- half their 95 % intervals, and the lowest and the highest split."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in Cell._fields if name != "seed"), []).append(row)
    by_part = {part: [own for own in groups.values() if own[0]["part"] == part and len(own) > 1] for part in PARTS}
    floats = {(row["task"], row["seed"]): row["held_out"] for row in rows if row["width"] == "float"}
    if by_part["rule"]:
        print("\n| task | network | bits | held out, % | splits | points below float | at most | seconds |")
        print("|---|---|---|---|---|---|---|---|")
    for own in by_part["rule"]:
        below = [100 * (floats[row["task"], row["seed"]] - row["held_out"]) for row in own]
        apart = f"{mean(below):.1f} +- {interval(below):.1f} | {max(below):.1f}" if any(below) else " | "
        print(f"| {own[0]['task']} | {_units(own)} | {own[0]['width']} | {_spread(own)} | {apart} | {_seconds(own)} |")
    if by_part["gradient"]:
        print("\n| bits of a gradient's number | rounding | held out, % | splits |\n|---|---|---|---|")
    for own in by_part["gradient"]:
        print(f"| {own[0]['gradient_bits']} | {own[0]['rounding']} | {_spread(own)} |")
    if by_part["agents"]:
        print("\n| network | bits | trained by | sample evaluations | held out, % | splits | seconds |")
        print("|---|---|---|---|---|---|---|")
    for own in by_part["agents"]:
        cost = f"{median(row['samples'] for row in own) / 1e6:.1f} M"
        told = f"{_units(own)} | {own[0]['width']} | `{own[0]['method']}` | {cost}"
        print(f"| {told} | {_spread(own)} | {_seconds(own)} |")


def _units(own: list[dict[str, Any]]) -> str:
    inputs = {"digits": 64, "notmnist": 784}[own[0]["task"]]
    return "-".join(map(str, (inputs, *own[0]["hidden"], 10)))


def _spread(own: list[dict[str, Any]]) -> str:
    reached = [row["held_out"] for row in own]
    return f"{percent(reached)} | {100 * min(reached):.1f} .. {100 * max(reached):.1f} ({len(own)})"


def _seconds(own: list[dict[str, Any]]) -> str:
    return f"{median(row['seconds'] for row in own):.1f}"


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images; without it the digits alone")
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=PARTS, help="parts, in this order")
    parser.add_argument("--seeds", type=int, default=10, help="how many splits")
    parser.add_argument("--first", type=int, default=100, help="the first split")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "hard_networks.jsonl")
    seeds = range(args.first, args.first + args.seeds)
    program: tuple[Any, ...] = ()  # what is compiled for it: seeds are arguments
    for one in [cell for part in args.only for cell in cells_of(part, seeds)]:
        if args.table or one.key in done or (one.task == "notmnist" and args.data is None):
            continue
        if one._replace(seed=0) != program:
            jax.clear_caches()
            program = one._replace(seed=0)
        got = play(one, args.data)
        done.add({"key": one.key, **one._asdict(), **got, "versions": versions()})
        print(one.key, json.dumps(got), file=sys.stderr, flush=True)
    table([row for row in done.rows.values() if row["part"] in args.only and row["seed"] in seeds])


if __name__ == "__main__":
    main()
