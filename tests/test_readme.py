"""The README does what it says."""

import re
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import pytest

import synagents
from synagents import data
from synagents.envs import synapse_v0
from synagents.probes import PROBES
from synagents.registry import kebab, offers

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TABLE = {cells[1].strip(): cells[2] for cells in (line.split("|") for line in README.splitlines()) if len(cells) == 5}


def names(kind: str) -> set[str]:
    return set(re.findall(r"`([\w-]+)`", TABLE[kind]))


@pytest.mark.parametrize("kind", ["learner", "network", "task"])
def test_what_the_readme_lists_is_what_there_is(kind: str) -> None:
    assert names(kind) == set(offers(f"{kind}s"))


def test_the_lines_to_beat_it_lists_are_what_there_is() -> None:
    assert names("optimizer") == set(offers("benchmark.optimizers"))


def test_the_worlds_and_probes_it_lists_are_there() -> None:
    worlds = {path.stem for path in Path(synapse_v0.__file__).parent.glob("*_v*.py")}
    assert names("world") == worlds
    assert names("probe") == set(map(kebab, PROBES))


def test_the_first_snippet_trains_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(SNIPPETS[0].strip().splitlines()) <= 10
    accuracies = []
    for learner in ("team-q", "uniform"):
        short = f'preset("digits", "{learner}", rounds=3000)'
        text = SNIPPETS[0].replace('preset("digits")', short).replace("runs/a", learner)
        assert short in text
        exec(text, {})
        accuracies.append(float(re.findall(r"^0\.\d+", capsys.readouterr().out, re.MULTILINE)[0]))
    assert accuracies[0] > 0.6 > 0.3 > accuracies[1]


def test_the_learner_it_shows_works() -> None:
    scope: dict[str, type] = {}
    exec(next(text for text in SNIPPETS if "class Patient" in text), scope)
    world = synapse_v0.world("xor", hidden=(4,), interval=0, step_size=0.01)
    run, _ = synagents.train(0, world, scope["Patient"](), 50)
    assert run.t == 50


def test_the_faces_it_shows_work() -> None:
    scope: dict[str, Any] = {}
    exec(next(text for text in SNIPPETS if "parallel_env" in text), scope)
    assert scope["env"].agents == [] and all(scope["truncations"].values())
    assert scope["fleet"].num_envs == 1300 and scope["pure"].num_agents == 650


def test_a_network_and_data_of_your_own_are_three_lines() -> None:
    snippet = next(text for text in SNIPPETS if "from_module" in text)
    scope: dict[str, Any] = {"synagents": synagents, "synapse_v0": synapse_v0, "eqx": eqx}
    scope |= {"images": data.load_digits().images / 16, "labels": data.load_digits().labels}
    exec(snippet, scope)
    run, history = synagents.train(0, scope["world"], synagents.RepeatUndo(), 50)
    assert run.t == 50 and history.info["loss"][0, -1, 0] < history.info["loss"][0, 0, 0]


def test_the_files_it_points_to_are_there() -> None:
    root = Path(__file__).resolve().parents[1]
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README) + re.findall(
        r"`((?:synagents|benchmarks)/[\w/]+\.py)`", README
    ):
        assert (root / target).exists(), target


def test_each_of_the_two_commands_is_one_line_that_sets_up_an_environment_of_its_own() -> None:
    commands = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    for command in commands:
        assert command.count("\n") == 1 and command.startswith("python3 -m venv .venv && ")


def test_the_task_it_shows_plays() -> None:
    scope: dict[str, Any] = {"synagents": synagents, "np": np}
    exec(next(text for text in SNIPPETS if "def disk" in text), scope)
    run, _ = synagents.train(0, synapse_v0.world(scope["disk"](80), hidden=(4,)), synagents.Uniform(), 2)
    assert run.t == 2
