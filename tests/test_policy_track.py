"""The policy track: what is learned and scored, what a file may say, and whose code is run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from synagents.benchmark import suite
from synagents.benchmark.policy import files, play, track
from synagents.benchmark.policy.track import Protocol, Score
from synagents.cli.main import run as command
from synagents.rounds import groups_shown
from synagents.run.checkpoints import CheckpointError
from synagents.run.tables import load_table
from tests.claims import refused, same_bits

TINY = Protocol(budget=42 * 2 * 200 * 2, worlds=2, life=200, teachers=4, exam=200)
XOR = suite.BenchmarkTask("xor", "xor", (4,), (), 4 * 402)
OPTIONS = {"hidden": (8,), "epochs": 1}

STRANGER = '''
"""Follow the evidence where there is some: a rule somebody wrote."""
import jax.numpy as jnp
from synagents import Learner, settings


@settings
class Mine(Learner):
    def init(self, key, groups):
        return jnp.float32(0)

    def act(self, key, mind, obs, t, turn):
        return {name: (2 * (seen > 4)).astype(jnp.uint8) for name, seen in obs.items()}, ()

    def update(self, key, mind, transition, last_obs, t):
        return mind + transition.terminated.size, {}
'''


@pytest.fixture(scope="module", autouse=True)
def with_a_small_task() -> Iterator[None]:
    """The list's xor has a small budget here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(suite.TASKS, "xor", XOR)
        yield


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of IPPO that hardly learned."""
    path = tmp_path_factory.mktemp("track") / "ippo.json"
    play.fill(path, track.entry_of("ippo", OPTIONS), [0], [XOR], TINY)
    return path


def test_a_name_that_is_no_algorithm_is_refused_with_those_that_there_are() -> None:
    for refuse in (lambda: track.typed("nope", []), lambda: track.entry_of("nope", {})):
        said = refused(refuse)
        assert "No algorithm is called 'nope'" in said and "ippo" in said and "trace" in said and "backprop" not in said


def test_the_budget_counts_agent_steps_and_is_never_exceeded() -> None:
    entry = track.entry_of("uniform", {})
    _, steps = track.learn(entry, 0, Protocol(budget=42 * 2 * 200 * 3 - 1, worlds=2, life=200))
    assert steps == 42 * 2 * 200 * 2
    assert "raise it" in refused(lambda: track.learn(entry, 0, Protocol(budget=1000)))


def test_the_shipped_table_trains_held_out_toys_and_uniform_actions_do_not() -> None:
    exam = Protocol(teachers=8, exam=1000)
    shipped = {"table": load_table(learner="team-q"), "adaptive": False, "epsilon": 0.5}
    table = track.entry_of("team-q", shipped)
    scores = {}
    for entry in (table, track.entry_of("uniform", {}), track.entry_of("repeat-undo", {})):
        world = track.toys(entry)
        mind = entry.algorithm.init(jax.random.key(0), world.groups)
        scores[entry.name] = track.examine(entry, mind, exam)
    assert scores["team-q"].loss < 0.3 < 0.6 < scores["uniform"].loss
    assert scores["repeat-undo"].loss < 0.4
    assert scores["team-q"].accuracy > 0.85 and scores["uniform"].accuracy < 0.7


def test_a_seed_learns_from_teachers_of_its_own_and_the_exam_is_the_same_for_all() -> None:
    entry = track.entry_of("ippo", OPTIONS)
    first, again, other = (track.learn(entry, seed, TINY)[0] for seed in (0, 0, 1))
    assert same_bits(first, again) and not same_bits(first, other)
    assert track.examine(entry, first, TINY) == track.examine(entry, again, TINY)


def test_a_submission_is_read_as_it_was_written_and_plays_again_to_the_same_scores(submitted: Path) -> None:
    submission = files.read(submitted)
    (run,) = submission.runs
    assert submission.algorithm == "ippo" and run.seed == 0 and run.agent_steps == TINY.budget
    assert set(run.scores) == {"toys", "synapse/xor-v0"} and submission.settings == {"hidden": "8", "epochs": "1"}
    assert {one.verdict for one in play.verify(submitted, None, None)} == {"the same"}
    assert "no run of seed 7" in refused(lambda: play.verify(submitted, 7, None))


def test_what_is_there_is_not_learned_again_and_other_settings_need_another_file(submitted: Path) -> None:
    before = submitted.read_bytes()
    entry = track.entry_of("ippo", OPTIONS)
    assert play.fill(submitted, entry, [0], [XOR], TINY) == files.read(submitted)
    assert submitted.read_bytes() == before
    other = track.entry_of("ippo", OPTIONS | {"gamma": 0.1})
    assert "name another file" in refused(lambda: play.fill(submitted, other, [0], [XOR], TINY))


def test_more_tasks_and_online_ones_are_played_by_the_policy_that_is_there(submitted: Path, tmp_path: Path) -> None:
    path = tmp_path / submitted.name
    for file in submitted.parent.iterdir():
        shutil.copy(file, tmp_path)
    (before,) = files.read(path).runs
    (run,) = play.fill(path, track.entry_of("ippo", OPTIONS), [0], [XOR], TINY, online=[XOR]).runs
    assert set(run.scores) == {*before.scores, "synapse/xor-v0 online"}
    assert run._replace(scores=before.scores) == before
    assert run.scores["synapse/xor-v0 online"] != run.scores["synapse/xor-v0"]
    assert {one.verdict for one in play.verify(path, None, None)} == {"the same"}
    assert "| algorithm, learning on | xor |" in play.board({"ippo": files.read(path)})


def test_online_what_learns_nothing_plays_as_if_it_were_frozen() -> None:
    entry = track.entry_of("repeat-undo", {})
    mind = entry.algorithm.init(jax.random.key(0), track.toys(entry).groups)
    assert track.transfer(entry, mind, XOR, 0, online=True) == track.transfer(entry, mind, XOR, 0)


@pytest.mark.parametrize("name", ["ippo", "mappo", "vdn", "qmix", "iql", "recurrent-ippo"])
def test_every_algorithm_goes_on_learning_in_worlds_of_another_size(name: str) -> None:
    entry = track.entry_of(name, {"epochs": 1})
    world = track.toys(entry)
    mind = entry.algorithm.init(jax.random.key(0), groups_shown(world, entry.algorithm))
    assert np.isfinite(track.transfer(entry, mind, XOR, 0, online=True).loss)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "other/1"}, "format is 'other/1'"),
        ({"track": "policy-v9"}, "track is 'policy-v9'"),
        ({"more": 1}, "has a field ['more']"),
        ({"runs": []}, "it has no runs"),
        ({"seen": {"features": "true"}}, "agents may be told"),
        ({"algorithm": 3}, "algorithm is no text"),
    ],
)
def test_a_file_that_is_no_submission_is_refused_with_what_is_wrong(
    submitted: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(json.loads(submitted.read_text()) | change))
    assert sentence in refused(lambda: files.read(path))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scores": {"toys": {"loss": float("nan"), "accuracy": 0.5}}}, "no finite number"),
        ({"scores": {"toys": {"loss": 0.5, "accuracy": 1.5}}}, "not in [0, 1]"),
        ({"scores": {"synapse/xor-v0": {"loss": 0.5, "accuracy": 0.5}}}, "no score on toys"),
        ({"policy": "../elsewhere.safetensors"}, "not a file beside"),
        ({"sha256": "abc"}, "no checksum"),
        ({"seed": -1}, "seed is no whole number"),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    submitted: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    content = json.loads(submitted.read_text())
    content["runs"][0] |= change
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(content))
    assert sentence in refused(lambda: files.read(path))


def test_another_policy_than_was_scored_is_refused(submitted: Path, tmp_path: Path) -> None:
    path = tmp_path / submitted.name
    path.write_bytes(submitted.read_bytes())
    submission = files.read(path)
    (run,) = submission.runs
    with pytest.raises(FileNotFoundError, match="put the file beside"):
        files.load_policy(path, submission, run)
    policy = tmp_path / run.policy
    policy.write_bytes(submitted.with_name(run.policy).read_bytes()[:-4] + b"\0\0\0\0")
    assert "checksum differs" in refused(lambda: files.load_policy(path, submission, run))
    policy.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="holds no arrays"):
        files.load_policy(path, submission, run._replace(sha256=files.checksum(policy)))


def test_scores_that_are_not_those_of_the_policy_are_told_apart() -> None:
    same = play.Comparison("toys", Score(0.1, 0.9), Score(0.1, 0.9))
    close = play.Comparison("toys", Score(0.1, 0.9), Score(0.11, 0.91))
    other = play.Comparison("toys", Score(0.1, 0.9), Score(0.2, 0.9))
    assert [one.verdict for one in (same, close, other)] == ["the same", "close", "different"]


def test_a_stranger_is_on_the_track_with_one_file_which_runs_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("somebody.py").write_text(STRANGER)
    name = "somebody:Mine"
    entry = track.entry_of(name, {"memory": 0, "history_decay": (0.9,)})
    play.fill(Path("mine.json"), entry, [0, 1], [], TINY)
    submission = files.read(Path("mine.json"))
    assert submission.algorithm == name and submission.runs[0].scores["toys"].loss > 0
    refusal = refused(lambda: play.verify(Path("mine.json"), 1, None))
    assert name in refusal and "--algorithm" in refusal
    monkeypatch.setattr("sys.argv", ["synagents", "bench", "verify", "mine.json", "--seed", "1", "--algorithm", name])
    assert command() == 0
    assert "the same" in capsys.readouterr().out


def test_a_board_has_the_lowest_loss_on_toys_first_and_means_over_runs() -> None:
    def made(*losses: float) -> files.Submission:
        runs = [
            files.PolicyRun(k, 10**6, "p", "0" * 64, {"toys": Score(loss, 0.5), "synapse/xor-v0": Score(0.1, 0.75)})
            for k, loss in enumerate(losses)
        ]
        return files.Submission("ippo", {}, {}, TINY, runs)

    lines = play.board({"worse": made(0.3, 0.5), "better": made(0.2)}).splitlines()
    assert lines[0].startswith("| algorithm | runs | agent-steps | toys: loss | toys | xor |")
    assert lines[2].startswith("| better | 1 | 1 M | 0.200 (0.200-0.200) | 50.0 (50.0-50.0) | 75.0 (75.0-75.0) |")
    assert lines[3].startswith("| worse | 2 | 1 M | 0.400 (0.300-0.500)")


def test_unknown_algorithms_and_settings_are_refused_with_the_near_match() -> None:
    assert "did you mean 'ippo'" in refused(lambda: track.entry_of("ipo", {}))
    assert "did you mean 'gamma'" in refused(lambda: track.entry_of("ippo", {"gama": 1}))
    assert "no setting 'features'" in refused(lambda: track.typed("ippo", ["features=true"]))
    assert track.typed("ippo", ["hidden=16,8", "history-decay=0.9"]) == {"hidden": (16, 8), "history_decay": (0.9,)}
    assert np.allclose(track.entry_of("vdn", {"gamma": 0.25}).algorithm.gamma, 0.25)  # type: ignore[union-attr]
