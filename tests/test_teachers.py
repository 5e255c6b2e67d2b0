import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.tasks.teachers import LogisticNorm, boundary, perceptron, xor
from tests.claims import refused, same_bits

KEY = jax.random.key(0)


def test_a_linear_teacher_is_a_perceptron_within_the_published_ranges() -> None:
    lesson = perceptron(inputs=2, points=200).init(KEY)
    x, y = np.asarray(lesson.x, np.float64), np.asarray(lesson.target, np.float64)
    assert x.shape == (200, 2) and y.shape == (200, 1) and 19 < np.abs(x).max() <= 20
    inputs = np.hstack([np.ones((200, 1)), x])
    weights, *_ = np.linalg.lstsq(inputs, y)
    assert np.abs(weights).max() <= 10
    np.testing.assert_allclose(inputs @ weights, y, atol=1e-3)
    held_out = np.hstack([np.ones((200, 1)), np.asarray(lesson.held_out_x)]) @ weights
    np.testing.assert_allclose(held_out, lesson.held_out_target, atol=1e-3)


def test_a_logistic_teacher_tells_the_sign_of_the_linear_one() -> None:
    linear, logistic = perceptron(inputs=9).init(KEY), perceptron(kind="logistic", inputs=9).init(KEY)
    np.testing.assert_array_equal(linear.x, logistic.x)
    np.testing.assert_array_equal(linear.target > 0, logistic.target == 1)


def test_the_logistic_loss_is_the_2_norm_behind_a_sigmoid() -> None:
    assert float(LogisticNorm()(jnp.zeros((4, 1)), jnp.ones((4, 1)))) == 0.5 * math.sqrt(4) / 4


def test_a_boundary_divides_the_square_into_equally_frequent_classes() -> None:
    lesson = boundary(points=300).init(KEY)
    assert lesson.x.shape == (300, 2) and float(jnp.abs(lesson.x).max()) <= 1
    assert int(lesson.target.sum() + lesson.held_out_target.sum()) == 300
    assert 100 < int(lesson.target.sum()) < 200


def test_xor_is_four_points_always_the_same() -> None:
    lesson = xor().init(KEY)
    assert [int(a * b < 0) for a, b in lesson.x] == lesson.target.tolist()
    assert same_bits(lesson, xor().init(jax.random.key(1)))


@pytest.mark.parametrize("task", [perceptron(), perceptron(kind="logistic"), boundary()])
def test_every_life_has_its_own_teacher_who_keeps_to_one_lesson(task: Any) -> None:
    one, other = task.init(KEY), task.init(jax.random.key(1))
    assert not same_bits(one.x, other.x) and not same_bits(one.target, other.target)
    assert not same_bits(one.x, one.held_out_x)
    assert same_bits(one, task.refresh(jax.random.key(2), one))


def test_accuracy_of_one_output_is_about_its_sign() -> None:
    task = perceptron(kind="logistic", inputs=1, points=4)
    lesson = task.init(KEY)._replace(x=jnp.array([[-2.0], [-1], [1], [2]]), target=jnp.array([[0.0], [1], [1], [1]]))
    assert float(task.evaluate(lesson, lambda x: x, "train")["accuracy"]) == 0.75


@pytest.mark.parametrize(
    "make",
    [
        lambda: perceptron(kind="cubic"),  # type: ignore[arg-type]
        lambda: perceptron(inputs=0),
        lambda: perceptron(points=0),
        lambda: boundary(teacher_hidden=0),
        lambda: boundary(points=1),
    ],
)
def test_a_toy_that_cannot_be_is_refused_in_one_sentence(make: Any) -> None:
    refused(make)
