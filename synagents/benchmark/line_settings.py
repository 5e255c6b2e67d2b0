"""Every setting that a line of the benchmark plays with is written down, so that no default or preset changes a score.

    settings of a line on a task = assets/bench_settings.json [task] [line] | what the benchmark task itself fixes

The asset is complete: it holds every setting of the world, the task and the learner (or of the optimizer and its
batches) that the benchmark task leaves open, and on tasks of decisions those of the outer loop and how many worlds or
lives there are. A learner that the asset does not have plays in the world of the task's reference line, with rewards of
the kind that it needs and with its own defaults.
"""

import inspect
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from synagents import registry
from synagents.benchmark import decisions
from synagents.benchmark.decisions import BoardTask, DecisionsTask
from synagents.benchmark.suite import TASKS, USUAL_NETWORK, BenchmarkTask
from synagents.cli import by_name, flags, presets
from synagents.cli.sections import Names, named, sections
from synagents.envs.plastic_samples import PerturbedWorld
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.hyperparameters import Values, nearest, require
from synagents.world import LearnerBase

FAMILIES = ("synapse", "plastic")  # whose worlds are played in; a learner that is for both plays in the first
BATCH = ("batch_size", "interval")  # what may be set of an optimizer's batches
COUNTS = {  # what a round or an update of tasks of decisions has several of, by family
    "unit": flags.Flag("num_worlds", int, flags.MISSING, "worlds that share one learner, >= 1."),
    "plastic": flags.Flag("lives", int, flags.MISSING, "lives of one update of the outer loop, >= 1."),
}
VARIANTS = {"team-q-frozen": "team-q"}  # lines that differ from a learner's own in their settings alone: who plays them
Played: TypeAlias = SynapseWorld | PerturbedWorld


def players() -> list[str]:
    """The suite's lines that learners play: all of worlds of synapses, variants, and others with settings there."""
    written = _written()
    there = {line for name in TASKS for line in written.get(name, {}) if not is_optimizer(line)}
    own = {name for name in registry.offers("learners") if "synapse" in registry.families(name)}
    return sorted(there | own)


def is_written(line: str, task: BenchmarkTask) -> bool:
    """Whether the asset has a line's settings on a task: without them, nobody chose what it would play with."""
    return line in _written()[task.name]


def names_levels(line: str) -> bool:
    """Whether a learner's line names levels of weights, which the benchmark's perceptrons do not have."""
    learner = registry.find("learners", learner_of(line))
    return isinstance(learner, type) and issubclass(learner, LearnerBase) and learner.sets_weights


def is_optimizer(line: str) -> bool:
    """Whether a line is an optimizer, which has no agents."""
    return line in registry.offers("benchmark.optimizers")


def learner_of(line: str) -> str:
    """The learner that plays a line, as the registry knows it: a deep one of `benchmark.marl` by its module."""
    own = registry.offers("benchmark.marl").get(line)
    return f"{own.__module__}:{own.__name__}" if own is not None else VARIANTS.get(line, line)


def world_of(line: str, task: BenchmarkTask) -> Callable[..., Played]:
    """The function that builds the world in which a learner's line plays a task.

    Raises:
        ValueError: if there is no such learner, or it plays in other worlds.
    """
    there = [family for family in FAMILIES if family in registry.families(learner_of(line))]
    require(
        not task.usual or not names_levels(line),
        f"{line} names levels of weights, but those of the benchmark's perceptrons may be any number: score it on a "
        "network of few bits, such as --network quantized.",
    )
    require(
        bool(there),
        f"The benchmark is played in worlds of {' or '.join(FAMILIES)} agents, for which {line} is not made: score "
        "another one.",
    )
    builder = registry.how_played(task.task, there[0]).world
    require(
        task.usual or "network" in inspect.signature(builder).parameters,
        f"{line} plays in a world that builds its own network: leave --network out, or score another one.",
    )
    return builder


