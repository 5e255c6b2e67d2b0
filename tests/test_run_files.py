"""What is to be run, the files that it leaves, and how others read them."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import synagents
from synagents.hyperparameters import settings
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.trace import Trace
from synagents.probes import Round, action_mix
from synagents.report.plot import plot_run
from synagents.run import config as configs
from synagents.run.config import described, read_config
from synagents.run.directory import RunDirectory
from synagents.run.files import check_writable
from synagents.run.fit import fit
from synagents.run.reading import open_run, read_metrics
from synagents.run.results import weights_sha256
from synagents.world import World
from tests.runs import CROWD, LEARNER, ROUNDS, SPEC, WORLD, Killed, at, damage, in_a_shell, play, refused


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
    assert because in refused(lambda: replace(SPEC, **change), ValueError)


def test_checkpoint_seconds_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    assert "checkpoint_seconds" in refused(lambda: play(tmp_path / "run", checkpoint_seconds=-1), ValueError)
    assert not list(tmp_path.iterdir())


@settings
class Picky(QTable):
    """Fits no agents."""

    def init(self, *args: Any) -> Any:
        raise ValueError("These agents are not mine.")


def test_a_learner_that_does_not_fit_the_agents_leaves_nothing(tmp_path: Path) -> None:
    spec = replace(SPEC, learner=Picky(adaptive=True))
    assert "not mine" in refused(lambda: play(tmp_path / "run", spec), ValueError)
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
class Loud(QTable):
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
    play(tmp_path / "run", CROWD)
    columns = read_metrics(tmp_path / "run")
    assert columns["step"].dtype == columns["run"].dtype == np.int64 and columns["loss"].dtype == np.float64
    assert columns["step"][:4].tolist() == [2, 2, 4, 4] and columns["run"][:4].tolist() == [0, 1, 0, 1]
    mix = columns["probe.action_mix.layer0_weight.0"][columns["run"] == 0]
    assert np.flatnonzero(np.isfinite(mix)).tolist() == [0, 2, 4]
    with (tmp_path / "run/metrics.csv").open(newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == columns["loss"].tolist()
    assert plot_run(tmp_path / "run") == tmp_path / "run/picture.png"


def test_metrics_of_a_run_that_is_going_on_are_read_without_the_row_that_is_half_written(stopped: Path) -> None:
    before = read_metrics(stopped)["step"].tolist()
    with (stopped / "metrics.csv").open("a") as file:
        file.write("8,0,0.5")
    assert read_metrics(stopped)["step"].tolist() == before
    with (stopped / "metrics.csv").open("a") as file:
        file.write("\n9,0,much\n")
    assert "has rows that are not equally many numbers" in refused(lambda: read_metrics(stopped))


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


def test_a_run_is_opened_as_it_was_after_any_step_by_playing_it_again(undisturbed: Path, stopped: Path) -> None:
    for step in (0, 1, 5, ROUNDS):
        run, summary = open_run(undisturbed, SPEC, step)
        again = SPEC.advance(SPEC.begin(), step)[0] if step else SPEC.begin()
        assert run.t == step and weights_sha256(run) == weights_sha256(again)
        assert (summary is None) == (step < ROUNDS)
    for file in (stopped / "checkpoints").iterdir():
        damage(file)
    assert open_run(stopped, SPEC, 3)[0].t == 3
    assert "in 0 .. " in refused(lambda: open_run(undisturbed, SPEC, ROUNDS + 1), ValueError)


def test_a_run_without_a_whole_checkpoint_is_opened_at_its_start_or_refused(stopped: Path) -> None:
    for file in (stopped / "checkpoints").iterdir():
        damage(file)
    assert "is whole: `synagents resume" in refused(lambda: open_run(stopped, SPEC))
    shutil.rmtree(stopped / "checkpoints")
    assert open_run(stopped, SPEC)[0].t == 0


# Paths


def test_a_home_directory_is_found_by_its_tilde_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run, _ = play(Path("~/run"), 2)
    synagents.save(run, "~/c")
    assert synagents.load("~/c", run).t == 2
    synagents.save_table("~/t.json", synagents.load_table())
    assert synagents.load_table("~/t.json").shape == (81, 3)
    assert read_metrics("~/run")["step"].tolist() == [1, 2] and open_run("~/run", SPEC)[0].t == 2
    assert read_config("~/run")["rounds"] == 2 and RunDirectory("~/run").path == tmp_path / "run"
    assert check_writable("~/y.json") == tmp_path / "y.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "run", "t.json"]


def test_a_place_for_a_result_is_checked_before_anything_is_computed_and_left_as_it_is(tmp_path: Path) -> None:
    told = refused(lambda: check_writable(tmp_path / "new/t.json"), ValueError)
    assert told == f"There is no directory {tmp_path}/new: make it first, or name another place.".replace(".json", "")
    (tmp_path / "file").write_text("old")
    assert check_writable(tmp_path / "file").read_text() == "old"
    assert "is a directory: name a file" in refused(lambda: check_writable(tmp_path), ValueError)
    assert "There is no directory" in refused(lambda: check_writable(tmp_path / "file/t"), ValueError)
    assert "/proc/t cannot be written (" in refused(lambda: check_writable("/proc/t"), ValueError)
    assert "null byte" in refused(lambda: check_writable("a\0b"), ValueError)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# 64 bits


X64 = """
import sys, json, numpy as np
from dataclasses import replace
from pathlib import Path
from synagents.learners.synapse.trace import Trace
from synagents.run.fit import fit
from synagents.run.reading import read_metrics
from tests.runs import SPEC, Killed, at
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
    loss = read_metrics(stopped)["loss"]
    assert len(set(loss)) > 3, loss  # agents draw and move
"""


def test_with_64_bits_runs_are_saved_and_resumed_with_the_same_bits(tmp_path: Path) -> None:
    done = in_a_shell('"$PYTHON" -c "$CODE" "$WHERE"', CODE=X64, WHERE=str(tmp_path), JAX_ENABLE_X64="1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for sums, types in zip(lines[::2], lines[1::2], strict=True):
        assert len(set(sums.split())) == 1 and types == "{'float32'}"
    assert len(lines) == 4
