"""The directory of a run: files any tool reads, written so that whatever stops the run, it can go on exactly.

config.json    every setting, the data and the versions: enough to run it again
metrics.csv    one row per look and run: step, run, loss, reward rate, held-out metrics, probes
timings.csv    one row per look: step, seconds of training, steps per second; what differs from machine to machine
checkpoints/   step-<rounds>.safetensors, the last three, and best.safetensors, the best look so far
summary.json   the closing numbers
weights.npz    every group's weights, f32[K, W, *shape]; f32[K, *shape] where they are the learner's
table.json     the learned table, for learners that have one (table_<run>.json where there are several runs)
manifest.json  the sha256 of every file, and the versions that had a hand in it

Why nothing is lost and nothing told twice: rows are forced to the disk before the checkpoint that counts them, a
checkpoint counts from the moment it has its name, and who goes on cuts the rows back to those that the checkpoint
counts. What was played after it is played again, and is the same: a round depends on nothing but the arrays in the
checkpoint and its own number.
"""

import csv
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import jax
import numpy as np
from filelock import FileLock, Timeout

from synagents.run import checkpoints
from synagents.run.checkpoints import CheckpointError
from synagents.run.files import ASIDE, write_whole
from synagents.loop import Run
from synagents.settings import require
from synagents.run.tables import save_table

FORMAT = "synagents-run/1"
KEEP = 3  # checkpoints beside the best one
LEAST_SECONDS = 10.0  # between checkpoints
MOST_SHARE = 0.01  # of the time that checkpoints may take
MOST_JSON = 10_000_000  # bytes of a JSON file that are read
CHECKPOINTS, BEST, MANIFEST, LOCK = "checkpoints", "best.safetensors", "manifest.json", ".lock"
ARRAY = "array "  # what the description of an array begins with
NOTHING = {"bytes": 0, "sha256": hashlib.sha256().hexdigest()}

Tell = Callable[[str], None]
Mark = dict[str, Any]  # how far a log goes: its bytes, and their sha256


class RunError(Exception):
    """A run's directory cannot be used; the message is one sentence: which, what is wrong, what to do."""


