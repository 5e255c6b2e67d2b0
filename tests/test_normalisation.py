import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.benchmark.optimizers import Problem
from synagents.benchmark.optimizers.node_perturbation import NodePerturbation
from synagents.envs.plastic_samples import PerturbedWorld
from synagents.networks.mlp import MLP
from synagents.networks.normalisation import batch_norm
from synagents.networks.spiking import Spiking
from synagents.tasks.datasets import digits
from synagents.world import Network
from tests.claims import refused, same_bits

KEY = jax.random.key(0)


def normed(u: np.ndarray) -> np.ndarray:
    return (u - u.mean(axis=0)) / np.sqrt(u.var(axis=0) + 1e-4)


def test_batch_norm_has_mean_0_and_variance_1_in_every_column() -> None:
    u = 5 + 3 * jax.random.normal(KEY, (200, 4))
    np.testing.assert_allclose(batch_norm(u).mean(axis=0), np.zeros(4), atol=1e-6)
    np.testing.assert_allclose(batch_norm(u).var(axis=0), np.ones(4), rtol=1e-3)
    np.testing.assert_allclose(batch_norm(u.reshape(10, 20, 4)).reshape(200, 4), batch_norm(u), atol=1e-5)


def test_a_perceptrons_hidden_sums_are_normalised_before_their_bias_is_added_and_its_outputs_are_not() -> None:
    network = MLP((3, 4, 4, 2), norm="batch")
    params = {name: w + jax.random.normal(KEY, w.shape) for name, w in network.init(KEY).items()}
    h = np.asarray(jax.random.normal(KEY, (6, 3)), np.float64)
    own = {name: np.asarray(w, np.float64) for name, w in params.items()}
    x = jnp.asarray(h, jnp.float32)
    for layer in range(2):
        h = np.maximum(normed(h @ own[f"layer{layer}_weight"]) + own[f"layer{layer}_bias"], 0)
    expected = h @ own["layer2_weight"] + own["layer2_bias"]
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-4, atol=1e-4)


def test_without_a_hidden_layer_there_is_nothing_to_normalise() -> None:
    plain, network = MLP((3, 2)), MLP((3, 2), norm="batch")
    params, x = plain.init(KEY), jax.random.normal(KEY, (5, 3))
    assert not network.normalises and same_bits(network.apply(params, x), plain.apply(params, x))


@pytest.mark.parametrize("network", [MLP((4, 3, 2), norm="batch"), Spiking((2, 2), 2, (3,), norm="batch")])
def test_the_scale_of_hidden_weights_does_not_matter_and_a_sample_depends_on_its_batch(network: Network) -> None:
    params, x = network.init(KEY), jax.random.normal(KEY, (8, 2, 2))
    larger = params | {"layer0_weight": 8 * params["layer0_weight"]}
    np.testing.assert_allclose(network.apply(larger, x), network.apply(params, x), rtol=0.05, atol=0.02)
    assert network.normalises
    assert not np.allclose(network.apply(params, x[:3]), network.apply(params, x)[:3], atol=1e-3)


def test_the_currents_of_a_normalised_spiking_layer_have_deviation_one_half() -> None:
    network = Spiking((5, 2), 2, (4,), norm="batch")
    params, x = network.init(KEY), jax.random.normal(KEY, (50, 5, 2))
    u = network.layers(params, x)[-1]  # membranes of the readout: u_t = .8 u_{t-1} + I_t
    currents = u.at[1:].add(-0.8 * u[:-1])
    np.testing.assert_allclose(currents.mean(axis=(0, 1)), np.zeros(2), atol=1e-5)
    np.testing.assert_allclose(currents.std(axis=(0, 1)), 0.5 * np.ones(2), rtol=2e-2)


def test_who_gives_credit_by_noise_in_every_sample_refuses_a_network_that_normalises() -> None:
    network, task = MLP((64, 8, 10), norm="batch"), digits()
    said = refused(lambda: NodePerturbation().init(KEY, Problem(network, task, 1)))
    assert said == refused(lambda: PerturbedWorld(network, task)) and "norm='none'" in said
