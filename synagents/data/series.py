"""Sequences of several channels from `.ts` files, the format of the UEA archive and of the libraries that read it.

    @classLabel true a b
    @data
    1.5,1.2,.9:-.2,-.1,.3:a          channels between colons, steps between commas, the class last

A pair NAME_TRAIN.ts, NAME_TEST.ts is a data set with its published test part. (Bagnall et al. 2018, arXiv 1811.00075.)
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from synagents.data.dataset import DataError, DataNotFound
from synagents.data.folders import at_home

PARTS = ("_TRAIN.ts", "_TEST.ts")


class Series(NamedTuple):
    """Labelled sequences, which may differ in length.

    Attributes:
        values: f32[T, C] of every sequence: T steps of C channels.
        labels: the class of each, as the file names it.
        classes: all classes that the file announces, in its order.
    """

    values: list[np.ndarray]
    labels: list[str]
    classes: tuple[str, ...]


def load_series(folder: str | Path, name: str | None = None) -> tuple[str, Series, Series]:
    """The data set in a folder, or in the folder of its name within.

    Args:
        folder: where NAME_TRAIN.ts and NAME_TEST.ts lie. `~` is the user's home.
        name: of the data set; None takes the only one that is there.

    Returns:
        Its name, the training part, the test part.

    Raises:
        DataNotFound: no such pair of files is there.
        DataError: a file cannot be used, the parts do not fit each other, or several data sets are there.
    """
    place = at_home(folder)
    searched = [place, *([place / name] if name else [])]
    names = sorted(
        {path.name.removesuffix(PARTS[0]) for spot in searched for path in spot.glob(f"{name or '*'}{PARTS[0]}")}
    )
    if not names:
        raise DataNotFound(
            f"There is no {name or 'NAME'}{PARTS[0]} in {' or '.join(map(str, searched))}: name the folder that has it."
        )
    if len(names) > 1:
        raise DataError(f"{place} holds several data sets ({', '.join(names)}); keep one data set in a folder.")
    there = next(spot for spot in searched if (spot / (names[0] + PARTS[0])).is_file())
    train, test = (read_ts(there / (names[0] + part)) for part in PARTS)
    if train.classes != test.classes or train.values[0].shape[1] != test.values[0].shape[1]:
        raise DataError(
            f"The two parts of {there / names[0]} differ in channels or classes: take both from one source."
        )
    return names[0], train, test


def read_ts(path: Path) -> Series:
    """Read one file.

    Raises:
        DataNotFound: it is not there.
        DataError: it has time stamps or no classes, a value is missing, or a line is not as the format asks.
    """
    if not path.is_file():
        raise DataNotFound(f"There is no {path}: keep both parts of a data set in a folder.")
    told, body = _parts_of(path)
    classes = told.get("classlabel", "false").split()[1:]
    if told.get("timestamps", "false") != "false" or not classes:
        raise DataError(f"{path} has time stamps or no classes, which are not read: save values in steps, and a class.")
    values: list[np.ndarray] = []
    labels: list[str] = []
    for number, line in body:
        *channels, label = line.split(":")
        try:
            rows = np.array([[float(value) for value in channel.split(",")] for channel in channels], np.float32)
        except ValueError:  # also where channels differ in length, and of ?, a missing value
            rows = np.zeros(0, np.float32)
        if rows.ndim != 2 or not np.isfinite(rows).all() or label.strip() not in classes:
            raise DataError(f"Line {number} of {path} is not channels of numbers, all as long, and a class: mend it.")
        if values and values[0].shape[1] != len(rows):
            raise DataError(f"Line {number} of {path} has {len(rows)} channels, others {values[0].shape[1]}: mend it.")
        values.append(rows.T)
        labels.append(label.strip())
    if not values:
        raise DataError(f"{path} holds no sequences after @data: fetch the file again.")
    return Series(values, labels, tuple(classes))


def _parts_of(path: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """What the head of a file announces, in small letters, and the lines of its data with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: fetch the file again.") from error
    told: dict[str, str] = {}
    body: list[tuple[int, str]] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if not line.startswith("@"):
            body.append((number, line))
            continue
        word, _, rest = line[1:].partition(" ")
        told[word.lower()] = rest.strip()
    return told, body if "data" in told else []
