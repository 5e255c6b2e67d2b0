"""Kill a training run again and again, with kill -9 at random moments, and count the rows that are lost or changed.

    python studies/kill_cycles.py [--cycles 200] [--seed 0] [--command "xor --hidden 8 ..."] [--scratch DIR]

A reference is trained without a disturbance. The same command then runs elsewhere, with a checkpoint at every look; it
is killed, resumed, killed, resumed, until it is through; then its metrics.csv, table and weights are compared with the
reference's, and the next run begins, until the asked-for number of kills is reached. Of five kills, one comes at a
random moment of the start, two at random moments of the training, two while a file is half written.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

COMMAND = "xor --hidden 8 --learner q-table --adaptive --probe action_mix --steps 20000"


def synagents(*words: str, scratch: Path) -> subprocess.Popen[str]:
    """The command line in a process of its own; what it has compiled once is kept, so that cycles are short."""
    call = [sys.executable, "-m", "synagents", *words, "--quiet"]
    env = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a command that must succeed."""
    _, err = process.communicate()
    if process.returncode:
        sys.exit(f"A command failed where none may: {err}")


def rows_of(directory: Path) -> list[bytes]:
    """The lines of metrics.csv, as far as they are written."""
    file = directory / "metrics.csv"
    return file.read_bytes().splitlines(keepends=True) if file.is_file() else []


def kill(process: subprocess.Popen[str], directory: Path, start: float, draws: random.Random) -> str:
    """Kill a process with the run in `directory` at a random moment; returns which kind of moment it was, or "late"."""
    kind = draws.choices(["starting", "training", "writing"], [1, 2, 2])[0]
    if kind == "starting":
        moment = time.monotonic() + draws.uniform(0, start)
    else:
        before = changed_at(directory / "metrics.csv")
        while process.poll() is None and changed_at(directory / "metrics.csv") == before:
            time.sleep(0.001)
        moment = time.monotonic() + draws.uniform(0, 1)
    while process.poll() is None and time.monotonic() < moment:
        time.sleep(0.0005)
    if kind == "writing":  # the next file that is half written
        while process.poll() is None and not any(directory.rglob("*.part")):
            pass
    late = process.poll() is not None
    process.kill()
    _, err = process.communicate()
    if late and process.returncode:
        sys.exit(f"A command failed where none may: {err}")
    return "late" if late else kind


def changed_at(file: Path) -> int:
    """When a file was last written to; 0 where there is none."""
    return file.stat().st_mtime_ns if file.is_file() else 0


def compare(directory: Path, reference: Path) -> int:
    """How many rows were lost, written twice or changed; one more for each other result that differs."""
    ours, theirs = rows_of(directory), rows_of(reference)
    wrong = sum(one != other for one, other in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
    for name in sorted(path.name for path in reference.glob("table*.json")):
        wrong += (directory / name).read_bytes() != (reference / name).read_bytes()
    sums = [json.loads((run / "summary.json").read_text())["weights_sha256"] for run in (directory, reference)]
    return wrong + (sums[0] != sums[1])


def main() -> None:
    """Kill, resume, compare, and print what came of it; exit 1 if anything was lost or changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=200, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--command", default=COMMAND, help="what `synagents train` is to do")
    parser.add_argument("--scratch", type=Path, default=Path("runs/kill_cycles"), help="where runs leave their files")
    args = parser.parse_args()
    draws, words, scratch = random.Random(args.seed), args.command.split(), args.scratch.resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    reference, directory = scratch / "reference", scratch / "run"
    began = time.monotonic()
    finish(synagents("train", *words, "--out", str(reference), scratch=scratch))
    took, kinds = time.monotonic() - began, Counter[str]()
    runs = wrong = 0
    while kinds.total() < args.cycles or directory.exists():
        begun = (directory / "config.json").is_file()
        call = ["resume", str(directory)] if begun else ["train", *words, "--out", str(directory)]
        process = synagents(*call, "--checkpoint-seconds", "0", scratch=scratch)
        if kinds.total() < args.cycles:
            kind = kill(process, directory, took, draws)
            if kind != "late":
                kinds[kind] += 1
                continue
        else:
            finish(process)
        runs, wrong = runs + 1, wrong + compare(directory, reference)
        shutil.rmtree(directory)
    moments = ", ".join(f"{count} while {kind}" for kind, count in sorted(kinds.items()))
    print(
        f"{args.command}: {kinds.total()} kills ({moments}) in {runs} runs of "
        f"{len(rows_of(reference)) - 1} rows: {wrong} lost or changed rows or results"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
