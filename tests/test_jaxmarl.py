"""JaxMARL's own wrappers play our worlds, and its training scripts run as they are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from synagents.envs import synapse_v0, unit_v0
from tests.claims import refused

pytest.importorskip("jaxmarl", reason="needs the extra jaxmarl in an environment of its own: docs/clients.md")

import jaxmarl
from jaxmarl.environments.spaces import Box, Discrete
from jaxmarl.wrappers.baselines import CTRolloutManager, LogWrapper

from synagents.envs.jaxmarl import JaxMARLEnv, make, register

OPTIONS: dict[str, Any] = {"task": "xor", "hidden": (), "observation": "box", "interval": 0, "step_size": 0.1}
KEY = jax.random.key(0)


def ones(env: JaxMARLEnv, shape: tuple[int, ...] = ()) -> dict[str, Any]:
    """Everybody rests."""
    return {agent: jnp.ones(shape, jnp.int32) for agent in env.agents}


def test_an_environment_has_the_members_that_jaxmarls_scripts_read() -> None:
    env = make("synapse_v0", **OPTIONS)
    assert env.name == "synapse_v0" and env.num_agents == 6 == len(env.agents)
    seen, acted = env.observation_space(env.agents[0]), env.action_spaces[env.agents[-1]]
    assert isinstance(seen, Box) and seen.shape == (12,) and isinstance(acted, Discrete) and acted.n == 3
    drawn = [int(acted.sample(key)) for key in jax.random.split(KEY, 20)]
    assert set(drawn) == {0, 1, 2} and drawn == [int(acted.sample(key)) for key in jax.random.split(KEY, 20)]
    obs, state = env.reset(KEY)
    assert {agent: part.shape for agent, part in obs.items()} == dict.fromkeys(env.agents, (12,))
    assert all(part.tolist() == [True] * 3 for part in env.get_avail_actions(state).values())
    assert env.agent_classes == {"agents": env.agents}


def test_it_plays_the_story_of_the_functional_face() -> None:
    env, ours = make("synapse_v0", **OPTIONS, max_cycles=3), synapse_v0.functional_env(**OPTIONS, max_cycles=3)
    (_, state), (_, our_state) = env.reset(KEY), ours.reset(KEY)
    for turn in range(1, 5):
        acts = jax.random.randint(jax.random.key(turn), (6,), 0, 3)
        _, state, reward, done, info = env.step(KEY, state, dict(zip(env.agents, acts[:, None], strict=True)))
        grouped = {"layer0_weight": acts[:4], "layer0_bias": acts[4:]}
        _, our_state, our_reward, _, our_info = ours.step(KEY, our_state, grouped)
        assert info["loss"].tolist() == [our_info["loss"].item()] * 6
        assert reward["layer0_bias_1"] == our_reward["layer0_bias"][1]
        assert bool(done["__all__"]) == (turn == 3) and {part.shape for part in info.values()} == {(6,)}


def test_an_episode_that_ends_goes_on_from_the_given_state() -> None:
    env = make("synapse_v0", **OPTIONS, max_cycles=1)
    _, given = env.reset(jax.random.key(5))
    _, state = env.reset(KEY)
    obs, state, _, done, _ = env.step(KEY, state, ones(env), given)
    assert bool(done["__all__"]) and int(state.rounds) == 0
    assert state.state.loss == given.state.loss and obs["layer0_bias_0"].shape == (12,)


def test_jaxmarls_log_wrapper_counts_our_episodes() -> None:
    env = LogWrapper(make("synapse_v0", **OPTIONS, max_cycles=3))
    step = jax.jit(jax.vmap(env.step))
    _, state = jax.vmap(env.reset)(jax.random.split(KEY, 2))
    for _ in range(3):
        acts = {agent: jnp.ones((2, 1), jnp.int32) for agent in env.agents}
        _, state, _, done, info = step(jax.random.split(KEY, 2), state, acts)
    assert done["__all__"].all() and info["returned_episode"].shape == (2, 6)
    assert info["returned_episode_lengths"].tolist() == [[3.0] * 6] * 2
    assert info["returned_episode_returns"].tolist() == [[-3.0] * 6] * 2  # who rests does not lower the loss


def test_jaxmarls_rollout_manager_plays_many_of_them() -> None:
    env = make("synapse_v0", **OPTIONS, max_cycles=3)
    worlds = CTRolloutManager(LogWrapper(env), batch_size=4)
    assert worlds.max_action_space == 3 and worlds.obs_size == 12 + 6
    obs, state = worlds.batch_reset(KEY)
    keys = jax.random.split(KEY, 6)
    acts = {agent: worlds.batch_sample(key, agent) for agent, key in zip(env.agents, keys, strict=True)}
    obs, state, reward, _, _ = worlds.batch_step(KEY, state, acts)
    assert obs["__all__"].shape == (4, 6 * 12) and obs["layer0_bias_0"].shape == (4, 18)
    assert reward["__all__"].tolist() == (6 * reward["layer0_bias_0"]).tolist()
    assert worlds.get_valid_actions(state.env_state)["layer0_bias_0"].shape == (4, 3)


def test_what_jaxmarls_networks_cannot_see_or_do_is_refused() -> None:
    assert "use observation='box'" in refused(lambda: make("synapse_v0", task="xor", hidden=()))
    assert "use keyed='group'" in refused(lambda: make("synapse_v0", task="digits", observation="box"))
    gaussian = unit_v0.world(bits=1, hidden=(2,), units="gaussian")
    assert "choose among a few actions" in refused(lambda: JaxMARLEnv(gaussian, "unit_v0"))
    assert "give a name such as synapse_v0" in refused(lambda: make("parallel"))


def test_jaxmarls_make_knows_our_worlds_beside_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxmarl, "make", jaxmarl.make)  # put back afterwards
    monkeypatch.setattr(jaxmarl.registration, "make", jaxmarl.registration.make)
    register()
    assert jaxmarl.make("synapse_v0", **OPTIONS).num_agents == 6
    assert jaxmarl.make("MPE_simple_spread_v3").num_agents == 3


def test_a_script_runs_as_it_is_with_its_own_folder_and_words(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("OPTIONS = {'task': 'xor', 'hidden': (), 'observation': 'box'}\n")
    (tmp_path / "script.py").write_text(
        "import sys\nfrom jaxmarl import make\nfrom beside import OPTIONS\n"
        "if __name__ == '__main__':\n    print(make(sys.argv[1], **OPTIONS).num_agents, sys.argv[1:])\n"
    )
    words = [sys.executable, "-m", "synagents.envs.jaxmarl", str(tmp_path / "script.py"), "synapse_v0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("6 ['synapse_v0']\n"), done.stderr  # JaxMARL prints what it has not found
