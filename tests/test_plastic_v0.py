"""Plastic worlds: what synapses feel and do within a life, by hand and through every face."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from synagents import keys, outer
from synagents.agents.plasticity import Felt, moved
from synagents.envs import plastic_v0
from synagents.envs.plastic_v0 import PlasticWorld
from synagents.learners.plastic.fixed import Fixed
from synagents.learners.plastic.hebbian import Hebbian
from synagents.learners.plastic.neuromodulated import Neuromodulated
from synagents.learners.plastic.oja import Oja
from synagents.learners.plastic.retroactive import Retroactive
from synagents.world import Mind
from tests.claims import refused, same_bits

KEY = jax.random.key(0)
SMALL: dict[str, Any] = {"units": 3, "bits": 2, "length": 7}


def suited(rule: Any, **options: Any) -> PlasticWorld:
    """A small world as the rule needs it."""
    return plastic_v0.world("cue", **SMALL, **plastic_v0.settings_for(rule), **options)


def lived(world: PlasticWorld, rule: Any, mind: Mind, rounds: int) -> list[Felt]:
    """What the synapses feel in every round, the one after the last included."""
    state, felt = world.reset(KEY), []
    for t in range(rounds):
        felt.append(state.felt)
        actions, _ = rule.act(KEY, mind, world.observe(state, 0), t, 0)
        state = world.resolve(jax.random.fold_in(KEY, t), world.move(state, actions, t, 0))[0]
    return [*felt, state.felt]


# Within a life


def test_a_trace_is_the_sum_of_what_fired_together() -> None:
    felt = lived(suited("hebbian"), Hebbian(), {"eta": 0.1}, 5)
    by_hand = sum(0.1 * np.outer(each.pre, each.post) for each in felt[:5])
    np.testing.assert_allclose(felt[5].trace, by_hand, rtol=1e-5, atol=1e-7)
    assert np.abs(by_hand).max() > 0.01


@pytest.mark.parametrize("rule", [Hebbian, Oja])
def test_a_constant_rate_is_not_learned_and_gives_the_same_first_life(rule: Any) -> None:
    world = suited("hebbian")
    constant, learned = rule(eta=0.3, learned_eta=False), rule(eta=0.3)
    known = [each.init(KEY, world.groups) for each in (constant, learned)]
    assert known[0] == {} and float(known[1]["eta"]) == pytest.approx(0.3)
    traces = [lived(world, each, mind, 5)[5].trace for each, mind in zip((constant, learned), known, strict=True)]
    np.testing.assert_array_equal(*traces)
    assert np.abs(traces[0]).max() > 0.01
    assert "learned_eta must be" in refused(lambda: rule(learned_eta=1))
    for wrong in ([None], "", {}, 2, float("nan")):
        assert "eta must" in refused(lambda wrong=wrong: rule(eta=wrong))


def test_simple_neuromodulation_is_the_modulator_times_what_fires_together_now() -> None:
    felt = lived(suited("neuromodulated"), Neuromodulated(), {}, 4)
    by_hand = sum(float(each.modulator[0, 0]) * np.outer(each.pre, each.post) for each in felt[:4])
    np.testing.assert_allclose(felt[4].trace, by_hand, rtol=1e-5, atol=1e-7)


def test_retroactive_neuromodulation_is_the_modulator_now_times_what_fired_together_before() -> None:
    world = suited("retroactive")
    slow = world.init(KEY) | {"eligibility_rate": jnp.float32(1)}  # the eligibility is the last product alone
    felt = lived(replace(world, slow=slow), Retroactive(), {}, 4)
    by_hand = sum(float(now.modulator[0, 0]) * np.outer(before.pre, before.post) for before, now in pairwise(felt[:4]))
    np.testing.assert_allclose(felt[4].trace, by_hand, rtol=1e-5, atol=1e-7)


def test_eligibility_is_a_running_mean_of_products() -> None:
    world = suited("retroactive")
    felt = lived(replace(world, slow=world.init(KEY)), Retroactive(), {}, 4)
    by_hand = np.zeros((3, 3))
    for each in felt[:4]:
        np.testing.assert_allclose(each.eligibility, by_hand, rtol=1e-5, atol=1e-7)
        by_hand = 0.5 * by_hand + 0.5 * np.outer(each.pre, each.post)


def test_ojas_rule_finds_the_first_principal_component() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(4, 4))
    vectors = np.linalg.eigh(mixing @ mixing.T)[1]
    w = jnp.asarray(rng.normal(size=(4, 1)), jnp.float32)
    nothing = jnp.zeros((1, 1))
    for x in rng.normal(size=(6000, 4)) @ mixing.T:
        pre = jnp.asarray(x, jnp.float32)[:, None]
        w = w + Oja().change({"eta": 0.002}, Felt(pre, pre.T @ w, w, nothing, nothing, nothing))
    assert abs(vectors[:, -1] @ np.asarray(w)[:, 0]) > 0.98
    assert np.linalg.norm(w) == pytest.approx(1, abs=0.05)


def test_bounds_cut_or_slow_down_what_leads_to_them() -> None:
    trace, action = jnp.array([[0.5, -0.5, 0.9]]), jnp.array([[0.4, 0.4, 0.4]])
    np.testing.assert_allclose(moved(trace, action, "hard", 1.0), [[0.9, -0.1, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(moved(trace, action, "soft", 1.0), [[0.7, 0.1, 0.94]], rtol=1e-6)
    np.testing.assert_allclose(moved(trace, -action, "soft", 2.0), [[0.0, -0.8, 0.32]], rtol=1e-6, atol=1e-7)


def test_without_alpha_traces_change_nothing() -> None:
    """A network whose traces count for nothing lives as one whose synapses stay as they are."""
    moving, still = plastic_v0.world("cue", **SMALL, alpha="none"), suited("fixed")
    slow = still.init(KEY)
    lives = [
        outer.live(replace(world, slow=slow), rule, mind, KEY)
        for world, rule, mind in ((moving, Hebbian(), {"eta": 0.5}), (still, Fixed(), {}))
    ]
    assert same_bits(lives[0].info, lives[1].info) and np.abs(lives[0].end.felt.trace).max() > 0.1
    counting = outer.live(
        replace(suited("hebbian"), slow=slow | {"alpha": jnp.full((3, 3), 0.5)}), *(Hebbian(), {"eta": 0.5}, KEY)
    )
    assert not same_bits(lives[0].info["value"], counting.info["value"])


# Faces


@pytest.mark.parametrize("cell", ["rate", "lstm"])
def test_a_rule_of_ones_own_in_the_dictionary_face_lives_the_built_in_rules_life(cell: str) -> None:
    options = SMALL | plastic_v0.settings_for("retroactive") | {"cell": cell}
    env = plastic_v0.parallel_env("cue", **options)
    seen, _ = env.reset(seed=5)
    rewards = []
    while env.agents:
        acts = {agent: modulator * eligibility for agent, (_, _, _, eligibility, modulator, _) in seen.items()}
        seen, reward, terminated, truncated, _ = env.step(acts)
        rewards.append(reward["recurrent_0"])
    assert len(rewards) == SMALL["length"] and all(terminated.values()) and not any(truncated.values())
    own = outer.live(env.world, Retroactive(), {}, keys.run_key(keys.seed_key(5), 0))
    assert rewards == own.reward.tolist()
    there = np.array([trace for _, _, trace, *_ in seen.values()])
    np.testing.assert_allclose(there, own.end.felt.trace.reshape(-1), atol=1e-6)
    assert np.abs(there).max() > 1e-3


@pytest.mark.parametrize("cell", ["rate", "lstm"])
def test_a_rule_of_ones_own_lives_the_same_life_bit_for_bit_by_names_and_by_arrays(cell: str) -> None:
    options = SMALL | plastic_v0.settings_for("retroactive") | {"cell": cell}
    named, arrays = plastic_v0.parallel_env("cue", **options), plastic_v0.vector_env("cue", **options, num_envs=1)
    (seen, _), (felt, _) = named.reset(seed=5), arrays.reset(seed=5)
    for _ in range(SMALL["length"] - 1):
        assert same_bits(np.stack(list(seen.values())), felt)
        acts = {agent: modulator * eligibility for agent, (_, _, _, eligibility, modulator, _) in seen.items()}
        seen, earned, *_ = named.step(acts)
        felt, rewards, *_ = arrays.step(felt[:, 4] * felt[:, 3])
        assert list(earned.values()) == rewards.tolist()
    assert np.abs(felt[:, 2]).max() > 1e-3


def test_the_faces_hold_to_their_libraries_rules() -> None:
    parallel_api_test(plastic_v0.parallel_env("cue", **SMALL), num_cycles=20)
    env = plastic_v0.vector_env("cue", **SMALL, num_envs=2)
    seen, _ = env.reset(seed=0)
    assert env.num_envs == 18 and env.observation_space.contains(seen)
    env.action_space.seed(0)
    for _ in range(10):
        seen, rewards, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(seen) and rewards.shape == (18,)


def test_actions_that_are_no_numbers_are_refused() -> None:
    env = plastic_v0.parallel_env("cue", **SMALL)
    env.reset(seed=0)
    for bad in ("up", np.nan, None, np.zeros(2), 1j):
        sentence = refused(lambda bad=bad: env.step(dict.fromkeys(env.agents, 0.0) | {"recurrent_4": bad}))
        assert "recurrent_4 must be a finite number" in sentence
    vector = plastic_v0.vector_env("cue", **SMALL)
    vector.reset(seed=0)
    for wrong in (np.zeros(8), np.full(9, np.inf), np.array(["a"] * 9)):
        assert "9 finite numbers" in refused(lambda wrong=wrong: vector.step(wrong))


def test_a_rule_that_feels_what_the_world_has_not_is_refused() -> None:
    for rule, missing in ((Neuromodulated(), "modulator='scalar'"), (Retroactive(), "eligibility=True")):
        world = plastic_v0.world("cue", **SMALL)
        assert missing in refused(lambda rule=rule, world=world: rule.init(KEY, world.groups))
    still = plastic_v0.world("cue", **SMALL, alpha="none")
    assert "alpha='synapse'" in refused(lambda: Hebbian().init(KEY, still.groups))
    assert Fixed().init(KEY, still.groups) == {}


def test_what_cannot_be_a_plastic_world_is_refused() -> None:
    assert "derive your own class from synagents.LifeTask" in refused(lambda: plastic_v0.world("cartpole"))
    assert "cell must be rate or lstm or lif or lif-forward" in refused(lambda: plastic_v0.world("cue", cell="gru"))
    assert "units" in refused(lambda: plastic_v0.world("cue", units=0))
    assert "limit" in refused(lambda: plastic_v0.world("cue", limit=0))
