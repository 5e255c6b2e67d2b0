"""From names and settings to a world and a learner: what `synagents train` and a run's config.json mean.

The task and the learner choose the world: the one that both are made for (`synagents.registry`). A setting is looked
for in this order: given by hand, the recipe of the task and learner, the constructor's default.
"""

from typing import Any, NamedTuple

from synagents import registry
from synagents.cli import flags
from synagents.cli.flags import Flag
from synagents.cli.presets import recipe
from synagents.settings import nearest, require
from synagents.world import Learner, World


class Experiment(NamedTuple):
    """What is to be run."""

    world: World
    learner: Learner
    settings: dict[str, Any]  # every setting by parameter name, as plain values: what `rebuild` takes
    spanning: tuple[str, ...]  # the settings that decay over the run's steps, since they name no length


def pairs() -> list[tuple[str, str]]:
    """Every task with every learner that fits it."""
    there = [(task, learner) for task in registry.offers("tasks") for learner in registry.offers("learners")]
    return [pair for pair in there if _shared(*pair)]


def family_of(task: str, learner: str) -> str:
    """The family of worlds that a task and a learner are both made for; ValueError where there is none."""
    shared = _shared(task, learner)
    plays, learns = registry.players(task), registry.families(learner)
    fitting = [name for name in registry.offers("learners") if _shared(task, name)]
    require(
        bool(shared),
        f"{learner} does not fit {task}: it learns in worlds of {' and '.join(learns)} agents, and {task} is played in "
        f"worlds of {' and '.join(plays)} agents by {', '.join(fitting)}.",
    )
    return shared[0]


def _shared(task: str, learner: str) -> list[str]:
    there = registry.families(learner)
    return [family for family in registry.players(task) if family in there]


def sections(task: str, learner: str) -> dict[str, dict[str, Flag]]:
    """The flags of the world, the task and the learner, each under a title.

    Raises:
        ValueError: if there is no task or learner of that name, or they are made for different worlds.
    """
    return {
        "World": flags.flags_of(_constructor(task, learner), but=("task", "observation", "features", "network")),
        f"Task {task}": flags.flags_of(registry.find("tasks", task)),
        f"Learner {learner}": flags.flags_of(registry.find("learners", learner)),
    }


def _constructor(task: str, learner: str) -> Any:
    return registry.worlds()[family_of(task, learner)].world


def default(flag: Flag, task: str, learner: str) -> Any:
    """What a setting is when nobody gives it: the recipe's value, or the constructor's default."""
    return recipe(task, learner).get(flag.parameter, flag.default)


def build(task: str, learner: str, given: dict[str, Any], *, steps: int, seed: int) -> Experiment:
    """Make the world and the learner.

    Args:
        task: a task's name.
        learner: a learner's name.
        given: settings by parameter name; those that are None count as not given.
        steps: the length of decays that do not name their own, in rounds.
        seed: of the data split, unless `given` says otherwise.

    Raises:
        ValueError: if a setting belongs to neither, or is out of range.
    """
    titled = sections(task, learner)
    known = {name: flag for section in titled.values() for name, flag in section.items()}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in known:
            there = nearest(f"--{registry.kebab(name)}", [flag.name for flag in known.values()])
            raise ValueError(f"{learner} on {task} has no --{registry.kebab(name)}: {there}.")
    chosen = {name: default(flag, task, learner) for name, flag in known.items()} | given
    if "split_seed" in known and "split_seed" not in given:
        chosen["split_seed"] = seed
    if "table" in known and "table" not in given:
        chosen["table"] = "shipped" if chosen.get("adaptive") is False else "zeros"
    world_flags, task_flags, learner_flags = titled.values()
    made = {name: flags.value(known[name], value, steps) for name, value in chosen.items()}
    return Experiment(
        world=_constructor(task, learner)(task, **{name: made[name] for name in (*world_flags, *task_flags)}),
        learner=registry.find("learners", learner)(**{name: made[name] for name in learner_flags}),
        settings={name: flags.kept(known[name], value) for name, value in chosen.items()},
        spanning=tuple(name for name, value in chosen.items() if flags.spans(known[name], value)),
    )


def rebuild(config: dict[str, Any], *, steps: int) -> Experiment:
    """Make what a run's config.json tells of.

    Args:
        config: its content: task, learner, seed, and settings as `Experiment` has them.
        steps: the length of decays that do not name their own, in rounds.

    Raises:
        ValueError: if it is not the configuration of such a run, or a setting is none that this version knows.
    """
    task, learner, seed, settings = (config.get(name) for name in ("task", "learner", "seed", "settings"))
    if not (isinstance(task, str) and isinstance(learner, str) and isinstance(settings, dict) and type(seed) is int):
        raise ValueError("This run was begun from Python: go on with it by calling `synagents.run.fit.fit` again.")
    known = {name: flag for section in sections(task, learner).values() for name, flag in section.items()}
    for name in settings:
        require(name in known, f"This version has no setting {name} of {learner} on {task}: use the one that began it.")
    given = {name: flags.given(known[name], value) for name, value in settings.items()}
    return build(task, learner, given, steps=steps, seed=seed)
