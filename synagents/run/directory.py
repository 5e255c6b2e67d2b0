"""The directory of a run: files any tool reads, written so that whatever stops the run, it can go on exactly.

config.json    every setting, the data and the versions: enough to run it again
metrics.csv    one row per look and run: step (rounds played), run, loss, reward rate, held-out metrics; columns
               `learner.NAME` hold what the learner reports, `world.NAME` what the world reports beside its loss,
               `probe.NAME` what a probe saw
timings.csv    one row per look: step, seconds of training, steps per second; what differs from machine to machine
checkpoints/   step-<rounds>.safetensors, the last three, and best.safetensors, the best look so far
summary.json   the closing numbers
weights.npz    every group's weights, f32[K, W, *shape]; f32[K, *shape] where they are the learner's
table.json     the learned table, for learners that have one (table_<run>.json where there are several runs)
lives.csv      the reward of every round of a life before the first and after the last update of an outer loop
tensorboard/   event files, where somebody asked for them (`synagents.report.tensorboard`)
snapshots/     what the agents looked like at up to 64 looks (`synagents.run.snapshots`)
manifest.json  the sha256 of every file, and the versions of every process that worked on the run

    with RunDirectory(path).open(spec, tell) as session:     locked; made, or gone on with
        for end in session.looks(): ... session.record(...)
        session.finish(summary)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from synagents.hyperparameters import require
from synagents.run.config import CONFIG, Config, as_json, first_rounds_of, read_config, read_json, require_same
from synagents.run.files import ASIDE, Json, RunError, path_of, write_whole
from synagents.run.manifest import Manifest
from synagents.run.session import Session, checkpoint_files, writing
from synagents.run.snapshots import FOLDER
from synagents.run.spec import R, Spec
from synagents.run.telling import Tell

LOCK = ".lock"
TENSORBOARD = "tensorboard"
OURS = (
    "config.json",
    "metrics.csv",
    "timings.csv",
    "summary.json",
    "manifest.json",
    "weights.npz",
    "lives.csv",
    "picture.png",
    "report.html",
)


class RunDirectory:
    """A directory that receives a run's files, or has them already; made when the run is opened.

    Attributes:
        path: of the directory, with `~` expanded.

    Raises:
        ValueError: if the directory holds anything else and `overwrite` is off, or is no directory.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False):
        self.path = path_of(path)
        self._overwrite = overwrite
        self._config: tuple[tuple[int, int], Config] | None = None  # as the file was (time, size), and what it says
        require(
            not self.path.exists() or self.path.is_dir(),
            f"{self.path} is a file: name a new or empty directory with --out.",
        )
        require(
            overwrite or self.holds_run or not self._holds_other_files(),
            f"{self.path} is not empty: name a new directory with --out, or add --overwrite.",
        )

    @property
    def holds_run(self) -> bool:
        """Whether a run has begun here that this call may go on with."""
        return not self._overwrite and (self.path / CONFIG).is_file()

    def config(self) -> Config:
        """What config.json says; it is read again only where the file has changed.

        Raises:
            FileNotFoundError: if there is no run.
            RunError: if it cannot be understood.
        """
        file = self.path / CONFIG
        stamp = (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else (0, 0)
        if self._config is None or self._config[0] != stamp:
            self._config = stamp, read_config(self.path)
        return self._config[1]

    def finished(self) -> Json | None:
        """The summary, if the run has played all that it was asked for."""
        summary = read_json(self.path / "summary.json")
        return summary if summary and summary.get("steps") == self.config()["rounds"] else None

    def damaged(self) -> list[str]:
        """The files that are not as the manifest has them."""
        return Manifest(self.path).damaged()

    @contextmanager
    def open(self, spec: Spec[R, Any], tell: Tell) -> Iterator[Session[R]]:
        """Have the directory for oneself, and a run in it: a new one, or the one that has begun here.

        A run that has begun is extended where the spec asks for more rounds. Nothing is written if the spec is refused.

        Args:
            spec: what is to be played.
            tell: is told, in a sentence each, what one should know of a run that goes on.

        Raises:
            ValueError: if the run that has begun here has other settings, or was asked for more rounds.
            RunError: if the directory is in use, damaged, or cannot be written.
        """
        asked = spec.to_config()
        if self.holds_run:  # refused before anything is compiled
            self._check(asked)
        born = spec.begin()
        with self._locked():
            yield Session(self.path, spec, born, self._agree(asked, tell), tell)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the directory; it is made if need be, and emptied of an earlier run if that was asked for."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"{self.path} is in use by another process: wait until it is done, or name another directory."
            ) from None
        try:
            if self._overwrite:
                ours, snapshots = map(self.path.joinpath, OURS), self.path.glob(f"{FOLDER}/step-*.safetensors")
                events = self.path.glob(f"{TENSORBOARD}/**/events.out.tfevents.*")
                for old in chain(ours, self.path.glob("table*.json"), snapshots, events, *checkpoint_files(self.path)):
                    old.unlink(missing_ok=True)
                self._overwrite = False
            yield
        finally:
            lock.release()

    def _check(self, asked: Config) -> Config:
        """The configuration of the run that has begun here; ValueError unless what is asked for goes on with it."""
        config = self.config()
        require_same(self.path, config, asked)
        rounds, before = asked["rounds"], config["rounds"]
        require(
            rounds >= before,
            f"The run in {self.path} has been asked for {before:,} steps: ask for as many or more, not for {rounds:,}.",
        )
        return config

    def _agree(self, asked: Config, tell: Tell) -> Config:
        """What is to be run: as asked for; where a run has begun, as it began, extended if more is asked for."""
        if not self.holds_run:
            return self._write(asked)
        config = self._check(asked)
        if asked["rounds"] > config["rounds"]:
            longer = {"rounds": asked["rounds"], "extended_from": [*config["extended_from"], config["rounds"]]}
            config = self._write(config | longer)
        changed = [
            f"{name} {config['versions'].get(name, 'unknown')}, not {now}"
            for name, now in asked["versions"].items()
            if config["versions"].get(name) != now
        ]
        if changed:
            tell(f"The run in {self.path} began with {'; '.join(changed)}: its last digits may differ from here on.")
        return config

    def _write(self, config: Config) -> Config:
        with writing(self.path):
            write_whole(self.path / CONFIG, as_json(config))
        return config

    def _holds_other_files(self) -> bool:
        """Whether there is anything but what a run leaves that was stopped before it began."""
        if not self.path.is_dir():
            return False
        return any(file.name != LOCK and file.suffix != ASIDE for file in self.path.iterdir())


__all__ = ["RunDirectory", "RunError", "first_rounds_of", "read_config"]
