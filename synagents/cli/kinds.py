"""What can be typed: one click type for each kind of value; an error says what is wanted, in a sentence.

A value that is no text is what Python gave, and passes: constructors check it themselves.
"""

import os
import re
from pathlib import Path

import click

LARGEST_SEED = 2**32 - 1  # as in `synagents.keys`, which this file does not import: it would load JAX


class Whole(click.ParamType):
    """A whole number in `low` .. `high`; 1e4 is 10000."""

    name = "integer"

    def __init__(self, low: int | None = None, high: int | None = None, there: str | None = None):
        self.low, self.high = low, high
        self.there = there or ("" if low is None else f" >= {low}" if high is None else f" in {low} .. {high}")

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The number."""
        if not isinstance(value, str):
            return value
        number = _whole(value)
        fits = number is not None and (self.low is None or number >= self.low)
        if not fits or (self.high is not None and number is not None and number > self.high):
            self.fail(f"{value!r} is not a whole number{self.there}.", param, ctx)
        return number


class Share(click.ParamType):
    """A number in `low` .. `high`."""

    name = "number"

    def __init__(self, low: float = float("-inf"), high: float = float("inf"), there: str = ""):
        self.low, self.high, self.there = low, high, there

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The number."""
        if not isinstance(value, str):
            return value
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            self.fail(f"{value!r} is not a number{self.there}.", param, ctx)
        return number


class OneSchedule(click.ParamType):
    """A schedule as `synagents.schedules.parse` reads it; it stays a text until the rounds of the run are known."""

    name = "schedule"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The text, once it is known to be a schedule."""
        from synagents import schedules  # loads JAX, which `--help` does without

        if isinstance(value, str):
            try:
                schedules.parse(value, 1)
            except ValueError as error:
                self.fail(str(error), param, ctx)
        return value


class Schedules(click.ParamType):
    """Schedules with commas between them, or none."""

    name = "schedule,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The text, once each part is known to be a schedule."""
        if isinstance(value, str) and value != "none":
            for part in value.split(","):
                OneSchedule().convert(part, param, ctx)
        return value


class Numbers(click.ParamType):
    """Numbers with commas between them, or none."""

    name = "number,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The numbers."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(float(part) for part in value.split(",")) if value != "none" else ()
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers: write 0.3,1.", param, ctx)


class Sizes(click.ParamType):
    """Sizes of layers with commas between them, or none."""

    name = "sizes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The sizes."""
        if not isinstance(value, str):
            return value
        if value == "none":
            return ()
        if not re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", value):
            self.fail(f"{value!r} is not a list of layer sizes: write 64,32 or none.", param, ctx)
        return tuple(int(size) for size in value.split(","))


class Place(click.ParamType):
    """A file or a folder, `~` being the user's home.

    Args:
        name: what help calls it.
        output: whether it is a file that will be written: its folder must be there, so that nothing is played in vain.
        suffix: of the file, where none is typed.
    """

    def __init__(self, name: str = "folder", *, output: bool = False, suffix: str = ""):
        self.name, self.output, self.suffix = name, output, suffix

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The path."""
        path = home(value if isinstance(value, Path) else str(value))
        if "\0" in str(path):
            self.fail(f"{value!r} is no path.", param, ctx)
        if self.output:
            if path.is_dir():
                self.fail(f"{path} is a folder: name a file.", param, ctx)
            path = path if path.suffix or not self.suffix else path.with_name(path.name + self.suffix)
            if not path.parent.is_dir():
                self.fail(f"There is no folder {path.parent}: make it first, or name another place.", param, ctx)
            if not os.access(path.parent, os.W_OK):
                self.fail(f"Nothing can be written in {path.parent}: name another place.", param, ctx)
        return path


class Table(click.ParamType):
    """A file with a table, the one that the package ships, or zeros."""

    name = "FILE|shipped|zeros"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The text, with `~` written out."""
        if not isinstance(value, str) or value in ("shipped", "zeros"):
            return value
        return str(home(value))


SEED = Whole(0, LARGEST_SEED, " in 0 .. 2^32 - 1")
COUNT = Whole(1)
RATIO = Share(0, 1, " in [0, 1]")


def home(path: str | Path) -> Path:
    """The path with `~` written out; as it is, where nobody's home is meant."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~somebody who is not there: a file may be called so
        return Path(path)


def _whole(text: str) -> int | None:
    """The whole number that a text means: 10000, 1e4, 10_000; None if it is none."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
