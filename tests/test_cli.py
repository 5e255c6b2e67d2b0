import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synagents.cli.main import run as command
from synagents.run.session import Session
from synagents.run.tables import SHIPPED, load_table
from tests.test_data import write_pair
from tests.test_presets import typed_networks

TINY = ["xor", "--steps", "40", "--hidden", "2", "--quiet"]
SUMMARY = {
    "task", "learner", "world", "sizes", "data", "agents", "steps", "seed", "worlds", "runs", "loss", "train_accuracy",
    "held_out_loss", "accuracy", "accuracy_by_run", "score", "score_name", "seconds", "compile_seconds",
    "steps_per_second", "agent_steps_per_second", "checkpoint_seconds", "weights_sha256",
}  # fmt: skip


class Said:
    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def sentence(self) -> str:
        return self.err.strip().splitlines()[-1]


Command = Callable[..., Said]


@pytest.fixture
def synagents(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["synagents", *words])
        code = command()
        heard = capsys.readouterr()
        return Said(code, heard.out, heard.err)

    return run


def test_help_takes_less_than_a_second() -> None:
    call = [sys.executable, "-m", "synagents", "--help"]
    took = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(call, capture_output=True, text=True, check=True, env={"PATH": "", "COLUMNS": "200"})
        took.append(time.perf_counter() - started)
    assert "Train a network" in done.stdout
    assert min(took) < 1


def test_a_run_leaves_its_files_and_a_whole_summary(synagents: Command, tmp_path: Path) -> None:
    said = synagents("train", *TINY, "--out", "here", "--json", "--probe", "alignment", "--probe", "action-mix")
    assert said.code == 0
    summary = json.loads(said.out)
    assert set(summary) == SUMMARY
    assert summary == json.loads((tmp_path / "here/summary.json").read_text())
    assert (summary["task"], summary["sizes"], summary["agents"]) == ("xor", [2, 2, 2], 12)
    assert summary["score"] == summary["accuracy"] == summary["accuracy_by_run"][0]
    config = json.loads((tmp_path / "here/config.json").read_text())
    assert config["settings"]["hidden"] == "2" and config["settings"]["epsilon"] == 0.5
    with (tmp_path / "here/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["step"] == "40"
    assert float(rows[-1]["held_out_accuracy"]) == pytest.approx(summary["accuracy"], abs=1e-5)
    assert {"loss", "reward_rate", "probe.alignment", "probe.action_mix.layer0_weight.2"} <= set(rows[0])
    with np.load(tmp_path / "here/weights.npz", allow_pickle=False) as weights:
        assert weights["layer0_weight"].shape == (1, 1, 2, 2)


def test_the_same_command_gives_the_same_weights_and_another_seed_gives_others(
    synagents: Command, tmp_path: Path
) -> None:
    for out, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert synagents("train", *TINY, "--out", out, "--seed", seed).code == 0
    a, b, c = (np.load(tmp_path / out / "weights.npz")["layer0_weight"] for out in "abc")
    assert (a == b).all() and (a != c).any()


def test_runs_and_worlds_are_all_reported(synagents: Command) -> None:
    summary = json.loads(
        synagents("train", *TINY, "--num-runs", "3", "--num-worlds", "2", "--shared-task", "--json").out
    )
    assert (summary["runs"], summary["worlds"], len(summary["accuracy_by_run"])) == (3, 2, 3)
    assert summary["accuracy"] == pytest.approx(np.mean(summary["accuracy_by_run"]))


def test_a_task_without_classes_is_scored_by_its_loss(synagents: Command) -> None:
    summary = json.loads(synagents("train", "perceptron", "--steps", "20", "--quiet", "--json").out)
    assert summary["accuracy"] is None and summary["train_accuracy"] is None and summary["accuracy_by_run"] is None
    assert (summary["score_name"], summary["score"]) == ("held_out_loss", summary["held_out_loss"])


def test_results_without_out_go_to_a_numbered_directory_that_the_summary_names(synagents: Command) -> None:
    words = [word for word in TINY if word != "--quiet"]
    assert "runs/xor-team-q-1" in synagents("train", *words).err
    assert "runs/xor-team-q-2" in synagents("train", *words).err


def test_where_there_is_no_terminal_progress_is_plain_lines_on_stderr(synagents: Command) -> None:
    said = synagents("train", "xor", "--steps", "100", "--hidden", "2")
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.startswith("xor team-q: step")]
    assert len(lines) == 10
    for word in ("steps/s", "agent-steps/s", "loss", "rewarded", "accuracy", "left"):
        assert word in lines[0]


