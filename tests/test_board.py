"""The page of scores: what is on it, that it needs nothing else, and what is refused."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from synagents.benchmark import results, statistics
from synagents.benchmark.results import Curves, Scores
from synagents.cli.main import run as command
from synagents.report import board, board_pictures
from synagents.report.board_page import write_page
from synagents.report.tables import Table
from tests.claims import refused

XOR, BOUNDARY, TENTH = "synapse/xor-v0", "synapse/boundary-v0", "synapse/digits-0-tenth-v0"
UNTRAINED, ADAM = 0.475, 0.9  # of xor, in assets/bench.json
MADE = "synagents bench page mine.json"
NOTHING: dict[str, dict[str, statistics.Estimate]] = {"means": {}, "ranks": {}, "improvements": {}}


def curves(*last: float) -> Curves:
    """Runs that begin untrained and end at `last`, looked at three times while 40,000 samples are spent."""
    accuracy = np.array([[UNTRAINED, (UNTRAINED + end) / 2, end] for end in last])
    return Curves(np.array([0, 20_000, 40_000]), accuracy, 1 - accuracy)


SCORES: Scores = {
    XOR: {"q-table": curves(0.7, 0.8), "trace": curves(0.9, 0.9), "adam": curves(0.9, 0.9), "mine": curves(0.5, 0.6)},
    BOUNDARY: {"q-table": curves(0.7, 0.7), "trace": curves(0.9, 0.9), "adam": curves(0.9, 0.8)},
}


def submission(accuracy: float, **seen: str) -> str:
    """A file of the policy track with two runs."""
    place = {"loss": 0.2, "accuracy": accuracy}
    runs = [
        {"seed": seed, "agent_steps": 1000, "policy": f"p-{seed}.safetensors", "sha256": "0" * 64}
        | {"scores": {"toys": place, TENTH: place}}
        for seed in range(2)
    ]
    protocol = {"budget": 1000, "worlds": 1, "life": 100, "teachers": 1, "exam": 10}
    whole = {"format": "synagents-policy-scores/1", "track": "policy-v0", "version": "0", "algorithm": "ippo"}
    return json.dumps(whole | {"settings": {}, "seen": seen, "protocol": protocol, "runs": runs})


@pytest.fixture(autouse=True)
def _few_resamples_and_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 20)
    monkeypatch.setattr(board_pictures, "LEVELS", 11)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    results.write(tmp_path / "mine.json", SCORES)
    return tmp_path / "mine.json"


@pytest.fixture
def policies(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "good.json", tmp_path / "bad.json"]
    files[0].write_text(submission(0.9, history="trace"))
    files[1].write_text(submission(0.6, history="codes"))
    return files


# What is computed


def test_scores_are_on_the_scale_from_untrained_to_adam(scores: Path) -> None:
    (suite,) = board.read([scores])
    np.testing.assert_allclose(suite.runs["q-table"][XOR], (np.array([0.7, 0.8]) - UNTRAINED) / (ADAM - UNTRAINED))
    np.testing.assert_allclose(suite.runs["trace"][XOR], 1)


def test_what_is_over_all_tasks_is_of_lines_that_have_played_them_all(scores: Path) -> None:
    (suite,) = board.read([scores])
    assert suite.whole == ["q-table", "trace", "adam"]
    assert set(suite.means()) == set(suite.ranks()) == set(suite.whole)
    assert list(suite.ranks()) == ["trace", "adam", "q-table"] and suite.ranks()["q-table"].value == 3
    found = suite.improvements("q-table")
    assert {line: chance.value for line, chance in found.items()} == {"trace": 1, "adam": 1, "mine": 0}
    assert list(board.read([scores], ["xor"])[0].means())[-1] == "mine"


def test_sample_efficiency_is_the_score_after_a_share_of_the_budget(scores: Path) -> None:
    (suite,) = board.read([scores], ["xor"])
    half = ((UNTRAINED + 0.9) / 2 - UNTRAINED) / (ADAM - UNTRAINED)
    np.testing.assert_allclose(suite.efficiency("trace", np.array([0, 0.25, 0.5, 1])).value, [0, half / 2, half, 1])


def test_policies_stand_beside_those_whose_agents_see_the_same(policies: list[Path]) -> None:
    (track,) = board.read(policies)
    assert track.groups == {"agents see history=trace": ["good"], "agents see history=codes": ["bad"]}
    np.testing.assert_allclose(track.runs["good"]["toys"], [0.9, 0.9])
    assert track.reference(None) == "good" and track.reference("bad") == "bad"
    assert board.read(policies, ["toys"])[0].tasks == ["toys"]


def test_online_scores_stand_in_a_table_of_their_own_and_who_has_none_is_compared_all_the_same(
    policies: list[Path],
) -> None:
    content = json.loads(policies[0].read_text())
    for run in content["runs"]:
        run["scores"][f"{TENTH} online"] = {"loss": 0.1, "accuracy": 0.95}
    policies[0].write_text(json.dumps(content))
    (track,) = board.read(policies)
    assert track.tasks == ["toys", TENTH] and set(track.whole) == {"good", "bad"}
    (_, frozen), (_, learning_on) = track.tables
    assert frozen.head[4:] == ["toys", "digits-0-tenth"] and [len(rows) for _, rows in frozen.groups] == [1, 1]
    assert learning_on.head == ["algorithm, learning on", "digits-0-tenth"]
    assert [[row[0] for row in rows] for _, rows in learning_on.groups] == [["good"]]


def test_tasks_on_other_networks_have_a_board_of_their_own_without_a_scale(tmp_path: Path) -> None:
    other = {"synapse/xor+quantized,weight_bits=2-v0": {"trace": curves(0.8, 0.6)}}
    results.write(tmp_path / "all.json", SCORES | other)
    suite, networks = board.read([tmp_path / "all.json"])
    assert suite.tasks == [XOR, BOUNDARY] and networks.tasks == [*other] and not networks.is_scaled
    np.testing.assert_allclose(networks.runs["trace"][networks.tasks[0]], [0.8, 0.6])
    drawn = [picture.name for picture in board_pictures.pictures(networks, "trace", NOTHING)]
    assert drawn == ["profiles", "curves", "means", "ranks"]
    assert len(board.read([tmp_path / "all.json"], ["xor"])) == 1


# What people see


def test_a_page_has_every_picture_for_light_and_dark_and_asks_for_nothing(
    scores: Path, policies: list[Path], tmp_path: Path
) -> None:
    page = write_page([scores, *policies], tmp_path / "board", MADE)
    text = page.read_text()
    names = {"profiles", "means", "ranks", "improvement"}
    drawn = {f"policy-{name}" for name in names} | {f"suite-{name}" for name in names | {"efficiency", "curves"}}
    files = {f"{name}{ground}{kind}" for name in drawn for ground in ("", "-dark") for kind in (".svg", ".png")}
    assert {path.name for path in page.parent.iterdir()} == files | {"index.html"}
    assert all(MADE.encode() in (page.parent / name).read_bytes() for name in files)
    assert text.count("<picture>") == len(drawn) and MADE in text
    asked = re.findall(r"(?:src|srcset|href|url)\s*[=(]\s*[\"']?([^\"'\s)]{5})", text)
    assert set(asked) == {"data:"} and "<script" not in text and "@" not in re.sub('base64,[^"]*|@media', "", text)


def test_the_table_says_what_lines_are_told_and_who_has_not_played_all(scores: Path, tmp_path: Path) -> None:
    text = write_page([scores], tmp_path / "board", MADE).read_text()
    assert '<th colspan="5">told whether the loss fell</th>' in text and "lines of one&#x27;s own" in text
    assert "they have not played all: mine." in text and "<td>1 of 2</td>" in text


def test_the_same_scores_make_the_same_files(policies: list[Path], tmp_path: Path) -> None:
    first, second = (write_page(policies, tmp_path / name, MADE, tasks=["toys"]).parent for name in ("a", "b"))
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }


def test_a_table_is_the_same_in_markdown_and_in_html_where_it_is_escaped() -> None:
    table = Table(["line", "score"], [("told <nothing>", [["a & b", "**1**"]])])
    assert table.markdown().splitlines() == [
        "| line | score |",
        "|---|---|",
        "| *told <nothing>* |  |",
        "| a & b | **1** |",
    ]
    assert '<th colspan="2">told &lt;nothing&gt;</th>' in table.html()
    assert "<td>a &amp; b</td><td><strong>1</strong></td>" in table.html()


# What is refused


def test_what_cannot_be_a_page_is_refused_in_a_sentence(scores: Path, policies: list[Path], tmp_path: Path) -> None:
    def sentence(files: list[Path], out: Path = tmp_path / "board", **options: object) -> str:
        return refused(lambda: write_page(files, out, MADE, **options))

    other = tmp_path / "other"
    other.mkdir()
    results.write(other / "mine.json", SCORES)
    assert "Two files of scores are called mine: rename one of them." in sentence([scores, other / "mine.json"])
    assert "holds no scores of this benchmark" in sentence([_file(tmp_path / "odd.json", "{}")])
    assert "is no submission to the track" in sentence([_file(tmp_path / "odd.json", '{"format": 1}')])
    assert "These files hold no scores of such tasks" in sentence([scores], tasks=["digits-0"])
    assert "The benchmark has no task 'xro': did you mean 'xor'?" in sentence([scores], tasks=["xro"])
    assert "No line here is called 'trce'" in sentence([scores], against="trce")
    assert "is a file: name a folder" in sentence([scores], scores)
    assert "There is no folder" in sentence([scores], tmp_path / "no" / "board")
    assert not (tmp_path / "board").exists()


def test_without_matplotlib_nothing_is_written(scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'synagents[plot]'" in refused(lambda: write_page([scores], tmp_path / "board", MADE))
    assert not (tmp_path / "board").exists()


def test_the_command_makes_the_page_and_says_where(
    scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = ["synagents", "bench", "page", "mine.json", "--task", "xor", "--against", "trace", "--out", "board"]
    monkeypatch.setattr(sys, "argv", typed)
    assert command() == 0 and "The page is board/index.html" in capsys.readouterr().out
    text = (tmp_path / "board" / "index.html").read_text()
    assert " ".join(typed) in text and "P(better than trace)" in text


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
