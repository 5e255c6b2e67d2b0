"""What a folder offers, by name: a new learner, network, task or world is one file, and nothing else need know of it.

A module of `synagents.learners`, `.networks`, `.tasks` or `.benchmark.optimizers` lists in `__all__` what it offers; a
module without `__all__` is its neighbours' kit. The public name is the kebab-case of the Python name: `QTable` is
"q-table". A world is a module `synagents.envs.<family>_v<number>` that names in `PLAYS` the kind of task it plays (or
several kinds, each with the function that builds its world), in `OUTER` the kind whose lives an outer loop improves, if
there is one, and by `settings_for` what suits a learner; the learners of a family are in `synagents.learners.<family>`,
and those that lie beside the families fit all.

This is the only module that imports by name.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import traceback
import typing
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from synagents.hyperparameters import nearest, require

KINDS = ("learners", "networks", "tasks", "benchmark.optimizers")


@cache
def offers(kind: str) -> dict[str, Callable[..., Any]]:
    """Constructors by public name of one of KINDS: classes or functions."""
    package = importlib.import_module(f"synagents.{kind}")
    found: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.walk_packages(package.__path__, f"synagents.{kind}."):
        module = importlib.import_module(info.name)
        found |= {kebab(name): getattr(module, name) for name in vars(module).get("__all__", ())}
    return dict(sorted(found.items()))


def find(kind: str, name: str) -> Callable[..., Any]:
    """The constructor called `name`, or the one that `module:Name` imports.

    Raises:
        ValueError: where there is none, with the near match, or the module cannot be imported.
    """
    module, colon, own = name.partition(":")
    if colon:
        made_by = imported(module, own)
        require(callable(made_by), f"{name} is neither a class nor a function: name what makes one.")
        return made_by
    if name not in offers(kind):
        raise ValueError(
            f"No {kind.rpartition('.')[2].removesuffix('s')} is called {name!r}: {nearest(name, offers(kind))}."
        )
    return offers(kind)[name]


@cache
def worlds() -> dict[str, ModuleType]:
    """The modules of all worlds by family: "synapse", "unit"; of several versions the newest."""
    package = importlib.import_module("synagents.envs")
    versions: dict[str, tuple[int, str]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        match = re.fullmatch(r"(\w+)_v(\d+)", info.name)
        if match:
            family, number = match.group(1), int(match.group(2))
            versions[family] = max(versions.get(family, (-1, "")), (number, info.name))
    return {family: importlib.import_module(f"synagents.envs.{name}") for family, (_, name) in sorted(versions.items())}


def families(learner: str) -> tuple[str, ...]:
    """The families of worlds that a learner may be for: its folder's, or all where it lies beside them or elsewhere."""
    home = find("learners", learner).__module__.split(".")
    own = home[:2] == ["synagents", "learners"] and len(home) > 3
    return (home[2],) if own else tuple(worlds())


def players(task: str) -> tuple[str, ...]:
    """The families of worlds that play a task, those that are made for it first.

    Raises:
        ValueError: where there is none, or nobody says what kind of task it is.
    """
    kind = task_kind(task)
    fits = {family: min(found) for family in worlds() if (found := _fits(kind, family))}
    require(bool(fits), f"No world plays the task {task}: derive its class from synagents.Task or DecisionTask.")
    return tuple(sorted(fits, key=lambda family: fits[family]))


def _fits(kind: type, family: str) -> list[tuple[int, int]]:
    """How well each of a family's worlds fits a kind of task: less is better.

    First counts how much more general the kind is that a world is made for, then which of its family's worlds it is.
    """
    played = enumerate(builders(family))
    return [(kind.mro().index(each), place) for place, each in played if issubclass(kind, each)]


def has_outer_loop(task: str, family: str) -> bool:
    """Whether an outer loop improves the lives of a task in a family's world, whose module then says so in `OUTER`."""
    return issubclass(task_kind(task), vars(worlds()[family]).get("OUTER", ()))


def builders(family: str) -> dict[type, Callable[..., Any]]:
    """The functions that build a family's worlds, by the kind of task that they play."""
    module = worlds()[family]
    return module.PLAYS if isinstance(module.PLAYS, dict) else {module.PLAYS: module.world}


def builder(family: str, task: str) -> Callable[..., Any]:
    """The function that builds a family's world for a task by its name, which the family plays."""
    _, place = min(_fits(task_kind(task), family))
    return list(builders(family).values())[place]


def task_kind(task: str) -> type:
    """The class of a task by its name: that of a constructor is in its return annotation."""
    constructor = find("tasks", task)
    if isinstance(constructor, type):
        return constructor
    try:
        kind = typing.get_type_hints(constructor).get("return")
    except NameError:  # it names something that is not imported there
        kind = None
    if not isinstance(kind, type):
        raise ValueError(
            f"{task} does not say what it makes: annotate what it returns, such as `def mine() -> synagents.Task`."
        )
    return kind


def usual_learner(task: str) -> str:
    """Who learns a task when nobody is named: the `USUAL` learner of the family that plays it."""
    family = players(task)[0]
    return importlib.import_module(f"synagents.learners.{family}").USUAL


def make_task(task: Any, options: dict[str, Any], builder: Callable[..., Any]) -> Any:
    """A task from its name and options, or the task that is given.

    Args:
        task: a name, or an object.
        options: of the named task.
        builder: the function that was called with them, whose own options a near match may be.

    Raises:
        ValueError: where there is no such task or option.
    """
    if not isinstance(task, str):
        require(not options, f"Set options on the task object itself: {', '.join(options)}.")
        return task
    constructor = find("tasks", task)
    of_task = set(inspect.signature(constructor).parameters)
    of_builder = {name for name, p in inspect.signature(builder).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for option in options:
        hint = nearest(option, sorted(of_task | of_builder))
        require(option in of_task, f"Neither the task {task} nor its world has an option {option!r}: {hint}.")
    return constructor(**options)


def kebab(name: str) -> str:
    """`QTable` -> "q-table", `data_dir` -> "data-dir", `MLP` -> "mlp"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()


def imported(module: str, name: str) -> Any:
    """What somebody wrote elsewhere; their folder counts as importable, as it does for a script of theirs.

    Raises:
        ValueError: in one sentence, if there is no such module or name, or the module has a mistake.
    """
    require(bool(module and name), f"{module}:{name} says too little: write module:Name, as in mine:Learner.")
    sys.path.insert(0, "")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (error.name == module or module.startswith(f"{error.name}.")):
            raise ValueError(
                f"There is no module {module!r} here: write module:Name from the folder it is in."
            ) from error
        raise ValueError(f"The module {module!r} needs {error.name!r}, which is not installed: install it.") from error
    except SyntaxError as error:
        raise ValueError(
            f"The module {module!r} is not Python ({error.msg}, {error.filename}, line {error.lineno}): mend that line."
        ) from error
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        raise ValueError(f"The module {module!r} cannot be imported ({reason}, {_where(error)}): mend it.") from error
    finally:
        sys.path.remove("")
    there = [public for public in vars(loaded) if not public.startswith("_")]
    require(hasattr(loaded, name), f"The module {module!r} has no {name!r}: {nearest(name, there)}.")
    return getattr(loaded, name)


def _where(error: BaseException) -> str:
    """The file and line in which an error was raised."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{last.filename}, line {last.lineno}"
