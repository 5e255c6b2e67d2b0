"""Files in, arrays out: every data set becomes the same small record of images, labels and their scale.

A file is believed only as far as it goes: the length it promises must be the length it holds, and whatever fails is
told in one sentence that names the file and what to do about it.

    intensity = image / scale        in [0, 1]

The IDX format is the one of the MNIST page (LeCun, Cortes, Burges 1998): two zero bytes, a type code, the number of
axes, each axis as a big-endian uint32, then the values, big-endian. The digits are those of Alpaydin and Kaynak (1998),
see `assets/DIGITS-LICENSE.txt`; notMNIST is Yaroslav Bulatov's (2011), letters A to J in many typefaces.
"""

import gzip
import hashlib
import importlib.resources
import io
import math
import numbers
import os
import struct
import zipfile
import zlib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NOTMNIST_URL = "https://raw.githubusercontent.com/davidflanagan/notMNIST-to-MNIST/master/"
NOTMNIST_FILES = {  # file name: (sha256, address)
    "t10k-images-idx3-ubyte.gz": (
        "70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7",
        NOTMNIST_URL + "t10k-images-idx3-ubyte.gz",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "1fa03836e01c862542f8eb83463bb951bebec6fcb3efa28dad748c6b38a9021b",
        NOTMNIST_URL + "t10k-labels-idx1-ubyte.gz",
    ),
}
KNOWN_FILES = {"notmnist": NOTMNIST_FILES}
NOTMNIST_LETTERS = "ABCDEFGHIJ"  # letter A is class 0

IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
IDX_MOST_AXES = 64  # numpy has no arrays of more
GZIP_MOST_PACKED = 1032  # bytes out per byte in: deflate's shortest code, 2 bits, stands for 258 bytes at most

NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class DataError(Exception):
    """A data file or array cannot be used; the message is one sentence: which, what is wrong, what to do."""


class DataNotFound(FileNotFoundError):
    """There is no such data; the message is one sentence: every place looked at and how to get the files."""


class Dataset(NamedTuple):
    """Labelled images.

    Attributes:
        name: what the reports call it.
        images: uint8 or float32 [n, ...], each pixel in [0, scale].
        labels: int32[n] in 0..num_classes-1.
        scale: the pixel value that stands for 1.0: 255 for bytes, 16 for the digits, 1 or 255 for floats.
        num_classes: the largest label plus one.
        published_test: how many samples at the end are the data set's own test part; 0 where it has none.
        checksum: sha256, in hexadecimal, over the bytes of the images and then of the labels, little-endian.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    scale: float
    num_classes: int
    published_test: int
    checksum: str


def from_arrays(name: str, images: npt.ArrayLike, labels: npt.ArrayLike) -> Dataset:
    """Check a pair of arrays and make it a data set.

    The scale follows the type: whole numbers are bytes and 255 stands for 1.0; booleans are 0.0 and 1.0; floats have
    scale 1 when none exceeds 1, and 255 otherwise.

    Args:
        name: what the reports, and the errors raised here, call it.
        images: [n, ...] booleans, whole numbers in 0..255, or floats in [0, 1] or [0, 255].
        labels: int[n], at least 0.

    Raises:
        DataError: the arrays are of other types, shapes or ranges, differ in length, or hold nothing.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim < 2 or images.dtype.kind not in "biuf":
        raise DataError(f"{name}: the images are {_told(images)}; give numbers of shape [n, ...].")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{name}: the labels are {_told(labels)}; give one whole number for each image.")
    if len(images) != len(labels):
        raise DataError(f"{name}: {len(images)} images and {len(labels)} labels do not pair up; give as many of each.")
    if images.size == 0:
        raise DataError(f"{name}: the images are {_told(images)}, which holds no pixel; give at least one sample.")
    if labels.min() < 0 or labels.max() >= 2**31:
        raise DataError(f"{name}: the labels run from {labels.min()} to {labels.max()}; number the classes from 0.")
    if not (images.min() >= 0 and images.max() <= 255):  # so that NaN fails too
        raise DataError(f"{name}: the pixels are not all within 0..255; rescale them to [0, 1], without NaN.")

    whole = images.dtype.kind in "iu"
    images = np.ascontiguousarray(images, np.uint8 if whole else "<f4")
    labels = np.ascontiguousarray(labels, "<i4")
    return Dataset(
        name=name,
        images=images,
        labels=labels,
        scale=255.0 if whole or images.max() > 1 else 1.0,
        num_classes=int(labels.max()) + 1,
        published_test=0,
        checksum=hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
    )


def load_digits() -> Dataset:
    """The bundled 1,797 handwritten digits: images uint8[1797, 8, 8] in 0..16, ten classes."""
    source = importlib.resources.files("synagents") / "assets" / "digits.npz"
    return from_arrays("digits", *_read_npz(source))._replace(scale=16.0)


