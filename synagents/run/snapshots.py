"""What the agents of a run looked like at a few of its looks: small files that any safetensors reader opens.

snapshots/step-<rounds>.safetensors, of the first world of the first run:

weights.GROUP   int8[shape], the weights as multiples of a scale: w = scale q, scale = max |w| / 127
seen.GROUP      u8/u16/u32[n], what agents observe, where that is a number of a Discrete space
act.GROUP       u8[n], what agents choose in the next round, where they have at most 64 choices
trace.GROUP     int8[shape], the traces of plastic synapses, scaled alike
rewards         f32[T], the team's rewards of the last T <= 1,024 rounds
table           f32[S, A], the table of action values, where the learner has one of at most 100 kB

of an outer loop one fresh life of T rounds as well, the same one in all snapshots; of a long one R <= T of its rounds:

life.reward           f32[T], what was earned
life.rounds           i32[R], the rounds after which the arrays below were seen, in 1 .. T
life.map              i8[R, rows, columns], -1 walls, 1 where the agent is, on tasks that have a map
life-number.NAME      f32[T], what the world monitors, such as the modulator
life-activity.NAME    int8[R, n], the stimulus, the units, the choices, scaled
life-trace.GROUP      int8[R, *shape], the traces, scaled

The file's text "about" is JSON: its "format", its "step", and "scales" by name. At most 64 files are kept,
evenly spaced over the looks of a run, and at most 50 MB of them. (The format: safetensors, Hugging Face 2022.)
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import safetensors
import safetensors.numpy

from synagents.run.files import path_of, sync_directory, write_whole
from synagents.run.log import fits_mark
from synagents.run.manifest import Manifest

FORMAT = "synagents-snapshot/1"
FOLDER = "snapshots"
MOST = 64  # files of a run
MOST_BYTES = 50_000_000  # of all files of a run
MOST_TABLE = 100_000  # bytes of a table that is kept
MOST_CHOICES = 64  # of an agent whose actions are kept
MOST_REWARDS = 1024  # rounds whose rewards are kept
MOST_LIFE = 300_000  # bytes of traces and activity of a life
SCALED = ("weights", "trace", "life-activity", "life-trace")
LEVELS = 127  # of a scaled number, to either side of 0
Record: TypeAlias = Literal["none", "default", "all"]
RECORDS: tuple[Record, ...] = ("none", "default", "all")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One file; nothing changes it, so what was computed of it can be kept.

    Attributes:
        step: rounds played.
        arrays: as they stand in the file, by name.
        scales: what the integers of an array are multiplied by, by name; an array that is not named is not scaled.
    """

    step: int
    arrays: dict[str, np.ndarray]
    scales: dict[str, float]

    def of(self, kind: str) -> dict[str, np.ndarray]:
        """The arrays "KIND.NAME" by NAME, as numbers in their own units."""
        own = {name.partition(".")[2]: name for name in self.arrays if name.partition(".")[0] == kind}
        return {name: self.arrays[full] * np.float32(self.scales.get(full, 1)) for name, full in own.items()}


class Snapshots:
    """The snapshots of a run that is being played; those of rounds that are yet to be played are removed."""

    def __init__(self, directory: Path, manifest: Manifest, looks: Iterable[int], done: int):
        """Take up what is there.

        Args:
            directory: of the run.
            manifest: of the run; keeps the mark of every snapshot.
            looks: all rounds after which the whole run is looked at; empty where nothing is to be kept.
            done: rounds played.
        """
        self._folder, self._manifest = directory / FOLDER, manifest
        self._looks = tuple(looks)
        self._written: list[Path] = []
        for file in sorted(self._folder.glob(_name("*"))):
            mark = manifest.files.get(file.relative_to(directory).as_posix())
            snapshot = read_snapshot(file)
            if snapshot is None or snapshot.step > done or (mark and not fits_mark(file, mark)):
                file.unlink()
            else:
                manifest.note(file)

    def due(self, arrays: Mapping[str, np.ndarray]) -> frozenset[int]:
        """The looks that are kept, evenly spaced, first and last among them, where each is as large as these arrays."""
        if not self._looks:
            return frozenset()
        size = sum(array.nbytes for array in scaled(arrays)[0].values())
        count = min(len(self._looks), MOST, MOST_BYTES // max(size, 1))
        return frozenset(self._looks[round(place)] for place in np.linspace(0, len(self._looks) - 1, count))

    def write(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep what was seen after so many rounds.

        Args:
            step: rounds played.
            arrays: by name; kinds in SCALED are scaled. Every snapshot of a run has the same names and shapes.
        """
        stored, scales = scaled(arrays)
        text = {"about": json.dumps({"format": FORMAT, "step": step, "scales": scales})}  # several would have no order
        self._folder.mkdir(exist_ok=True)
        file = self._folder / _name(f"{step:010d}")
        write_whole(file, safetensors.numpy.save(stored, text), sync=False)
        self._manifest.note(file)
        self._written.append(file)

    def sync(self) -> None:
        """Force what was written to the disk, before a checkpoint counts on it."""
        for file in self._written:
            with file.open("ab") as opened:
                os.fsync(opened.fileno())
        if self._written:
            sync_directory(self._folder)
        self._written = []


def read_snapshot(file: Path) -> Snapshot | None:
    """The snapshot in a file; None where it cannot be read or is of another format."""
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            about = json.loads((opened.metadata() or {})["about"])
            if about["format"] != FORMAT:
                return None
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}
        scales = {str(name): float(scale) for name, scale in about["scales"].items()}
        return Snapshot(int(about["step"]), arrays, scales)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, safetensors.SafetensorError):
        return None


def read_snapshots(directory: str | Path) -> list[Snapshot]:
    """The snapshots of a run, which may be going on, the first ones first; files that cannot be read are left out.

    A file that is as it was when it was read last is not read again: who follows a run asks for all at every look.
    """
    read = []
    for file in sorted((path_of(directory) / FOLDER).glob(_name("*"))):
        try:
            status = file.stat()
        except FileNotFoundError:  # the run was begun anew
            continue
        read.append(_read(file.absolute(), status.st_mtime_ns, status.st_size))
    return [snapshot for snapshot in read if snapshot]


@lru_cache(maxsize=MOST)
def _read(file: Path, changed: int, size: int) -> Snapshot | None:
    del changed, size
    return read_snapshot(file)


def scaled(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Arrays as they are stored, and the scales of those that are scaled: the error is at most max |w| / 254."""
    stored, scales = {}, {}
    for name, array in arrays.items():
        if name.partition(".")[0] in SCALED:
            largest = float(np.max(np.abs(array), initial=0.0))
            scales[name] = largest / LEVELS or 1.0
            array = np.round(np.asarray(array, np.float64) / scales[name]).astype(np.int8)
        stored[name] = np.ascontiguousarray(array)
    return stored, scales


def _name(step: str) -> str:
    return f"step-{step}.safetensors"
