"""Arrays of NumPy's archives, read as far as a file can be believed.

Nothing is unpickled, and no room is made for a promise alone.
"""

import io
import math
import zipfile
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from synagents.data.dataset import DataError
from synagents.data.idx import GZIP_MOST_PACKED

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def names_in(path: Path) -> tuple[str, ...]:
    """The names of an archive's arrays; DataError if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except Exception as error:  # see `read_npz`
        raise DataError(f"{path} is damaged ({type(error).__name__}); save it anew with numpy.savez.") from error


def read_npz(source: Path | Traversable, names: Sequence[str]) -> list[np.ndarray]:
    """The arrays of these names.

    Raises:
        DataError: the archive is damaged, lacks one of them, or one holds Python objects.
    """

    def read(name: str) -> np.ndarray:
        info = archive.getinfo(name + ".npy")
        packing = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: GZIP_MOST_PACKED}[info.compress_type]
        room = min(packing * info.compress_size, GZIP_MOST_PACKED * size)
        with archive.open(info) as member:
            read_header = HEADERS[np.lib.format.read_magic(member)]
            shape, _, dtype = read_header(member)
            promised = member.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject or promised != info.file_size or promised > room:
            raise DataError("promises another length than it holds")
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    try:
        with source.open("rb") as file, zipfile.ZipFile(file) as archive:
            size = file.seek(0, io.SEEK_END)
            return [read(name) for name in names]
    except Exception as error:  # zipfile, zlib and numpy have no closed list of what a damaged file makes them raise
        raise DataError(
            f"{source} is damaged or lacks plain arrays {' and '.join(f'`{name}`' for name in names)} "
            f"({type(error).__name__}); save them anew with numpy.savez."
        ) from error