class Folder:
    """A directory that receives a run's files, or has them already; made when the first file is written.

    Raises:
        ValueError: if the directory holds anything else and `overwrite` is off, or is no directory.
    """

    OURS = ("config.json", "metrics.csv", "timings.csv", "summary.json", "manifest.json", "weights.npz", "picture.png")

    def __init__(self, path: str | Path, *, overwrite: bool = False):
        self.path = Path(path)
        self._overwrite = overwrite
        require(
            not self.path.exists() or self.path.is_dir(),
            f"{self.path} is a file: name a new or empty directory with --out.",
        )
        require(
            overwrite or self.holds_run or not self._holds_other_things(),
            f"{self.path} is not empty: name a new directory with --out, or add --overwrite.",
        )
        self.metrics, self.timings = _Log(self.path / "metrics.csv"), _Log(self.path / "timings.csv")
        self.training = 0.0  # seconds of training that the rows tell of
        self.saving = 0.0  # seconds spent on checkpoints by this process
        self._best: dict[str, Any] | None = None  # {"step", "score"} of the best look
        self._unsaved_best: tuple[Run, dict[str, Any]] | None = None
        self._kept: list[Path] = []  # checkpoints that are known or believed to be whole, oldest first
        self._saved_at, self._cost = 0.0, 0.0  # when the last one was taken, and the seconds it took
        self._files: dict[str, Mark] = {}  # what the manifest says
        self._sessions: list[dict[str, Any]] = []

    @property
    def holds_run(self) -> bool:
        """Whether a run has begun here that this call may go on with."""
        return not self._overwrite and (self.path / "config.json").is_file()

    def config(self) -> dict[str, Any]:
        """What config.json says; RunError where it cannot be understood."""
        return read_config(self.path)

    def finished(self) -> dict[str, Any] | None:
        """The summary, if the run has played all that it was asked for."""
        summary = _json_of(self.path / "summary.json")
        return summary if summary and summary.get("steps") == self.config()["steps"] else None

    def damaged(self) -> list[str]:
        """The files that are not as the manifest has them; not config.json, which is compared word by word anyway."""
        files = _manifest(self.path)["files"]
        return [n for n, mark in files.items() if n != "config.json" and not _is_as_marked(self.path / n, mark)]

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Have the directory for oneself; it is made if need be, and emptied of an earlier run if that was asked for.

        Raises:
            RunError: if another process has it.
        """
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
                ours = map(self.path.joinpath, self.OURS)
                for old in chain(ours, self.path.glob("table*.json"), *self._checkpoints()):
                    old.unlink(missing_ok=True)
                self._overwrite = False
            yield
        finally:
            lock.release()

    def agree(self, asked: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """What is to be run: as asked for; where a run has begun, as it began, with more steps if more are asked for.

        Raises:
            ValueError: if other settings are asked for, or fewer steps.
            RunError: if config.json cannot be understood.
        """
        if not self.holds_run:
            config = {"format": FORMAT, **asked, "extended_from": []}
            self._write_json("config.json", config)
            return config
        config = self.config()
        _require_same(self.path, config, asked)
        steps, before = asked["steps"], config["steps"]
        require(
            steps >= before,
            f"The run in {self.path} has been asked for {before:,} steps: ask for as many or more, not for {steps:,}.",
        )
        if steps > before:
            config |= {"steps": steps, "extended_from": [*config["extended_from"], before]}
            with self._writing():
                self._write_json("config.json", config)
        changed = [
            f"{name} {config['versions'].get(name, 'unknown')}, not {now}"
            for name, now in asked["versions"].items()
            if config["versions"].get(name) != now
        ]
        if changed:
            tell(f"The run in {self.path} began with {'; '.join(changed)}: its last digits may differ from here on.")
        return config

    def go_on(self, run: Run, versions: dict[str, str], tell: Tell) -> Run:
        """The run at the last checkpoint that is whole, or at its birth; the rows are cut back to that.

        Args:
            run: the run at its birth.
            versions: of this process, for the manifest.
            tell: is told of every checkpoint that cannot be used, and where the run goes on.

        Raises:
            RunError: if checkpoints are whole, but the rows that they count are not there any more.
        """
        for half in self.path.rglob(f"*{ASIDE}"):  # what was being written when the run was killed
            half.unlink()
        manifest = _manifest(self.path)
        self._files = manifest["files"] | self._files
        self._sessions = manifest["sessions"]
        self.training, self._best, self._unsaved_best = 0.0, None, None
        steps, best = self._checkpoints()
        whole, played = False, self.metrics.path.is_file()
        for file in (*steps, *best):
            try:
                saved, notes = self._read(file, run)
            except CheckpointError as error:
                tell(str(error))
                continue
            whole = True
            if self.metrics.cut(notes["metrics"]):
                run, self._best, self.training = saved, notes["best"], notes["training"]
                if not self.timings.cut(notes["timings"]):
                    tell(f"{self.timings.path} is not as it was left: it begins anew.")
                    self.timings.cut(NOTHING)
                break
            tell(f"{self.metrics.path} does not hold the rows up to {file}: using another one.")
        else:
            if whole:
                raise RunError(
                    f"{self.metrics.path} does not hold the rows that its run wrote: put it back, or remove "
                    f"{self.path / CHECKPOINTS} to play the run again from its start."
                )
            self.metrics.cut(NOTHING)
            self.timings.cut(NOTHING)
        if played:
            tell(f"The run in {self.path} goes on from step {run.t:,}.")
        self._kept = [file for file in reversed(steps) if file.name <= _step_name(run.t)]
        if self._best and not self._best_is_there(run, tell):
            self._best = None
        self._saved_at = time.perf_counter()
        self._sessions = [*self._sessions, {"from_step": run.t, "versions": versions}]
        return run

    def add(self, rows: list[dict[str, Any]], step: int, rounds: int, seconds: float) -> None:
        """Add a look's rows to metrics.csv and timings.csv.

        Args:
            rows: for metrics.csv, one per run.
            step: rounds played.
            rounds: since the last look.
            seconds: of training since the last look.
        """
        self.training += seconds
        with self._writing():
            self.metrics.append(rows)
            timing = {"step": step, "seconds": f"{self.training:.6g}", "steps_per_second": f"{rounds / seconds:.6g}"}
            self.timings.append([timing])

    def compare(self, run: Run, score: float) -> None:
        """Remember the run if it scores higher than at any look before; the next `save` writes it."""
        if np.isfinite(score) and (self._best is None or score > self._best["score"]):
            self._best = {"step": run.t, "score": score}
            self._unsaved_best = run, self._notes()

    def due(self, seconds: float | None) -> bool:
        """Whether it is time for a checkpoint: `seconds` after the last, or when they take little of the time."""
        wait = max(LEAST_SECONDS, self._cost / MOST_SHARE) if seconds is None else seconds
        return not 0 <= time.perf_counter() - self._saved_at < wait  # a clock that jumps back is no reason to wait

    def save(self, run: Run) -> None:
        """Write a checkpoint, and the best look's if there is a new one; old ones go."""
        began, folder = time.perf_counter(), self.path / CHECKPOINTS
        file = folder / _step_name(run.t)
        if self._kept and self._kept[-1] == file and not self._unsaved_best:
            return
        with self._writing():
            self.metrics.sync()
            self.timings.sync()
            folder.mkdir(exist_ok=True)
            if self._unsaved_best:
                best, notes = self._unsaved_best
                checkpoints.save(best, folder / BEST, notes)
                self._note(folder / BEST)
                self._unsaved_best = None
            checkpoints.save(run, file, self._notes())
            self._note(file)
            self._kept = [*(older for older in self._kept if older != file), file][-KEEP:]
            for old in set(self._checkpoints()[0]) - set(self._kept):
                old.unlink()
            self._write_manifest()
        self._saved_at = time.perf_counter()
        self._cost = max(self._saved_at - began, 0.0)
        self.saving += self._cost

    def finish(self, run: Run, summary: dict[str, Any]) -> None:
        """Write what came of the run: weights, tables, summary."""
        with self._writing():
            weights = run.world.weights(run.state) | jax.vmap(run.learner.weights, axis_size=run.num_runs)(run.mind)
            packed, arrays = (
                io.BytesIO(),
                {name: np.asarray(array) for name, array in checkpoints.named(weights).items()},
            )
            np.savez(packed, **arrays)  # type: ignore[arg-type]
            write_whole(self.path / "weights.npz", packed.getvalue())
            self._note(self.path / "weights.npz")
            tables = jax.vmap(run.learner.action_values, axis_size=run.num_runs)(run.mind)
            for index, table in enumerate(np.asarray(tables) if tables is not None else ()):
                name = "table.json" if run.num_runs == 1 else f"table_{index}.json"
                save_table(self.path / name, table, {"rounds": run.t, "learner": type(run.learner).__name__})
                self._note(self.path / name)
            self._write_json("summary.json", summary)
            self._write_manifest()

    def _checkpoints(self) -> tuple[list[Path], list[Path]]:
        """Those of the last looks, newest first, and the best look's, if there is one."""
        folder = self.path / CHECKPOINTS
        return sorted(folder.glob(_step_name("*")), reverse=True), list(folder.glob(BEST))

    def _holds_other_things(self) -> bool:
        """Whether there is anything but what a run leaves that was stopped before it began."""
        if not self.path.is_dir():
            return False
        return any(file.name != LOCK and file.suffix != ASIDE for file in self.path.iterdir())

    def _read(self, file: Path, run: Run) -> tuple[Run, dict[str, Any]]:
        """The run in a checkpoint, and what it counts; CheckpointError if it is not one of this run's."""
        saved, notes = checkpoints.read(file, run)
        best = notes.get("best")
        ours = (
            (jax.random.key_data(saved.key) == jax.random.key_data(run.key)).all()
            and all(_is_mark(notes.get(log)) for log in ("metrics", "timings"))
            and isinstance(notes.get("training"), float)
            and (best is None or (isinstance(best, dict) and isinstance(best.get("score"), float)))
        )
        if not ours:
            raise CheckpointError(f"{file} is not a checkpoint of the run in {self.path}: use another one.")
        return saved, notes

    def _best_is_there(self, run: Run, tell: Tell) -> bool:
        try:
            self._read(self.path / CHECKPOINTS / BEST, run)
        except (CheckpointError, FileNotFoundError) as error:
            tell(f"The best look so far is lost, the best from here on is kept: {error}")
            return False
        return True

    def _notes(self) -> dict[str, Any]:
        """What a checkpoint says beside the arrays."""
        marks = {"metrics": self.metrics.mark, "timings": self.timings.mark}
        return marks | {"training": self.training, "best": self._best}

    def _note(self, file: Path) -> None:
        """Tell the manifest of a file that was just written."""
        self._files[file.relative_to(self.path).as_posix()] = _mark(file.read_bytes())

    def _write_manifest(self) -> None:
        logs = {log.path.name: log.mark for log in (self.metrics, self.timings)}
        files = {name: mark for name, mark in self._files.items() if (self.path / name).is_file()}
        manifest = {"format": FORMAT, "sessions": self._sessions, "files": dict(sorted((files | logs).items()))}
        write_whole(self.path / MANIFEST, _as_json(manifest))

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_whole(self.path / name, _as_json(content))
        self._note(self.path / name)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell in a sentence that the directory cannot be written any more."""
        try:
            yield
        except OSError as error:
            if not self.path.is_dir():
                raise RunError(f"{self.path} was removed while its run was going on: begin anew.") from error
            raise RunError(
                f"{self.path} cannot be written ({error.strerror}): put that right, then "
                f"`synagents resume {self.path}` goes on from the last checkpoint."
            ) from error


class _Log:
    """A CSV file that only grows, and can be cut back to where it was."""

    def __init__(self, path: Path):
        self.path = path
        self._columns: list[str] = []
        self._size, self._sum = 0, hashlib.sha256()

    @property
    def mark(self) -> Mark:
        """How far it goes."""
        return {"bytes": self._size, "sha256": self._sum.hexdigest()}

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Add rows; the first ones set the columns. RunError if somebody else has changed the file."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns or list(rows[0]), restval="")
        if not self._columns:
            writer.writeheader()
            self._columns = list(writer.fieldnames)
        writer.writerows(rows)
        content = text.getvalue().encode()
        if self._size and self.path.stat().st_size != self._size:
            raise RunError(f"{self.path} was changed while its run was going on: leave it alone and resume the run.")
        with self.path.open("ab") as file:
            file.write(content)
        self._size += len(content)
        self._sum.update(content)

    def sync(self) -> None:
        """Force the rows to the disk."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())

    def cut(self, mark: Mark) -> bool:
        """Forget the rows after `mark`; False, and nothing done, if the file does not begin as it did then."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size < mark["bytes"]:
            return False
        content = b""
        if size:
            with self.path.open("rb") as file:
                content = file.read(mark["bytes"])
        if _mark(content) != mark:
            return False
        if size:
            os.truncate(self.path, mark["bytes"])
        self._size, self._sum = len(content), hashlib.sha256(content)
        self._columns = next(csv.reader(io.StringIO(content.decode(), newline="")), [])
        return True


def read_config(folder: Path) -> dict[str, Any]:
    """What the config.json of a run says.

    Raises:
        FileNotFoundError: if the folder holds no run.
        RunError: if it cannot be understood.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"There is no run in {folder}: name a directory that `synagents train` wrote.")
    config = _json_of(file)
    if config is None:
        raise RunError(f"{file} is damaged: put it back, or begin the run anew.")
    if config.get("format") != FORMAT:
        versions = config.get("versions")
        by = versions.get("synagents", "another version") if isinstance(versions, dict) else "another version"
        raise RunError(
            f"{file} was written by synagents {by} in a form that this one does not read: use that one, or begin the "
            "run anew in another directory."
        )
    for name, fits in _FITTING.items():
        if not fits(config.get(name)):
            raise RunError(f"{file} says {name} is {config.get(name)!r}, which cannot be: put the file back.")
    return config


