import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import Levels, Quantized
from synagents.networks.mlp import MLP
from synagents.networks.quantized import rounded
from tests.claims import refused, same_bits

KEY = jax.random.key(0)


def test_one_bit_is_the_sign_and_zero_counts_as_positive() -> None:
    assert rounded(jnp.array([-2.0, -0.1, 0.0, 0.1, 2.0]), 1).tolist() == [-1, -1, 1, 1, 1]


def test_two_bits_are_four_even_levels() -> None:
    x = jnp.array([-9.0, -0.7, -0.6, -0.1, 0.1, 0.6, 0.7, 9.0])
    np.testing.assert_allclose(rounded(x, 2), np.array([-3, -3, -1, -1, 1, 1, 3, 3]) / 3, rtol=1e-6)


def test_eight_bits_are_256_levels_and_32_are_no_rounding() -> None:
    x = jnp.linspace(-1.2, 1.2, 10_001)
    assert len(np.unique(np.asarray(rounded(x, 8)))) == 256
    assert float(jnp.abs(rounded(x, 8) - jnp.clip(x, -1, 1)).max()) <= 1 / 255 + 1e-6
    assert same_bits(rounded(x, 32), jnp.clip(x, -1, 1))


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_the_rounding_lets_gradients_through_within_one_of_zero_and_nowhere_else(bits: int) -> None:
    x = jnp.array([-1.5, -0.5, 0.0, 0.9, 1.1])
    assert jax.grad(lambda x: (rounded(x, bits) * jnp.arange(1.0, 6)).sum())(x).tolist() == [0, 2, 3, 4, 0]


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(1, 1), (2, 1), (1, 2), (3, 32), (32, 1), (32, 32)])
def test_the_network_is_that_of_a_plain_loop_over_layers(weight_bits: int, activation_bits: int) -> None:
    network = Quantized((5, 4, 4, 3), weight_bits, activation_bits)
    params, x = network.init(KEY), np.asarray(jax.random.normal(KEY, (7, 5)), np.float64)

    def q(v: np.ndarray, bits: int) -> np.ndarray:
        clipped = np.clip(v, -1, 1)
        return clipped if bits == 32 else np.floor((2**bits - 1) * (clipped + 1) / 2 + 0.5) * 2 / (2**bits - 1) - 1

    h = x
    for layer, (fan_in, fan_out) in enumerate(((5, 4), (4, 4), (4, 3))):
        bound = np.sqrt(1.5 / (fan_in + fan_out))
        weight = np.asarray(params[f"layer{layer}_weight"], np.float64) / bound
        u = h @ (bound * (weight if weight_bits == 32 else q(weight, weight_bits)))
        normed = (u - u.mean(axis=0)) / np.sqrt(u.var(axis=0) + 1e-4 * bound**2)
        h = normed if layer == 2 else q(normed, activation_bits)
    np.testing.assert_allclose(network.apply(params, jnp.asarray(x, jnp.float32)), h, rtol=1e-3, atol=1e-4)


def test_fresh_weights_lie_within_the_bound_that_the_rounding_sees() -> None:
    network = Quantized((30, 20, 10))
    for name, (fan_in, fan_out) in (("layer0_weight", (30, 20)), ("layer1_weight", (20, 10))):
        bound = np.sqrt(1.5 / (fan_in + fan_out))
        weight = np.asarray(network.init(KEY)[name])
        assert weight.shape == (fan_in, fan_out) and 0.9 * bound < np.abs(weight).max() <= bound


def test_weights_are_brought_back_within_their_bound_only_where_they_are_rounded() -> None:
    far = {"layer0_weight": jnp.array([[9.0], [-9.0], [0.1]])}
    bound = np.float32(np.sqrt(1.5 / 4))
    np.testing.assert_allclose(Quantized((3, 1)).project(far)["layer0_weight"][:, 0], [bound, -bound, 0.1], rtol=1e-6)
    assert Quantized((3, 1), weight_bits=32).project(far) is far
    assert MLP((3, 1)).project(far) is far


def test_a_weight_of_k_bits_has_2_to_the_k_levels_that_the_rounding_leaves_as_they_are() -> None:
    for bits in (1, 2, 3):
        network = Quantized((4, 2), weight_bits=bits)
        levels = network.levels()["layer0_weight"]
        assert levels.size == 2**bits and levels.high == -levels.low == pytest.approx(np.sqrt(1.5 / 6))
        every = levels.at(jnp.arange(2**bits))
        np.testing.assert_allclose(rounded(every / levels.high, bits), every / levels.high, atol=1e-6)
    assert Quantized((4, 2), weight_bits=32).levels() == {} == MLP((4, 2)).levels()


def test_a_number_is_nearest_to_the_level_that_it_is_closest_to() -> None:
    levels = Levels(-1.0, 1.0, 3)
    assert levels.nearest(jnp.array([-5.0, -0.6, -0.4, 0.4, 0.6, 5.0])).tolist() == [0, 0, 1, 1, 2, 2]
    assert levels.at(jnp.arange(3)).tolist() == [-1, 0, 1]


@pytest.mark.parametrize("bits", [0, 9, 1.0, True, None])
def test_bits_are_1_to_8_or_32(bits: object) -> None:
    for name in ("weight_bits", "activation_bits"):
        assert name in refused(lambda name=name: Quantized((4, 2), **{name: bits}))  # type: ignore[misc]
