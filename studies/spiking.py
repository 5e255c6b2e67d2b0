"""Spiking networks: what loops, skips and intrinsic parameters add to a feed-forward one, and what agents reach.

    python studies/spiking.py [--data DIR] [--only PART ...] [--seeds 10] [--first 100]
    python studies/spiking.py --table                       # the tables of docs/hard_networks.md, of what is done

Parts by the surrogate gradient: `words`, generated words and their reversals (`chirp`); `rows`, the digits read row
by row; `speech`, Japanese vowels, which need `--data`, the folder with their `.ts` files. Part `agents`: synapse
agents on the digits read row by row, which only run the network forward, and the gradient on the same network, with
and without batch norm of what arrives at a unit. Part `preset`: the same with the settings of `synagents train digits
--network spiking`, and the gradient also from the usual scale of weights, with which it moves the hidden layer, too.
A cell is one training with a seed, which also draws words and splits where they are drawn; it leaves one line in
results/spiking.jsonl and is never played twice. Controls that remember nothing: `counts`, a linear layer on how often
each channel fired; `flat`, one on the whole sample, which sees time as so many more inputs. Settings were chosen on
seeds 0 .. 3, of part `preset` 0 .. 2.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from common import RESULTS, Cells, compilations, interval, percent

from synagents import MLP, Exponential
from synagents.benchmark.drive import drive
from synagents.benchmark.optimizers import Problem
from synagents.benchmark.optimizers.gradient import Adam
from synagents.cli.build import preset
from synagents.loop import advance, evaluate
from synagents.networks.normalisation import Norm
from synagents.networks.spiking import Spiking
from synagents.run.config import versions
from synagents.tasks.chirp import chirp
from synagents.tasks.datasets import digits
from synagents.tasks.samples import Samples
from synagents.tasks.series import japanese_vowels
from synagents.world import Network

HIDDEN = (48, 48)
STRUCTURES: dict[str, dict[str, Any]] = {
    "feed-forward": {},
    "self-recurrence": {"self_recurrence": True},
    "skips": {"skips": True},
    "intrinsic": {"intrinsic": True},
    "both": {"self_recurrence": True, "skips": True},
    "all three": {"self_recurrence": True, "skips": True, "intrinsic": True},
}
USUAL_SCALE = "adam, preset, usual scale"
CONTROLS = ("counts", "flat")
NORMS: tuple[Norm, ...] = ("none", "batch")
METHODS = ("adam", "team-q", "trace", "uniform")
AGENTS = {f"{method}, norm {norm}": (method, norm) for method in METHODS for norm in NORMS}
PRESETS = {"adam, preset": "adam", USUAL_SCALE: "adam", "team-q, preset": "team-q", "uniform, preset": "uniform"}
ROUNDS, BATCH_SIZE, CHUNK = 25_000, 500, 1000  # of agents, samples of a round, rounds of one call of the loop


class Setting(NamedTuple):
    """How a part is trained."""

    step: float  # of Adam in the beginning; in the end a thirtieth
    batch_size: int
    epochs: int  # how often the training part is seen
    networks: tuple[str, ...]


PARTS = {
    "words": Setting(1e-2, 50, 20, (*STRUCTURES, *CONTROLS)),
    "rows": Setting(2e-2, 50, 30, ("feed-forward", "all three", "flat")),
    "speech": Setting(1e-2, 30, 50, ("feed-forward", "all three", "flat")),
}
NAMES: dict[str, tuple[str, ...]] = {part: own.networks for part, own in PARTS.items()} | {
    "agents": tuple(AGENTS),
    "preset": tuple(PRESETS),
}


def task_of(part: str, seed: int, data: Path | None) -> Samples:
    """The samples of a part."""
    size = PARTS[part].batch_size
    if part == "words":
        return chirp(batch_size=size, background=0.2, split_seed=seed)
    return digits(batch_size=size, split_seed=seed) if part == "rows" else japanese_vowels(data=data, batch_size=size)


def spec_of(structure: str, seed: int) -> Any:
    """What `synagents train` plays, a `RunSpec`: the preset of the network, or 8-48-10 with settings of its own."""
    if structure in PRESETS:
        return preset("digits", PRESETS[structure], network="spiking", seed=seed)
    learner, norm = AGENTS[structure]
    options: dict[str, Any] = {"network": "spiking", "hidden": (48,), "norm": norm, "window": 10, "hidden_scale": 1.0}
    options |= {"batch_size": BATCH_SIZE, "interval": 100, "step_size": Exponential(5e-2, 5e-3, ROUNDS)}
    return preset("digits", learner, seed=seed, rounds=ROUNDS, **options)


def by_agents(structure: str, seed: int) -> dict[str, Any]:
    """Agents train digits; the held-out accuracy, the cost, and the seconds without compilation."""
    compiled, started = compilations(), time.perf_counter()
    spec = spec_of(structure, seed)
    run = spec.begin()
    for _ in range(spec.rounds // CHUNK):
        run, _ = advance(run, CHUNK)
    held_out = float(evaluate(run)["accuracy"].mean())  # before the clock is read: rounds are played in the background
    seconds = time.perf_counter() - started - sum(compiled)
    return {"held_out": held_out, "samples": spec.rounds * spec.world.task.batch_size, "seconds": seconds}


def counted(task: Samples) -> Samples:
    """The same samples, each as how often its channels fired."""
    x, held_out_x = (part.astype(jnp.float32).sum(axis=1) for part in (task.x, task.held_out_x))
    return replace(task, x=x, held_out_x=held_out_x, scale=float(task.in_shape[0]), in_shape=task.in_shape[1:])


def play(part: str, structure: str, seed: int, data: Path | None) -> dict[str, Any]:
    """Train; return the held-out accuracy, and the seconds without compilation."""
    compiled, started = compilations(), time.perf_counter()
    gradient = "rows" if part in ("agents", "preset") else part
    setting, task = PARTS[gradient], task_of(gradient, seed, data)
    task = counted(task) if structure == "counts" else task
    network: Network = MLP((math.prod(task.in_shape), task.out_size))
    if structure in STRUCTURES:
        network = Spiking(task.in_shape, task.out_size, HIDDEN, **STRUCTURES[structure])
    elif structure in AGENTS:
        network = Spiking(task.in_shape, task.out_size, (48,), norm=AGENTS[structure][1])
    elif structure in PRESETS:
        more: dict[str, Any] = {"hidden_scale": 1.0} if structure == USUAL_SCALE else {}
        network = preset("digits", network="spiking", **more).world.network  # type: ignore[attr-defined]
    adam = Adam(Exponential(setting.step, setting.step / 30, 1.0))
    budget = 3 * setting.batch_size * (setting.epochs * len(task.target) // setting.batch_size)
    curve = drive(seed, adam, Problem(network, task, 1), budget, looks=1)
    seconds = time.perf_counter() - started - sum(compiled)
    return {"held_out": float(curve.held_out["accuracy"][0, -1]), "samples": budget, "seconds": seconds}


def table(rows: list[dict[str, Any]]) -> None:
    """Means over seeds +- half their 95 % intervals, and how far each seed is ahead of the feed-forward network."""
    print("| part | network | held out, % | seeds | points ahead of feed-forward | ahead on | seconds |")
    print("|---|---|---|---|---|---|---|")
    for part, names in NAMES.items():
        plain = {
            row["seed"]: row["held_out"] for row in rows if (row["part"], row["network"]) == (part, "feed-forward")
        }
        for structure in names:
            own = [row for row in rows if (row["part"], row["network"]) == (part, structure)]
            if len(own) < 2:
                continue
            reached = [row["held_out"] for row in own]
            told = f"{percent(reached)} | {100 * min(reached):.1f} .. {100 * max(reached):.1f} ({len(own)})"
            ahead = [100 * (row["held_out"] - plain[row["seed"]]) for row in own if row["seed"] in plain]
            beside = " | "
            if structure != "feed-forward" and len(ahead) > 1:
                beside = f"{mean(ahead):.1f} +- {interval(ahead):.1f} | {sum(a > 0 for a in ahead)} of {len(ahead)}"
            print(f"| {part} | {structure} | {told} | {beside} | {median(row['seconds'] for row in own):.1f} |")


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts")
    parser.add_argument("--only", nargs="+", default=list(NAMES), choices=list(NAMES), help="parts, in this order")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    args = parser.parse_args()
    done, seeds = Cells(RESULTS / "spiking.jsonl"), range(args.first, args.first + args.seeds)
    cells = [(part, structure, seed) for part in args.only for structure in NAMES[part] for seed in seeds]
    for part, structure, seed in cells:
        key = f"{part} {structure} {seed}"
        if args.table or key in done or (part == "speech" and args.data is None):
            continue
        if seed == seeds[0]:
            jax.clear_caches()
        led = part in ("agents", "preset") and not structure.startswith("adam")
        got = by_agents(structure, seed) if led else play(part, structure, seed, args.data)
        done.add({"key": key, "part": part, "network": structure, "seed": seed, **got, "versions": versions()})
        print(key, json.dumps(got), file=sys.stderr, flush=True)
    table([row for row in done.rows.values() if row["part"] in args.only and row["seed"] in seeds])


if __name__ == "__main__":
    main()
