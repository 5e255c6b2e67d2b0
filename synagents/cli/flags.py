"""Command-line flags that are nobody's second list: they are read off the constructors they set.

A flag's name is the parameter's in kebab-case, its type the annotation, its meaning the line in the docstring's `Args`
or `Attributes`, where unit and range are said once for everyone.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from synagents import schedules
from synagents.registry import kebab
from synagents.schedules import Schedule
from synagents.run.tables import load_table


class Flag(NamedTuple):
    """One setting of a constructor, as the command line sees it."""

    parameter: str  # its name in Python
    kind: Any  # its annotation
    default: Any  # its value when nobody says otherwise
    help: str  # what it means, with unit and range

    @property
    def name(self) -> str:
        """--kebab-case."""
        return f"--{kebab(self.parameter)}"


def flags_of(constructor: Callable[..., Any], *, but: Iterable[str] = ()) -> dict[str, Flag]:
    """The flags of a class made by `settings` or of a function, by parameter, without those in `but`."""
    hints, told = typing.get_type_hints(constructor), _told(constructor)
    return {
        name: Flag(name, hints.get(name, str), parameter.default, told.get(name, ""))
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name not in but
    }


def option(flag: Flag) -> click.Option:
    """The flag as an option that is None unless given."""
    if flag.kind is bool:
        return click.Option([f"{flag.name}/--no-{flag.name[2:]}"], default=None, help=flag.help)
    return click.Option([flag.name], type=_click_type(flag), default=None, help=flag.help)


def read(flag: Flag, text: str) -> Any:
    """What somebody typed for a setting, as `option` would read it; ValueError in a sentence where it cannot be."""
    try:
        return option(flag).type.convert(text, None, None)
    except click.BadParameter as error:
        raise ValueError(f"{flag.name} cannot be {text!r}: {error.message}") from error


def value(flag: Flag, given: Any, steps: int) -> Any:
    """What the constructor is to get for what the command line or a recipe gave."""
    if flag.kind == Schedule and isinstance(given, str):
        return schedules.parse(given, steps)
    if flag.kind == tuple[Schedule, ...] and isinstance(given, str):
        return () if given == "none" else tuple(schedules.parse(part, steps) for part in given.split(","))
    if flag.parameter == "table":
        return None if given == "zeros" else load_table(None if given == "shipped" else given)
    return given


def plain(given: Any) -> Any:
    """A setting as JSON and `--help` write it."""
    if isinstance(given, tuple):
        return ",".join(map(str, given)) or "none"
    return given if given is None or isinstance(given, bool | int | float | str) else str(given)


def spans(flag: Flag, given: Any) -> bool:
    """Whether the flag's value depends on the number of steps: a decay without a length of its own."""
    return isinstance(given, str) and str(value(flag, given, 1)) != str(value(flag, given, 2))


def kept(flag: Flag, given: Any) -> Any:
    """A setting as config.json keeps it: as `plain`, with files named from the root, to be found from anywhere."""
    is_file = isinstance(given, Path) or (flag.parameter == "table" and given not in ("shipped", "zeros"))
    return plain(Path(given).absolute() if is_file else given)


def given(flag: Flag, kept: Any) -> Any:
    """A setting as the command line would have given it, from what config.json keeps; errors as `read`."""
    if kept is None:
        return None
    if not isinstance(kept, bool | int | float | str):
        raise ValueError(f"{flag.name} cannot be {kept!r}: it is neither a number nor a text.")
    return read(flag, str(kept))


def _told(constructor: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> meaning, from the docstring's Args or Attributes section, and from those of a class's bases."""
    told: dict[str, str] = {}
    for base in reversed(inspect.getmro(constructor)) if isinstance(constructor, type) else (constructor,):
        told |= _section(vars(base).get("__doc__") or "")
    return told


def _section(docstring: str) -> dict[str, str]:
    """Name -> text of the entries of a docstring's Args or Attributes section."""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", inspect.cleandoc(docstring), re.MULTILINE)
    entries = re.split(r"^    (\*{0,2}\w+): ", section.group(1), flags=re.MULTILINE) if section else [""]
    return {name: " ".join(text.split()) for name, text in zip(entries[1::2], entries[2::2], strict=True)}


def _click_type(flag: Flag) -> click.ParamType | type:
    if typing.get_origin(flag.kind) is typing.Literal:
        return click.Choice(typing.get_args(flag.kind))
    if flag.kind == Schedule:
        return _ScheduleType()
    if flag.kind == tuple[Schedule, ...]:
        return _SchedulesType()
    if flag.kind == tuple[int, ...]:
        return _SizesType()
    if flag.kind == tuple[float, ...]:
        return _NumbersType()
    if flag.kind == Path | None:
        return click.Path(file_okay=False, path_type=Path)
    if flag.parameter == "table":
        return _TableType()
    if typing.get_origin(flag.kind) is types.UnionType:  # of a plain type and None
        return typing.get_args(flag.kind)[0]
    return flag.kind


class _ScheduleType(click.ParamType):
    name = "schedule"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            schedules.parse(value, 1)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


class _SchedulesType(click.ParamType):
    name = "schedule,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        for part in value.split(",") if value != "none" else ():
            _ScheduleType().convert(part, param, ctx)
        return value


class _NumbersType(click.ParamType):
    name = "number,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in value.split(",")) if value != "none" else ()
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers: write 0.3,1.", param, ctx)


class _SizesType(click.ParamType):
    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if value == "none":
            return ()
        if not re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", value):
            self.fail(f"{value!r} is not a list of layer sizes: write 64,32 or none.", param, ctx)
        return tuple(int(size) for size in value.split(","))


class _TableType(click.ParamType):
    name = "FILE|shipped|zeros"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)
