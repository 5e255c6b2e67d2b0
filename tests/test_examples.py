"""The examples run, and print what their first lines promise."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_the_published_table_trains_on_notmnist_in_the_papers_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, published_table: Path, notmnist_folder: Path
) -> None:
    words = ["--table", str(published_table), "--data", str(notmnist_folder), "--steps", "10000"]
    out = told(capsys, monkeypatch, "published_table.py", *words)
    assert float(re.findall(r"accuracy ([\d.]+)%", out)[-1]) > 20  # after 10,000 of 200,000 steps; chance is 10


def test_the_rule_leans_towards_the_gradient_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, uniform = told(capsys, monkeypatch, "watch_the_agents.py").splitlines()
    (rule_mean, rule_error), (uniform_mean, uniform_error) = (
        map(float, re.findall(r"alignment ([+-][\d.]+) \+- ([\d.]+)", line)[0]) for line in (rule, uniform)
    )
    assert rule_mean > 2 * rule_error
    assert abs(uniform_mean) < 2 * uniform_error


def test_a_network_of_ones_own_learns_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = told(capsys, monkeypatch, "own_network.py")
    rule, uniform = map(float, re.findall(r"accuracy ([\d.]+)%", out))
    assert rule > 70 > 25 > uniform


def test_every_example_is_run_here() -> None:
    names = {"own_network.py", "published_table.py", "watch_the_agents.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == names
