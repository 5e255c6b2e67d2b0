"""Learn to name pictures: a batch of training images is the stimulus, minus its loss the score.

    score = -loss(network(batch), labels)

The batch is drawn without replacement and kept until the world asks for a new one.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from synagents import data as files
from synagents import losses
from synagents.losses import Loss
from synagents.settings import require, settings, static
from synagents.world import Part

__all__ = ["digits", "idx", "notmnist"]


class Batch(NamedTuple):
    """The images in use."""

    x: Float[Array, "B D"]  # pixels in [0, 1]
    labels: Integer[Array, "B"]


@settings
class Images:
    """Image classification on one split of one data set; build it by `digits`, `notmnist`, `idx` or `from_dataset`.

    Attributes:
        pixels: the training part, uint8 or f32[n, D].
        labels: its classes, int32[n].
        held_out_pixels: the held-out part, uint8 or f32[m, D].
        held_out_labels: its classes, int32[m].
        scale: the pixel value that stands for 1.
        in_shape: of one image.
        out_size: number of classes.
        batch_size: images per batch, 1 .. n.
        loss: of (logits, labels).
        description: the data and the split, to be reported: name, counts, seed, checksum.
    """

    pixels: Array
    labels: Integer[Array, "n"]
    held_out_pixels: Array
    held_out_labels: Integer[Array, "m"]
    scale: float
    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    batch_size: int = static()
    loss: Loss = static()
    description: tuple[tuple[str, Any], ...] = static()

    def init(self, key: Key[Array, ""]) -> Batch:
        """A first batch."""
        return self._draw(key)

    def stimulus(self, state: Batch) -> Float[Array, "B D"]:
        """The batch's images."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Batch, out: Float[Array, "B C"]) -> tuple[Batch, Float[Array, ""]]:
        """Minus the loss of the logits."""
        del key
        return state, -self.loss(out, state.labels)

    def refresh(self, key: Key[Array, ""], state: Batch) -> Batch:
        """A new batch, drawn without replacement; the same one where it is the whole training part."""
        return state if self.batch_size == self.labels.shape[0] else self._draw(key)

    def evaluate(self, state: Batch, apply_fn: Callable[[Array], Array], part: Part) -> dict[str, Float[Array, ""]]:
        """Loss and accuracy over the whole training or held-out part."""
        del state
        pixels, labels = (self.pixels, self.labels) if part == "train" else (self.held_out_pixels, self.held_out_labels)
        out = apply_fn(pixels / self.scale)
        return {"loss": self.loss(out, labels), "accuracy": losses.accuracy(out, labels)}

    def _draw(self, key: Key[Array, ""]) -> Batch:
        chosen = jax.random.permutation(key, self.labels.shape[0])[: self.batch_size]
        return Batch(self.pixels[chosen] / self.scale, self.labels[chosen])


def from_dataset(
    dataset: files.Dataset,
    *,
    batch_size: int = 500,
    held_out: float = 0.25,
    split_seed: int = 0,
    loss: str | Loss = "cross-entropy",
) -> Images:
    """An image task from any data set (`synagents.data.from_arrays` makes one of your own arrays).

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
    require(
        isinstance(batch_size, int) and 1 <= batch_size <= len(train),
        f"batch_size must lie in 1 .. {len(train)}, the training images of {dataset.name}, but is {batch_size}.",
    )
    pixels = dataset.images.reshape(len(dataset.images), -1)
    description = {
        "data": dataset.name,
        "train_images": len(train),
        "held_out_images": len(test),
        "split": "published" if dataset.published_test else f"stratified, seed {split_seed}",
        "checksum": dataset.checksum,
    }
    return Images(
        pixels=jnp.asarray(pixels[train]),
        labels=jnp.asarray(dataset.labels[train]),
        held_out_pixels=jnp.asarray(pixels[test]),
        held_out_labels=jnp.asarray(dataset.labels[test]),
        scale=dataset.scale,
        in_shape=(math.prod(dataset.images.shape[1:]),),
        out_size=dataset.num_classes,
        batch_size=batch_size,
        loss=losses.named(loss),
        description=tuple(description.items()),
    )


def digits(
    *, batch_size: int = 500, held_out: float = 0.25, split_seed: int = 0, loss: str = "cross-entropy"
) -> Images:
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
) -> Images:
    """notMNIST, letters A-J from many fonts, 28x28 (Bulatov 2011): the reference paper's data.

    Args:
        data: folder with an IDX pair or notMNIST.npz; else $SYNAGENTS_DATA, then what `synagents download` fetched.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1); the paper's is 0.25.
        split_seed: seed of the stratified split, an integer >= 0.
        loss: cross-entropy, mean-squared-error or p-norm[:ORDER].
    """
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
) -> Images:
    """Any images in the IDX format: MNIST, Fashion-MNIST, your own.

    Args:
        data: folder with *-images-idx3-ubyte[.gz] and *-labels-idx1-ubyte[.gz]; a t10k pair beside a train pair is
            the held-out part.
        batch_size: images per batch, 1 .. the training part.
        held_out: share of the images held out, in (0, 1), where there is no published test part.
        split_seed: seed of the stratified split, an integer >= 0.
        loss: cross-entropy, mean-squared-error or p-norm[:ORDER].
    """
    if data is None:
        raise ValueError("The task idx reads your own files: name their folder with --data DIR (data= in Python).")
    return from_dataset(
        files.load_idx(data), batch_size=batch_size, held_out=held_out, split_seed=split_seed, loss=loss
    )
