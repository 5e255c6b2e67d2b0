"""The IDX format of the MNIST page (LeCun, Cortes, Burges 1998), read as far as a file can be believed.

    0 0 TYPE AXES        each axis as a big-endian uint32        the values, big-endian

The length that a file promises must be the length that it holds, and no room is made for a promise alone.
"""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from synagents.data.dataset import DataError

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MOST_AXES = 64  # numpy has no arrays of more
GZIP_MOST_PACKED = 1032  # bytes out per byte in: deflate's shortest code, 2 bits, stands for 258 bytes at most


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzip (its first bytes say which), of any of the format's types and shapes.

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
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
                raise unusable("does not begin as an IDX file does")
            dtype, axes = np.dtype(TYPES[magic[2]]), magic[3]
            sizes = file.read(4 * axes)
            if not 1 <= axes <= MOST_AXES or len(sizes) < 4 * axes:
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
