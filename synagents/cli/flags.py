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
from synagents.cli import kinds
from synagents.registry import kebab
from synagents.run.tables import load_table
from synagents.schedules import Schedule

MISSING = inspect.Parameter.empty
ONE_SCHEDULE = (Schedule, Schedule | None)


class Flag(NamedTuple):
    """One setting of a constructor, as the command line sees it."""

    parameter: str  # its name in Python
    kind: Any  # its annotation
    default: Any  # its value when nobody says otherwise; MISSING where somebody must
    help: str  # what it means, with unit and range
    owner: str = ""  # the constructor's name, kebab-case

    @property
    def name(self) -> str:
        """--kebab-case."""
        return f"--{kebab(self.parameter)}"


def flags_of(constructor: Callable[..., Any], *, but: Iterable[str] = ()) -> dict[str, Flag]:
    """The flags of a class made by `settings` or of a function, by parameter, without those in `but`.

    A parameter that cannot be typed, such as a function, is no flag if it has a default.

    Raises:
        ValueError: if it has none.
    """
    hints, meanings = _hints(constructor), _meanings(constructor)
    flags = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or name in but:
            continue
        own = kebab(getattr(constructor, "__name__", ""))
        flag = Flag(name, hints.get(name, str), parameter.default, meanings.get(name, ""), own)
        if _click_type(flag) is not None:
            flags[name] = flag
        elif flag.default is MISSING:
            called = getattr(constructor, "__name__", str(constructor))
            raise ValueError(
                f"{called} needs {name}, which cannot be typed on a command line: write a function without it, which "
                "calls this one, into a module of your own, and name that as module:function."
            )
    return flags


def option(flag: Flag) -> click.Option:
    """The flag as an option that is None unless given."""
    if flag.kind is bool:
        return click.Option([f"{flag.name}/--no-{flag.name[2:]}"], default=None, help=flag.help)
    return click.Option([flag.name], type=_click_type(flag), default=None, help=flag.help)


def switches(flags: Iterable[Flag]) -> set[str]:
    """The words of flags that take no value."""
    return {word for flag in flags if flag.kind is bool for word in (flag.name, f"--no-{flag.name[2:]}")}


def read(flag: Flag, text: Any) -> Any:
    """What somebody typed for a setting, as `option` would read it; ValueError in a sentence where it cannot be."""
    try:
        return option(flag).type.convert(text, None, None)
    except click.BadParameter as error:
        raise ValueError(f"{flag.name} cannot be {text!r}: {error.message}") from error


def value(flag: Flag, given: Any, rounds: int) -> Any:
    """What the constructor is to get for what the command line, a preset or Python gave."""
    if flag.kind in ONE_SCHEDULE and isinstance(given, str):
        return schedules.parse(given, rounds)
    if flag.kind == tuple[Schedule, ...] and isinstance(given, str):
        return () if given == "none" else tuple(schedules.parse(part, rounds) for part in given.split(","))
    if flag.parameter == "table" and isinstance(given, str | Path):
        path = None if given == "shipped" else kinds.home(given)
        return None if given == "zeros" else load_table(path, learner=flag.owner)
    return given


def plain(given: Any) -> Any:
    """A setting as JSON and `--help` write it."""
    if isinstance(given, tuple | list):
        return ",".join(map(str, given)) or "none"
    return given if given is None or isinstance(given, bool | int | float | str) else str(given)


def spans(flag: Flag, given: Any) -> bool:
    """Whether the flag's value depends on the number of rounds: a decay without a length of its own."""
    return isinstance(given, str) and str(value(flag, given, 1)) != str(value(flag, given, 2))


def kept(flag: Flag, given: Any) -> Any:
    """A setting as config.json keeps it: as `plain`, with files named from the root, to be found from anywhere."""
    is_table = flag.parameter == "table" and isinstance(given, str) and given not in ("shipped", "zeros")
    return plain(Path(given).absolute() if isinstance(given, Path) or is_table else given)


def given(flag: Flag, kept: Any) -> Any:
    """A setting as the command line would have given it, from what config.json keeps; errors as `read`."""
    if kept is None:
        return None
    if not isinstance(kept, bool | int | float | str):
        raise ValueError(f"{flag.name} cannot be {kept!r}: it is neither a number nor a text.")
    return read(flag, str(kept))


def can_be_kept(flag: Flag, given: Any) -> bool:
    """Whether config.json can say it so that `given` reads it again: not so an array or a function of somebody's."""
    if given is None:
        return True
    if flag.parameter == "table" and not isinstance(given, str | Path):
        return False
    try:
        read(flag, str(kept(flag, given)))
    except ValueError:
        return False
    return True


def _hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(constructor)
    except NameError as error:
        name = getattr(constructor, "__name__", str(constructor))
        raise ValueError(f"An annotation of {name} names something unknown ({error}): import it there.") from error


def _meanings(constructor: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> meaning, from the docstring's Args or Attributes section, and from those of a class's bases."""
    if not isinstance(constructor, type):
        return _section(constructor.__doc__ or "")
    found: dict[str, str] = {}
    for base in reversed(constructor.__mro__):
        found |= _section(vars(base).get("__doc__") or "")
    return found


def _section(docstring: str) -> dict[str, str]:
    """Name -> text of the entries of a docstring's Args or Attributes section."""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", inspect.cleandoc(docstring), re.MULTILINE)
    entries = re.split(r"^    (\*{0,2}\w+): ", section.group(1), flags=re.MULTILINE) if section else [""]
    return {name: " ".join(text.split()) for name, text in zip(entries[1::2], entries[2::2], strict=True)}


_CLICK_TYPES: tuple[tuple[Any, click.ParamType], ...] = (
    (bool, click.BOOL),
    (int, kinds.Whole()),
    (float, kinds.Share()),
    (str, click.STRING),
    (Path, kinds.Place()),
    (tuple[int, ...], kinds.Sizes()),
    (tuple[float, ...], kinds.Numbers()),
)


def _click_type(flag: Flag) -> click.ParamType | None:
    """How a flag's value is read; None where it cannot be typed."""
    if flag.parameter == "table":
        return kinds.Table()
    if flag.kind in ONE_SCHEDULE:
        return kinds.OneSchedule()
    if flag.kind == tuple[Schedule, ...]:
        return kinds.Schedules()
    for kind in (flag.kind, *_alternatives(flag.kind)):
        if typing.get_origin(kind) is typing.Literal:
            return click.Choice([str(choice) for choice in typing.get_args(kind)])
        for known, click_type in _CLICK_TYPES:
            if kind == known:
                return click_type
    return None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The kinds that a union allows."""
    return typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else ()
