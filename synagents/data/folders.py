"""Find the files of a data set in a folder, named and nested as the makers of MNIST-like data and their loaders do.

    [SET-][PART-]KIND        PART: train, or t10k, test        KIND: images-idx3-ubyte, labels-idx1-ubyte, imgs.npz, ...

| data                              | files                                                                          |
|-----------------------------------|--------------------------------------------------------------------------------|
| MNIST, Fashion-MNIST, KMNIST      | train-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz], ...                 |
| the same on Kaggle                | train-images.idx3-ubyte, or a folder of that name around the file              |
| the same fetched by torchvision   | MNIST/raw/..., each file beside its .gz                                        |
| EMNIST                            | emnist-letters-train-images-idx3-ubyte, ...: six sets in one folder            |
| QMNIST                            | qmnist-test-labels-idx2-int: eight numbers for each image, the first its class |
| KMNIST, Kuzushiji-49              | kmnist-train-imgs.npz, k49-test-labels.npz, ...: one array in each             |
| MNIST of Keras                    | mnist.npz: x_train, y_train, x_test, y_test                                    |
| MedMNIST                          | pathmnist.npz: train_images, train_labels, val_images, ...                     |
| your own                          | any.npz: images, labels                                                        |

A set may be named as a file in its folder would be: `EMNIST/raw/emnist-letters`. (The images of EMNIST lie on their
side in the files, and stay so.) Hidden files, such as the `._` files of macOS, are no data. (LeCun et al. 1998; Xiao et
al. 2017; Clanuwat et al. 2018; Cohen et al. 2017; Yadav and Bottou 2019; Yang et al. 2023.)
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synagents.data.dataset import DataError, DataNotFound, Dataset, Part, describe, from_parts
from synagents.data.idx import read_idx
from synagents.data.npz import names_in, read_npz

DEPTH = 3  # folders in folders that are looked into
MOST_FOLDERS = 1000  # of a depth
SHOWN = 6  # names in an error

FILE = re.compile(r"(?P<part>.*?)[-_.]?(?P<kind>images|imgs|labels)([-_.]idx\d[-_.][a-z]+(\.gz)?|\.npz)", re.IGNORECASE)
PART = re.compile(r"(?P<set>.*?)(?:(?:^|[-_.])(?P<role>train|training|t10k|test|testing))?", re.IGNORECASE)
TEST = ("t10k", "test", "testing")
NAMELESS = ("raw", "gzip", "processed")  # folders in which loaders put what they fetched: the one above has the name
QMNIST_NUMBERS = 8  # of a label; the first is the class


class Layout(NamedTuple):
    """The names of an archive's arrays, images and labels."""

    train: tuple[tuple[str, str], ...]
    test: tuple[str, str] | None = None

    @property
    def names(self) -> set[str]:
        """All of them."""
        return {name for pair in (*self.train, self.test or ()) for name in pair}


LAYOUTS = (
    Layout((("images", "labels"),)),
    Layout((("x_train", "y_train"),), ("x_test", "y_test")),
    Layout((("train_images", "train_labels"), ("val_images", "val_labels")), ("test_images", "test_labels")),
    Layout((("train_images", "train_labels"),), ("test_images", "test_labels")),
)


class Found(NamedTuple):
    """One data set as it lies in a folder."""

    path: Path  # what names it: its folder, with the set's own name behind it where it has one
    name: str  # what reports call it
    files: dict[str, dict[str, Path]]  # {role: {"images" or "labels": file}}, in the order train, test
    archive: Path | None = None  # instead of such files

    @property
    def all_files(self) -> list[Path]:
        """Images first."""
        return [self.archive] if self.archive else [path for files in self.files.values() for path in files.values()]


def load_idx(folder: str | Path, *, scale: float | None = None) -> Dataset:
    """Load the data set in a folder: IDX files, plain or gzip, or NPZ files, as this module's table says.

    Of two parts the second, named t10k or test, follows the first as the published test part; a lone part is all data.

    Args:
        folder: the folder, or one above it; the name of one set in it, `FOLDER/emnist-letters`; or a file of the set.
            `~` is the user's home.
        scale: what pixels are divided by, > 0; by default inferred (`synagents.data.from_arrays`).

    Raises:
        DataNotFound: there is no such folder, or no images in it.
        DataError: the files cannot be used, or are more than one data set.
    """
    return load_found(_the_one(at_home(folder)), scale)


def at_home(path: str | Path) -> Path:
    """The path with `~` as the user's home; as it is where there is no such user."""
    return Path(os.path.expanduser(path))


def sets_in(folder: Path) -> list[Found]:
    """The data sets whose images and labels are files of a folder itself.

    Raises:
        DataError: there are images without labels.
    """
    parts: dict[str, dict[str, dict[str, Path]]] = {}
    for path, match in _files(folder):
        part = PART.fullmatch(match["part"])
        name, role = (part["set"], (part["role"] or "").lower()) if part else (match["part"], "")
        kind = "labels" if match["kind"].lower() == "labels" else "images"
        parts.setdefault(name, {}).setdefault(role, {}).setdefault(kind, path)
    sets = []
    for name, roles in sorted(parts.items()):
        files = {role: roles[role] for role in sorted(roles, key=lambda role: role in TEST) if "images" in roles[role]}
        if files:
            sets.append(_complete(Found(folder / name, name or _name_of(folder), files)))
    return sets


