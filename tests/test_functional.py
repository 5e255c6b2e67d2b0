"""The functional face, as JaxMARL's users meet it."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from synagents.envs import synapse_v0
from synagents.envs.functional import MAX_KEYED_AGENTS, FunctionalEnv
from synagents.world import agent_ids
from tests.claims import refused, same_bits
from tests.toys import Relay, small


def test_functions_can_be_scanned_and_vmapped_and_begin_anew_by_themselves() -> None:
    env = synapse_v0.functional_env(**small(max_cycles=4))
    assert env.num_agents == 21 and env.agents == ["layer0_weight", "layer0_bias"]

    def live(key: Any) -> Any:
        def step(carry: Any, key: Any) -> Any:
            obs, env_state = carry
            actions = {name: jnp.full(len(seen), 2, jnp.uint8) for name, seen in obs.items()}
            obs, env_state, reward, done, info = env.step(key, env_state, actions)
            return (obs, env_state), (obs, reward, done, info, env_state.rounds)

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
    (seen, env_state), (seen_by_agent, twin) = by_group.reset(key), by_agent.reset(key)
    assert list(seen_by_agent) == by_agent.agents == agent_ids(by_group.world.groups)
    actions = {"layer0_weight": jnp.arange(18) % 3, "layer0_bias": jnp.array([0, 1, 2])}
    alone = dict(zip(by_agent.agents, [*range(18), 0, 1, 2], strict=True))
    _, env_state, reward, _, _ = by_group.step(key, env_state, actions)
    seen, twin, reward_by_agent, done, _ = by_agent.step(key, twin, {k: jnp.int32(v % 3) for k, v in alone.items()})
    assert same_bits(env_state, twin) and reward_by_agent["layer0_bias_2"] == reward["layer0_bias"][2]
    assert set(done) == {*by_agent.agents, "__all__"} and seen["layer0_bias_1"].shape == ()
    assert by_agent.observation_space("layer0_bias_1") == by_group.observation_space("layer0_bias")
    assert by_agent.action_space("layer0_bias_1") == by_group.action_space("layer0_bias")


def test_mappings_of_spaces_are_keyed_as_everything_else_is() -> None:
    for keyed in ("group", "agent"):
        env = synapse_v0.functional_env(**small(), keyed=keyed)
        assert list(env.observation_spaces) == list(env.action_spaces) == env.agents
        for name in env.agents:
            assert env.observation_spaces[name] == env.observation_space(name)
            assert env.action_spaces[name] == env.action_space(name)
        assert "layer9" not in env.action_spaces


def test_a_name_that_is_none_is_refused_in_one_sentence() -> None:
    env = synapse_v0.functional_env("xor", hidden=())
    assert "There is no group 'layer0_wait': did you mean 'layer0_weight'?" in refused(
        lambda: env.observation_space("layer0_wait")
    )


def test_too_many_agents_get_no_entry_each() -> None:
    env = synapse_v0.functional_env("digits", hidden=(), keyed="agent")
    assert "use keyed='group'" in refused(lambda: env.reset(jax.random.key(0)))
    assert env.num_agents > MAX_KEYED_AGENTS
    assert "keyed must be one of group, agent" in refused(lambda: synapse_v0.functional_env("xor", keyed="name"))  # type: ignore[arg-type]


def test_functions_take_turns_too() -> None:
    env = FunctionalEnv(Relay())
    step = jax.jit(env.step_env)
    key = jax.random.key(0)
    _, env_state = env.reset(key)
    ones = {"callers": jnp.ones(2, jnp.uint8), "hearers": jnp.ones(3, jnp.uint8)}
    obs, env_state, reward, done, _ = step(key, env_state, ones)
    assert obs["hearers"].tolist() == [2, 2, 2] and not reward["hearers"].any() and not done["__all__"]
    _, env_state, reward, _, info = step(key, env_state, ones | {"hearers": jnp.array([1, 0, 1], jnp.uint8)})
    assert reward["callers"].tolist() == [1, 1] and reward["hearers"].tolist() == [0, 1, 2] and info["loss"] == 0


def test_a_functional_environment_is_a_tree_of_numbers() -> None:
    env = synapse_v0.functional_env("xor", step_size=0.25, max_cycles=7)
    assert 0.25 in jax.tree.leaves(env) and 7 in jax.tree.leaves(env)


@pytest.mark.parametrize("cycles", [None, 0, 1.5, "100", [3], True, 2**31])
def test_a_number_of_cycles_that_is_none_is_refused_when_the_environment_is_made(cycles: Any) -> None:
    sentence = refused(lambda: synapse_v0.functional_env("xor", max_cycles=cycles))
    assert sentence.startswith("max_cycles must be a whole number in 1 .. 2147483647")


def test_a_name_is_no_world() -> None:
    assert "`functional_env` of the world's module" in refused(lambda: FunctionalEnv("xor"))  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [jax.random.key(7, impl="rbg"), jax.random.PRNGKey(7)], ids=["rbg", "old"])
def test_keys_of_one_seed_begin_one_episode_whatever_their_generator(key: Any) -> None:
    env, ours = synapse_v0.functional_env(**small()), jax.random.key(7, impl="threefry2x32")
    actions = {"layer0_weight": jnp.full(18, 2, jnp.uint8), "layer0_bias": jnp.zeros(3, jnp.uint8)}
    _, one = env.reset(ours)
    _, other = env.reset(key)
    assert same_bits(one, other)
    for _ in range(4):  # a new batch is drawn in the fourth
        _, one, *_ = env.step(jax.random.fold_in(ours, 1), one, actions)
        _, other, *_ = env.step(jax.random.fold_in(key, 1), other, actions)
    assert same_bits(one, other)
