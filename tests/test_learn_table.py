"""Learning a table on toys: which one is chosen, and what is refused."""

from typing import Any

import jax
import numpy as np
import pytest

from synagents.benchmark.learn_table import learn_table
from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from tests.claims import refused, same_bits

SMALL: dict[str, Any] = {
    "candidates": 3,
    "lessons": 2,
    "lesson_rounds": 500,
    "exam_teachers": 2,
    "exam_rounds": 200,
    "solved_loss": 0.3,
}


def learned(seed: int = 0, **options: Any) -> Any:
    toy = synapse_v0.world("boundary", hidden=(3,), step_size=0.02, interval=0, teacher_hidden=2, points=40)
    return learn_table(seed, toy, learner=QTable(adaptive=True, epsilon=0.3), **{**SMALL, **options})


def test_the_table_that_does_best_at_the_exam_is_chosen_and_again_from_the_same_key() -> None:
    lines: list[str] = []
    result = learned(tell=lines.append)
    assert result.table.shape == (81, 3) and np.isfinite(result.table).all()
    assert result.exam_losses.shape == result.solved.shape == (3, 2)
    assert result.exam_loss == result.exam_losses.min()
    assert len(lines) == 3 and "lesson 2 of 2" in lines[1]
    assert same_bits(result, learned())


@pytest.mark.parametrize(
    "options", [{"candidates": 0}, {"lessons": 0}, {"exam_teachers": 0}, {"lesson_rounds": 0}, {"exam_rounds": 0}]
)
def test_counts_below_one_are_refused(options: dict[str, Any]) -> None:
    assert f"{next(iter(options))} must be a whole number >= 1" in refused(lambda: learned(**options))


def test_a_frozen_table_cannot_learn() -> None:
    toy = synapse_v0.world("xor", hidden=())
    learner = QTable(table=np.zeros((81, 3), np.float32))
    assert "adaptive=True" in refused(lambda: learn_table(jax.random.key(0), toy, learner=learner))
