"""What a reader of the README writes in a folder of their own plays from the command line and from Python."""

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import synagents
from synagents.cli.main import cli
from synagents.cli.main import run as run_command
from synagents.envs import synapse_v0
from tests.claims import one_sentence

FOLDER = Path(__file__).parent / "stranger"
MINE = {"learner": "my_learner:Habit", "network": "my_network:Bumps", "probe": "my_probe:restless"}
FLAGS = [word for kind, name in MINE.items() for word in (f"--{kind}", name)]


@pytest.fixture(autouse=True)
def _stand_in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])


def command(out: Path, *words: str) -> dict[str, Any]:
    """The summary of a run of eight rounds by the command line."""
    flags = ("--steps", "8", "--probe-interval", "1", "--json", "--quiet", "--out", str(out))
    done = CliRunner().invoke(cli, ["train", *words, *flags])
    assert done.exit_code == 0, (done.output, done.exception)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("kind", MINE)
def test_each_file_alone_plays_from_the_command_line(kind: str, tmp_path: Path) -> None:
    summary = command(tmp_path / "run", "xor", f"--{kind}", MINE[kind])
    assert summary["task"] == "xor" and summary["steps"] == 8
    if kind == "probe":
        assert 0 <= synagents.read_metrics(tmp_path / "run")["probe.restless"][0] <= 1


def test_a_task_from_arrays_plays_from_the_command_line_and_its_arguments_are_flags(tmp_path: Path) -> None:
    summary = command(tmp_path / "run", "my_task:disk", "--points", "80")
    assert (summary["data"]["train_samples"], summary["data"]["held_out_samples"]) == (60, 20)


def test_all_four_play_together_by_command_and_by_python_with_the_same_bits(tmp_path: Path) -> None:
    by_command = command(tmp_path / "command", "my_task:disk", *FLAGS, "--bumps", "4", "--decay", "0.8")
    spec = synagents.preset(
        "my_task:disk", MINE["learner"], network=MINE["network"], probes=[MINE["probe"]], probe_interval=1, rounds=8,
        bumps=4, decay=0.8,
    )  # fmt: skip
    run, by_python = synagents.fit(spec, tmp_path / "python")
    assert by_command["agents"] == by_python["agents"] == 4 * 2 + 4 * 2 and run.t == 8
    assert by_command["weights_sha256"] == by_python["weights_sha256"]
    metrics = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("command", "python")]
    assert metrics[0] == metrics[1] and b"probe.restless" in metrics[0]


def test_the_learner_with_memory_does_better_than_the_random_policy() -> None:
    import my_learner
    import my_network
    import my_probe
    import my_task

    network = my_network.Bumps((2,), 2)
    world = synapse_v0.world(my_task.disk(), network=network, step_size=0.02, interval=100)
    accuracy = {}
    for learner in (my_learner.Habit(), synagents.Uniform()):
        run, history = synagents.train(0, world, learner, 2000, num_worlds=4, probes=(my_probe.restless,))
        accuracy[type(learner).__name__] = float(synagents.evaluate(run)["accuracy"].mean())
        assert history.probes["restless"].shape == (1, 20, 4)
    assert accuracy["Habit"] > 0.8 > 0.7 > accuracy["Uniform"]


def half(base: type, **members: Callable[..., Any]) -> type:
    return synagents.settings(type("Half", (base,), members))


def test_an_unfinished_learner_or_network_is_one_sentence_that_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import my_learner

    monkeypatch.setattr(my_learner, "Half", half(synagents.MemoryLearner), raising=False)
    monkeypatch.setattr(my_learner, "Hollow", half(synagents.Network), raising=False)
    for flag, name, missing in (("--learner", "Half", "begin_world"), ("--network", "Hollow", "apply")):
        monkeypatch.setattr(sys, "argv", ["synagents", "train", "xor", flag, f"my_learner:{name}"])
        with pytest.raises(ValueError, match=missing) as caught:
            synagents.preset("xor", **{flag[2:]: f"my_learner:{name}"})
        one_sentence(str(caught.value))
        assert run_command() == 2


@pytest.mark.parametrize(("method", "kept"), [("act", 2), ("update", 2)])
def test_a_method_that_returns_too_little_is_one_sentence_that_says_what_it_must_return(method: str, kept: int) -> None:
    import my_learner

    def short(self: Any, *given: Any) -> Any:
        return getattr(my_learner.Habit, method)(self, *given)[:kept]

    learner = half(my_learner.Habit, **{method: short})()
    with pytest.raises(ValueError, match=rf"Half\.{method} must return \(.*memory.*\)") as caught:
        synagents.train(0, synapse_v0.world("xor", hidden=(2,)), learner, 1)
    one_sentence(str(caught.value))


def test_a_network_without_weights_is_refused_in_one_sentence() -> None:
    import jax.numpy as jnp

    empty = half(synagents.Network, init=lambda self, key: {}, apply=lambda self, params, x: jnp.zeros((len(x), 2)))()
    with pytest.raises(ValueError, match="no weights") as caught:
        synapse_v0.world("xor", network=empty)
    one_sentence(str(caught.value))


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_every_file_is_short_and_says_in_its_first_line_what_it_is(name: str) -> None:
    module = __import__(name)
    assert module.__doc__ and len(inspect.getsource(module).splitlines()) <= 50