def load_found(found: Found, scale: float | None = None) -> Dataset:
    """Read the files of a data set."""
    if found.archive:
        return _load_archive(found.archive, scale)
    parts = [
        Part(str(files["images"]), _read(files["images"]), _classes(files["labels"], _read(files["labels"])))
        for files in found.files.values()
    ]
    return from_parts(found.name, *parts, scale=scale)


def _the_one(path: Path) -> Found:
    """The data set that a path names; DataNotFound or DataError where it is none or several."""
    if path.is_dir():
        there = _all_sets(path)
    elif path.is_file():
        there = [found for found in _here(path.parent) if path in found.all_files]
    else:
        there = [found for found in _here(path.parent) if found.name == path.name]
    if not there:
        raise DataNotFound(
            f"{path} holds no data set ({_shown(path)}); give the folder with its images and labels, such as "
            "train-images-idx3-ubyte and train-labels-idx1-ubyte, or an NPZ file with arrays images and labels."
        )
    if len(there) > 1:
        names = [str(found.path if found.path != path else found.all_files[0]) for found in there]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise DataError(f"{path} holds several data sets; name one of {', '.join(names[:SHOWN])}{more}.")
    return there[0]


def _all_sets(folder: Path) -> list[Found]:
    """The sets in a folder, or else those in all folders below it."""
    if here := _here(folder):
        return here
    below = [folder]
    found: list[Found] = []
    for _ in range(DEPTH):
        below = [inner for outer in below for inner in _entries(outer) if inner.is_dir()][:MOST_FOLDERS]
        found += [each for inner in below for each in _here(inner)]
    return found


def _here(folder: Path) -> list[Found]:
    """The sets in a folder itself, or else its archives."""
    return sets_in(folder) or [Found(path, path.stem, {}, path) for path in _archives(folder)]


def _complete(found: Found) -> Found:
    """The same set; DataError if its parts are not one or two, or one lacks labels."""
    roles = list(found.files)
    if len(roles) > 2 or (len(roles) == 2 and (roles[0] in TEST or roles[1] not in TEST)):
        names = ", ".join(str(files["images"]) for files in found.files.values())
        raise DataError(
            f"{names} are more than one data set; keep one to train on, and one named test or t10k, in a folder."
        )
    for files in found.files.values():
        if "labels" not in files:
            name = re.sub("imgs|images", "labels", files["images"].name, flags=re.IGNORECASE).replace("idx3", "idx1")
            raise DataError(f"{files['images']} comes without labels; put its labels beside it, as {name}.")
    return found


def _files(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """Files that are named like images or labels; of a file and the same packed, the plain one first."""
    for path in sorted(_entries(folder), key=lambda path: (path.suffix == ".gz", path.is_dir(), path.name)):
        match = FILE.fullmatch(path.name)
        if match and path.is_dir():  # as Kaggle unpacks it: a folder named like the one file in it
            path = next((inner for inner in _entries(path) if inner.is_file() and FILE.fullmatch(inner.name)), path)
        if match and path.is_file():
            yield path, match


def _archives(folder: Path) -> list[Path]:
    """Files that hold a whole data set; a folder's other archives are left alone."""
    found = [path for path in _entries(folder) if path.suffix == ".npz" and not FILE.fullmatch(path.name)]
    return [path for path in found if len(found) == 1 or _layout_of(path)]


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, but nothing hidden, such as `._train-images-idx3-ubyte` and `__MACOSX`."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__")))
    except OSError:  # there is no such folder, or it is not ours to read
        return []


def _load_archive(path: Path, scale: float | None) -> Dataset:
    layout = _layout_of(path)
    if layout is None:
        raise DataError(
            f"{path} holds the arrays {', '.join(names_in(path)[:SHOWN])}; name them images and labels, or x_train, "
            "y_train, x_test and y_test."
        )
    images, labels = zip(*(read_npz(path, names) for names in layout.train), strict=True)
    parts = [Part(str(path), np.concatenate(images), np.concatenate(labels))]
    if layout.test:
        parts.append(Part(str(path), *read_npz(path, layout.test)))
    return from_parts(path.stem, *parts, scale=scale)


def _layout_of(path: Path) -> Layout | None:
    """Which of an archive's arrays are what; None where their names say nothing."""
    there = set(names_in(path))
    return next((layout for layout in LAYOUTS if layout.names <= there), None)


def _read(path: Path) -> np.ndarray:
    """The one array in a file."""
    if path.suffix != ".npz":
        return read_idx(path)
    there = names_in(path)
    if len(there) != 1:
        raise DataError(f"{path} holds {len(there)} arrays; keep one in a file of this name.")
    return read_npz(path, there)[0]


def _classes(path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels [n] or [n, 1]; of QMNIST's eight numbers the first."""
    if labels.ndim == 2 and labels.shape[1] == QMNIST_NUMBERS and labels.dtype == np.int32:
        return labels[:, 0]
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        raise DataError(f"{path}: the labels are {describe(labels)}; give one whole number for each image.")
    return labels


def _name_of(folder: Path) -> str:
    """What reports call the set of a folder."""
    names = [name for name in folder.resolve().parts if name.lower() not in NAMELESS]
    return names[-1]


def _shown(path: Path) -> str:
    """What there is instead, for an error."""
    if not path.exists():
        return "there is no such folder"
    if path.is_file():
        return "its name says neither images nor labels"
    names = [entry.name for entry in _entries(path)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there are {', '.join(names[:SHOWN])}{more}" if names else "it is empty"
