"""Learn from samples: a batch of the training part is the stimulus, its loss what is to fall.

    loss = loss(network(batch), targets)

The batch is drawn without replacement and kept until the world asks for a new one. Pictures with labels come by name;
`from_arrays` and `from_batches` take anything else: sequences, measurements, classes or values, any loss.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Float, Integer, Key, Num

from synagents.data import files
from synagents.tasks import losses
from synagents.tasks.losses import Loss
from synagents.settings import require, require_whole, settings, static
from synagents.world import Metrics, Part, Task

__all__ = ["digits", "idx", "notmnist"]


class Batch(NamedTuple):
    """The samples in use."""

    x: Float[Array, "B ..."]  # as the network sees them
    target: Num[Array, "B *C"]  # classes int32[B] or values f32[B, C]


@settings
class Samples(Task):
    """One split of one data set; build it by `digits`, `notmnist`, `idx`, `from_dataset` or `from_arrays`.

    Attributes:
        x: the training part, uint8 or f32[n, *in_shape].
        target: its classes int32[n] or values f32[n, C].
        held_out_x: the held-out part, uint8 or f32[m, *in_shape].
        held_out_target: its classes int32[m] or values f32[m, C].
        scale: the number in `x` that stands for 1.
        in_shape: of one sample.
        out_size: outputs of the network: the number of classes, or C.
        batch_size: samples per batch, 1 .. n.
        loss: of (outputs, targets).
        description: the data and the split, to be reported: name, counts, seed, checksum.
    """

    x: Num[Array, "n ..."]
    target: Num[Array, "n *C"]
    held_out_x: Num[Array, "m ..."]
    held_out_target: Num[Array, "m *C"]
    scale: float
    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    batch_size: int = static()
    loss: Loss = static()
    description: tuple[tuple[str, Any], ...] = static()

    def init(self, key: Key[Array, ""]) -> Batch:
        """A first batch."""
        return self._draw(key)

    def stimulus(self, state: Batch) -> Float[Array, "B ..."]:
        """The batch's samples."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Batch, out: Float[Array, "B C"]) -> tuple[Batch, Float[Array, ""]]:
        """The loss of the outputs."""
        del key
        return state, self.loss(out, state.target)

    def refresh(self, key: Key[Array, ""], state: Batch) -> Batch:
        """A new batch, drawn without replacement; the same one where it is the whole training part."""
        return state if self.batch_size == self.target.shape[0] else self._draw(key)

    def evaluate(self, state: Batch, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss, and accuracy where the targets are classes, over the whole training or held-out part."""
        del state
        x, target = (self.x, self.target) if part == "train" else (self.held_out_x, self.held_out_target)
        out = apply_fn(x / self.scale)
        metrics = {"loss": self.loss(out, target)}
        if jnp.issubdtype(target.dtype, jnp.integer):
            metrics["accuracy"] = losses.accuracy(out, target)
        return metrics

    def _draw(self, key: Key[Array, ""]) -> Batch:
        # The luckiest of all, in order of luck: a permutation by sorting takes fifteen times as long.
        _, chosen = jax.lax.top_k(jax.random.uniform(key, self.target.shape[:1]), self.batch_size)
        return Batch(self.x[chosen] / self.scale, self.target[chosen])


class Turn(NamedTuple):
    """The batch whose turn it is."""

    x: Float[Array, "B ..."]
    target: Num[Array, "B *C"]
    which: Integer[Array, ""]


@settings
class Batches(Task):
    """Samples that come in batches made elsewhere and stay together; build it by `from_batches`.

    Attributes:
        samples: all of them, the training batches one after the other.
    """

    samples: Samples

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.samples.in_shape

    @property
    def out_size(self) -> int:
        """Outputs of the network."""
        return self.samples.out_size

    def init(self, key: Key[Array, ""]) -> Turn:
        """Any of the training batches."""
        return self._take(jax.random.randint(key, (), 0, self._count))

    def stimulus(self, state: Turn) -> Float[Array, "B ..."]:
        """The batch's samples."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Turn, out: Float[Array, "B C"]) -> tuple[Turn, Float[Array, ""]]:
        """The loss of the outputs."""
        del key
        return state, self.samples.loss(out, state.target)

    def refresh(self, key: Key[Array, ""], state: Turn) -> Turn:
        """Any other of the training batches; the same one where it is the only one."""
        if self._count == 1:
            return state
        return self._take((state.which + jax.random.randint(key, (), 1, self._count)) % self._count)

    def evaluate(self, state: Turn, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss, and accuracy where the targets are classes, over all training or held-out batches as one."""
        return self.samples.evaluate(Batch(state.x, state.target), apply_fn, part)

    @property
    def _count(self) -> int:
        return self.samples.target.shape[0] // self.samples.batch_size

    def _take(self, which: Integer[Array, ""]) -> Turn:
        size = self.samples.batch_size
        x, target = (
            jax.lax.dynamic_slice_in_dim(every, which * size, size) for every in (self.samples.x, self.samples.target)
        )
        return Turn(x / self.samples.scale, target, which)


def validation(task: Samples, share: float) -> Samples:
    """The same task with its training part cut in two: the last `share` of it is held out, and what was is gone.

    The cut is at random (seed 0) but always the same; batches must fit what remains.

    Raises:
        ValueError: if the batch does not.
    """
    order = np.random.default_rng(0).permutation(len(task.target))
    train, test = np.split(order, [len(order) - round(share * len(order))])
    _require_batch(task.batch_size, len(train), "a training part that is cut in two")
    return replace(
        task,
        x=task.x[train],
        target=task.target[train],
        held_out_x=task.x[test],
        held_out_target=task.target[test],
        description=(*task.description, ("validation", share)),
    )


def from_dataset(
    dataset: files.Dataset,
    *,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str | Loss = "cross-entropy",
) -> Samples:
    """A task from any labelled images (`synagents.data.files.from_arrays` makes a data set of your own).

    Args:
        dataset: images and labels.
        batch_size: images per batch, at least 1, at most the training part.
        held_out: share of the images held out, in (0, 1); a published test part is used where the data set has one.
        split_seed: seed of the stratified split, an integer >= 0.
        loss: "cross-entropy", "mean-squared-error", "p-norm[:ORDER]" or a function of (logits, labels).

    Raises:
        ValueError: if the batch is larger than the training part, or the share leaves a part empty.
    """
    train, test = files.split(dataset.labels, held_out=held_out, seed=split_seed, published_test=dataset.published_test)
    how = "published" if dataset.published_test else f"stratified, seed {split_seed}"
    _require_batch(batch_size, len(train), dataset.name)
    pixels = dataset.images.reshape(len(dataset.images), -1)
    return Samples(
        x=jnp.asarray(pixels[train]),
        target=jnp.asarray(dataset.labels[train]),
        held_out_x=jnp.asarray(pixels[test]),
        held_out_target=jnp.asarray(dataset.labels[test]),
        scale=dataset.scale,
        in_shape=(math.prod(dataset.images.shape[1:]),),
        out_size=dataset.num_classes,
        batch_size=batch_size,
        loss=losses.named(loss),
        description=(*_described(dataset.name, train, test, how), ("checksum", dataset.checksum)),
    )


def from_arrays(
    x: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    loss: str | Loss,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    out_size: int | None = None,
) -> Samples:
    """A task from any arrays of samples and what is to be said of them.

    Numbers are taken as they are, with one exception: `x` of type uint8 is pixels, and 255 stands for 1, as in the
    data sets of this package. Convert bytes that are no pixels to floats.

    Args:
        x: samples [n, ...] of any shape; kept as f32, or as uint8.
        target: whole numbers [n] are classes from 0 on; floats [n] or [n, C] are values, and [n] becomes [n, 1], so
            that it has the shape of the outputs.
        loss: "cross-entropy", "mean-squared-error", "p-norm[:ORDER]" or a function (outputs f32[B, out_size],
            targets int32[B] or f32[B, C]) -> f32[].
        batch_size: samples per batch, 1 .. the training part.
        held_out: share of the samples held out, in (0, 1).
        split_seed: seed of the split, an integer >= 0; classes are split alike, values at random.
        out_size: outputs of the network, where they are not the number of classes, or C.

    Raises:
        ValueError: if the arrays do not pair up, hold nothing, hold what is no finite number or class, or if another
            argument is out of range.
    """
    x, target = _checked(x, target)
    graded = target.dtype == np.int32
    train, test = files.split(target if graded else np.zeros(len(target)), held_out=held_out, seed=split_seed)
    _require_batch(batch_size, len(train), "arrays")
    how = f"{'stratified' if graded else 'shuffled'}, seed {split_seed}"
    description = _described("arrays", train, test, how)
    return _samples(x, target, train, test, batch_size, loss, out_size, description)


def from_batches(
    batches: Iterable[Any],
    *,
    loss: str | Loss,
    held_out: float | Iterable[Any] = 0.25,
    out_size: int | None = None,
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
    x, target = _checked(*(np.concatenate(part) for part in zip(*pairs, *others, strict=True)))
    train, test = np.split(np.arange(len(x)), [len(pairs) * len(first_x)])
    description = _described("batches", train, test, how)
    return Batches(_samples(x, target, train, test, len(first_x), loss, out_size, description))


def digits(
    *, batch_size: int = 500, held_out: float = 0.25, split_seed: int = 0, loss: str = "cross-entropy"
) -> Samples:
    """The UCI handwritten digits, 1,797 images of 8x8, which travel with the package.

    Args:
        batch_size: images per batch, 1 .. the training part (1,348 by default).
        held_out: share of the images held out, in (0, 1).
        split_seed: seed of the stratified split, an integer >= 0.
        loss: cross-entropy, mean-squared-error or p-norm[:ORDER].
    """
    return from_dataset(files.load_digits(), batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss)


def notmnist(
    *,
    data: Path | None = None,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str = "cross-entropy",
) -> Samples:
    """notMNIST, letters A-J from many fonts, 28x28 (Bulatov 2011): the reference paper's data.

    Args:
        data: folder with an IDX pair or notMNIST.npz; else $SYNAGENTS_DATA, then what `synagents download` fetched.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1); the paper's is 0.25.
        split_seed: seed of the stratified split, an integer >= 0.
        loss: cross-entropy, mean-squared-error or p-norm[:ORDER].
    """
    require(data is None or isinstance(data, str | Path), f"data is the name of a folder, and not {data!r}.")
    return from_dataset(
        files.load_notmnist(data), batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss
    )


def idx(
    *,
    data: Path | None = None,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str = "cross-entropy",
) -> Samples:
    """Any images in the IDX format: MNIST, Fashion-MNIST, your own.

    Args:
        data: folder with *-images-idx3-ubyte[.gz] and *-labels-idx1-ubyte[.gz]; a t10k pair beside a train pair is
            the held-out part.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1), where there is no published test part.
        split_seed: seed of the stratified split, an integer >= 0.
        loss: cross-entropy, mean-squared-error or p-norm[:ORDER].
    """
    if not isinstance(data, str | Path):
        raise ValueError("The task idx reads your own files: name their folder with --data DIR (data= in Python).")
    return from_dataset(
        files.load_idx(data), batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss
    )


def _samples(
    x: np.ndarray,
    target: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    batch_size: int,
    loss: str | Loss,
    out_size: int | None,
    description: tuple[tuple[str, Any], ...],
) -> Samples:
    """The task of checked arrays, parted in two; the loss is tried on shapes."""
    if out_size is not None:
        require_whole("out_size", out_size, 1)
    size = out_size or (int(target.max()) + 1 if target.ndim == 1 else target.shape[1])
    chosen = losses.named(loss)
    require(
        size > 1 or chosen is not losses.cross_entropy,
        "The cross-entropy of a single output is always 0: give classes as whole numbers, or take another loss.",
    )
    out = jax.ShapeDtypeStruct((batch_size, size), jnp.float32)
    given = jax.eval_shape(chosen, out, jax.ShapeDtypeStruct((batch_size, *target.shape[1:]), target.dtype))
    require(
        getattr(given, "shape", None) == (),
        f"The loss must be one number for a whole batch, but gives {given}: take the mean.",
    )
    return Samples(
        x=jnp.asarray(x[train]),
        target=jnp.asarray(target[train]),
        held_out_x=jnp.asarray(x[test]),
        held_out_target=jnp.asarray(target[test]),
        scale=255.0 if x.dtype == np.uint8 else 1.0,
        in_shape=x.shape[1:],
        out_size=size,
        batch_size=batch_size,
        loss=chosen,
        description=description,
    )


def _checked(x: npt.ArrayLike, target: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Samples uint8 or f32[n, ...] with classes int32[n] or values f32[n, C]; ValueError where they are neither."""
    x, target = np.asarray(x), np.asarray(target)
    require(x.ndim >= 2 and x.dtype.kind in "biuf", f"x is {_told(x)}; give numbers of shape [n, ...].")
    graded = target.dtype.kind in "biu"
    require(
        target.ndim == 1 if graded else target.dtype.kind == "f" and target.ndim in (1, 2),
        f"target is {_told(target)}; give whole numbers [n] for classes, or floats [n] or [n, C] for values.",
    )
    require(len(x) == len(target), f"{len(x)} samples and {len(target)} targets do not pair up; give as many of each.")
    require(x.size > 0 and target.size > 0, f"x is {_told(x)} and target {_told(target)}; give at least one sample.")
    with np.errstate(over="ignore"):  # what becomes infinite is told in a sentence
        x = x if x.dtype == np.uint8 else x.astype(np.float32)
        target = target.astype(np.float32).reshape(len(target), -1) if not graded else target
    require(bool(np.isfinite(x).all()), "x holds NaN or numbers too large for f32; drop or replace those samples.")
    if graded:
        require(
            0 <= target.min() and target.max() < 2**31, f"The classes begin with {target.min()}; number them from 0."
        )
        return x, target.astype(np.int32)
    require(bool(np.isfinite(target).all()), "target holds NaN or numbers too large for f32; drop those samples.")
    return x, target


def _pairs(batches: Iterable[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
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
            f"A batch holds x {_told(x)} and target {_told(target)}, which do not pair up; give as many of each.",
        )
        pairs.append((x, target))
    require(bool(pairs), "There are no batches; an iterator can be read only once, so make it anew.")
    return pairs


def _require_batch(batch_size: int, most: int, name: str) -> None:
    require(
        isinstance(batch_size, int) and 1 <= batch_size <= most,
        f"batch_size must lie in 1 .. {most}, the training samples of {name}, but is {batch_size}.",
    )


def _described(name: str, train: np.ndarray, test: np.ndarray, how: str) -> tuple[tuple[str, Any], ...]:
    return (("data", name), ("train_samples", len(train)), ("held_out_samples", len(test)), ("split", how))


def _told(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"
