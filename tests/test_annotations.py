"""Annotations are the contract: what they say of types and shapes is held against what functions take and give."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import TypeCheckError, jaxtyped

from synagents.agents import codes
from synagents.learners import choice
from synagents.networks.mlp import MLP
from synagents.tasks import losses

KEY = jax.random.key(0)
CODES, DIGITS, PROBABILITIES = jnp.full(5, 40, jnp.uint8), jnp.uint8(4), jnp.full((81, 3), 1 / 3)
OUT, CLASSES, VALUES = jnp.ones((5, 3)), jnp.arange(5, dtype=jnp.int32) % 3, jnp.zeros((5, 3))


def checked(home: ModuleType | Any, name: str) -> Callable[..., Any]:
    """The function with its annotations checked; an int is a float here."""
    return jaxtyped(getattr(home, name), typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))


@pytest.mark.parametrize(
    ("home", "name", "arguments"),
    [
        (codes, "push", (DIGITS, jnp.uint8(2), 2)),
        (codes, "push", (jnp.full(5, 4, jnp.uint8), jnp.ones(5, jnp.int32), 2)),
        (codes, "encode", (jnp.full(5, 4, jnp.uint8), DIGITS, 2)),
        (codes, "last_action", (CODES, 2)),
        (codes, "last_reward", (CODES,)),
        (codes, "all_codes", (2,)),
        (choice, "sample", (KEY, PROBABILITIES, {"g": CODES})),
        (choice, "epsilon_greedy", (PROBABILITIES, jnp.float32(0.1))),
        (choice, "explore_around", (KEY, {"g": CODES}, jnp.float32(0.1), 3)),
        (losses, "cross_entropy", (OUT, CLASSES)),
        (losses, "cross_entropy", (OUT, VALUES)),
        (losses, "mean_squared_error", (OUT, CLASSES)),
        (losses, "mean_squared_error", (OUT, VALUES)),
        (losses, "accuracy", (OUT, CLASSES)),
        (MLP((4, 3)), "init", (KEY,)),
        (MLP((4, 3)), "apply", (MLP((4, 3)).init(KEY), jnp.ones((5, 2, 2)))),
    ],
)
def test_functions_take_and_give_what_they_say(home: Any, name: str, arguments: tuple[Any, ...]) -> None:
    assert checked(home, name)(*arguments) is not None


def test_a_wrong_shape_is_noticed_where_annotations_are_checked() -> None:
    with pytest.raises(TypeCheckError):
        checked(losses, "accuracy")(OUT, CLASSES[:4])
