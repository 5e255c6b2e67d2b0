"""Scores: what is counted, what is kept, how sure a figure is."""

import gzip
import inspect
import itertools
import json
import os
from importlib.resources import files
from pathlib import Path

import jax
import numpy as np
import pytest

from synagents import Exponential, RepeatUndo, begin, evaluate, registry, train
from synagents.benchmark import line_settings, lines, results, scoring, statistics, suite, workers
from synagents.benchmark.results import Curves
from synagents.cli import presets
from synagents.cli.main import run as command
from synagents.envs import synapse_v0
from synagents.report.scores import GROUPS, cost_tables, duels, looks_of, markdown
from tests.claims import refused, same_bits

XOR = suite.find("xor")
SMALL = suite.BenchmarkTask("xor", "xor", (4,), (), 4 * 402)  # 400 rounds of a pass or 200 of two, and those before


def curves(*last: float, start: float = 0.5) -> Curves:
    """Runs that begin at `start` and end at `last`, looked at three times."""
    accuracy = np.array([[start, (start + end) / 2, end] for end in last])
    return Curves(np.array([0, 100, 200]), accuracy, 1 - accuracy)


def costs(scores: results.Scores, told: dict[str, str], share: float) -> str:
    """The tables of costs in Markdown."""
    return "\n\n".join(table.markdown() for table in cost_tables(scores, told, share).values())


# Statistics


def test_the_interquartile_mean_leaves_out_the_best_and_the_worst_quarter() -> None:
    assert statistics.interquartile_mean([np.array([0.0, 1.0]), np.array([3.0, 100.0])]) == 2


def test_improvement_counts_pairs_of_runs_and_half_of_ties_task_by_task() -> None:
    mine, theirs = [np.array([1.0, 3.0]), np.array([5.0])], [np.array([2.0, 3.0]), np.array([4.0])]
    # first task: 1 loses twice, 3 wins once and ties once: (1 + 1/2) / 4; second task: won
    assert statistics.improvement(mine, theirs) == pytest.approx((0.375 + 1) / 2)


def test_a_profile_is_the_share_of_runs_above_a_level_and_every_task_counts_alike() -> None:
    scores = [np.array([0.2, 0.6]), np.array([0.5, 0.9, 0.9, 0.9])]
    shares = statistics.profile(scores, np.array([0.1, 0.5, 0.6, 0.9]))
    np.testing.assert_allclose(shares, [1, (1 / 2 + 3 / 4) / 2, (0 + 3 / 4) / 2, 0])


def test_ranks_are_those_of_runs_drawn_at_random_and_ties_share_their_places() -> None:
    def one(*runs: float) -> list[np.ndarray]:
        return [np.array(runs)]

    np.testing.assert_allclose(statistics.ranks(one(3.0), one(1.0), one(2.0)), [1, 3, 2])
    np.testing.assert_allclose(statistics.ranks(one(1.0), one(1.0), one(0.0)), [1.5, 1.5, 3])
    np.testing.assert_allclose(statistics.ranks(one(1.0, 3.0), one(2.0)), [1.5, 1.5])
    np.testing.assert_allclose(statistics.ranks([*one(2.0), *one(1.0)], [*one(1.0), *one(4.0, 0.0)]), [1.25, 1.75])


def test_the_mean_rank_is_the_mean_over_draws_of_a_run_of_each_line() -> None:
    rng = np.random.default_rng(0)
    lines_ = [[rng.integers(5, size=count).astype(float)] for count in (3, 4, 2)]
    drawn = [
        [1 + sum(other > own for other in each) + 0.5 * (sum(other == own for other in each) - 1) for own in each]
        for each in itertools.product(*(task for (task,) in lines_))
    ]
    np.testing.assert_allclose(statistics.ranks(*lines_), np.mean(drawn, axis=0))


