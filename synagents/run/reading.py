"""A run's directory, read by somebody else: nothing is locked and nothing is changed, the run may be going on."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from synagents.hyperparameters import require_whole
from synagents.run.checkpoints import CheckpointError
from synagents.run.config import require_same
from synagents.run.directory import RunDirectory
from synagents.run.files import Json, RunError
from synagents.run.session import CHECKPOINTS, checkpoint_files, read_checkpoint
from synagents.run.spec import R, Spec

WHOLE_NUMBERS = ("step", "run")


def read_metrics(directory: str | Path) -> dict[str, np.ndarray]:
    """metrics.csv by column, such as `pandas.DataFrame` takes: one entry for each look and run.

    Args:
        directory: of a run, which may be going on.

    Returns:
        {column: f64[rows]}, nan where nothing was recorded; "step" (rounds played) and "run" are i64. Empty before the
        first look.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RunError: if its config.json or its rows cannot be understood.
    """
    path = RunDirectory(directory)
    path.config()  # refuses what is no run, and a run of another version
    file = path.path / "metrics.csv"
    content = file.read_bytes() if file.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]  # a row may be half written
    try:
        header, *rows = csv.reader(io.StringIO(whole.decode(), newline="")) if whole else [[]]
        table = [[float(value or "nan") for value in row] for row in rows]
        columns = {name: np.array(values) for name, *values in zip(header, *table, strict=True)} if rows else {}
    except (ValueError, csv.Error) as error:
        raise RunError(f"{file} has rows that are not equally many numbers ({error}): put it back.") from error
    return {name: values.astype(np.int64) if name in WHOLE_NUMBERS else values for name, values in columns.items()}


def open_run(directory: str | Path, spec: Spec[R, Any], step: int | None = None) -> tuple[R, Json | None]:
    """A run as its last whole checkpoint has it, or as it was after some step, and its summary.

    Args:
        directory: of the run, which may be going on.
        spec: what the run was begun with; the number of rounds may differ.
        step: rounds (updates of an outer loop) that it has played, in 0 .. those that it was asked for: it is played
            again from the last checkpoint before, which gives the same run; None for the last whole checkpoint.

    Returns:
        The run (before its first round, where it has not saved yet), and what summary.json says, or None where the
        run is not finished.

    Raises:
        FileNotFoundError: if the directory holds no run.
        ValueError: if the run was begun with other settings, or has no such step.
        RunError: if its files cannot be understood, or all its checkpoints are damaged.
    """
    opened = RunDirectory(directory)
    config = opened.config()
    require_same(opened.path, config, spec.to_config())
    if step is not None:
        require_whole("step", step, 0, config["rounds"])
    born = spec.begin()
    saved = _last_saved(opened.path, born, step)
    if saved is None and step is None and any(checkpoint_files(opened.path)):
        raise RunError(
            f"No checkpoint in {opened.path / CHECKPOINTS} is whole: `synagents resume {opened.path}` plays the run "
            "again from its start."
        )
    run = born if saved is None else saved
    if step is not None and run.t < step:
        run, _ = spec.advance(run, step - run.t)
    return run, opened.finished() if run.t == config["rounds"] else None


def _last_saved(directory: Path, born: R, step: int | None) -> R | None:
    """The last whole checkpoint, at most of so many steps where they are given."""
    files = checkpoint_files(directory)
    for file in (*files.steps, *files.best):
        try:
            run, _ = read_checkpoint(directory, file, born)
        except (CheckpointError, FileNotFoundError):  # damaged, or removed by the run that is going on
            continue
        if step is None or run.t <= step:
            return run
    return None
