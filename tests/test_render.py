"""Pictures of the dictionary face."""

import subprocess
import sys

import numpy as np
from gymnasium.error import ResetNeeded

from synagents.envs import plastic_v0, synapse_v0, unit_v0
from synagents.envs.parallel import ParallelView
from synagents.envs.render import Renderer
from tests.claims import one_sentence, refused
from tests.toys import Relay


def test_a_picture_shows_weights_actions_and_losses() -> None:
    env = synapse_v0.parallel_env("digits", hidden=(8,), step_size=0.05, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    assert before is not None and before.dtype == np.uint8 and before.shape == (560, 640, 3)
    for _ in range(3):
        env.step(dict.fromkeys(env.agents, 2))
    after = env.render()
    assert after is not None and (before != after).mean() > 0.1
    env.close()


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = synapse_v0.parallel_env("xor")
    env.reset()
    assert "render_mode" in refused(env.render, ResetNeeded)


def test_a_window_without_a_screen_is_refused_in_one_sentence() -> None:
    code = (
        "from synagents.envs import synapse_v0\n"
        "env = synapse_v0.parallel_env('xor', render_mode='human')\n"
        "env.reset()\n"
        "env.render()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"MPLBACKEND": "agg"}, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1].removeprefix("RuntimeError: ")
    assert one_sentence(last) == "There is no screen for render_mode='human': use render_mode='rgb_array'."


def noted(env: ParallelView) -> Renderer:
    """What the environment's renderer knows."""
    assert env._renderer is not None
    return env._renderer


def test_units_show_their_activity_and_the_return_of_every_episode() -> None:
    env = unit_v0.parallel_env(bits=1, hidden=(3,), render_mode="rgb_array")
    assert env.metadata["render_modes"] == ["human", "rgb_array"]
    returns = []
    for seed in (0, 1, 2):
        env.reset(seed=seed)
        asked = env.render()
        env.step(dict(zip(env.agents, [1, 0, 1, 0], strict=True)))
        heard = env.world.pictures(env._env_state.state)
        assert np.asarray(heard["hidden0"]).tolist() == [1, -1, 1] and heard["input"].shape == (3,)
        assert list(noted(env)._actions) == ["hidden0"]  # nobody has chosen yet
        fired = env.render()
        _, rewards, *_ = env.step(dict.fromkeys(env.agents, 1))
        returns.append(rewards["output_0"])
        assert noted(env)._returns == returns
        answered = env.render()
        assert asked is not None and fired is not None and answered is not None
        assert (asked != fired).any() and (fired != answered).any()
    env.close()


def test_plastic_synapses_show_their_traces() -> None:
    env = plastic_v0.parallel_env("cue", units=3, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step({agent: np.float32(0.25) for agent in env.agents})
    after = env.render()
    assert before is not None and after is not None and (before != after).mean() > 0.05
    shown = env.world.pictures(env._env_state.state)
    assert np.asarray(shown["recurrent"]).tolist() == [[0.25] * 3] * 3
    assert len(noted(env)._losses) == 1


def test_a_world_of_agents_without_weights_shows_its_losses() -> None:
    env = ParallelView(Relay(), "relay", render_mode="rgb_array")
    env.reset(seed=0)
    image = env.render()
    assert image is not None and image.shape == (560, 640, 3)
    for _ in range(4):  # two rounds of two turns: a loss is of a whole round
        env.step(dict.fromkeys(env.agents, 1))
    assert noted(env)._losses == [1.0, 1.0]
