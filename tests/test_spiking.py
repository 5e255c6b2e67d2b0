from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import preset
from synagents.loop import advance, evaluate
from synagents.networks.spiking import Spiking, fired
from tests.claims import refused, same_bits

KEY = jax.random.key(0)
ALL = {"self_recurrence": True, "skips": True, "intrinsic": True}


def one_unit(**options: Any) -> tuple[Spiking, Any]:
    """A hidden unit and a leaky output behind weights of 1; inputs arrive as they are."""
    network = Spiking((4, 1), 1, hidden=(1,), synapse=1.0, membrane=2.0, window=4, **options)
    params = {name: jnp.zeros_like(array) for name, array in network.init(KEY).items()}
    return network, params | {name: jnp.ones((1, 1)) for name in ("layer0_weight", "layer1_weight")}


def test_a_membrane_leaks_fires_above_one_and_begins_anew() -> None:
    network, params = one_unit()
    hidden, out = network.layers(params, jnp.array([[[0.75], [0.75], [0.75], [0.25]]]))
    # u: .75, .375 + .75 = 1.125 fires, .75, .375 + .25 = .625
    assert hidden[:, 0, 0].tolist() == [0, 1, 0, 0]
    assert out[:, 0, 0].tolist() == [0, 1, 0.5, 0.25]
    assert float(network.apply(params, jnp.array([[[0.75], [0.75], [0.75], [0.25]]]))[0, 0]) == 1.75 / 4


def test_a_unit_hears_its_own_last_current_where_it_has_a_loop() -> None:
    network, params = one_unit(self_recurrence=True)
    hidden, _ = network.layers(params | {"layer0_loop": jnp.full(1, 2.0)}, jnp.array([[[1.5], [0.0], [0.0], [0.0]]]))
    assert hidden[:, 0, 0].tolist() == [1, 1, 1, 1]


def test_a_step_has_the_derivative_of_a_logistic_function_that_is_largest_at_the_threshold() -> None:
    slope = jax.vmap(jax.grad(fired))(jnp.array([0.0, 0.8, 1.0, 1.2, 2.0]))
    assert fired(jnp.array([0.5, 1.0, 1.5])).tolist() == [0, 0, 1]
    assert float(slope[2]) == pytest.approx(1 / (4 * 0.2)) and float(slope[1]) == pytest.approx(
        float(slope[3]), rel=1e-5
    )
    assert slope[0] < slope[1] < slope[2]


@pytest.mark.parametrize("readout", ["leaky", "spikes"])
@pytest.mark.parametrize("options", [{}, {"self_recurrence": True}, {"skips": True}, {"intrinsic": True}, ALL])
def test_the_network_is_that_of_a_plain_loop_over_steps_and_units(options: dict[str, bool], readout: str) -> None:
    network = Spiking((6, 3), 2, hidden=(4, 5), window=3, readout=readout, **options)  # type: ignore[arg-type]
    keys = jax.random.split(KEY, 20)
    params = {
        name: array + 0.2 * jax.random.normal(keys[index], array.shape)
        for index, (name, array) in enumerate(network.init(KEY).items())
    }
    x = np.asarray(jax.random.uniform(KEY, (3, 6, 3)), np.float64)
    p = {name: np.asarray(array, np.float64) for name, array in params.items()}
    passed = np.zeros((3, 3, 3))[:, 0]
    units = (4, 5, 2)
    u, a = [np.zeros((3, n)) for n in units], [np.zeros((3, n)) for n in units]
    read = []
    for t in range(6):
        passed = passed + (x[:, t] - passed) / 3
        arrived = [passed]
        for layer, _ in enumerate(units):
            now = arrived[layer] @ p[f"layer{layer}_weight"]
            if network.skips and layer:
                now = now + arrived[layer - 1] @ p[f"layer{layer}_skip"]
            tau, gain = 5.0, 1.0
            if network.intrinsic:
                rho = np.log(np.expm1(4.0))
                tau = 1 + np.log1p(np.exp(rho + 5 * p[f"layer{layer}_leak"]))
                gain = np.exp(5 * p[f"layer{layer}_gain"])
            own = p[f"layer{layer}_loop"] * a[layer] if network.self_recurrence else 0.0
            u[layer] = (1 - 1 / tau) * u[layer] + gain * (now + own)
            if layer == 2 and readout == "leaky":
                a[layer] = u[layer]
            else:
                spike = (u[layer] > 1).astype(float)
                u[layer] *= 1 - spike
                a[layer] = a[layer] + (spike - a[layer]) / 3
            arrived.append(a[layer])
        read.append(a[2].copy())
    expected = np.mean(read[-3:], axis=0) * (10 if readout == "spikes" else 1)
    np.testing.assert_allclose(network.apply(params, jnp.asarray(x, jnp.float32)), expected, rtol=1e-3, atol=1e-4)


