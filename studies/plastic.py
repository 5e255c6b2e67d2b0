"""Plastic worlds measured: rules against each other on every task of lives, beside what random and ideal players earn.

    python studies/plastic.py --list                        # the cells of every study, and which are done
    python studies/plastic.py [--only STUDY ...] [--max-cells N]
    python studies/plastic.py --table                       # the tables of docs/plastic.md, of what is done

A cell is one rule on one task with the command's own settings, but for those that are named: several runs (seeds) side
by side, judged in 256 fresh lives each. Each leaves one line in results/plastic.jsonl as soon as it is done, and is
never played twice, so a study may be stopped and continued. Studies: `cue` (the reduced task), `middle` (cues of 20
bits, 64 units, lives of 60 rounds), `maze` (9 x 9, at equal lives and at equal time), `text` (characters), `evolve`
(the reduced task without a gradient), and of spiking units `evidence` and `spiking-cue`, from seed 100. In
`spiking-cue, taught` neurons first fire surely, and later as often as in the task itself.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import mean
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, interval

from synagents import LifeTask, OuterSpec, preset
from synagents.run.config import versions

CHUNKS = 20  # looks at fresh lives in a cell
RULES = ("fixed", "hebbian", "oja", "neuromodulated", "retroactive")
MIDDLE: dict[str, Any] = {"bits": 20, "length": 60, "units": 64, "learning_rate": 1e-3}
SPIKING = ("fixed", "oja", "modulated-oja")  # the gradients of BCM explode, with learning rates of 1e-2, 3e-3 and 1e-3
TAUGHT: dict[str, Any] = {
    "learning_rate": 4e-3,
    "lives": 64,
    "discount": 0.0,
    "firing": 1.0,
    "then": [[1430, 0.75], [1650, 0.5]],  # updates, and `firing` from there on
}
SOLVED = 5.0  # reward of a life of the reduced task: what the issue of this study asks for


class Cell(NamedTuple):
    """One rule on one task."""

    study: str
    task: str
    rule: str
    settings: dict[str, Any]  # what differs from the preset
    updates: int
    runs: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return json.dumps(self)


def cells() -> Iterator[Cell]:
    """All cells, study by study."""
    for rule in RULES:
        yield Cell("cue", "cue", rule, {}, 1500 if rule == "neuromodulated" else 2000, 10)
    for rule in ("fixed", "hebbian", "neuromodulated", "retroactive"):
        yield Cell("middle", "cue", rule, MIDDLE, 1500, 5)
    for rule in ("fixed", "neuromodulated"):
        yield Cell("maze", "maze", rule, {}, 2500, 6)
    yield Cell("maze", "maze", "fixed", {}, 22_000, 6)  # the time that the modulated ones take
    for rule in ("fixed", "hebbian", "neuromodulated"):
        yield Cell("text", "text", rule, {}, 1000, 3)
    yield Cell("evolve", "cue", "neuromodulated", {"outer": "evolve"}, 1500, 3)
    for rule in SPIKING:
        yield Cell("evidence", "evidence-accumulation", rule, {}, 600, 10)
    for rule in ("fixed", "oja"):
        yield Cell("evidence, 64 lives", "evidence-accumulation", rule, {"lives": 64}, 600, 10)
    # What is not cleared at the recall has decayed by then, unless units hear each other.
    yield Cell("evidence, activity kept", "evidence-accumulation", "fixed", {"silence": False}, 600, 10)
    yield Cell(
        "evidence, activity kept, recurrent",
        "evidence-accumulation",
        "fixed",
        {"silence": False, "cell": "lif"},
        600,
        5,
    )
    for noise in (0.1, 0.25):
        for rule in ("oja", "modulated-oja"):
            yield Cell(f"evidence, noise {noise}", "evidence-accumulation", rule, {"noise": noise}, 600, 5)
    for rule in SPIKING:
        yield Cell("spiking-cue", "spiking-cue", rule, {}, 2000, 5)
    for rule in ("neuromodulated", "fixed"):
        yield Cell("spiking-cue, taught", "spiking-cue", rule, TAUGHT, 2200, 5)


def play(cell: Cell) -> dict[str, Any]:
    """Train, and judge in fresh lives now and then."""
    seed = 100 if cell.study.startswith(("evidence", "spiking")) else 0  # designed on 0-9
    settings = {name: value for name, value in cell.settings.items() if name != "then"}
    spec = preset(cell.task, cell.rule, rounds=cell.updates, num_runs=cell.runs, seed=seed, **settings)
    run, task = spec.begin(), spec.world.task
    if not (isinstance(spec, OuterSpec) and isinstance(task, LifeTask)):
        raise TypeError(f"{cell.task} has no lives.")
    seconds, chunk, curve = 0.0, max(1, cell.updates // CHUNKS), []
    while run.t < cell.updates:
        began = time.perf_counter()
        for after, firing in cell.settings.get("then", []):
            if run.t >= after:
                run = replace(run, world=replace(run.world, task=replace(run.world.task, firing=firing)))
        run, history = spec.advance(run, min(chunk, cell.updates - run.t))
        jax.block_until_ready(run)
        seconds += time.perf_counter() - began
        seen = spec.look(run, history)
        curve.append([run.t, [float(row["held_out_reward"]) for row in seen.rows]])
    return {
        "key": cell.key,
        **cell._asdict(),
        "curve": curve,
        "final": curve[-1][1],
        "lives": cell.updates * spec.lives_per_step // cell.runs,
        "seconds": round(seconds, 1),
        "levels": dict(task.levels),
        "versions": versions(),
    }


def words(settings: dict[str, Any]) -> str:
    """Settings as a user types them."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def in_words(rewards: list[float]) -> str:
    """Of every run, the largest first."""
    return " ".join(f"{value:.3g}" for value in sorted(rewards, reverse=True))


