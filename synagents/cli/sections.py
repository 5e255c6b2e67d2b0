"""What may be set: the world, the network, the task, the learner and the outer loop that names stand for, and flags.

The task and the learner choose the world: the one that both are made for (`synagents.registry`). A setting is looked
for in this order: given by hand, the preset of the task and learner (`synagents.cli.presets`), the default.
"""

import contextlib
import inspect
from typing import Any, NamedTuple

from synagents import registry
from synagents.cli import flags, presets
from synagents.cli.flags import Flag
from synagents.hyperparameters import nearest, require
from synagents.outer_methods import METHODS, AdvantageActorCritic, Method, Objective
from synagents.run.outer_spec import usual_objective

PRESET_NETWORK = "mlp"  # what a world builds where no network is named; its settings are the world's then
SHAPES = ("in_shape", "out_size", "sizes")  # parameters of networks that come from the task
OUTER, OBJECTIVE = "Outer loop", "Objective of a life"  # titles of sections
HIDDEN = Flag("hidden", tuple[int, ...], (32,), "units of the hidden layers, each >= 1; none for no hidden layer.")


class Names(NamedTuple):
    """What is to be built, by name or `module:Name`."""

    task: str
    learner: str
    network: str | None = None
    outer: str | None = None  # the outer loop's method, where there is one


def named(task: str, learner: str | None, network: str | None = None, outer: str | None = None) -> Names:
    """The names, with the usual ones where none is given.

    Raises:
        ValueError: if there is nothing of such a name, the learner is made for other worlds than the task, or an outer
            loop is asked for where there is none.
    """
    learner = learner or registry.usual_learner(task)
    if not registry.has_outer_loop(task, family_of(task, learner)):
        require(outer is None, f"{learner} on {task} has no outer loop: leave --outer out.")
        return Names(task, learner, network)
    outer = outer or next(iter(METHODS))
    require(outer in METHODS, f"No outer loop is called {outer!r}: {nearest(outer, METHODS)}.")
    return Names(task, learner, network, outer)


def sections(names: Names) -> dict[str, dict[str, Flag]]:
    """The flags of the world, the network if one is named, the task and the learner, each under a title.

    Raises:
        ValueError: if there is nothing of such a name, or the learner is made for other worlds than the task.
    """
    builder = registry.builder(family_of(names.task, names.learner), names.task)
    usual = network_flags(PRESET_NETWORK)
    but = {"task", "observation", "features", "network"} | (set(usual) if names.network else set())
    titled = {"World": flags.flags_of(builder, but=but)}
    if names.network:
        require(
            "network" in inspect.signature(builder).parameters,
            f"{names.task} is played in a world that builds its own network: leave --network out.",
        )
        titled[f"Network {names.network}"] = network_flags(names.network)
    titled[f"Task {names.task}"] = flags.flags_of(registry.find("tasks", names.task))
    titled[f"Learner {names.learner}"] = flags.flags_of(registry.find("learners", names.learner))
    if names.outer:
        method, objective = outer_parts(names)
        titled |= {OUTER: flags.flags_of(method), OBJECTIVE: flags.flags_of(objective)}
    return titled


def outer_parts(names: Names) -> tuple[type[Method], type[Objective]]:
    """The outer loop's method, and the objective of a life."""
    return METHODS[names.outer or ""], usual_objective(registry.task_kind(names.task))


def known_settings(names: Names) -> dict[str, Flag]:
    """The flags of all sections, by parameter name."""
    return {name: flag for section in sections(names).values() for name, flag in section.items()}


def all_flags() -> list[Flag]:
    """Of everything that the package itself has to offer."""
    kinds = [flags.flags_of(each) for kind in ("tasks", "learners") for each in registry.offers(kind).values()]
    builders = [build for family in registry.worlds() for build in registry.builders(family).values()]
    kinds += [flags.flags_of(build, but=("task", "network")) for build in builders]
    kinds += [flags.flags_of(method) for method in METHODS.values()] + [flags.flags_of(AdvantageActorCritic)]
    for network in registry.offers("networks"):
        with contextlib.suppress(ValueError):  # one that cannot be typed
            kinds.append(network_flags(network))
    return [flag for part in kinds for flag in part.values()]


def network_flags(network: str) -> dict[str, Flag]:
    """What may be set of a network: its constructor's parameters, less those that the task's shapes give."""
    constructor = registry.find("networks", network)
    has_sizes = "sizes" in inspect.signature(constructor).parameters
    return ({"hidden": HIDDEN} if has_sizes else {}) | flags.flags_of(constructor, but=SHAPES)


def default(flag: Flag, names: Names, *, by_preset: bool = True) -> Any:
    """What a setting is when nobody gives it: the preset's value, or the constructor's default."""
    if not by_preset:
        return flag.default
    world = registry.worlds()[family_of(names.task, names.learner)].settings_for(names.learner)
    return (world | presets.recommended(names.task, names.learner)).get(flag.parameter, flag.default)


def family_of(task: str, learner: str) -> str:
    """The family of worlds that a task and a learner are both made for; ValueError where there is none."""
    shared = shared_families(task, learner)
    if not shared:
        learns, plays = (" and ".join(there) for there in (registry.families(learner), registry.players(task)))
        others = [other for other in registry.offers("learners") if shared_families(task, other)]
        raise ValueError(
            f"{learner} does not fit {task}: it learns in worlds of {learns} agents, and {task} is played in worlds of "
            f"{plays} agents by {', '.join(others)}."
        )
    return shared[0]


def shared_families(task: str, learner: str) -> list[str]:
    """The families of worlds that a task and a learner are both made for."""
    there = registry.families(learner)
    return [family for family in registry.players(task) if family in there]
