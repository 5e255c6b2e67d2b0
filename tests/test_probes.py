from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.agents.plasticity import Felt
from synagents.agents.units import Fired
from synagents.envs import plastic_v0, synapse_v0, unit_v0
from synagents.learners.synapse.q_table import QTable
from synagents.learners.uniform import Uniform
from synagents.learners.unit.backprop import Backprop
from synagents.learners.unit.reinforce import Reinforce
from synagents.loop import advance, begin
from synagents.probes import (
    Round,
    action_autocorrelation,
    action_entropy,
    action_mix,
    alignment,
    firing_rate,
    flip_rate,
    layer_alignment,
    modulator,
    occupancy,
    score_variance,
    step_length,
    trace_saturation,
    trace_spread,
    weight_spread,
)
from synagents.world import Outcome, World, flat

KEY = jax.random.key(0)
WORLD = synapse_v0.world("xor", hidden=(3,), step_size=0.01, interval=0, init_scale=0.5)
LOSS = jax.jit(WORLD.loss)
OF_SYNAPSES = (
    action_mix,
    action_entropy,
    action_autocorrelation,
    flip_rate,
    occupancy,
    alignment,
    layer_alignment,
    step_length,
    weight_spread,
)
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


def test_layers_are_aligned_each_for_itself() -> None:
    """The first layer's weights go down the gradient, the second's up it, and biases stay."""
    way = {"layer0_weight": -1.0, "layer1_weight": 1.0, "layer0_bias": 0.0, "layer1_bias": 0.0}
    seen = moved(lambda state: {name: way[name] * own for name, own in slope(state).items()})
    told = {name: float(own) for name, own in layer_alignment(WORLD, seen).items()}
    assert told == pytest.approx(way | {"layer0_weight": 1, "layer1_weight": -1}, abs=1e-3)


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


def test_entropy_is_in_bits_and_zero_where_all_agree() -> None:
    actions = of_all([0, 0, 1, 1, 2, 2, 2, 2, 2, 0, 0, 0, 1, 1, 1, 0, 0])
    entropy = action_entropy(WORLD, round_of(actions=actions))
    bits = [float(entropy[name]) for name in SIZES]
    assert bits == pytest.approx([np.log2(3), 0, 1, 0], abs=1e-6)


def codes_after(last: list[int]) -> dict[str, Any]:
    """Histories of two rounds in which the last action is given, and the rewards and the action before are 0."""
    return of_all([27 * 1 + 9 * action + 4 for action in last])


def test_flips_are_actions_that_differ_from_the_last_one_in_the_history() -> None:
    last, now = [0, 1, 2, 0, 1, 2] + [1] * 3 + [0] * 8, [0, 1, 2, 1, 2, 0] + [1] * 3 + [2] * 8
    rates = flip_rate(WORLD, round_of(obs=codes_after(last), actions=of_all(now)))
    assert [float(rates[name]) for name in SIZES] == [0.5, 0, 1, 1]


def test_autocorrelation_agrees_with_numpy_and_is_one_for_a_team_that_repeats() -> None:
    rng = np.random.default_rng(0)
    last, now = rng.integers(0, 3, (2, sum(SIZES.values())))
    seen = action_autocorrelation(WORLD, round_of(obs=codes_after(list(last)), actions=of_all(list(now))))
    n = SIZES["layer0_weight"]
    assert float(seen["layer0_weight"]) == pytest.approx(np.corrcoef(last[:n], now[:n])[0, 1], abs=1e-5)
    again = action_autocorrelation(WORLD, round_of(obs=codes_after(list(last)), actions=of_all(list(last))))
    assert float(again["layer0_weight"]) == pytest.approx(1)


def test_weights_that_step_by_a_hundredth_have_that_step_length() -> None:
    seen = moved(lambda state: jax.tree.map(jnp.ones_like, state.weights))
    assert [float(each) for each in step_length(WORLD, seen).values()] == pytest.approx([0.01] * 4, rel=1e-4)


def test_the_spread_of_weights_is_that_of_numpy() -> None:
    before = WORLD.reset(KEY)
    weights = np.asarray(before.weights["layer0_weight"])
    seen = {name: float(x) for name, x in weight_spread(WORLD, round_of(before))["layer0_weight"].items()}
    low, median, high = np.quantile(weights, [0.05, 0.5, 0.95])
    expected = {"mean": weights.mean(), "deviation": weights.std(), "low": low, "median": median, "high": high}
    assert seen == pytest.approx(expected | {"root_mean_square": np.sqrt((weights**2).mean())}, abs=1e-6)


