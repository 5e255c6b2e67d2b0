"""Tasks from arrays and batches of one's own: sequences, measurements, classes or values, any loss."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from synagents import data
from synagents.data.dataset import describe, infer_scale
from synagents.hyperparameters import require, require_between, require_whole
from synagents.tasks import losses
from synagents.tasks.losses import Loss
from synagents.tasks.samples import Batches, Samples, counts, pixels, require_batch


def from_arrays(
    x: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    loss: str | Loss,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    out_size: int | None = None,
    scale: float | None = None,
) -> Samples:
    """A task from any arrays of samples and their targets.

    Numbers are taken as they are, with one exception: `x` of type uint8 is pixels, and is divided by what the largest
    suggests, as in the data sets of this package: by itself up to 16, else by 255. Convert bytes that are no pixels to
    floats.

    Args:
        x: samples [n, ...] of any shape; kept as f32, or as uint8.
        target: whole numbers [n] are classes from 0 on; floats [n] or [n, C] are values, and [n] becomes [n, 1], so
            that it has the shape of the outputs.
        loss: "cross-entropy", "mean-squared-error", "squared-hinge", "p-norm[:ORDER]" or a function (outputs
            f32[B, out_size], targets int32[B] or f32[B, C]) -> f32[].
        batch_size: samples per batch, 1 .. the training part.
        held_out: share of the samples held out, in (0, 1).
        split_seed: seed of the split, 0 .. 2^32 - 1; classes are split alike, values at random.
        out_size: outputs of the network, where they are not the number of classes, or C.
        scale: what `x` is divided by, > 0; by default 1, and for uint8 as said above.

    Raises:
        ValueError: if the arrays do not pair up, hold nothing, hold what is no finite number or class, or if another
            argument is out of range.
    """
    x, target = _checked(x, target)
    has_classes = target.dtype == np.int32
    train, test = data.split(target if has_classes else np.zeros(len(target)), held_out=held_out, seed=split_seed)
    require_batch(batch_size, len(train), "arrays")
    how = f"{'stratified' if has_classes else 'shuffled'}, seed {split_seed}"
    return _samples(x, target, counts("arrays", train, test, how), batch_size, loss, out_size, scale, (train, test))


def from_batches(
    batches: Iterable[Any],
    *,
    loss: str | Loss,
    held_out: float | Iterable[Any] = 0.25,
    out_size: int | None = None,
    scale: float | None = None,
) -> Batches:
    """A task from batches made elsewhere: a PyTorch DataLoader, a list, a generator cut by `itertools.islice`.

    They are read once, into memory. A life begins with any of the training batches, and each refresh takes any other;
    what is in a batch stays together. Types and scales are those of `from_arrays`.

    Args:
        batches: pairs (x, target) of anything that NumPy reads, torch tensors too; all training batches alike in shape.
        loss: as in `from_arrays`.
        held_out: share of the batches held out, in (0, 1), at least one and always the last ones; or batches of their
            own, such as the loader of a test set. Held-out batches may differ in length.
        out_size: as in `from_arrays`.
        scale: as in `from_arrays`.

    Raises:
        ValueError: if there are too few batches, their shapes differ, or their numbers are none that `from_arrays`
            takes.
    """
    pairs = _pairs(batches)
    if isinstance(held_out, Iterable):
        others, how = _pairs(held_out), "given"
    else:
        require(0 < held_out < 1, f"held_out is the share of batches to hold out, in (0, 1), and not {held_out}.")
        last = max(1, round(held_out * len(pairs)))
        require(last < len(pairs), f"{last} of {len(pairs)} batches would be held out; leave at least one to train on.")
        pairs, others, how = pairs[:-last], pairs[-last:], "last batches"
    _require_alike(pairs, others)
    size = len(pairs[0][0])
    x, target = _checked(*(np.concatenate(part) for part in zip(*pairs, *others, strict=True)))
    train, test = np.split(np.arange(len(x)), [len(pairs) * size])
    described = counts("batches", train, test, how)
    return Batches(_samples(x, target, described, size, loss, out_size, scale, (train, test)))


def _samples(
    x: np.ndarray,
    target: np.ndarray,
    described: tuple[tuple[str, Any], ...],
    batch_size: int,
    loss: str | Loss,
    out_size: int | None,
    scale: float | None,
    parts: tuple[np.ndarray, np.ndarray],
) -> Samples:
    """The task of checked arrays; the loss is tried on shapes. `parts` are the indices of the two parts."""
    train, test = parts
    is_pixels = x.dtype == np.uint8
    if scale is None:
        scale = infer_scale(x) if is_pixels else 1.0
    require_between("scale", scale, 0, above=True)
    size, chosen = _outputs(target, out_size, loss), losses.named(loss)
    _try_loss(chosen, jax.ShapeDtypeStruct((batch_size, *target.shape[1:]), target.dtype), size)
    return Samples(
        x=jnp.asarray(x[train]),
        target=jnp.asarray(target[train]),
        held_out_x=jnp.asarray(x[test]),
        held_out_target=jnp.asarray(target[test]),
        scale=scale,
        in_shape=x.shape[1:],
        out_size=size,
        batch_size=batch_size,
        loss=chosen,
        description=(*described, *(pixels(float(x.max()), scale) if is_pixels else ())),
    )


def _outputs(target: np.ndarray, out_size: int | None, loss: str | Loss) -> int:
    """How many outputs the network needs: one for each class or value, or as many as a loss of one's own asks for."""
    needed = int(target.max()) + 1 if target.ndim == 1 else target.shape[1]
    if out_size is None:
        return needed
    require_whole("out_size", out_size, 1)
    require(
        not isinstance(loss, str) or target.ndim > 1 or out_size >= needed,
        f"The classes run to {needed - 1}, so {loss} needs out_size >= {needed}, not {out_size}.",
    )
    return out_size


