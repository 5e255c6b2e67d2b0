"""What else was tried to train better than `trace`, at equal cost; each part prints its table and keeps its cells.

    python studies/alternatives.py trace        # its settings, one changed at a time
    python studies/alternatives.py candidates   # several joint moves a round, of which the best is made
    python studies/alternatives.py evolved      # a softmax table over histories, evolved on toy teachers

Accuracy is of validation parts of the digits (`BenchmarkTask.design`, splits 0-4), in percent with 95 % intervals.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS, Cells, percent

from synagents import Exponential, RepeatUndo
from synagents.benchmark import lines, suite
from synagents.benchmark.optimizers.snes import utilities
from synagents.envs import synapse_v0
from synagents.loop import advance, begin, evaluate

CELLS = Cells(RESULTS / "alternatives.jsonl", "name")
SPLITS = range(5)
TASKS = ("digits-0", "digits-16")
FALLING = (0.0005, 0.001, 0.002, 0.004)  # step sizes to choose from, each falling to a tenth


def kept(name: str, measure: Callable[[], Any]) -> Any:
    """What was measured under this name, now or before."""
    if name not in CELLS:
        CELLS.add({"name": name, "found": measure()})
        jax.clear_caches()
    return CELLS[name]["found"]


def trace() -> None:
    """The learner's settings, one changed at a time."""
    changes: list[dict[str, Any]] = [
        {},
        *({"trace_decay": decay} for decay in (0.9, 0.95, 0.99, 0.995)),
        *({"epsilon": epsilon} for epsilon in (0.2, 0.35, 0.7, 0.9)),
        *({"mean_rate": rate} for rate in (1.0, 0.5, 0.01)),
        *({"batch_size": size, "interval": interval} for size, interval in ((100, 50), (250, 100), (1000, 250))),
    ]
    print(f"| `trace` with | {' | '.join(TASKS)} |\n|---|{'---|' * len(TASKS)}")
    for change in changes:
        cells = [percent(kept(f"trace {name} {change}", partial(_played, name, change))) for name in TASKS]
        words = " ".join(f"{name}={value}" for name, value in change.items()) or "its usual settings"
        print(f"| {words} | {' | '.join(cells)} |", flush=True)


def _played(name: str, change: dict[str, Any]) -> list[float]:
    designs = [(seed, suite.SUITE[name].design(seed)) for seed in SPLITS]
    return [lines.play(task, "trace", change, runs=1, seed=seed).score[0, -1].item() for seed, task in designs]


def candidates() -> None:
    """C joint moves are tried in each round, the best is made, and all are learned from; the budget pays for all."""
    print(f"| candidates a round | {' | '.join(TASKS)} |\n|---|{'---|' * len(TASKS)}")
    for number in (1, 2, 4, 8):
        best = [_best_size(f"candidates {number}", partial(_sized, number), name) for name in TASKS]
        print(f"| {number} | {' | '.join(best)} |", flush=True)


def _sized(number: int, name: str, size: float) -> list[float]:
    return _played(name, {"candidates": number, "step_size": f"exponential:{size:g}:{size / 10:g}"})


def _best_size(label: str, measure: Callable[[str, float], list[float]], name: str) -> str:
    """Accuracy at the best step size."""
    found = {size: kept(f"{label} {name} {size:g}", partial(measure, name, size)) for size in FALLING}
    size = max(found, key=lambda size: mean(found[size]))
    return f"{percent(found[size])} (step size {size:g})"


def evolved() -> None:
    """A softmax table over the last two actions and rewards, from the repeat/undo rule on, by evolution on toys."""
    population, teachers, rounds, generations, sigma = 32, 8, 1500, 40, 0.3
    toy = synapse_v0.world("boundary", hidden=(8,), interval=0, step_size=0.01)

    def left(key: jax.Array, logits: jax.Array) -> np.ndarray:
        """Mean loss of every candidate [P] over teachers that are the same for all of them."""
        begun = begin(key, toy, RepeatUndo(), num_runs=teachers)
        everyone = jax.tree.map(lambda x: jnp.concatenate([x] * len(logits)), (begun.key, begun.state))
        many = jnp.repeat(jax.nn.softmax(logits), teachers, axis=0)
        run = replace(begun, key=everyone[0], state=everyone[1], mind=many, num_runs=len(many))
        _, history = advance(run, rounds)
        return np.asarray(history.info["loss"])[:, -rounds // 10 :].mean(axis=(1, 2)).reshape(-1, teachers).mean(axis=1)

    def evolve() -> Any:
        rule = RepeatUndo().init(jax.random.key(0), toy.groups)
        centre = jnp.log(jnp.maximum(rule, 0.02))
        first = left(jax.random.key(1000), centre[None])[0]
        for generation in range(generations):
            key = jax.random.key(generation)
            z = jax.random.normal(key, (population, *centre.shape))
            losses = left(key, centre + sigma * z)
            worth = utilities(population)[np.argsort(np.argsort(losses))]
            centre = centre + sigma * jnp.tensordot(worth, z, 1) * 2
            print(f"generation {generation}: mean loss {losses.mean():.4f}, best {losses.min():.4f}", flush=True)
        last = left(jax.random.key(1000), centre[None])[0]
        return {"logits": np.asarray(centre).tolist(), "before": float(first), "after": float(last)}

    got = kept("evolved table", evolve)
    print(
        f"\nLoss on toy teachers that no table has met: repeat/undo {got['before']:.3f}, evolved {got['after']:.3f}\n"
    )
    tables = {"repeat/undo": None, "evolved": np.asarray(jax.nn.softmax(jnp.array(got["logits"])))}
    print(f"| table | {' | '.join(TASKS)} |\n|---|{'---|' * len(TASKS)}")
    for label, table in tables.items():
        best = [_best_size(label, partial(_with, table), name) for name in TASKS]
        print(f"| {label} | {' | '.join(best)} |", flush=True)


def _with(table: np.ndarray | None, name: str, size: float) -> list[float]:
    found = []
    for seed in SPLITS:
        task = suite.SUITE[name].design(seed)
        rounds = task.budget // 500
        world = synapse_v0.world(
            task.make(500), hidden=task.hidden, interval=250, step_size=Exponential(size, size / 10, rounds)
        )
        run = begin(jax.random.key(seed), world, RepeatUndo())
        if table is not None:
            run = replace(run, mind=jnp.asarray(table)[None])
        run, _ = advance(run, rounds)
        found.append(float(evaluate(run)["accuracy"][0, 0]))
    return found


def main() -> None:
    """One part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("trace", "candidates", "evolved"))
    {"trace": trace, "candidates": candidates, "evolved": evolved}[parser.parse_args().part]()


if __name__ == "__main__":
    main()
