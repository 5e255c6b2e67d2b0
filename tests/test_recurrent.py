"""The recurrent network: rows in time, held to a plain loop, and trained by agents that never see a derivative."""

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


def test_a_rate_network_of_one_unit_hears_its_last_activity() -> None:
    network = Recurrent((2, 1), 1, units=1)
    params = {name: jnp.zeros_like(array) for name, array in network.init(KEY).items()}
    params |= {"input_weight": jnp.ones((1, 1)), "recurrent_weight": jnp.full((1, 1), 2.0)}
    params |= {"readout_weight": jnp.full((1, 1), 3.0), "readout_bias": jnp.ones(1)}
    out = network.apply(params, jnp.array([[[0.5], [0.25]]]))
    assert float(out[0, 0]) == pytest.approx(3 * np.tanh(0.25 + 2 * np.tanh(0.5)) + 1, rel=1e-6)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("cell", ["rate", "lstm"])
def test_the_network_is_that_of_a_plain_loop_over_samples_and_rows(cell: Any) -> None:
    network = Recurrent((5, 2, 3), 4, cell=cell, units=7)
    params = network.init(KEY)
    p = {name: np.asarray(array, np.float64) for name, array in params.items()}
    samples = np.asarray(jax.random.normal(KEY, (3, 5, 2, 3)))
    answers = []
    for sample in samples.astype(np.float64):
        h, c = np.zeros(7), np.zeros(7)
        for row in sample.reshape(5, 6):
            arrived = row @ p["input_weight"] + p["input_bias"]
            if cell == "rate":
                h = np.tanh(arrived + h @ p["recurrent_weight"])
            else:
                forget, enter, leave = np.split(sigmoid(arrived[:21] + h @ p["gates_weight"]), 3)
                c = forget * c + enter * np.tanh(arrived[21:] + h @ p["recurrent_weight"])
                h = leave * np.tanh(c)
        answers.append(h @ p["readout_weight"] + p["readout_bias"])
    np.testing.assert_allclose(network.apply(params, jnp.asarray(samples)), answers, rtol=2e-4, atol=2e-5)


def test_a_sample_of_one_axis_is_read_in_one_step() -> None:
    flat, row = Recurrent((6,), 2, units=3), Recurrent((1, 6), 2, units=3)
    x = jax.random.normal(KEY, (4, 6))
    assert flat.sizes == row.sizes == (6, 3, 2)
    assert (flat.apply(flat.init(KEY), x) == row.apply(row.init(KEY), x[:, None])).all()


@pytest.mark.parametrize(("cell", "step_size"), [("rate", "exponential:3e-3:3e-4"), ("lstm", "exponential:1e-2:1e-3")])
def test_agents_teach_it_to_read_digits_row_by_row_and_random_ones_do_not(cell: str, step_size: str) -> None:
    def taught(learner: str) -> float:
        spec = preset("digits", learner, network="recurrent", cell=cell, step_size=step_size, rounds=4_000)
        run = spec.begin()
        run, _ = advance(run, 4_000)
        return evaluate(run)["accuracy"].item()

    assert taught("team-q") > 0.55 > 0.3 > taught("uniform")


def test_what_cannot_be_is_refused() -> None:
    said = refused(lambda: Recurrent((4,), 2, cell="gru"))  # type: ignore[arg-type]
    assert said == "cell must be rate or lstm, but is 'gru'."
    assert "is read in no step" in refused(lambda: Recurrent((), 2))
    assert "units" in refused(lambda: Recurrent((4,), 2, units=0))
