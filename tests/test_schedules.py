import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synagents.schedules import Exponential, Linear, Switch, at, parse, require_range
from tests.claims import refused


def values(schedule: Any, *times: int) -> list[float]:
    return [float(at(schedule, t)) for t in times]


def test_a_plain_number_is_constant() -> None:
    assert values(0.25, 0, 7, 10**6) == [0.25] * 3


def test_a_switch_changes_at_its_step() -> None:
    assert values(Switch(1.0, 0.5, 10), 0, 9, 10, 11, 10**6) == [1.0, 1.0, 0.5, 0.5, 0.5]


def test_a_switch_at_zero_has_switched() -> None:
    assert values(Switch(1.0, 0.5, 0), 0) == [0.5]


def test_a_linear_decay_is_a_straight_line_and_then_stays() -> None:
    assert values(Linear(1.0, 0.0, 8), 0, 2, 4, 8, 100) == [1.0, 0.75, 0.5, 0.0, 0.0]


def test_an_exponential_decay_is_geometric_and_then_stays() -> None:
    assert values(Exponential(4.0, 1.0, 8), 0, 4, 8, 100) == pytest.approx([4.0, 2.0, 1.0, 1.0], rel=1e-6)


@pytest.mark.parametrize("schedule", [Switch(1.0, 0.5, 4), Linear(1.0, 0.5, 8), Exponential(1.0, 0.5, 8), 0.5])
def test_a_schedule_may_be_compiled_and_swept(schedule: Any) -> None:
    compiled = jax.jit(at)(schedule, jnp.int32(4))
    assert float(compiled) == pytest.approx(values(schedule, 4)[0])
    twice = jax.tree.map(lambda x: jnp.array([x, x]), schedule)
    assert jax.vmap(at, (0, None))(twice, 4).shape == (2,)


@pytest.mark.parametrize(
    "text", ["0.005", "switch:0.0001:5e-05:100000", "linear:1:0.5:20", "exponential:0.0015:0.00015:60000"]
)
def test_a_schedule_is_read_back_as_it_was_written(text: str) -> None:
    schedule = parse(text, 7)
    assert str(schedule) == text
    assert values(parse(str(schedule), 7), 0, 10, 10**7) == values(schedule, 0, 10, 10**7)


@settings(deadline=None)
@given(*[st.floats(1e-9, 1e3, allow_nan=False, allow_subnormal=False)] * 2, st.integers(1, 10**9))
def test_any_schedule_survives_being_written(start: float, stop: float, steps: int) -> None:
    for kind in (Switch, Linear, Exponential):
        schedule = kind(start, stop, steps)
        read = parse(str(schedule), 1)
        assert isinstance(read, kind) and jax.tree.leaves(read) == jax.tree.leaves(schedule)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_a_decay_without_a_length_spans_the_run(kind: str) -> None:
    assert jax.tree.leaves(parse(f"{kind}:1:0.5", 300)) == [1, 0.5, 300]


@pytest.mark.parametrize(
    "text",
    ["", "fast", "switch", "switch:1:2", "linear:1", "linear:1:2:3:4", "cosine:1:2:3", "linear:a:b:c", "1:2", ":1:2:3"],
)
def test_a_text_that_is_no_schedule_is_told_how_to_write_one(text: str) -> None:
    told = refused(lambda: parse(text, 7))
    assert repr(text) in told and "linear:START:STOP[:STEPS]" in told


@pytest.mark.parametrize(
    "make",
    [
        lambda: Switch(1, 2, -1),
        lambda: Linear(1, 2, 0),
        lambda: Exponential(0, 1, 10),
        lambda: Exponential(1, -1, 10),
        lambda: Exponential(1, 1, 0),
        lambda: parse("exponential:0:1:10", 7),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(make: Any) -> None:
    assert "must lie in" in refused(make)


def test_the_range_of_a_schedule_is_that_of_both_its_ends() -> None:
    require_range("explore", Linear(1.0, 0.0, 10), 0, 1)
    for wrong in (Linear(1.5, 0, 10), Switch(0, 1.5, 10), Exponential(1, 1.5, 10), 1.5, -0.1, math.nan):
        assert "explore must lie in [0, 1]" in refused(lambda wrong=wrong: require_range("explore", wrong, 0, 1))
