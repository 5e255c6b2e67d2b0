"""How well each learner trains, as anyone would run it: whole commands, several seeds, held-out accuracy and seconds.

    python studies/accuracy.py [--data DIR] [--only NAME ...] [--json FILE]

Every row runs `synagents train ...` once per seed (the seed also draws the split) and prints the mean with its 95 %
interval over seeds (Student's t), minimum, and the median of the seconds a command took, start-up and compilation
included. Rows on notMNIST need its folder in --data or $SYNAGENTS_DATA.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

from common import interval

# name: (command, seeds, the bar it is held to)
ROWS: dict[str, tuple[str, int, str]] = {
    "digits": ("digits", 10, "mean >= 95 %, min >= 93 %, each < 20 s"),
    "digits trace": ("digits --learner trace", 5, ""),
    "digits-0": ("digits --hidden none", 5, ""),
    "digits-0 repeat/undo": ("digits --hidden none --learner repeat-undo", 5, ""),
    "digits-0 q-table": ("digits --hidden none --learner q-table", 5, "mean >= 93 %, each < 30 s"),
    "digits-0 q-table from zeros": (
        "digits --hidden none --learner q-table --adaptive",
        5,
        "mean >= 80 %, each < 30 s",
    ),
    "digits-0 uniform": ("digits --hidden none --learner uniform", 5, "max < 40 %"),
    "notmnist-0 q-table": (
        "notmnist --hidden none --learner q-table --batch-size 500 --interval 500 --step-size 3e-4 --steps 20000",
        5,
        "mean >= 80 %",
    ),
    "notmnist-0 uniform": (
        "notmnist --hidden none --learner uniform --batch-size 500 --interval 500 --step-size 3e-4 --steps 20000",
        5,
        "",
    ),
    "notmnist trace": ("notmnist --learner trace", 3, ""),
}


def run(command: str, seed: int, folder: Path) -> tuple[dict[str, Any], float]:
    """One training command; its summary and its seconds of wall-clock time."""
    call = [sys.executable, "-m", "synagents", "train", *command.split()]
    call += ["--seed", str(seed), "--json", "--quiet", "--out", str(folder), "--overwrite"]
    started = time.perf_counter()
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"synagents train {command} --seed {seed} failed: {done.stderr}")
    return json.loads(done.stdout), time.perf_counter() - started


def main() -> None:
    """Run the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with notMNIST")
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS), help="rows to run")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--seeds", type=int, help="instead of a row's own number of seeds")
    parser.add_argument("--scratch", type=Path, default=Path("runs/accuracy"), help="where runs leave their files")
    args = parser.parse_args()
    if args.data:
        os.environ["SYNAGENTS_DATA"] = str(args.data.resolve())

    rows = []
    print("| run | seeds | held-out accuracy | min | max | seconds (median, max) | bar |")
    print("|---|---|---|---|---|---|---|")
    for name in args.only:
        command, seeds, bar = ROWS[name]
        seeds = args.seeds or seeds
        results = [run(command, seed, args.scratch / name.replace("/", "-")) for seed in range(seeds)]
        accuracies = [100 * summary["accuracy"] for summary, _ in results]
        seconds = [wall for _, wall in results]
        half = f"{interval(accuracies):.1f}" if seeds > 1 else ""
        rows.append({"name": name, "command": command, "accuracies": accuracies, "seconds": seconds})
        print(
            f"| {name} | 0-{seeds - 1} | {mean(accuracies):.1f} +- {half} | {min(accuracies):.1f} "
            f"| {max(accuracies):.1f} | {median(seconds):.1f}, {max(seconds):.1f} | {bar} |",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
