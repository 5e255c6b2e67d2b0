import math
from typing import Any

import jax.numpy as jnp
import pytest

from synagents.tasks import losses
from tests.claims import refused

OUT = jnp.array([[0.0, math.log(3.0)], [0.0, 0.0]])  # probabilities 1/4, 3/4 and 1/2, 1/2


def test_cross_entropy_is_the_mean_surprise_in_nats() -> None:
    expected = (math.log(4 / 3) + math.log(2)) / 2
    assert float(losses.cross_entropy(OUT, jnp.array([1, 0]))) == pytest.approx(expected)


def test_cross_entropy_takes_rows_of_probabilities_too() -> None:
    classes, rows = jnp.array([1, 0]), jnp.array([[0.0, 1.0], [1.0, 0.0]])
    assert float(losses.cross_entropy(OUT, rows)) == pytest.approx(float(losses.cross_entropy(OUT, classes)))


def test_mean_squared_error_is_over_batch_and_outputs() -> None:
    out, target = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0, 0.0], [3.0, 0.0]])
    assert float(losses.mean_squared_error(out, target)) == (4 + 16) / 4


def test_mean_squared_error_makes_classes_one_hot() -> None:
    assert float(losses.mean_squared_error(jnp.array([[0.0, 0.0]]), jnp.array([1]))) == 0.5


def test_the_p_norm_is_over_the_whole_batch_and_divided_by_its_size() -> None:
    out, target = jnp.array([[3.0], [4.0]]), jnp.zeros((2, 1))
    assert float(losses.PNorm()(out, target)) == 2.5
    assert float(losses.PNorm(1.0)(out, target)) == 3.5


def test_accuracy_is_the_share_of_largest_outputs_that_are_right() -> None:
    out = jnp.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert float(losses.accuracy(out, jnp.array([1, 0, 1, 0]))) == 0.75


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("cross-entropy", losses.cross_entropy),
        ("mean-squared-error", losses.mean_squared_error),
        ("p-norm", losses.PNorm(2.0)),
        ("p-norm:1.5", losses.PNorm(1.5)),
    ],
)
def test_a_loss_is_found_by_its_name(name: str, loss: Any) -> None:
    assert losses.named(name) == loss


def test_a_function_is_its_own_loss() -> None:
    assert losses.named(losses.accuracy) is losses.accuracy


def test_an_unknown_loss_is_told_the_near_match() -> None:
    assert "did you mean 'cross-entropy'?" in refused(lambda: losses.named("crossentropy"))


@pytest.mark.parametrize("name", ["p-norm:two", "p-norm:0.5", "p-norm:-1", "p-norm:nan"])
def test_an_impossible_order_is_refused(name: str) -> None:
    assert "order of the p-norm" in refused(lambda: losses.named(name))
