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
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import synagents
from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.trace import Trace
from synagents.loop import Run, begin
from synagents.probes import Round, action_mix
from synagents.run import config as configs
from synagents.run import session as sessions
from synagents.run.config import described, first_rounds_of, read_config, versions
from synagents.run.directory import RunDirectory
from synagents.run.files import RunError, check_writable
from synagents.run.fit import Look, fit
from synagents.run.reading import open_run, read_metrics
from synagents.run.results import weights_sha256
from synagents.run.spec import RunSpec
from synagents.run.stopping import Interrupted
from synagents.settings import settings
from synagents.world import World
from tests.claims import one_sentence, same_bits

WORLD = synapse_v0.world("xor", hidden=(2,), interval=0, step_size=0.05)
LEARNER = QTable(adaptive=True, alpha=0.1, rate="per-step")
ROUNDS = 12
SPEC = RunSpec(WORLD, LEARNER, ROUNDS, seed=3)


class Killed(BaseException):
    """What no `except` of ours catches, as nothing catches kill -9."""


def play(directory: Path, spec: RunSpec | int = SPEC, **options: Any) -> tuple[Run, dict[str, Any]]:
    """Go on with the run in a directory; a checkpoint at every look, unless `options` say otherwise."""
    spec = replace(SPEC, rounds=spec) if isinstance(spec, int) else spec
    return fit(spec, directory, **{"checkpoint_seconds": 0, "tell": lambda line: None, **options})


def result(directory: Path) -> tuple[bytes, bytes, str, float]:
    """All that a run leaves which may not depend on how often it was stopped."""
    summary = json.loads((directory / "summary.json").read_text())
    metrics, table = (directory / "metrics.csv").read_bytes(), json.loads((directory / "table.json").read_text())
    return metrics, json.dumps(table).encode(), summary["weights_sha256"], summary["loss"]


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
    monkeypatch.setattr(sessions, "KEEP", 2)
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
    spec = replace(SPEC, num_runs=2, num_worlds=2, shared_task=True, rollout_length=2)
    spec = replace(spec, probes=(action_mix,), probe_interval=4)
    play(tmp_path / "whole", spec)
    with pytest.raises(Killed):
        play(tmp_path / "run", spec, watch=at(6, Killed))
    play(tmp_path / "run", spec)
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


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"rounds": 0}, "rounds must be a whole number in 1 .. 4294967291, but is 0"),
        ({"rounds": 3, "rollout_length": 2}, "positive multiple of rollout_length 2, but are 3"),
        ({"seed": 2**32}, "seed must be a whole number in 0 .. 4294967295, but is 4294967296"),
        ({"seed": -1}, "0 .. 4294967295, but is -1"),
        ({"seed": 0.5}, "but is 0.5"),
        ({"num_worlds": 0}, "num_worlds must be a whole number >= 1"),
        ({"num_runs": True}, "num_runs must be a whole number >= 1"),
        ({"shared_task": 1}, "shared_task must be True or False"),
        ({"probe_interval": 0}, "probe_interval must be a whole number >= 1"),
        ({"probes": (action_mix, action_mix)}, "a different __name__ each"),
        ({"learner": Trace}, "this is the class Trace itself"),
        ({"learner": Trace()}, "reward='delta'"),
        ({"world": "xor"}, "this is 'xor'"),
        ({"about": [1]}, "about must be a mapping"),
        ({"about": {"a": {1, 2}}}, "about must hold what JSON can say"),
        ({"about": {"a": float("nan")}}, "about must hold what JSON can say"),
        ({"about": {"seed": 4}}, "about says otherwise than the run itself does (seed)"),
        ({"about": {"format": "mine"}}, "about says otherwise than the run itself does (format)"),
    ],
)
def test_what_cannot_be_run_is_refused_when_the_spec_is_made(change: dict[str, Any], because: str) -> None:
    assert because in refused(lambda: replace(SPEC, **change), ValueError).replace("__name__ each", "__name__ each")


def test_checkpoint_seconds_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    assert "checkpoint_seconds" in refused(lambda: play(tmp_path / "run", checkpoint_seconds=-1), ValueError)
    assert not list(tmp_path.iterdir())


def test_a_learner_that_does_not_fit_the_agents_leaves_nothing(tmp_path: Path) -> None:
    from synagents.envs import unit_v0

    spec = replace(SPEC, world=unit_v0.world("xor", hidden=(2,)), learner=Trace())
    refused(lambda: play(tmp_path / "run", spec), ValueError)
    assert not list(tmp_path.iterdir())