def test_a_band_is_an_interval_at_every_point() -> None:
    runs = np.random.default_rng(0).random((8, 3))
    band = statistics.bootstrap_band(statistics.interquartile_curve, [runs[:5], runs[5:]])
    for point in range(3):
        one = statistics.bootstrap(statistics.interquartile_mean, [runs[:5, point], runs[5:, point]])
        np.testing.assert_allclose([each[point] for each in band], one)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for repeat in range(60):
        drawn = statistics.bootstrap(statistics.mean, [rng.normal(size=30), rng.normal(1, 2, size=30)], seed=repeat)
        inside += drawn.low <= 0.5 <= drawn.high
    assert 48 <= inside < 60  # 95 % of 60 are 57, and small samples make it a little fewer


def test_runs_are_resampled_within_their_task_and_never_across() -> None:
    estimate = statistics.bootstrap(statistics.mean, [np.zeros(5), np.ones(5)])
    assert estimate == (0.5, 0.5, 0.5)


# Cost


@pytest.mark.parametrize(("change", "passes"), [("compare", 1 + 10), ("reevaluate", 1 + 10 + 3)])
def test_a_run_costs_its_first_loss_its_rounds_and_its_reevaluations(change: str, passes: int) -> None:
    world = synapse_v0.world("digits", hidden=(), batch_size=50, interval=3, batch_change=change)
    assert scoring.spent(world, 10) == 50 * passes  # batches begin at rounds 0, 3, 6 and 9
    assert scoring.spent(world, 0) == 50


def test_every_candidate_move_is_charged() -> None:
    world = synapse_v0.world("digits", hidden=(), batch_size=50, interval=3, candidates=4)
    assert scoring.spent(world, 10) == 50 * (1 + 4 * 10)


def test_as_many_rounds_are_played_as_the_budget_pays_for_in_a_hundred_equal_parts() -> None:
    world = synapse_v0.world("xor", interval=0)
    assert scoring.affordable(world, 4 * 401) == 400 and scoring.affordable(world, 4 * 400) == 300
    assert "does not pay" in refused(lambda: scoring.affordable(world, 400))


def test_the_cost_to_a_target_is_that_of_the_first_look_that_saw_it() -> None:
    assert curves(0.9, 0.6).cost_to(0.7).tolist() == [100, np.inf]


# Choosing settings


def test_settings_are_chosen_on_a_fifth_of_the_training_part_of_another_split() -> None:
    task, design = suite.find("digits-0").make(100), suite.find("digits-0").design(7).make(100)
    other = suite.find("digits-0").split(7).make(100)
    assert len(design.target) + len(design.held_out_target) == len(task.target) == len(other.target) == 1348
    assert len(design.held_out_target) == 270
    ours, theirs = ({row.tobytes() for row in np.asarray(part)} for part in (design.held_out_x, other.held_out_x))
    trained = {row.tobytes() for row in np.asarray(other.x)}
    assert ours <= trained and not ours & (theirs - trained)
    assert not same_bits(other.held_out_x, task.held_out_x)
    assert XOR.design(7) == XOR


# Settings


@pytest.mark.parametrize("name", suite.SUITE)
def test_every_setting_of_every_line_is_written_in_the_asset(name: str) -> None:
    task = suite.find(name)
    of_task = set(inspect.signature(registry.find("tasks", task.task)).parameters) - {"data"}
    for line in lines.fitting(task):
        written = set(line_settings.chosen(task, line))
        assert written == set(line_settings.known_settings(line, task)), line
        assert not written & set(task.frozen), line
        assert line_settings.is_optimizer(line) or of_task <= written | set(task.frozen), line


def objects(task: suite.BenchmarkTask, line: str) -> list[str]:
    """Everything that a line on a task is made of, as text."""
    leaves, structure = jax.tree.flatten(scoring.build(task, line, {}, 100, None))
    return [*(repr(np.asarray(leaf).tolist()) for leaf in leaves), str(structure)]


