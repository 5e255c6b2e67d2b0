import copy
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import cloudpickle
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given
from hypothesis import settings as generated
from hypothesis import strategies as st
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec
from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.envs.views import MAX_KEYED_AGENTS, FunctionalEnv, ParallelView, VectorView

from synagents import data
from synagents.keys import reset_key, round_key, run_key, world_key
from synagents.loop import advance, begin
from synagents.settings import settings
from synagents.tasks import datasets
from synagents.world import agent_ids, flat
from tests.claims import one_sentence, refused, same_bits
from tests.toys import Relay, pictures

OBSERVATIONS = ["discrete", "multi-discrete", "box"]
OPTIONS: list[dict[str, Any]] = [{"observation": name} for name in OBSERVATIONS]
OPTIONS += [{"observation": "box", "features": True}, {"memory": 1}, {"memory": 4, "reward": "delta"}]


def small(**options: Any) -> dict[str, Any]:
    """17 agents whose batch is redrawn every third round."""
    return {"task": pictures(), "hidden": (), "step_size": 0.01, "interval": 3} | options


def large() -> SynapseWorld:
    """784-32-10: 25,450 agents."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 784), dtype=np.uint8)
    task = datasets.from_dataset(data.from_arrays("noise", pixels, np.arange(80) % 10), batch_size=20)
    return synapse_v0.world(task, hidden=(32,))


def sampled(env: ParallelView) -> dict[str, Any]:
    return {agent: env.action_space(agent).sample() for agent in env.agents}


# PettingZoo's own tests


def test_pettingzoos_parallel_api_test_passes_with_ten_thousand_cycles() -> None:
    parallel_api_test(synapse_v0.parallel_env(**small()), 10_000)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pettingzoos_parallel_api_test_passes_in_every_mode(options: dict[str, Any]) -> None:
    parallel_api_test(synapse_v0.parallel_env(**small(**options)), 50)


def test_pettingzoos_parallel_api_test_passes_with_25_450_agents() -> None:
    env = ParallelView(large(), "synapse_v0")
    assert env.max_num_agents == 25_450
    parallel_api_test(env, 20)


def test_pettingzoos_parallel_api_test_passes_where_agents_take_turns() -> None:
    parallel_api_test(ParallelView(Relay(), "relay"), 50)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pettingzoos_seed_test_passes(options: dict[str, Any]) -> None:
    parallel_seed_test(lambda: synapse_v0.parallel_env(**small(**options)), 20)


@pytest.mark.parametrize("observation", OBSERVATIONS)
# Recommendations that are not ours to follow: codes are numbers, groups have digits in their names, and a history of
# nothing but "down" and "worse" has digits 0.
@pytest.mark.filterwarnings("ignore:Observation is not a NumPy array")
@pytest.mark.filterwarnings("ignore:We recommend agents to be named")
@pytest.mark.filterwarnings("ignore:Observation space for each agent probably should be")
@pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")
def test_pettingzoos_api_test_passes_through_an_agent_environment_cycle(observation: str) -> None:
    options = small(observation=observation, max_cycles=30)
    api_test(parallel_to_aec(synapse_v0.parallel_env(**options)), 500)
    api_test(synapse_v0.raw_env(**options), 100)
    api_test(synapse_v0.env(**options), 100)


# Seeds


def test_the_same_seed_is_the_same_life_over_many_steps_and_episodes() -> None:
    one, other = (synapse_v0.parallel_env(**small(max_cycles=70)) for _ in range(2))
    assert data_equivalence(one.reset(seed=5), other.reset(seed=5))
    rng = np.random.default_rng(0)
    for _ in range(200):
        if not one.agents:
            assert data_equivalence(one.reset(), other.reset())
        actions = dict(zip(one.agents, rng.integers(0, 3, len(one.agents)), strict=True))
        assert data_equivalence(one.step(actions), other.step(actions), exact=True)
        assert data_equivalence(one.state(), other.state(), exact=True)


def test_another_seed_and_the_next_episode_are_other_lives() -> None:
    env = synapse_v0.parallel_env(**small())
    states = []
    for seed in (0, 1, None, None, 0):
        env.reset(seed=seed)
        states.append(env.state())
    assert same_bits(states[0], states[-1])
    assert len({state.tobytes() for state in states[:-1]}) == 4


def test_without_any_seed_lives_differ() -> None:
    states = []
    for _ in range(2):
        env = synapse_v0.parallel_env(**small())
        env.reset()
        states.append(env.state())
    assert not same_bits(*states)


def test_spaces_are_seeded_one_by_one() -> None:
    env = synapse_v0.parallel_env(**small())
    env.reset()
    first, second = env.agents[:2]
    assert env.action_space(first) is env.action_space(first) is not env.action_space(second)
    draws = []
    for agent in (first, second, first):
        env.action_space(agent).seed(3)
        draws.append([env.action_space(agent).sample() for _ in range(20)])
    assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("seed", [-1, 1.5, 2**32])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    assert "seed must be a whole number" in refused(lambda: synapse_v0.parallel_env(**small()).reset(seed=seed))


# One story

OVERVIEW = jax.jit(lambda world, state: world.global_state(state))
RESET, STEP = jax.jit(FunctionalEnv.reset), jax.jit(FunctionalEnv.step_env)


class Script(NamedTuple):
    """A learner that plays what is written."""

    lines: Any  # [T, N] actions in flat order

    def init(self, key: Any, groups: Any) -> Any:
        return jnp.int32(0)

    def act(self, key: Any, mind: Any, obs: Any, turn: int) -> Any:
        actions, start = {}, 0
        for name, size in self.sizes():
            actions[name] = self.lines[mind, start : start + size]
            start += size
        return actions, ()

    def update(self, key: Any, mind: Any, transition: Any, last_obs: Any) -> Any:
        return mind + 1, {}


def told_by_dictionaries(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
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


def told_by_vectors(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
    env = VectorView(world, max_cycles=max_cycles)
    obs, _ = env.reset(seed=seed)

    def overview() -> np.ndarray:
        return np.array(OVERVIEW(world, jax.tree.map(lambda x: np.asarray(x)[0], env._lives.state)))

    story = [(obs, 0.0, overview())]
    for line in script:
        obs, rewards, *_ = env.step(line)
        assert len(set(rewards)) == 1
        story.append((obs, rewards[0], overview()))
    return story


def told_by_functions(world: SynapseWorld, seed: int, script: np.ndarray, max_cycles: int) -> list[Any]:
    env, key = FunctionalEnv(world, max_cycles), jax.random.key(seed)
    groups = world.groups

    def note(obs: Any, reward: float, life: Any) -> tuple[np.ndarray, float, np.ndarray]:
        return np.concatenate([obs[g.name] for g in groups]), reward, np.array(OVERVIEW(world, life.state))

    episode, over = 0, False
    obs, life = RESET(env, world_key(reset_key(run_key(key, episode)), 0))
    story = [note(obs, 0.0, life)]
    for line in script:
        if over:
            episode, over = episode + 1, False
            obs, life = RESET(env, world_key(reset_key(run_key(key, episode)), 0))
            story.append(note(obs, 0.0, life))
            continue
        parts = np.split(line.astype(np.uint8), np.cumsum([group.size for group in groups])[:-1])
        actions = {group.name: part for group, part in zip(groups, parts, strict=True)}
        now = world_key(round_key(run_key(key, episode), life.rounds), 0)
        obs, life, reward, done, _ = STEP(env, now, life, actions)
        over = bool(done["__all__"])
        story.append(note(obs, float(reward[groups[0].name][0]), life))
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
def test_all_faces_tell_the_identical_story(
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
    stories = [tell(world, seed, script, 5) for tell in (told_by_dictionaries, told_by_vectors, told_by_functions)]
    for moment in zip(*stories, strict=True):
        obs, rewards, overviews = zip(*moment, strict=True)
        for other in (1, 2):
            assert same_bits(obs[0].astype(np.float32), obs[other].astype(np.float32))
            assert rewards[0] == rewards[other]
            assert same_bits(overviews[0], overviews[other])


def test_the_compiled_loop_tells_that_story_too() -> None:
    world = synapse_v0.world(**small(hidden=(3,)))
    script = np.random.default_rng(0).integers(0, 3, (20, sum(group.size for group in world.groups))).astype(np.uint8)

    class Player(Script):
        def sizes(self) -> list[tuple[str, int]]:
            return [(group.name, group.size) for group in world.groups]

    run, history = advance(begin(jax.random.key(9), world, Player(script)), 20)
    story = told_by_dictionaries(world, 9, script, 1000)
    weights = flat(jax.tree.map(lambda x: x[0, 0], run.state.weights), world.groups)
    assert same_bits(np.array(weights), story[-1][2][: len(weights)])
    assert [moment[1] for moment in story[1:]] == history.reward[0, :, 0].tolist()
    assert np.float32([moment[2][-1] for moment in story[1:]]).tolist() == history.info["loss"][0, :, 0].tolist()


# Dictionaries


def test_every_step_hands_out_new_dictionaries_and_arrays() -> None:
    env, twin = (synapse_v0.parallel_env(**small(observation="box")) for _ in range(2))
    env.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(3):
        actions = dict.fromkeys(env.agents, 2)
        spoiled, whole = env.step(actions), twin.step(actions)
        assert data_equivalence(spoiled, whole, exact=True)
        for agent in env.agents:
            spoiled[0][agent][:] = 7
            spoiled[4][agent]["mine"] = 1
        for part in spoiled:
            part.clear()
        env.state()[:] = 7
        env.agents.clear()
        env.agents.extend(env.possible_agents)


def test_the_central_state_is_weights_rewards_and_loss() -> None:
    env = synapse_v0.parallel_env("xor", hidden=(), interval=0, step_size=0.5, init_scale=0.0, memory=2)
    env.reset(seed=0)
    np.testing.assert_allclose(env.state(), [0, 0, 0, 0, 0, 0, 0, 0, np.log(2)], rtol=1e-6)
    _, rewards, *_ = env.step(dict(zip(env.agents, [2, 1, 1, 1, 1, 0], strict=True)))
    state = env.state()
    assert state[:8].tolist() == [0.5, 0, 0, 0, 0, -1, 0, -1] and set(rewards.values()) == {-1.0}
    assert env.state_space.contains(state) and env.state_space.shape == (9,)


def test_an_agents_name_tells_its_group_and_place() -> None:
    env = synapse_v0.parallel_env("xor", hidden=(3,))
    assert env.unravel("layer0_weight_4") == ("layer0_weight", (1, 1))
    assert env.unravel("layer1_bias_1") == ("layer1_bias", (1,))
    for name in ("layer0_weight_6", "layer0_weight_-1", "layer0_weight_01", "layer7_bias_0", "nobody", 3):
        assert "There is no agent" in refused(partial(env.unravel, str(name)))


def test_a_life_is_truncated_after_max_cycles_and_all_agents_leave_together() -> None:
    env = synapse_v0.parallel_env(**small(max_cycles=3))
    env.reset()
    for cycle in (1, 2, 3):
        assert env.agents == env.possible_agents
        _, _, ended, cut, _ = env.step(sampled(env))
        assert set(cut.values()) == {cycle == 3} and set(ended.values()) == {False}
    assert env.agents == []


def test_agents_that_take_turns_are_told_when_and_paid_at_the_end() -> None:
    env = ParallelView(Relay(), "relay")
    obs, infos = env.reset(seed=0)
    assert infos == {a: {"active": a.startswith("callers")} for a in env.agents}
    obs, rewards, ended, _, infos = env.step(dict(zip(env.agents, [1, 1, 0, 0, 0], strict=True)))
    assert infos == {a: {"active": a.startswith("hearers")} for a in env.agents}
    assert obs["hearers_0"] == 2 and set(rewards.values()) == {0.0} and not any(ended.values())
    _, rewards, *_ = env.step(dict(zip(env.agents, [0, 0, 1, 0, 1], strict=True)))  # what callers do now is ignored
    assert list(rewards.values()) == [1, 1, 0, 1, 2]
    turns = 2
    while env.agents:
        _, _, ended, cut, _ = env.step(dict.fromkeys(env.agents, 0))
        turns += 1
    assert turns in (6, 8) and all(ended.values()) and not any(cut.values())


WRONG: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda a: {}, "6 have none; the first is layer0_weight_0."),
    (lambda a: {k: v for k, v in a.items() if k != "layer0_bias_0"}, "1 have none; the first is layer0_bias_0."),
    (lambda a: a | {"layer9_bias_0": 1}, "no agent 'layer9_bias_0'"),
    (lambda a: a | {"layer0_weight_1": 3}, "layer0_weight_1 must be a whole number in 0 .. 2, but is 3."),
    (lambda a: a | {"layer0_weight_1": -1}, "layer0_weight_1 must be a whole number in 0 .. 2, but is -1."),
    (lambda a: a | {"layer0_bias_1": 256}, "layer0_bias_1 must be a whole number in 0 .. 2, but is 256."),
    (lambda a: a | {"layer0_bias_1": 2**70}, "layer0_bias_1 must be"),
    (lambda a: a | {"layer0_weight_2": 1.0}, "layer0_weight_2 must be a whole number in 0 .. 2, but is 1.0."),
    (lambda a: a | {"layer0_weight_2": np.float32(1)}, "layer0_weight_2 must be"),
    (lambda a: a | {"layer0_weight_2": "1"}, "layer0_weight_2 must be a whole number in 0 .. 2, but is '1'."),
    (lambda a: a | {"layer0_weight_2": None}, "layer0_weight_2 must be"),
    (lambda a: a | {"layer0_weight_2": [1]}, "layer0_weight_2 must be"),
    (lambda a: a | {"layer0_weight_2": np.array([1])}, "layer0_weight_2 must be"),
]


@pytest.mark.parametrize(("spoil", "told"), WRONG, ids=[told for _, told in WRONG])
def test_wrong_actions_are_told_in_one_sentence_and_change_nothing(spoil: Any, told: str) -> None:
    env = synapse_v0.parallel_env("xor", hidden=())
    env.reset(seed=0)
    before = env.state()
    assert told in refused(lambda: env.step(spoil(dict.fromkeys(env.agents, 1))))
    assert same_bits(before, env.state())


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.array, jnp.uint8])
def test_actions_may_be_any_whole_numbers_in_any_order(kind: Any) -> None:
    env = synapse_v0.parallel_env("xor", hidden=(), step_size=0.25, init_scale=0.0)
    env.reset(seed=0)
    actions = dict(zip(env.agents, map(kind, [0, 1, 2, 2, 1, 0]), strict=True))
    env.step(dict(reversed(actions.items())))
    assert env.state()[:6].tolist() == [-0.25, 0, 0.25, 0.25, 0, -0.5]


def test_stepping_before_a_reset_and_after_the_end_is_told_in_one_sentence() -> None:
    env = synapse_v0.parallel_env(**small(max_cycles=1))
    for call in (lambda: env.step({}), env.state, env.render):
        assert "reset()" in refused(call, ResetNeeded)
    env.reset()
    env.step(sampled(env))
    assert "This life has ended" in refused(lambda: env.step({}), ResetNeeded)
    assert "reset()" in refused(lambda: synapse_v0.vector_env(**small()).step(np.zeros(21, int)), ResetNeeded)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_cycles": 0}, "max_cycles must be a whole number >= 1"),
        ({"render_mode": "ansi"}, "render_mode must be human, rgb_array or None"),
        ({"observation": "pixels"}, "discrete, multi-discrete, box"),
        ({"features": True}, "use observation='box'"),
        ({"candidates": 0}, "candidates must be a whole number >= 1"),
        ({"candidates": 2}, "candidates are for the compiled loop"),
        ({"hiden": (3,)}, "no option 'hiden'"),
    ],
)
def test_an_environment_that_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: synapse_v0.parallel_env(**{"task": "digits"} | options))


# What agents see


def test_the_modes_of_observation_say_the_same() -> None:
    script = np.random.default_rng(0).integers(0, 3, (6, 21))
    seen = {}
    for mode in OBSERVATIONS:
        world = synapse_v0.world(**small(observation=mode, memory=2))
        seen[mode] = [moment[0] for moment in told_by_dictionaries(world, 0, script, 100)]
    for codes, digits, ones in zip(*seen.values(), strict=True):
        assert (digits @ [27, 9, 3, 1]).tolist() == codes.tolist()
        assert ones.dtype == np.float32 and ones.reshape(21, 4, 3).argmax(2).tolist() == digits.tolist()
        assert (ones.reshape(21, 4, 3).sum(2) == 1).all()
    assert seen["multi-discrete"][0].tolist() == [[1, 1, 1, 1]] * 21  # at birth: null actions, zero rewards


def test_features_tell_where_a_synapse_is_and_what_it_weighs() -> None:
    env = synapse_v0.parallel_env("xor", hidden=(3,), observation="box", features=True)
    obs, _ = env.reset(seed=0)
    plain, _ = synapse_v0.parallel_env("xor", hidden=(3,), observation="box").reset(seed=0)
    weights = env.state()[: len(env.agents)]
    for agent, weight in zip(env.agents, weights, strict=True):
        assert obs[agent][:12].tolist() == plain[agent].tolist() and obs[agent][15] == weight
    np.testing.assert_allclose(obs["layer0_weight_0"][12:15], [0, 0.5**0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(obs["layer1_weight_5"][12:15], [2 / 3, 3**-0.5, 1], rtol=1e-6)
    np.testing.assert_allclose(obs["layer1_bias_0"][12:15], [1, 1, 0], rtol=1e-6)


# Vectors


@settings
class Mortal(SynapseWorld):
    """A synapse world that ends when its first bias rises above a tenth."""

    def settle(self, key: Any, state: Any) -> Any:
        state, outcome = super().resolve(key, state)
        return state, outcome._replace(terminated=state.weights["layer0_bias"][0] > 0.1)


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


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_vectors_lie_in_their_space_and_belong_to_the_caller(options: dict[str, Any]) -> None:
    env = synapse_v0.vector_env(**small(**options))
    obs, _ = env.reset(seed=0)
    kept = obs.copy()
    for _ in range(3):
        obs[:] = 0
        obs, *rest, _ = env.step(np.ones(21, int))
        assert env.observation_space.contains(obs)
        for part in rest:
            part[:] = 0
    env.reset(seed=0)
    obs[:] = 0
    assert same_bits(kept, env.reset(seed=0)[0])


def test_a_truncated_fleet_begins_anew_in_the_next_step() -> None:
    env = synapse_v0.vector_env(**small(max_cycles=3), num_envs=2)
    first, _ = env.reset(seed=0)
    told = [env.step(np.full(42, 2)) for _ in range(5)]
    assert [cut.all() for _, _, _, cut, _ in told] == [False, False, True, False, False]
    obs, rewards, ended, _, infos = told[3]
    assert obs.tolist() == first.tolist() and not rewards.any() and not ended.any() and not infos["_loss"].any()
    assert told[4][1].all()


def test_a_world_that_ends_alone_begins_anew_alone() -> None:
    world = Mortal(**{f: getattr(synapse_v0.world(**small()), f) for f in ("network", "task")}, step_size=0.01)
    env = VectorView(world, num_worlds=2)
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


def test_gymnasium_makes_the_fleet_by_name() -> None:
    env = gymnasium.make_vec("synagents/Synapse-v0", num_envs=2, task="xor", hidden=(3,), max_cycles=4)
    assert isinstance(env, VectorView) and env.num_worlds == 2 and env.num_envs == 34
    assert "synagents/Synapse-v0" in repr(env)
    env = RecordEpisodeStatistics(env)
    env.reset(seed=0)
    for _ in range(4):
        *_, infos = env.step(np.ones(34, int))
    assert infos["episode"]["l"].tolist() == [4] * 34 and infos["episode"]["r"].tolist() == [-4.0] * 34
    env.close()


def test_the_same_seed_is_the_same_fleet() -> None:
    one, other = (synapse_v0.vector_env(**small(max_cycles=7), num_envs=2) for _ in range(2))
    assert data_equivalence(one.reset(seed=3), other.reset(seed=3))
    for _ in range(30):
        one.action_space.seed(1)
        actions = one.action_space.sample()
        assert data_equivalence(one.step(actions), other.step(actions), exact=True)


@pytest.mark.parametrize(
    "actions", [np.ones(20, int), np.ones((21, 1), int), np.full(21, 3), np.full(21, -1), np.ones(21), ["1"] * 21]
)
def test_a_fleets_wrong_actions_are_told_in_one_sentence(actions: Any) -> None:
    env = synapse_v0.vector_env(**small())
    env.reset(seed=0)
    assert "21 whole numbers in 0 .. 2" in refused(lambda: env.step(actions))


def test_agents_that_differ_are_no_fleet() -> None:
    assert "callers and hearers differ" in refused(lambda: VectorView(Relay()))


# Functions


def test_functions_can_be_scanned_and_vmapped_and_begin_anew_by_themselves() -> None:
    env = synapse_v0.functional_env(**small(max_cycles=4))
    assert env.num_agents == 21 and env.agents == ["layer0_weight", "layer0_bias"]

    def live(key: Any) -> Any:
        def step(carry: Any, key: Any) -> Any:
            obs, life = carry
            actions = {name: jnp.full(len(seen), 2, jnp.uint8) for name, seen in obs.items()}
            obs, life, reward, done, info = env.step(key, life, actions)
            return (obs, life), (obs, reward, done, info, life.rounds)

        return jax.lax.scan(step, env.reset(key), jax.random.split(key, 9))[1]

    obs, reward, done, info, rounds = jax.jit(live)(jax.random.key(0))
    assert rounds.tolist() == [1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert done["__all__"].tolist() == done["layer0_bias"][:, 2].tolist() == [t in (3, 7) for t in range(9)]
    assert info["truncated"].tolist() == done["__all__"].tolist() and not info["terminated"].any()
    assert (obs["layer0_bias"][3] == 40).all() and (info["final_obs"]["layer0_bias"][3] != 40).all()
    assert reward["layer0_weight"].shape == (9, 18)
    many = jax.jit(jax.vmap(live))(jax.random.split(jax.random.key(1), 3))
    assert many[4].tolist() == [rounds.tolist()] * 3
    assert len(set(many[3]["loss"][:, 0].tolist())) == 3


def test_agents_may_have_an_entry_each_where_they_are_few() -> None:
    by_group, by_agent = (synapse_v0.functional_env(**small(), keyed=keyed) for keyed in ("group", "agent"))
    key = jax.random.key(0)
    (seen, life), (seen_by_agent, twin) = by_group.reset(key), by_agent.reset(key)
    assert list(seen_by_agent) == by_agent.agents == agent_ids(by_group.world.groups)
    actions = {"layer0_weight": jnp.arange(18) % 3, "layer0_bias": jnp.array([0, 1, 2])}
    alone = dict(zip(by_agent.agents, [*range(18), 0, 1, 2], strict=True))
    _, life, reward, _, _ = by_group.step(key, life, actions)
    seen, twin, reward_by_agent, done, _ = by_agent.step(key, twin, {k: jnp.int32(v % 3) for k, v in alone.items()})
    assert same_bits(life, twin) and reward_by_agent["layer0_bias_2"] == reward["layer0_bias"][2]
    assert set(done) == {*by_agent.agents, "__all__"} and seen["layer0_bias_1"].shape == ()
    assert by_agent.observation_space("layer0_bias_1") == by_group.observation_space("layer0_bias")
    assert by_agent.action_space("layer0_bias_1") == by_group.action_space("layer0_bias")


def test_a_name_that_is_none_is_told_in_one_sentence() -> None:
    env = synapse_v0.functional_env("xor", hidden=())
    assert "There is no group 'layer0_wait': did you mean 'layer0_weight'?" in refused(
        lambda: env.observation_space("layer0_wait")
    )


def test_too_many_agents_get_no_entry_each() -> None:
    env = synapse_v0.functional_env("digits", hidden=(), keyed="agent")
    assert "use keyed='group'" in refused(lambda: env.reset(jax.random.key(0)))
    assert env.num_agents > MAX_KEYED_AGENTS
    assert "keyed must be group or agent" in refused(lambda: synapse_v0.functional_env("xor", keyed="name"))  # type: ignore[arg-type]


def test_functions_take_turns_too() -> None:
    env = FunctionalEnv(Relay())
    step = jax.jit(env.step_env)
    key = jax.random.key(0)
    _, life = env.reset(key)
    ones = {"callers": jnp.ones(2, jnp.uint8), "hearers": jnp.ones(3, jnp.uint8)}
    obs, life, reward, done, _ = step(key, life, ones)
    assert obs["hearers"].tolist() == [2, 2, 2] and not reward["hearers"].any() and not done["__all__"]
    _, life, reward, _, info = step(key, life, ones | {"hearers": jnp.array([1, 0, 1], jnp.uint8)})
    assert reward["callers"].tolist() == [1, 1] and reward["hearers"].tolist() == [0, 1, 2] and info["loss"] == 0


# Pictures


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


# What a user of the library expects of its environments


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: cloudpickle.loads(cloudpickle.dumps(env))])
def test_a_copy_of_an_environment_goes_on_in_the_same_way(copied: Any) -> None:
    env = synapse_v0.parallel_env(**small())
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 2))
    twin = copied(env)
    for _ in range(5):
        assert data_equivalence(env.step(dict.fromkeys(env.agents, 2)), twin.step(dict.fromkeys(env.agents, 2)))
    assert same_bits(env.state(), twin.state())


def test_an_environments_text_is_its_name() -> None:
    assert str(synapse_v0.parallel_env("xor")) == "synapse_v0"
    assert synapse_v0.env("xor").metadata["name"] == "synapse_v0"


def test_a_functional_environment_is_a_tree_of_numbers() -> None:
    env = synapse_v0.functional_env("xor", step_size=0.25, max_cycles=7)
    assert 0.25 in jax.tree.leaves(env) and 7 in jax.tree.leaves(env)
