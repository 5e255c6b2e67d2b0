"""Scores that are interrupted go on, and parts from several machines are joined or refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synagents.benchmark import lines, looks, provenance, results, suite
from synagents.benchmark.results import Curves
from synagents.cli.main import run as command
from tests.claims import refused, same_bits

SMALL = suite.BenchmarkTask("xor", "xor", (4,), (), 4 * 402)
LINES = ["trace", "snes"]  # agents, and an optimizer without


def stopped(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Somebody stops the machine when so many checkpoints have been written."""
    save, count = looks.Kept.save, [0]

    def last(self: looks.Kept, *args: Any) -> None:
        save(self, *args)
        count[0] += 1
        if count[0] == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(looks, "SECONDS", 0.0)
    monkeypatch.setattr(looks.Kept, "save", last)


@pytest.mark.parametrize("line", LINES)
def test_an_interrupted_score_goes_on_from_its_last_look_to_the_same_bits(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lines.fill(tmp_path / "whole.json", [SMALL], [line], runs=2)
    path, made = tmp_path / "scores.json", []
    with monkeypatch.context() as now, pytest.raises(KeyboardInterrupt):
        stopped(now, 37)
        lines.fill(path, [SMALL], [line], runs=2)
    (unfinished,) = tmp_path.glob("*.unfinished")
    assert unfinished.name == f"scores.json.xor-v0.{line}.unfinished" and not path.exists()
    read = looks.checkpoints.read
    monkeypatch.setattr(looks.checkpoints, "read", lambda *args: made.append(read(*args)) or made[-1])
    again = lines.fill(path, [SMALL], [line], runs=2)
    assert len(made) == 1 and len(made[0][1]["looks"]) == 38
    assert same_bits(again[SMALL.id][line], whole[SMALL.id][line])
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not list(tmp_path.glob("*.unfinished"))


def test_an_interrupted_score_of_other_settings_is_no_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scores.json"
    with monkeypatch.context() as now, pytest.raises(KeyboardInterrupt):
        stopped(now, 2)
        lines.fill(path, [SMALL], ["uniform"], {"step_size": "0.01"}, runs=2)
    for given, seed in (({"step_size": "0.02"}, 0), ({"step_size": "0.01"}, 1)):
        sentence = refused(
            lambda given=given, seed=seed: lines.fill(path, [SMALL], ["uniform"], given, runs=2, seed=seed)
        )
        assert "is an interrupted score of other settings, data or version" in sentence
    (unfinished,) = tmp_path.glob("*.unfinished")
    unfinished.write_bytes(unfinished.read_bytes()[:-1])
    assert "holds no score that could go on: remove it." in refused(lambda: lines.fill(path, [SMALL], ["uniform"]))


def test_a_score_that_diverges_leaves_nothing_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "SECONDS", 0.0)
    with pytest.raises(FloatingPointError):
        lines.fill(tmp_path / "scores.json", [SMALL], ["sgd"], {"step_size": "1e30"}, runs=1)
    assert not list(tmp_path.glob("*.unfinished"))


KILLED = """
import sys
from pathlib import Path
from synagents.benchmark import lines, looks, suite
looks.SECONDS = 0.0
small = suite.BenchmarkTask("xor", "xor", (4,), (), 4 * 402)
save = looks.Kept.save
def last(self, now, seen):
    save(self, now, seen)
    if len(seen) == 5:
        print("there", flush=True)
        sys.stdin.read()
looks.Kept.save = last
lines.fill(Path(sys.argv[1]), [small], ["trace"], runs=2)
"""


