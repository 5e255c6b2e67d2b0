"""What may be set: the world, the network, the task, the learner and the outer loop that names stand for, and flags.

The task and the learner choose the world: of the families that play the task, those that the learner is for; of
several, the task's usual one (`synagents.registry`), unless another is named. A setting is looked for in this order:
given by hand, the preset of the task and learner in that world (`synagents.cli.presets`), the default.
"""

import contextlib
import inspect
from typing import NamedTuple

from synagents import registry
from synagents.cli import flags, presets
from synagents.cli.by_name import is_integer, network_flags
from synagents.cli.flags import Flag
from synagents.hyperparameters import Values, nearest, require
from synagents.outer_methods import METHODS, AdvantageActorCritic, Method, Objective
from synagents.run.outer_spec import usual_objective

PRESET_NETWORK = "mlp"  # what a world builds where no network is named; its settings are the world's then
OUTER, OBJECTIVE = "Outer loop", "Objective of a life"  # titles of sections


class Names(NamedTuple):
    """What is to be built, by name or `module:Name`."""

    task: str
    learner: str
    network: str | None = None
    world: str | None = None  # a family; None for the task's usual one of those that the learner is for
    outer: str | None = None  # the outer loop's method, where there is one


def named(
    task: str,
    learner: str | None = None,
    network: str | None = None,
    world: str | None = None,
    outer: str | None = None,
) -> Names:
    """The names, with the usual ones where none is given.

    Raises:
        ValueError: if there is nothing of such a name, the learner is made for other worlds than the task, or an outer
            loop is asked for where there is none.
    """
    learner = learner or registry.usual_learner(task, world)
    names = Names(task, learner, network or presets.NETWORKS.get(learner), world)
    names = names._replace(world=family_of(names))
    if not how_played(names).outer:
        require(outer is None, f"{learner} on {task} has no outer loop: leave --outer out.")
        return names
    outer = outer or next(iter(METHODS))
    require(outer in METHODS, f"No outer loop is called {outer!r}: {nearest(outer, METHODS)}.")
    return names._replace(outer=outer)


def how_played(names: Names) -> registry.Plays:
    """How the task is played in the world."""
    return registry.how_played(names.task, family_of(names))


def sections(names: Names) -> dict[str, dict[str, Flag]]:
    """The flags of the world, the network if one is named, the task and the learner, each under a title.

    Raises:
        ValueError: if there is nothing of such a name, or the learner is made for other worlds than the task.
    """
    builder = how_played(names).world
    usual = network_flags(PRESET_NETWORK)
    but = {"task", "observation", "features", "network"} | (set(usual) if names.network else set())
    titled = {"World": flags.flags_of(builder, but=but)}
    if names.network:
        require(
            "network" in inspect.signature(builder).parameters,
            f"The world of {names.learner} on {names.task} builds its own network: leave --network out.",
        )
        titled[f"Network {names.network}"] = network_flags(names.network)
    fixed = registry.decided(names.task, registry.worlds()[family_of(names)].PLAYS)
    titled[f"Task {names.task}"] = flags.flags_of(registry.find("tasks", names.task), but=fixed)
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
    builders = [how.world for module in registry.worlds().values() for how in module.PLAYS]
    kinds += [flags.flags_of(build, but=("task", "network")) for build in builders]
    kinds += [flags.flags_of(method) for method in METHODS.values()] + [flags.flags_of(AdvantageActorCritic)]
    for network in registry.offers("networks"):
        with contextlib.suppress(ValueError):  # one that cannot be typed
            kinds.append(network_flags(network))
    return [flag for part in kinds for flag in part.values()]


def defaults(known: dict[str, Flag], names: Names, *, by_preset: bool = True) -> Values:
    """What settings are when nobody gives them: the preset's values, or the constructors' defaults."""
    suited = registry.worlds()[family_of(names)].settings_for
    usual = suited(names.learner) | recommended(names) if by_preset else {}
    chosen = {name: usual.get(name, flag.default) for name, flag in known.items()}
    return chosen | presets.meaningless(chosen, integer=is_integer(names.network))


def recommended(names: Names) -> Values:
    """The preset's values, by parameter name: of settings, `rounds`, and `num_worlds` or `lives` where it has them."""
    return presets.recommended(names.task, names.learner, family_of(names), names.network)


def family_of(names: Names) -> str:
    """The family of the world: the one that is named, or the task's usual one of those that the learner is for.

    Raises:
        ValueError: if there is none that plays the task and that the learner is for, or it is not the named one.
    """
    task, learner, world = names.task, names.learner, names.world
    shared = shared_families(task, learner)
    if not shared:
        learns, plays = (" and ".join(there) for there in (registry.families(learner), registry.players(task)))
        others = [other for other in registry.offers("learners") if shared_families(task, other)]
        raise ValueError(
            f"{learner} does not fit {task}: it learns in worlds of {learns} agents, and {task} is played in worlds of "
            f"{plays} agents by {', '.join(others)}."
        )
    if world is not None:
        registry.how_played(task, world)
        require(
            world in shared,
            f"{learner} does not learn in worlds of {world} agents, but plays {task} in those of "
            f"{' and '.join(shared)} agents: leave --world out, or name another learner.",
        )
    return world or shared[0]


def shared_families(task: str, learner: str) -> list[str]:
    """The families of worlds that play a task and that a learner is for, the task's usual one first."""
    there = registry.families(learner)
    return [family for family in registry.players(task) if family in there]
