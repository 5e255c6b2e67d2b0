"""The tutorial's code runs in order, and what it says of the figures is so."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import synagents.learners.synapse as folder
from synagents import preset, registry
from synagents.cli.main import cli

TEXT = (Path(__file__).resolve().parents[1] / "docs/your_first_agent.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def scope() -> dict[str, Any]:
    """What all its blocks, one after the other, leave behind."""
    names: dict[str, Any] = {"__name__": "tutorial"}
    for block in BLOCKS:
        exec(block, names)
    return names


def test_its_agent_learns_digits_and_uniform_agents_do_not(scope: dict[str, Any]) -> None:
    assert scope["accuracy"]["Correlate"] > 0.75 > 0.25 > scope["accuracy"]["Uniform"]


def test_its_agents_lean_towards_the_gradient_and_uniform_agents_do_not(scope: dict[str, Any]) -> None:
    rule, uniform = scope["seen"]["Correlate"], scope["seen"]["Uniform"]
    assert rule["alignment"] > 0.015 > abs(uniform["alignment"])
    assert rule["rewarded"] > 0.5 and abs(uniform["restless"] - 2 / 3) < 0.01


def test_a_sweep_over_its_number_is_a_vmap(scope: dict[str, Any]) -> None:
    jnp, final_loss = scope["jnp"], scope["final_loss"]
    none, _, one, _ = scope["jax"].vmap(final_loss)(jnp.array([0.0, 0.3, 1.0, 3.0])).tolist()
    assert one < 1.8 < 2.2 < none


def test_its_file_is_found_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = '"""Lean towards moves that went with rewards: P(a) ~ exp(beta a score)."""\n\n' + BLOCKS[0]
    (tmp_path / "correlate.py").write_text(module + '\n\n__all__ = ["Correlate"]\n')
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    registry.offers.cache_clear()
    try:
        words = ["train", "xor", "--learner", "correlate", "--beta", "2", "--steps", "20", "--quiet"]
        done = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "run")], catch_exceptions=False)
        assert registry.families("correlate") == ("synapse",)
        assert done.exit_code == 0 and '"beta": 2.0' in (tmp_path / "run/config.json").read_text()
    finally:
        registry.offers.cache_clear()


def test_its_file_is_played_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_correlate.py").write_text(BLOCKS[0])
    monkeypatch.chdir(tmp_path)
    assert preset("digits", "own_correlate:Correlate", beta=2.0, rounds=20).learner.beta == 2
