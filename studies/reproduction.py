"""The reference paper's experiments, run again: one command each, finished cells are kept, a table beside the paper's.

    python studies/reproduction.py perceptrons                  # minutes
    python studies/reproduction.py boundaries                   # minutes
    python studies/reproduction.py gradient --data DIR          # minutes
    python studies/reproduction.py notmnist-0 --data DIR        # two hours; with --table NAME in two processes less
    python studies/reproduction.py notmnist-32 --data DIR       # half an hour for every run and table
    python studies/reproduction.py print                        # the tables of docs/reproduction.md

A cell is a few runs of one setting. What a cell measured is one line of `studies/results/reproduction.jsonl`,
written when the cell is done; a command skips the cells that are there, so an interrupted one continues.

Settings are those of Bhargava, Rezaei, Lankarany 2022 and of the authors' code. Our data are 10,000 notMNIST images;
the paper had 18,724. `published` is the authors' frozen table, `shipped` ours (docs/learned_table.md).
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from common import RESULTS, Cells, interval

import synagents
from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from synagents.networks.mlp import MLP
from synagents.tasks.losses import cross_entropy
from synagents.world import Learner

LOOKS = 100  # evaluations of a long run
STUDENTS = ((4,), (8,), (16,), (8, 8))
TABLES = ("published", "shipped")
RUNS = 10
TOGETHER = 5  # networks that share a batch where that is faster
PAPER = {
    ("notmnist-0", "agents"): "88.28 +- 0.41 (87.65-88.84), 1.5 h",
    ("notmnist-32", "agents"): "88.45 +- 0.60 (87.88-89.12), 5.5 h",
    ("notmnist-0", "gradient"): "86.42 +- 0.22, 5 min",
    ("notmnist-32", "gradient"): "89.56 +- 0.52, 20 min",
}


class Cell(NamedTuple):
    """A few runs that are measured together."""

    name: str  # what the results file calls it
    measure: Callable[[], dict[str, Any]]  # lists with one entry per run, and what else is worth keeping


def perceptrons() -> Iterator[Cell]:
    """A table learned while one teacher is imitated, then frozen and tried on another; and the uniform control."""
    for kind in ("linear", "logistic"):
        for inputs in (2, 9):
            yield Cell(f"perceptrons/{kind}-{inputs}", partial(_perceptron, kind, inputs))


def _perceptron(kind: str, inputs: int) -> dict[str, Any]:
    world = synapse_v0.world("perceptron", kind=kind, inputs=inputs, hidden=(), step_size=0.01, interval=0)
    learner = QTable(adaptive=True, alpha=0.1, gamma=0.8, epsilon=0.5)
    first, later = jax.random.split(jax.random.key(0))
    learned, history = synagents.train(first, world, learner, 10_000, num_runs=RUNS)
    frozen = synagents.begin(later, world, QTable(table=np.zeros((81, 3)), epsilon=0.1), num_runs=RUNS)
    frozen, applied = synagents.advance(replace(frozen, mind=learned.mind), 10_000)
    control, drawn = synagents.train(later, world, synagents.Uniform(), 10_000, num_runs=RUNS)
    found: dict[str, Any] = {}
    for name, run, lived in (
        ("adaptive", learned, history),
        ("then frozen", frozen, applied),
        ("uniform", control, drawn),
    ):
        loss = np.asarray(lived.info["loss"])[:, :, 0]
        found[name] = {"first": loss[:, 0].tolist(), "last": loss[:, -100:].mean(axis=1).tolist()}
        if kind == "logistic":
            found[name]["accuracy"] = np.asarray(synagents.evaluate(run)["accuracy"])[:, 0].tolist()
    return found


def boundaries(published: Path | None) -> Iterator[Cell]:
    """Students of several shapes find random boundaries in the plane with a learning table and with frozen ones."""
    policies: dict[str, Callable[[], Learner]] = {
        "adaptive": lambda: QTable(adaptive=True, epsilon=0.3, alpha=0.01, gamma=0.9),
        "shipped": lambda: QTable(synagents.load_table()),
        "uniform": synagents.Uniform,
    }
    if published:
        policies["published"] = lambda: QTable(synagents.load_table(published))
    for hidden in STUDENTS:
        for activation in ("relu", "tanh"):
            for name, make in policies.items():
                shape = "-".join(map(str, (2, *hidden, 2)))
                yield Cell(f"boundaries/{shape}/{activation}/{name}", partial(_boundary, hidden, activation, make))


def _boundary(hidden: tuple[int, ...], activation: Any, make: Callable[[], Learner]) -> dict[str, Any]:
    world = synapse_v0.world("boundary", hidden=hidden, activation=activation, step_size=0.01, interval=0)
    run, history = synagents.train(jax.random.key(1), world, make(), 20_000, num_runs=RUNS)
    accuracy = np.asarray(synagents.evaluate(run)["accuracy"])[:, 0]
    loss = np.asarray(history.info["loss"])[:, -100:, 0].mean(axis=1)
    return {"accuracy": accuracy.tolist(), "last": loss.tolist()}


def notmnist(hidden: int, data: Path, tables: dict[str, Path | None], runs: int) -> Iterator[Cell]:
    """The published run: batch 5000 kept for 5000 rounds, 500,000 rounds, epsilon .1, a frozen table.

    Without hidden units five networks share a batch and a split: five thin products become one wide one. With hidden
    units that saves nothing, and every run has a split of its own.
    """
    together = 1 if hidden else TOGETHER
    for first in range(0, runs, together):
        for table, path in tables.items():
            yield Cell(f"notmnist-{hidden}/{table}/{first}", partial(_notmnist, hidden, data, path, first, together))


def _notmnist(hidden: int, data: Path, table: Path | None, first: int, together: int) -> dict[str, Any]:
    world = synapse_v0.world(
        "notmnist",
        data=data,
        hidden=(hidden,) if hidden else (),
        batch_size=5000,
        interval=5000,
        step_size=synagents.Switch(1e-4, 5e-5, 100_000) if hidden else 1e-4,
        split_seed=first // together,
    )
    learner = QTable(synagents.load_table(table), epsilon=0.1)
    run = synagents.begin(first, world, learner, num_worlds=together, shared_task=True)
    curve, rewarded, started = [], 0.0, time.perf_counter()
    for _ in range(LOOKS):
        run, history = synagents.advance(run, 500_000 // LOOKS)
        rewarded += float(np.mean(history.reward > 0)) / LOOKS
        curve.append(np.asarray(synagents.evaluate(run)["accuracy"])[0].tolist())
    return {
        "accuracy": curve[-1],
        "curve": np.mean(curve, axis=1).tolist(),
        "rewarded": rewarded,
        "seconds": [(time.perf_counter() - started) / together] * together,
    }


def gradient(data: Path) -> Iterator[Cell]:
    """Gradient descent on the same networks and splits: plain, and Adam; batch 500, a new one for every step."""
    for hidden in (0, 32):
        for name, optimizer in (("sgd", optax.sgd(0.1, momentum=0.9)), ("adam", optax.adam(1e-3))):
            yield Cell(f"notmnist-{hidden}/{name}", partial(_gradient, hidden, data, optimizer))


def _gradient(hidden: int, data: Path, optimizer: optax.GradientTransformation) -> dict[str, Any]:
    steps = 1500  # a hundred passes over the training part
    accuracy, seconds = [], []
    for seed in range(RUNS):
        task = synagents.registry.find("tasks", "notmnist")(data=data, batch_size=500, split_seed=seed)
        network = MLP((784, hidden, 10) if hidden else (784, 10))

        def descend(carry: tuple, key: jax.Array, task: Any = task, network: MLP = network) -> tuple[tuple, None]:
            params, state = carry
            batch = task.init(key)
            slope = jax.grad(lambda p: cross_entropy(network.apply(p, batch.x), batch.target))(params)
            updates, state = optimizer.update(slope, state, params)
            return (optax.apply_updates(params, updates), state), None

        key = jax.random.key(seed)
        params = network.init(key)
        keys = jax.random.split(jax.random.fold_in(key, 1), steps)
        train = jax.jit(lambda start, keys, descend=descend: jax.lax.scan(descend, start, keys)[0][0])
        start = (params, optimizer.init(params))
        compiled = train.lower(start, keys).compile()
        started = time.perf_counter()
        params = jax.block_until_ready(compiled(start, keys))
        seconds.append(time.perf_counter() - started)
        answer = jax.jit(lambda x, params=params, network=network: network.apply(params, x))
        accuracy.append(float(task.evaluate(task.init(key), answer, "held_out")["accuracy"]))
    return {"accuracy": accuracy, "seconds": seconds}


def figures_of(values: list[float], percent: bool = True) -> str:
    """Mean +- half its 95 % interval, and the range, as the tables have them."""
    numbers = np.asarray(values) * (100 if percent else 1)
    figures = (numbers.mean(), interval(numbers.tolist()), numbers.min(), numbers.max())
    mean, half, low, high = (f"{figure:.{2 if percent else 3}f}" for figure in figures)
    return f"{mean} +- {half} ({low}-{high})"


def print_tables(kept: dict[str, dict[str, Any]]) -> None:
    """The tables of docs/reproduction.md, from the cells that are there."""
    print("| perceptron | policy | first loss | last loss | held-out accuracy, % |\n|---|---|---|---|---|")
    for name, found in kept.items():
        if name.startswith("perceptrons/"):
            for policy, cell in found.items():
                accuracy = figures_of(cell["accuracy"]) if "accuracy" in cell else ""
                first, last = figures_of(cell["first"], percent=False), figures_of(cell["last"], percent=False)
                print(f"| {name.split('/')[1]} | {policy} | {first} | {last} | {accuracy} |")
    policies = ("adaptive", "shipped", "published", "uniform")
    print(f"\n| student | {' | '.join(policies)} |\n|{'---|' * (1 + len(policies))}")
    for hidden in STUDENTS:
        for activation in ("relu", "tanh"):
            shape = "-".join(map(str, (2, *hidden, 2)))
            tried = [kept.get(f"boundaries/{shape}/{activation}/{policy}") for policy in policies]
            print(f"| {shape} {activation} | {' | '.join(figures_of(c['accuracy']) if c else '' for c in tried)} |")
    print("\n| run | runs | min | max | mean | 95 % | stdev | seconds per run, median | the paper |\n|" + "---|" * 9)
    for network in ("notmnist-0", "notmnist-32"):
        for line in (*TABLES, "sgd", "adam"):
            cells = [found for name, found in kept.items() if name.startswith(f"{network}/{line}")]
            if cells:
                percents = 100 * np.array([a for cell in cells for a in cell["accuracy"]])
                low, high, mean, spread = percents.min(), percents.max(), percents.mean(), percents.std(ddof=1)
                figures = f"{low:.2f} | {high:.2f} | {mean:.2f} | +- {interval(percents.tolist()):.2f} | {spread:.2f}"
                seconds = np.median([s for cell in cells for s in cell["seconds"]])
                paper = PAPER[network, "agents" if line in TABLES else "gradient"]
                print(f"| {network} {line} | {len(percents)} | {figures} | {seconds:.0f} | {paper} |")
    shares = (5, 10, 20, 50, 70, 100)  # of the steps, in percent
    titles = " | ".join(f"{share} %" for share in shares)
    print(f"\n| table | split seed | runs | {titles} of the steps | sgd | adam |\n|{'---|' * (5 + len(shares))}")
    for network, together in (("notmnist-0", TOGETHER), ("notmnist-32", 1)):
        for table in TABLES:
            for start in range(0, RUNS, together):
                if played := kept.get(f"{network}/{table}/{start}"):
                    split = start // together
                    accuracies = [played["curve"][LOOKS * share // 100 - 1] for share in shares]
                    for line in ("sgd", "adam"):
                        descent = kept.get(f"{network}/{line}")
                        accuracies.append(descent["accuracy"][split] if descent else np.nan)
                    row = " | ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
                    print(f"| {network} {table} | {split} | {together} | {row} |")


def main() -> None:
    """Measure the cells that are missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("perceptrons", "boundaries", "gradient", "notmnist-0", "notmnist-32", "print")
    parser.add_argument("experiment", choices=names)
    parser.add_argument("--data", type=Path, help="folder with the folder notmnist and the authors' synrl_policy.json")
    parser.add_argument(
        "--runs", type=int, default=RUNS, help="runs of the notMNIST experiments; without hidden units five at a time"
    )
    parser.add_argument("--table", choices=TABLES, help="play only this one there")
    args = parser.parse_args()
    kept = Cells(RESULTS / "reproduction.jsonl", "cell")
    if args.experiment == "print":
        print_tables({name: row["found"] for name, row in kept.rows.items()})
        return
    published = args.data / "synrl_policy.json" if args.data else None
    if args.experiment == "perceptrons":
        cells = perceptrons()
    elif args.experiment == "boundaries":
        cells = boundaries(published)
    elif args.data is None or published is None:
        parser.error(f"{args.experiment} needs the images: name their folder with --data.")
    elif args.experiment == "gradient":
        cells = gradient(args.data / "notmnist")
    else:
        tables = dict(zip(TABLES, (published, None), strict=True))
        tables = {args.table: tables[args.table]} if args.table else tables
        cells = notmnist(int(args.experiment.split("-")[1]), args.data / "notmnist", tables, args.runs)
    for cell in cells:
        if cell.name in kept:
            continue
        started = time.perf_counter()
        kept.add({"cell": cell.name, "found": cell.measure()})
        print(f"{cell.name}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