def test_loops_skips_and_intrinsic_numbers_are_groups_of_agents_and_begin_as_if_they_were_not_there() -> None:
    plain, whole = (Spiking((6, 3), 2, hidden=(4,), **options) for options in ({}, ALL))
    x = jax.random.uniform(KEY, (5, 6, 3))
    np.testing.assert_allclose(plain.apply(plain.init(KEY), x), whole.apply(whole.init(KEY), x), rtol=1e-5)
    names = set(Spiking((6, 3), 2, hidden=(4,), **ALL).init(KEY))
    of_each = {f"layer{layer}_{name}" for layer in (0, 1) for name in ("weight", "loop", "leak", "gain")}
    assert names == of_each | {"layer1_skip"}


def test_hidden_weights_may_be_larger_which_with_batch_norm_changes_nothing_at_first() -> None:
    usual, own = (Spiking((6, 3), 2, hidden=(4,), norm="batch", hidden_scale=scale) for scale in (1.0, 100.0))
    params, larger = usual.init(KEY), own.init(KEY)
    np.testing.assert_allclose(larger["layer0_weight"], 100 * params["layer0_weight"], rtol=1e-5)
    assert same_bits(larger["layer1_weight"], params["layer1_weight"])
    x = jax.random.uniform(KEY, (50, 6, 3))
    np.testing.assert_allclose(usual.apply(params, x), own.apply(larger, x), atol=0.02)


def test_a_sample_of_one_axis_is_shown_in_every_step() -> None:
    flat, rows = Spiking((3,), 2, hidden=(4,), exposure=5), Spiking((5, 3), 2, hidden=(4,))
    params, x = flat.init(KEY), jax.random.uniform(KEY, (2, 3))
    assert same_bits(flat.apply(params, x), rows.apply(params, jnp.repeat(x[:, None], 5, axis=1)))
    assert flat.sizes == rows.sizes == (3, 4, 2)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"in_shape": ()}, "an axis"),
        ({"hidden": (0,)}, "hidden is"),
        ({"membrane": 1.0}, "membrane"),
        ({"synapse": 0.5}, "synapse"),
        ({"window": 0}, "window"),
        ({"exposure": 0}, "exposure"),
        ({"init_scale": -1.0}, "init_scale must"),
        ({"hidden_scale": -1.0}, "hidden_scale must"),
    ],
)
def test_numbers_out_of_range_are_refused_in_one_sentence(options: dict[str, Any], hint: str) -> None:
    assert hint in refused(lambda: Spiking(**{"in_shape": (4, 2), "out_size": 2, **options}))


def test_agents_train_it_row_by_row_and_uniform_agents_do_not(optimized: None) -> None:
    shared: dict[str, Any] = {"network": "spiking", "hidden": (48,), "batch_size": 500, "interval": 100}
    shared |= {"step_size": "exponential:2e-2:2e-3", "rounds": 3_000}
    spec, control = preset("digits", "trace", trace_decay=0.98, **shared), preset("digits", "uniform", **shared)
    assert spec.world.network.sizes == (8, 48, 10)
    reached = [float(evaluate(advance(each.begin(), 3_000)[0])["accuracy"][0, 0]) for each in (spec, control)]
    assert reached[0] > 0.3 and reached[1] < 0.2
