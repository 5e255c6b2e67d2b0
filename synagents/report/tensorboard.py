"""A run in TensorBoard: every number of metrics.csv as a curve, in event files beside it.

Needs tensorboardX (`pip install synagents[tensorboard]`), which nothing else here imports; `tensorboard --logdir RUN`
shows them. A run that goes on writes a file more, which says that later steps of earlier files count no more.
"""

import math
from pathlib import Path
from typing import Any

from synagents.run.callbacks import Callback
from synagents.run.config import Config
from synagents.run.directory import TENSORBOARD
from synagents.run.files import Json

COUNTED = ("step", "run")


class TensorBoard(Callback):
    """Writes RUN/tensorboard, or RUN/tensorboard/run-<k> where there are several runs.

    Raises:
        ValueError: when it is made, if tensorboardX is missing.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ValueError("TensorBoard needs tensorboardX: pip install 'synagents[tensorboard]'.") from None
        self._new = SummaryWriter
        self._writers: list[Any] = []

    def on_begin(self, directory: Path, config: Config, step: int) -> None:
        """Open a file for each run."""
        folder, runs = directory / TENSORBOARD, config["num_runs"]
        folders = [folder] if runs == 1 else [folder / f"run-{k}" for k in range(runs)]
        self._writers = [self._new(str(own), purge_step=step + 1) for own in folders]

    def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
        """Write the numbers that are finite."""
        for writer, row in zip(self._writers, rows, strict=True):
            for name, value in row.items():
                if name not in COUNTED and math.isfinite(value):
                    writer.add_scalar(name.replace(".", "/", 1), value, step)  # curves of one kind in one section
            writer.flush()

    def on_end(self, summary: Json | None) -> None:
        """Close the files."""
        del summary
        for writer in self._writers:
            writer.close()