def test_a_killed_process_has_kept_its_looks(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    words = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "there\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(list(tmp_path.glob("*.unfinished"))) == 1
    lines.fill(path, [SMALL], ["trace"], runs=2)
    assert results.read(path)[SMALL.id]["trace"].score.shape == (2, 101)


# What a score was made with


def test_what_a_score_was_made_with_stands_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    lines.fill(path, [SMALL], ["uniform"], {"step_size": "0.01"}, runs=2, seed=3)
    made = json.loads((tmp_path / "scores.about.json").read_text())[SMALL.id]["uniform"]
    assert made["seeds"] == [[3, 2]] and made["settings"]["step_size"] == "0.01"
    assert set(made) == {"version", "jax", "data", "settings", "seeds"}
    asked = {"step_size": "0.02"}
    sentence = refused(lambda: lines.fill(path, [SMALL], ["uniform"], asked, runs=2, seed=3))
    assert "made with other settings (step_size: 0.01 and 0.02): name another file." in sentence
    assert "other seeds ([[3, 2]] and [[0, 2]])" in refused(
        lambda: lines.fill(path, [SMALL], ["uniform"], {"step_size": "0.01"}, runs=2)
    )


def test_a_file_is_filled_with_scores_on_the_same_data_alone(tmp_path: Path) -> None:
    path = part(tmp_path / "scores.json", {"uniform": (0.5, 0.5)}, data={"checksum": "7"})
    sentence = refused(lambda: lines.fill(path, [SMALL], ["adam"], runs=2))
    assert "has uniform on synapse/xor-v0, made with other data (checksum: 7 and None)" in sentence


def curves(*last: float) -> Curves:
    accuracy = np.array([[0.5, end] for end in last])
    return Curves(np.array([0, 100]), accuracy, 1 - accuracy)


def part(path: Path, ends: dict[str, tuple[float, ...]], seed: int = 0, **other: Any) -> Path:
    """A file of scores of xor, {line: the runs' ends}, as somebody's machine made it."""
    own = {"version": "1.0", "jax": "0.1", "data": {"name": "xor"}, "settings": {"rate": 0.1}} | other
    results.write(path, {SMALL.id: {line: curves(*last) for line, last in ends.items()}})
    provenance.write(path, {SMALL.id: {line: own | {"seeds": [[seed, len(last)]]} for line, last in ends.items()}})
    return path


def test_parts_of_several_machines_are_one_file_of_all_lines_and_all_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = part(tmp_path / "a.json", {"trace": (0.75, 1.0), "adam": (0.5, 0.75)})
    second = part(tmp_path / "b.json", {"trace": (0.25,)}, seed=1, jax="0.2")
    out = tmp_path / "all.json"
    monkeypatch.setattr("sys.argv", ["synagents", "bench", "merge", str(first), str(second), "--out", str(out)])
    assert command() == 0 and "| trace |" in capsys.readouterr().out
    whole = results.read(out)[SMALL.id]
    assert whole["trace"].score[:, -1].tolist() == [0.75, 1.0, 0.25] and len(whole["adam"].score) == 2
    assert provenance.read(out)[SMALL.id]["trace"]["seeds"] == [[0, 2], [1, 1]]
    scores, made = provenance.merge([out, first])  # what is there already is left out
    assert same_bits(scores, results.read(out)) and made == provenance.read(out)


@pytest.mark.parametrize(
    ("line", "other", "sentence"),
    [
        ("adam", {"version": "1.1"}, "differ in version (1.0 and 1.1): play one of them again."),
        ("adam", {"data": {"name": "xor", "checksum": "7"}}, "differ in data (checksum: None and 7)"),
        ("trace", {"settings": {"rate": 0.2}}, "differ in settings (rate: 0.1 and 0.2)"),
        ("trace", {}, "Two files have runs of trace on synapse/xor-v0 with the seed 0 that are not the same runs."),
    ],
)
def test_parts_that_are_not_of_one_benchmark_are_refused(
    line: str, other: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    first, second = part(tmp_path / "a.json", {"trace": (0.75,)}), part(tmp_path / "b.json", {line: (0.5,)}, **other)
    assert sentence in refused(lambda: provenance.merge([first, second]))


def test_other_lines_have_settings_of_their_own(tmp_path: Path) -> None:
    first = part(tmp_path / "a.json", {"trace": (0.75,)})
    second = part(tmp_path / "b.json", {"adam": (0.5,)}, settings={"rate": 0.3})
    assert set(provenance.merge([first, second])[0][SMALL.id]) == {"trace", "adam"}


def test_tasks_on_one_data_set_have_the_same_files(tmp_path: Path) -> None:
    parts = []
    for name, checksum in (("digits-0", "7"), ("digits-16", "8")):
        path = part(tmp_path / f"{name}.json", {"trace": (0.75,)}, data={"data": "digits", "checksum": checksum})
        scores, made = results.read(path), provenance.read(path)
        results.write(path, {name: scores[SMALL.id]})
        provenance.write(path, {name: made[SMALL.id]})
        parts.append(path)
    assert "differ in data (checksum: 7 and 8)" in refused(lambda: provenance.merge(parts))


def test_scores_of_which_nothing_is_said_are_not_joined(tmp_path: Path) -> None:
    path = part(tmp_path / "a.json", {"trace": (0.75,)})
    provenance.beside(path).unlink()
    assert "Nothing says what trace on synapse/xor-v0" in refused(lambda: provenance.merge([path]))
    for content in (b"{", b"[]", b'{"synapse/xor-v0": {"trace": {"version": 1}}}', b"[" * 100_000):
        provenance.beside(path).write_bytes(content)
        assert "does not say what scores were made with" in refused(lambda: provenance.merge([path]))
