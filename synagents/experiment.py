"""From names and settings to a world and a learner: what `synagents train` and a run's config.json mean.

A setting is looked for in this order: given by hand, the recipe of the task and learner, the constructor's default.
"""

from typing import Any, NamedTuple

from synagents import flags, registry
from synagents.envs import synapse_v0
from synagents.flags import Flag
from synagents.recipes import recipe
from synagents.settings import nearest
from synagents.world import Learner, World


class Experiment(NamedTuple):
    """What is to be run."""

    world: World
    learner: Learner
    settings: dict[str, Any]  # every setting by parameter name, as plain values


def sections(task: str, learner: str) -> dict[str, dict[str, Flag]]:
    """The flags of the world, the task and the learner, each under a title.

    Raises:
        ValueError: if there is no task or learner of that name.
    """
    return {
        "World": flags.flags_of(synapse_v0.world, but=("task", "observation", "features", "network")),
        f"Task {task}": flags.flags_of(registry.find("tasks", task)),
        f"Learner {learner}": flags.flags_of(registry.find("learners", learner)),
    }


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
        chosen["table"] = "zeros" if chosen.get("adaptive") else "shipped"
    world_flags, task_flags, learner_flags = titled.values()
    made = {name: flags.value(known[name], value, steps) for name, value in chosen.items()}
    return Experiment(
        world=synapse_v0.world(task, **{name: made[name] for name in (*world_flags, *task_flags)}),
        learner=registry.find("learners", learner)(**{name: made[name] for name in learner_flags}),
        settings={name: flags.plain(value) for name, value in chosen.items()},
    )
