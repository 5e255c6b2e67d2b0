"""A run in one file that any safetensors reader opens: every array under its name, and a checksum over all of it.

    name      an array's place in the run: key, state.weights.layer0_weight, state.task.x, mind.table
    sha256    of the whole file, with zeros where the checksum itself stands

A file is believed only as far as it goes: its checksum must hold, and every array must have the type and shape that the
run at hand gives it. Nothing in a file is ever executed. World and learner are not in it, they are made again from
their settings; randomness is never chained (`synagents.keys`), so these arrays and the number of rounds are all that
the next round depends on. (The format: safetensors, Hugging Face 2022.)
"""

import hashlib
import json
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from jax.tree_util import KeyPath
from jaxtyping import Array, PyTree

from synagents.run.files import Json, path_of, printable, write_whole

FORMAT = "synagents-checkpoint/2"
OLD = {"synagents-checkpoint/1": "0.1.0"}  # the version that wrote what this one does not read
MOST_TEXT = 10_000_000  # bytes of names, shapes and notes beside the arrays
_SEAL = b'"sha256":"'  # cannot stand in a text, where its quotes would be escaped
_BLANK = b"0" * 64


class Resumable(Protocol):
    """A frozen dataclass that goes on from its fields: a `Run`, an `OuterRun`, an optimizer on its way."""

    KEPT: ClassVar[tuple[str, ...]]  # the fields with the trees of arrays that the next round depends on
    STATICS: ClassVar[tuple[str, ...]]  # fields that must be the same when it goes on
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def t(self) -> int:
        """How far it has come."""


R = TypeVar("R", bound=Resumable)


class CheckpointError(Exception):
    """A file does not hold a usable checkpoint; the message is one sentence: which file, what is wrong, what to do."""


def save(run: Resumable, path: str | Path, about: Json | None = None) -> None:
    """Write everything that the next round depends on, the worlds' memories included, whole or not at all.

    Args:
        run: what to save; it stays valid.
        path: the file to write, in a directory that is there.
        about: notes to be kept with it: anything JSON can say.

    Raises:
        OSError: if the file cannot be written; an older one is still whole.
    """
    arrays = {name: np.asarray(_words(leaf), order="C") for name, leaf in arrays_of(_kept(run)).items()}
    statics = {"t": run.t} | {name: getattr(run, name) for name in run.STATICS}
    text = {"format": FORMAT, "sha256": _BLANK.decode(), "run": json.dumps(statics), "about": json.dumps(about or {})}
    text["version"] = version("synagents")
    raw = bytearray(safetensors.numpy.save(arrays, text))
    start = raw.index(_SEAL) + len(_SEAL)
    raw[start : start + len(_BLANK)] = hashlib.sha256(raw).hexdigest().encode()
    write_whole(path, raw)


def load(path: str | Path, like: R) -> R:
    """The run in a file, to go on exactly as it would have gone on when it was saved.

    Args:
        path: a file written by `save`.
        like: any run of the same kind, such as `begin` gives: its world and learner become the loaded run's, and what
            is loaded must have the types and shapes of its arrays.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is damaged, or holds a run of another kind.
    """
    return read(path, like)[0]


def read(path: str | Path, like: R) -> tuple[R, Json]:
    """The run in a file, and the notes kept with it; arguments and errors as `load`."""
    path = path_of(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint at {path}: name a file that `synagents.save` wrote.")
    wanted = arrays_of(_kept(like))
    room = sum(leaf.size * leaf.dtype.itemsize for leaf in wanted.values()) + MOST_TEXT
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > room:
                raise CheckpointError("is larger than a file of this run can be: use another one")
            raw = file.read()
        text = _unsealed(raw)
        statics, about = json.loads(text["run"]), json.loads(text["about"])
        _check_kind(statics, about, like)
        arrays = safetensors.numpy.load(raw)
        _check_shapes(arrays, jax.eval_shape(lambda leaves: jax.tree.map(_words, leaves), wanted))
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}.") from error
    except OSError:  # the file is there and cannot be read: the system's own error says why
        raise
    except Exception as error:  # json and safetensors have no closed list of what a made-up file makes them raise
        raise CheckpointError(f"{path} is no checkpoint ({type(error).__name__}): use another one.") from error
    leaves = {name: _unworded(arrays[name], leaf) for name, leaf in wanted.items()}
    paths, structure = jax.tree_util.tree_flatten_with_path(_kept(like))
    kept = jax.tree.unflatten(structure, [leaves[_name(path)] for path, _ in paths])
    return replace(like, t=statics["t"], **kept), about


