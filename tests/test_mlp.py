import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.networks.mlp import MLP
from tests.claims import refused
from tests.oracle import forward

KEY = jax.random.key(0)


def test_a_hidden_layer_is_activated_and_the_last_is_linear_by_hand() -> None:
    params = {
        "layer0_weight": jnp.array([[1.0, -1.0]]),
        "layer0_bias": jnp.array([0.5, 0.5]),
        "layer1_weight": jnp.array([[2.0], [3.0]]),
        "layer1_bias": jnp.array([-10.0]),
    }
    # x = 1: hidden relu(1.5), relu(-0.5); out 2 * 1.5 - 10
    assert MLP((1, 2, 1)).apply(params, jnp.array([[1.0]])).tolist() == [[-7.0]]
    assert MLP((1, 2, 1), "identity").apply(params, jnp.array([[1.0]])).tolist() == [[-8.5]]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity"])
def test_every_activation_is_what_its_name_says(activation: str) -> None:
    network = MLP((3, 4, 2), activation, init_scale=1.0)  # type: ignore[arg-type]
    params, x = network.init(KEY), jax.random.normal(KEY, (5, 3))
    expected = forward({name: np.asarray(w) for name, w in params.items()}, np.asarray(x), activation)
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-5, atol=1e-6)


def test_parameters_are_made_layer_by_layer() -> None:
    params = MLP((3, 4, 2)).init(KEY)
    assert {name: array.shape for name, array in params.items()} == {
        "layer0_weight": (3, 4),
        "layer0_bias": (4,),
        "layer1_weight": (4, 2),
        "layer1_bias": (2,),
    }
    assert list(params) == ["layer0_weight", "layer0_bias", "layer1_weight", "layer1_bias"]


def test_weights_start_within_the_scale_and_biases_at_zero() -> None:
    params = MLP((50, 40), init_scale=0.3).init(KEY)
    assert 0.29 < float(jnp.abs(params["layer0_weight"]).max()) <= 0.3
    assert not params["layer0_bias"].any()


def test_inputs_of_any_shape_are_flattened() -> None:
    network = MLP((6, 2))
    x = jnp.arange(12.0).reshape(2, 2, 3)
    assert network.apply(network.init(KEY), x).shape == (2, 2)


@pytest.mark.parametrize("sizes", [(), (3,), (0, 2), (3, 0, 2), (3, 2.5), (3, -1)])
def test_a_network_needs_an_input_an_output_and_units(sizes: tuple[int, ...]) -> None:
    assert "at least one unit" in refused(lambda: MLP(sizes))


def test_an_unknown_activation_is_refused_with_those_there_are() -> None:
    assert "activation must be one of relu, tanh, sigmoid, identity" in refused(lambda: MLP((3, 2), "sigmoids"))  # type: ignore[arg-type]
