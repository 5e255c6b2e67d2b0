"""What batch norm of the hidden units gives agents: the benchmark's tasks with a hidden layer, with it and without.

    python studies/batch_norm.py --data DIR [--runs 3] [--task digits-16] [--line team-q-frozen --line trace]

Prints the table of docs/hard_networks.md. Without: the scores of studies/scores.py, the first runs; with: played here
by the same settings, which were searched without it, and kept in results/batch_norm.json.gz. The cost is that of 95 %
of the way from the untrained plain network to what Adam makes of it, in both.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from common import RESULTS, percent

from synagents.benchmark import lines, results, suite
from synagents.benchmark.results import Curves
from synagents.report.scores import score_at

TASKS = ("xor", "boundary", "digits-16", "notmnist-32")
SHARE = 0.95


def told(curves: Curves, runs: int, target: float) -> str:
    """Accuracy at the end of the budget, and the median cost in millions of sample evaluations."""
    spent = np.median(curves.cost_to(target)[:runs])
    return f"{percent(curves.score[:runs, -1].tolist())} | {spent / 1e6:.2g}"


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the notMNIST images")
    parser.add_argument("--runs", type=int, default=3, help="of every line")
    parser.add_argument("--task", action="append", choices=TASKS, help="by default all; give it again for more")
    parser.add_argument("--line", action="append", help="by default team-q-frozen and trace; give it again for more")
    args = parser.parse_args()
    players = args.line or ["team-q-frozen", "trace"]
    plain = results.read(RESULTS / "scores.json.gz")
    normed = {name: suite.find(name).on("mlp", {"norm": "batch"}) for name in args.task or TASKS}
    scores = lines.fill(
        RESULTS / "batch_norm.json.gz",
        list(normed.values()),
        players,
        runs=args.runs,
        data=args.data,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print("| task | line | plain, % | million evaluations to 95 % | batch norm, % | million evaluations |")
    print("|---|---|---|---|---|---|")
    for name, task in normed.items():
        usual = suite.find(name).id
        target = score_at(usual, SHARE)
        for line in players:
            if line in plain.get(usual, {}):
                cells = [told(own[line], args.runs, target) for own in (plain[usual], scores[task.id])]
                print(f"| {name} | {line} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