def write_tree(path: str | Path, tree: PyTree, kind: str) -> None:
    """Write the arrays of a tree alone, under their names, whole or not at all.

    Args:
        path: the file to write, in a directory that is there.
        tree: of arrays.
        kind: what it is, which `read_tree` must be told, too.
    """
    arrays = {name: np.asarray(_words(leaf), order="C") for name, leaf in arrays_of(tree).items()}
    write_whole(path_of(path), safetensors.numpy.save(arrays, {"format": kind}))


def read_tree(path: str | Path, like: PyTree, kind: str) -> PyTree:
    """The tree that `write_tree` wrote.

    Args:
        path: the file.
        like: a tree of arrays, or of their shapes and types, as the file's must be.
        kind: as it was written.

    Raises:
        CheckpointError: if the file holds anything else.
    """
    path, wanted = path_of(path), arrays_of(like)
    try:
        room = sum(leaf.size * leaf.dtype.itemsize for leaf in wanted.values()) + MOST_TEXT
        if path.stat().st_size > room:
            raise CheckpointError("is larger than it can be: use another one")
        raw = path.read_bytes()
        arrays = safetensors.numpy.load(raw)
        written = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["format"]
        if written != kind:
            raise CheckpointError(f"is not of the kind {kind}: use another one")
        _check_shapes(arrays, jax.eval_shape(lambda leaves: jax.tree.map(_words, leaves), wanted))
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}.") from error
    except OSError:
        raise
    except Exception as error:  # as in `read`
        raise CheckpointError(f"{path} holds no arrays ({type(error).__name__}): use another one.") from error
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    return jax.tree.unflatten(structure, [_unworded(arrays[_name(path)], leaf) for path, leaf in paths])


def _kept(run: Resumable) -> dict[str, PyTree]:
    """What of a run changes, or is drawn; the rest are settings."""
    return {name: getattr(run, name) for name in run.KEPT}


def arrays_of(tree: PyTree) -> dict[str, Array]:
    """The arrays of a tree by their places in it: {"mind.table": ..}."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _name(path: KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _words(leaf: Array) -> Array:
    """An array of numbers that NumPy knows: a random key as its words, bfloat16 and its like as their bits."""
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    return leaf if _is_plain(leaf) else jax.lax.bitcast_convert_type(leaf, f"uint{8 * leaf.dtype.itemsize}")


def _unworded(array: np.ndarray, leaf: Array) -> Array:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array if _is_plain(leaf) else array.view(leaf.dtype))


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _is_plain(leaf: Array) -> bool:
    return leaf.dtype.isbuiltin == 1


def _unsealed(raw: bytes) -> dict[str, str]:
    """The texts of a file whose checksum holds; they come before the arrays, after their own length in eight bytes."""
    length = int.from_bytes(raw[:8], "little")
    start = raw.find(_SEAL, 8, 8 + length) + len(_SEAL)
    end = start + len(_BLANK)
    checksum = hashlib.sha256(raw[:start])
    checksum.update(_BLANK)
    checksum.update(memoryview(raw)[end:])
    if raw[start:end] != checksum.hexdigest().encode():
        raise CheckpointError("is damaged, its checksum does not hold: use another one")
    text = json.loads(raw[8 : 8 + length])["__metadata__"]
    if text["format"] != FORMAT:
        writer = OLD.get(text["format"]) or printable(text.get("version"))
        raise CheckpointError(
            f"was written by {f'synagents {writer}' if writer else 'another version of synagents'}, and synagents "
            f"{version('synagents')} does not read it: use the version that wrote it"
        )
    return text


def _check_kind(statics: Json, about: object, like: Resumable) -> None:
    if not isinstance(about, dict) or type(statics["t"]) is not int or not 0 <= statics["t"] < 2**32:
        raise CheckpointError("does not say after how many rounds it was saved: use another one")
    for name in like.STATICS:
        saved, here = statics.get(name), getattr(like, name)
        if saved != here:
            raise CheckpointError(f"was saved with {name}={saved!r}, which is {here!r} here: begin the run alike")


def _check_shapes(arrays: dict[str, np.ndarray], shapes: dict[str, jax.ShapeDtypeStruct]) -> None:
    if arrays.keys() != shapes.keys():
        odd = min(arrays.keys() ^ shapes.keys())
        raise CheckpointError(
            f"{'lacks' if odd in shapes else 'holds'} {odd}, unlike this run: load it with the world and learner it "
            "was saved with"
        )
    for name, shape in shapes.items():
        array = arrays[name]
        if (array.dtype, array.shape) != (shape.dtype, shape.shape):
            raise CheckpointError(
                f"holds {name} as {array.dtype}{list(array.shape)}, which is {shape.dtype}{list(shape.shape)} here: "
                "load it with the world and learner it was saved with"
            )
