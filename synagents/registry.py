"""What a folder offers, by name: a new learner, network or task is one file, and nothing else need know of it.

Every module of `synagents.learners`, `.networks`, `.tasks` and `.benchmark.baselines` lists in `__all__` what it
offers; the public name is the kebab-case of the Python name (`QTable` is "q-table"). A learner's or task's module may
name the worlds it is made for in `WORLDS`; otherwise it is made for `synapse_v0`.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from synagents.settings import nearest, require

KINDS = ("learners", "networks", "tasks", "benchmark.baselines")


@cache
def offers(kind: str) -> dict[str, Callable[..., Any]]:
    """Constructors by public name of one of KINDS: classes or functions."""
    package = importlib.import_module(f"synagents.{kind}")
    found: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"synagents.{kind}.{info.name}")
        found |= {kebab(name): getattr(module, name) for name in module.__all__}
    return dict(sorted(found.items()))


def find(kind: str, name: str) -> Callable[..., Any]:
    """The constructor called `name`, or the one that `module:Name` imports.

    Raises:
        ValueError: where there is none, with the near match.
    """
    module, colon, own = name.partition(":")
    if colon:
        return _own(module, own)
    if name not in offers(kind):
        raise ValueError(
            f"No {kind.rpartition('.')[2].removesuffix('s')} is called {name!r}: {nearest(name, offers(kind))}."
        )
    return offers(kind)[name]


def worlds(kind: str, name: str) -> tuple[str, ...]:
    """The worlds that a learner or task is made for, such as ("synapse_v0",)."""
    return getattr(inspect.getmodule(find(kind, name)), "WORLDS", ("synapse_v0",))


def make_task(name: str, options: dict[str, Any]) -> Any:
    """The task called `name` with its options; ValueError where there is no such task or option."""
    constructor = find("tasks", name)
    known = inspect.signature(constructor).parameters
    for option in options:
        hint = nearest(option, known) if known else "it has none"
        require(option in known, f"The task {name} has no option {option!r}: {hint}.")
    return constructor(**options)


def kebab(name: str) -> str:
    """`QTable` -> "q-table", `data_dir` -> "data-dir", `MLP` -> "mlp"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()


def _own(module: str, name: str) -> Callable[..., Any]:
    """What somebody wrote elsewhere; their folder counts as importable, as it does for a script of theirs."""
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise  # theirs is there, what it needs is not
        raise ValueError(f"There is no module {module!r} here: write module:Name from the folder it is in.") from error
    except (AttributeError, ValueError) as error:
        raise ValueError(f"The module {module!r} has no {name!r}: write module:Name.") from error
    finally:
        sys.path.remove("")
