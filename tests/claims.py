"""Claims that many tests make."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from synagents.registry import offers

READ_FILES = {name for name, make in offers("tasks").items() if "data" in inspect.signature(make).parameters}
"""Tasks that read files of the user's: their option `data` names the folder."""


def one_sentence(text: str) -> str:
    """One line, one sentence, with a full stop."""
    assert text.endswith(".") and "\n" not in text and not re.search(r"[^. ]\. ", text), text
    return text


def refused(call: Callable[[], Any], kind: type[Exception] = ValueError) -> str:
    """What `call` is told when it is refused, in one sentence."""
    with pytest.raises(kind) as error:
        call()
    return one_sentence(str(error.value))


def plain(tree: Any) -> list[np.ndarray]:
    """The leaves of a tree as arrays of plain numbers (keys as their words)."""

    def words(leaf: Any) -> Any:
        is_key = isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return [words(leaf) for leaf in jax.tree.leaves(tree)]


def same_bits(one: Any, other: Any) -> bool:
    """Whether two trees hold the same bits (NaNs too)."""
    ours, theirs = plain(one), plain(other)
    return len(ours) == len(theirs) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(ours, theirs, strict=True)
    )
