"""The vector face, as Gymnasium's users meet it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.envs.vector import VectorView
from synagents.hyperparameters import settings
from tests.claims import refused, same_bits
from tests.toys import MODES, Relay, small


@settings
class Mortal(SynapseWorld):
    """A synapse world that ends when its first bias rises above a tenth."""

    def resolve(self, key: Any, state: Any) -> Any:
        state, outcome = super().resolve(key, state)
        return state, outcome._replace(terminated=state.weights["layer0_bias"][0] > 0.1)


def mortal() -> Mortal:
    world = synapse_v0.world(**small())
    return Mortal(world.network, world.task, step_size=0.01)


def test_every_agent_of_every_world_is_a_sub_environment() -> None:
    env = synapse_v0.vector_env(**small(), num_envs=3)
    assert env.num_envs == 3 * 21 and env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.observation_space == batch_space(env.single_observation_space, 63)
    assert env.action_space == batch_space(env.single_action_space, 63)
    obs, infos = env.reset(seed=0)
    assert env.observation_space.contains(obs) and infos == {}
    env.action_space.seed(0)
    for _ in range(10):
        obs, rewards, ended, cut, infos = env.step(env.action_space.sample())
        assert env.observation_space.contains(obs) and obs.dtype == env.observation_space.dtype
        assert rewards.dtype == np.float64 and rewards.shape == ended.shape == cut.shape == (63,)
        assert ended.dtype == cut.dtype == bool and infos["loss"].shape == (63,) and infos["_loss"].all()
        assert all(len(set(world)) == 1 for world in infos["loss"].reshape(3, 21))
    assert len(set(infos["loss"])) == 3


@pytest.mark.parametrize("options", MODES, ids=str)
def test_vectors_lie_in_their_space_and_belong_to_the_caller(options: dict[str, Any]) -> None:
    env = synapse_v0.vector_env(**small(**options))
    obs, _ = env.reset(seed=0)
    kept = obs.copy()
    for _ in range(3):
        obs[:] = 0
        obs, *rest, _ = env.step(np.ones(env.num_envs, int))
        assert env.observation_space.contains(obs)
        for part in rest:
            part[:] = 0
    env.reset(seed=0)
    obs[:] = 0
    assert same_bits(kept, env.reset(seed=0)[0])


def test_a_truncated_environment_begins_anew_in_the_next_step() -> None:
    env = synapse_v0.vector_env(**small(max_cycles=3), num_envs=2)
    first, _ = env.reset(seed=0)
    steps = [env.step(np.full(42, 2)) for _ in range(5)]
    assert [cut.all() for _, _, _, cut, _ in steps] == [False, False, True, False, False]
    obs, rewards, ended, _, infos = steps[3]
    assert obs.tolist() == first.tolist() and not rewards.any() and not ended.any() and not infos["_loss"].any()
    assert steps[4][1].all()


def test_a_world_that_ends_alone_begins_anew_alone() -> None:
    env = VectorView(mortal(), num_worlds=2)
    env.reset(seed=0)
    actions = np.ones((2, 21), int)
    actions[1, 18] = 2  # the second world's first bias goes up, 0.02 each time
    ends = []
    for _ in range(14):
        obs, rewards, ended, _, _ = env.step(actions.reshape(-1))
        ends.append(ended.reshape(2, 21).all(1).tolist())
        assert rewards.reshape(2, 21)[0].tolist() == [-1] * 21  # nothing moves in the first world
    assert ends == [[False, t in (5, 12)] for t in range(14)]
    assert obs.reshape(2, 21)[0].tolist() != [40] * 21


def test_gymnasium_makes_worlds_by_name() -> None:
    env = gymnasium.make_vec("synagents/Synapse-v0", num_envs=2, task="xor", hidden=(3,), max_cycles=4)
    assert isinstance(env, VectorView) and env.num_worlds == 2 and env.num_envs == 34
    assert "synagents/Synapse-v0" in repr(env)
    env = RecordEpisodeStatistics(env)
    env.reset(seed=0)
    for _ in range(4):
        *_, infos = env.step(np.ones(34, int))
    assert infos["episode"]["l"].tolist() == [4] * 34 and infos["episode"]["r"].tolist() == [-4.0] * 34
    env.close()


def test_the_same_seed_begins_the_same_worlds() -> None:
    one, other = (synapse_v0.vector_env(**small(max_cycles=7), num_envs=2) for _ in range(2))
    assert data_equivalence(one.reset(seed=3), other.reset(seed=3))
    for _ in range(30):
        one.action_space.seed(1)
        actions = one.action_space.sample()
        assert data_equivalence(one.step(actions), other.step(actions), exact=True)


@pytest.mark.parametrize(
    "actions", [np.ones(20, int), np.ones((21, 1), int), np.full(21, 3), np.full(21, -1), np.ones(21), ["1"] * 21]
)
def test_wrong_actions_are_refused_in_one_sentence(actions: Any) -> None:
    env = synapse_v0.vector_env(**small())
    env.reset(seed=0)
    assert "21 whole numbers in 0 .. 2" in refused(lambda: env.step(actions))


def test_agents_that_differ_are_refused() -> None:
    assert "callers and hearers differ" in refused(lambda: VectorView(Relay()))


def test_stepping_before_a_reset_is_refused_in_one_sentence() -> None:
    assert "reset()" in refused(lambda: synapse_v0.vector_env(**small()).step(np.zeros(21, int)), ResetNeeded)


@pytest.mark.parametrize("worlds", [0, 1.5, None])
def test_a_number_of_worlds_that_is_none_is_refused_in_one_sentence(worlds: Any) -> None:
    assert "num_envs must be a whole number >= 1" in refused(lambda: synapse_v0.vector_env(**small(), num_envs=worlds))


def test_a_fresh_interpreter_makes_every_world_by_gymnasiums_name_and_counts_worlds(tmp_path: Path) -> None:
    code = """
