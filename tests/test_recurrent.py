"""Recurrent networks that answer at the end of a sample, against a plain loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import preset
from synagents.loop import advance, evaluate
from synagents.networks.recurrent import Recurrent
from tests.claims import refused

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_units_step_through_a_sample_and_the_last_step_is_read_out_with_what_was_seen_in_it() -> None:
    network = Recurrent((4, 3), 2, units=6, skip=True)
    params = network.init(KEY) | {"skip_weight": jax.random.normal(KEY, (3, 2))}
    p = {name: np.asarray(array) for name, array in params.items()}
    h = np.zeros((5, 6))
    for t in range(4):
        h = np.tanh(X[:, t] @ p["input_weight"] + p["input_bias"] + h @ p["recurrent_weight"])
    out = h @ p["output_weight"] + p["output_bias"] + X[:, 3] @ p["skip_weight"]
    np.testing.assert_allclose(network.apply(params, jnp.asarray(X)), out, rtol=1e-4, atol=1e-5)


def test_a_long_short_term_memory_is_read_out_after_its_last_step() -> None:
    network = Recurrent((4, 3), 2, cell="lstm", units=6)
    p = {name: np.asarray(array) for name, array in network.init(KEY).items()}
    h = c = np.zeros((5, 6))
    for t in range(4):
        gates, candidate = np.split(X[:, t] @ p["input_weight"] + p["input_bias"], [18], axis=1)
        forget, enter, leave = np.split(sigmoid(gates + h @ p["gates_weight"]), 3, axis=1)
        c = forget * c + enter * np.tanh(candidate + h @ p["recurrent_weight"])
        h = leave * np.tanh(c)
    out = h @ p["output_weight"] + p["output_bias"]
    np.testing.assert_allclose(network.apply(network.init(KEY), jnp.asarray(X)), out, rtol=1e-4, atol=1e-5)


def test_a_skip_begins_as_if_it_was_not_there() -> None:
    plain, direct = (Recurrent((4, 3), 2, units=6, skip=skip) for skip in (False, True))
    assert set(direct.init(KEY)) - set(plain.init(KEY)) == {"skip_weight"}
    np.testing.assert_array_equal(plain.apply(plain.init(KEY), X), direct.apply(direct.init(KEY), X))


@pytest.mark.parametrize(
    ("cell", "units", "step_size"), [("rate", 32, "exponential:5e-3:5e-4"), ("lstm", 16, "exponential:2e-2:2e-3")]
)
def test_agents_teach_it_to_read_digits_row_by_row_and_random_ones_do_not(
    cell: str, units: int, step_size: str
) -> None:
    def taught(learner: str) -> float:
        about: dict[str, Any] = {"cell": cell, "units": units, "step_size": step_size, "batch_size": 100}
        spec = preset("digits", learner, network="recurrent", rounds=4_000, **about)
        run = spec.begin()
        run, _ = advance(run, 4_000)
        return evaluate(run)["accuracy"].item()

    assert taught("team-q") > 0.55 > 0.3 > taught("uniform")


def test_a_flat_sample_and_a_layer_without_units_are_refused() -> None:
    assert "(steps, numbers)" in refused(lambda: Recurrent((4,), 2))
    assert "units" in refused(lambda: Recurrent((4, 3), 2, units=0))
    assert "cell" in refused(lambda: Recurrent((4, 3), 2, cell="gru"))  # type: ignore[arg-type]
