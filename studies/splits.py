"""The headline lines of the benchmark on ten data splits that no setting was chosen on: 100-109, a run on each.

    python studies/splits.py --data DIR [--task digits-16] [--line trace]

The benchmark itself plays ten runs on its split 0, so its intervals do not hold what another split would change. Here
run k has split k and seed k. Settings are the benchmark's own. Prints held-out accuracy, the mean over splits and half
its 95 % interval (Student's t), and the least of all; then the median cost in millions of sample evaluations to 95 % of
the way from the untrained network to Adam on split 0. Cells are kept in results/splits.jsonl, and not played again.
"""

import argparse
from pathlib import Path

import numpy as np
from common import RESULTS, Cells, percent

from synagents.benchmark import lines, suite
from synagents.benchmark.results import Curves
from synagents.report.scores import score_at

SPLITS = range(100, 110)
LINES = ("team-q", "team-q-frozen", "trace", "spsa", "adam")
SHARE = 0.95
NAMES = ("cost", "accuracy", "loss")  # of what a cell holds of its curves


def play(cells: Cells, task: suite.BenchmarkTask, line: str, split: int, data: Path) -> Curves:
    """One run on one split, from the file if it is there."""
    key = f"{task.name} {line} {split}"
    if key not in cells:
        curves = lines.play(task.split(split), line, runs=1, seed=split, data=data)
        found = zip(NAMES, (curves.cost, curves.score, curves.loss), strict=True)
        cells.add({"key": key} | {name: array.round(4).tolist() for name, array in found})
    cost, accuracy, loss = (np.array(cells[key][name]) for name in NAMES)
    return Curves(cost, accuracy, loss)


def main() -> None:
    """Play what is not done yet, and print a row for each pair of a task and a line when its splits are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the notMNIST images")
    names = [name for name, task in suite.TASKS.items() if task.batched]
    parser.add_argument("--task", action="append", choices=names, help="by default all; give it again for more")
    parser.add_argument("--line", action="append", choices=lines.lines(), help=f"by default {', '.join(LINES)}")
    args = parser.parse_args()
    cells = Cells(RESULTS / "splits.jsonl")
    print("| task | line | accuracy, % | least, % | million evaluations |\n|---|---|---|---|---|", flush=True)
    for name in args.task or names:
        for line in args.line or LINES:
            runs = [play(cells, suite.find(name), line, split, args.data) for split in SPLITS]
            last = [float(run.score[0, -1]) for run in runs]
            target = score_at(suite.find(name.removesuffix(suite.TENTH)).id, SHARE)
            cost = np.median([run.cost_to(target)[0] for run in runs]) / 1e6
            spent = f"{cost:.3g}" if np.isfinite(cost) else "never"
            print(f"| {name} | {line} | {percent(last)} | {100 * min(last):.1f} | {spent} |", flush=True)


if __name__ == "__main__":
    main()
