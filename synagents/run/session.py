"""One process's work on a run: it goes on where the last checkpoint stands, adds rows, saves, finishes.

Why no row is lost and none is written twice: rows are forced to the disk before the checkpoint that counts them, a
checkpoint counts from the moment it has its name, and on resume the logs are truncated to the lengths that the
checkpoint recorded. What was played after it is played again, and is the same: a round depends on nothing but the
arrays in the checkpoint and its own number.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypedDict

import jax
import numpy as np

from synagents.run import checkpoints
from synagents.run.checkpoints import CheckpointError
from synagents.run.config import CONFIG, Config, as_json, versions
from synagents.run.files import ASIDE, Json, RunError, write_whole
from synagents.run.log import NOTHING, Log, Mark, Row, is_mark
from synagents.run.manifest import Manifest
from synagents.run.snapshots import Snapshots
from synagents.run.spec import R, Spec
from synagents.run.telling import Tell

KEEP = 3  # checkpoints beside the best one
LEAST_SECONDS = 10.0  # between checkpoints
MOST_SHARE = 0.01  # of the time that checkpoints may take
CHECKPOINTS, BEST = "checkpoints", "best.safetensors"


class BestLook(TypedDict):
    """The look with the highest score so far."""

    step: int
    score: float


class Notes(TypedDict):
    """What a checkpoint says beside the arrays."""

    metrics: Mark
    timings: Mark
    training: float  # seconds of training up to there
    best: BestLook | None


class CheckpointFiles(NamedTuple):
    """The checkpoints in a run's directory."""

    steps: list[Path]  # of the last looks, newest first
    best: list[Path]  # the best look's, if there is one