@pytest.mark.parametrize("name", ["xor", "boundary", "digits-0"])
def test_presets_may_change_without_a_score_changing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = suite.find(name)
    agents = [line for line in lines.fitting(task) if not line_settings.is_optimizer(line)]
    before = {line: objects(task, line) for line in agents}
    nonsense = {"step_size": "7", "interval": 3, "reward": "sign", "batch_size": 9, "epsilon": "0.9", "gamma": 0.1}
    named = {name: value for name, value in vars(presets).items() if name.isupper() and isinstance(value, dict)}
    tables = [*named.pop("TASKS").values(), *named.values()]
    assert len(tables) >= 3
    for table in tables:
        for key in list(table):
            monkeypatch.setitem(table, key, dict(nonsense))
    assert {line: objects(task, line) for line in agents} == before


def test_a_learner_that_the_asset_does_not_have_plays_in_the_references_world_with_its_own_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = "from synagents import Trace\n\n\nclass Graded(Trace):\n    pass\n"
    (tmp_path / "graded_learner.py").write_text(own)
    settings = line_settings.chosen(XOR, "graded_learner:Graded")
    assert settings["step_size"] == line_settings.chosen(XOR, "q-table")["step_size"]
    assert (settings["reward"], settings["batch_change"]) == ("delta", "reevaluate")
    assert settings["epsilon"] == 0.5 and "adaptive" not in settings


def test_a_setting_without_a_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    written = {"xor": {"trace": {"step_size": "0.01"}}}
    monkeypatch.setattr(line_settings, "_written", lambda: written)
    assert "no value for the setting activation of trace" in refused(lambda: scoring.build(XOR, "trace", {}, 1, None))


def test_the_lines_of_the_board_are_those_with_written_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    written = json.loads((files("synagents") / "assets" / "bench_settings.json").read_text())
    for task in suite.TASKS.values():
        assert set(lines.fitting(task)) == set(written[task.name])
    assert "integer-trace" in lines.lines() and "integer-trace" not in lines.fitting(XOR)
    assert lines.play(SMALL, "integer-trace", runs=2).score.shape == (2, 101)  # where it is named
    monkeypatch.setattr(line_settings, "_written", lambda: {"xor": {"trace": written["xor"]["trace"]}})
    assert lines.fitting(XOR) == ["trace"]


# Scores


@pytest.mark.parametrize("line", lines.fitting(suite.SUITE["xor"]))
def test_every_line_plays_a_task_and_spends_no_more_than_its_budget(line: str) -> None:
    played = lines.play(SMALL, line, runs=2)
    assert played.score.shape == played.loss.shape == (2, 101)
    assert (np.diff(played.cost) >= 0).all() and 0.9 * SMALL.budget < played.cost[-1] <= SMALL.budget
    assert np.isfinite(played.loss).all() and (played.score <= 1).all()


def test_all_lines_begin_with_the_same_networks_and_the_same_batches() -> None:
    first = [lines.play(SMALL, line, runs=2).loss[:, 0] for line in ("uniform", "adam")]
    np.testing.assert_allclose(*first, rtol=1e-6)


def test_another_network_makes_another_task_that_agents_and_gradients_play_and_perceptrons_rules_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    task = suite.find("xor").on("quantized", {"weight_bits": 2})
    assert task.id == "synapse/xor+quantized,weight_bits=2-v0" and suite.is_variant(task.id)
    assert lines.on_network([XOR], "mlp", ["activation=tanh"]) == ([XOR], ["activation=tanh"])
    (normed,), rest = lines.on_network([XOR], "mlp", ["activation=tanh", "norm=batch"])
    assert normed.id == "synapse/xor+mlp,norm=batch-v0" and not normed.usual and rest == ["activation=tanh"]
    assert "trace" in (on_it := lines.fitting(normed)) and not {"evidence", "node-perturbation"} & set(on_it)
    there = lines.fitting(task)
    assert {"evidence", "trace", "team-q", "uniform", "adam", "sgd", "spsa"} <= set(there)
    assert not {"perturbation", "node-perturbation"} & set(there)
    world, _ = scoring.build(task, "evidence", {}, 100, None)
    assert world.moves == "set" and world.network.weight_bits == 2 and world.network.sizes == (2, 4, 2)
    monkeypatch.setitem(suite.SUITE, "xor", SMALL)
    monkeypatch.setitem(suite.TASKS, "xor", SMALL)
    out = tmp_path / "scores.json"
    arguments = ["bench", "--network", "quantized", "--set", "weight-bits=2", "--task", "xor", "--num-runs", "2"]
    assert _run(monkeypatch, [*arguments, "--learner", "evidence", "--learner", "adam", "--out", str(out)]) == 0
    assert "xor+quantized,weight_bits=2" in capsys.readouterr().out
    (curves,) = [of_lines["evidence"] for of_lines in results.read(out).values()]
    assert curves.score.shape == (2, 101)
    for odd, hint in (
        ("weight-bits=99", "weight_bits must be"),
        ("hidden=3", "fixes hidden"),
        ("bits=3", "no setting"),
    ):
        asked = ["bench", "--network", "quantized", "--set", odd, "--task", "xor", "--out", str(out)]
        assert _run(monkeypatch, asked) == 2
        assert hint in capsys.readouterr().err


