"""The command line beside Python: the same words and the same bits, files of one's own, the environment, stops."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import synagents
from synagents.cli import train
from synagents.run.spec import RunSpec
from tests.test_cli import Command
from tests.test_cli import synagents as synagents_command  # noqa: F401 - a fixture

MINE = '''"""A task, a network, a learner with memory and a probe of one's own."""

import jax
import jax.numpy as jnp
import numpy as np

import synagents
from synagents import MemoryLearner, Network, sample, settings, static


def task(*, batch_size: int = 4) -> synagents.Task:
    """Which half of the line a number is in.

    Args:
        batch_size: numbers per batch, >= 1.
    """
    x = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
    return synagents.from_arrays(x, (x[:, 0] > 0).astype(np.int32), loss="cross-entropy", batch_size=batch_size)


@settings
class Scaled(Network):
    """A linear network whose outputs are scaled.

    Attributes:
        in_shape: of a sample.
        out_size: outputs.
        gain: factor of the outputs, > 0.
    """

    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    gain: float = 1.0

    def init(self, key):
        return {"weight": 0.1 * jax.random.normal(key, (*self.in_shape, self.out_size), jnp.float32)}

    def apply(self, params, x):
        return self.gain * x @ params["weight"]


@settings
class Lazy(MemoryLearner):
    """Draws at random, and rests after every reward.

    Attributes:
        rest: probability in [0, 1] of resting after a reward.
    """

    rest: float = 0.5

    def init(self, key, groups):
        return ()

    def begin_world(self, key, mind, groups):
        return jnp.float32(0)

    def act(self, key, mind, memory, obs, t, turn):
        stay = self.rest * memory
        policy = jnp.broadcast_to(jnp.stack([(1 - stay) / 2, stay, (1 - stay) / 2]), (81, 3))
        return sample(key, policy, obs), memory, ()

    def update(self, key, mind, memory, transition, last_obs, t):
        reward = next(iter(transition.reward.values()))[-1]
        return mind, (reward > 0).astype(jnp.float32), {"rested": memory.mean()}


def largest(world, seen):
    """The largest weight."""
    return jnp.max(seen.after.weights["weight"])