def names_of(line: str, task: DecisionsTask) -> Names:
    """The names of what a line on a task of decisions is made of; ValueError where the line cannot play it."""
    able = (":" in line or line in registry.offers("learners")) and task.family in registry.families(line)
    require(able, f"{line} cannot play {task.id}: {', '.join(decisions.told(task.family))} can.")
    return named(task.task, line, world=task.family)


def world_settings(line: str, task: BoardTask) -> dict[str, flags.Flag]:
    """The settings of a line's world and of the task in it that the benchmark leaves open, by parameter name.

    On a task of decisions those of the outer loop are among them, and the number of worlds or lives.
    """
    if isinstance(task, DecisionsTask):
        parts, count = sections(names_of(line, task)).values(), COUNTS[task.family]
        known = {name: flag for part in parts for name, flag in part.items()} | {count.parameter: count}
        others = {*task.frozen, *flags.flags_of(registry.find("learners", line))}
        return {name: flag for name, flag in known.items() if name not in others}
    of_usual = () if task.usual else by_name.network_flags(USUAL_NETWORK)
    known = flags.flags_of(world_of(line, task), but=("task", "network", *of_usual))
    known |= flags.flags_of(registry.find("tasks", task.task), but=("data",))
    return {name: flag for name, flag in known.items() if name not in task.frozen}


def known_settings(line: str, task: BoardTask) -> dict[str, flags.Flag]:
    """What may be set of a line on a task, by parameter name.

    Args:
        line: a learner's or an optimizer's name, or module:Class of a learner.
        task: of the suite or of decisions; what it fixes is not among them.

    Raises:
        ValueError: if there is no such learner, or it cannot play the task.
    """
    if isinstance(task, BenchmarkTask) and is_optimizer(line):
        batches = {name: flags.Flag(name, int, None, "") for name in BATCH if task.batched}
        return batches | flags.flags_of(registry.find("benchmark.optimizers", line))
    return world_settings(line, task) | flags.flags_of(registry.find("learners", learner_of(line)))


def chosen(task: BoardTask, line: str) -> Values:
    """All settings that a line plays with on a task, by parameter name, as they are written in the asset."""
    there = _written()[task.name]
    if line in there:
        return dict(there[line])
    learner = learner_of(line)
    world = {name: value for name, value in there[task.reference].items() if name in world_settings(line, task)}
    world |= registry.worlds()[task.family].settings_for(learner)
    own = {name: flag.default for name, flag in flags.flags_of(registry.find("learners", learner)).items()}
    if isinstance(task, DecisionsTask):
        return world | own
    return world | own | presets.meaningless(world | own, integer=by_name.is_integer(task.network))


def complete(task: BoardTask, line: str, given: Values, rounds: int) -> Values:
    """The values that constructors take, for every setting of a line on a task.

    Args:
        task: of the suite or of decisions.
        line: as in `known_settings`.
        given: settings by parameter name that replace the line's own.
        rounds: the length of decays that name none.

    Raises:
        ValueError: if a given setting is fixed by the benchmark or unknown, or one is missing.
    """
    known, settings = known_settings(line, task), chosen(task, line) | given
    for name in given:
        require(name not in task.frozen, f"The benchmark fixes {name} of {task.id}: leave it out.")
        require(name in known, f"{line} has no setting {name!r}: {nearest(name, known)}.")
    for name in known:
        require(name in settings, f"The benchmark has no value for the setting {name} of {line}: give it one.")
    return {name: _value(flag, settings[name], rounds) for name, flag in known.items()}


def _value(flag: flags.Flag, given: Any, rounds: int) -> Any:
    """What a constructor is to get for a setting, which the asset writes as a text where JSON has no such value."""
    return flags.value(flag, flags.read(flag, given) if isinstance(given, str) else given, rounds)


@cache
def _written() -> dict[str, dict[str, Values]]:
    return json.loads((files("synagents") / "assets" / "bench_settings.json").read_text())