def test_runs_are_those_of_the_training_loop() -> None:
    step_size = Exponential(0.02, 0.001, 400)
    world = synapse_v0.world("xor", hidden=(4,), interval=0, step_size=step_size)
    alone, _ = train(jax.random.key(3), world, RepeatUndo(), 400, num_runs=2, world_axis="loop")
    given = {"step_size": "exponential:0.02:0.001"}
    played = lines.play(SMALL, "repeat-undo", given, runs=2, seed=3)
    assert same_bits(played.loss[:, -1].astype(np.float32), np.asarray(evaluate(alone)["loss"][:, 0]))
    born = begin(jax.random.key(3), world, RepeatUndo(), num_runs=2, world_axis="loop")
    assert same_bits(played.loss[:, 0].astype(np.float32), np.asarray(evaluate(born)["loss"][:, 0]))


def test_what_the_benchmark_fixes_cannot_be_set() -> None:
    assert "fixes hidden" in refused(lambda: lines.play(SMALL, "uniform", {"hidden": (8,)}))
    assert "no setting 'hidden'" in refused(lambda: lines.typed(["trace"], [XOR], ["hidden=8"]))
    assert "NAME=VALUE" in refused(lambda: lines.typed(["trace"], [XOR], ["trace-decay"]))
    assert "did you mean 'trace_decay'" in refused(lambda: lines.typed(["trace"], [XOR], ["trace-decoy=1"]))
    assert lines.typed(["trace"], [XOR], ["trace-decay=0.5", "step-size=0.1"]) == {
        "trace_decay": 0.5,
        "step_size": "0.1",
    }


def test_unknown_lines_and_tasks_are_refused_with_the_nearest_name() -> None:
    assert "did you mean 'trace'" in refused(lambda: lines.play(SMALL, "traces"))
    assert "did you mean 'digits-16'" in refused(lambda: suite.find("synapse/digits-17-v0"))


# Files


@pytest.mark.parametrize("name", ["scores.json", "scores.json.gz"])
def test_scores_survive_the_way_to_a_file_and_back(tmp_path: Path, name: str) -> None:
    whole = {XOR.id: {"mine": curves(0.75, 0.625)}}
    results.write(tmp_path / name, whole)
    again = results.read(tmp_path / name)
    assert same_bits(again[XOR.id]["mine"], whole[XOR.id]["mine"])


def test_the_file_has_the_layout_that_marl_eval_reads(tmp_path: Path) -> None:
    results.write(tmp_path / "scores.json", {XOR.id: {"mine": curves(0.75)}})
    run = json.loads((tmp_path / "scores.json").read_text())["synagents"]["synapse/xor-v0"]["mine"]["seed_0"]
    assert run["step_2"] == {"step_count": 200, "accuracy": [0.75], "loss": [0.25]}
    assert run["absolute_metrics"] == {"accuracy": [0.75], "loss": [0.25]}


