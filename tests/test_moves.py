"""Worlds in which an action names the level of a weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo.test import parallel_api_test

from synagents import MLP, Quantized, advance, begin, preset
from synagents.envs import synapse_v0
from synagents.learners.uniform import Uniform
from synagents.run.tables import TableError, read_table, save_table, tables_of
from tests.claims import refused
from tests.toys import pictures

KEY = jax.random.key(0)


def world(bits: int = 2, **options: object) -> synapse_v0.SynapseWorld:
    """18 agents who name levels."""
    return synapse_v0.world(pictures(), network=Quantized((6, 3), weight_bits=bits), moves="set", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_there_is_an_action_for_every_level_and_the_weight_becomes_the_one_that_is_named(bits: int) -> None:
    own = world(bits)
    (group,) = own.groups
    assert group.action_space == spaces.Discrete(2**bits)
    action = jnp.arange(18, dtype=jnp.uint8) % 2**bits
    moved = own.move(own.reset(KEY), {"layer0_weight": action}, 0)
    bound = np.sqrt(1.5 / 9)
    expected = bound * (2 * np.asarray(action) / (2**bits - 1) - 1)
    np.testing.assert_allclose(moved.weights["layer0_weight"].ravel(), expected, rtol=1e-5, atol=1e-7)


def test_a_life_begins_with_weights_at_levels_and_agents_that_have_named_them() -> None:
    own = world(2, memory=3)
    state = own.reset(KEY)
    levels = own.network.levels()["layer0_weight"]
    index = levels.nearest(state.weights["layer0_weight"]).ravel()
    np.testing.assert_allclose(levels.at(index), state.weights["layer0_weight"].ravel(), rtol=1e-6)
    assert state.actions["layer0_weight"].tolist() == (index * (1 + 4 + 16)).tolist()


def test_a_history_of_a_actions_is_a_number_below_3_a_to_the_n() -> None:
    own = world(2, memory=2)
    assert own.groups[0].obs_space == spaces.Discrete(12**2)
    state = own.reset(KEY)
    for action, reward in ((3, 0), (1, 2)):  # digits: two actions in base 4, two rewards in base 3
        state = own.move(state, {"layer0_weight": jnp.full(18, action, jnp.uint8)}, 0)
        state = state._replace(rewards=(state.rewards % 3) * 3 + jnp.uint8(reward))
    assert set(own.observe(state)["layer0_weight"].tolist()) == {(3 * 4 + 1) * 9 + 0 * 3 + 2}


@pytest.mark.parametrize(
    ("form", "space"),
    [
        ("multi-discrete", spaces.MultiDiscrete([4, 4, 3, 3])),
        ("box", spaces.Box(np.zeros(14, np.float32), np.ones(14, np.float32))),
    ],
)
def test_digits_and_one_hots_are_of_as_many_actions_as_there_are(form: str, space: spaces.Space) -> None:
    own = world(2, observation=form)
    assert own.groups[0].obs_space == space
    seen = np.asarray(own.observe(own.reset(KEY))["layer0_weight"])
    assert all(space.contains(each) for each in seen)


@pytest.mark.parametrize(
    ("build", "hint"),
    [
        (lambda: world(step_size=0.1), "step_size is of nudges"),
        (lambda: world(bias_gain=2.0), "bias_gain is of nudges"),
        (lambda: world(history="trace"), "use history='codes'"),
        (lambda: world(bits=4), "at most 8 levels"),
        (lambda: world(bits=32), "may be any number"),
        (lambda: synapse_v0.world(pictures(), network=MLP((6, 3)), moves="set"), "may be any number"),
        (lambda: world(bits=3, memory=7), "memory must be a whole number in 1 .. 6"),
    ],
)
def test_what_means_nothing_where_levels_are_named_is_refused_in_one_sentence(build: object, hint: str) -> None:
    assert hint in refused(build)  # type: ignore[arg-type]


def test_nudged_weights_of_few_bits_stay_within_their_bound() -> None:
    own = synapse_v0.world(pictures(), network=Quantized((6, 3)), step_size=10.0)
    moved = own.move(own.reset(KEY), {"layer0_weight": jnp.full(18, 2, jnp.uint8)}, 0)
    assert set(moved.weights["layer0_weight"].ravel().tolist()) == {np.float32(np.sqrt(1.5 / 9)).item()}


def test_the_pettingzoo_face_passes_pettingzoos_own_test() -> None:
    env = synapse_v0.parallel_env(pictures(), network=Quantized((6, 3), weight_bits=2), moves="set", max_cycles=20)
    parallel_api_test(env, num_cycles=50)


def test_a_picture_shows_levels() -> None:
    env = synapse_v0.parallel_env(
        pictures(), network=Quantized((6, 3), weight_bits=2), moves="set", render_mode="rgb_array"
    )
    env.reset(seed=0)
    env.step({agent: 3 for agent in env.agents})
    picture = env.render()
    assert picture is not None and picture.ndim == 3 and picture.std() > 0


@pytest.mark.parametrize("learner", ["q-table", "sarsa", "double-q", "actor-critic", "policy-gradient", "uniform"])
def test_learners_of_any_number_of_actions_play_where_levels_are_named(learner: str) -> None:
    more = {} if learner == "uniform" else {"history": "codes"}
    more |= {"adaptive": True} if learner == "q-table" else {}
    spec = preset("xor", learner, network="quantized", moves="set", hidden=(3,), rounds=5, **more)
    run, history = advance(spec.begin(), 5)
    assert np.isfinite(history.info["loss"]).all()
    assert spec.world.moves == "set" and spec.world.step_size is None
    for table in tables_of(run):
        assert table.shape == (6**2, 2) and table.histories.actions == 2


@pytest.mark.parametrize("policy", ["greedy", "boltzmann"])
def test_a_shared_table_learns_where_levels_are_named_and_its_graded_policy_is_refused(policy: str) -> None:
    more = {"network": "quantized", "moves": "set", "history": "codes", "adaptive": True, "hidden": (3,), "rounds": 5}
    run, _ = advance(preset("xor", "team-q", policy=policy, **more).begin(), 5)
    assert np.isfinite(tables_of(run)[0].values).all() and tables_of(run)[0].values.any()
    assert "policy='greedy'" in refused(lambda: preset("xor", "team-q", policy="graded", **more))


@pytest.mark.parametrize("learner", ["trace", "repeat-undo"])
def test_learners_of_nudges_are_refused_where_levels_are_named(learner: str) -> None:
    refused(lambda: preset("xor", learner, network="quantized", moves="set", history="codes"))


def test_a_table_over_levels_is_kept_and_refused_where_agents_nudge(tmp_path: object) -> None:
    run = begin(0, world(1, reward="delta", batch_change="reevaluate"), preset("xor", "sarsa", history="codes").learner)
    (table,) = tables_of(advance(run, 3)[0])
    save_table(f"{tmp_path}/table.json", table)
    again, _ = read_table(f"{tmp_path}/table.json")
    assert again.histories == table.histories and np.allclose(again.values, table.values, atol=1e-6)
    said = refused(lambda: preset("xor", "sarsa", history="codes", table=f"{tmp_path}/table.json").begin())
    assert "of 2 actions" in said
    text = (tmp_path / "table.json").read_text()  # type: ignore[operator]
    (tmp_path / "odd.json").write_text(text.replace('"actions": 2', '"actions": 1'))  # type: ignore[operator]
    assert "from 2 to 8" in refused(lambda: read_table(f"{tmp_path}/odd.json"), TableError)


def test_uniform_names_every_level() -> None:
    run, _ = advance(begin(0, world(3), Uniform()), 20)
    levels = world(3).network.levels()["layer0_weight"]
    assert len(set(levels.nearest(run.state.weights["layer0_weight"]).ravel().tolist())) >= 6
