"""A file is whole or not there: written aside, forced to the disk, then renamed over the old one.

    write NAME.part -> fsync -> rename to NAME -> fsync the directory

Whatever stops the machine in between, a reader finds the old file or the new one, never half of one.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]  # what a JSON file says, by name
ASIDE = ".part"  # what a file is called while it is being written


class RunError(Exception):
    """A run's directory cannot be used; the message is one sentence: which, what is wrong, what to do."""


def path_of(path: str | Path) -> Path:
    """A path as people write it: `~` and `~user` are home directories; ValueError for what can be no path."""
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r:.100} is no path: leave the null byte out.")
    return Path(os.path.expanduser(path))


def printable(text: object) -> str | None:
    """A text from somebody's file if a sentence can hold it, otherwise None."""
    return text if isinstance(text, str) and text.isprintable() and 0 < len(text) < 40 else None


def check_writable(path: str | Path) -> Path:
    """Make sure that a file can be written before anything is computed for it.

    Nothing is left behind: no directory is made, and an older file of this name stays as it is.

    Args:
        path: the file to be written later.

    Returns:
        The path, with `~` expanded.

    Raises:
        ValueError: if it cannot be written, with the reason.
    """
    path = path_of(path)
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a file, such as {path / 'result'}.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no directory {path.parent}: make it first, or name another place.")
    aside = path.with_name(path.name + ASIDE)
    try:
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}): name another place.") from error
    return path


def write_whole(path: str | Path, content: bytes | bytearray, *, sync: bool = True) -> None:
    """Write a file, whole or not at all; OSError, and nothing left behind, where it cannot be written.

    Without `sync` that holds where the program is stopped; where the machine is, only after the disk was forced later.
    """
    path = path_of(path)
    aside = path.with_name(path.name + ASIDE)
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say whose bytes it had no room for
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    if sync:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Force a directory's own entries to the disk, where the system can."""
    if os.name != "posix":  # elsewhere a directory cannot be opened
        return
    entry = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
