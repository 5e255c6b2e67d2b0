"""Units and plastic synapses on the board: what is charged, who plays, what is frozen, what people see."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from synagents.benchmark import decisions, line_settings, lines, lists, looks, provenance, results, statistics, suite
from synagents.benchmark.deciding import parts_of
from synagents.benchmark.decisions import DecisionsTask
from synagents.benchmark.results import Curves, Scores
from synagents.cli import presets
from synagents.cli.main import run as command
from synagents.report import board, board_pictures
from synagents.report.scores import cost_tables, duels, markdown, normalised, score_at
from tests.claims import refused, same_bits

TASKS = decisions.UNITS | decisions.LIVES
MULTIPLEXER, CUE = decisions.UNITS["multiplexer"], decisions.LIVES["cue"]
# 100 rounds of 16 questions with two address bits, and 100 updates of a life of six rounds.
SMALL = replace(MULTIPLEXER, fixed=(("hidden", (4, 4)), ("bits", 2)), budget=1_600)
SHORT = replace(CUE, fixed=tuple((dict(CUE.fixed) | {"length": 6, "units": 4}).items()), budget=1_800)
FEW: dict[str, Any] = {"num_worlds": 16}
ONE: dict[str, Any] = {"lives": 1}


def curves(*last: float, start: float = 0.0) -> Curves:
    """Runs that begin at a return and end at others, looked at three times while the multiplexer's budget is spent."""
    score = np.array([[start, (start + end) / 2, end] for end in last])
    return Curves(np.array([0, 256_000, 512_000]), score, -score, "return")


# Settings


@pytest.mark.parametrize("name", TASKS)
def test_no_line_inherits_a_default_all_settings_are_in_the_asset(name: str) -> None:
    task = TASKS[name]
    assert lines.fitting(task) == list(decisions.told(task.family))
    for line in lines.fitting(task):
        written = line_settings.chosen(task, line)
        assert set(written) == set(line_settings.known_settings(line, task)), line
        assert not set(written) & set(task.frozen), line


def objects(task: DecisionsTask, line: str) -> list[str]:
    """Everything that a line on a task is made of, as text."""
    built, *numbers = parts_of(task, line, {}, 100)
    leaves, structure = jax.tree.flatten((built.world, built.learner, built.method, built.objective))
    return [*(repr(np.asarray(leaf).tolist()) for leaf in leaves), str(structure), str(numbers)]


@pytest.mark.parametrize("name", TASKS)
def test_presets_may_change_without_a_score_changing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {line: objects(TASKS[name], line) for line in lines.fitting(TASKS[name])}
    nonsense = {"learning_rate": "7", "hidden": (3,), "num_worlds": 5, "lives": 2, "sweeps": 9, "temperature": 9.0}
    for table in (presets.LEARNERS, presets.PUBLISHED, presets.MEASURED, *presets.TASKS.values()):
        for key in list(table):
            monkeypatch.setitem(table, key, nonsense)
    assert {line: objects(TASKS[name], line) for line in before} == before


def test_a_setting_without_a_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    written = dict(line_settings.chosen(MULTIPLEXER, "reinforce"))
    written.pop("temperature")
    monkeypatch.setattr(line_settings, "_written", lambda: {"multiplexer": {"reinforce": written}})
    assert "no value for the setting temperature" in refused(lambda: parts_of(MULTIPLEXER, "reinforce", {}, 1))


def test_the_frozen_network_is_the_one_that_is_built() -> None:
    for task in decisions.UNITS.values():
        for line in lines.fitting(task):
            assert parts_of(task, line, {}, 100).built.world.sizes[1:3] == (64, 32), line
    world = parts_of(CUE, "neuromodulated", {}, 100).built.world
    assert world.sizes[1] == 24 and world.task.length == 40


def test_no_two_lists_have_a_task_of_one_name() -> None:
    names = [name for own in lists.LISTS for name in own.tasks]
    assert len(set(names)) == len(names)
    assert lists.find("unit/multiplexer-v0") is lists.find("multiplexer") is MULTIPLEXER
    assert lists.find("synapse/xor-v0") is suite.SUITE["xor"]
    assert "did you mean 'multiplexer'" in refused(lambda: lists.find("unit/multiplexr-v0"))
    assert "has no task 'plastic/acrobot-v0'" in refused(lambda: lists.find("plastic/acrobot-v0"))


# Cost


def test_a_round_of_units_costs_the_decisions_of_its_worlds() -> None:
    assert parts_of(MULTIPLEXER, "boltzmann", {}, 1).price == 128  # its further sweeps ask nothing of the world
    assert parts_of(decisions.UNITS["acrobot"], "backprop", {}, 1).price == 1


