"""Traces as an observation: evidence against plain NumPy, its forms, and who may use it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import QTable, RepeatUndo, Uniform, advance, begin, load_table
from synagents.agents import evidence
from synagents.agents.histories import Histories
from synagents.envs import synapse_v0
from synagents.world import num_choices
from tests.claims import refused, same_bits
from tests.toys import pictures, small

KEY = jax.random.key(0)


def traced(**options: Any) -> synapse_v0.SynapseWorld:
    return synapse_v0.world(**small(history="trace", reward="delta", batch_change="reevaluate", **options))


def test_evidence_is_a_leaky_sum_of_surprise_times_action_in_standard_errors() -> None:
    rng = np.random.default_rng(0)
    actions, rewards, decays = rng.integers(0, 3, (30, 5)), rng.normal(size=30), (0.5, 0.9)
    now = evidence.begin({"g": jnp.zeros((5,))}, decays)
    trace, variance, mean = np.zeros((2, 5)), np.zeros(2), 0.0
    for action, reward in zip(actions, rewards, strict=True):
        now = evidence.add(now, decays, {"g": jnp.asarray(action, jnp.uint8)}, jnp.float32(reward))
        surprise, mean = reward - mean, mean + 0.1 * (reward - mean)
        for d, decay in enumerate(decays):
            trace[d] = decay * trace[d] + surprise * (action - 1)
            variance[d] = decay**2 * variance[d] + 0.6 * surprise**2
        for d, z in enumerate(evidence.standard_errors(now)):
            np.testing.assert_allclose(z["g"], trace[d] / variance[d] ** 0.5, rtol=1e-4, atol=1e-5)


def test_nobody_has_evidence_before_a_reward() -> None:
    now = evidence.begin({"g": jnp.zeros((2,))}, (0.9,))
    assert evidence.standard_errors(now)[0]["g"].tolist() == [0, 0]
    assert evidence.show(now, "discrete")["g"].tolist() == [4, 4]


def test_the_bucket_is_how_many_edges_have_been_passed() -> None:
    z = jnp.array([-9, -2, -1.5, -0.7, -0.2, 0, 0.2, 0.7, 1.5, 2.5])
    assert evidence.bucket(z).tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert evidence.encode((jnp.array([0.0, 9]), jnp.array([-9.0, 9]))).tolist() == [4 * 9, 8 * 9 + 8]


def test_evidence_does_not_depend_on_the_scale_of_rewards() -> None:
    def shown(scale: float) -> Any:
        now = evidence.begin({"g": jnp.zeros((3,))}, (0.9,))
        for t in range(20):
            actions = {"g": jnp.asarray([t % 3, t % 2, 2], jnp.uint8)}
            now = evidence.add(now, (0.9,), actions, scale * jnp.sin(jnp.float32(t)))
        return evidence.standard_errors(now)[0]["g"]

    np.testing.assert_allclose(shown(1.0), shown(1e-6), rtol=1e-3)


def test_the_world_keeps_the_evidence_of_its_own_rounds() -> None:
    world = traced(history_decay=(0.9, 0.5))
    state = world.reset(KEY)
    by_hand = evidence.begin(state.weights, (0.9, 0.5))
    for t in range(6):
        actions = {g.name: jnp.asarray(np.arange(g.size) * (t + 1) % 3, jnp.uint8) for g in world.groups}
        state, outcome = world.resolve(jax.random.key(t), world.move(state, actions, t))
        by_hand = evidence.add(by_hand, (0.9, 0.5), actions, next(iter(outcome.reward.values())))
    assert same_bits(state.evidence, by_hand)


@pytest.mark.parametrize("memory", [0, 1, 2])
@pytest.mark.parametrize("decays", [(0.9,), (0.9, 0.5)])
def test_every_form_of_observation_says_the_same(memory: int, decays: tuple[float, ...]) -> None:
    worlds = [traced(observation=o, memory=memory, history_decay=decays) for o in ("discrete", "multi-discrete", "box")]
    states = [world.reset(KEY) for world in worlds]
    for t in range(5):
        seen = [world.observe(state) for world, state in zip(worlds, states, strict=True)]
        for group in worlds[0].groups:
            code, digits, numbers = (np.asarray(each[group.name]).astype(np.float64) for each in seen)
            assert num_choices(group.obs_space) == 9 ** (len(decays) + memory)
            bases = [9] * len(decays) + [3] * 2 * memory
            places = np.cumprod([1, *bases[:0:-1]])[::-1]
            assert code.tolist() == (digits @ places).tolist()
            buckets = np.stack([evidence.bucket(jnp.asarray(z)) for z in numbers.T[: len(decays)]], axis=1)
            assert buckets.tolist() == digits[:, : len(decays)].tolist()
            for world, each in zip(worlds, seen, strict=True):
                space = {g.name: g.obs_space for g in world.groups}[group.name]
                assert all(space.contains(np.asarray(one).astype(space.dtype)) for one in each[group.name])
        actions = {g.name: jnp.asarray(np.arange(g.size) * (t + 2) % 3, jnp.uint8) for g in worlds[0].groups}
        states = [w.resolve(jax.random.key(t), w.move(s, actions, t))[0] for w, s in zip(worlds, states, strict=True)]


def test_without_memory_a_weight_moves_by_the_action_all_the_same() -> None:
    world = traced()
    before = world.reset(KEY)
    after = world.move(before, {g.name: jnp.full(g.size, 2, jnp.uint8) for g in world.groups}, 0)
    assert all((after.weights[name] > before.weights[name]).all() for name in after.weights)


def test_a_policy_of_one_line_on_the_evidence_trains_and_the_random_policy_does_not() -> None:
    table = np.zeros((9, 3), np.float32)
    table[:4, 0] = table[5:, 2] = table[4, 1] = 1  # go where the evidence points
    world = traced(step_size=0.02)
    final = [
        advance(begin(0, world, learner), 1500)[1].info["loss"][0, -100:].mean()
        for learner in (QTable(table, epsilon=0.5), Uniform())
    ]
    assert final[0] < 0.5 < 0.9 < final[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"history_decay": (0.9,)}, "use it with history='trace'"),
        ({"history": "trace", "history_decay": ()}, "must be one to three numbers"),
        ({"history": "trace", "history_decay": (0.9, 1.5)}, "history_decay must lie in [0, 1], but is 1.5"),
        ({"history": "trace", "memory": -1}, "memory must be a whole number in 0 .. 9"),
        ({"memory": 0}, "memory must be a whole number in 1 .. 9"),
        ({"history": "traces"}, "history must be one of codes, trace"),
    ],
)
def test_a_history_that_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(lambda: synapse_v0.world(pictures(), **options))


def test_a_rule_over_actions_and_rewards_is_refused_where_agents_see_evidence() -> None:
    assert "history='codes'" in refused(lambda: begin(0, traced(), RepeatUndo()))
    assert "histories" in refused(lambda: begin(0, traced(), QTable(load_table())))


def test_by_default_nothing_is_kept_that_was_not_kept_before() -> None:
    assert synapse_v0.world(**small()).reset(KEY).evidence == ()
    assert traced(memory=1).groups[0].about == Histories(memory=1, decays=1)
