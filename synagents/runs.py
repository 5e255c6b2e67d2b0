"""A run on disk: what was run, how it went, and what came of it, in files any tool reads.

config.json    every setting, the data and the versions: enough to run it again
metrics.csv    one row per look and run: step, run, loss, reward rate, held-out metrics, probes
summary.json   the closing numbers
weights.npz    every group's weights, f32[K, W, *shape]
table.json     the learned table, for learners that have one (table_<run>.json where there are several runs)
"""

import csv
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from synagents.loop import History, Run, advance, begin, check_finite, check_intervals, evaluate
from synagents.probes import Probe
from synagents.settings import require
from synagents.tables import save_table
from synagents.world import Learner, Part, World

LOOKS = 100  # how often a run is looked at, about


class Look(NamedTuple):
    """How a run stands: what the live display shows."""

    step: int  # rounds played
    steps: int  # rounds asked for
    steps_per_second: float  # rounds of all runs and worlds together advance at this rate
    agent_steps_per_second: float  # times agents, worlds and runs
    seconds_left: float
    loss: float  # on the batch in use, mean over the last rounds, worlds and runs
    reward_rate: float  # share of rounds with a positive reward since the last look
    accuracy: float | None  # held out, mean over worlds and runs; None where the task has no classes


class Folder:
    """A new or empty directory that receives a run's files; made when the first is written.

    Raises:
        ValueError: if the directory holds anything and `overwrite` is off, or is no directory.
    """

    OURS = ("config.json", "metrics.csv", "summary.json", "weights.npz", "picture.png")

    def __init__(self, path: Path, *, overwrite: bool = False):
        self.path = path
        require(not path.exists() or path.is_dir(), f"{path} is a file: name a new or empty directory with --out.")
        if path.is_dir() and any(path.iterdir()):
            require(overwrite, f"{path} is not empty: name a new directory with --out, or add --overwrite.")
            for old in (*(path / name for name in self.OURS), *path.glob("table*.json")):
                old.unlink(missing_ok=True)
        self._columns: list[str] = []

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of settings or results, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._whole(name, (json.dumps(content, indent=1, default=str, allow_nan=False) + "\n").encode())

    def append_rows(self, rows: list[dict[str, Any]]) -> None:
        """Add rows to metrics.csv; the first call sets the columns."""
        new = not self._columns
        self._columns = self._columns or list(rows[0])
        with (self.path / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            if new:
                writer.writeheader()
            writer.writerows(rows)

    def write_results(self, run: Run) -> None:
        """Write the weights, and the tables of learners that have one."""
        weights: dict[str, Any] = {n: np.asarray(array) for n, array in getattr(run.state, "weights", {}).items()}
        aside = self.path / "weights.npz.part"
        with aside.open("wb") as file:
            np.savez(file, **weights)
        os.replace(aside, self.path / "weights.npz")
        for index, table in enumerate(np.asarray(getattr(run.mind, "table", ()))):
            name = "table.json" if run.num_runs == 1 else f"table_{index}.json"
            save_table(self.path / name, table, {"rounds": run.t, "learner": type(run.learner).__name__})

    def _whole(self, name: str, content: bytes) -> None:
        aside = self.path / f"{name}.part"
        aside.write_bytes(content)
        os.replace(aside, self.path / name)


def fit(
    key: Key[Array, ""],
    world: World,
    learner: Learner,
    steps: int,
    folder: Folder,
    *,
    config: dict[str, Any],
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    horizon: int = 1,
    probes: tuple[Probe, ...] = (),
    probe_interval: int = 100,
    watch: Callable[[Look], None] = lambda look: None,
) -> tuple[Run, dict[str, Any]]:
    """Train, look now and then, and leave everything in a folder.

    Args:
        key: random key of the whole experiment.
        world: the world.
        learner: the learner.
        steps: rounds to play, a multiple of `horizon`.
        folder: receives metrics.csv as they come and the results at the end; nothing, if a setting is refused.
        config: what config.json is to say.
        num_worlds: worlds per learner, >= 1.
        num_runs: independent learners, >= 1.
        shared_task: let the worlds of a run see one batch.
        horizon: rounds per update.
        probes: what to record beside the loss, averaged over worlds between looks.
        probe_interval: rounds between probed rounds.
        watch: is told how the run stands after every look.

    Returns:
        The finished run and what `summary.json` says of the training (not of the command).

    Raises:
        ValueError: if a setting is out of range.
        FloatingPointError: if the loss is not finite; rows up to then are kept.
    """
    require(
        steps >= 1 and steps % horizon == 0, f"steps must be a positive multiple of horizon {horizon}, not {steps}."
    )
    check_intervals(world, horizon, probe_interval if probes else None)
    agents = sum(group.size for group in world.groups)
    compiling, begun, training = _Compiling(), time.perf_counter(), 0.0
    with compiling:
        run = begin(key, world, learner, num_worlds=num_worlds, num_runs=num_runs, shared_task=shared_task)
        folder.write_json("config.json", config)
        for chunk in _chunks(steps, run.world.interval, horizon):
            started, compiled = time.perf_counter(), compiling.seconds
            run, history = advance(run, chunk // horizon, horizon=horizon, probes=probes, probe_interval=probe_interval)
            jax.block_until_ready(run.state)
            training += time.perf_counter() - started - (compiling.seconds - compiled)
            check_finite(history, run.t - chunk)
            held_out = {name: np.asarray(value) for name, value in evaluate(run).items()}
            folder.append_rows(list(_rows(run, history, held_out)))
            rate = run.t / max(training, 1e-9)
            accuracy = held_out.get("accuracy")
            watch(
                Look(
                    step=run.t,
                    steps=steps,
                    steps_per_second=rate,
                    agent_steps_per_second=rate * agents * run.num_worlds * run.num_runs,
                    seconds_left=(steps - run.t) * (time.perf_counter() - begun - compiling.seconds) / run.t,
                    loss=float(np.mean(history.info["loss"][:, -10:])),
                    reward_rate=float(np.mean(history.reward > 0)),
                    accuracy=None if accuracy is None else float(accuracy.mean()),
                )
            )
        summary = _summary(run, agents) | _rewards(folder.path / "metrics.csv")
        folder.write_results(run)
    return run, summary | {
        "compile_seconds": compiling.seconds,
        "steps_per_second": steps / training,
        "agent_steps_per_second": steps / training * agents * run.num_worlds * run.num_runs,
    }


def versions() -> dict[str, str]:
    """What a result depends on beside the settings."""
    packages = ("synagents", "jax", "jaxlib", "numpy")
    device = jax.devices()[0]
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "device": f"{device.platform} {device.device_kind}",
    }


def _summary(run: Run, agents: int) -> dict[str, Any]:
    """The closing numbers: metrics of both whole parts at the last step, never the best one."""
    metrics: dict[Part, dict[str, np.ndarray]] = {
        "train": {name: np.asarray(value) for name, value in evaluate(run, "train").items()},
        "held_out": {name: np.asarray(value) for name, value in evaluate(run, "held_out").items()},
    }
    train, held_out = metrics["train"], metrics["held_out"]
    graded = "accuracy" in held_out
    return {
        "agents": agents,
        "steps": run.t,
        "worlds": run.num_worlds,
        "runs": run.num_runs,
        "loss": float(train["loss"].mean()),
        "train_accuracy": float(train["accuracy"].mean()) if graded else None,
        "held_out_loss": float(held_out["loss"].mean()),
        "accuracy": float(held_out["accuracy"].mean()) if graded else None,
        "accuracy_by_run": [float(one) for one in held_out["accuracy"].mean(axis=1)] if graded else None,
        "score": float(held_out["accuracy" if graded else "loss"].mean()),
        "score_name": "accuracy" if graded else "held_out_loss",
    }


def _rows(run: Run, history: History, held_out: dict[str, np.ndarray]) -> Iterable[dict[str, Any]]:
    """One row per run: means over worlds, and over the rounds since the last look."""
    for k in range(run.num_runs):
        row: dict[str, Any] = {"step": run.t, "run": k}
        row |= {name: np.mean(values[k]) for name, values in history.info.items()}
        row["reward_rate"] = np.mean(history.reward[k] > 0)
        row |= {f"held_out_{name}": values[k].mean() for name, values in held_out.items()}
        row |= {name: np.mean(values[k]) for name, values in history.metrics.items()}
        for path, seen in jax.tree_util.tree_flatten_with_path(history.probes)[0]:
            name = ".".join(str(getattr(step, "key", step)) for step in path)
            mean = np.asarray(seen[k]).mean(axis=(0, 1)) if len(history.probed) else np.full(seen.shape[3:], np.nan)
            row |= {f"{name}.{i}": value for i, value in enumerate(mean.ravel())} if mean.ndim else {name: mean}
        yield {name: value if isinstance(value, int) else f"{value:.6g}" for name, value in row.items()}


def _rewards(metrics: Path) -> dict[str, Any]:
    """The mean return of all episodes of a run, and of those of its last tenth; nothing, where there are no episodes.

    They are read from metrics.csv, so a run that was cut in pieces is told whole.
    """
    with metrics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if "episodes" not in rows[0]:
        return {}
    steps = sorted({int(row["step"]) for row in rows})
    rounds = dict(zip(steps, np.diff([0, *steps]), strict=True))

    def mean_return(since: float, run: str | None = None) -> float | None:
        seen = [row for row in rows if int(row["step"]) > since and run in (None, row["run"])]
        sums = [sum(float(row[name]) * rounds[int(row["step"])] for row in seen) for name in ("returns", "episodes")]
        return float(sums[0] / sums[1]) if sums[1] else None

    return {
        "score": mean_return(0),
        "score_name": "mean_reward",
        "mean_reward": mean_return(0),
        "final_reward": mean_return(0.9 * steps[-1]),
        "mean_reward_by_run": [mean_return(0, run) for run in dict.fromkeys(row["run"] for row in rows)],
    }


def _chunks(steps: int, interval: int, horizon: int) -> Iterable[int]:
    """Cut a run into about LOOKS equal chunks, whole intervals where possible, so that one program serves them all."""
    unit = interval if interval and steps % interval == 0 else horizon
    units = steps // unit
    wanted = max(1, round(units / LOOKS))
    even = [size for size in range(1, min(units, 4 * wanted) + 1) if units % size == 0]
    size = unit * (min(even, key=lambda size: abs(size - wanted)) if even[-1] * 4 > wanted else wanted)
    for done in range(0, steps, size):
        yield min(size, steps - done)


class _Compiling:
    """Counts the seconds that JAX spends on making programs while it is open."""

    def __enter__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            self.seconds += duration_secs
