"""Images and their classes by name: the bundled digits, notMNIST, and any folder of MNIST-like files.

    x = pixels / scale in [0, 1], [rows, columns];   a share of every class held out

(Digits: Alpaydin and Kaynak 1998. notMNIST: Bulatov 2011. The files of MNIST: LeCun, Cortes and Burges 1998.)
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from synagents import data as files
from synagents.data import Dataset
from synagents.hyperparameters import require, require_between
from synagents.tasks import losses
from synagents.tasks.losses import Loss
from synagents.tasks.samples import Samples, counts, pixels, require_batch

__all__ = ["digits", "idx", "notmnist"]


def from_dataset(
    dataset: Dataset,
    *,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str | Loss = "cross-entropy",
) -> Samples:
    """A task from any labelled images (`synagents.data.from_arrays` makes a data set of your own).

    Args:
        dataset: images and labels.
        batch_size: images per batch, at least 1, at most the training part.
        held_out: share of the images held out, in (0, 1); a published test part is used where the data set has one.
        split_seed: seed of the stratified split, 0 .. 2^32 - 1.
        loss: "cross-entropy", "mean-squared-error", "squared-hinge", "p-norm[:ORDER]" or a function (logits, labels).

    Raises:
        ValueError: if the batch is larger than the training part, or the share leaves a part empty.
    """
    train, test = files.split(dataset.labels, held_out=held_out, seed=split_seed, published_test=dataset.published_test)
    how = "published" if dataset.published_test else f"stratified, seed {split_seed}"
    require_batch(batch_size, len(train), dataset.name)
    return Samples(
        x=jnp.asarray(dataset.images[train]),
        target=jnp.asarray(dataset.labels[train]),
        held_out_x=jnp.asarray(dataset.images[test]),
        held_out_target=jnp.asarray(dataset.labels[test]),
        scale=dataset.scale,
        in_shape=dataset.images.shape[1:],
        out_size=dataset.num_classes,
        batch_size=batch_size,
        loss=losses.named(loss),
        description=(
            *counts(dataset.name, train, test, how),
            *pixels(float(dataset.images.max()), dataset.scale),
            *_renumbered(dataset),
            ("checksum", dataset.checksum),
        ),
    )


def digits(
    *,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str = "cross-entropy",
    scale: float | None = None,
) -> Samples:
    """The UCI handwritten digits, 1,797 images of 8x8, which travel with the package.

    Args:
        batch_size: images per batch, 1 .. the training part (1,348 by default).
        held_out: share of the images held out, in (0, 1).
        split_seed: seed of the stratified split, 0 .. 2^32 - 1.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
        scale: what pixels are divided by, > 0; by default 16, the largest.
    """
    _check_scale(scale)
    dataset = files.load_digits(scale=scale)
    return from_dataset(dataset, batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss)


def notmnist(
    *,
    data: Path | None = None,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str = "cross-entropy",
    scale: float | None = None,
) -> Samples:
    """notMNIST, letters A-J from many fonts, 28x28 (Bulatov 2011): the reference paper's data.

    Args:
        data: folder with an IDX pair or notMNIST.npz; else $SYNAGENTS_DATA, then what `synagents download` fetched.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1); the paper's is 0.25.
        split_seed: seed of the stratified split, 0 .. 2^32 - 1.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
        scale: what pixels are divided by, > 0; by default inferred: 255 for the published files.
    """
    require(data is None or isinstance(data, str | Path), f"data is the name of a folder, and not {data!r}.")
    _check_scale(scale)
    dataset = files.load_notmnist(data, scale=scale)
    return from_dataset(dataset, batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss)


def idx(
    *,
    data: Path | None = None,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str = "cross-entropy",
    scale: float | None = None,
) -> Samples:
    """Images in IDX or NPZ files: MNIST, Fashion-MNIST, EMNIST, KMNIST, QMNIST, your own.

    Args:
        data: folder with *-images-idx3-ubyte[.gz] and *-labels-idx1-ubyte[.gz], or a set in it such as
            DIR/emnist-letters; a t10k or test pair beside a train pair is the held-out part.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1), where there is no published test part.
        split_seed: seed of the stratified split, 0 .. 2^32 - 1.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
        scale: what pixels are divided by, > 0; by default the largest up to 16, else 255.
    """
    if not isinstance(data, str | Path):
        raise ValueError("The task idx reads your own files: name their folder with --data DIR (data= in Python).")
    _check_scale(scale)
    dataset = files.load_idx(data, scale=scale)
    return from_dataset(dataset, batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss)


def _check_scale(scale: float | None) -> None:
    if scale is not None:
        require_between("scale", scale, 0, above=True)


def _renumbered(dataset: Dataset) -> tuple[tuple[str, Any], ...]:
    """Which labels the classes are, for a description; nothing where they are the same numbers."""
    last = dataset.num_classes - 1
    if dataset.classes == tuple(range(last + 1)):
        return ()
    return (("classes", f"0 .. {last} for labels {dataset.classes[0]} .. {dataset.classes[-1]}"),)