def first_steps_of(config: dict[str, Any]) -> int:
    """The steps that a run was first asked for, before it was extended: decays without a length span these."""
    return (*config["extended_from"], config["steps"])[0]


def _whole(value: Any, least: int = 1) -> bool:
    return type(value) is int and value >= least


def _list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is kind for one in value)


_FITTING: dict[str, Callable[[Any], bool]] = {  # what config.json must say, whoever wrote it
    "steps": _whole,
    "extended_from": lambda value: _list_of(int, value) and sorted(value) == value,
    "worlds": _whole,
    "runs": _whole,
    "shared_task": lambda value: type(value) is bool,
    "rollout_length": _whole,
    "probes": lambda value: _list_of(str, value),
    "probe_interval": _whole,
    "key": lambda value: _list_of(int, value),
    "built": lambda value: isinstance(value, dict),
    "versions": lambda value: isinstance(value, dict),
}
_FIXED = ("key", "worlds", "runs", "shared_task", "rollout_length", "probes", "probe_interval")  # for the whole of a run


def _require_same(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise ValueError, naming what differs, unless this is the run that was begun."""
    then, now = ({name: said[name] for name in _FIXED} | said["built"] for said in (then, now))
    changed = [name for name in then | now if then.get(name) != now.get(name)]
    data = [name for name in changed if str(then.get(name)).startswith(ARRAY) and str(now.get(name)).startswith(ARRAY)]
    require(
        not data,
        f"What the run in {folder} was begun with has changed ({', '.join(data[:3])}): put back the data or tables as "
        "they were, or name a new directory with --out.",
    )
    whole = [name for name in changed if name.rpartition(".")[0] not in changed]  # of another kind: its parts are, too
    told = "; ".join(f"{name} {then.get(name, 'unknown')}, not {now.get(name, 'unknown')}" for name in whole[:3])
    require(
        not changed,
        f"The run in {folder} began with other settings ({told}): use the same, or name a new directory with --out.",
    )


def described(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What an object is made of, as JSON can say it: {"world": "SynapseWorld", "world.network.sizes": [64, 10], ...}.

    Large arrays are told by their checksums, functions and objects of other kinds by their names.
    """
    if isinstance(value, np.generic | np.ndarray | jax.Array):
        array = np.asarray(value)
        small = array.size <= 8 and np.isfinite(array).all()
        checksum = hashlib.sha256(np.asarray(array, order="C").tobytes()).hexdigest()
        yield name, array.tolist() if small else f"{ARRAY}{array.dtype}{list(array.shape)} sha256 {checksum}"
    elif value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and np.isfinite(value)):
        yield name, value
    elif is_dataclass(value):
        yield name, type(value).__qualname__
        yield from chain(*(described(f"{name}.{part.name}", getattr(value, part.name)) for part in fields(value)))
    elif isinstance(value, dict):
        yield from chain(*(described(f"{name}.{key}", part) for key, part in value.items()))
    elif isinstance(value, tuple | list):
        parts = [dict(described("", part)) for part in value]
        if all(part.keys() == {""} for part in parts):
            yield name, [part[""] for part in parts]
        else:
            yield from chain(*(described(f"{name}.{index}", part) for index, part in enumerate(value)))
    elif isinstance(value, float | Path):
        yield name, str(value)
    else:
        yield name, getattr(value, "__qualname__", type(value).__qualname__)


def _step_name(step: int | str) -> str:
    return f"step-{step if isinstance(step, str) else f'{step:010d}'}.safetensors"


def _mark(content: bytes) -> Mark:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _is_as_marked(file: Path, mark: Mark) -> bool:
    if not file.is_file() or file.stat().st_size != mark["bytes"]:
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == mark["sha256"]


def _is_mark(said: Any) -> bool:
    return isinstance(said, dict) and _whole(said.get("bytes"), 0) and isinstance(said.get("sha256"), str)


def _as_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, default=str, allow_nan=False) + "\n").encode()


def _json_of(file: Path) -> dict[str, Any] | None:
    """The dictionary in a JSON file; None where there is none."""
    try:
        with file.open("rb") as opened:
            said = json.loads(opened.read(MOST_JSON))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _manifest(folder: Path) -> dict[str, Any]:
    """What the manifest says, as far as it says anything."""
    said = _json_of(folder / MANIFEST) or {}
    files, sessions = said.get("files"), said.get("sessions")
    marks = {name: mark for name, mark in files.items() if _is_mark(mark)} if isinstance(files, dict) else {}
    return {"files": marks, "sessions": sessions if isinstance(sessions, list) else []}
