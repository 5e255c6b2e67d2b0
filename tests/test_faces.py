"""Every face of a world plays the same story, in the types of its spaces, wherever and however it is started."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as generated
from hypothesis import strategies as st

from synagents.envs import synapse_v0
from synagents.envs.functional import FunctionalEnv
from synagents.envs.parallel import ParallelView
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.envs.vector import VectorView
from synagents.hyperparameters import settings, static
from synagents.keys import reset_key, round_key, run_key, world_key
from synagents.loop import advance, begin
from synagents.world import Learner, MemoryLearner, flat
from tests.claims import refused, same_bits
from tests.toys import OBSERVATIONS, pictures, small

GLOBAL_STATE = jax.jit(lambda world, state: world.global_state(state))
RESET, STEP = jax.jit(FunctionalEnv.reset), jax.jit(FunctionalEnv.step_env)


@settings
class Script(Learner):
    """Plays what is written, in every world the same."""

    lines: Any  # uint8[T, N] actions in flat order
    sizes: tuple[tuple[str, int], ...] = static()

    def init(self, key: Any, groups: Any) -> Any:
        return ()

    def act(self, key: Any, mind: Any, obs: Any, t: Any, turn: int) -> Any:
        actions, start = {}, 0
        for name, size in self.sizes:
            actions[name] = self.lines[t, start : start + size]
            start += size
        return actions, ()

    def update(self, key: Any, mind: Any, transition: Any, last_obs: Any, t: Any) -> Any:
        return mind, {}


@settings
class RememberedScript(MemoryLearner):
    """The same from a memory of the world: the lines still to be played."""

    lines: Any
    sizes: tuple[tuple[str, int], ...] = static()

    def init(self, key: Any, groups: Any) -> Any:
        return ()

    def begin_world(self, key: Any, mind: Any, groups: Any) -> Any:
        return jnp.asarray(self.lines)

    def act(self, key: Any, mind: Any, memory: Any, obs: Any, t: Any, turn: int) -> Any:  # type: ignore[override]
        actions, _ = Script(memory, self.sizes).act(key, mind, obs, 0, turn)
        return actions, jnp.roll(memory, -1, axis=0), ()

    def update(self, key: Any, mind: Any, memory: Any, transition: Any, last_obs: Any, t: Any) -> Any:  # type: ignore[override]
        return mind, memory, {}


def played_by_dictionaries(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
    env = ParallelView(world, "synapse_v0", max_cycles=max_cycles)
    obs, _ = env.reset(seed=seed)
    story = [(np.stack(list(obs.values())), 0.0, env.state())]
    for line in script:
        if not env.agents:
            obs, _ = env.reset()
            story.append((np.stack(list(obs.values())), 0.0, env.state()))
            continue
        obs, rewards, _, cut, _ = env.step(dict(zip(env.agents, line, strict=True)))
        assert len(set(rewards.values())) == 1
        story.append((np.stack(list(obs.values())), rewards[env.possible_agents[0]], env.state()))
        assert all(cut.values()) == (not env.agents)
    return story


def played_by_vectors(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
    env = VectorView(world, max_cycles=max_cycles)
    obs, _ = env.reset(seed=seed)

    def global_state() -> np.ndarray:
        return np.array(GLOBAL_STATE(world, jax.tree.map(lambda x: np.asarray(x)[0], env._env_states.state)))

    story = [(obs, 0.0, global_state())]
    for line in script:
        obs, rewards, *_ = env.step(line)
        assert len(set(rewards)) == 1
        story.append((obs, rewards[0], global_state()))
    return story


def played_by_functions(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
    env, key = FunctionalEnv(world, max_cycles), jax.random.key(seed)
    groups = world.groups

    def note(obs: Any, reward: float, env_state: Any) -> tuple[np.ndarray, float, np.ndarray]:
        return np.concatenate([obs[g.name] for g in groups]), reward, np.array(GLOBAL_STATE(world, env_state.state))

    episode, over = 0, False
    obs, env_state = RESET(env, world_key(reset_key(run_key(key, episode)), 0))
    story = [note(obs, 0.0, env_state)]
    for line in script:
        if over:
            episode, over = episode + 1, False
            obs, env_state = RESET(env, world_key(reset_key(run_key(key, episode)), 0))
            story.append(note(obs, 0.0, env_state))
            continue
        parts = np.split(line.astype(np.uint8), np.cumsum([group.size for group in groups])[:-1])
        actions = {group.name: part for group, part in zip(groups, parts, strict=True)}
        now = world_key(round_key(run_key(key, episode), env_state.rounds), 0)
        obs, env_state, reward, done, _ = STEP(env, now, env_state, actions)
        over = bool(done["__all__"])
        story.append(note(obs, float(reward[groups[0].name][0]), env_state))
    return story


@generated(max_examples=5, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 4), max_size=2).map(tuple),
    memory=st.integers(1, 4),
    mode=st.sampled_from([*OBSERVATIONS, "features"]),
    reward=st.sampled_from(["sign", "delta"]),
    batch_change=st.sampled_from(["compare", "reevaluate"]),
    interval=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_faces_play_the_same_story_bit_for_bit(
    hidden: tuple[int, ...], memory: int, mode: str, reward: Any, batch_change: Any, interval: int, seed: int
) -> None:
    world = synapse_v0.world(
        pictures(),
        hidden=hidden,
        step_size=0.01,
        memory=memory,
        reward=reward,
        batch_change=batch_change,
        interval=interval,
        observation="box" if mode == "features" else mode,  # type: ignore[arg-type]
        features=mode == "features",
    )
    agents = sum(group.size for group in world.groups)
    script = np.random.default_rng(seed).integers(0, 3, (13, agents))
    stories = [
        play(world, seed, script, 5) for play in (played_by_dictionaries, played_by_vectors, played_by_functions)
    ]
    for moment in zip(*stories, strict=True):
        obs, rewards, states = zip(*moment, strict=True)
        for other in (1, 2):
            assert same_bits(obs[0].astype(np.float32), obs[other].astype(np.float32))
            assert rewards[0] == rewards[other]
            assert same_bits(states[0], states[other])


@pytest.mark.parametrize("kind", [Script, RememberedScript])
def test_the_compiled_loop_plays_that_story_too(kind: Any) -> None:
    world = synapse_v0.world(**small(hidden=(3,)))
    sizes = tuple((group.name, group.size) for group in world.groups)
    script = np.random.default_rng(0).integers(0, 3, (20, sum(size for _, size in sizes))).astype(np.uint8)
    run, history = advance(begin(9, world, kind(script, sizes)), 20)
    story = played_by_dictionaries(world, 9, script, 1000)
    weights = flat(jax.tree.map(lambda x: x[0, 0], run.state.weights), world.groups)
    assert same_bits(np.array(weights), story[-1][2][: len(weights)])
    assert [moment[1] for moment in story[1:]] == history.reward[0, :, 0].tolist()
    assert np.float32([moment[2][-1] for moment in story[1:]]).tolist() == history.info["loss"][0, :, 0].tolist()


def test_worlds_of_the_vector_face_are_the_worlds_of_the_loop() -> None:
    world = synapse_v0.world(**small())
    script = np.random.default_rng(0).integers(0, 3, (8, 21)).astype(np.uint8)
    learner = Script(script, tuple((group.name, group.size) for group in world.groups))
    _, history = advance(begin(4, world, learner, num_worlds=2), 8)
    env = VectorView(world, num_worlds=2)
    env.reset(seed=4)
    losses = [env.step(np.tile(line, 2))[4]["loss"][[0, 21]] for line in script]
    assert np.float32(losses).tolist() == history.info["loss"][0].tolist()


def test_the_modes_of_observation_say_the_same() -> None:
    script = np.random.default_rng(0).integers(0, 3, (6, 21))
    seen = {}
    for mode in OBSERVATIONS:
        world = synapse_v0.world(**small(observation=mode, memory=2))
        seen[mode] = [moment[0] for moment in played_by_dictionaries(world, 0, script, 100)]
    for codes, digits, ones in zip(*seen.values(), strict=True):
        assert (digits @ [27, 9, 3, 1]).tolist() == codes.tolist()
        assert ones.dtype == np.float32 and ones.reshape(21, 4, 3).argmax(2).tolist() == digits.tolist()
        assert (ones.reshape(21, 4, 3).sum(2) == 1).all()
    assert seen["multi-discrete"][0].tolist() == [[1, 1, 1, 1]] * 21  # at first: null actions, zero rewards


# Seeds


@pytest.mark.parametrize("face", [synapse_v0.parallel_env, synapse_v0.vector_env])
def test_seeds_of_32_bits_are_taken_and_any_other_is_refused_in_one_sentence(face: Any) -> None:
    env = face(**small())
    for seed in (0, 2**32 - 1, np.int64(3)):
        env.reset(seed=seed)
    for seed in (-1, 1.5, 2**32, 2**70, True, "3"):
        assert "seed must be a whole number in 0 .. 4294967295" in refused(lambda seed=seed: env.reset(seed=seed))


# Interpreters of their own


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


EPISODE = """
import numpy as np
from synagents.envs import synapse_v0
env = synapse_v0.vector_env("boundary", hidden=(), interval=1, num_envs=2)
env.reset(seed=3)
loss = [env.step(np.full(env.num_envs, 2))[4]["loss"][[0, -1]].tolist() for _ in range(2)]
"""


def test_another_default_generator_of_jax_changes_no_episode() -> None:
    here: dict[str, Any] = {}
    exec(EPISODE, here)
    assert python(EPISODE + "print(loss)", JAX_DEFAULT_PRNG_IMPL="rbg").strip() == str(here["loss"])


FORK = """
import os
from jax._src import xla_bridge
from synagents.envs import synapse_v0, unit_v0
faces = [synapse_v0.parallel_env("xor"), synapse_v0.vector_env("xor", num_envs=3), synapse_v0.functional_env("xor")]
faces += [unit_v0.parallel_env(bits=1), unit_v0.vector_env(bits=1, hidden=()), unit_v0.functional_env(bits=1)]
env = faces[0]
env.state_space, [env.action_space(agent) for agent in env.possible_agents]
assert not xla_bridge._backends, "a constructor started a backend"
if os.fork() == 0:
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 2))
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_constructing_touches_no_device_so_that_a_forked_process_can_play() -> None:
    assert python(FORK).split() == ["0"]


