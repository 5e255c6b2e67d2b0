"""What a folder offers, by name: a new learner, network, task or world is one file, and nothing else need know of it.

A module of `synagents.learners`, `.networks`, `.tasks`, `.benchmark.optimizers` or `.benchmark.marl` lists in
`__all__` what it offers; a module without `__all__` is its neighbours' kit. The public name is the kebab-case of the
Python name: `QTable` is "q-table". A world is a module `synagents.envs.<family>_v<number>` that says in `PLAYS` which
kinds of tasks it plays, and by `settings_for` what suits a learner; the learners of a family are in
`synagents.learners.<family>`, and those that lie beside the families fit all.

This is the only module that imports by name.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import traceback
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from synagents.hyperparameters import Values, nearest, require

KINDS = ("learners", "networks", "tasks", "benchmark.optimizers", "benchmark.marl")


class Plays(NamedTuple):
    """A kind of task that a family's worlds play."""

    kind: type
    world: Callable[..., Any]  # makes the world of a task and settings
    learner: str  # who learns when nobody is named
    outer: bool = False  # whether an outer loop improves the lives
    decides: Mapping[str, Any] | None = None  # options of tasks that the world adapts; None: it takes them as they come


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
    """The families of worlds that play a task, its usual one first.

    Worlds that take such tasks as they come are before those that adapt them; among either, the one that plays the most
    special kind, the nearest in the order of the task's base classes; then the one that names it sooner in its `PLAYS`,
    and then the first by name.

    Raises:
        ValueError: where there is none, or nobody says what kind of task it is.
    """
    kind = task_kind(task)
    ranks = {family: _ranked(kind, module.PLAYS)[:1] for family, module in worlds().items()}
    there = [family for family, rank in ranks.items() if rank]
    require(bool(there), f"No world plays the task {task}: derive its class from synagents.Task or DecisionTask.")
    return tuple(sorted(there, key=lambda family: ranks[family][0][0]))


def _ranked(kind: type, plays: Iterable[Plays]) -> list[tuple[tuple[bool, int, int], Plays]]:
    """How a world plays tasks of a kind, what fits best first, each with its rank."""
    order = kind.__mro__
    fits = [(place, how) for place, how in enumerate(plays) if how.kind in order]
    ranked = [((how.decides is not None, order.index(how.kind), place), how) for place, how in fits]
    return sorted(ranked, key=lambda pair: pair[0])


def how_played(task: str, family: str) -> Plays:
    """How a family's worlds play a task.

    Raises:
        ValueError: if there is no such family, or it does not play the task.
    """
    require(family in worlds(), f"No world is called {family!r}: {nearest(family, worlds())}.")
    how = fitting(task_kind(task), worlds()[family].PLAYS)
    if how is None:
        raise ValueError(
            f"{task} is not played in worlds of {family} agents, but in those of {' and '.join(players(task))} agents: "
            "leave --world out."
        )
    return how


def fitting(kind: type, plays: Iterable[Plays]) -> Plays | None:
    """How a world plays tasks of a kind; None if it does not."""
    return next((how for _, how in _ranked(kind, plays)), None)


def decided(task: str, plays: Iterable[Plays]) -> Values:
    """The options of a named task that are decided by a world that adapts it, by parameter name."""
    constructor = find("tasks", task)
    kind = _kind_of(constructor)
    how = fitting(kind, plays) if kind else None
    values = (how and how.decides) or {}
    return {name: value for name, value in values.items() if name in inspect.signature(constructor).parameters}


def task_kind(task: str) -> type:
    """The class of a task by its name; ValueError where nobody says it."""
    kind = _kind_of(find("tasks", task))
    if kind is None:
        raise ValueError(
            f"{task} does not say what it makes: annotate what it returns, such as `def mine() -> synagents.Task`."
        )
    return kind


@cache
def _kind_of(constructor: Callable[..., Any]) -> type | None:
    """What a constructor makes: itself, or what its return annotation says; None where it says nothing."""
    if isinstance(constructor, type):
        return constructor
    try:
        kind = typing.get_type_hints(constructor).get("return")
    except NameError:  # it names something that is not imported there
        return None
    return kind if isinstance(kind, type) else None


def usual_learner(task: str, world: str | None = None) -> str:
    """Who learns a task when nobody is named.

    Args:
        task: its name.
        world: the family; None for the task's usual one.

    Raises:
        ValueError: if worlds of that family do not play it.
    """
    return how_played(task, world or players(task)[0]).learner


def make_task(task: Any, options: Values, builder: Callable[..., Any], plays: Iterable[Plays] = ()) -> Any:
    """A task from its name and options, or the task that is given.

    Args:
        task: a name, or an object.
        options: of the named task.
        builder: the function that was called with them, whose own options a near match may be.
        plays: the kinds of tasks that the builder's world plays, where it adapts some of them.

    Raises:
        ValueError: where there is no such task or option.
    """
    if not isinstance(task, str):
        require(not options, f"Set options on the task object itself: {', '.join(options)}.")
        return task
    constructor = find("tasks", task)
    fixed = decided(task, plays)
    of_task = set(inspect.signature(constructor).parameters) - set(fixed)
    of_builder = {name for name, p in inspect.signature(builder).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for option in options:
        hint = nearest(option, sorted(of_task | of_builder))
        require(option in of_task, f"Neither the task {task} nor its world has an option {option!r}: {hint}.")
    return constructor(**options, **fixed)


def called(constructor: Callable[..., Any], name: str, settings: Values) -> Any:
    """What a constructor makes of its settings; ValueError where it is a class with methods that are not written."""
    missing = ", ".join(sorted(getattr(constructor, "__abstractmethods__", ())))
    require(not missing, f"{name} is not finished: it has no {missing} yet.")
    return constructor(**settings)


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
