"""Other people's algorithms train our agents, and beat agents that act at random on the same seeds."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.extras import require_clients

require_clients()

import torch  # noqa: E402
from stable_baselines3.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import VecCheckNan, VecMonitor  # noqa: E402
from supersuit import frame_skip_v0  # noqa: E402

from synagents.envs import synapse_v0  # noqa: E402
from synagents.envs.sb3 import SB3VecEnv  # noqa: E402
from synagents.envs.vector import VectorView  # noqa: E402
from tests.claims import refused  # noqa: E402
from tests.toys import pictures  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ROUNDS = 4  # of an episode, below


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The examples ask torch for one thread; what else runs in this process keeps its own number."""
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


def figures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str) -> list[float]:
    """What an example prints: reward and last loss of the trained policy, and of uniform actions."""
    monkeypatch.setattr(sys, "argv", [name])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    found = re.findall(r"(\w+) reward per round ([+-][\d.]+), loss at the end ([\d.]+)", capsys.readouterr().out)
    assert [who for who, *_ in found] == ["trained", "uniform"]
    return [float(number) for _, *numbers in found for number in numbers]


def test_sb3s_ppo_trains_synapses_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reward, loss, uniform_reward, uniform_loss = figures(capsys, monkeypatch, "sb3_ppo.py")
    assert reward > 0.2 > 0.1 > uniform_reward
    assert loss < 0.5 < 0.65 < uniform_loss


def test_sb3s_ppo_through_supersuit_trains_synapses_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reward, loss, uniform_reward, uniform_loss = figures(capsys, monkeypatch, "supersuit_ppo.py")
    assert reward > 0.2 > 0.1 > uniform_reward
    assert loss < 0.5 < 0.65 < uniform_loss


@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using version")  # it says so of any but 1.24.3
# TorchRL's own classes:
@pytest.mark.filterwarnings("ignore:Creating .* inherits from WeightUpdaterBase:DeprecationWarning")
def test_torchrls_ppo_trains_synapses_and_uniform_actions_do_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reward, loss, uniform_reward, uniform_loss = figures(capsys, monkeypatch, "torchrl_ppo.py")
    assert reward > 0.4 > 0.15 > uniform_reward
    assert loss < 2.9 < 3.5 < uniform_loss


# The adapter for SB3


def make_view(num_worlds: int = 2) -> VectorView:
    """21 agents in each world of three classes of 2x3 pixels."""
    return synapse_v0.vector_env(
        pictures(), num_envs=num_worlds, max_cycles=ROUNDS, hidden=(), observation="box", step_size=0.01
    )


def drawn(count: int, rounds: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, size=count) for _ in range(rounds)]


def test_the_adapter_plays_the_story_of_the_view_across_the_ends_of_episodes() -> None:
    view, env = make_view(), SB3VecEnv(make_view())
    env.seed(3)
    seen, _ = view.reset(seed=3)
    assert np.array_equal(env.reset(), seen)
    for turn, actions in enumerate(drawn(env.num_envs, 2 * ROUNDS + 1), start=1):
        last, rewards, terminated, truncated, view_info = view.step(actions)
        now, their_rewards, dones, infos = env.step(actions)
        assert np.array_equal(their_rewards, rewards) and their_rewards.dtype == np.float32
        assert np.array_equal(dones, terminated | truncated) and dones.all() == (turn % ROUNDS == 0)
        assert [info["loss"] for info in infos] == view_info["loss"].tolist()
        assert [info["TimeLimit.truncated"] for info in infos] == truncated.tolist()
        if dones.any():
            assert np.array_equal([info["terminal_observation"] for info in infos], last)
            last, nothing, *_ = view.step(actions)  # the view begins anew in a step of its own
            assert not nothing.any()
        else:
            assert not any("terminal_observation" in info for info in infos)
        assert np.array_equal(now, last)


