"""Networks of whole numbers beside their twins of real numbers, trained by the same learner in the same settings.

    python studies/integer.py [--task digits] [--data DIR] [--seeds 10] [--first 100]
    python studies/integer.py --table              # the table of docs/hard_networks.md, of what is done

A cell is one training with a seed that also draws the split; it leaves one line in results/integer.jsonl and is never
played twice. Splits 100 and later are those of the table; settings were chosen on 0 .. 9. `level` is the twin whose
agents move by one level of the int8 weights and rest as often; `falling` is the twin whose agents always move, by a
step that falls. The letters need `--data`, the folder with notMNIST. Characters are scored in bits, by recurrent
networks with a path around the cell; their seeds draw weights and batches, since the text has one held-out end.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from common import RESULTS, Cells, compilations, interval

from synagents.cli.build import preset
from synagents.loop import advance, evaluate
from synagents.run.config import versions

CHUNK = 1000  # rounds of one call of the loop
NETWORKS: dict[str, dict[str, Any]] = {
    "int8": {"network": "integer-mlp"},
    "level": {"network": "mlp"},
    "falling": {"network": "mlp", "active": 1.0},
    "uniform": {"network": "integer-mlp"},
}
FALLING = {
    "characters": "exponential:2e-3:2e-4",
    "digits": "exponential:1e-3:1e-4",
    "notmnist": "exponential:3e-4:2e-5",
}
READING = {"integer-mlp": "integer-recurrent", "mlp": "recurrent"}  # of networks on characters


class Cell(NamedTuple):
    """One training."""

    task: str
    network: str  # of NETWORKS
    seed: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self))


def play(one: Cell, data: Path | None) -> dict[str, Any]:
    """Train; return the held-out accuracy (of characters the bits), and the seconds without compilation."""
    learner = "uniform" if one.network == "uniform" else "integer-trace"
    files: dict[str, Any] = {"data": data} if one.task == "notmnist" else {}
    more = NETWORKS[one.network] | files
    if one.task == "characters":
        more |= {"network": READING[more["network"]], "skip": True, "units": 32}
    if one.network == "falling":
        more["step_size"] = FALLING[one.task]
    rounds = preset(one.task, "integer-trace", **files).rounds
    compiled, started = compilations(), time.perf_counter()
    run = preset(one.task, learner, seed=one.seed, rounds=rounds, **more).begin()
    for _ in range(rounds // CHUNK):
        run, _ = advance(run, CHUNK)
    held_out = float(np.mean(evaluate(run)["bits" if one.task == "characters" else "accuracy"]))
    return {"held_out": held_out, "rounds": rounds, "seconds": time.perf_counter() - started - sum(compiled)}


def table(rows: list[dict[str, Any]]) -> None:
    """Means over splits +- half their 95 % intervals, and what twins have more on the same ones; characters in bits."""
    groups: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["network"]), {})[row["seed"]] = row
    print("| task | network | held out, % or bits | splits | above int8 | seconds |\n|---|---|---|---|---|---|")
    for (task, network), own in groups.items():
        if len(own) < 2:
            continue
        unit, digits = (1, 2) if task == "characters" else (100, 1)
        reached = [unit * row["held_out"] for row in own.values()]
        whole = groups.get((task, "int8"), {})
        apart = [unit * (own[seed]["held_out"] - whole[seed]["held_out"]) for seed in own if seed in whole]
        above = told(apart, digits) if network != "int8" and len(apart) > 1 else ""
        seconds = median(row["seconds"] for row in own.values())
        spread = f"{min(reached):.{digits}f} .. {max(reached):.{digits}f} ({len(own)})"
        print(f"| {task} | {network} | {told(reached, digits)} | {spread} | {above} | {seconds:.1f} |")


def told(values: list[float], digits: int) -> str:
    """A mean +- half its 95 % interval."""
    return f"{np.mean(values):.{digits}f} +- {interval(values):.{digits}f}"


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images")
    tasks = ("digits", "notmnist", "characters")
    parser.add_argument("--task", nargs="+", choices=tasks, default=["digits"], help="what is played")
    parser.add_argument("--seeds", type=int, default=10, help="how many splits")
    parser.add_argument("--first", type=int, default=100, help="the first split")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "integer.jsonl")
    seeds = range(args.first, args.first + args.seeds)
    for one in [Cell(task, network, seed) for task in args.task for seed in seeds for network in NETWORKS]:
        if args.table or one.key in done:
            continue
        got = play(one, args.data)
        done.add({"key": one.key, **one._asdict(), **got, "versions": versions()})
        print(one.key, json.dumps(got), file=sys.stderr, flush=True)
    table([row for row in done.rows.values() if row["seed"] in seeds])


if __name__ == "__main__":
    main()