X64 = """
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from synagents.envs import synapse_v0, unit_v0
from tests.toys import MODES, small

def fits(seen, space):
    floats = isinstance(space, spaces.Box)
    assert (seen.dtype == space.dtype) or not floats, (seen.dtype, space)
    assert space.contains(np.asarray(seen).astype(space.dtype)) and np.can_cast(seen.dtype, space.dtype), space

def play(env, worlds):
    for obs in (env.reset(seed=0)[0], env.step({a: env.action_space(a).sample() for a in env.agents})[0]):
        for agent in env.agents:
            fits(obs[agent], env.observation_space(agent))
    rewards = env.step({a: env.action_space(a).sample() for a in env.agents})[1]
    assert {type(reward) for reward in rewards.values()} == {float}
    assert env.state().dtype == np.float32 and env.state_space.contains(env.state())
    if worlds:
        obs, _ = worlds.reset(seed=0)
        assert obs.dtype == worlds.observation_space.dtype and worlds.observation_space.contains(obs)
        obs, rewards, *_ = worlds.step(worlds.action_space.sample())
        assert obs.dtype == worlds.observation_space.dtype and worlds.observation_space.contains(obs)
        assert rewards.dtype == np.float64

def trace(env):
    # Nothing is compiled: a scan refuses a state whose types change.
    def dtype(space):
        return jnp.uint8 if isinstance(space, spaces.Discrete) else jnp.float32
    def step(env_state, key):
        actions = {g.name: jnp.zeros(g.size, dtype(g.action_space)) for g in env.world.groups}
        obs, env_state, reward, done, info = env.step(key, env_state, actions)
        return env_state, (obs, reward, done, info, env.world.global_state(env_state.state))
    def run(key):
        return jax.lax.scan(step, env.reset(key)[1], jax.random.split(key, 2))[1]
    obs, reward, done, info, state = jax.eval_shape(run, jax.random.key(0))
    for group in env.world.groups:
        space = group.obs_space
        if isinstance(space, spaces.Box):
            assert obs[group.name].dtype == space.dtype, (env.world, group.name, obs[group.name].dtype)
        assert reward[group.name].dtype == np.float32, (env.world, reward)
        assert done[group.name].dtype == bool
    assert {x.dtype for name, x in info.items() if name != "final_obs"} <= {jnp.dtype(bool), jnp.dtype("float32")}
    assert state.dtype == np.float32, (env.world, state)

assert jnp.zeros(1).dtype == np.float64
for options in MODES:
    trace(synapse_v0.functional_env(**small(hidden=(2,), **options)))
options = small(observation="box", features=True)
play(synapse_v0.parallel_env(**options), synapse_v0.vector_env(**options))
for task in ("digits", "boundary", "perceptron", "xor"):
    trace(synapse_v0.functional_env(task, hidden=(2,), interval=3, batch_change="reevaluate", reward="delta"))
for task in ("multiplexer", "scalar-regression", "cartpole", "acrobot", "mountain-car"):
    trace(unit_v0.functional_env(task, hidden=(2,)))
for options in ({"units": "bit"}, {"units": "gaussian"}, {"feedback": True, "lateral": True, "sweeps": 1}):
    trace(unit_v0.functional_env(bits=1, hidden=(2,), **options))
play(unit_v0.parallel_env(bits=1, hidden=(2,)), None)
print("right")
"""


def test_every_face_hands_out_the_types_of_its_spaces_with_64_bits() -> None:
    assert python(X64, JAX_ENABLE_X64="1", PYTHONPATH=str(Path(__file__).parents[1])) == "right\n"
