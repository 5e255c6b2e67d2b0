"""Any network of Flax or Equinox: its floating-point arrays become groups of agents, all else is its structure.

    init(key) = the arrays of make(key)          apply(params, x) = the module with `params` in their place, of x

A group is named by where its array lies in the module, in the order of the module's own tree: `layers[0].weight` is
`layers_0_weight`, `Conv_0/bias` is `conv_0_bias`; names of biases end in "bias", to move as biases do. Neither
library is imported here: who has none needs none. (Flax: Heek et al. 2020; Equinox: Kidger and Garcia 2021.)
"""

import re
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.hyperparameters import require, settings, static
from synagents.world import Network, Params

__all__ = ["from_module"]


@settings
class Module(Network):
    """A network whose structure is somebody else's; build it by `from_module`.

    Attributes:
        fresh: the arrays of a fresh module, by group.
        answer: the outputs of the module with these arrays, for samples of the shape it takes.
        in_shape: of one such sample.
    """

    fresh: Callable[[Key[Array, ""]], Params] = static()
    answer: Callable[[Params, Array], Array] = static()
    in_shape: tuple[int, ...] = static()

    def init(self, key: Key[Array, ""]) -> Params:
        """Fresh parameters, as the module itself draws them."""
        return self.fresh(key)

    def apply(self, params: Params, x: Float[Array, "B ..."]) -> Float[Array, "B out"]:
        """The outputs for a batch of inputs of any shape with as many numbers as the module takes."""
        return self.answer(params, x.reshape(x.shape[0], *self.in_shape))


def from_module(make: object, in_shape: tuple[int, ...]) -> Module:
    """A network of synapse agents made of any Flax or Equinox module, for `synapse_v0.world(task, network=...)`.

    The module must give one row of outputs for each sample, and nothing but its arrays may decide them: there is no
    place for running statistics or random numbers (batch norm, dropout). Arrays of whole numbers, NumPy arrays
    (Equinox) and plain attributes are part of the structure and the same in all lives. Keep what you build and use it
    again: another call makes another network, for which JAX compiles anew.

    Args:
        make: a Flax linen module; or a function from a key to an Equinox module, which is called on one sample, or to a
            Flax nnx module, which is called on a batch: `lambda key: Net(nnx.Rngs(key))`.
        in_shape: of one sample as the module wants it, such as (1, 8, 8); the task's samples are reshaped to it.

    Raises:
        ValueError: if `make` is none of these, cannot answer samples of this shape with a row each, or holds state.
    """
    in_shape = tuple(in_shape)
    make_tree, call = _parts(make, in_shape)
    paths, structure = jax.tree_util.tree_flatten_with_path(make_tree(jax.random.key(0)))
    names = _names([path if _is_weights(leaf) else None for path, leaf in paths])
    require(any(names), "The module has no floating-point arrays, so there is nothing for agents to do.")
    # Of weights only the type is kept: agents live in f32, but a module may want to compute in fewer bits.
    kept = [leaf.dtype if name else leaf for name, (_, leaf) in zip(names, paths, strict=True)]

    def fresh(key: Key[Array, ""]) -> Params:
        leaves = jax.tree.leaves(make_tree(key))
        return {name: leaf.astype(jnp.float32) for name, leaf in zip(names, leaves, strict=True) if name}

    def answer(params: Params, x: Array) -> Array:
        leaves = [params[name].astype(own) if name else own for name, own in zip(names, kept, strict=True)]
        return call(jax.tree.unflatten(structure, leaves), x).astype(jnp.float32)

    network = Module(fresh, answer, in_shape)
    two = jax.ShapeDtypeStruct((2, *in_shape), jnp.float32)
    out = _tried(in_shape, jax.eval_shape, lambda x: answer(fresh(jax.random.key(0)), x), two)
    require(
        out.ndim == 2 and out.shape[0] == 2,
        f"The module must give a row of outputs for each sample, but for two samples it gives {list(out.shape)}.",
    )
    return network


_Parts = tuple[Callable[[Key[Array, ""]], Any], Callable[[Any, Array], Array]]


def _parts(make: object, in_shape: tuple[int, ...]) -> _Parts:
    """What makes the module's tree of arrays from a key, and what calls the module with such a tree on a batch."""
    if _is_a(make, "flax.linen", "Module"):
        return _linen(make, in_shape)
    require(
        not _is_a(make, "equinox", "Module") and not _is_a(make, "flax.nnx", "Module"),
        f"This {type(make).__name__} is already made; give a function of the key that makes it, so that every life "
        "has weights of its own.",
    )
    module = _made(make) if callable(make) else make
    if _is_a(module, "flax.nnx", "Module"):
        return _nnx(make, module, in_shape)
    require(
        callable(make) and _is_a(module, "equinox", "Module"),
        "Give a Flax linen module, or a function from a key to an Equinox or a Flax nnx module, "
        f"but this gives: {type(module).__name__}.",
    )
    return _equinox(make, module)


