"""Objects that *are* their hyperparameters: frozen dataclasses which JAX sees as trees.

Numbers a scientist would sweep are leaves, so `vmap` over a step size or `grad` through a world just work; sizes and
switches are static fields, so a program is compiled once for each of their values.
"""

import contextlib
import difflib
import inspect
import math
import numbers
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeAlias, TypeVar, dataclass_transform

import jax

C = TypeVar("C")
Values: TypeAlias = dict[str, Any]  # of settings, by parameter name
LARGEST = 3.4028234e38  # number that 32 bits hold


def static(*, default: Any = MISSING) -> Any:
    """A field that is part of the program's structure (a size, a switch, a function), not a number to sweep."""
    return field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, field_specifiers=(static, field))
def settings(cls: type[C]) -> type[C]:
    """Make `cls` a frozen dataclass that is also a JAX tree; fields made by `static` are its structure.

    An object checks its own fields when it is made, so `dataclasses.replace` does, too: every field whose annotation is
    a Literal, and what the class itself checks in `__post_init__`.

    Raises:
        ValueError: when an object is made with a value that a Literal does not name.
    """
    for name in inspect.get_annotations(cls):
        if name not in vars(cls):  # else a dataclass takes what a base class has under this name for the default
            setattr(cls, name, field())
    own_check = getattr(cls, "__post_init__", None)
    own_literals = cache(lambda: literals_of(cls))  # not now: an annotation may name what is defined later

    def check(self: Any) -> None:
        for name, choices in own_literals().items():
            require_choice(name, getattr(self, name), choices)
        if own_check:
            own_check(self)

    cls.__post_init__ = check  # type: ignore[attr-defined]
    return _registered(dataclass(frozen=True, eq=False)(cls))


def _registered(cls: type[C]) -> type[C]:
    """Tell JAX that fields are leaves, or structure where they are static.

    JAX's own `register_dataclass` takes two classes with fields of the same names for one structure (jaxlib 0.10), so
    that a program compiled for one may be called for the other.
    """
    known = fields(cls)  # type: ignore[arg-type]
    leaves = [each.name for each in known if not each.metadata.get("static")]
    statics = [each.name for each in known if each.metadata.get("static")]

    def flatten(own: C) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(own, name) for name in leaves], tuple(getattr(own, name) for name in statics)

    def flatten_with_keys(own: C) -> tuple[list[tuple[jax.tree_util.GetAttrKey, Any]], tuple[Any, ...]]:
        parts, structure = flatten(own)
        return [(jax.tree_util.GetAttrKey(name), part) for name, part in zip(leaves, parts, strict=True)], structure

    def unflatten(structure: tuple[Any, ...], parts: Iterable[Any]) -> C:
        return cls(**dict(zip(leaves, parts, strict=True)), **dict(zip(statics, structure, strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def literals_of(cls: type) -> dict[str, tuple[Any, ...]]:
    """The fields of a class whose annotation is a Literal, each with the values that it names."""
    hints: dict[str, Any] = {}
    for base in reversed(inspect.getmro(cls)):
        with contextlib.suppress(NameError):  # a name that only type checkers know
            hints |= inspect.get_annotations(base, eval_str=True)
    return {name: typing.get_args(hint) for name, hint in hints.items() if typing.get_origin(hint) is typing.Literal}


def require_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ValueError, which lists the choices, unless `value` is one of `choices`."""
    choices = list(choices)
    if not (isinstance(value, str | int) and value in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, but is {value!r}.")


def require(condition: bool, sentence: str) -> None:
    """Raise ValueError with `sentence` unless `condition` holds."""
    if not condition:
        raise ValueError(sentence)


def require_between(name: str, value: Any, low: float, high: float = float("inf"), *, above: bool = False) -> None:
    """Raise ValueError unless `value` is a number in [low, high] ((low, high] with `above`).

    Tracers and arrays pass: a sweep may put anything there, and JAX rebuilds settings while it compiles.
    """
    refused = isinstance(value, str | bytes | list | tuple | dict | set)
    require(not refused, f"{name} must be a number, but is {value!r}.")
    if not isinstance(value, numbers.Real):
        return
    require(not isinstance(value, int) or abs(value) < 2**31, f"{name} must fit into 32 bits, but is {value}.")
    value = float(value)
    if not (low < value if above else low <= value) or not value <= high:
        bracket = "(" if above else "["
        raise ValueError(f"{name} must lie in {bracket}{low:g}, {high:g}], but is {value:g}.")
    require(abs(value) <= LARGEST or math.isinf(value), f"{name} must fit into 32 bits, but is {value:g}.")


def require_whole(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise ValueError unless `value` is a whole number in low .. high."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    inside = whole and low <= int(value) and (high is None or int(value) <= high)
    if not inside:
        there = f">= {low}" if high is None else f"in {low} .. {high}"
        raise ValueError(f"{name} must be a whole number {there}, but is {value!r}.")


def nearest(name: Any, names: Iterable[str]) -> str:
    """A hint for an unknown `name`: the near match among `names`, if there is one, and all there are."""
    names = list(names)
    match = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {match[0]!r}? " if match else ""
    return f"{hint}there are {', '.join(names)}"