def test_an_update_of_lives_costs_their_rounds_there_and_twice_on_the_way_back() -> None:
    assert parts_of(CUE, "retroactive", {}, 1).price == 3 * 30 * 40
    assert parts_of(CUE, "retroactive", {"lives": 7}, 1).price == 3 * 7 * 40
    assert CUE.budget == 1_500 * 3 * 30 * 40  # the updates of the command's own preset


# Scores


def test_a_line_that_learns_is_ahead_of_the_control_which_stays_at_nothing() -> None:
    task = replace(SMALL, fixed=(("hidden", (8, 8)), ("bits", 1)), budget=32_000)
    given: dict[str, Any] = {"num_worlds": 32}
    learned = lines.play(task, "backprop", given, runs=2)
    control = lines.play(task, "uniform", given, runs=2)
    assert learned.cost[[0, 1, -1]].tolist() == [0, 320, 32_000] and learned.metric == "return"
    assert abs(learned.score[:, 0]).max() < 0.5 and learned.score[:, -1].min() > 0.6
    assert abs(control.score).max() < 0.2
    np.testing.assert_array_equal(learned.loss, -learned.score)


@pytest.mark.parametrize(("task", "line", "given"), [(SMALL, "reinforce", FEW), (SHORT, "hebbian", ONE)])
def test_an_interrupted_score_goes_on_to_the_same_bits(
    task: DecisionsTask, line: str, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lines.fill(tmp_path / "whole.json", [task], [line], given, runs=2)
    save = looks.Kept.save

    def last(self: looks.Kept, now: Any, seen: list[looks.Look]) -> None:
        save(self, now, seen)
        if len(seen) == 37:
            raise KeyboardInterrupt

    with monkeypatch.context() as now, pytest.raises(KeyboardInterrupt):
        now.setattr(looks, "SECONDS", 0.0)
        now.setattr(looks.Kept, "save", last)
        lines.fill(tmp_path / "scores.json", [task], [line], given, runs=2)
    (unfinished,) = tmp_path.glob("*.unfinished")
    assert task.name in unfinished.name
    again = lines.fill(tmp_path / "scores.json", [task], [line], given, runs=2)
    assert same_bits(again[task.id][line].score, whole[task.id][line].score)
    assert whole[task.id][line].cost[-1] == task.budget


def test_who_cannot_play_is_refused_with_those_that_can() -> None:
    def sentence(task: DecisionsTask, line: str, **given: Any) -> str:
        return refused(lambda: lines.play(task, line, given))

    assert sentence(CUE, "reinforce") == (
        "reinforce cannot play plastic/cue-v0: fixed, hebbian, neuromodulated, retroactive can."
    )
    for line in ("q-table", "adam", "neuromodulated", "nobody"):
        assert sentence(MULTIPLEXER, line).startswith(f"{line} cannot play unit/multiplexer-v0: uniform, reinforce,")
    assert "uniform does not fit cue" in sentence(CUE, "uniform")
    assert "fixes hidden of unit/multiplexer-v0" in sentence(MULTIPLEXER, "reinforce", hidden=(8,))
    assert "num_worlds" in sentence(MULTIPLEXER, "reinforce", num_worlds=0)
    assert "does not pay for 100 steps of 8,000 decisions" in sentence(MULTIPLEXER, "reinforce", num_worlds=8_000)
    assert "leave --network out" in refused(lambda: lines.on_network([MULTIPLEXER], "quantized", []))


def test_a_rule_that_the_asset_does_not_have_plays_in_the_references_world_with_its_own_defaults() -> None:
    built = parts_of(CUE, "oja", {}, 100).built
    assert built.world.modulator == "none" and type(built.learner).__name__ == "Oja"


# Files


def test_a_file_says_that_its_numbers_are_returns(tmp_path: Path) -> None:
    whole = {
        MULTIPLEXER.id: {"mine": curves(0.75, -0.5)},
        "synapse/xor-v0": {"mine": curves(0.5)._replace(metric="accuracy")},
    }
    results.write(tmp_path / "scores.json", whole)
    again = results.read(tmp_path / "scores.json")
    assert same_bits(again[MULTIPLEXER.id]["mine"][:3], whole[MULTIPLEXER.id]["mine"][:3])
    assert [own["mine"].metric for own in again.values()] == ["return", "accuracy"]


def test_parts_of_several_machines_are_joined(tmp_path: Path) -> None:
    for seed in (0, 1):
        lines.fill(tmp_path / f"{seed}.json", [SMALL], ["uniform"], FEW, runs=2, seed=seed)
    scores, made = provenance.merge([tmp_path / "0.json", tmp_path / "1.json"])
    joined = scores[SMALL.id]["uniform"]
    assert joined.score.shape == (4, 101) and joined.metric == "return"
    assert made[SMALL.id]["uniform"]["seeds"] == [[0, 2], [1, 2]] and made[SMALL.id]["uniform"]["data"] == {}


# What people see


def test_returns_stand_in_tables_of_their_own_beside_those_that_are_told_the_same() -> None:
    scores: Scores = {MULTIPLEXER.id: {"uniform": curves(0.01), "backprop": curves(0.5), "mine": curves(0.25)}}
    rows = markdown(scores, {}).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| *lines of one's own*",
        "| mine",
        "| *told nothing*",
        "| uniform",
        "| *told the team's reward, carried back by derivatives*",
        "| backprop",
    ]
    assert "0.250 (0.250 to 0.250)" in rows[3] and "%" not in rows[0]
    accuracy = curves(0.6)._replace(metric="accuracy")
    both = markdown({"synapse/xor-v0": {"a": accuracy}} | scores, {})
    assert both == markdown({"synapse/xor-v0": {"a": accuracy}}, {}) + "\n\n" + markdown(scores, {})


