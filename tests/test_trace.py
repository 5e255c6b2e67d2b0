from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.envs import synapse_v0
from synagents.learners.synapse.trace import Trace, TraceMemory
from synagents.loop import advance, begin
from synagents.world import Transition
from tests.claims import refused, same_bits
from tests.toys import group, pictures

KEY = jax.random.key(0)
DOWN, STAY, UP = 0, 1, 2


def lived(actions: Any, reward: Any) -> Transition:
    """Rounds of worlds: actions [T, W, n] and rewards [T, W] of one group."""
    acted, paid = jnp.array(actions, jnp.uint8), {"synapses": jnp.array(reward, jnp.float32)}
    never = jnp.zeros(acted.shape[:2], bool)
    return Transition({"synapses": acted}, {"synapses": acted}, {0: ()}, paid, never, never)


def update(learner: Trace, memory: TraceMemory, transition: Transition) -> TraceMemory:
    last_obs = {"synapses": transition.obs["synapses"][-1]}
    return learner.update(KEY, (), memory, transition, last_obs, 0)[1]


def memory(*traces: list[float], mean: float = 0.0) -> TraceMemory:
    """One world for each list of traces."""
    return TraceMemory({"synapses": jnp.array(traces)}, jnp.full(len(traces), mean, jnp.float32))


def test_a_better_reward_than_the_mean_pulls_every_trace_towards_what_its_agent_did_beyond_its_habit() -> None:
    learner = Trace(trace_decay=0.5, epsilon=0.4, mean_rate=0.25)  # habits are 0.6 of the trace's sign: +0.6, -0.6, 0
    after = update(learner, memory([2.0, -2.0, 0.0], mean=1.0), lived([[[UP, UP, DOWN]]], [[3.0]]))
    # 0.5 e + (3 - 1) (a - habit)
    np.testing.assert_allclose(after.trace["synapses"][0], [1 + 2 * 0.4, -1 + 2 * 1.6, 2 * -1], rtol=1e-6)
    assert float(after.mean[0]) == pytest.approx(0.75 * 1 + 0.25 * 3)


def test_the_mean_reward_teaches_nothing() -> None:
    after = update(Trace(trace_decay=1.0), memory([2.0, -1.0, 0.0], mean=3.0), lived([[[UP, UP, DOWN]]], [[3.0]]))
    assert after.trace["synapses"].tolist() == [[2.0, -1.0, 0.0]]


def test_each_world_remembers_what_its_own_agents_were_paid() -> None:
    learner = Trace(trace_decay=0.5, epsilon=0.4)
    one, other, start = [UP, STAY, DOWN], [DOWN, UP, UP], [1.0, 0.0, -1.0]
    together = update(learner, memory(start, start), lived([[one, other]], [[2.0, -1.0]]))
    alone = [update(learner, memory(start), lived([[acted]], [[paid]])) for acted, paid in ((one, 2.0), (other, -1.0))]
    for world in (0, 1):
        np.testing.assert_allclose(together.trace["synapses"][world], alone[world].trace["synapses"][0], rtol=1e-6)
        assert float(together.mean[world]) == pytest.approx(float(alone[world].mean[0]))


def test_updates_are_those_of_a_plain_loop_over_rounds_worlds_candidates_and_agents() -> None:
    rng = np.random.default_rng(0)
    learner = Trace(trace_decay=0.9, epsilon=0.3, mean_rate=0.2)
    now, trace, mean = memory([0.0] * 4, [0.0] * 4), np.zeros((2, 4)), np.zeros(2)
    for _ in range(5):
        actions, reward = rng.integers(0, 3, (2, 6, 4)), rng.normal(size=(2, 6))  # two worlds of three candidates
        now = update(learner, now, lived(actions, reward))
        fresh = np.zeros((2, 4))
        for t in range(2):
            for row in range(6):
                world = row // 3
                for i in range(4):
                    habit = 0.7 * np.sign(trace[world, i])
                    surprise = reward[t, row] - mean[world]
                    fresh[world, i] += 0.9 ** (1 - t) * surprise * (actions[t, row, i] - 1 - habit) / 3
        trace = 0.9**2 * trace + fresh
        mean = 0.8**2 * mean + (1 - 0.8**2) * reward.reshape(2, 2, 3).mean(axis=(0, 2))
        np.testing.assert_allclose(now.trace["synapses"], trace, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(now.mean, mean, rtol=1e-5)


def act(learner: Trace, one: TraceMemory, agents: int) -> np.ndarray:
    obs = {"synapses": jnp.zeros(agents, jnp.uint8)}
    return np.asarray(learner.act(KEY, (), one, obs, 0, 0)[0]["synapses"])


def of_one_world(many: TraceMemory) -> TraceMemory:
    return jax.tree.map(lambda x: x[0], many)


def test_agents_follow_the_sign_of_their_trace_but_for_exploration() -> None:
    thirds = memory([0.01] * 10_000 + [0.0] * 10_000 + [-5.0] * 10_000)
    chosen = act(Trace(epsilon=0.6), of_one_world(thirds), 30_000)
    for followed, part in zip((UP, STAY, DOWN), np.split(chosen, 3), strict=True):
        shares = np.bincount(part, minlength=3) / 10_000
        expected = np.where(np.arange(3) == followed, 0.4 + 0.2, 0.2)
        np.testing.assert_allclose(shares, expected, atol=0.02)  # four standard errors


def test_the_scale_of_rewards_does_not_change_what_anyone_does() -> None:
    transition = lived([[[UP, STAY, DOWN]], [[UP, UP, UP]]], [[1.0], [-2.0]])
    scaled = lived([[[UP, STAY, DOWN]], [[UP, UP, UP]]], [[1024.0], [-2048.0]])
    small, large = (update(Trace(), memory([0.0, 0.0, 0.0]), one) for one in (transition, scaled))
    assert same_bits(act(Trace(), of_one_world(small), 3), act(Trace(), of_one_world(large), 3))


def test_eight_worlds_are_each_trained_as_one_alone_would_be() -> None:
    world = synapse_v0.world(pictures(), hidden=(), step_size=0.01, interval=20, reward="delta",
                             batch_change="reevaluate")  # fmt: skip
    together = begin(KEY, world, Trace(), num_worlds=8, world_axis="loop")
    alone = begin(KEY, world, Trace(), world_axis="loop")
    (many, losses), (one, loss) = advance(together, 400), advance(alone, 400)
    assert many.memory.trace["layer0_weight"].shape == (1, 8, 18) and many.memory.mean.shape == (1, 8)
    first = jax.tree.map(lambda x: x[:, :1], (many.state.weights, many.memory))
    assert same_bits(first, (one.state.weights, one.memory))
    assert same_bits(losses.info["loss"][:, :, :1], loss.info["loss"])
    final = losses.info["loss"][0, -1]
    assert (final < 0.8 * losses.info["loss"][0, 0]).all()  # every one of them learns
    uniform = jax.tree.map(lambda x: x[0].std(axis=0).max(), many.memory.trace)
    assert min(uniform.values()) > 0  # and none shares its traces with another


def test_agents_with_other_actions_are_refused() -> None:
    assert "three actions" in refused(lambda: Trace().init(KEY, (group(5, actions=4),)))


@pytest.mark.parametrize("name", ["trace_decay", "epsilon", "mean_rate"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    assert f"{name} must lie in [0, 1]" in refused(lambda: Trace(**{name: 1.5}))
