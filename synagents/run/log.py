"""A CSV file that only grows, and can be cut back to an earlier length.

A mark is how far a file goes: its length and the SHA-256 of its content. A checkpoint keeps the mark of each log; when
the run goes on from that checkpoint, the log is truncated there, and the rows that follow are written again.
"""

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, TypedDict, TypeGuard

from synagents.run.files import RunError

Row: TypeAlias = Mapping[str, int | str]  # numbers as they stand in the file, by column


class Mark(TypedDict):
    """How far a file goes."""

    bytes: int
    sha256: str


def mark_of(content: bytes) -> Mark:
    """The mark of a file with this content."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


NOTHING = mark_of(b"")


def is_mark(value: object) -> TypeGuard[Mark]:
    """Whether a value from a JSON file is a mark."""
    if not isinstance(value, dict):
        return False
    size, checksum = value.get("bytes"), value.get("sha256")
    return type(size) is int and size >= 0 and isinstance(checksum, str)


def fits_mark(file: Path, mark: Mark) -> bool:
    """Whether a file is there with just this content."""
    if not file.is_file() or file.stat().st_size != mark["bytes"]:
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == mark["sha256"]


class Log:
    """One CSV file; the first row that is added sets its columns."""

    def __init__(self, path: Path):
        self.path = path
        self._columns: list[str] = []
        self._size, self._sum = 0, hashlib.sha256()

    @property
    def mark(self) -> Mark:
        """How far it goes now."""
        return {"bytes": self._size, "sha256": self._sum.hexdigest()}

    def append(self, rows: list[Row]) -> None:
        """Add rows; RunError if another program has changed the file."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns or list(rows[0]), restval="")
        if not self._columns:
            writer.writeheader()
            self._columns = list(writer.fieldnames)
        writer.writerows(rows)
        content = text.getvalue().encode()
        if self._size and self.path.stat().st_size != self._size:
            raise RunError(f"{self.path} was changed while its run was going on: leave it alone and resume the run.")
        with self.path.open("ab") as file:
            file.write(content)
        self._size += len(content)
        self._sum.update(content)

    def sync(self) -> None:
        """Force the rows to the disk."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())

    def cut(self, mark: Mark) -> bool:
        """Remove the rows after `mark`; False, and nothing done, if the file does not begin as it did then."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size < mark["bytes"]:
            return False
        content = b""
        if size:
            with self.path.open("rb") as file:
                content = file.read(mark["bytes"])
        if mark_of(content) != mark:
            return False
        if size:
            os.truncate(self.path, mark["bytes"])
        self._size, self._sum = len(content), hashlib.sha256(content)
        self._columns = next(csv.reader(io.StringIO(content.decode(), newline="")), [])
        return True
