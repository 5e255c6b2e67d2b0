"""A million steps of each family, by the command line as it is: does memory stay flat, speed steady, and all finite?

    python studies/soak.py [--steps 1000000] [--only NAME ...] [--json FILE] [--scratch DIR]

Every row is one `synagents train` in a process of its own, with checkpoints as they come by default. Its resident
memory is read from outside at every look, its speed from its timings.csv. After the first tenth, which is warming up:

    memory    the most of the last tenth against the second tenth         bar: grows by less than 1 %
    speed     the median look of the last tenth against the second        bar: at least 95 %
    finite    weights, minds and everything else in the last checkpoint   bar: all
    saving    share of the training time that checkpoints took            bar: less than 2 %

Memory is read from /proc, so this needs Linux.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import safetensors.numpy

ROWS = {  # name: what `synagents train` is to do
    "synapse, rule": "digits --batch-size 100 --interval 500",
    "synapse, table": "boundary --learner q-table --adaptive",
    "synapse, worlds": "xor --learner q-table --num-worlds 8 --probe action_mix",
    "unit, decisions": "multiplexer --bits 2 --hidden 16 --learner reinforce --num-worlds 8",
    "unit, episodes": "cartpole",
    "plastic, samples": "xor --learner perturbation",
}


def soak(command: str, steps: int, folder: Path) -> dict[str, Any]:
    """Train, watching from outside; what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    call = [sys.executable, "-m", "synagents", "train", *command.split()]
    call += ["--steps", str(steps), "--out", str(folder), "--quiet"]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    memory: list[int] = []  # bytes after each look
    looks = 0
    while process.poll() is None:
        time.sleep(0.02)
        now = len(timings(folder))
        if now > looks:
            looks = now
            memory.append(resident(process.pid))
    _, err = process.communicate()
    if process.returncode:
        sys.exit(f"synagents train {command} failed: {err}")
    summary = json.loads((folder / "summary.json").read_text())
    speeds = [float(row["steps_per_second"]) for row in timings(folder)]
    seconds = float(timings(folder)[-1]["seconds"])
    last = max((folder / "checkpoints").glob("step-*"))
    arrays = safetensors.numpy.load_file(last).values()
    memory = [size for size in memory if size]
    return {
        "command": command,
        "steps": summary["steps"],
        "seconds": seconds,
        "steps_per_second": summary["steps_per_second"],
        "megabytes": max(last_tenth(memory)) / 1e6,
        "growth": max(last_tenth(memory)) / median(second_tenth(memory)) - 1,
        "speed": median(last_tenth(speeds)) / median(second_tenth(speeds)),
        "finite": all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f"),
        "saving": summary["checkpoint_seconds"] / seconds,
    }


def timings(folder: Path) -> list[dict[str, str]]:
    """The rows of timings.csv, as far as they are written."""
    file = folder / "timings.csv"
    if not file.is_file():
        return []
    with file.open(newline="") as opened:
        return [row for row in csv.DictReader(opened) if row["steps_per_second"]]


def resident(process: int) -> int:
    """Bytes of memory that a process holds; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def second_tenth(values: list[Any]) -> list[Any]:
    """Of a row of values in time."""
    return values[len(values) // 10 : max(len(values) // 5, 1)]


def last_tenth(values: list[Any]) -> list[Any]:
    """Of a row of values in time."""
    return values[-max(len(values) // 10, 1) :]


def main() -> None:
    """Soak the families that are asked for; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000, help="of each row")
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS), help="rows to run")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--scratch", type=Path, default=Path("runs/soak"), help="where runs leave their files")
    args = parser.parse_args()
    print("| family | command | steps | steps/s | memory MB | growth | last tenth's speed | finite | saving |")
    print("|---|---|---|---|---|---|---|---|---|")
    told, good = {}, True
    for name in args.only:
        row = told[name] = soak(ROWS[name], args.steps, args.scratch / name.replace(", ", "-"))
        print(
            f"| {name} | `{row['command']}` | {row['steps']:,} | {row['steps_per_second']:,.0f} | "
            f"{row['megabytes']:.0f} | "
            f"{row['growth']:+.2%} | {row['speed']:.1%} | {'yes' if row['finite'] else 'no'} | {row['saving']:.2%} |",
            flush=True,
        )
        good &= row["growth"] < 0.01 and row["speed"] >= 0.95 and row["finite"] and row["saving"] < 0.02
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