def test_an_adaptive_table_starts_from_zeros_and_is_saved(synagents: Command, tmp_path: Path) -> None:
    assert synagents("train", *TINY, "--learner", "q-table", "--adaptive", "--out", "q").code == 0
    learned = load_table(tmp_path / "q/table.json")
    assert learned.shape == (81, 3) and 0 < np.count_nonzero(learned.values) < 81 * 3
    assert synagents("train", *TINY, "--learner", "q-table", "--table", "q/table.json", "--out", "again").code == 0
    assert (load_table(tmp_path / "again/table.json").values == learned.values).all()


def test_schedules_are_read_as_they_are_written(synagents: Command, tmp_path: Path) -> None:
    assert synagents("train", *TINY, "--step-size", "switch:0.1:0.01:20", "--out", "s").code == 0
    assert json.loads((tmp_path / "s/config.json").read_text())["settings"]["step_size"] == "switch:0.1:0.01:20"


def test_a_team_of_units_is_told_what_it_earned_over_the_whole_run_and_at_its_end(
    synagents: Command, tmp_path: Path
) -> None:
    words = [
        "multiplexer",
        "--bits",
        "1",
        "--hidden",
        "4",
        "--learner",
        "reinforce",
        "--steps",
        "40",
        "--num-worlds",
        "8",
    ]
    summary = json.loads(synagents("train", *words, "--out", "u", "--num-runs", "2", "--json", "--quiet").out)
    assert set(summary) == SUMMARY | {"mean_reward", "final_reward", "mean_reward_by_run"}
    assert (summary["sizes"], summary["agents"], summary["worlds"]) == ([3, 4, 2], 5, 8)
    with (tmp_path / "u/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    returns = [float(row["world.returns"]) for row in rows]  # every round is an episode here, and every look one round
    assert summary["mean_reward"] == summary["score"] == pytest.approx(np.mean(returns), abs=1e-4)
    assert summary["final_reward"] == pytest.approx(np.mean(returns[-8:]), abs=1e-4)
    assert np.mean(summary["mean_reward_by_run"]) == pytest.approx(summary["mean_reward"], abs=1e-4)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["xor", "--learner", "reinforce"], "reinforce does not fit xor: it learns in worlds of unit agents"),
        (
            ["xor", "--world", "unit"],
            "xor is not played in worlds of unit agents, but in those of synapse and plastic agents",
        ),
        (["--world", "unti"], "No world is called 'unti': did you mean 'unit'?"),
        (["--learner", "trace", "--world", "unit"], "trace does not learn in worlds of unit agents, but plays digits"),
        (["--learner", "reinforce", "--batch-size", "9"], "reinforce on digits has no --batch-size"),
        (["--world", "unit", "--step-size", "0.1"], "weight-maximization on digits has no --step-size"),
        (["--world", "unit", "--shared-task"], "has no --shared-task"),
        (
            ["multiplexer", "--learner", "q-table"],
            "q-table does not fit multiplexer: it learns in worlds of synapse agents",
        ),
        (["multiplexer", "--hidden", "8"], "variance must be one number"),
        (["multiplexer", "--learning-rate", "0.1,fast"], "'fast' is not a schedule"),
        (["multiplexer", "--variance", "a"], "write 0.3,1"),
        (["multiplexer", "--learner", "boltzmann", "--num-worlds", "3"], "no multiple of that"),
        (["digts"], "did you mean 'digits'"),
        (["--learner", "q-tabel"], "did you mean 'q-table'"),
        (["--hiden", "3"], "There is no flag --hiden: the nearest is --hidden."),
        (["--lerner", "trace"], "There is no flag --lerner: the nearest is --learner."),
        (
            ["--learner", "uniform", "--alpha", "0.1"],
            "uniform on digits has no --alpha: `synagents train digits --help` shows the flags.",
        ),
        (["xor", "--batch-size", "3"], "team-q on xor has no --batch-size"),
        (["--hidden", "0"], "write 64,32 or none"),
        (["--hidden", "many"], "write 64,32 or none"),
        (["--batch-size", "5000"], "batch_size must lie in 1 .. 1348"),
        (["--learner", "q-table", "--epsilon", "1.5"], "epsilon must lie in [0, 1], but is 1.5."),
        (["--step-size", "linear:a:b"], "is not a schedule"),
        (
            ["--interval", "250", "--rollout-length", "3", "--steps", "300"],
            "interval must be a multiple of rollout_length 3",
        ),
        (["--steps", "7", "--rollout-length", "2", "--interval", "0"], "multiple of rollout_length 2"),
        (["--steps", "0"], "'0' is not a whole number >= 1."),
        (["--seed", "-1"], "'-1' is not a whole number in 0 .. 2^32 - 1."),
        (["--seed", "4294967296"], "'4294967296' is not a whole number in 0 .. 2^32 - 1."),
        (["--steps", "1.5e0"], "'1.5e0' is not a whole number >= 1."),
        (["multiplexer", "--shared-task"], "has no --shared-task"),
        (["multiplexer", "--network", "mlp"], "leave --network out"),
        (["--network", "from-module"], "from_module needs make, which cannot be typed on a command line"),
        (["--network", "mpl"], "did you mean 'mlp'"),
        (["--loss", "hinge"], "No loss is called 'hinge'"),
        (["--probe", "alignmnt"], "did you mean 'alignment'"),
        (["--memory", "10"], "memory must be a whole number in 0 .. 9"),
        (["--learner", "q-table", "--memory", "3"], "rows are histories of 2 rounds, but these agents see 3 rounds"),
        (["--learner", "q-table", "--table", "none.json"], "There is no table at none.json"),
        (["idx"], "name their folder with --data DIR"),
        (["notmnist", "--data", "nowhere"], "notMNIST is not in nowhere"),
        (["--held-out", "1.5"], "held_out"),
    ],
)
def test_wrong_use_is_told_in_a_sentence_and_leaves_nothing(
    synagents: Command, tmp_path: Path, words: list[str], told: str
) -> None:
    said = synagents("train", *words, "--quiet")
    assert said.code == 2
    assert told in said.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_empty_needs_overwrite(synagents: Command, tmp_path: Path) -> None:
    assert synagents("train", *TINY, "--out", "o").code == 0
    again = synagents("train", *TINY, "--out", "o")
    assert again.code == 2 and "add --overwrite" in again.sentence
    (tmp_path / "o/notes.txt").write_text("mine")
    assert synagents("train", *TINY, "--out", "o", "--overwrite").code == 0
    assert (tmp_path / "o/notes.txt").read_text() == "mine"


