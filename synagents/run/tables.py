"""A table of action values as a small file that people can read and exchange: JSON, never pickle.

    {"format": "synagents-q-table/1", "memory": n, "table": [[Q(-), Q(0), Q(+)], ... one row per history code],
     "about": {where it comes from}}

The reference paper's published table (`axes` with the action first) is understood too: its axes are transposed.
"""

import importlib.resources
import json
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from synagents.agents.codes import NUM_ACTIONS, num_codes
from synagents.run.files import Json, path_of, write_whole

FORMAT = "synagents-q-table/1"
PUBLISHED_AXES = ["action a_t", "a_{t-2}", "a_{t-1}", "R_{t-2}", "R_{t-1}"]
MOST_BYTES = 64_000_000  # a table of memory 6 as text; no file is read beyond


class TableError(ValueError):
    """A file does not hold a usable table; the message is one sentence: which file, what is wrong, what to do."""


def load_table(path: str | Path | None = None) -> np.ndarray:
    """The action values f32[9^n, 3] in a file, or the table that the package ships (n = 2).

    Args:
        path: a file written by `save_table`, or the reference paper's table; None for the shipped one.

    Raises:
        FileNotFoundError: if there is no such file.
        TableError: if it holds no usable table.
    """
    return read_table(path)[0]


def read_table(path: str | Path | None = None) -> tuple[np.ndarray, Json]:
    """The table in a file, and what the file says about where it comes from; errors as `load_table`."""
    source: Path | Traversable = (
        importlib.resources.files("synagents") / "assets" / "q_table.json" if path is None else path_of(path)
    )
    if not source.is_file():
        raise FileNotFoundError(f"There is no table at {source}: `synagents learn-table --out {source}` makes one.")
    with source.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    try:
        if len(text) > MOST_BYTES:
            raise TableError(f"is larger than {MOST_BYTES:,} bytes")
        return _understand(json.loads(text))
    except RecursionError as error:
        raise TableError(f"{source} is nested too deeply to be a table: `synagents learn-table` makes one.") from error
    except TableError as error:
        raise TableError(f"{source} {error}: `synagents learn-table` makes a table.") from error
    except ValueError as error:  # json's and unicode's errors are ValueErrors
        raise TableError(f"{source} is not JSON ({error}): `synagents learn-table` makes a table.") from error


def save_table(path: str | Path, table: np.ndarray, about: Json | None = None) -> None:
    """Write a table, whole or not at all.

    Args:
        path: the file to write, in a directory that is there.
        table: f32[9^n, 3], finite.
        about: where it comes from: anything JSON can say.
    """
    table = np.asarray(table, np.float32)
    memory = round(np.log(max(len(table), 1)) / np.log(9))
    _check(table, memory)
    rows = ",\n".join(json.dumps([float(f"{value:.7g}") for value in row]) for row in table)
    head = json.dumps({"format": FORMAT, "memory": memory, "about": about or {}}, indent=1)
    whole = f'{head.removesuffix("}").rstrip()},\n "table": [\n{rows}\n]}}\n'
    write_whole(path, whole.encode())


def _understand(content: object) -> tuple[np.ndarray, Json]:
    if isinstance(content, dict) and content.get("axes") == PUBLISHED_AXES:
        published = _array(content.get("Q"))
        if published.shape != (NUM_ACTIONS,) * 5:
            raise TableError(
                f"should hold the published table of shape {(NUM_ACTIONS,) * 5}, but has {published.shape}"
            )
        table = np.moveaxis(published, 0, -1).reshape(num_codes(2), NUM_ACTIONS)
        return _check(table, 2), {"source": content.get("source", "unknown")}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TableError(f"does not say that its format is {FORMAT}")
    about = content.get("about", {})
    return _check(_array(content.get("table")), content.get("memory")), about if isinstance(about, dict) else {}


def _array(rows: object) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large becomes infinite, which is refused as such
            return np.asarray(rows, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise TableError("holds something other than equal rows of numbers") from error


def _check(table: np.ndarray, memory: object) -> np.ndarray:
    if not isinstance(memory, int) or not 1 <= memory <= 9:
        raise TableError(f"has memory {memory!r} instead of a whole number from 1 to 9")
    if table.shape != (num_codes(memory), NUM_ACTIONS):
        raise TableError(f"has shape {table.shape} instead of {(num_codes(memory), NUM_ACTIONS)} for memory {memory}")
    if not np.isfinite(table).all():
        raise TableError("has values that are not finite")
    return table
