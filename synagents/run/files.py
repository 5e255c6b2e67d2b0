"""A file is whole or not there: written aside, forced to the disk, then renamed over the old one.

    write NAME.part -> fsync -> rename to NAME -> fsync the directory

Whatever stops the machine in between, a reader finds the old file or the new one, never half of one.
"""

import contextlib
import os
from pathlib import Path

ASIDE = ".part"  # what a file is called while it is being written


def write_whole(path: str | Path, content: bytes | bytearray) -> None:
    """Write a file, whole or not at all; OSError, and nothing left behind, where it cannot be written."""
    path = Path(path)
    aside = path.with_name(path.name + ASIDE)
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say whose bytes it had no room for
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a directory's own entries to the disk, where the system can."""
    if os.name != "posix":  # elsewhere a directory cannot be opened
        return
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