def test_a_seed_holds_for_one_reset_and_the_next_episode_is_another() -> None:
    def story(env: SB3VecEnv) -> list[list[float]]:
        env.reset()
        return [[info["loss"] for info in env.step(actions)[3]] for actions in drawn(env.num_envs, 2)]

    first, second = SB3VecEnv(make_view()), SB3VecEnv(make_view())
    assert first.seed(5) == [5 + i for i in range(first.num_envs)]
    second.seed(5)
    episodes = [story(first), story(first)]
    assert episodes == [story(second), story(second)]
    assert episodes[0] != episodes[1]
    second.seed(6)
    assert story(second) not in episodes


def test_sb3s_own_wrappers_and_evaluation_take_the_adapter() -> None:
    class Still:
        def predict(self, seen: np.ndarray, state: None, **options: object) -> tuple[np.ndarray, None]:
            return np.ones(len(seen), int), None

    env = VecMonitor(VecCheckNan(SB3VecEnv(make_view()), raise_exception=True))
    rewards, lengths = evaluate_policy(Still(), env, n_eval_episodes=env.num_envs, return_episode_rewards=True)
    assert rewards == [-ROUNDS] * env.num_envs  # who rests does not lower the loss, and an equal loss counts as worse
    assert lengths == [ROUNDS] * env.num_envs


def test_attributes_and_methods_are_the_views_for_each_agent() -> None:
    env = SB3VecEnv(make_view())
    assert env.num_envs == 42 and env.render_mode is None
    assert env.get_attr("num_worlds") == [2] * 42
    assert env.get_attr("num_worlds", indices=[0, 7]) == [2, 2]
    assert env.has_attr("num_worlds") and not env.has_attr("nothing")
    assert env.env_is_wrapped(Monitor) == [False] * 42
    assert env.env_is_wrapped(Monitor, indices=3) == [False]
    assert env.env_method("__str__", indices=3) == [str(env.view)]
    env.set_attr("note", "mine")
    assert env.get_attr("note", 0) == ["mine"]
    assert "All agents share one view" in refused(lambda: env.set_attr("note", "yours", indices=0))
    env.close()


def test_options_of_a_reset_are_refused_in_a_sentence() -> None:
    env = SB3VecEnv(make_view())
    env.set_options({"difficulty": 3})
    assert "leave set_options alone" in refused(env.reset)
    env.set_options(None)
    assert env.reset().shape == (42, 12)


def test_supersuits_frame_skip_draws_from_the_environments_seed() -> None:
    def losses(seed: int) -> list[float]:
        env = frame_skip_v0(synapse_v0.parallel_env(pictures(), hidden=(), step_size=0.01, max_cycles=30), (1, 4))
        env.reset(seed=seed)
        found = []
        for _ in range(4):
            env.step(dict.fromkeys(env.agents, 2))
            found.append(float(env.unwrapped.state()[-1]))
        return found

    assert losses(1) == losses(1) != losses(2)


def test_worlds_that_end_apart_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    view = make_view()
    env = SB3VecEnv(view)
    seen = env.reset()
    ended = np.arange(42) < 21
    monkeypatch.setattr(view, "step", lambda actions: (seen, np.zeros(42), ended, ~ended & False, {}))
    assert "use num_envs=1" in refused(lambda: env.step(np.ones(42, int)))


@pytest.mark.parametrize(("required", "outcome"), [("1", "1 error"), ("", "1 skipped")])
def test_missing_clients_are_a_skip_with_the_reason_or_a_failure_where_they_are_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    (tmp_path / "test_it.py").write_text("from tests.extras import require_clients\nrequire_clients()\n")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torchrl'] = None\n")
    env = {**os.environ, "SYNAGENTS_REQUIRE_CLIENTS": required, "PYTHONPATH": f"{tmp_path}:{EXAMPLES.parent}"}
    words = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert outcome in done.stdout, done.stdout
    assert ("needs the extra clients: pip install -e '.[clients]'" in done.stdout) == (not required)


def test_only_the_adapter_needs_sb3_and_says_how_to_get_it(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["stable_baselines3"] = None
import synagents.envs.synapse_v0, synagents.envs.vector
try:
    import synagents.envs.sb3
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "synagents.envs.sb3 needs it (pip install stable-baselines3)." in done.stdout, done.stderr