def test_the_probes_of_plastic_synapses_read_traces_and_the_modulator() -> None:
    blank = jnp.zeros((1, 1))
    trace, gate = jnp.array([[-1.0, 1], [1, -1]]), jnp.array([[0.5]])
    felt = Felt(pre=blank, post=blank, trace=trace, eligibility=blank, modulator=gate, threshold=blank)
    seen = round_of(obs={"recurrent": felt})
    traces, told = trace_spread(WORLD, seen)["recurrent"], modulator(WORLD, seen)["recurrent"]
    assert (float(traces["mean"]), float(traces["deviation"]), float(traces["kurtosis"])) == (0, 1, 1)
    assert {name: float(x) for name, x in told.items()} == {"mean": 0.5, "deviation": 0, "positive": 1}


def test_traces_within_five_percent_of_the_worlds_limit_are_saturated() -> None:
    blank, world = jnp.zeros((1, 1)), plastic_v0.world("cue", units=2, limit=0.5)
    trace = jnp.array([[-0.5, 0.48], [0.47, 0]])  # 100, 96 and 94 % of the limit
    felt = Felt(pre=blank, post=blank, trace=trace, eligibility=blank, modulator=blank, threshold=blank)
    assert float(trace_saturation(world, round_of(obs={"recurrent": felt}))["recurrent"]) == 0.5
    with pytest.raises(ValueError, match="these have none: leave it out"):
        trace_saturation(WORLD, round_of(obs={"recurrent": felt}))


UNITS = unit_v0.world("multiplexer", hidden=(4,), units="bit", output="unit")


def drawn(potentials: list[float], fired: list[int], temperature: float) -> Round:
    """A round of four hidden units and an output unit, which all drew from these potentials."""
    noted = {
        "hidden0": Fired(jnp.array(potentials), jnp.float32(1)),
        "output": Fired(jnp.zeros(1), jnp.float32(temperature)),
    }
    actions = {"hidden0": jnp.array(fired, jnp.uint8), "output": jnp.ones(1, jnp.uint8)}
    return round_of(actions=actions)._replace(extras={0: {"hidden0": noted["hidden0"]}, 1: {"output": noted["output"]}})


def test_the_score_of_a_unit_that_fires_with_a_chance_is_its_firing_less_the_chance() -> None:
    three_to_one = float(np.log(3))  # fires three times in four
    seen = score_variance(UNITS, drawn([0, 0, three_to_one, three_to_one], [0, 1, 1, 0], 0.5))
    assert float(seen["hidden0"]) == pytest.approx((0.5**2 + 0.5**2 + 0.25**2 + 0.75**2) / 4)
    assert float(seen["output"]) == pytest.approx((0.5 / 0.5) ** 2)  # the temperature divides the score


def test_the_mean_variance_of_scores_over_rounds_is_that_of_the_draws() -> None:
    run = begin(0, UNITS, Reinforce(learning_rate=(0.0,)), num_worlds=64)
    _, history = advance(run, 200, probes=(score_variance, firing_rate), probe_interval=1)
    scores = {name: np.asarray(own).mean() for name, own in history.probes["score_variance"].items()}
    # Weights are small at first, so that p (1 - p) is near 1/4; certain units, the control, have 0.
    assert 0.15 < scores["hidden0"] < 0.25 and 0.15 < scores["output"] < 0.26
    certain = score_variance(UNITS, drawn([-40, 40, -40, 40], [0, 1, 0, 1], 1))
    assert float(certain["hidden0"]) == pytest.approx(0, abs=1e-6)


def test_layers_that_draw_nothing_have_no_scores() -> None:
    world = unit_v0.world("multiplexer", hidden=(4,), units="gaussian")
    _, history = advance(begin(0, world, Backprop()), 2, probes=(score_variance,), probe_interval=1)
    assert set(history.probes["score_variance"]) == {"output"}


@pytest.mark.parametrize("probe", [firing_rate, score_variance, trace_spread, trace_saturation, modulator])
def test_a_probe_of_another_family_says_to_leave_it_out(probe: Any) -> None:
    with pytest.raises(ValueError, match="leave it out"):
        probe(WORLD, round_of(obs=of_all([40] * 17), actions=of_all([0] * 17)))


LEARNER = QTable(adaptive=True)


def weights_before(world: World, seen: Round) -> Any:
    return seen.before.weights["layer0_bias"]


def everything_known(world: World, seen: Round) -> Any:
    return {"best": LEARNER.action_values(seen.mind).max(), "loss": seen.outcome.info["loss"], "t": seen.t}


def test_probes_are_recorded_under_their_names_for_every_run_and_world() -> None:
    run = begin(KEY, WORLD, LEARNER, num_runs=2, num_worlds=3)
    probes = (*OF_SYNAPSES, weights_before, everything_known)
    later, history = advance(run, 6, probes=probes, probe_interval=2)
    assert set(history.probes) == {probe.__name__ for probe in probes}
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
