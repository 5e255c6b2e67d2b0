"""Scores as a file: the layout that marl-eval reads, so that other tools can plot the same runs.

    {"synagents": {task id: {line: {"seed_0": {"step_0": {"step_count": cost, "accuracy": [a], "loss": [l]}, ...,
                                               "absolute_metrics": {"accuracy": [last], "loss": [last]}}, ...}}}}

(Gorsane et al. 2022, "Towards a Standardised Performance Evaluation Protocol for Cooperative MARL".) `step_count` is
what the run had spent, in the task's currency. On tasks of decisions "return" stands in the place of "accuracy".
"""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from synagents.hyperparameters import require
from synagents.run.files import write_whole

ENVIRONMENT = "synagents"
METRICS = ("accuracy", "return")  # what lines are judged by
MOST_BYTES = 200_000_000  # a hundred lines of a hundred runs; nothing larger is read


class Curves(NamedTuple):
    """How the runs of one line went on one task; point 0 is before anything was learned."""

    cost: Integer[np.ndarray, "points"]  # spent, in the task's currency
    score: Float[np.ndarray, "runs points"]  # held-out accuracy in [0, 1], or the mean return of unseen episodes
    loss: Float[np.ndarray, "runs points"]  # held out; where the score is a return, minus that
    metric: str = METRICS[0]  # which of them the score is

    def cost_to(self, target: float) -> Float[np.ndarray, "runs"]:
        """What each run had spent when it was first seen to reach a score; infinite where it never was."""
        reached = self.score >= target
        return np.where(reached.any(axis=1), self.cost[reached.argmax(axis=1)], np.inf)


Scores = dict[str, dict[str, Curves]]  # {task id: {line: curves}}


def write(path: Path, scores: Scores) -> None:
    """Write all scores, whole or not at all; OSError where the file cannot be written."""
    whole: dict[str, Any] = {ENVIRONMENT: {}}
    for task, lines in scores.items():
        whole[ENVIRONMENT][task] = {line: _to_json(curves) for line, curves in lines.items()}
    text = json.dumps(whole).encode()
    write_whole(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def read(path: Path) -> Scores:
    """The scores in a file that `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no scores.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There are no scores at {path}: `synagents bench --out {path}` makes some.")
    sentence = f"{path} holds no scores of this benchmark: `synagents bench --out FILE` makes some."
    require(path.stat().st_size <= MOST_BYTES, sentence)
    try:
        content = path.read_bytes()
        tasks = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)[ENVIRONMENT]
        return {task: {line: _from_json(runs) for line, runs in lines.items()} for task, lines in tasks.items()}
    except (ValueError, OSError, EOFError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(sentence) from error


def merged(files: Sequence[Scores], names: Sequence[str]) -> Scores:
    """The scores of several files together; a line that several files have gets its file's name beside its own."""
    counts = Counter(line for scores in files for line in {line for lines in scores.values() for line in lines})
    together: Scores = {}
    for scores, name in zip(files, names, strict=True):
        for task, lines in scores.items():
            for line, curves in lines.items():
                label = line if counts[line] == 1 else f"{line} ({name})"
                together.setdefault(task, {})[label] = curves
    return together


def _to_json(curves: Curves) -> dict[str, Any]:
    runs, names = {}, (curves.metric, "loss")
    for index, looks in enumerate(zip(curves.score, curves.loss, strict=True)):
        steps: dict[str, Any] = {
            f"step_{point}": {"step_count": int(cost)}
            | {name: [round(float(value), 6)] for name, value in zip(names, seen, strict=True)}
            for point, (cost, *seen) in enumerate(zip(curves.cost, *looks, strict=True))
        }
        last = steps[f"step_{len(curves.cost) - 1}"]
        runs[f"seed_{index}"] = steps | {"absolute_metrics": {name: last[name] for name in names}}
    return runs


def _from_json(runs: dict[str, Any]) -> Curves:
    points = [[run[f"step_{point}"] for point in range(len(run) - 1)] for run in runs.values()]
    cost = np.array([[point["step_count"] for point in run] for run in points])
    (metric,) = (name for name in METRICS if name in points[0][0])
    score, loss = (np.array([[p[n][0] for p in run] for run in points], float) for n in (metric, "loss"))
    if cost.ndim != 2 or not cost.size or (cost != cost[0]).any() or score.shape != cost.shape:
        raise ValueError("runs of one line must be looked at after equal costs")
    return Curves(cost[0], score, loss, metric)
