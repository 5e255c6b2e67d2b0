"""Whatever stops a run, it goes on exactly: no row lost, none told twice, the same bits in the end; or one sentence."""

import csv
import hashlib
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

import synagents
from synagents.envs import synapse_v0
from synagents.learners.synapse.trace import Trace
from synagents.run import config as configs
from synagents.run import session as sessions
from synagents.run.config import first_rounds_of, read_config, versions
from synagents.run.directory import RunDirectory
from synagents.run.files import RunError
from synagents.run.fit import Look
from synagents.run.reading import open_run, read_metrics
from synagents.run.results import weights_sha256
from synagents.run.spec import RunSpec
from synagents.run.stopping import Interrupted
from synagents.world import World
from tests.claims import same_bits
from tests.runs import CROWD, ROUNDS, SPEC, WORLD, Killed, at, damage, play, refused, result


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    play(directory, checkpoint_seconds=None)
    return directory


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was killed after seven looks."""
    with pytest.raises(Killed):
        play(tmp_path / "run", watch=at(7, Killed))
    return tmp_path / "run"


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
    monkeypatch.setattr(sessions, "KEEP", 2)
    play(tmp_path / "compiled", 4)  # JAX keeps the programs that it compiles in files, too
    machine = Machine(monkeypatch)
    play(tmp_path / "whole", 4)
    moments, expected = machine.done, result(tmp_path / "whole")
    assert moments > 50
    for moment in range(1, moments + 1):
        directory = tmp_path / str(moment)
        machine.begin(moment, loses_power=moment % 2 == 0)
        with pytest.raises(Killed):
            play(directory, 4)
        machine.begin()
        play(directory, 4)
        assert result(directory) == expected, f"killed at operation {moment}"
        assert not RunDirectory(directory).damaged() and not list(directory.rglob("*.part"))


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
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, ROUNDS + 1))
    with (tmp_path / "run/timings.csv").open(newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, ROUNDS + 1))


def test_without_any_checkpoint_the_run_is_played_from_its_start(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        play(tmp_path / "run", checkpoint_seconds=None, watch=at(7, Killed))
    assert not (tmp_path / "run/checkpoints").exists()
    play(tmp_path / "run")
    assert result(tmp_path / "run") == result(undisturbed)


def test_many_runs_and_worlds_with_probes_and_rollouts_go_on_exactly(tmp_path: Path) -> None:
    play(tmp_path / "whole", CROWD)
    with pytest.raises(Killed):
        play(tmp_path / "run", CROWD, watch=at(6, Killed))
    play(tmp_path / "run", CROWD)
    for name in ("metrics.csv", "table_0.json", "table_1.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_learner_with_memory_in_eight_worlds_goes_on_exactly(tmp_path: Path) -> None:
    world = replace(WORLD, reward="delta", batch_change="reevaluate")
    spec = replace(SPEC, world=world, learner=Trace(), num_worlds=8)
    whole, _ = play(tmp_path / "whole", spec)
    with pytest.raises(Killed):
        play(tmp_path / "run", spec, watch=at(7, Killed))
    saved, _ = open_run(tmp_path / "run", spec)
    assert saved.t == 6 and saved.memory.trace["layer0_weight"].shape == (1, 8, 4)
    assert np.abs(saved.memory.trace["layer0_weight"]).max() > 0
    run, _ = play(tmp_path / "run", spec)
    assert same_bits((run.state, run.memory, run.mind), (whole.state, whole.memory, whole.mind))
    assert (tmp_path / "run/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()


def test_a_finished_run_is_not_played_again(undisturbed: Path) -> None:
    looks: list[Look] = []
    before = result(undisturbed)
    _, summary = play(undisturbed, watch=looks.append)
    assert looks == [] and result(undisturbed) == before and summary["weights_sha256"] == before[2]


def test_the_checksum_is_over_weights_in_flat_order_then_minds_and_memories() -> None:
    run = SPEC.begin()
    run = replace(run, memory=(np.arange(3, dtype=np.float32),))
    parts = [run.state.weights[group.name] for group in WORLD.groups] + [*jax.tree.leaves(run.mind), *run.memory]
    expected = hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in parts)).hexdigest()
    assert weights_sha256(run) == expected
    assert weights_sha256(replace(run, memory=(run.memory[0] + 1,))) != expected


# More steps


def test_more_steps_extend_a_finished_run(undisturbed: Path, tmp_path: Path) -> None:
    play(tmp_path / "longer", 20)
    shutil.copytree(undisturbed, tmp_path / "run")
    play(tmp_path / "run", 20)
    assert result(tmp_path / "run")[1:] == result(tmp_path / "longer")[1:]
    old = (undisturbed / "metrics.csv").read_bytes()
    assert (tmp_path / "run/metrics.csv").read_bytes().startswith(old)
    config = read_config(tmp_path / "run")
    assert (config["rounds"], config["extended_from"], first_rounds_of(config)) == (20, [ROUNDS], ROUNDS)


def looks(done: int, rounds: int, *extended_from: int, world: World = WORLD) -> list[int]:
    return list(replace(SPEC, world=world, rounds=rounds).looks(done, extended_from))


def test_looks_stay_where_they_were_when_a_run_is_extended() -> None:
    assert looks(0, 1000)[:3] == [10, 20, 30]
    assert looks(990, 2005, 1000)[:3] == [1000, 1010, 1020]
    assert looks(1990, 2005, 1000) == [2000, 2005]
    assert looks(17, 40, 25) == list(range(18, 41))
    assert looks(2005, 2005, 1000) == []


def test_looks_do_not_depend_on_where_a_run_was_interrupted() -> None:
    whole = looks(0, 10_007)
    assert all(looks(done, 10_007) == [look for look in whole if look > done] for done in (1, 99, 100, 5_003, 10_006))


def test_a_long_run_is_looked_at_every_ten_thousand_rounds() -> None:
    assert looks(0, 5_000_000, world=replace(WORLD, interval=250))[:2] == [10_000, 20_000]


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


def test_a_signal_that_is_ignored_stays_ignored(undisturbed: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job of a shell, or under nohup
    try:
        play(tmp_path / "run", watch=at(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert result(tmp_path / "run") == result(undisturbed)


def test_asked_to_stop_before_the_first_round_it_says_so_and_goes_on_from_there(
    undisturbed: Path, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match="Stopped at step 0 of 12, all saved"):
        play(tmp_path / "run", compiling=lambda: os.kill(os.getpid(), signal.SIGTERM))
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
    best = synagents.load(tmp_path / "run/checkpoints/best.safetensors", SPEC.begin())
    assert best.t == 1 + int(np.argmax(scores))
    assert float(synagents.evaluate(best)["accuracy"].mean()) == max(scores)


def test_nothing_depends_on_when_checkpoints_are_taken(undisturbed: Path, tmp_path: Path) -> None:
    play(tmp_path / "run", checkpoint_seconds=0)
    assert result(tmp_path / "run") == result(undisturbed)
    one, other = (synagents.load(directory / "checkpoints/best.safetensors", SPEC.begin())
                  for directory in (undisturbed, tmp_path / "run"))  # fmt: skip
    assert one.t == other.t and same_bits((one.state, one.mind), (other.state, other.mind))


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
    synagents.load(stopped / "checkpoints/best.safetensors", SPEC.begin())


def test_a_checkpoint_of_another_run_is_passed_over(undisturbed: Path, stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        play(tmp_path / "other", replace(SPEC, seed=4), watch=at(9, Killed))
    name = "checkpoints/step-0000000008.safetensors"
    shutil.copy(tmp_path / "other" / name, stopped / name)
    said: list[str] = []
    play(stopped, tell=said.append)
    assert "is not a checkpoint of the run in" in said[0] and result(stopped) == result(undisturbed)


def test_the_manifest_knows_every_file(undisturbed: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    files = {path.relative_to(undisturbed).as_posix() for path in undisturbed.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json", ".lock"}
    assert manifest["sessions"][0] == {"from_step": 0, "versions": versions()}
    assert RunDirectory(undisturbed).damaged() == []


def test_a_manifest_that_is_damaged_is_made_anew(undisturbed: Path, stopped: Path) -> None:
    (stopped / "manifest.json").write_bytes(b'{"files": [')
    play(stopped)
    assert result(stopped) == result(undisturbed) and RunDirectory(stopped).damaged() == []


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
    known = versions()  # what another user may not even read: packages of this user's own
    for place in ("spec", "session"):
        monkeypatch.setattr(f"synagents.run.{place}.versions", lambda: known)
    monkeypatch.setattr(configs, "version", lambda name: known[name])
    with tempfile.TemporaryDirectory() as place:  # the test's own directories are closed to other users
        os.chmod(place, 0o755)
        directory = Path(place) / "run"
        play(directory, 2)
        for path in (directory, *directory.rglob("*")):
            os.chmod(path, 0o555 if path.is_dir() else 0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # who may do everything is not stopped by permissions
        try:
            with pytest.raises(PermissionError, match=str(directory)):
                play(directory, 4)
            with pytest.raises(PermissionError, match=place):
                play(directory / "new", 4)
        finally:
            os.seteuid(user)
            for path in (directory, *directory.rglob("*")):
                os.chmod(path, 0o755)
        play(directory, 4)


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


def rewrite(directory: Path, **changes: Any) -> None:
    config = json.loads((directory / "config.json").read_text()) | changes
    (directory / "config.json").write_text(json.dumps(config))


# config.json as version 0.1.0 wrote it, without most of what it says of the world and the learner.
CONFIG_0_1_0 = {
    "format": "synagents-run/1", "task": "xor", "learner": "repeat-undo", "sizes": [2, 4, 2], "seed": 0,
    "settings": {"hidden": "4", "interval": 0, "step_size": "0.01"}, "data": {}, "steps": 10000, "worlds": 1, "runs": 1,
    "shared_task": False, "rollout_length": 1, "probes": [], "probe_interval": 100, "key": [0, 0],
    "built": {"world": "SynapseWorld", "learner": "RepeatUndo"},
    "versions": {"synagents": "0.1.0", "jax": "0.10.0", "jaxlib": "0.10.0", "numpy": "2.3.5", "python": "3.11.9",
                 "device": "cpu cpu"},
    "extended_from": [],
}  # fmt: skip


def test_a_run_of_version_0_1_0_is_refused_with_the_version_that_reads_it(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(CONFIG_0_1_0))
    before = [path.name for path in directory.iterdir()]
    for call in (
        play,
        read_metrics,
        read_config,
        lambda path: open_run(path, SPEC),
        lambda p: RunDirectory(p).config(),
    ):
        told = refused(lambda call=call: call(directory)).replace("0.1.0", "0-1-0")
        assert "config was written by synagents 0-1-0, and synagents" in told and "go on with that version" in told
    assert [path.name for path in directory.iterdir()] == before


def test_a_run_that_began_with_other_versions_goes_on_and_that_is_told(stopped: Path) -> None:
    rewrite(stopped, versions={"synagents": "0.2.9"})
    said: list[str] = []
    play(stopped, tell=said.append)
    assert said[0].startswith(f"The run in {stopped} began with synagents 0.2.9, not {versions()['synagents']};")
    assert said[0].endswith("its last digits may differ from here on.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", "12"), ("rounds", 0), ("rounds", True), ("extended_from", [3, 1]), ("extended_from", None),
        ("num_worlds", -1), ("shared_task", 1), ("probes", "loss"), ("built", []), ("versions", None), ("seed", 0.5),
        ("seed", -1),
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
    told = refused(lambda: play(stopped, replace(SPEC, world=other)), ValueError)
    assert "began with other settings (world.step_size 0.05, not 0.01; world.bias_gain 2.0, not 3.0)" in told
    assert "seed 3, not 4" in refused(lambda: play(stopped, replace(SPEC, seed=4)), ValueError)
    assert "num_worlds 1, not 2" in refused(lambda: play(stopped, replace(SPEC, num_worlds=2)), ValueError)
    assert "other settings (learner QTable, not RepeatUndo):" in refused(
        lambda: play(stopped, replace(SPEC, learner=synagents.RepeatUndo())), ValueError
    )


def test_data_that_changed_since_the_run_began_are_told(tmp_path: Path) -> None:
    def spec(brightest: float, rounds: int) -> RunSpec:
        x = np.linspace(0, brightest, 60).reshape(20, 3)
        task = synagents.from_arrays(x, np.arange(20) % 2, loss="cross-entropy", batch_size=4)
        return replace(SPEC, world=synapse_v0.world(task, hidden=(), interval=0), rounds=rounds)

    play(tmp_path / "run", spec(1.0, 2))
    told = refused(lambda: play(tmp_path / "run", spec(0.5, 4)), ValueError)
    assert "has changed (world.task.x, world.task.held_out_x): put back the data or tables as they were" in told
    play(tmp_path / "run", spec(1.0, 4))
