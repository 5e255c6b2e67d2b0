"""Data sets: files in, arrays out."""

from synagents.data.dataset import DataError, DataNotFound, Dataset, from_arrays
from synagents.data.folders import load_idx
from synagents.data.idx import read_idx
from synagents.data.known import download, load_digits, load_notmnist
from synagents.data.splits import split

__all__ = [
    "DataError",
    "DataNotFound",
    "Dataset",
    "download",
    "from_arrays",
    "load_digits",
    "load_idx",
    "load_notmnist",
    "read_idx",
    "split",
]