def test_scores_that_cannot_be_written_leave_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    results.write(path, {XOR.id: {"mine": curves(0.75)}})
    before = path.read_bytes()
    (tmp_path / "scores.json.part").mkdir()  # where the new file would be prepared
    with pytest.raises(OSError):
        results.write(path, {XOR.id: {"mine": curves(0.5)}})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b'{"synagents": {"a": {"b": {"c": 1}}}}', b"\xff"])
def test_a_file_without_scores_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    assert "holds no scores" in refused(lambda: results.read(tmp_path / "bad.json"))
    (tmp_path / "bad.gz").write_bytes(gzip.compress(content)[:-2])
    assert "holds no scores" in refused(lambda: results.read(tmp_path / "bad.gz"))


def test_what_a_file_has_is_not_played_again_nor_what_is_asked_for_twice(tmp_path: Path) -> None:
    begun: list[str] = []
    for players in (["uniform", "uniform"], ["uniform", "adam"]):
        lines.fill(tmp_path / "scores.json", [SMALL, SMALL], players, runs=2, tell=begun.append)
    assert [line.split()[0] for line in begun] == ["uniform", "adam"]


def test_several_workers_write_the_same_scores_in_the_same_order(tmp_path: Path) -> None:
    for number in (1, 2):
        lines.fill(tmp_path / f"{number}.json", [SMALL], ["trace", "uniform", "adam"], runs=2, workers=number)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_where_one_line_fails_in_a_worker_what_had_begun_is_kept_and_the_sentence_is_raised(tmp_path: Path) -> None:
    path, players = tmp_path / "scores.json", ["uniform", "unifrom", "adam"]
    assert "uniform" in refused(lambda: lines.fill(path, [SMALL], players, runs=2, workers=2))
    assert "uniform" in results.read(path)[SMALL.id]
    assert "workers" in refused(lambda: lines.fill(path, [SMALL], players, runs=2, workers=0))


def test_workers_share_the_cores_and_none_is_without() -> None:
    cores = os.sched_getaffinity(0)
    for number in range(1, len(cores) + 1):
        shares = workers.shares(number)
        assert set().union(*shares) == cores and sum(map(len, shares)) == len(cores)
    assert all(workers.shares(len(cores) + 3))


# What people see


def test_the_table_sets_lines_beside_those_that_are_told_the_same_the_best_first() -> None:
    scores = {task.id: {"a": curves(0.6), "b": curves(0.8), "adam": curves(0.9)} for task in suite.SUITE.values()}
    rows = markdown(scores, {"a": "sign", "b": "sign", "adam": "gradient"}).splitlines()
    assert [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows[2:]] == [
        ("*told whether the loss fell*", ""),
        ("b", "agents"),
        ("a", "agents"),
        ("*told the gradient*", ""),
        ("adam", "one optimizer"),
    ]
    assert "80.0 (80.0-80.0)" in rows[3]


def test_every_line_is_told_what_its_group_says() -> None:
    told = lines.lines()
    groups = {group: sorted(line for line in told if told[line] == group) for group in set(told.values())}
    assert groups["gradient"] == ["adam", "sgd"] and groups["samples"] == ["node-perturbation", "perturbation"]
    assert {"q-table", "repeat-undo", "one-plus-one-es"} <= set(groups["sign"])
    assert {"team-q", "trace", "spsa", "snes", "antithetic-es"} <= set(groups["size"])
    assert set(groups) <= set(GROUPS)
    assert all("told" in vars(optimizer) for optimizer in registry.offers("benchmark.optimizers").values())
    for line in (line for line in lines.fitting(XOR) if not line_settings.is_optimizer(line)):  # as its world pays it
        paid = line_settings.chosen(XOR, line).get("reward")  # none where units are perturbed
        assert {"delta": "size", "sign": "sign", None: "samples"}[paid] == told[line], line


