"""An axis of length one is never computed with: a product or a look-up that has one is slower than one that has none.

each(f, n, in_axes)      f of one, applied to n; for n = 1 it is f itself, without the axis
over(f, n, *args)        the same for arguments and results that always have the axis
"""

from collections.abc import Callable
from typing import Literal

import jax
from jaxtyping import PyTree

Axis = Literal["vmap", "loop"]


def each(function: Callable, n: int, in_axes: tuple, out_axes: PyTree = 0, *, how: Axis = "vmap") -> Callable:
    """`function` of one, applied to n along `in_axes` (0 or None, or trees of them); for n = 1 without the axis.

    With "loop" one after the other: slower, and exactly what `function` computes when it is alone.
    """
    if n == 1:
        return function
    return jax.vmap(function, in_axes, out_axes) if how == "vmap" else _one_after_another(function, in_axes)


def over(function: Callable, n: int, *args: PyTree, how: Axis = "vmap") -> PyTree:
    """`function` of one, applied to arguments that all have an axis [n] in front, also where n is 1."""
    if n == 1:
        return add(function(*drop(args)))
    return each(function, n, (0,) * len(args), how=how)(*args)


def add(tree: PyTree) -> PyTree:
    """Every array with an axis of length one in front."""
    return jax.tree.map(lambda x: x[None], tree)


def drop(tree: PyTree) -> PyTree:
    """Every array without its first axis, which has length one."""
    return jax.tree.map(lambda x: x[0], tree)


def _one_after_another(function: Callable, in_axes: tuple) -> Callable:
    def loop(*args: PyTree) -> PyTree:
        def one(moving: list[PyTree]) -> PyTree:
            rest = iter(moving)
            return function(*[fixed if axis is None else next(rest) for fixed, axis in zip(args, in_axes, strict=True)])

        return jax.lax.map(one, [arg for arg, axis in zip(args, in_axes, strict=True) if axis is not None])

    return loop