import gymnasium
for name, options in (("Synapse-v0", {"task": "xor", "hidden": ()}), ("Unit-v0", {"bits": 1, "hidden": ()})):
    env = gymnasium.make_vec(f"synagents.envs:synagents/{name}", num_envs=2, **options)
    print(env.unwrapped.num_worlds, env.num_envs)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["2", "12", "2", "2"], done.stderr


# Partial resets


def masked(env: VectorView, *worlds: int) -> dict[str, Any]:
    """Options that begin anew in these worlds."""
    mask = np.zeros((env.num_worlds, env.num_envs // env.num_worlds), bool)
    mask[list(worlds)] = True
    return {"reset_mask": mask.reshape(-1)}


def by_world(env: VectorView, story: list[Any]) -> np.ndarray:
    """What was seen, [steps, W, N]."""
    return np.stack(story).reshape(len(story), env.num_worlds, -1)


def test_a_reset_mask_begins_the_next_episode_of_the_worlds_it_names_and_leaves_the_others() -> None:
    actions = np.random.default_rng(0).integers(0, 3, (8, 42))

    def play(env: VectorView, steps: range) -> list[np.ndarray]:
        return [env.step(actions[t])[4]["loss"] for t in steps]

    partial, whole, twice = (synapse_v0.vector_env(**small(), num_envs=2) for _ in range(3))
    for env in (partial, whole, twice):
        env.reset(seed=3)
        play(env, range(4))
    twice.reset()  # the next episode, in both worlds
    options = masked(partial, 1)
    seen, infos = partial.reset(options=options)
    assert infos == {} and partial.observation_space.contains(seen) and list(options) == ["reset_mask"]
    assert (seen.reshape(2, 21)[1] == 40).all() and (seen.reshape(2, 21)[0] != 40).any()
    losses, going_on, next_episode = (by_world(env, play(env, range(4, 8))) for env in (partial, whole, twice))
    assert same_bits(losses[:, 0], going_on[:, 0]) and same_bits(losses[:, 1], next_episode[:, 1])
    assert not same_bits(losses[:, 1], going_on[:, 1])


def test_a_seed_with_a_mask_is_the_seed_of_the_worlds_it_names() -> None:
    one, other = (synapse_v0.vector_env(**small(), num_envs=2) for _ in range(2))
    one.reset(seed=3)
    one.reset(seed=9, options=masked(one, 1))
    step = np.full(42, 2)
    mixed = by_world(one, [one.step(step)[4]["loss"]])
    alone = []
    for seed in (3, 9):
        other.reset(seed=seed)
        alone.append(by_world(other, [other.step(step)[4]["loss"]]))
    assert same_bits(mixed[:, 0], alone[0][:, 0]) and same_bits(mixed[:, 1], alone[1][:, 1])


def test_a_world_that_ended_and_is_reset_by_a_mask_is_not_reset_again_by_the_next_step() -> None:
    env = synapse_v0.vector_env(**small(max_cycles=2), num_envs=2)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.full(42, 2))
    env.reset(options=masked(env, 0))
    _, rewards, _, _, infos = env.step(np.full(42, 2))
    acted = infos["_loss"].reshape(2, 21)
    assert acted[0].all() and not acted[1].any() and rewards.reshape(2, 21)[0].all()


def test_a_reset_without_a_seed_never_repeats_an_episode_that_began_by_itself() -> None:
    env = synapse_v0.vector_env(**small(max_cycles=1))
    env.reset(seed=0)
    losses = []
    for _ in range(3):
        losses.append(env.step(np.ones(21, int))[4]["loss"][0])
        env.step(np.ones(21, int))  # the next episode begins in this step
    env.reset()
    losses.append(env.step(np.ones(21, int))[4]["loss"][0])
    assert len(set(losses)) == 4


def half(env: VectorView) -> np.ndarray:
    return np.arange(env.num_envs) < 30


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (lambda env: {"mask": half(env)}, "A reset has no option 'mask': the only one is reset_mask."),
        (lambda env: {"reset_mask": half(env)}, "names only some of world 1"),
        (
            lambda env: {"reset_mask": half(env)[:30]},
            "a NumPy array bool[42], an entry for each agent, but is bool[30].",
        ),
        (lambda env: {"reset_mask": half(env).astype(int)}, "but is int64[42]."),
        (lambda env: {"reset_mask": list(half(env))}, "but is a list."),
        (lambda env: {"reset_mask": half(env) & False}, "names no world"),
    ],
)
def test_any_other_mask_and_any_other_option_is_refused_in_one_sentence(options: Any, sentence: str) -> None:
    env = synapse_v0.vector_env(**small(), num_envs=2)
    assert "no world has begun yet" in refused(lambda: env.reset(options=masked(env, 0)), ResetNeeded)
    env.reset(seed=0)
    before = env._env_states
    assert sentence in refused(lambda: env.reset(seed=1, options=options(env)))
    assert same_bits(before, env._env_states)


def test_a_closed_environment_neither_steps_nor_resets() -> None:
    env = synapse_v0.vector_env("xor", hidden=(), num_envs=2)
    env.reset(seed=0)
    env.close()
    for call in (lambda: env.step(np.zeros(12, int)), env.reset):
        assert "make another one" in refused(call, ClosedEnvironmentError)
