"""Data sets with a name of their own: the digits that travel with the package, and notMNIST, which is fetched.

The digits are those of Alpaydin and Kaynak (1998), see `assets/DIGITS-LICENSE.txt`; notMNIST is Yaroslav Bulatov's
(2011), letters A to J in many typefaces.
"""

import importlib.resources
import os
from pathlib import Path

import numpy as np

from synagents.data.dataset import DataError, DataNotFound, Dataset, Part, from_arrays, from_parts
from synagents.data.folders import at_home, load_found, sets_in
from synagents.data.npz import read_npz

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


def load_digits(*, scale: float | None = None) -> Dataset:
    """The bundled 1,797 handwritten digits: images uint8[1797, 8, 8] in 0..16, ten classes; 16 stands for 1."""
    source = importlib.resources.files("synagents") / "assets" / "digits.npz"
    return from_arrays("digits", *read_npz(source, ("images", "labels")), scale=scale)


def load_notmnist(folder: str | Path | None = None, *, scale: float | None = None) -> Dataset:
    """Load notMNIST, letters A to J as classes 0 to 9.

    Each place is searched as PLACE/notmnist, then as PLACE, for IDX files (see `load_idx`) or for `notMNIST.npz` with
    arrays `images` [n, 28, 28] and `labels` [n], numbers or the letters themselves.

    Args:
        folder: the only place to search; without it `$SYNAGENTS_DATA`, then the user's cache. `~` is the user's home.
        scale: what pixels are divided by, > 0; by default inferred (`from_arrays`): 255 for the published files.

    Raises:
        DataNotFound: no place holds any of these files.
        DataError: a file that was found cannot be used.
    """
    named = folder if folder is not None else os.environ.get("SYNAGENTS_DATA")
    places = [at_home(named)] if named else []
    if folder is None:
        places.append(_cache())
    searched = [spot for place in places for spot in (place / "notmnist", place)]
    for spot in searched:
        sets = sets_in(spot)
        if len(sets) > 1:
            names = ", ".join(str(found.all_files[0]) for found in sets)
            raise DataError(f"{spot} holds several data sets ({names}); keep one data set in a folder.")
        if sets:
            return load_found(sets[0], scale)._replace(name="notmnist")
        if (archive := spot / "notMNIST.npz").is_file():
            images, labels = read_npz(archive, ("images", "labels"))
            part = Part(str(archive), images, _letters_to_classes(archive, labels))
            return from_parts("notmnist", part, scale=scale)
    raise DataNotFound(
        f"notMNIST is not in {', '.join(map(str, searched))}; fetch it with `synagents download notmnist`, "
        "or name the folder that holds it with --data or $SYNAGENTS_DATA."
    )


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
    folder = _cache() / name if folder is None else at_home(folder)
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


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("synagents"))


def _letters_to_classes(archive: Path, labels: np.ndarray) -> np.ndarray:
    """Letters A to J as 0 to 9; numbers as they are."""
    if labels.dtype.kind not in "SU":
        return labels
    match = labels[..., None] == np.array(list(NOTMNIST_LETTERS), labels.dtype.kind)
    if not match.any(axis=-1).all():
        raise DataError(f"{archive} has labels other than the letters A to J; save numbers or these letters.")
    return match.argmax(axis=-1)
