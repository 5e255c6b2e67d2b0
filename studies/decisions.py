"""Settings of the benchmark's tasks of decisions: learning rates are searched, all else is published or the preset's.

    python studies/decisions.py [--task NAME ...]     # play what the search of control lacks
    python studies/decisions.py --table               # what was tried
    python studies/decisions.py --choose              # write assets/bench_settings.json

On cartpole and acrobot the rules without a published setting get the best of the same few candidates: learning rates
beside the preset's critic, or what `weight-maximization`, whose critic is of the same kind, has published. Runs are
of seed 1, which no score has, with the benchmark's budget: three at each rate, six with the source's settings, which
were tried after ten runs at the best rates had been lost again. What counts is the mean of the last ten looks. Cells
are kept in results/decisions.jsonl. The rates of the multiplexer are those of `studies/units.py` for this network.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from statistics import mean

import units
from common import RESULTS, Cells, write_settings

from synagents.benchmark import decisions, line_settings, lines
from synagents.benchmark.decisions import DecisionsTask
from synagents.cli import flags, presets
from synagents.cli.sections import defaults, recommended
from synagents.hyperparameters import Values

CONTROL = ("cartpole", "acrobot")
SEARCHED = ("backprop", "straight-through", "reinforce")  # others' are published, or learn nothing from later rewards
RATES = (
    "3e-4,3e-4,3e-4", "1e-3,1e-3,1e-3", "3e-3,3e-3,3e-3", "1e-2,1e-2,1e-2",
    "3e-3,3e-4,3e-3", "1e-2,1e-3,1e-2",  # the layer between learns more slowly
)  # fmt: skip
SOURCE = "weight-maximization"  # whose published settings are the last candidate
OF_SOURCE = ("learning_rate", "critic_rate", "trace_decay", "critic_trace_decay", "baseline", "temperature", "gamma")
CANDIDATES = (*RATES, f"as {SOURCE}")
AGAIN = "cartpole backprop 3e-3,3e-4,3e-3"  # level with the last candidate in three runs, so played in six
LOOKS = 10  # at the end, whose mean counts
TASKS = decisions.UNITS | decisions.LIVES


def usual(task: DecisionsTask, line: str) -> Values:
    """Every setting of a line on a task by its preset, on the benchmark's network."""
    names, known = line_settings.names_of(line, task), line_settings.known_settings(line, task)
    settings = defaults(known, names) | {"num_worlds": 1, "lives": presets.LIVES} | recommended(names)
    if task.name in CONTROL and line in ("boltzmann", "recurrent"):
        settings["sweeps"] = 4  # with two hidden layers, as on the multiplexer
    return {name: settings[name] for name in known}


def of_multiplexer(line: str) -> Values:
    """What `studies/units.py` found best for this network, 128 questions at a time."""
    done = Cells(RESULTS / "units.jsonl")
    bits, hidden = (decisions.UNITS["multiplexer"].frozen[name] for name in ("bits", "hidden"))
    rate = units.best_rate(done, line, bits, hidden)
    if rate is None:
        raise ValueError(f"The search of {line} has not ended: play `studies/units.py --only rates`.")
    given = units.settings_of(line)[1] | json.loads(units.multiplexer("", line, 3, bits, hidden, rate).settings)
    return given | {"num_worlds": 128}


def key(task: DecisionsTask, line: str, candidate: str) -> str:
    """What makes it this cell."""
    return f"{task.name} {line} {candidate}"


def settings_of(task: DecisionsTask, candidate: str) -> Values:
    """What a candidate sets."""
    if candidate in RATES:
        return {"learning_rate": candidate}
    published = usual(task, SOURCE)
    return {name: published[name] for name in OF_SOURCE}


def best(done: Cells, task: DecisionsTask, line: str) -> str:
    """The candidate of the highest return, among those that have been tried; the first while none has."""
    tried = [own for own in CANDIDATES if key(task, line, own) in done]
    return max(tried, key=lambda own: mean(done[key(task, line, own)]["return"]), default=CANDIDATES[0])


def chosen(done: Cells, task: DecisionsTask, line: str) -> Values:
    """Every setting of a line on a task, as the asset has it."""
    settings = usual(task, line)
    if task.name == "multiplexer" and line != "uniform":
        settings |= of_multiplexer(line)
    if task.name in CONTROL and line in SEARCHED:
        settings |= settings_of(task, best(done, task, line))
    return {name: flags.plain(value) for name, value in settings.items() if name not in task.frozen}


def missing(done: Cells, names: list[str]) -> Iterator[tuple[DecisionsTask, str, str]]:
    """The cells that are to be played."""
    for name in names:
        for line in SEARCHED:
            for candidate in CANDIDATES:
                if key(TASKS[name], line, candidate) not in done:
                    yield TASKS[name], line, candidate


def main() -> None:
    """Play what is missing, or show what is done, or write what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=CONTROL, help="only these")
    parser.add_argument("--table", action="store_true", help="print what was tried and play nothing")
    parser.add_argument("--choose", action="store_true", help="write what was chosen and play nothing")
    args = parser.parse_args()
    done = Cells(RESULTS / "decisions.jsonl")
    if args.choose:
        write_settings(
            {name: {line: chosen(done, task, line) for line in lines.fitting(task)} for name, task in TASKS.items()}
        )
    if args.table:
        print(f"| task | line | {' | '.join(CANDIDATES)} |\n|{'---|' * (2 + len(CANDIDATES))}")
        for name in CONTROL:
            for line in SEARCHED:
                cells = [done.rows.get(key(TASKS[name], line, candidate)) for candidate in CANDIDATES]
                means = [f"{mean(row['return']):.1f}" if row else "" for row in cells]
                print(f"| {name} | `{line}` | {' | '.join(means)} |")
    if args.choose or args.table:
        return
    for task, line, candidate in missing(done, args.task or list(CONTROL)):
        began = time.perf_counter()
        runs = 3 if candidate in RATES and key(task, line, candidate) != AGAIN else 6
        played = lines.play(task, line, settings_of(task, candidate), runs=runs, seed=1)
        row = {"key": key(task, line, candidate), "return": played.score[:, -LOOKS:].mean(axis=1).tolist()}
        row["seconds"] = round(time.perf_counter() - began, 1)
        done.add(row)
        print(row, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