@pytest.mark.parametrize("name", TASKS)
def test_the_scale_goes_from_the_untrained_network_to_the_yardstick(name: str) -> None:
    task = TASKS[name]
    low, high = score_at(task.id, 0), score_at(task.id, 1)
    assert low < high
    np.testing.assert_allclose(normalised(task.id, curves(low, high, 2 * high - low)), [0, 1, 2], atol=1e-12)
    if name == "cue":
        assert (low, round(high, 3)) == (0, 7.757)


def test_costs_are_in_millions_of_the_tasks_own_currency() -> None:
    target = score_at(MULTIPLEXER.id, 0.95)
    scores: Scores = {MULTIPLEXER.id: {"reinforce": curves(0.1), "backprop": curves(target, 2 * target)}}
    ((title, table),) = cost_tables(scores, {}, 0.95).items()
    assert title == "Units: millions of decisions to 95 % of the way from the untrained network to backprop"
    assert table.head[-1] == f"multiplexer: {target:.3g}"
    assert [row[-1] for _, rows in table.groups for row in rows] == ["never", "**0.384**"]
    assert [line for line, _ in duels(scores, "reinforce")] == ["backprop"]


def test_units_and_lives_have_boards_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 20)
    cue = curves(6.0, 7.0)._replace(cost=np.array([0, 2_700_000, 5_400_000]))
    scores: Scores = {
        MULTIPLEXER.id: {"reinforce": curves(0.3, 0.2), "backprop": curves(0.99, 0.98)},
        CUE.id: {"neuromodulated": cue},
    }
    results.write(tmp_path / "all.json", scores)
    units, lives = board.read([tmp_path / "all.json"])
    assert (units.title, lives.scale) == ("Units", "score (untrained 0, the ideal observer 1)")
    assert units.reference(None) == "reinforce" and lives.reference(None) == "neuromodulated"
    assert 0.8 < lives.means()["neuromodulated"].value < 0.9
    drawn = {picture.name: picture for picture in board_pictures.pictures(units, "reinforce", estimates(units))}
    axis = drawn["curves"].draw(False).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("decisions", "mean return of unseen episodes")
    assert len(board.read([tmp_path / "all.json"], ["unit/multiplexer-v0"])) == 1


def estimates(of: board.Board) -> dict[str, dict[str, statistics.Estimate]]:
    return {"means": of.means(), "ranks": of.ranks(), "improvements": of.improvements(of.reference(None))}


def test_the_commands_play_compare_merge_and_show_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(decisions.UNITS, "multiplexer", SMALL)

    def typed(words: str) -> int:
        monkeypatch.setattr("sys.argv", ["synagents", "bench", *words.split()])
        return command()

    few = "--set num-worlds=16 --num-runs 2"
    assert typed(f"--task unit/multiplexer-v0 --learner reinforce {few} --out a.json") == 0
    shown = capsys.readouterr()
    assert "reinforce on unit/multiplexer-v0: 2 runs of 1,600 decisions" in shown.err
    assert "| reinforce | agents |" in shown.out and "told the team's reward" in shown.out
    assert typed(f"--task multiplexer --learner uniform {few} --out b.json") == 0
    assert typed("compare a.json b.json --against uniform") == 0
    assert "better than one of uniform" in capsys.readouterr().out
    assert typed("merge a.json b.json --out all.json") == 0
    assert set(results.read(tmp_path / "all.json")[SMALL.id]) == {"reinforce", "uniform"}
    assert typed("--task cue --learner reinforce --out c.json") == 2
    assert "neuromodulated" in capsys.readouterr().err
    assert typed("--task cue --network quantized --learner fixed --out c.json") == 2
    assert "leave --network out" in capsys.readouterr().err