def _made(make: Callable[..., Any]) -> Any:
    try:
        return make(jax.random.key(0))
    except Exception as error:  # libraries have no closed list of what a constructor makes them raise
        raise ValueError(
            f"No module came of a key (see the {type(error).__name__} above): give a function of one key, such as "
            "lambda key: Net(key=key), or lambda key: Net(nnx.Rngs(key)) for Flax nnx."
        ) from error


def _linen(module: Any, in_shape: tuple[int, ...]) -> _Parts:
    blank = jnp.zeros((1, *in_shape), jnp.float32)
    made = _tried(in_shape, jax.eval_shape, module.init, jax.random.key(0), blank)
    _require_no_state(sorted(set(made) - {"params"}))
    return (
        lambda key: module.init(key, blank).get("params", {}),
        lambda params, x: module.apply({"params": params}, x),
    )


def _equinox(make: Any, module: Any) -> _Parts:
    def is_state(node: object) -> bool:
        return _is_a(node, "equinox.nn", "StateIndex")

    _require_no_state(["StateIndex"] if any(map(is_state, jax.tree.leaves(module, is_leaf=is_state))) else [])
    return make, lambda module, x: jax.vmap(module)(x)


def _nnx(make: Any, module: Any, in_shape: tuple[int, ...]) -> _Parts:
    nnx = sys.modules["flax.nnx"]
    graph, params, random, state, rest = nnx.split(module, nnx.Param, nnx.RngState, nnx.Variable, ...)
    _require_no_state(sorted({type(variable).__name__ for _, variable in nnx.to_flat_state(state)}))

    random = nnx.to_pure_dict(random)  # a traced function may not count draws in variables made outside of it

    def call(params: Any, x: Array, random: Any = random) -> Array:
        return nnx.merge(graph, params, random, rest)(x)

    if random:  # a recurrent cell has a random state and does not use it: only a state that changes the output counts
        x = jax.random.normal(jax.random.key(0), (2, *in_shape), jnp.float32)
        other = jax.tree.map(lambda leaf: leaf + 1 if leaf.dtype == jnp.uint32 else leaf, random)  # counts of draws
        once, again = (_tried(in_shape, call, params, x, state) for state in (random, other))
        _require_no_state([] if bool((once == again).all()) else ["dropout"])
    return lambda key: nnx.to_pure_dict(nnx.state(make(key), nnx.Param)), call


def _names(paths: list[Any]) -> list[str | None]:
    """A unique name in [a-z0-9_]+ for every path; None stays None."""
    names: list[str | None] = []
    for path in paths:
        if path is None:
            names.append(None)
            continue
        *home, own = [re.sub(r"[^a-z0-9]+", "_", str(_entry(part)).lower()).strip("_") for part in path]
        words = sorted(own.split("_"), key=lambda word: word == "bias")  # bias_n, of a gate, is a bias
        name = "_".join(filter(None, [*home, *words])) or "weight"
        while name in names:
            name = f"other_{name}"
        names.append(name)
    return names


def _entry(part: object) -> Any:
    """What one step of a path is called: an attribute's name, a dict's key, a list's index."""
    match part:
        case jax.tree_util.GetAttrKey(name=name):
            return name
        case jax.tree_util.SequenceKey(idx=index):
            return index
        case jax.tree_util.DictKey(key=key) | jax.tree_util.FlattenedIndexKey(key=key):
            return key
    return part


def _is_weights(leaf: object) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size > 0


def _is_a(thing: object, home: str, name: str) -> bool:
    """Whether `thing` is of a class of a library, which is then loaded already."""
    library = sys.modules.get(home)
    return library is not None and isinstance(thing, getattr(library, name))


def _require_no_state(found: list[str]) -> None:
    require(
        not found,
        f"The module holds state beside its weights ({', '.join(found)}), which no agent moves: "
        "take layers without, such as LayerNorm, and switch dropout off.",
    )


def _tried(in_shape: tuple[int, ...], function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:  # libraries have no closed list of what a module makes them raise
        raise ValueError(
            f"The module cannot answer samples of shape {in_shape} (see the {type(error).__name__} above): "
            "give the in_shape it wants, without a batch axis, and leave out layers that need more, such as dropout."
        ) from error
