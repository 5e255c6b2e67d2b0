"""Whatever stops a run, it goes on exactly: no row lost, none told twice, the same bits in the end; or one sentence."""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from synagents.envs import synapse_v0

import synagents
from synagents.run import directory as folders
from synagents.run import fit as runs
from synagents.run.directory import Folder, RunError, described
from synagents.learners.synapse.q_table import QTable
from synagents.probes import reward_rate
from synagents.run.fit import Interrupted, Look, fit, weights_sha256
from tests.claims import one_sentence, same_bits

KEY = jax.random.key(3)
WORLD = synapse_v0.world("xor", hidden=(2,), interval=0, step_size=0.05)
LEARNER = QTable(adaptive=True, alpha=0.1, rate="per-step")
STEPS = 12


class Killed(BaseException):
    """What no `except` of ours catches, as nothing catches kill -9."""


def play(folder: Path | Folder, steps: int = STEPS, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Go on with the run in `folder`; a checkpoint at every look, unless `options` say otherwise."""
    return fit(KEY, WORLD, LEARNER, steps, folder, **{"checkpoint_seconds": 0, "tell": lambda line: None, **options})


def result(folder: Path) -> tuple[bytes, bytes, str, float]:
    """All that a run leaves which may not depend on its luck with the machine."""
    summary = json.loads((folder / "summary.json").read_text())
    metrics, table = (folder / "metrics.csv").read_bytes(), json.loads((folder / "table.json").read_text())
    return metrics, json.dumps(table).encode(), summary["weights_sha256"], summary["loss"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody ever stopped."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    play(folder, checkpoint_seconds=None)
    return folder


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was killed after seven looks."""
    with pytest.raises(Killed):
        play(tmp_path / "run", watch=at(7, Killed))
    return tmp_path / "run"


def at(step: int, what: type[BaseException] | Callable[[], object]) -> Callable[[Look], None]:
    """Something that happens at a step."""

    def watch(look: Look) -> None:
        if look.step == step:
            if isinstance(what, type):
                raise what
            what()

    return watch


def refused(call: Callable[[], Any], kind: type[Exception] = RunError) -> str:
    with pytest.raises(kind) as error:
        call()
    return one_sentence(str(error.value).replace(".csv", "").replace(".json", "").replace(".safetensors", ""))


# Nothing is lost


class Machine:
    """Counts what is done to files; from a chosen moment on it is dead, and a write ends half-way.

    Where it was the power that went, logs also lose what was not forced to the disk.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.done, self.dies_at, self.loses_power = 0, -1, False
        self._logs: set[Path] = set()
        self._forced: dict[int, int] = {}  # inode: bytes
        for name in ("fsync", "replace", "truncate", "mkdir", "unlink"):
            self._watch(monkeypatch, name)
        opened = Path.open

        def open_(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            file = opened(path, mode, *args, **kwargs)
            self._logs |= {path} if mode == "ab" else set()
            if mode not in ("ab", "wb"):
                return file
            write = file.write
            return Half(file, lambda content: self._do(lambda: write(content), lambda: write(content[:9])))

        monkeypatch.setattr(Path, "open", open_)

    def begin(self, dies_at: int = -1, loses_power: bool = False) -> None:
        self.done, self.dies_at, self.loses_power = 0, dies_at, loses_power

    def _watch(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(os, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            answer = self._do(lambda: real(*args, **kwargs))
            if name == "fsync":
                self._forced[os.fstat(args[0]).st_ino] = os.fstat(args[0]).st_size
            return answer

        monkeypatch.setattr(os, name, watched)

    def _do(self, whole: Callable[[], Any], half: Callable[[], Any] = lambda: None) -> Any:
        self.done += 1
        if self.done == self.dies_at:
            half()
            for log in filter(Path.exists, self._logs if self.loses_power else ()):
                with open(log, "r+b") as file:
                    file.truncate(self._forced.get(os.fstat(file.fileno()).st_ino, 0))
        if 0 <= self.dies_at <= self.done:
            raise Killed
        return whole()


class Half:
    """An open file whose writing may end half-way."""

    def __init__(self, file: Any, write: Callable[[bytes], Any]):
        self._file, self.write = file, write

    def __enter__(self) -> "Half":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_run_that_dies_at_any_moment_of_its_dealings_with_files_ends_as_one_that_never_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "KEEP", 2)
    machine = Machine(monkeypatch)
    play(tmp_path / "whole", 4)
    moments, expected = machine.done, result(tmp_path / "whole")
    assert moments > 50
    for moment in range(1, moments + 1):
        folder = tmp_path / str(moment)
        machine.begin(moment, loses_power=moment % 2 == 0)
        with pytest.raises(Killed):
            play(folder, 4)
        machine.begin()
        play(folder, 4)
        assert result(folder) == expected, f"killed at operation {moment}"
        assert not Folder(folder).damaged() and not list(folder.rglob("*.part"))


def test_five_times_killed_by_the_system_nothing_is_lost(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[1] / "studies/kill_cycles.py"
    call = [sys.executable, str(script), "--cycles", "5", "--scratch", str(tmp_path / "scratch")]
    call += ["--command", "xor --hidden none --learner q-table --adaptive --steps 2000"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills" in done.stdout and ": 0 lost or changed rows" in done.stdout


def test_a_run_stopped_again_and_again_ends_as_one_that_never_was(undisturbed: Path, tmp_path: Path) -> None:
    for step in (2, 3, 7, 11):
        with pytest.raises(Killed):
            play(tmp_path / "run", watch=at(step, Killed))
    run, summary = play(tmp_path / "run")
    assert result(tmp_path / "run") == result(undisturbed)
    assert summary["weights_sha256"] == weights_sha256(run)
    with (tmp_path / "run/metrics.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, STEPS + 1))
    with (tmp_path / "run/timings.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, STEPS + 1))


def test_without_any_checkpoint_the_run_is_played_from_its_start(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        play(tmp_path / "run", checkpoint_seconds=None, watch=at(7, Killed))
    assert not (tmp_path / "run/checkpoints").exists()
    play(tmp_path / "run")
    assert result(tmp_path / "run") == result(undisturbed)


def test_many_runs_and_worlds_with_probes_and_a_horizon_go_on_exactly(tmp_path: Path) -> None:
    options: dict[str, Any] = {"num_runs": 2, "num_worlds": 2, "shared_task": True, "rollout_length": 2}
    options |= {"probes": (reward_rate,), "probe_interval": 4}
    play(tmp_path / "whole", **options)
    with pytest.raises(Killed):
        play(tmp_path / "run", watch=at(6, Killed), **options)
    play(tmp_path / "run", **options)
    for name in ("metrics.csv", "table_0.json", "table_1.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_is_not_played_again(undisturbed: Path) -> None:
    looks: list[Look] = []
    before = result(undisturbed)
    _, summary = play(undisturbed, watch=looks.append)
    assert looks == [] and result(undisturbed) == before and summary["weights_sha256"] == before[2]


def test_the_checksum_is_over_weights_in_flat_order_and_then_the_mind() -> None:
    import hashlib

    run = synagents.begin(KEY, WORLD, LEARNER)
    parts = [run.state.weights[group.name] for group in WORLD.groups] + [run.mind.table, run.mind.rounds]
    expected = hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in parts)).hexdigest()
    assert weights_sha256(run) == expected
    assert weights_sha256(replace(run, mind=run.mind._replace(rounds=run.mind.rounds + 1))) != expected


# More steps


def test_more_steps_extend_a_finished_run(undisturbed: Path, tmp_path: Path) -> None:
    play(tmp_path / "longer", 20)
    shutil.copytree(undisturbed, tmp_path / "run")
    play(tmp_path / "run", 20)
    assert result(tmp_path / "run")[1:] == result(tmp_path / "longer")[1:]
    old = (undisturbed / "metrics.csv").read_bytes()
    assert (tmp_path / "run/metrics.csv").read_bytes().startswith(old)
    config = folders.read_config(tmp_path / "run")
    assert (config["steps"], config["extended_from"], folders.first_steps_of(config)) == (20, [STEPS], STEPS)


def test_looks_stay_where_they_were_when_a_run_is_extended() -> None:
    assert list(runs._looks(0, [1000], 0, 1))[:3] == [10, 20, 30]
    assert list(runs._looks(990, [1000, 2005], 0, 1))[:3] == [1000, 1010, 1020]
    assert list(runs._looks(1990, [1000, 2005], 0, 1)) == [2000, 2005]
    assert list(runs._looks(17, [25, 40], 0, 1)) == list(range(18, 41))
    assert list(runs._looks(2005, [1000, 2005], 0, 1)) == []


def test_a_long_run_is_looked_at_every_ten_thousand_rounds() -> None:
    assert list(runs._looks(0, [5_000_000], 250, 1))[:2] == [10_000, 20_000]


def test_fewer_steps_than_before_are_refused(undisturbed: Path) -> None:
    assert "asked for 12 steps" in refused(lambda: play(undisturbed, 6), ValueError)


# Asked to stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_the_chunk_saves_and_says_how_to_go_on(
    undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stop:
        play(
            tmp_path / "run",
            checkpoint_seconds=None,
            watch=at(5, lambda: os.kill(os.getpid(), number)),
            tell=said.append,
        )
    assert f"Stopped at step 5 of 12, all saved: `synagents resume {tmp_path}/run` goes on." == str(stop.value)
    assert said == ["Stopping after the rounds in hand; once more to stop at once."]
    assert signal.getsignal(number) == before
    said.clear()
    play(tmp_path / "run", tell=said.append)
    assert said == [f"The run in {tmp_path}/run goes on from step 5."]
    assert result(tmp_path / "run") == result(undisturbed)


def test_asked_twice_it_stops_at_once(undisturbed: Path, tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"synagents resume .* goes on from the last checkpoint"):
        play(tmp_path / "run", watch=at(5, twice))
    play(tmp_path / "run")
    assert result(tmp_path / "run") == result(undisturbed)


def test_outside_the_main_thread_signals_are_left_alone(tmp_path: Path) -> None:
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(play(tmp_path / "run")))
    thread.start()
    thread.join()
    assert len(done) == 1


# Checkpoints


def test_the_last_three_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    play(tmp_path / "run")
    kept = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["best.safetensors", *(f"step-{step:010d}.safetensors" for step in (10, 11, 12))]
    with (tmp_path / "run/metrics.csv").open(newline="") as file:
        scores = [float(row["held_out_accuracy"]) for row in csv.DictReader(file)]
    best = synagents.load(tmp_path / "run/checkpoints/best.safetensors", synagents.begin(KEY, WORLD, LEARNER))
    assert best.t == 1 + int(np.argmax(scores))
    assert float(synagents.evaluate(best)["accuracy"].mean()) == max(scores)


def test_nothing_depends_on_when_checkpoints_are_taken(undisturbed: Path, tmp_path: Path) -> None:
    play(tmp_path / "run", checkpoint_seconds=0)
    assert result(tmp_path / "run") == result(undisturbed)
    one, other = (synagents.load(folder / "checkpoints/best.safetensors", synagents.begin(KEY, WORLD, LEARNER))
                  for folder in (undisturbed, tmp_path / "run"))  # fmt: skip
    assert one.t == other.t and same_bits((one.state, one.mind), (other.state, other.mind))


def damage(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 4
    file.write_bytes(body)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_that_is_said(
    undisturbed: Path, stopped: Path
) -> None:
    damage(stopped / "checkpoints/step-0000000006.safetensors")
    (stopped / "checkpoints/step-0000000005.safetensors").write_bytes(b"")
    said: list[str] = []
    play(stopped, tell=said.append)
    assert "step-0000000006.safetensors is damaged, its checksum does not hold: use another one." in said[0]
    assert "step-0000000005.safetensors is damaged" in said[1]
    assert said[2:] == [f"The run in {stopped} goes on from step 4."]
    assert result(stopped) == result(undisturbed)
    assert len(list((stopped / "checkpoints").glob("step-*"))) == 3


def test_where_all_checkpoints_are_damaged_the_run_is_played_from_its_start_and_that_is_said(
    undisturbed: Path, stopped: Path
) -> None:
    for file in (stopped / "checkpoints").iterdir():
        damage(file)
    said: list[str] = []
    play(stopped, tell=said.append)
    assert said[-1] == f"The run in {stopped} goes on from step 0."
    assert len(said) == 5 and result(stopped) == result(undisturbed)


def test_a_damaged_best_checkpoint_is_said_and_replaced(stopped: Path) -> None:
    damage(stopped / "checkpoints/best.safetensors")
    said: list[str] = []
    play(stopped, tell=said.append)
    assert any("best look so far is lost" in line for line in said)
    synagents.load(stopped / "checkpoints/best.safetensors", synagents.begin(KEY, WORLD, LEARNER))


def test_a_checkpoint_of_another_run_is_passed_over(undisturbed: Path, stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(jax.random.key(4), WORLD, LEARNER, STEPS, tmp_path / "other", checkpoint_seconds=0, watch=at(9, Killed))
    name = "checkpoints/step-0000000008.safetensors"
    shutil.copy(tmp_path / "other" / name, stopped / name)
    said: list[str] = []
    play(stopped, tell=said.append)
    assert "is not a checkpoint of the run in" in said[0] and result(stopped) == result(undisturbed)


def test_the_manifest_knows_every_file(undisturbed: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    files = {path.relative_to(undisturbed).as_posix() for path in undisturbed.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json", ".lock"}
    assert manifest["sessions"][0] == {"from_step": 0, "versions": runs.versions()}
    assert Folder(undisturbed).damaged() == []


def test_a_manifest_that_is_damaged_is_made_anew(undisturbed: Path, stopped: Path) -> None:
    (stopped / "manifest.json").write_bytes(b'{"files": [')
    play(stopped)
    assert result(stopped) == result(undisturbed) and Folder(stopped).damaged() == []


# Faults


@pytest.mark.parametrize("change", [lambda text: text[:-3], lambda text: text.replace("0", "1"), lambda text: ""])
def test_rows_that_are_not_there_any_more_are_told_and_nothing_is_touched(
    stopped: Path, change: Callable[[str], str]
) -> None:
    rows = stopped / "metrics.csv"
    first, *rest = rows.read_text().splitlines(keepends=True)
    rows.write_text(change("".join([first, *rest[:4]])))
    before = rows.read_bytes()
    assert "does not hold the rows that its run wrote: put it back" in refused(lambda: play(stopped))
    assert rows.read_bytes() == before
    shutil.rmtree(stopped / "checkpoints")
    play(stopped)


def test_lost_times_are_said_and_begin_anew(undisturbed: Path, stopped: Path) -> None:
    (stopped / "timings.csv").write_text("step,seconds\n")
    said: list[str] = []
    play(stopped, tell=said.append)
    assert "timings.csv is not as it was left: it begins anew." in said[0]
    assert result(stopped) == result(undisturbed)


def test_rows_added_by_somebody_else_stop_the_run(tmp_path: Path) -> None:
    def scribble() -> None:
        with (tmp_path / "run/metrics.csv").open("a") as file:
            file.write("mine")

    assert "was changed while its run was going on" in refused(lambda: play(tmp_path / "run", watch=at(5, scribble)))
    play(tmp_path / "run")


def test_a_second_process_on_the_same_run_is_told(undisturbed: Path, tmp_path: Path) -> None:
    told: list[str] = []
    second = at(5, lambda: told.append(refused(lambda: play(tmp_path / "run"))))
    play(tmp_path / "run", watch=second)
    assert told == [f"{tmp_path}/run is in use by another process: wait until it is done, or name another directory."]
    assert result(tmp_path / "run") == result(undisturbed)


def test_a_directory_removed_while_running_is_told_and_not_made_again(tmp_path: Path) -> None:
    told = refused(lambda: play(tmp_path / "run", watch=at(5, lambda: shutil.rmtree(tmp_path / "run"))))
    assert told == f"{tmp_path}/run was removed while its run was going on: begin anew."
    assert not (tmp_path / "run").exists()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """While open, no file can grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [300, 800, 2000, 3000])