def same_results(one: Path, other: Path) -> bool:
    ours, theirs = (json.loads((run / "summary.json").read_text())["weights_sha256"] for run in (one, other))
    return ours == theirs and (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


def test_a_run_that_was_stopped_is_resumed_by_its_directory_alone(
    synagents: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TINY, "--learner", "q-table", "--adaptive", "--probe", "alignment", "--step-size", "linear:0.05:0.01"]
    assert synagents("train", *words, "--out", "whole").code == 0
    record = Session.record

    def interrupt(session: Session, run: Any, *rest: Any) -> None:
        record(session, run, *rest)
        if run.t == 17:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Session, "record", interrupt)
    said = synagents("train", *words, "--out", "run")
    assert said.code == 130
    assert said.sentence == "Error: Stopped at step 17 of 40, all saved: `synagents resume run` goes on."
    assert not (tmp_path / "run/summary.json").exists()
    monkeypatch.setattr(Session, "record", record)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = synagents("resume", "../run", "--json", "--quiet")
    assert said.code == 0 and "goes on from step 17" in said.err
    assert set(json.loads(said.out)) == SUMMARY and same_results(tmp_path / "run", tmp_path / "whole")


def test_the_same_command_goes_on_with_an_unfinished_run_and_more_steps_extend_a_finished_one(
    synagents: Command, tmp_path: Path
) -> None:
    fixed = ["--step-size", "linear:0.05:0.01:40"]
    assert synagents("train", *TINY, *fixed, "--out", "whole", "--steps", "60").code == 0
    decays = ["--step-size", "linear:0.05:0.01"]  # over the 40 steps of the command
    assert synagents("train", *TINY, *decays, "--out", "run").code == 0
    said = synagents("train", *TINY, *decays, "--out", "run", "--steps", "60")
    assert said.code == 0 and "As the run began, step_size ends its decay at step 40." in said.err
    weights = [np.load(tmp_path / run / "weights.npz")["layer0_weight"] for run in ("run", "whole")]
    assert (weights[0] == weights[1]).all()
    assert synagents("resume", "run", "--steps", "80", "--quiet").code == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 80
    fewer = synagents("train", *TINY, *decays, "--out", "run")
    assert fewer.code == 2 and "has been asked for 80 steps" in fewer.sentence
    other = synagents("train", *TINY, *fixed, "--out", "run", "--steps", "80", "--hidden", "3")
    assert other.code == 2 and "add --overwrite" in other.sentence
    other = synagents("resume", "run", "--steps", "70")
    assert other.code == 2 and "has been asked for 80 steps" in other.sentence


