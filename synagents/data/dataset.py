"""The record that every data set becomes: images, the class of each, and what a pixel is divided by.

    intensity = image / scale        in [0, 1]        class = place of the label among all labels, sorted

The scale is inferred from the largest pixel of the training part, because files do not say it: 1 where no pixel
exceeds 1; the largest pixel itself up to 16 (images of few grey levels, such as the UCI digits with 0 .. 16); 255
above. The whole part is looked at, so a dark image among others changes nothing; where all are dark, give the scale.
"""

import hashlib
import numbers
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FEW_LEVELS = 16  # up to this largest pixel, it is what white is; above, bytes are meant
LARGEST = 255


class DataError(Exception):
    """A data file or array cannot be used; the message is one sentence: which, what is wrong, what to do."""


class DataNotFound(FileNotFoundError):
    """There is no such data; the message is one sentence: every place looked at and how to get the files."""


class Dataset(NamedTuple):
    """Labelled images.

    Attributes:
        name: what the reports call it.
        images: uint8 or float32 [n, ...], each pixel in [0, scale] unless the scale was given by hand.
        labels: int32[n], the classes, 0 .. K-1.
        scale: what pixels are divided by.
        classes: the label that each of the K classes has in the files: (1, ..., 26) for the letters of EMNIST.
        published_test: how many samples at the end are the data set's own test part; 0 where it has none.
        checksum: sha256, in hexadecimal, over the bytes of the images and then of the labels, little-endian.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    scale: float
    classes: tuple[int | str, ...]
    published_test: int
    checksum: str

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)


class Part(NamedTuple):
    """Images and their labels as they were found."""

    source: str  # what errors call it
    images: np.ndarray  # [n, ...] booleans, whole numbers or floats
    labels: np.ndarray  # [n] or [n, 1] whole numbers or texts


def from_arrays(name: str, images: npt.ArrayLike, labels: npt.ArrayLike, *, scale: float | None = None) -> Dataset:
    """Check a pair of arrays and make it a data set.

    Args:
        name: what the reports, and the errors raised here, call it.
        images: [n, ...] booleans, whole numbers or floats, within 0 .. 255 unless a scale is given.
        labels: [n] whole numbers >= 0, or texts; class 0 is the smallest label.
        scale: what pixels are divided by, > 0; by default inferred from the largest, as this module's text says.

    Raises:
        DataError: the arrays are of other types, shapes or ranges, differ in length, or hold nothing.
        ValueError: the scale is no number > 0.
    """
    return from_parts(name, Part(name, np.asarray(images), np.asarray(labels)), scale=scale)


def from_parts(name: str, train: Part, test: Part | None = None, *, scale: float | None = None) -> Dataset:
    """A data set of one part, or of a part to train on and the published test part, which then comes last.

    Raises:
        DataError: as in `from_arrays`, or the two parts differ in shape or type.
    """
    parts = [_checked(part, scale) for part in (train, test) if part is not None]
    images = _joined(parts)
    if scale is None:
        scale = infer_scale(parts[0].images)
        brightest = float(images.max())
        if 1 < scale < brightest <= FEW_LEVELS:  # the brightest level happens to occur among the test images alone
            scale = brightest
        if brightest > scale:
            raise DataError(
                f"{parts[1].source}: the pixels run to {brightest:g}, but those to train on suggest that {scale:g} "
                "stands for 1; say what pixels are divided by (scale= in Python, --scale)."
            )
    elif not (isinstance(scale, numbers.Real) and 0 < scale < float("inf")):
        raise ValueError(f"scale is what pixels are divided by, a number > 0, and not {scale!r}.")
    found, classes = np.unique(np.concatenate([part.labels for part in parts]), return_inverse=True)
    labels = np.ascontiguousarray(classes, "<i4")
    return Dataset(
        name=name,
        images=images,
        labels=labels,
        scale=float(scale),
        classes=tuple(found.astype(str).tolist() if found.dtype.kind in "SU" else found.tolist()),
        published_test=len(parts[1].labels) if len(parts) > 1 else 0,
        checksum=checksum(images, labels),
    )


def checksum(*arrays: np.ndarray) -> str:
    """sha256, in hexadecimal, over the bytes of the arrays, one after the other, little-endian."""
    little = (np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for array in arrays)
    return hashlib.sha256(b"".join(array.tobytes() for array in little)).hexdigest()


def infer_scale(pixels: np.ndarray) -> float:
    """The pixel that stands for 1, from the largest one; see this module's text."""
    largest = float(pixels.max())
    return max(largest, 1.0) if largest <= FEW_LEVELS else float(LARGEST)


def describe(array: np.ndarray) -> str:
    """Type and shape, for errors: `uint8[6, 28, 28]`."""
    return f"{array.dtype}{list(array.shape)}"


def _joined(parts: list[Part]) -> np.ndarray:
    """The images of all parts: bytes where they are whole numbers up to 255, else f32."""
    shapes = {(part.images.shape[1:], part.images.dtype.kind in "iu") for part in parts}
    if len(shapes) > 1:
        raise DataError(
            f"{parts[1].source}: the images are {describe(parts[1].images)}, but those to train on are "
            f"{describe(parts[0].images)}; keep one data set in a folder."
        )
    images = np.concatenate([part.images for part in parts]) if len(parts) > 1 else parts[0].images
    bytes_hold_them = images.dtype.kind in "iu" and 0 <= images.min() and images.max() <= LARGEST
    return np.ascontiguousarray(images, np.uint8 if bytes_hold_them else "<f4")


def _checked(part: Part, scale: float | None) -> Part:
    """The same part, its labels [n]; DataError where it cannot be a data set."""
    source, images, labels = part
    if images.ndim < 2 or images.dtype.kind not in "biuf":
        raise DataError(f"{source}: the images are {describe(images)}; give numbers of shape [n, ...].")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuSU":
        raise DataError(f"{source}: the labels are {describe(labels)}; give one whole number for each image.")
    if len(images) != len(labels):
        raise DataError(
            f"{source}: {len(images)} images and {len(labels)} labels do not pair up; give as many of each."
        )
    if images.size == 0:
        raise DataError(f"{source}: the images are {describe(images)}, which holds no pixel; give at least one sample.")
    if labels.dtype.kind in "iu" and (labels.min() < 0 or labels.max() >= 2**31):
        raise DataError(f"{source}: the labels run from {labels.min()} to {labels.max()}; number the classes from 0.")
    _check_pixels(source, images, scale)
    return Part(source, images, labels)


def _check_pixels(source: str, images: np.ndarray, scale: float | None) -> None:
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{source}: there are pixels that are no finite numbers; drop or replace those images.")
    if scale is None and not (low >= 0 and high <= LARGEST):
        raise DataError(
            f"{source}: the pixels run from {low:g} to {high:g}, not within 0..255; say what they are to be divided by "
            "(scale= in Python, --scale)."
        )