def test_tasks_with_a_tenth_of_the_budget_have_their_own_table_and_no_part_in_the_normalised_score() -> None:
    whole, tenth = {XOR.id: {"a": curves(0.6)}}, {"synapse/digits-0-tenth-v0": {"a": curves(0.9)}}
    assert markdown(whole | tenth, {}) == markdown(whole, {}) + "\n\n" + markdown(tenth, {})
    assert "90.0" in markdown(tenth, {}) and "normalised" not in markdown(tenth, {})
    both = {XOR.id: {"a": curves(0.6), "b": curves(0.8)}}
    both |= {"synapse/digits-0-tenth-v0": {"a": curves(0.9), "b": curves(0.1)}}
    assert duels(both, "a")[0][1].value == 1


def test_a_line_that_has_not_played_every_task_has_no_overall_score() -> None:
    scores = {XOR.id: {"a": curves(0.6), "b": curves(0.8)}, "synapse/boundary-v0": {"a": curves(0.7)}}
    rows = {row.split("|")[1].strip(): row.split("|")[-2].strip() for row in markdown(scores, {}).splitlines()}
    assert rows["a"] and not rows["b"]


def test_what_a_line_spent_is_the_median_over_runs_and_never_where_half_did_not_get_there() -> None:
    reached, missed = curves(1.0, 1.0, 1.0, start=0.95), curves(1.0, 0.5, 0.5)
    rows = costs({XOR.id: {"a": missed, "b": reached}}, {}, 1.0).splitlines()
    assert "xor" in rows[0] and [row.split(" | ")[-1] for row in rows[3:]] == ["**0** |", "never |"]


def test_a_tenth_of_the_budget_is_held_to_what_adam_reaches_with_the_whole() -> None:
    whole, tenth = {"synapse/digits-0-v0": {"a": curves(0.9)}}, {"synapse/digits-0-tenth-v0": {"a": curves(0.9)}}
    short = costs(tenth, {}, 0.95).splitlines()
    assert costs(whole | tenth, {}, 0.95).split("\n\n")[1].splitlines() == short
    assert short[0].replace("-tenth", "") == costs(whole, {}, 0.95).splitlines()[0]


def test_no_two_lines_of_the_board_look_the_same() -> None:
    looks = looks_of(list(lines.lines()), lines.lines())
    assert len(set(looks.values())) == len(looks) > 15


def test_duels_are_over_the_tasks_that_both_have_played() -> None:
    scores = {XOR.id: {"a": curves(0.6, 0.7), "b": curves(0.8, 0.9)}, "synapse/boundary-v0": {"a": curves(0.7)}}
    assert [(line, chance.value) for line, chance in duels(scores, "a")] == [("b", 1.0)]


MINE = '''
import jax.numpy as jnp
from synagents.learners.choice import sample
from synagents.hyperparameters import settings
from synagents.world import Learner


@settings
class Mine(Learner):
    """Always up.

    Attributes:
        strength: nothing yet.
    """

    strength: float = 1.0

    def init(self, key, groups):
        return jnp.tile(jnp.array([0.0, 0.0, 1.0]), (81, 1))

    def act(self, key, mind, obs, t, turn):
        return sample(key, mind, obs), ()

    def update(self, key, mind, transition, last_obs, t):
        return mind, {}
'''


def test_a_learner_of_ones_own_is_scored_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(suite.SUITE, "xor", SMALL)
    (tmp_path / "my_learner.py").write_text(MINE)
    for line, out in (("my_learner:Mine", "a.json"), ("uniform", "b.json")):
        arguments = ["bench", "--learner", line, "--task", "xor", "--num-runs", "2", "--out", out]
        assert _run(monkeypatch, arguments) == 0
    assert "| my_learner:Mine |" in capsys.readouterr().out
    compared = ["bench", "compare", "a.json", "b.json", "--against", "uniform", "--plot", "curves.png"]
    assert _run(monkeypatch, compared) == 0
    shown = capsys.readouterr().out
    assert "| my_learner:Mine |" in shown and "| uniform |" in shown and "better than one of uniform" in shown
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert _run(monkeypatch, ["bench", "compare", "c.json"]) == 2
    assert "There are no scores at c.json" in capsys.readouterr().err


def _run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr("sys.argv", ["synagents", *arguments])
    return command()