def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(
    undisturbed: Path, tmp_path: Path, size: int
) -> None:
    play(tmp_path / "run", 2)  # all is compiled by now, and the disk is ours
    with disk_of(size):
        told = refused(lambda: play(tmp_path / "run"), RunError)
    assert f"{tmp_path}/run cannot be written (File too large): put that right, then `synagents resume" in told
    assert not list((tmp_path / "run").rglob("*.part"))
    play(tmp_path / "run")
    assert result(tmp_path / "run")[1:] == result(undisturbed)[1:]


def test_a_directory_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    known = runs.versions()  # what another user may not even read, where the packages are this user's own
    monkeypatch.setattr(runs, "versions", lambda: known)
    with tempfile.TemporaryDirectory() as place:  # the test's own directories are closed to other users
        os.chmod(place, 0o755)
        folder = Path(place) / "run"
        play(folder, 2)
        for path in (folder, *folder.rglob("*")):
            os.chmod(path, 0o555 if path.is_dir() else 0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # who may do everything is not stopped by permissions
        try:
            with pytest.raises(PermissionError, match=str(folder)):
                play(folder, 4)
            with pytest.raises(PermissionError, match=place):
                play(folder / "new", 4)
        finally:
            os.seteuid(user)
            for path in (folder, *folder.rglob("*")):
                os.chmod(path, 0o755)
        play(folder, 4)


def test_a_clock_that_jumps_changes_nothing(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(np.random.default_rng(0).choice([-1e7, -3.0, 0.0, 1e7], 10_000).tolist())
    looks: list[Look] = []
    for clock in ("perf_counter", "monotonic", "time"):
        real = getattr(time, clock)
        monkeypatch.setattr(time, clock, lambda real=real: real() + next(jumps))
    play(tmp_path / "run", checkpoint_seconds=None, watch=looks.append)
    monkeypatch.undo()
    assert result(tmp_path / "run") == result(undisturbed)
    assert all(0 <= number < float("inf") for look in looks for number in (look.steps_per_second, look.seconds_left))
    with (tmp_path / "run/timings.csv").open(newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    assert seconds == sorted(seconds) and seconds[0] > 0


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


def test_a_configuration_of_an_older_version_is_told(stopped: Path) -> None:
    rewrite(stopped, format=None, versions={"synagents": "0.0.9"})
    assert "was written by synagents 0.0.9 in a form that this one does not read" in refused(lambda: play(stopped))
    rewrite(stopped, format=folders.FORMAT)
    said: list[str] = []
    play(stopped, tell=said.append)
    assert said[0].startswith(f"The run in {stopped} began with synagents 0.0.9, not {runs.versions()['synagents']};")
    assert said[0].endswith("its last digits may differ from here on.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "12"), ("steps", 0), ("steps", True), ("extended_from", [3, 1]), ("extended_from", None),
        ("worlds", -1), ("shared_task", 1), ("probes", "loss"), ("built", []), ("versions", None), ("key", [0.5]),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_told(stopped: Path, name: str, value: Any) -> None:
    rewrite(stopped, **{name: value})
    assert f"says {name} is" in refused(lambda: play(stopped))


def test_a_damaged_configuration_is_told(stopped: Path) -> None:
    (stopped / "config.json").write_text("{" * 100_000)
    assert "config is damaged: put it back" in refused(lambda: play(stopped))


def test_other_settings_than_the_run_began_with_are_told(stopped: Path) -> None:
    other = replace(WORLD, step_size=0.01, bias_gain=3.0)
    told = refused(lambda: fit(KEY, other, LEARNER, STEPS, stopped), ValueError)
    assert "began with other settings (world.step_size 0.05, not 0.01; world.bias_gain 2.0, not 3.0)" in told
    assert "key [0, 3], not [0, 4]" in refused(
        lambda: fit(jax.random.key(4), WORLD, LEARNER, STEPS, stopped), ValueError
    )
    assert "worlds 1, not 2" in refused(lambda: play(stopped, num_worlds=2), ValueError)
    assert "other settings (learner QTable, not RepeatUndo):" in refused(
        lambda: fit(KEY, WORLD, synagents.RepeatUndo(), STEPS, stopped), ValueError
    )


def test_data_that_changed_since_the_run_began_are_told(tmp_path: Path) -> None:
    def world(brightest: float) -> Any:
        x = np.linspace(0, brightest, 60).reshape(20, 3)
        return synapse_v0.world(
            synagents.from_arrays(x, np.arange(20) % 2, loss="cross-entropy", batch_size=4), hidden=(), interval=0
        )

    fit(KEY, world(1.0), LEARNER, 2, tmp_path / "run")
    told = refused(lambda: fit(KEY, world(0.5), LEARNER, 4, tmp_path / "run"), ValueError)
    assert "has changed (world.task.x, world.task.held_out_x): put back the data or tables as they were" in told
    fit(KEY, world(1.0), LEARNER, 4, tmp_path / "run")


# What was run


def test_what_was_run_is_told_by_settings_checksums_and_names() -> None:
    told = dict(described("world", WORLD)) | dict(described("learner", QTable(np.ones((81, 3), np.float32))))
    assert told["world"] == "SynapseWorld" and told["world.network.sizes"] == [2, 2, 2]
    assert told["world.step_size"] == 0.05 and told["world.task.loss"] == "cross_entropy"
    assert told["learner.table"].startswith("array float32[81, 3] sha256 ")
    assert json.loads(json.dumps(told)) == told
    assert dict(described("x", (1, float("nan"), jax.numpy.float32(0.5), Path("a"), print))) == {
        "x": [1, "nan", 0.5, "a", "print"]
    }
    assert dict(described("x", [LEARNER]))["x.0.alpha"] == 0.1


@pytest.mark.parametrize("steps", [0, -1, 3])
def test_steps_are_a_positive_multiple_of_the_horizon(tmp_path: Path, steps: int) -> None:
    assert "multiple of rollout_length 2" in refused(
        lambda: play(tmp_path / "run", steps, rollout_length=2), ValueError
    )
    assert not list(tmp_path.iterdir())
    assert "checkpoint_seconds" in refused(lambda: play(tmp_path / "run", checkpoint_seconds=-1), ValueError)
