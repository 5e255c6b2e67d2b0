"""Train on disk: look now and then, keep what was seen, and go on exactly where whatever stopped the run has left it.

Chunks of rounds are cut by their numbers alone, so a run that was stopped a hundred times makes the same calls of the
same compiled programs as one that never was, and ends with the same bits. The files are those of `synagents.run.directory`.
"""

import csv
import hashlib
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from synagents.run.directory import Folder, Tell, described
from synagents.loop import History, Run, advance, begin, check_finite, check_intervals, evaluate
from synagents.probes import Probe
from synagents.settings import require
from synagents.world import Learner, Part, World

LOOKS = 100  # how often a run is looked at, about
TOLD = ("task", "learner", "sizes", "seed")  # what the summary repeats of config.json
MOST_ROUNDS = 10_000  # between looks, about: who is asked to stop plays them to their end


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop and has saved; the message is one sentence: where it stands and how it goes on."""


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


def fit(
    key: Key[Array, ""],
    world: World,
    learner: Learner,
    steps: int,
    folder: Folder | str | Path,
    *,
    config: dict[str, Any] | None = None,
    num_worlds: int = 1,
    num_runs: int = 1,
    shared_task: bool = False,
    rollout_length: int = 1,
    probes: tuple[Probe, ...] = (),
    probe_interval: int = 100,
    checkpoint_seconds: float | None = None,
    started: float | None = None,
    watch: Callable[[Look], None] = lambda look: None,
    tell: Tell = print,
) -> tuple[Run, dict[str, Any]]:
    """Train, look now and then, and leave everything in a folder; a folder that holds this run already is gone on with.

    The same call again, after whatever stopped the one before, ends with the same bits in weights, minds and
    metrics.csv as a call that was never stopped; with more `steps` it extends the run. Ctrl-C or SIGTERM stops after
    the chunk of rounds that is being played, and saves; a second one stops at once.

    Args:
        key: random key of the whole experiment.
        world: the world.
        learner: the learner.
        steps: rounds to play in all, a multiple of `rollout_length`.
        folder: a directory: new, empty, or with this very run in it. Nothing is written if a setting is refused.
        config: what config.json is to say first; its task, learner, sizes and seed are repeated in the summary.
        num_worlds: worlds per learner, >= 1.
        num_runs: independent learners, >= 1.
        shared_task: let the worlds of a run see one batch.
        rollout_length: rounds per update.
        probes: what to record beside the loss, averaged over worlds between looks.
        probe_interval: rounds between probed rounds.
        checkpoint_seconds: least seconds between checkpoints, >= 0; None for ten, or as many more as keep them below a
            hundredth of the time. No result depends on when they are taken.
        started: when the command began, by `time.perf_counter`; None for now.
        watch: is told how the run stands after every look.
        tell: is told, in a sentence each, what one should know of a run that goes on or stops.

    Returns:
        The finished run, and what summary.json says.

    Raises:
        ValueError: if a setting is out of range, or is not what the run in the folder began with.
        FloatingPointError: if the loss is not finite; rows up to then are kept.
        RunError: if the folder cannot be used: in use by another process, removed, damaged, full.
        Interrupted: after Ctrl-C or SIGTERM.
    """
    began = time.perf_counter()
    check_intervals(world, rollout_length, probe_interval if probes else None)
    whole = isinstance(steps, int) and steps >= 1 and steps % rollout_length == 0
    require(whole, f"steps must be a positive multiple of rollout_length {rollout_length}, not {steps}.")
    require(
        checkpoint_seconds is None or checkpoint_seconds >= 0,
        f"checkpoint_seconds must be None or a number >= 0, but is {checkpoint_seconds}.",
    )
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    agents = sum(group.size for group in world.groups)
    everyone = agents * num_worlds * num_runs
    with _Compiling() as compiling:
        run = begin(key, world, learner, num_worlds=num_worlds, num_runs=num_runs, shared_task=shared_task)
        asked = (config or {}) | {
            "steps": steps,
            "worlds": num_worlds,
            "runs": num_runs,
            "shared_task": shared_task,
            "rollout_length": rollout_length,
            "probes": [probe.__name__ for probe in probes],
            "probe_interval": probe_interval,
            "key": np.asarray(jax.random.key_data(key)).tolist(),
            "built": dict(described("world", world)) | dict(described("learner", learner)),
            "versions": versions(),
        }
        with folder.claimed(), _Stopping(folder.path, tell) as stopping:
            extended_from = folder.agree(asked, tell)["extended_from"]
            run = folder.go_on(run, asked["versions"], tell)
            first, trained_before = run.t, folder.training
            for end in _looks(run.t, [*extended_from, steps], world.interval, rollout_length):
                chunk_began, compiled, rounds = time.perf_counter(), compiling.seconds, end - run.t
                run, history = advance(
                    run, rounds, rollout_length=rollout_length, probes=probes, probe_interval=probe_interval
                )
                jax.block_until_ready(run.state)
                seconds = max(_since(chunk_began) - (compiling.seconds - compiled), 1e-9)
                check_finite(history, run.t - rounds)
                held_out = {name: np.asarray(value) for name, value in evaluate(run).items()}
                folder.add(list(_rows(run, history, held_out)), run.t, rounds, seconds)
                accuracy = held_out.get("accuracy")
                folder.compare(run, float(-held_out["loss"].mean() if accuracy is None else accuracy.mean()))
                rate = (run.t - first) / (folder.training - trained_before)
                watch(
                    Look(
                        step=run.t,
                        steps=steps,
                        steps_per_second=rate,
                        agent_steps_per_second=rate * everyone,
                        seconds_left=max(_since(began) - compiling.seconds, 0) / (run.t - first) * (steps - run.t),
                        loss=float(np.mean(history.info["loss"][:, -10:])),
                        reward_rate=float(np.mean(history.reward > 0)),
                        accuracy=None if accuracy is None else float(accuracy.mean()),
                    )
                )
                if stopping.asked or folder.due(checkpoint_seconds):
                    folder.save(run)
                if stopping.asked and run.t < steps:
                    raise Interrupted(
                        f"Stopped at step {run.t:,} of {steps:,}, all saved: `synagents resume {folder.path}` goes on."
                    )
            folder.save(run)
            rate = run.t / max(folder.training, 1e-9)
            summary: dict[str, Any] = {
                name: asked[name] for name in ("task", "learner", "sizes", "seed") if name in asked
            }
            summary |= (
                _summary(run, agents)
                | _rewards(folder.metrics.path)
                | {
                    "weights_sha256": weights_sha256(run),
                    "compile_seconds": compiling.seconds,
                    "checkpoint_seconds": folder.saving,
                    "steps_per_second": rate,
                    "agent_steps_per_second": rate * everyone,
                    "seconds": _since(began if started is None else started),
                }
            )
            folder.finish(run, summary)
    return run, summary


def weights_sha256(run: Run) -> str:
    """One checksum of everything that was learned: the weights in flat order, then the minds' arrays, little-endian.

    Two runs with the same checksum hold the same bits, to the last digit.
    """
    checksum = hashlib.sha256()
    weights = run.world.weights(run.state)
    groups = [group.name for group in run.world.groups if group.name in weights]
    for array in [weights[name] for name in groups] + jax.tree.leaves(run.mind) + jax.tree.leaves(run.memory):
        values = np.asarray(array)
        checksum.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return checksum.hexdigest()


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


def _looks(done: int, ends: list[int], interval: int, rollout_length: int) -> Iterable[int]:
    """The rounds after which a run is looked at, from `done` on: every so many, and wherever it was once to end.

    Not the past decides where they lie, but the numbers of steps that were asked for, and nothing else.
    """
    every = _look_interval(ends[0], interval, rollout_length)
    while done < ends[-1]:
        done = min(done - done % every + every, *(end for end in ends if end > done))
        yield done


def _look_interval(steps: int, interval: int, rollout_length: int) -> int:
    """Cut a run into about LOOKS equal chunks, whole intervals where possible, so that one program serves them all."""
    unit = interval if interval and steps % interval == 0 else rollout_length
    units = steps // unit
    wanted = max(1, round(units / max(LOOKS, steps / MOST_ROUNDS)))
    even = [size for size in range(1, min(units, 4 * wanted) + 1) if units % size == 0]
    return unit * (min(even, key=lambda size: abs(size - wanted)) if even[-1] * 4 > wanted else wanted)


def _since(moment: float) -> float:
    """Seconds since a moment; none, where the clock was set back."""
    return max(time.perf_counter() - moment, 0.0)


class _Stopping:
    """While it is open, Ctrl-C and SIGTERM ask for a stop after the present chunk; asked twice, they stop at once."""

    def __init__(self, folder: Path, tell: Tell):
        self.asked = False
        self._folder, self._tell = folder, tell
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Stopping":
        if threading.current_thread() is threading.main_thread():  # Python gives signals to no other
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: whoever set it is not Python

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt(f"Stopped: `synagents resume {self._folder}` goes on from the last checkpoint.")
        self.asked = True
        self._tell("Stopping after the rounds in hand; once more to stop at once.")


class _Compiling:
    """Counts the seconds that JAX spends on making programs while it is open."""

    def __enter__(self) -> "_Compiling":
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            self.seconds += duration_secs
