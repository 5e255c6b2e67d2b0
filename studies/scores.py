"""All scores: every line on every task, ten runs each; prints the tables of docs/benchmark.md and plots its curves.

    python studies/scores.py --data DIR [--runs 10] [--workers 2] [--plot docs/scores.png]
    python studies/scores.py --task NAME ...          # only these; images need --data
    python studies/scores.py --data DIR --freeze      # also writes what scores are normalised by, from these runs
    python studies/scores.py --data DIR --forecast    # how long all of the suite takes here, from a tenth of it

Scores are kept in `studies/results/scores.json.gz`; those that are there are not made again. On notmnist-32, the
dearest task, and with a tenth of its budget, only the reference, `team-q`, the best three of the other agents and the
optimizers play.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from common import RESULTS

from synagents.benchmark import lines, lists, results, suite
from synagents.benchmark.deciding import parts_of
from synagents.benchmark.decisions import BoardTask, DecisionsTask
from synagents.benchmark.line_settings import is_optimizer
from synagents.benchmark.workers import spread
from synagents.report.scores import cost_tables, duels, markdown, plot

SCORES = RESULTS / "scores.json.gz"
REFERENCE = Path(__file__).parents[1] / "synagents" / "assets" / "bench.json"
DEAREST = "notmnist-32"
ALWAYS = ("q-table", "team-q")  # agents that play the dearest task in any case
SHARE = 0.95


def freeze(scores: results.Scores) -> None:
    """Write what is 0 and what is 1 on the normalised scale: untrained, and after the yardstick or as the task says."""
    reference = json.loads(REFERENCE.read_text())
    for task in (task for listed in lists.LISTS if listed.has_mean for task in listed.tasks.values()):
        if task.top in scores.get(task.id, {}):
            low, *_, high = scores[task.id][task.top].score.mean(axis=0)
        elif isinstance(task, DecisionsTask) and task.top not in lines.fitting(task):
            told: Any = parts_of(task, task.reference, {}, 1).built.world.task  # a task that knows what others earn
            low, high = told.levels["random"], told.levels[task.top]
        else:
            continue
        reference[task.id] = {"untrained": round(float(low), 4), task.top: round(float(high), 4)}
    REFERENCE.write_text(json.dumps(reference, indent=1) + "\n")


def best_agents(scores: results.Scores) -> list[str]:
    """The reference, `team-q`, and the three other lines of agents with the best mean accuracy on all other tasks."""
    cheap = [scores.get(task.id, {}) for task in suite.SUITE.values() if task.name != DEAREST]
    every = lines.fitting(suite.SUITE[DEAREST])
    learners = [line for line in every if not is_optimizer(line) and line not in ALWAYS]
    learners = [line for line in learners if all(line in played for played in cheap)]  # a forecast comes before scores
    mean = {line: np.mean([played[line].score[:, -1].mean() for played in cheap]) for line in learners}
    return [*ALWAYS, *sorted(learners, key=lambda line: -mean[line])[:3]]


def players_of(task: BoardTask, scores: results.Scores) -> list[str]:
    """The lines that play a task."""
    if DEAREST not in task.name:
        return lines.fitting(task)
    return best_agents(scores) + [line for line in lines.lines() if is_optimizer(line)]


def forecast(scores: results.Scores, runs: int, data: Path, workers: int) -> None:
    """Print what all scores take here: every cell compiles as it does there, and spends a tenth of its budget."""
    total = 0.0
    print("| task | lines | minutes | of them compiling | the slowest line |\n|---|---|---|---|---|")
    for task in suite.TASKS.values():
        cells = [(task, line, runs, data) for line in players_of(task, scores)]
        took = {line: seconds for (_, line, _, _), seconds in spread(_tenth, cells, workers)}
        busy = [0.0] * workers
        for _, line, _, _ in cells:  # as `spread` does, whoever is free plays the next
            busy[busy.index(min(busy))] += sum(took[line])
        slowest = max(took, key=lambda line: took[line][1])
        compiling = sum(seconds for seconds, _ in took.values()) / workers
        row = f"{max(busy) / 60:.1f} | {compiling / 60:.1f} | {slowest}, {took[slowest][1] / 60:.1f}"
        print(f"| {task.name} | {len(cells)} | {row} |", flush=True)
        total += max(busy) / 60
    print(f"\nThe whole board: {total:.0f} minutes, {workers} at a time.")


def _tenth(task: suite.BenchmarkTask, line: str, runs: int, data: Path) -> tuple[float, float]:
    """Seconds of compiling, and of playing the whole budget if all of it goes as a tenth does."""
    compiling: list[float] = []

    def hear(event: str, duration_secs: float, **_: str | int) -> None:
        compiling.append(duration_secs if event.startswith("/jax/core/compile/") else 0)

    jax.monitoring.register_event_duration_secs_listener(hear)
    started = time.perf_counter()
    lines.play(replace(task, budget=task.budget // 10), line, runs=runs, data=data)
    seconds = time.perf_counter() - started
    jax.monitoring.unregister_event_duration_listener(hear)
    return sum(compiling), 10 * (seconds - sum(compiling))


def show(scores: results.Scores) -> None:
    """Print the tables of docs/benchmark.md."""
    told = lines.lines()
    print(markdown(scores, told))
    for title, table in cost_tables(scores, told, SHARE).items():
        print(f"\n{title}:\n\n{table.markdown()}")
    for listed in (listed for listed in lists.LISTS if listed.has_mean):
        own = {task.id: scores[task.id] for task in listed.tasks.values() if task.id in scores}
        against = next(iter(listed.tasks.values())).reference
        print(f"\n{listed.title}: probability that a run of a line is better than one of {against}:\n")
        for line, chance in duels(own, against):
            print(f"* {line}: {chance}")


def main() -> None:
    """Play what is missing, then tell."""
    tasks = {name: task for listed in lists.LISTS for name, task in listed.tasks.items()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images")
    parser.add_argument("--task", action="append", choices=list(tasks), help="only these")
    parser.add_argument("--runs", type=int, default=10, help="of every line")
    parser.add_argument(
        "--workers", type=int, default=1, help="cells played at a time, each with its share of the cores"
    )
    parser.add_argument("--plot", type=Path, help="plot accuracy against cost there")
    parser.add_argument("--freeze", action="store_true", help="write the reference of the normalised scale")
    parser.add_argument(
        "--forecast", action="store_true", help="only say how long all of it would take; nothing is kept"
    )
    args = parser.parse_args()
    started = time.perf_counter()
    SCORES.parent.mkdir(exist_ok=True)
    if args.forecast:
        forecast(results.read(SCORES), args.runs, args.data, args.workers)
        return

    def tell(line: str) -> None:
        print(f"{time.perf_counter() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    scores: results.Scores = results.read(SCORES) if SCORES.exists() else {}
    for name in args.task or tasks:
        task = tasks[name]
        players = players_of(task, scores)
        scores = lines.fill(SCORES, [task], players, runs=args.runs, data=args.data, workers=args.workers, tell=tell)
        jax.clear_caches()
    if args.freeze:
        freeze(scores)
    show(scores)
    if args.plot:
        plot(scores, lines.lines(), args.plot)


if __name__ == "__main__":
    main()