def test_a_finished_run_is_not_resumed_but_mended(synagents: Command, tmp_path: Path) -> None:
    assert synagents("train", *TINY, "--out", "run").code == 0
    before = (tmp_path / "run/summary.json").read_text()
    said = synagents("resume", "run", "--json")
    assert said.code == 0 and "is finished: --steps extends it" in said.err
    assert json.loads(said.out) == json.loads(before)
    assert (tmp_path / "run/summary.json").read_text() == before
    (tmp_path / "run/weights.npz").write_bytes(b"")
    said = synagents("resume", "run", "--quiet")
    assert said.code == 0 and "Not as they were written, and made anew: weights.npz." in said.err
    assert np.load(tmp_path / "run/weights.npz")["layer0_weight"].shape == (1, 1, 2, 2)
    assert json.loads((tmp_path / "run/summary.json").read_text())["loss"] == json.loads(before)["loss"]


def test_data_that_changed_or_went_since_the_run_began_are_told(synagents: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (60, 2, 3)).astype(np.uint8), np.arange(60, dtype=np.uint8) % 3
    write_pair(tmp_path / "mine", "train", pixels, labels)
    words = [
        "idx",
        "--data",
        "mine",
        "--hidden",
        "none",
        "--steps",
        "4",
        "--batch-size",
        "8",
        "--quiet",
        "--interval",
        "0",
    ]
    assert synagents("train", *words, "--out", "run").code == 0
    write_pair(tmp_path / "mine", "train", pixels[::-1], labels)
    said = synagents("resume", "run", "--steps", "8")
    assert said.code == 2 and "has changed (world.task.x, world.task.held_out_x): put back the data" in said.sentence
    shutil.rmtree(tmp_path / "mine")
    said = synagents("resume", "run", "--steps", "8")
    assert said.code == 2 and "mine holds no data set (there is no such folder)" in said.sentence
    write_pair(tmp_path / "mine", "train", pixels, labels)
    assert synagents("resume", "run", "--steps", "8", "--quiet").code == 0


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda config: config | {"task": "digts"}, 2, "did you mean 'digits'"),
        (lambda config: config | {"settings": config["settings"] | {"hiden": "3"}}, 2, "has no setting hiden"),
        (lambda config: config | {"settings": config["settings"] | {"hidden": [3]}}, 2, "--hidden cannot be [3]"),
        (
            lambda config: config | {"settings": config["settings"] | {"forget": "x"}},
            2,
            "--forget cannot be 'x'",
        ),
        (
            lambda config: config | {"settings": config["settings"] | {"forget": 0.7}},
            2,
            "learner.forget 0.998, not 0.7",
        ),
        (lambda config: config | {"probe_names": ["alignmnt"]}, 2, "did you mean 'alignment'"),
        (lambda config: {k: v for k, v in config.items() if k != "task"}, 2, "by calling `synagents.fit` again"),
        (lambda config: config | {"num_worlds": None}, 1, "says num_worlds is None, which cannot be"),
        (lambda config: config | {"format": "synagents-run/0"}, 1, "does not read it: go on with that version"),
        (lambda config: [config], 1, "config.json is damaged"),
    ],
)
def test_a_configuration_that_says_something_else_is_told_in_a_sentence(
    synagents: Command, tmp_path: Path, change: Callable[[Any], Any], code: int, told: str
) -> None:
    file = tmp_path / "run/config.json"
    if not file.exists():
        assert synagents("train", *TINY, "--out", "run").code == 0
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    said = synagents("resume", "run", "--steps", "50", "--quiet")
    assert (said.code, told in said.sentence) == (code, True), said.sentence


def test_resume_and_plot_want_a_run(synagents: Command, tmp_path: Path) -> None:
    for words in (["resume", "nowhere"], ["resume", "."], ["plot", "."]):
        said = synagents(*words)
        assert said.code == 2 and "There is no run in" in said.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_explodes_stops_the_run_and_says_when(synagents: Command, tmp_path: Path) -> None:
    said = synagents("train", *TINY, "--step-size", "1e30", "--out", "x")
    assert said.code == 1
    assert "The loss is not finite from round 2 on" in said.sentence
    assert not (tmp_path / "x/summary.json").exists()


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(synagents: Command) -> None:
    said = synagents("train", *TINY, "--out", "/proc/nope")
    assert said.code == 2 and "/proc/nope cannot be used (No such file or directory): name another" in said.sentence


