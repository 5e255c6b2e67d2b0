"""The dictionary face, as PettingZoo's users meet it."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import cloudpickle
import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec

from synagents import data
from synagents.envs import synapse_v0, unit_v0
from synagents.envs.parallel import ParallelView
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.tasks.datasets import from_dataset
from tests.claims import refused, same_bits
from tests.toys import MODES, OBSERVATIONS, Relay, small


def sampled(env: ParallelView) -> dict[str, Any]:
    return {agent: env.action_space(agent).sample() for agent in env.agents}


def large() -> SynapseWorld:
    """784-32-10: 25,450 agents."""
    pixels = np.random.default_rng(0).integers(0, 256, (80, 784), dtype=np.uint8)
    task = from_dataset(data.from_arrays("noise", pixels, np.arange(80) % 10), batch_size=20)
    return synapse_v0.world(task, hidden=(32,))


# PettingZoo's own tests


def test_pettingzoos_parallel_api_test_passes_with_ten_thousand_cycles() -> None:
    parallel_api_test(synapse_v0.parallel_env(**small()), 10_000)


@pytest.mark.parametrize("options", MODES, ids=str)
def test_pettingzoos_parallel_api_test_passes_in_every_mode(options: dict[str, Any]) -> None:
    parallel_api_test(synapse_v0.parallel_env(**small(**options)), 50)


def test_pettingzoos_parallel_api_test_passes_with_25_450_agents() -> None:
    env = ParallelView(large(), "synapse_v0")
    assert env.max_num_agents == 25_450
    parallel_api_test(env, 5)


def test_pettingzoos_parallel_api_test_passes_where_agents_take_turns() -> None:
    parallel_api_test(ParallelView(Relay(), "relay"), 50)


@pytest.mark.parametrize("options", MODES, ids=str)
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


def test_the_same_seed_begins_the_same_episodes_over_many_steps() -> None:
    one, other = (synapse_v0.parallel_env(**small(max_cycles=70)) for _ in range(2))
    assert data_equivalence(one.reset(seed=5), other.reset(seed=5))
    rng = np.random.default_rng(0)
    for _ in range(200):
        if not one.agents:
            assert data_equivalence(one.reset(), other.reset())
        actions = dict(zip(one.agents, rng.integers(0, 3, len(one.agents)), strict=True))
        assert data_equivalence(one.step(actions), other.step(actions), exact=True)
        assert data_equivalence(one.state(), other.state(), exact=True)


def test_another_seed_and_the_next_episode_differ() -> None:
    env = synapse_v0.parallel_env(**small())
    states = []
    for seed in (0, 1, None, None, 0):
        env.reset(seed=seed)
        states.append(env.state())
    assert same_bits(states[0], states[-1])
    assert len({state.tobytes() for state in states[:-1]}) == 4


def test_without_any_seed_episodes_differ() -> None:
    states = []
    for _ in range(2):
        env = synapse_v0.parallel_env(**small())
        env.reset()
        states.append(env.state())
    assert not same_bits(*states)


def test_options_of_a_reset_are_taken_and_change_nothing() -> None:
    env = synapse_v0.parallel_env(**small())
    plain, _ = env.reset(seed=5)
    first = env.state()
    with_options, _ = env.reset(seed=5, options={"anything": 1})
    assert plain == with_options and same_bits(first, env.state())


def test_numpys_random_numbers_for_wrappers_are_seeded_by_the_reset() -> None:
    env = synapse_v0.parallel_env(**small())
    draws = []
    for seed in (5, 6, None, 5):
        env.reset(seed=seed)
        draws.append(env.np_random.random(3).tolist())
    assert draws[0] == draws[3] == gymnasium.utils.seeding.np_random(5)[0].random(3).tolist()
    assert draws[0] != draws[1] != draws[2]  # without a seed they go on


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


def test_mappings_of_spaces_make_a_space_when_it_is_asked_for() -> None:
    env = ParallelView(large(), "synapse_v0")
    for mapping, space in (
        (env.observation_spaces, env.observation_space),
        (env.action_spaces, env.action_space),
    ):
        assert len(mapping) == 25_450 and list(mapping)[:2] == env.possible_agents[:2]
        assert mapping["layer1_bias_9"] is space("layer1_bias_9")
        assert "layer1_bias_9" in mapping and "layer1_bias_10" not in mapping
        assert str(mapping) == "LazySpaces(25450 agents from layer0_weight_0 to layer1_bias_9)"
    assert list(env._spaces) == ["layer1_bias_9"]
    few = synapse_v0.parallel_env("xor", hidden=())
    assert dict(few.action_spaces) == {agent: few.action_space(agent) for agent in few.possible_agents}
    with pytest.raises(KeyError, match="There is no agent 'nobody'"):
        few.action_spaces["nobody"]


@pytest.mark.parametrize("seed", [-1, 1.5, 2**32])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    assert "seed must be a whole number" in refused(lambda: synapse_v0.parallel_env(**small()).reset(seed=seed))


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


def test_agents_of_one_name_play_the_same_story_as_one_group() -> None:
    alike, apart = (
        synapse_v0.parallel_env("xor", hidden=(3,), step_size=0.1, names=names) for names in ("agent", "group")
    )
    assert alike.possible_agents == [f"agent_{i}" for i in range(17)]
    assert [alike.unravel(agent) for agent in alike.possible_agents] == [
        apart.unravel(agent) for agent in apart.possible_agents
    ]
    assert alike.unravel("agent_9") == ("layer1_weight", (0, 0))
    for stranger in ("agent_17", "agent_-1", "agent_01", "layer0_weight_0"):
        assert "called agent_0 to agent_16." in refused(partial(alike.unravel, stranger))
    alike.reset(seed=0)
    apart.reset(seed=0)
    for _ in range(4):
        chosen = np.random.default_rng(0).integers(0, 3, 17)
        ours = alike.step(dict(zip(alike.agents, chosen, strict=True)))
        theirs = apart.step(dict(zip(apart.agents, chosen, strict=True)))
        assert [list(part.values()) for part in ours] == [list(part.values()) for part in theirs]
        assert same_bits(alike.state(), apart.state())
    assert "agent_16 must be a whole number" in refused(
        lambda: alike.step(dict.fromkeys(alike.agents[:-1], 0) | {"agent_16": 3})
    )


def test_agents_whose_spaces_differ_have_no_common_name() -> None:
    sentence = refused(lambda: unit_v0.parallel_env(bits=1, hidden=(3,), names="agent"))
    assert "hidden0 and output differ in what they see or do: use names='group'." in sentence
    assert "names must be one of group, agent, but is 'synapse'." in refused(
        lambda: synapse_v0.parallel_env("xor", names="synapse")  # type: ignore[arg-type]
    )


def test_pettingzoos_parallel_api_test_passes_with_agents_of_one_name() -> None:
    parallel_api_test(synapse_v0.parallel_env(**small(), names="agent"), 50)


def test_an_episode_is_truncated_after_max_cycles_and_all_agents_leave_together() -> None:
    env = synapse_v0.parallel_env(**small(max_cycles=3))
    env.reset()
    for cycle in (1, 2, 3):
        assert env.agents == env.possible_agents
        _, _, ended, cut, _ = env.step(sampled(env))
        assert set(cut.values()) == {cycle == 3} and set(ended.values()) == {False}
    assert env.agents == []


def test_agents_that_take_turns_know_when_and_are_paid_at_the_end() -> None:
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


@pytest.mark.parametrize(("spoil", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_wrong_actions_are_refused_in_one_sentence_and_change_nothing(spoil: Any, sentence: str) -> None:
    env = synapse_v0.parallel_env("xor", hidden=())
    env.reset(seed=0)
    before = env.state()
    assert sentence in refused(lambda: env.step(spoil(dict.fromkeys(env.agents, 1))))
    assert same_bits(before, env.state())


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.array, jnp.uint8])
def test_actions_may_be_any_whole_numbers_in_any_order(kind: Any) -> None:
    env = synapse_v0.parallel_env("xor", hidden=(), step_size=0.25, init_scale=0.0)
    env.reset(seed=0)
    actions = dict(zip(env.agents, map(kind, [0, 1, 2, 2, 1, 0]), strict=True))
    env.step(dict(reversed(actions.items())))
    assert env.state()[:6].tolist() == [-0.25, 0, 0.25, 0.25, 0, -0.5]


def test_stepping_before_a_reset_and_after_the_end_is_refused_in_one_sentence() -> None:
    env = synapse_v0.parallel_env(**small(max_cycles=1))
    for call in (lambda: env.step({}), env.state, env.render):
        assert "reset()" in refused(call, ResetNeeded)
    env.reset()
    env.step(sampled(env))
    assert "This episode has ended" in refused(lambda: env.step({}), ResetNeeded)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_cycles": 0}, "max_cycles must be a whole number in 1 .."),
        ({"render_mode": "ansi"}, "render_mode must be human, rgb_array or None"),
        ({"max_cycles": None}, "max_cycles must be a whole number in 1 .. 2147483647, but is None."),
        ({"observation": "pixels"}, "discrete, multi-discrete, box"),
        ({"features": True}, "use observation='box'"),
        ({"candidates": 0}, "candidates must be a whole number >= 1"),
        ({"candidates": 2}, "candidates are for the compiled loop"),
        ({"hiden": (3,)}, "an option 'hiden': did you mean 'hidden'?"),
    ],
)
def test_an_environment_that_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(lambda: synapse_v0.parallel_env(**{"task": "digits"} | options))


# What agents see


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
