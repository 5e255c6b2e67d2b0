"""One life of a plastic world: what snapshots keep of it, and what the page makes of that."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synagents import outer, preset
from synagents.report.life import about_life
from synagents.report.page import page_of
from synagents.run import pictures
from synagents.run.config import read_config
from synagents.run.snapshots import read_snapshots
from tests.browser import browsed, use
from tests.runs import Killed, at, play
from tests.test_report import data_of

SPEC = preset("maze", "neuromodulated", rounds=4, lives=2, size=5, units=3, length=9)
SLIDE = """
const seen = () => [...document.querySelectorAll("canvas[data-layer]")].map((c) => c.toDataURL()).join();
const slider = document.getElementById("life-time"), kind = document.getElementById("life-kind"), last = seen();
slider.value = 0;
slider.dispatchEvent(new Event("input"));
said.slid = last !== seen();
said.round = document.getElementById("life-moment").textContent;
const after = seen();
kind.value = "before training";
kind.dispatchEvent(new Event("change"));
said.before = after !== seen();
said.wide = document.documentElement.scrollWidth;
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "maze"
    play(folder, SPEC)
    return folder


def life_of(directory: Path) -> dict[str, Any]:
    life = data_of(page_of([directory], ""))["runs"][0]["life"]
    assert isinstance(life, dict)
    return life


def test_a_snapshot_keeps_the_life_that_a_replay_lives(run: Path) -> None:
    first, last = read_snapshots(run)[0], read_snapshots(run)[-1]
    life = outer.replay(SPEC.begin(), 0)
    np.testing.assert_array_equal(first.arrays["life.reward"], life.reward)
    np.testing.assert_array_equal(first.arrays["life-number.modulator"], life.seen.numbers["modulator"])
    assert first.arrays["life.rounds"].tolist() == list(range(1, 10))
    traces = np.asarray(life.seen.traces["recurrent"])
    np.testing.assert_allclose(first.of("life-trace")["recurrent"], traces, atol=np.abs(traces).max() / 254 + 1e-7)
    choices = first.of("life-activity")["choices"]
    np.testing.assert_allclose(choices.sum(axis=1), 1, atol=4 / 254)  # probabilities, each rounded
    assert first.step == 0 and last.step == 4 and set(first.arrays) == set(last.arrays)


def test_the_map_shows_walls_and_where_the_agent_is(run: Path) -> None:
    shown, ground = read_snapshots(run)[0].arrays["life.map"], SPEC.world.task.ground
    position = np.asarray(outer.replay(SPEC.begin(), 0).seen.position, int)
    assert ((shown == -1) == ground).all()
    assert [np.argwhere(one == 1)[0].tolist() for one in shown] == position.tolist()


def test_a_long_life_is_kept_in_fewer_of_its_rounds_the_first_and_last_among_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "MOST_LIFE", 200)  # a round has 9 traces, 23 numbers, 25 cells
    kept = pictures.of_life(SPEC.begin())
    assert kept["life.rounds"].tolist() == [1, 5, 9] and kept["life-trace.recurrent"].shape == (3, 3, 3)
    assert kept["life.reward"].shape == kept["life-number.trace"].shape == (9,)


def test_a_report_shows_the_life_before_and_after_training(run: Path) -> None:
    life = life_of(run)
    assert life["steps"] == list(range(1, 10))
    assert list(dict.fromkeys(layer["kind"] for layer in life["layers"])) == ["after 4 updates", "before training"]
    assert {layer["name"] for layer in life["layers"]} == {
        "traces, recurrent",
        "stimulus",
        "units",
        "choices",
        "the map",
    }
    earned, *numbers, full = life["panels"]
    assert [line["label"] for line in earned["lines"]] == ["before training", "after 4 updates"]
    assert len(numbers) == 2 and earned["verdict"].startswith("It earns ")
    assert max(full["lines"][0]["mean"]) <= 1


def test_the_share_of_traces_at_their_limit_is_counted(run: Path) -> None:
    snapshot = read_snapshots(run)[0]
    trace = np.zeros((9, 3, 3), np.int8)
    trace[-1].flat[:4] = 127, -127, 121, 119  # of a limit of 1: 1, -1, 0.953 and 0.937
    arrays = snapshot.arrays | {"life-trace.recurrent": trace}
    full = replace(snapshot, arrays=arrays, scales=snapshot.scales | {"life-trace.recurrent": 1 / 127})
    life = about_life(read_config(run), [full], share=1)
    assert life is not None and life["panels"][-1]["lines"][0]["mean"][-1] == pytest.approx(3 / 9)


def test_a_run_that_was_interrupted_shows_the_life_of_its_last_snapshot(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        play(tmp_path, SPEC, watch=at(2, Killed))
    assert "after 2 updates" in json.dumps(life_of(tmp_path))


def test_snapshots_of_a_version_that_kept_no_life_are_passed_over(run: Path) -> None:
    first, *rest = read_snapshots(run)
    older = replace(first, arrays={name: own for name, own in first.arrays.items() if not name.startswith("life")})
    life = about_life(read_config(run), [older, *rest], share=1)
    assert life is not None and [line["label"] for line in life["panels"][0]["lines"]] == [
        f"after {rest[0].step} updates",
        "after 4 updates",
    ]


def test_a_run_of_rounds_has_no_life(tmp_path: Path) -> None:
    play(tmp_path)
    assert data_of(page_of([tmp_path], ""))["runs"][0]["life"] is None


@browsed
@pytest.mark.parametrize("width", [390, 1440])
def test_chromium_replays_a_life(run: Path, width: int, tmp_path: Path) -> None:
    said = use(page_of([run], ""), SLIDE, width, tmp_path)
    assert said.pop("wide") <= width
    assert said == {"slid": True, "before": True, "round": "After round 1"}
