"""Pictures of the dictionary face."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from synagents.envs import synapse_v0, unit_v0
from synagents.envs.parallel import ParallelView
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


@pytest.mark.parametrize("mode", ["human", "rgb_array"])
def test_a_world_whose_learner_has_the_weights_has_no_picture(mode: Any) -> None:
    sentence = refused(lambda: unit_v0.parallel_env(bits=1, hidden=(3,), render_mode=mode))
    assert (
        sentence
        == "unit_v0 has no weights of its own to show, since they belong to the learner: leave render_mode out."
    )
    assert unit_v0.parallel_env(bits=1, hidden=(3,)).metadata["render_modes"] == []
    assert synapse_v0.parallel_env("xor").metadata["render_modes"] == ["human", "rgb_array"]


def test_a_world_of_agents_without_weights_shows_its_losses() -> None:
    env = ParallelView(Relay(), "relay", render_mode="rgb_array")
    env.reset(seed=0)
    image = env.render()
    assert image is not None and image.shape == (560, 640, 3)
