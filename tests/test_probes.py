from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from synagents.learners.uniform import Uniform
from synagents.loop import advance, begin
from synagents.probes import PROBES, Round, action_mix, alignment, occupancy
from synagents.world import Outcome, World, flat

KEY = jax.random.key(0)
WORLD = synapse_v0.world("xor", hidden=(3,), step_size=0.01, interval=0, init_scale=0.5)
LOSS = jax.jit(WORLD.loss)
SIZES = {group.name: group.size for group in WORLD.groups}


def round_of(before: Any = None, after: Any = None, obs: Any = None, actions: Any = None) -> Round:
    never = jnp.bool_(False)
    return Round(before, after, obs or {}, actions or {}, {}, Outcome({}, never, never, {}), None, (), 0)


def of_all(values: list[int]) -> dict[str, Any]:
    """One value per agent in flat order, by group."""
    ends = np.cumsum(list(SIZES.values()))[:-1]
    return dict(zip(SIZES, (jnp.asarray(part) for part in np.split(np.array(values, np.uint8), ends)), strict=True))


def test_the_action_mix_is_the_share_of_each_action_in_each_group() -> None:
    actions = of_all([0, 0, 0, 1, 1, 2] + [2, 2, 2] + [1] * 6 + [0, 2])
    mix = {name: shares.tolist() for name, shares in action_mix(WORLD, round_of(actions=actions)).items()}
    assert mix["layer0_weight"] == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert mix["layer0_bias"] == [0, 0, 1] and mix["layer1_weight"] == [0, 1, 0] and mix["layer1_bias"] == [0.5, 0, 0.5]


def test_occupancy_is_the_share_of_all_agents_in_each_history() -> None:
    codes = of_all([40] * 10 + [80] * 6 + [0])
    shares = np.asarray(occupancy(WORLD, round_of(obs=codes)))
    assert shares.shape == (81,) and shares.sum() == pytest.approx(1)
    assert (shares[40], shares[80], shares[0]) == pytest.approx((10 / 17, 6 / 17, 1 / 17))


def moved(direction: Any) -> Round:
    """A round in which the weights moved by 0.01 along a direction, given the state before."""
    before = WORLD.reset(KEY)
    step = direction(before)
    after = before._replace(weights=jax.tree.map(lambda w, d: w + 0.01 * d, before.weights, step))
    return round_of(before, after)


def slope(state: Any) -> Any:
    return jax.jit(jax.grad(WORLD.loss))(state.weights, state.task)


def test_alignment_is_one_down_the_gradient_and_minus_one_up_it() -> None:
    down = moved(lambda state: jax.tree.map(jnp.negative, slope(state)))
    assert float(alignment(WORLD, down)) == pytest.approx(1, abs=1e-3)
    assert float(alignment(WORLD, moved(slope))) == pytest.approx(-1, abs=1e-3)


def test_alignment_of_a_team_that_stays_is_zero() -> None:
    assert float(alignment(WORLD, moved(lambda state: jax.tree.map(jnp.zeros_like, state.weights)))) == 0


def test_alignment_agrees_with_finite_differences() -> None:
    rng = np.random.default_rng(0)
    direction = {group.name: jnp.asarray(rng.normal(size=group.shape), jnp.float32) for group in WORLD.groups}
    seen = moved(lambda state: direction)
    weights, task = seen.before.weights, seen.before.task
    gradient = []
    for group in WORLD.groups:
        for i in range(group.size):
            nudge = np.zeros(group.size, np.float32)
            nudge[i] = 1e-2
            up, down = (
                weights | {group.name: weights[group.name] + sign * nudge.reshape(group.shape)} for sign in (1, -1)
            )
            gradient.append((float(LOSS(up, task)) - float(LOSS(down, task))) / 2e-2)
    move = np.asarray(flat(direction, WORLD.groups))
    cosine = -np.dot(gradient, move) / (np.linalg.norm(gradient) * np.linalg.norm(move))
    assert abs(cosine) > 0.05
    assert float(alignment(WORLD, seen)) == pytest.approx(cosine, abs=5e-3)


LEARNER = QTable(adaptive=True)


def weights_before(world: World, seen: Round) -> Any:
    return seen.before.weights["layer0_bias"]


def everything_known(world: World, seen: Round) -> Any:
    return {"best": LEARNER.action_values(seen.mind).max(), "loss": seen.outcome.info["loss"], "t": seen.t}


def test_probes_are_recorded_under_their_names_for_every_run_and_world() -> None:
    run = begin(KEY, WORLD, LEARNER, num_runs=2, num_worlds=3)
    probes = (*PROBES.values(), weights_before, everything_known)
    later, history = advance(run, 6, probes=probes, probe_interval=2)
    assert set(history.probes) == {*PROBES, "weights_before", "everything_known"}
    assert history.probed.tolist() == [0, 2, 4]
    assert history.probes["occupancy"].shape == (2, 3, 3, 81)
    np.testing.assert_array_equal(history.probes["weights_before"][:, 0], run.state.weights["layer0_bias"])
    # In round 0 every agent has the history of one that has neither acted nor been rewarded.
    assert history.probes["occupancy"][:, 0, :, 40] == pytest.approx(1)
    np.testing.assert_allclose(history.probes["occupancy"].sum(-1), 1, rtol=1e-6)
    # A probed round is the round that is played.
    assert history.probes["everything_known"]["t"][0, :, 0].tolist() == [0, 2, 4]
    np.testing.assert_allclose(history.probes["everything_known"]["loss"], history.info["loss"][:, ::2], rtol=1e-6)
    assert history.probes["action_mix"]["layer1_bias"].shape == (2, 3, 3, 3)
    assert np.abs(history.probes["alignment"]).max() <= 1 + 1e-6
    assert later.t == 6


def test_a_random_team_is_aligned_with_nothing_on_average() -> None:
    run = begin(KEY, WORLD, Uniform(), num_runs=8)
    _, history = advance(run, 500, probes=(alignment,), probe_interval=1)
    cosines = np.asarray(history.probes["alignment"])
    assert abs(cosines.mean()) < 4 / np.sqrt(cosines.size * sum(SIZES.values()) / 3)