'''


@pytest.fixture
def command(synagents_command: Command) -> Command:  # noqa: F811
    return synagents_command


@pytest.fixture
def played(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunSpec]:
    """What a command line would play."""
    specs: list[RunSpec] = []
    monkeypatch.setattr(train, "carry_out", lambda started, spec, *rest, **more: specs.append(spec))

    def read(*words: str) -> RunSpec:
        said = command("train", *words)
        assert said.code == 0, said.err
        return specs[-1]

    return read


def test_flags_of_one_name_are_read_as_the_chosen_learner_has_them(played: Callable[..., Any]) -> None:
    assert played("multiplexer", "--learner", "reinforce", "--baseline", "leave-one-out").learner.baseline == (
        "leave-one-out"
    )
    assert played("cartpole", "--learner", "backprop", "--activation", "softplus").learner.activation == "softplus"
    assert played("xor", "--activation", "tanh").world.network.activation == "tanh"
    assert played("--learner", "policy-gradient", "xor", "--mean-rate", "0.25").learner.mean_rate == 0.25


def test_words_are_those_of_python(played: Callable[..., Any]) -> None:
    typed = played("xor", "--steps", "1e2", "--num-worlds", "2", "--num-runs", "1e0", "--rollout-length", "2",
                   "--probe", "action-mix,alignment", "--probe-interval", "10", "--seed", "4294967295",
                   "--shared-task", "--network", "mlp", "--hidden", "3")  # fmt: skip
    spec = synagents.preset("xor", rounds=100, num_worlds=2, num_runs=1, rollout_length=2, seed=2**32 - 1,
                            probes=["action-mix", "alignment"], probe_interval=10, shared_task=True,
                            network="mlp", hidden=(3,))  # fmt: skip
    assert typed.to_config() == spec.to_config()


def test_python_plays_what_the_command_plays(command: Command, tmp_path: Path) -> None:
    said = command("train", "xor", "--steps", "4", "--hidden", "2", "--out", "a", "--quiet", "--json")
    _, summary = synagents.fit(synagents.preset("xor", rounds=4, hidden=(2,)), tmp_path / "b", tell=lambda line: None)
    assert json.loads(said.out)["weights_sha256"] == summary["weights_sha256"]


def test_files_of_ones_own_are_played_and_gone_on_with(command: Command, tmp_path: Path) -> None:
    (tmp_path / "ones_own.py").write_text(MINE)
    words = [
        "ones_own:task",
        "--learner",
        "ones_own:Lazy",
        "--network",
        "ones_own:Scaled",
        "--probe",
        "ones_own:largest",
    ]
    more = [
        "--probe-interval",
        "2",
        "--steps",
        "4",
        "--interval",
        "2",
        "--gain",
        "2",
        "--rest",
        "0.25",
        "--batch-size",
        "3",
    ]
    try:
        said = command("train", *words, *more, "--out", "run", "--quiet", "--num-worlds", "2")
        assert said.code == 0, said.err
        config = json.loads((tmp_path / "run/config.json").read_text())
        assert config["built"]["world.network.gain"] == 2 and config["built"]["learner.rest"] == 0.25
        header = (tmp_path / "run/metrics.csv").read_text().splitlines()[0]
        assert "largest" in header and "rested" in header
        said = command("resume", "run", "--steps", "6", "--quiet", "--json")
        assert said.code == 0 and json.loads(said.out)["steps"] == 6, said.err
        shown = command("train", *words[:5], "--help")
        assert "factor of the outputs, > 0. [default: 1.0]" in " ".join(shown.out.split())
    finally:
        sys.modules.pop("ones_own", None)


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("x = = 1\n", "wrong1:X", "is not Python (invalid syntax, "),
        ("\n\nimport math\nmath.nothing\n", "wrong2:X", "wrong2.py, line 4): mend it."),
        ("import nothing_like_it\n", "wrong3:X", "needs 'nothing_like_it', which is not installed"),
        ("class Mine: ...\n", "wrong4:Min", "has no 'Min': did you mean 'Mine'?"),
        ("X = 3\n", "wrong5:X", "X is neither a class nor a function"),
        ("raise SystemExit(0)\n", "wrong6:X", "cannot be imported (SystemExit: 0, "),
        ("def X(): ...\n", "wrong7:X", "derive your class from synagents.Learner"),
    ],
)
def test_a_module_with_a_mistake_is_explained_in_a_sentence(
    command: Command, tmp_path: Path, text: str, name: str, told: str
) -> None:
    (tmp_path / f"{name.partition(':')[0]}.py").write_text(text)
    said = command("train", "xor", "--learner", name, "--quiet")
    assert said.code == 2 and told in said.err and said.err.count("\n") == 1, said.err


def test_a_task_that_does_not_say_what_it_makes_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "unsaid.py").write_text("def task(): ...\n")
    said = command("train", "unsaid:task")
    assert said.code == 2 and "annotate what it returns" in said.sentence


@pytest.mark.parametrize(
    "words",
    [
        ["learn-table", "--out", "nowhere/t.json"],
        ["bench", "--out", "nowhere/b.json"],
        ["bench", "compare", "x.json", "--plot", "nowhere/p.png"],
        ["plot", "run", "--out", "nowhere/p.png"],
    ],
)
def test_a_place_for_results_that_is_not_there_is_refused_before_anything_is_played(
    command: Command, words: list[str], tmp_path: Path
) -> None:
    said = command(*words)
    assert said.code == 2 and "There is no folder nowhere: make it first" in said.sentence
    assert list(tmp_path.iterdir()) == []


def test_home_is_written_out_and_names_with_brackets_are_plain_text(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    out = "~/a[/b] exp[lr=0.1]"
    said = command("train", "xor", "--steps", "4", "--hidden", "2", "--out", out)
    assert said.code == 0 and (tmp_path / "a[/b] exp[lr=0.1]/summary.json").is_file()
    assert said.err.splitlines()[-1] == str(tmp_path / "a[/b] exp[lr=0.1]")
    said = command("plot", out, "--out", "~/pic")
    assert said.code == 0 and said.out == f"The picture is in {tmp_path / 'pic.png'}.\n"
    assert (tmp_path / "pic.png").is_file()
    for words in (["idx", "--data", "~/none"], ["xor", "--learner", "q-table", "--table", "~/none.json"]):
        assert str(tmp_path) in command("train", *words).sentence


# In processes of their own

TINY = ["xor", "--hidden", "2", "--steps", "4", "--quiet", "--json"]


def process(*words: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    call = [sys.executable, "-m", "synagents", *words]
    return subprocess.run(call, cwd=place, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_settings_of_jax_in_the_environment_change_nothing(tmp_path: Path) -> None:
    strict = {"JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_TRANSFER_GUARD": "disallow", "JAX_DEFAULT_PRNG_IMPL": "rbg"}
    usual, other = process("train", *TINY, place=tmp_path), process("train", *TINY, place=tmp_path, **strict)
    assert usual.returncode == other.returncode == 0, other.stderr
    assert json.loads(usual.stdout)["weights_sha256"] == json.loads(other.stdout)["weights_sha256"]


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_is_not_there_is_explained_by_its_variable(tmp_path: Path, platform: str) -> None:
    said = process("train", *TINY, place=tmp_path, JAX_PLATFORMS=platform)
    assert said.returncode == 2 and said.stderr.count("\n") == 1
    assert said.stderr.startswith(f"Error: JAX_PLATFORMS is {platform!r}, which JAX cannot use on this machine")


IN_64_BITS = """
import jax, synagents, equinox as eqx
from synagents.envs import synapse_v0
assert jax.config.jax_enable_x64
for task, learner in (("xor", "trace"), ("multiplexer", "reinforce")):
    spec = synagents.preset(task, learner, rounds=4, hidden=(4, 4), num_worlds=2)
    run, _ = synagents.advance(spec.begin(), 4)
    synagents.evaluate(run)
network = synagents.from_module(lambda key: eqx.nn.MLP(2, 2, 4, 1, key=key), (2,))
synagents.train(0, synapse_v0.world("xor", network=network, interval=0), synagents.RepeatUndo(), 4)
"""


def test_each_family_and_a_module_are_played_where_the_environment_asks_for_64_bits(tmp_path: Path) -> None:
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    call = [sys.executable, "-c", IN_64_BITS]
    done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


BEGINS = "from synagents.cli import entry; entry.hear_stops(); print('here', flush=True); entry.main()"


def stopped(moment: float, number: int, place: Path) -> tuple[int, str]:
    """Exit code and stderr of a training that is asked to stop so many seconds after it can hear it."""
    call = [sys.executable, "-c", BEGINS, "train", "xor", "--steps", "1e8", "--hidden", "2", "--out", str(place)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None and training.stdout.readline() == "here\n"
        time.sleep(moment)
        training.send_signal(number)
        try:
            return_code = training.wait(timeout=120)
        except subprocess.TimeoutExpired:  # it has not heard
            training.kill()
            return_code = training.wait()
        assert training.stderr is not None
        return return_code, training.stderr.read()


def test_a_stop_at_any_moment_of_start_up_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    draw = random.Random(int(time.time()))
    moments = [draw.uniform(0, 6) for _ in range(20)]
    places = [tmp_path / str(number) for number in range(20)]
    numbers = [signal.SIGINT, signal.SIGTERM] * 10
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(stopped, moments, numbers, places))
    for moment, place, (code, err) in zip(moments, places, ends, strict=True):
        assert code == 130 and "Traceback" not in err, (moment, code, err)
        assert err.splitlines()[-1].startswith("Error: Stopped") and err.endswith(".\n"), (moment, err)
        assert list(place.rglob("*.part")) == [], moment
        if (place / "config.json").exists():
            assert json.loads((place / "config.json").read_text())["rounds"] == 10**8, moment
