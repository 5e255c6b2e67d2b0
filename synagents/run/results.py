"""What a run is found to be at a look, and at its end: rows of metrics.csv, closing numbers, weights for files."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Array

from synagents.hyperparameters import require
from synagents.loop import History, Run, evaluate
from synagents.run.checkpoints import arrays_of
from synagents.run.files import Json
from synagents.run.log import Row
from synagents.world import Part, Task

Measured: TypeAlias = dict[str, np.ndarray]  # metrics of a whole part, f32[K, W]


def measure(run: Run, part: Part) -> Measured:
    """The metrics of a whole part of the data, for every run and world."""
    return {name: np.asarray(value) for name, value in evaluate(run, part).items()}


def score_of(held_out: Measured) -> float:
    """How good a look is, higher is better: held-out accuracy where there are classes, else the negative loss."""
    return float(held_out["accuracy"].mean() if "accuracy" in held_out else -held_out["loss"].mean())


def rows(run: Run, history: History, held_out: Measured) -> list[Row]:
    """One row per run: means over worlds, and over the rounds since the last look.

    Learners, probes and worlds name their numbers as they like: each has a prefix of its own, so none can take
    another's column.

    Raises:
        ValueError: if a probe has two numbers of one name.
    """
    return [_row(run, history, held_out, k) for k in range(run.num_runs)]


def _row(run: Run, history: History, held_out: Measured, k: int) -> Row:
    numbers = {"loss": mean_loss(run, history.info["loss"][k])}
    numbers |= {f"world.{name}": float(np.mean(values[k])) for name, values in history.info.items() if name != "loss"}
    numbers["reward_rate"] = float(np.mean(history.reward[k] > 0))
    numbers |= {f"held_out_{name}": float(values[k].mean()) for name, values in held_out.items()}
    numbers |= {f"learner.{name}": float(np.mean(values[k])) for name, values in history.metrics.items()}
    for name, value in _probed(history, k):
        require(name not in numbers, f"A probe has two numbers that are called {name}: give them different names.")
        numbers[name] = value
    return row_of(run.t, k, numbers)


def mean_loss(run: Run, losses: Array) -> float:
    """The mean of losses of rounds, in the unit in which whole parts of the data are measured."""
    task = run.world.task
    return float(np.mean(losses)) * (task.loss_unit if isinstance(task, Task) else 1.0)


def row_of(step: int, run: int, numbers: Mapping[str, float]) -> Row:
    """A row of metrics.csv."""
    return {"step": step, "run": run} | {name: f"{value:.6g}" for name, value in numbers.items()}


def _probed(history: History, k: int) -> Iterator[tuple[str, float]]:
    """What the probes saw in run k, by column; nan where no probe was due since the last look."""
    for path, seen in jax.tree_util.tree_flatten_with_path(history.probes)[0]:
        name = f"probe.{jax.tree_util.keystr(path, simple=True, separator='.')}"
        mean = np.asarray(seen[k]).mean(axis=(0, 1)) if len(history.probed) else np.full(seen.shape[3:], np.nan)
        if mean.ndim:
            yield from ((f"{name}.{i}", float(value)) for i, value in enumerate(mean.ravel()))
        else:
            yield name, float(mean)


def named(about: Mapping[str, Any]) -> Json:
    """The names that a summary begins with."""
    return {name: about[name] for name in ("task", "learner", "world") if name in about}


def summary_of(run: Run, metrics: Path) -> Json:
    """The closing numbers of a run at its last step; steps are rounds."""
    train, held_out = measure(run, "train"), measure(run, "held_out")
    graded, rewards = "accuracy" in held_out, _rewards(metrics)
    score = "accuracy" if graded else "mean_reward" if rewards else "held_out_loss"
    numbers = {
        "held_out_loss": float(held_out["loss"].mean()),
        "accuracy": float(held_out["accuracy"].mean()) if graded else None,
        **rewards,
    }
    return {
        "steps": run.t,
        "worlds": run.num_worlds,
        "runs": run.num_runs,
        "loss": float(train["loss"].mean()),
        "train_accuracy": float(train["accuracy"].mean()) if graded else None,
        **numbers,
        "accuracy_by_run": [float(one) for one in held_out["accuracy"].mean(axis=1)] if graded else None,
        "score": numbers[score],
        "score_name": score,
        "weights_sha256": weights_sha256(run),
    }


def _rewards(metrics: Path) -> Json:
    """The mean return of all episodes of a run, and of those of its last tenth; empty where there are no episodes."""
    with metrics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if "world.episodes" not in rows[0]:
        return {}
    steps = sorted({int(row["step"]) for row in rows})
    rounds = dict(zip(steps, np.diff([0, *steps]), strict=True))

    def mean_return(since: float, run: str | None = None) -> float | None:
        seen = [row for row in rows if int(row["step"]) > since and run in (None, row["run"])]
        returns, episodes = (
            sum(float(row[f"world.{name}"]) * rounds[int(row["step"])] for row in seen)
            for name in ("returns", "episodes")
        )
        return float(returns / episodes) if episodes else None

    return {
        "mean_reward": mean_return(0),
        "final_reward": mean_return(0.9 * steps[-1]),
        "mean_reward_by_run": [mean_return(0, run) for run in dict.fromkeys(row["run"] for row in rows)],
    }


def weights_sha256(run: Run) -> str:
    """One checksum of all that was learned: weights in flat order, then minds and memories, little-endian.

    Two runs with the same checksum hold the same bits, to the last digit.
    """
    weights = run.world.weights(run.state)
    groups = [group.name for group in run.world.groups if group.name in weights]
    return checksum_of([weights[name] for name in groups] + jax.tree.leaves(run.mind) + jax.tree.leaves(run.memory))


def checksum_of(arrays: Iterable[Array]) -> str:
    """One checksum of all these numbers, little-endian."""
    checksum = hashlib.sha256()
    for array in arrays:
        values = np.asarray(array)
        checksum.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return checksum.hexdigest()


def weights_of(run: Run) -> dict[str, np.ndarray]:
    """All weights by group, f32[K, W, *shape], or f32[K, *shape] where they are the learner's."""
    weights = run.world.weights(run.state) | jax.vmap(run.learner.weights, axis_size=run.num_runs)(run.mind)
    return {name: np.asarray(array, np.float32) for name, array in arrays_of(weights).items()}


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """The content of a NumPy archive."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]
    return archive.getvalue()