def test_a_damaged_data_file_is_told_in_a_sentence_and_leaves_nothing(synagents: Command, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / "d" / name).write_bytes(b"\x1f\x8b not the rest of it")
    said = synagents("train", "notmnist", "--data", "d", "--quiet")
    assert said.code == 1 and "fetch the file again" in said.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_corrupt_table_is_told_in_a_sentence(synagents: Command, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"format": "synagents-q-table/1", "memory": 2, "table": [[1, 2, 3]]}')
    said = synagents("train", "--learner", "q-table", "--table", "t.json")
    assert said.code == 2 and "t.json has shape (1, 3) instead of (81, 3)" in said.sentence


def test_help_speaks_of_the_chosen_task_and_learner_and_gives_units(synagents: Command) -> None:
    said = synagents("train", "--help", "perceptron", "--learner", "q-table")
    for words in ("Task perceptron", "Learner q-table", "--inputs", "numbers per point, >= 1", "in [0, 1]"):
        assert words in said.out
    assert "--batch-size " not in said.out


def test_every_flag_of_every_task_and_learner_is_explained() -> None:
    from synagents.cli.build import offered
    from synagents.cli.sections import sections

    for names in offered():
        networks = [None, *typed_networks()] if (names.task, names.world) == ("digits", "synapse") else [None]
        for network in networks:
            for flags in sections(names._replace(network=network)).values():
                for flag in flags.values():
                    assert len(flag.help) > 15, (names, flag.name)


def test_help_says_which_worlds_play_a_task_and_shows_the_flags_of_the_one_that_is_meant(synagents: Command) -> None:
    usual, other = (synagents("train", "digits", *words, "--help").out for words in ([], ["--world", "unit"]))
    assert "default: synapse; also plastic, unit]" in " ".join(usual.split()) and "--batch-size" in usual
    assert "default: unit; also synapse, plastic]" in " ".join(other.split()) and "--batch-size" not in other


def test_tasks_and_learners_are_listed(synagents: Command) -> None:
    assert {line.split()[0] for line in synagents("learners").out.splitlines()} >= {"q-table", "repeat-undo", "uniform"}
    assert {line.split()[0] for line in synagents("tasks").out.splitlines()} >= {"digits", "notmnist", "idx", "xor"}


@pytest.mark.parametrize("learner", ["q-table", "team-q"])
def test_learn_table_writes_a_table_that_trains(synagents: Command, tmp_path: Path, learner: str) -> None:
    small = ["--candidates", "2", "--lessons", "1", "--exam-teachers", "2"]
    said = synagents("learn-table", "--learner", learner, "--out", "t.json", *small)
    assert said.code == 0
    about = json.loads((tmp_path / "t.json").read_text())["about"]
    assert about["command"].startswith(f"synagents learn-table --learner {learner} --seed 0 --candidates 2")
    assert np.any(load_table(tmp_path / "t.json").values)
    words = ["--learner", learner, "--no-adaptive", "--table", "t.json", "--out", "run"]
    assert synagents("train", *TINY, *words).code == 0


def test_a_table_of_another_kind_is_refused(synagents: Command, tmp_path: Path) -> None:
    said = synagents("train", *TINY, "--learner", "team-q", "--table", str(SHIPPED / "q-table.json"), "--out", "run")
    assert said.code == 2 and "histories of 2 rounds, but these agents see 1 trace" in said.sentence
    traced = ["--history", "codes", "--memory", "2"]
    said = synagents("train", *TINY, "--learner", "team-q", *traced, "--table", str(SHIPPED / "q-table.json"))
    assert said.code == 2 and "values credit the agent" in said.sentence
    said = synagents("learn-table", "--learner", "team-q", "--alpha", "0.1", "--out", "t.json")
    assert said.code == 2 and "team-q has no alpha" in said.sentence


def test_a_run_becomes_a_picture(synagents: Command, tmp_path: Path) -> None:
    assert synagents("train", *TINY, "--out", "p", "--probe", "alignment,action_mix").code == 0
    assert synagents("plot", "p").code == 0
    assert (tmp_path / "p/picture.png").read_bytes().startswith(b"\x89PNG")
    nothing = synagents("plot", "nowhere")
    assert nothing.code == 2 and "There is no run in nowhere" in nothing.sentence


def test_download_of_an_unknown_data_set_says_what_there_is(synagents: Command) -> None:
    said = synagents("download", "imagenet")
    assert said.code == 2 and "notmnist" in said.sentence
