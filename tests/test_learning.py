"""Each claim that something learns stands beside a team that draws at random and misses the same bar."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synagents import (
    Exponential,
    QTable,
    RepeatUndo,
    Trace,
    Uniform,
    evaluate,
    load_table,
    preset,
    registry,
    train,
)  # fmt: skip
from synagents.envs import synapse_v0, unit_v0
from synagents.registry import find

KEY = 0


def accuracy(world: Any, learner: Any, steps: int, runs: int = 1) -> np.ndarray:
    """Held-out accuracy of each run."""
    run, _ = train(KEY, world, learner, steps, num_runs=runs)
    return np.asarray(evaluate(run)["accuracy"])[:, 0]


def of_digits(learner: Any, **options: Any) -> float:
    step_size = options.pop("step_size", Exponential(5e-3, 1e-3, 2000))
    world = synapse_v0.world("digits", hidden=(), step_size=step_size, batch_size=500, interval=500, **options)
    return float(accuracy(world, learner, 2000)[0])


@cache
def random_on_digits() -> float:
    return of_digits(Uniform())


def test_repeat_undo_learns_digits() -> None:
    assert of_digits(RepeatUndo()) > 0.5 > 0.3 > random_on_digits()


def test_traces_learn_digits_faster() -> None:
    tracing = {"step_size": 1e-3, "reward": "delta", "batch_change": "reevaluate"}
    assert of_digits(Trace(), **tracing) > 0.8 > 0.3 > of_digits(Uniform(), **tracing)


def test_the_shipped_table_teaches_digits() -> None:
    assert of_digits(QTable(load_table())) > 0.5 > 0.3 > random_on_digits()


def test_the_published_table_teaches_digits(published_table: Path) -> None:
    assert of_digits(QTable(load_table(published_table))) > 0.4 > 0.3 > random_on_digits()


def test_the_published_table_teaches_letters(notmnist_folder: Path, published_table: Path) -> None:
    world = synapse_v0.world("notmnist", data=notmnist_folder, hidden=(), step_size=3e-4, batch_size=500, interval=500)
    published = QTable(load_table(published_table), epsilon=0.1)
    assert accuracy(world, published, 8000)[0] > 0.35 > 0.25 > accuracy(world, Uniform(), 8000)[0]


def of_boundaries(learner: Any, **told: Any) -> float:
    """Mean over eight teachers."""
    world = synapse_v0.world("boundary", hidden=(8,), step_size=0.01, interval=0, **told)
    return float(accuracy(world, learner, 3000, runs=8).mean())


@cache
def random_on_boundaries() -> float:
    return of_boundaries(Uniform())


def test_a_table_that_starts_from_zeros_finds_boundaries_while_it_learns() -> None:
    assert of_boundaries(QTable(adaptive=True, epsilon=0.1)) > 0.8 > 0.65 > random_on_boundaries()


@pytest.mark.parametrize("name", ["sarsa", "expected-sarsa", "double-q", "policy-gradient", "actor-critic"])
def test_learners_that_know_nothing_find_boundaries_while_they_learn(name: str) -> None:
    assert (
        of_boundaries(find("learners", name)(), history="trace", reward="delta") > 0.8 > 0.65 > random_on_boundaries()
    )


def test_xor_is_solved_with_hidden_units_and_not_without_nor_at_random() -> None:
    hidden, flat = (synapse_v0.world("xor", hidden=h, step_size=0.01, interval=0) for h in ((4,), ()))
    assert accuracy(hidden, RepeatUndo(), 4000, runs=8).mean() >= 0.9
    assert accuracy(hidden, Uniform(), 4000, runs=8).mean() < 0.9
    assert accuracy(flat, RepeatUndo(), 4000, runs=8).max() < 1


def earned(world: Any, learner: Any, updates: int = 600) -> float:
    """Mean reward of the last tenth of the updates, 64 worlds each."""
    _, history = train(KEY, world, learner, updates, num_worlds=64)
    return float(history.reward[:, -updates // 10 :].mean())


@cache
def random_on_the_multiplexer() -> float:
    return earned(unit_v0.world(bits=1, hidden=(16,)), Uniform())


OF_UNITS = [name for name in registry.offers("learners") if registry.families(name) == ("unit",)]


@pytest.mark.parametrize("name", OF_UNITS)
def test_every_rule_of_units_assigns_credit_to_hidden_units(name: str) -> None:
    given: dict[str, Any] = {"bits": 1, "hidden": (16,), "learning_rate": "0.05"}
    given |= {"variance": (0.3,)} if name == "map-propagation" else {}
    spec = preset("multiplexer", name, rounds=600, num_worlds=64, **given)
    # Seven of eight questions make 0.75; a linear policy never exceeds 0.5.
    assert earned(spec.world, spec.learner) > 0.7
    assert abs(random_on_the_multiplexer()) < 0.1
