"""A run's directory, read by somebody else: nothing is locked and nothing is changed, the run may be going on."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

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


def open_run(directory: str | Path, spec: Spec[R, Any]) -> tuple[R, Json | None]:
    """A run as its last whole checkpoint has it, and its summary.

    Args:
        directory: of the run, which may be going on.
        spec: what the run was begun with; the number of rounds may differ.

    Returns:
        The run (before its first round, where it has not saved yet), and what summary.json says, or None where the
        run is not finished.

    Raises:
        FileNotFoundError: if the directory holds no run.
        ValueError: if the run was begun with other settings.
        RunError: if its files cannot be understood, or all its checkpoints are damaged.
    """
    opened = RunDirectory(directory)
    config = opened.config()
    require_same(opened.path, config, spec.to_config())
    born = spec.begin()
    files = checkpoint_files(opened.path)
    for file in (*files.steps, *files.best):
        try:
            run, _ = read_checkpoint(opened.path, file, born)
        except (CheckpointError, FileNotFoundError):  # damaged, or removed by the run that is going on
            continue
        return run, opened.finished() if run.t == config["rounds"] else None
    if files.steps or files.best:
        raise RunError(
            f"No checkpoint in {opened.path / CHECKPOINTS} is whole: `synagents resume {opened.path}` plays the run "
            "again from its start."
        )
    return born, None