def judgement(study: str) -> tuple[str, Callable[[dict[str, Any]], str]]:
    """A column that only some studies have: its head, and what it says of a cell."""
    if study in ("cue", "evolve"):
        return " runs >= 5 |", lambda row: f" {sum(reward >= SOLVED for reward in row['final'])} of {row['runs']} |"
    if study == "spiking-cue, taught":
        last = TAUGHT["then"][0][0]  # update at which every neuron fired surely
        return " while surely firing |", lambda row: f" {in_words(dict(row['curve'])[last])} |"
    if study.startswith("evidence"):
        return " after half |", lambda row: f" {mean(row['curve'][CHUNKS // 2 - 1][1]):.3g} |"
    return "", lambda row: ""


def table(done: list[dict[str, Any]]) -> Iterator[str]:
    """The tables, study by study."""
    for study in dict.fromkeys(row["study"] for row in done):
        own = [row for row in done if row["study"] == study]
        levels = ", ".join(f"{name} {level:.4g}" for name, level in own[0]["levels"].items())
        first = own[0]["settings"]
        shared = {
            name: value for name, value in first.items() if all(row["settings"].get(name) == value for row in own)
        }
        settings = words(shared)
        column, judge = judgement(study)
        yield f"\n**{study}**{f': {settings}' if settings else ''} ({levels})\n"
        yield f"| rule | lives of a run | reward of a fresh life | every run |{column} seconds, all runs |"
        yield f"|---|---|---|---|---|{'---|' * bool(column)}"
        for row in own:
            final = row["final"]
            every = in_words(final)
            told = f"{mean(final):.3g} +- {interval(final):.2g}"
            alone = words({name: value for name, value in row["settings"].items() if name not in shared})
            rule = f"`{row['rule']}`{f' ({alone})' if alone else ''}"
            yield f"| {rule} | {row['lives']:,} | {told} | {every} |{judge(row)} {row['seconds']:,.0f} |"


def main() -> None:
    """Play what is not done, or print what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = list(dict.fromkeys(cell.study for cell in cells()))
    parser.add_argument("--only", nargs="+", choices=studies, default=studies)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--max-cells", type=int)
    asked = parser.parse_args()
    kept = Cells(RESULTS / "plastic.jsonl")
    wanted = [cell for cell in cells() if cell.study in asked.only]
    if asked.table:
        print("\n".join(table([kept[cell.key] for cell in wanted if cell.key in kept])))
        return
    if asked.list:
        for cell in wanted:
            print("done" if cell.key in kept else "    ", cell.study, cell.rule, cell.updates, cell.settings)
        return
    for cell in [cell for cell in wanted if cell.key not in kept][: asked.max_cells]:
        row = kept.add(play(cell))
        print(f"{cell.study} {cell.rule}: {np.mean(row['final']):.3g} in {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
