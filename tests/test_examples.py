"""The examples run, and print what their first lines promise."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_the_published_table_plays_notmnist_in_the_papers_setting(  # that it learns there: tests/test_learning.py
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, published_table: Path, notmnist_folder: Path
) -> None:
    words = ["--table", str(published_table), "--data", str(notmnist_folder), "--steps", "500"]
    out = printed(capsys, monkeypatch, "published_table.py", *words)
    assert re.fullmatch(r"step     500  held-out accuracy [\d.]+%\n", out)


def test_the_rule_leans_towards_the_gradient_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, uniform = printed(capsys, monkeypatch, "watch_the_agents.py").splitlines()
    (rule_mean, rule_error), (uniform_mean, uniform_error) = (
        map(float, re.findall(r"alignment ([+-][\d.]+) \+- ([\d.]+)", line)[0]) for line in (rule, uniform)
    )
    assert rule_mean > 2 * rule_error
    assert abs(uniform_mean) < 2 * uniform_error


@pytest.mark.usefixtures("optimized")
def test_a_network_of_ones_own_learns_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(capsys, monkeypatch, "own_network.py")
    rule, uniform = map(float, re.findall(r"accuracy ([\d.]+)%", out))
    assert rule > 70 > 25 > uniform


@pytest.mark.slow
def test_ppo_learns_on_toys_what_trains_digits_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, "ppo.py").splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"{name} on {task}" for task in ("toys", "digits") for name in ("trained", "uniform")
    ]
    toys, toys_uniform, digits, digits_uniform = (
        tuple(map(float, re.findall(r"([\d.]+)% of .* loss ([\d.]+), accuracy ([\d.]+)%", line)[0])) for line in lines
    )
    assert toys[0] > 56 > 53 > toys_uniform[0] and toys[1] < 0.55 < 0.6 < toys_uniform[1]
    assert digits[0] > 58 > 53 > digits_uniform[0] and digits[2] > 55 > 25 > digits_uniform[2]


def test_independent_learners_and_vdn_are_rewarded_more_often_than_uniform_actions_and_lower_the_loss(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, "iql_vdn.py").splitlines()
    assert [line[:11].rstrip() for line in lines] == ["mixing none", "mixing sum", "uniform"]
    independent, vdn, uniform = (
        tuple(map(float, re.findall(r"([\d.]+)% of .* end ([\d.]+)", line)[0])) for line in lines
    )
    assert min(independent[0], vdn[0]) > 60 > 53 > uniform[0]
    assert max(independent[1], vdn[1]) < 0.5 < 0.6 < uniform[1]


def test_a_recurrent_policy_lowers_the_loss_and_the_random_policy_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, "recurrent_policy.py").splitlines()
    recurrent, random = (float(re.findall(r"\d+\.\d+", line)[-1]) for line in lines)
    assert recurrent < 0.6 < 0.9 < random


@pytest.mark.usefixtures("optimized")
def test_optimizers_from_outside_minimise_the_worlds_loss_and_guesses_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(capsys, monkeypatch, "outside_optimizer.py")
    untrained, snes, cma, guess = map(float, re.findall(r"loss ([\d.]+)", out))
    assert max(snes, cma) < 0.1 < 0.4 < guess < untrained


def test_every_example_is_run_here() -> None:
    here = {
        "iql_vdn.py",
        "outside_optimizer.py",
        "own_network.py",
        "ppo.py",
        "published_table.py",
        "recurrent_policy.py",
        "watch_the_agents.py",
    }
    with_clients = {"sb3_ppo.py", "supersuit_ppo.py", "torchrl_ppo.py"}  # tests/test_clients.py
    elsewhere = {"rllib_ppo.py", "benchmarl_ippo.py"}  # their libraries pin others' releases: docs/clients.md
    assert {path.name for path in EXAMPLES.glob("*.py")} == here | with_clients | elsewhere