def load_notmnist(folder: str | Path | None = None) -> Dataset:
    """Load notMNIST, letters A to J as classes 0 to 9.

    Each place is searched as PLACE/notmnist, then as PLACE, for IDX pairs (see `load_idx`) or for `notMNIST.npz` with
    arrays `images` [n, 28, 28] (see `from_arrays` for the scale) and `labels` [n], numbers or the letters themselves.

    Args:
        folder: the only place to search; without it `$SYNAGENTS_DATA`, then the user's cache.

    Raises:
        DataNotFound: no place holds any of these files.
        DataError: a file that was found cannot be used.
    """
    if folder is not None:
        places = [Path(folder)]
    else:
        named = os.environ.get("SYNAGENTS_DATA")
        places = [Path(named)] if named else []
        places.append(_cache())
    searched = [spot for place in places for spot in (place / "notmnist", place)]
    for spot in searched:
        if pairs := _idx_pairs(spot):
            return _load_pairs("notmnist", spot, pairs)
        if (archive := spot / "notMNIST.npz").is_file():
            images, labels = _read_npz(archive)
            return from_arrays(str(archive), images, _letters_to_classes(archive, labels))._replace(name="notmnist")
    raise DataNotFound(
        f"notMNIST is not in {', '.join(map(str, searched))}; fetch it with `synagents download notmnist`, "
        "or name the folder that holds it with --data or $SYNAGENTS_DATA."
    )


def load_idx(folder: str | Path) -> Dataset:
    """Load a folder of IDX files, plain or gzip, as MNIST and Fashion-MNIST come; the folder's name is the data set's.

    A lone pair `*-images-idx3-ubyte[.gz]` and `*-labels-idx1-ubyte[.gz]` is all the data. Of two pairs, `train-*` and
    `t10k-*`, the second follows the first as the published test part.

    Raises:
        DataNotFound: the folder holds no images in IDX files.
        DataError: the files cannot be used, or are more than one data set.
    """
    folder = Path(folder)
    if not (pairs := _idx_pairs(folder)):
        raise DataNotFound(f"{folder} holds no *{IMAGES} or *{IMAGES}.gz; put the data set's IDX files there.")
    return _load_pairs(folder.resolve().name, folder, pairs)


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzip (told by its first bytes), of any of the format's types and shapes.

    Memory stays within what the file's own size can justify, whatever its header promises.

    Raises:
        DataError: the file is not IDX, is damaged, or is shorter or longer than it promises.
        FileNotFoundError: there is no such file.
    """

    def unusable(what: str) -> DataError:
        return DataError(f"{path} {what}; fetch the file again.")

    try:
        with open(path, "rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            file: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            room = os.fstat(raw.fileno()).st_size * (GZIP_MOST_PACKED if packed else 1)
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES:
                raise unusable("does not begin as an IDX file does")
            dtype, axes = np.dtype(IDX_TYPES[magic[2]]), magic[3]
            sizes = file.read(4 * axes)
            if not 1 <= axes <= IDX_MOST_AXES or len(sizes) < 4 * axes:
                raise unusable(f"has a header of {axes} axes that is impossible or cut short")
            shape = struct.unpack(f">{axes}I", sizes)
            promised = math.prod(shape) * dtype.itemsize
            if not 0 < promised <= room:
                raise unusable(f"promises {promised} bytes, which a file of its size cannot hold")
            body = file.read(promised + 1)  # the byte too many shows trailing data, and the end checks gzip's own sum
    except FileNotFoundError:
        raise
    except (EOFError, MemoryError, OSError, zlib.error) as error:
        raise unusable(f"is damaged or cannot be read ({type(error).__name__})") from error
    if len(body) != promised:
        raise unusable(f"promises {promised} bytes and holds {'more' if len(body) > promised else len(body)}")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def download(name: str, folder: Path | None = None, url: str | None = None) -> Path:
    """Fetch the files of a known data set; those already there and whole are kept.

    Args:
        name: "notmnist", the only one so far.
        folder: where to put the files; without it `<user's cache>/<name>`, where the loader looks.
        url: address of a folder that mirrors the published files.

    Returns:
        The folder that holds the files, each with its published sha256.

    Raises:
        ValueError: the name is not known.
        DataError: a file could not be fetched or written, or is not the published one; it is not left behind.
    """
    if name not in KNOWN_FILES:
        raise ValueError(f"there is no data set {name!r} to download; choose from: {', '.join(sorted(KNOWN_FILES))}.")
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder = _cache() / name if folder is None else Path(folder)
    for file, (sha256, published) in KNOWN_FILES[name].items():
        address = published if url is None else f"{url.rstrip('/')}/{file}"
        try:
            pooch.retrieve(address, f"sha256:{sha256}", fname=file, path=folder)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong checksum is a ValueError
            why = type(error).__name__ if isinstance(error, OSError) else str(error).partition(". ")[0]
            raise DataError(
                f"{address} could not be fetched into {folder} ({why}); try again, or fetch the files by hand "
                "and name their folder with --data."
            ) from error
    return folder


def split(
    labels: npt.ArrayLike, *, held_out: float = 0.25, seed: int = 0, published_test: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Part the samples in two, alike in their classes: each class gives its held-out share to within one sample.

    The samples are laid out class by class, shuffled within each, and every (1/held_out)-th of the row is held out.

    Args:
        labels: int[n].
        held_out: the share held out, in (0, 1).
        seed: of numpy's `default_rng`; the same seed gives the same parts.
        published_test: where above 0, the last so many samples are held out instead, whatever the share and the seed.

    Returns:
        Indices to train on and indices held out, int[.] each, ascending; every sample is in exactly one.

    Raises:
        ValueError: the share is not in (0, 1), or a part would be empty.
    """
    labels = np.asarray(labels)
    n = len(labels)
    if not (isinstance(held_out, numbers.Real) and 0 < held_out < 1):
        raise ValueError(f"held_out is the share of samples to hold out, in (0, 1), and not {held_out!r}.")
    if not (isinstance(seed, numbers.Integral) and seed >= 0):
        raise ValueError(f"split_seed is the seed of the split, a whole number >= 0, and not {seed!r}.")
    if published_test:
        held = np.arange(n) >= n - published_test
    else:
        row = np.random.default_rng(seed).permutation(n)
        row = row[np.argsort(labels[row], kind="stable")]
        held = np.empty(n, bool)
        held[row] = np.diff(np.floor(np.arange(n + 1) * held_out + 0.5)) > 0
    if held.all() or not held.any():
        raise ValueError(f"{held.sum()} of {n} samples would be held out; leave at least one in each part.")
    return np.flatnonzero(~held), np.flatnonzero(held)


