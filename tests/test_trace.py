import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.synapse.trace import Trace, TraceMind
from synagents.world import Transition
from tests.claims import refused, same_bits
from tests.toys import group

KEY = jax.random.key(0)
DOWN, STAY, UP = 0, 1, 2


def lived(actions: list, reward: list) -> Transition:
    """Rounds of worlds: actions [T, W, n] and rewards [T, W] of one group."""
    acted, paid = jnp.array(actions, jnp.uint8), {"synapses": jnp.array(reward, float)}
    never = jnp.zeros(acted.shape[:2], bool)
    return Transition({"synapses": acted}, {"synapses": acted}, {}, paid, never, never)


def update(learner: Trace, mind: TraceMind, transition: Transition) -> TraceMind:
    last_obs = {"synapses": transition.obs["synapses"][-1]}
    return learner.update(KEY, mind, transition, last_obs)[0]


def mind(trace: list[float], usual: float = 0.0) -> TraceMind:
    return TraceMind({"synapses": jnp.array(trace)}, jnp.float32(usual), jnp.int32(0))


def test_a_better_reward_than_usual_pulls_every_trace_towards_what_its_agent_did_beyond_its_habit() -> None:
    learner = Trace(decay=0.5, explore=0.4, baseline=0.75)  # habits are 0.6 of the trace's sign: +0.6, -0.6, 0
    after = update(learner, mind([2.0, -2.0, 0.0], usual=1.0), lived([[[UP, UP, DOWN]]], [[3.0]]))
    # 0.5 e + (3 - 1) (a - habit)
    np.testing.assert_allclose(after.trace["synapses"], [1 + 2 * 0.4, -1 + 2 * 1.6, 2 * -1], rtol=1e-6)
    assert float(after.usual) == pytest.approx(0.75 * 1 + 0.25 * 3)


def test_the_usual_reward_teaches_nothing() -> None:
    after = update(Trace(decay=1.0), mind([2.0, -1.0, 0.0], usual=3.0), lived([[[UP, UP, DOWN]]], [[3.0]]))
    assert after.trace["synapses"].tolist() == [2.0, -1.0, 0.0]


def test_worlds_that_share_a_mind_pool_what_their_agents_were_paid() -> None:
    learner = Trace(decay=0.5, explore=0.4)
    one, other = [[UP, STAY, DOWN]], [[DOWN, UP, UP]]
    pooled = update(learner, mind([1.0, 0.0, -1.0]), lived([[*one, *other]], [[2.0, -1.0]]))
    alone = [update(learner, mind([1.0, 0.0, -1.0]), lived([w], [[r]])) for w, r in ((one, 2.0), (other, -1.0))]
    np.testing.assert_allclose(
        pooled.trace["synapses"], (alone[0].trace["synapses"] + alone[1].trace["synapses"]) / 2, rtol=1e-6
    )


def test_updates_are_those_of_a_plain_loop_over_rounds_worlds_and_agents() -> None:
    rng = np.random.default_rng(0)
    learner = Trace(decay=0.9, explore=0.3, baseline=0.8)
    now, trace, usual = mind([0.0] * 4), np.zeros(4), 0.0
    for _ in range(5):
        actions, reward = rng.integers(0, 3, (2, 3, 4)), rng.normal(size=(2, 3))
        now = update(learner, now, lived(actions.tolist(), reward.tolist()))
        fresh = np.zeros(4)
        for t in range(2):
            for w in range(3):
                for i in range(4):
                    habit = 0.7 * np.sign(trace[i])
                    fresh[i] += 0.9 ** (1 - t) * (reward[t, w] - usual) * (actions[t, w, i] - 1 - habit) / 3
        trace, usual = 0.9**2 * trace + fresh, 0.8**2 * usual + (1 - 0.8**2) * reward.mean()
        np.testing.assert_allclose(now.trace["synapses"], trace, rtol=1e-4, atol=1e-6)
        assert float(now.usual) == pytest.approx(usual, rel=1e-5)


def test_agents_follow_the_sign_of_their_trace_but_for_exploration() -> None:
    groups = (group(30_000, histories=81),)
    start = Trace(explore=0.6).init(KEY, groups)
    third = jnp.array([0.01] * 10_000 + [0.0] * 10_000 + [-5.0] * 10_000)
    obs = {groups[0].name: jnp.zeros(30_000, jnp.uint8)}
    actions, _ = Trace(explore=0.6).act(KEY, start._replace(trace={groups[0].name: third}), obs, 0)
    for followed, part in zip((UP, STAY, DOWN), np.split(np.asarray(actions[groups[0].name]), 3), strict=True):
        shares = np.bincount(part, minlength=3) / 10_000
        expected = np.where(np.arange(3) == followed, 0.4 + 0.2, 0.2)
        np.testing.assert_allclose(shares, expected, atol=0.02)  # four standard errors


def test_the_scale_of_rewards_does_not_change_what_anyone_does() -> None:
    transition = lived([[[UP, STAY, DOWN]], [[UP, UP, UP]]], [[1.0], [-2.0]])
    scaled = lived([[[UP, STAY, DOWN]], [[UP, UP, UP]]], [[1024.0], [-2048.0]])
    small, large = (update(Trace(), mind([0.0, 0.0, 0.0]), one) for one in (transition, scaled))
    obs = {"synapses": jnp.zeros(3, jnp.uint8)}
    assert same_bits(Trace().act(KEY, small, obs, 0), Trace().act(KEY, large, obs, 0))


def test_agents_with_other_actions_are_refused() -> None:
    assert "three actions" in refused(lambda: Trace().init(KEY, (group(5, actions=4),)))


@pytest.mark.parametrize("name", ["decay", "explore", "baseline"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    assert f"{name} must lie in [0, 1]" in refused(lambda: Trace(**{name: 1.5}))