class Session(Generic[R]):
    """A run in a locked directory, from the last whole checkpoint on; `RunDirectory.open` gives it.

    Attributes:
        path: the directory.
        spec: what is to be played.
        run: as it stands: what was read at first, then what was recorded last.
        metrics: the log metrics.csv.
        training: seconds of training up to now, those of earlier processes included.
        saving: seconds that this process has spent on checkpoints.
    """

    def __init__(self, path: Path, spec: Spec[R, Any], born: R, config: Config, tell: Tell):
        """Go on with a run.

        Args:
            path: the directory, with config.json in it.
            spec: what is to be played.
            born: the run before its first round.
            config: the content of config.json.
            tell: is told of every checkpoint that cannot be used, and where the run goes on.

        Raises:
            RunError: if checkpoints are whole, but the rows that they count are not there any more.
        """
        self.path = path
        self.spec: Spec[R, Any] = spec
        self.run: R = born
        self.metrics, self._timings = Log(path / "metrics.csv"), Log(path / "timings.csv")
        self.training, self.saving = 0.0, 0.0
        self._extended_from = tuple(config["extended_from"])
        self._best: BestLook | None = None
        self._unsaved_best: tuple[R, Notes] | None = None
        self._saved_at, self._cost = time.perf_counter(), 0.0  # when the last checkpoint was taken, and its seconds
        for half in path.rglob(f"*{ASIDE}"):  # what was being written when the run was killed
            half.unlink()
        self._manifest = Manifest(path)
        self._manifest.note(path / CONFIG)
        self._go_on(tell)
        looks = [] if spec.record == "none" else [0, *spec.looks(0, self._extended_from)]
        self._snapshots = Snapshots(path, self._manifest, looks, self.run.t)
        self._kept_looks: frozenset[int] | None = None  # known when the size of a snapshot is
        if looks and self.run.t == 0:
            self.snap(born, np.zeros(0, np.float32))
        self._manifest.sessions.append({"from_step": self.run.t, "versions": versions()})

    def _go_on(self, tell: Tell) -> None:
        """Take up the newest checkpoint that is whole and whose rows are there; otherwise begin at the start."""
        born, files, played = self.run, checkpoint_files(self.path), self.metrics.path.is_file()
        whole = False
        for file in (*files.steps, *files.best):
            try:
                saved, notes = read_checkpoint(self.path, file, born)
            except CheckpointError as error:
                tell(str(error))
                continue
            whole = True
            if self.metrics.cut(notes["metrics"]):
                self.run, self._best, self.training = saved, notes["best"], notes["training"]
                if not self._timings.cut(notes["timings"]):
                    tell(f"{self._timings.path} is not as it was left: it begins anew.")
                    self._timings.cut(NOTHING)
                break
            tell(f"{self.metrics.path} does not hold the rows up to {file}: using another one.")
        else:
            if whole:
                raise RunError(
                    f"{self.metrics.path} does not hold the rows that its run wrote: put it back, or remove "
                    f"{self.path / CHECKPOINTS} to play the run again from its start."
                )
            self.metrics.cut(NOTHING)
            self._timings.cut(NOTHING)
        if played:
            tell(f"The run in {self.path} goes on from step {self.run.t:,}.")
        self._kept = [file for file in reversed(files.steps) if file.name <= _step_name(self.run.t)]
        if self._best and not self._best_is_there(born, tell):
            self._best = None

    def looks(self) -> Iterator[int]:
        """The rounds after which the run is still to be looked at."""
        return self.spec.looks(self.run.t, self._extended_from)

    def record(self, run: R, rows: list[Row], score: float, seconds: float) -> None:
        """Add a look's rows to the logs, and remember the run if it is the best so far.

        Args:
            run: as it is at this look.
            rows: for metrics.csv, one for each of its runs.
            score: higher is better; not finite for none.
            seconds: of training since the last look.
        """
        rounds = run.t - self.run.t
        self.run = run
        self.training += seconds
        timing: Row = {
            "step": run.t,
            "seconds": f"{self.training:.6g}",
            "steps_per_second": f"{rounds / seconds:.6g}",
        }
        with writing(self.path):
            self.metrics.append(rows)
            self._timings.append([timing])
        if np.isfinite(score) and (self._best is None or score > self._best["score"]):
            self._best = {"step": run.t, "score": score}
            self._unsaved_best = run, self._notes()

    def snap(self, run: R, rewards: np.ndarray) -> None:
        """Keep what the agents look like, where this look is one of those that are kept.

        Args:
            run: as it is at this look.
            rewards: f32[T], the first world's since the last look.
        """
        if self.spec.record == "none" or (self._kept_looks is not None and run.t not in self._kept_looks):
            return
        seen = self.spec.snapshot(run, rewards)
        self._kept_looks = self._snapshots.due(seen)
        if run.t in self._kept_looks:
            with writing(self.path):
                self._snapshots.write(run.t, seen)

    def save_if_due(self, seconds: float | None) -> None:
        """Save if so many seconds have passed since the last checkpoint (None: ten, or more where saving is slow)."""
        wait = max(LEAST_SECONDS, self._cost / MOST_SHARE) if seconds is None else seconds
        if not 0 <= time.perf_counter() - self._saved_at < wait:  # a clock that jumps back is no reason to wait
            self.save()

    def save(self) -> None:
        """Write a checkpoint, and the best look's if there is a new one; old ones are removed."""
        began, directory = time.perf_counter(), self.path / CHECKPOINTS
        file = directory / _step_name(self.run.t)
        if self._kept and self._kept[-1] == file and not self._unsaved_best:
            return
        with writing(self.path):
            self.metrics.sync()
            self._timings.sync()
            self._snapshots.sync()
            directory.mkdir(exist_ok=True)
            if self._unsaved_best:
                best, notes = self._unsaved_best
                checkpoints.save(best, directory / BEST, dict(notes))
                self._manifest.note(directory / BEST)
                self._unsaved_best = None
            checkpoints.save(self.run, file, dict(self._notes()))
            self._manifest.note(file)
            self._kept = [*(older for older in self._kept if older != file), file][-KEEP:]
            for old in set(checkpoint_files(self.path).steps) - set(self._kept):
                old.unlink()
            self._manifest.write(self.metrics, self._timings)
        self._saved_at = time.perf_counter()
        self._cost = max(self._saved_at - began, 0.0)
        self.saving += self._cost

    def finish(self, summary: Json) -> None:
        """Save, then write what came of the run: weights, tables, summary."""
        self.save()
        with writing(self.path):
            for name, content in self.spec.files(self.run):
                self._write(name, content)
            self._write("summary.json", as_json(summary))
            self._manifest.write(self.metrics, self._timings)

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.path / name, content)
        self._manifest.note(self.path / name)

    def _best_is_there(self, born: R, tell: Tell) -> bool:
        try:
            read_checkpoint(self.path, self.path / CHECKPOINTS / BEST, born)
        except (CheckpointError, FileNotFoundError) as error:
            tell(f"The best look so far is lost, the best from here on is kept: {error}")
            return False
        return True

    def _notes(self) -> Notes:
        return {
            "metrics": self.metrics.mark,
            "timings": self._timings.mark,
            "training": self.training,
            "best": self._best,
        }


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """While it is open, an OSError becomes a RunError that says, in a sentence, why the directory cannot be written."""
    try:
        yield
    except OSError as error:
        if not directory.is_dir():
            raise RunError(f"{directory} was removed while its run was going on: begin anew.") from error
        raise RunError(
            f"{directory} cannot be written ({error.strerror or type(error).__name__}): put that right, then "
            f"`synagents resume {directory}` goes on from the last checkpoint."
        ) from error


def checkpoint_files(directory: Path) -> CheckpointFiles:
    """The checkpoints that there are in a run's directory, whole or not."""
    folder = directory / CHECKPOINTS
    return CheckpointFiles(sorted(folder.glob(_step_name("*")), reverse=True), list(folder.glob(BEST)))


def read_checkpoint(directory: Path, file: Path, born: R) -> tuple[R, Notes]:
    """The run in a checkpoint, and what it counts; CheckpointError if it is not one of this directory's run."""
    saved, notes = checkpoints.read(file, born)
    best = notes.get("best")
    ours = (
        (jax.random.key_data(saved.key) == jax.random.key_data(born.key)).all()
        and all(is_mark(notes.get(log)) for log in ("metrics", "timings"))
        and isinstance(notes.get("training"), float)
        and (best is None or (isinstance(best, dict) and isinstance(best.get("score"), float)))
    )
    if not ours:
        raise CheckpointError(f"{file} is not a checkpoint of the run in {directory}: use another one.")
    metrics, timings, training = notes["metrics"], notes["timings"], notes["training"]
    return saved, {"metrics": metrics, "timings": timings, "training": training, "best": best}


def _step_name(step: int | str) -> str:
    return f"step-{step if isinstance(step, str) else f'{step:010d}'}.safetensors"