def _try_loss(loss: Loss, target: jax.ShapeDtypeStruct, size: int) -> None:
    require(
        size > 1 or loss is not losses.cross_entropy,
        "The cross-entropy of a single output is always 0: give classes as whole numbers, or take another loss.",
    )
    given = jax.eval_shape(loss, jax.ShapeDtypeStruct((target.shape[0], size), jnp.float32), target)
    require(
        isinstance(given, jax.ShapeDtypeStruct) and given.shape == (),
        f"The loss must be one number for a whole batch, but gives {given}: take the mean.",
    )


_Pair = tuple[np.ndarray, np.ndarray]


def _require_alike(pairs: list[_Pair], others: list[_Pair]) -> None:
    """Raise ValueError unless the training batches have one shape, and the samples held out that of a sample."""
    first_x, first_target = pairs[0]
    for x, target in pairs:
        require(
            x.shape == first_x.shape and target.shape == first_target.shape,
            f"All training batches need one shape, but there are {list(first_x.shape)} with targets "
            f"{list(first_target.shape)} and {list(x.shape)} with {list(target.shape)}: drop a short last one "
            "(drop_last=True in a DataLoader).",
        )
    for x, target in others:
        require(
            x.shape[1:] == first_x.shape[1:] and target.shape[1:] == first_target.shape[1:],
            f"Samples held out need the shape of those to train on, {list(first_x.shape[1:])} with targets "
            f"{list(first_target.shape[1:])}, but there are {list(x.shape[1:])} with {list(target.shape[1:])}.",
        )


def _checked(x: npt.ArrayLike, target: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Samples uint8 or f32[n, ...] with classes int32[n] or values f32[n, C]; ValueError where they are neither."""
    x, target = np.asarray(x), np.asarray(target)
    require(x.ndim >= 2 and x.dtype.kind in "biuf", f"x is {describe(x)}; give numbers of shape [n, ...].")
    has_classes = target.dtype.kind in "biu"
    require(
        target.ndim == 1 if has_classes else target.dtype.kind == "f" and target.ndim in (1, 2),
        f"target is {describe(target)}; give whole numbers [n] for classes, or floats [n] or [n, C] for values.",
    )
    require(len(x) == len(target), f"{len(x)} samples and {len(target)} targets do not pair up; give as many of each.")
    require(
        x.size > 0 and target.size > 0, f"x is {describe(x)} and target {describe(target)}; give at least one sample."
    )
    with np.errstate(over="ignore"):  # what becomes infinite is refused below, in a sentence
        x = x if x.dtype == np.uint8 else x.astype(np.float32)
        target = target.astype(np.float32).reshape(len(target), -1) if not has_classes else target
    require(bool(np.isfinite(x).all()), "x holds NaN or numbers too large for f32; drop or replace those samples.")
    if has_classes:
        require(
            0 <= target.min() and target.max() < 2**31, f"The classes begin with {target.min()}; number them from 0."
        )
        return x, target.astype(np.int32)
    require(bool(np.isfinite(target).all()), "target holds NaN or numbers too large for f32; drop those samples.")
    return x, target


def _pairs(batches: Iterable[Any]) -> list[_Pair]:
    """The batches as arrays of our own: a loader may fill the same buffer again and again."""
    pairs = []
    for batch in batches:
        require(
            isinstance(batch, tuple | list) and len(batch) == 2,
            f"A batch is a pair (x, target), but there is a {type(batch).__name__}.",
        )
        x, target = (np.asarray(part).copy() for part in batch)
        require(
            x.shape[:1] == target.shape[:1] != (),
            f"A batch holds x {describe(x)} and target {describe(target)}, which do not pair up; give as many of each.",
        )
        pairs.append((x, target))
    require(bool(pairs), "There are no batches; an iterator can be read only once, so make it anew.")
    return pairs
