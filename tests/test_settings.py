from dataclasses import FrozenInstanceError, replace
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.hyperparameters import nearest, require_between, require_whole, settings, static
from tests.claims import refused


@settings
class Toy:
    size: int = static()
    rate: float = 0.5


def test_numbers_are_leaves_and_sizes_are_structure() -> None:
    assert jax.tree.leaves(Toy(3, 0.25)) == [0.25]
    assert jax.tree.structure(Toy(3, 0.25)) == jax.tree.structure(Toy(3, 0.5)) != jax.tree.structure(Toy(4, 0.25))


@settings
class Choosy(Toy):
    how: Literal["fast", "slow"] = static(default="fast")
    pieces: int = 2

    def __post_init__(self) -> None:
        require_whole("pieces", self.pieces, 1)


def test_a_literal_is_checked_where_an_object_is_made_and_where_it_is_replaced() -> None:
    assert "how must be one of fast, slow, but is 'banana'" in refused(lambda: Choosy(3, how="banana"))  # type: ignore
    assert "how must be one of" in refused(lambda: replace(Choosy(3), how=["fast"]))
    assert "pieces must be" in refused(lambda: Choosy(3, pieces=0))
    assert Choosy(3, how="slow").how == "slow"


class Base:
    @cached_property
    def size(self) -> int:
        return 7


def test_a_field_takes_the_place_of_a_bases_attribute_and_never_its_value_for_a_default() -> None:
    @settings
    class Sized(Base):
        size: int

    @settings
    class Plain(Base):
        rate: float = 0.5

    assert Sized(3).size == 3 and Plain().size == 7
    with pytest.raises(TypeError, match="size"):
        Sized()  # type: ignore[call-arg]


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Toy(3).rate = 1.0  # type: ignore[misc]


def test_a_field_without_a_default_must_be_given() -> None:
    with pytest.raises(TypeError, match="size"):
        Toy()  # type: ignore[call-arg]


@settings
class Share(Toy):
    def __post_init__(self) -> None:
        require_between("rate", self.rate, 0, 1)


@pytest.mark.parametrize("value", [0, 1, 0.5, True, np.float64(0.5), jnp.array([5.0]), None])
def test_a_number_in_range_passes_and_so_does_what_is_no_number(value: Any) -> None:
    assert Share(3, value).rate is value
    assert "rate must lie in [0, 1]" in refused(lambda: Share(3, 1.5))


@pytest.mark.parametrize("value", [-1, 1.5, float("nan"), float("inf"), np.float64(2)])
def test_a_number_out_of_range_is_told_its_range(value: float) -> None:
    assert "rate must lie in [0, 1]" in refused(lambda: require_between("rate", value, 0, 1))


def test_an_open_end_excludes_its_value() -> None:
    assert "rate must lie in (0, 1]" in refused(lambda: require_between("rate", 0, 0, 1, above=True))


def test_the_near_match_is_offered() -> None:
    assert nearest("digit", ["digits", "xor"]) == "did you mean 'digits'? there are digits, xor"
    assert nearest("weather", ["digits", "xor"]) == "there are digits, xor"


@pytest.mark.parametrize("value", [2**31, 10**400, 1e39, "1", [1], {}])
def test_a_number_must_be_one_that_32_bits_hold(value: Any) -> None:
    assert "x must" in refused(lambda: require_between("x", value, 0))
    require_between("x", float("inf"), 0)  # a limit that is none


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_whole_number_is_neither_a_truth_nor_a_float(value: Any) -> None:
    assert "must be a whole number" in refused(lambda: require_whole("x", value, 0))


def test_two_classes_with_the_same_fields_are_two_structures() -> None:
    @settings
    class One:
        rate: float = 0.5

    @settings
    class Other:
        rate: float = 0.5

    assert jax.tree.structure(One()) == jax.tree.structure(One(0.1))
    assert jax.tree.structure(One()) != jax.tree.structure(Other())
    assert [str(path[0]) for path, _ in jax.tree_util.tree_flatten_with_path(One())[0]] == [".rate"]