def _told(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("synagents"))


def _idx_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """The (images, labels) files in a folder, the published test part last; empty where there are no images."""
    found = sorted(folder.glob("*-ubyte*"), reverse=True)  # of a file and its .gz, the plain one comes last and wins
    files = {path.name.removesuffix(".gz"): path for path in found}
    parts = {stem.removesuffix(IMAGES) for stem in files if stem.endswith(IMAGES)}
    if len(parts) > 1 and parts != {"train", "t10k"}:
        raise DataError(f"{folder} holds the images of {', '.join(sorted(parts))}; keep one data set in a folder.")
    for part in parts:
        if part + LABELS not in files:
            raise DataError(f"{folder} holds {part}{IMAGES} without {part}{LABELS}; put the labels beside the images.")
    return [(files[part + IMAGES], files[part + LABELS]) for part in sorted(parts, reverse=True)]  # train, then t10k


def _load_pairs(name: str, folder: Path, pairs: list[tuple[Path, Path]]) -> Dataset:
    parts = [from_arrays(str(images), read_idx(images), read_idx(labels)) for images, labels in pairs]
    if len({(part.images.shape[1:], part.images.dtype, part.scale) for part in parts}) > 1:
        raise DataError(f"{folder}: the train and t10k images differ in shape or type; keep one data set in a folder.")
    whole = from_arrays(
        str(folder), np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts])
    )
    return whole._replace(name=name, published_test=len(parts[1].labels) if len(parts) > 1 else 0)


def _read_npz(source: Path | Traversable) -> tuple[np.ndarray, np.ndarray]:
    """The arrays `images` and `labels` of an NPZ file; nothing in it is ever unpickled, nor room made for a promise."""

    def read(name: str) -> np.ndarray:
        info = archive.getinfo(name + ".npy")
        packing = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: GZIP_MOST_PACKED}[info.compress_type]
        room = min(packing * info.compress_size, GZIP_MOST_PACKED * size)
        with archive.open(info) as member:
            read_header = NPY_HEADERS[np.lib.format.read_magic(member)]
            shape, _, dtype = read_header(member)
            promised = member.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject or promised != info.file_size or promised > room:
            raise DataError("promises another length than it holds")
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    try:
        with source.open("rb") as file, zipfile.ZipFile(file) as archive:
            size = file.seek(0, io.SEEK_END)
            return read("images"), read("labels")
    except Exception as error:  # zipfile, zlib and numpy have no closed list of what a damaged file makes them raise
        raise DataError(
            f"{source} is damaged or lacks plain arrays `images` and `labels` ({type(error).__name__}); "
            "save them anew with numpy.savez."
        ) from error


def _letters_to_classes(archive: Path, labels: np.ndarray) -> np.ndarray:
    """Letters A to J as 0 to 9; numbers as they are."""
    if labels.dtype.kind not in "SU":
        return labels
    match = labels[..., None] == np.array(list(NOTMNIST_LETTERS), labels.dtype.kind)
    if not match.any(axis=-1).all():
        raise DataError(f"{archive} has labels other than the letters A to J; save numbers or these letters.")
    return match.argmax(axis=-1)