def test_the_configuration_has_what_was_said_of_the_run_first_and_its_fields_by_name() -> None:
    spec = replace(SPEC, rounds=np.int64(12), about={"task": "xor", "seed": 3})
    config = json.loads(json.dumps(spec.to_config()))
    assert list(config)[:4] == ["format", "sizes", "task", "seed"]
    own = {name: config[name] for name in ("rounds", "seed", "num_worlds", "num_runs", "rollout_length", "probes")}
    assert own == {"rounds": 12, "seed": 3, "num_worlds": 1, "num_runs": 1, "rollout_length": 1, "probes": []}


def test_configuration_is_read_once_unless_it_changes(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = configs.read_json
    monkeypatch.setattr(configs, "read_json", lambda file: (read.append(file.name), real(file))[1])
    directory = RunDirectory(stopped)
    assert directory.config()["rounds"] == ROUNDS and directory.finished() is None
    fit(SPEC, directory, tell=lambda line: None)
    assert read == ["config.json"] and directory.finished() is not None
    play(stopped, 20)
    assert directory.config()["rounds"] == 20 and directory.finished() is not None


# Columns


@settings
class Loud(type(LEARNER)):
    """Reports numbers that are called as the columns of metrics.csv are."""

    def update(self, *args: Any) -> Any:
        mind, metrics = super().update(*args)
        return mind, metrics | {name: np.float32(7) for name in ("step", "run", "loss", "held_out_loss", "probe.loss")}


def loss(world: World, seen: Round) -> Any:
    return {"step": np.float32(8), "loss": np.zeros(2, np.float32)}


def learner(world: World, seen: Round) -> Any:
    return {"loss": np.float32(9)}


def test_nothing_that_a_learner_or_a_probe_reports_takes_another_column(undisturbed: Path, tmp_path: Path) -> None:
    spec = replace(SPEC, learner=Loud(alpha=0.1, rate="per-step", adaptive=True), probes=(loss, learner))
    play(tmp_path / "run", replace(spec, probe_interval=1))
    ours, plain = read_metrics(tmp_path / "run"), read_metrics(undisturbed)
    for name, values in plain.items():
        np.testing.assert_array_equal(ours[name], values)
    assert (ours["learner.loss"] == 7).all() and (ours["learner.step"] == 7).all()
    assert (ours["probe.loss.step"] == 8).all() and (ours["probe.learner.loss"] == 9).all()
    assert (ours["learner.probe.loss"] == 7).all() and (ours["probe.loss.loss.1"] == 0).all()


def twice(world: World, seen: Round) -> Any:
    return {"a": np.zeros(1, np.float32), "a.0": np.float32(1)}


def test_a_probe_with_two_numbers_of_one_name_is_refused(tmp_path: Path) -> None:
    told = refused(lambda: play(tmp_path / "run", replace(SPEC, probes=(twice,), probe_interval=1)), ValueError)
    assert "two numbers that are called probe.twice.a.0" in told.replace("a.0:", "a.0 :")


# Reading


def test_metrics_are_read_as_columns_with_nan_where_nothing_was_recorded(tmp_path: Path) -> None:
    play(tmp_path / "run", replace(SPEC, num_runs=2, probes=(action_mix,), probe_interval=6))
    columns = read_metrics(tmp_path / "run")
    assert columns["step"].dtype == columns["run"].dtype == np.int64 and columns["loss"].dtype == np.float64
    assert columns["step"][:4].tolist() == [1, 1, 2, 2] and columns["run"][:4].tolist() == [0, 1, 0, 1]
    mix = columns["probe.action_mix.layer0_weight.0"][columns["run"] == 0]
    assert np.flatnonzero(np.isfinite(mix)).tolist() == [0, 6]
    with (tmp_path / "run/metrics.csv").open(newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == columns["loss"].tolist()


def test_metrics_of_a_run_that_is_going_on_are_read_without_the_row_that_is_half_written(stopped: Path) -> None:
    before = read_metrics(stopped)["step"].tolist()
    with (stopped / "metrics.csv").open("a") as file:
        file.write("8,0,0.5")
    assert read_metrics(stopped)["step"].tolist() == before
    with (stopped / "metrics.csv").open("a") as file:
        file.write("\n9,0,much\n")
    assert "has a row that is not" in refused(lambda: read_metrics(stopped))


def test_a_run_is_opened_at_its_last_whole_checkpoint_and_nothing_is_changed(undisturbed: Path, stopped: Path) -> None:
    damage(stopped / "checkpoints/step-0000000006.safetensors")
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    run, summary = open_run(stopped, replace(SPEC, rounds=99))
    assert (run.t, summary) == (5, None)
    assert before == {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    run, summary = open_run(undisturbed, SPEC)
    assert run.t == ROUNDS and summary == json.loads((undisturbed / "summary.json").read_text())
    assert weights_sha256(run) == summary["weights_sha256"]
    assert "seed 3, not 4" in refused(lambda: open_run(undisturbed, replace(SPEC, seed=4)), ValueError)


def test_a_run_without_a_whole_checkpoint_is_opened_at_its_start_or_refused(stopped: Path) -> None:
    for file in (stopped / "checkpoints").iterdir():
        damage(file)
    assert "is whole: `synagents resume" in refused(lambda: open_run(stopped, SPEC))
    shutil.rmtree(stopped / "checkpoints")
    assert open_run(stopped, SPEC)[0].t == 0


# Displays and paths


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(5, "Input/output error"),
                                   ValueError("I/O operation on closed file.")])  # fmt: skip
def test_a_display_that_cannot_be_written_is_dropped_and_the_run_is_whole(
    undisturbed: Path, tmp_path: Path, error: Exception
) -> None:
    calls: list[str] = []

    def broken(name: str) -> Callable[..., None]:
        def show(*args: Any) -> None:
            calls.append(name)
            raise error

        return show

    play(tmp_path / "run", compiling=broken("compiling"), watch=broken("watch"), tell=broken("tell"))
    assert sorted(calls) == ["compiling", "tell", "watch"]  # once each
    assert result(tmp_path / "run") == result(undisturbed)


def test_a_display_that_fails_is_told_where_somebody_listens(tmp_path: Path) -> None:
    said: list[str] = []
    missing = at(1, lambda: open(tmp_path / "missing"))
    play(tmp_path / "run", 2, watch=missing, tell=said.append)
    assert len(said) == 1 and "What shows the run failed (FileNotFoundError" in said[0]


def test_an_error_of_somebodys_own_in_a_display_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        play(tmp_path / "run", 2, watch=at(1, lambda: (_ for _ in ()).throw(ValueError("mine"))))


def test_compiling_is_said_once_and_never_before_a_refusal(undisturbed: Path, tmp_path: Path) -> None:
    calls: list[int] = []
    play(tmp_path / "run", 2, compiling=lambda: calls.append(1))
    assert calls == [1]
    for spec in (SPEC, replace(SPEC, seed=4), replace(SPEC, rounds=6)):  # done already, another run, fewer rounds
        with suppress(ValueError):
            play(undisturbed, spec, compiling=lambda: calls.append(2))
    assert calls == [1]


DRIVE = """
import sys
from dataclasses import replace
from synagents.report.live import Live, closing_table
from synagents.run.fit import fit
from tests.test_runs import SPEC
spec = replace(SPEC, rounds=300)
with Live("xor [red]q", spec.rounds) as live:
    _, summary = fit(spec, sys.argv[1], compiling=live.compiling, watch=live.show, tell=live.tell)
live.close(closing_table(summary, sys.argv[1]))
"""


def in_a_shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[1]
    call = ["bash", "-c", f"set -o pipefail; {command}"]
    return subprocess.run(
        call, cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": sys.executable, **env}
    )


@pytest.mark.parametrize("end", ["2>&1 | head -1", "2>&-", "2> /dev/full"])
def test_a_closed_or_full_output_stops_no_training(tmp_path: Path, end: str) -> None:
    directory = tmp_path / "run"
    done = in_a_shell(f'"$PYTHON" -c "$DRIVE" "$WHERE" {end}', DRIVE=DRIVE, WHERE=str(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == (["xor [red]q: compiling"] if "head" in end else [])
    assert RunDirectory(directory).finished() is not None


def test_names_and_paths_are_plain_text_and_the_path_is_alone_on_its_line_whole(tmp_path: Path) -> None:
    for name in ("a[/b]", "exp[lr=0.1]", "long-" * 40):
        directory = tmp_path / name
        done = in_a_shell('"$PYTHON" -c "$DRIVE" "$WHERE" 2>&1', DRIVE=DRIVE, WHERE=str(directory), COLUMNS="40")
        assert done.returncode == 0, done.stdout
        lines = done.stdout.splitlines()
        assert lines[0] == "xor [red]q: compiling" and lines[-1] == str(directory)


def test_a_home_directory_is_found_by_its_tilde_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run, _ = play(Path("~/run"), 2)
    synagents.save(run, "~/c")
    assert synagents.load("~/c", run).t == 2
    synagents.save_table("~/t.json", np.asarray(run.mind.table[0]))
    assert synagents.load_table("~/t.json").shape == (81, 3)
    assert read_metrics("~/run")["step"].tolist() == [1, 2] and open_run("~/run", SPEC)[0].t == 2
    assert read_config("~/run")["rounds"] == 2 and RunDirectory("~/run").path == tmp_path / "run"
    assert check_writable("~/x/y.json") == tmp_path / "x/y.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "run", "t.json", "x"]


def test_a_place_for_a_result_is_checked_and_made_before_anything_is_computed(tmp_path: Path) -> None:
    check_writable(tmp_path / "new/deeper/t.json")
    assert (tmp_path / "new/deeper").is_dir() and not list((tmp_path / "new/deeper").iterdir())
    (tmp_path / "file").write_text("old")
    assert check_writable(tmp_path / "file").read_text() == "old"
    assert "is a directory: name a file" in refused(lambda: check_writable(tmp_path), ValueError)
    told = refused(lambda: check_writable(tmp_path / "file/t"), ValueError)
    assert "cannot be written (" in told and "name another place" in told
    assert "cannot be written" in refused(lambda: check_writable("/proc/t"), ValueError)


# 64 bits


X64 = """
import sys, json, numpy as np
from dataclasses import replace
from pathlib import Path
from synagents.learners.synapse.trace import Trace
from synagents.run.fit import fit
from synagents.run.reading import open_run
from tests.test_runs import SPEC, Killed, at
for spec in (SPEC, replace(SPEC, world=replace(SPEC.world, reward="delta"), learner=Trace(), num_worlds=2)):
    name, quiet = type(spec.learner).__name__, dict(checkpoint_seconds=0, tell=lambda line: None)
    _, summary = fit(spec, Path(sys.argv[1]) / name / "whole", **quiet)
    stopped = Path(sys.argv[1]) / name / "stopped"
    try:
        fit(spec, stopped, watch=at(7, Killed), **quiet)
    except Killed:
        pass
    _, again = fit(spec, stopped, **quiet)
    print(summary["weights_sha256"], again["weights_sha256"])
    print({str(array.dtype) for array in np.load(stopped / "weights.npz").values()})
"""


def test_with_64_bits_runs_are_saved_and_resumed_with_the_same_bits(tmp_path: Path) -> None:
    done = in_a_shell('"$PYTHON" -c "$CODE" "$WHERE"', CODE=X64, WHERE=str(tmp_path), JAX_ENABLE_X64="1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for sums, types in zip(lines[::2], lines[1::2], strict=True):
        assert len(set(sums.split())) == 1 and types == "{'float32'}"
    assert len(lines) == 4


# Pictures and the closing table


def test_a_picture_is_where_it_is_said_to_be(undisturbed: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from synagents.report.plot import plot_run

    assert plot_run(undisturbed, tmp_path / "new/pic") == tmp_path / "new/pic.png"
    assert (tmp_path / "new/pic.png").read_bytes()[1:4] == b"PNG"
    assert plot_run(undisturbed, tmp_path / "a[$b$].pdf").read_bytes()[:4] == b"%PDF"
    assert "No picture is of the kind" in refused(lambda: plot_run(undisturbed, tmp_path / "pic.jpgg"), ValueError)
    play(tmp_path / "run", replace(SPEC, probes=(action_mix,), probe_interval=4, about={"task": "$x", "learner": "y"}))
    assert plot_run(tmp_path / "run") == tmp_path / "run/picture.png"


def test_a_run_without_rows_is_no_picture_yet(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from synagents.report.plot import plot_run

    with pytest.raises(Killed):
        play(tmp_path / "run", compiling=at_once(Killed))
    assert "has no rows yet" in refused(lambda: plot_run(tmp_path / "run"), ValueError)


def at_once(error: type[BaseException]) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({}, ""),
        ({"name": "mine"}, ""),
        ({"train_samples": 1348}, "1,348 training"),
        ({"train_samples": 1348, "held_out_samples": 449, "split": "seed 0"}, "1,348 training, 449 held out (seed 0)"),
        ({"held_out_samples": 9, "scale": 255.0, "classes": 10}, "9 held out, pixels / 255, 10 classes"),
    ],
)
def test_the_closing_table_says_of_the_data_what_the_task_does(data: dict[str, Any], line: str) -> None:
    from synagents.report.live import data_line

    assert data_line(data) == line


def test_the_summary_has_the_data_as_the_task_describes_them(tmp_path: Path) -> None:
    task = synagents.from_arrays(np.eye(8, 3), np.arange(8) % 2, loss="cross-entropy", batch_size=4)
    _, summary = play(tmp_path / "run", replace(SPEC, world=synapse_v0.world(task, hidden=(), interval=0), rounds=1))
    assert summary["data"] == dict(task.description)
    assert json.loads((tmp_path / "run/summary.json").read_text())["data"].keys() == summary["data"].keys()
