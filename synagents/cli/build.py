"""From names and settings to what is played: `preset` is the command `synagents train`, in Python.

    synagents train digits --out runs/a   =   synagents.fit(synagents.preset("digits"), "runs/a")

`synagents.cli.sections` says which settings there are, and what each is where nobody gives it.
"""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax

from synagents import registry
from synagents.cli import flags, presets
from synagents.cli.by_name import find_probe, fitting_probes, make_network
from synagents.cli.flags import Flag
from synagents.cli.sections import (
    OBJECTIVE,
    OUTER,
    Names,
    defaults,
    family_of,
    how_played,
    known_settings,
    named,
    outer_parts,
    recommended,
    sections,
    shared_families,
)
from synagents.hyperparameters import Values, require, require_whole
from synagents.loop import Run
from synagents.outer import OuterRun
from synagents.outer_methods import Method, Objective
from synagents.probes import Probe
from synagents.rounds import groups_shown
from synagents.run import reading
from synagents.run.config import OF_LIVES, OF_ROUNDS, Config, read_config
from synagents.run.files import Json
from synagents.run.outer_spec import OuterSpec
from synagents.run.snapshots import Record
from synagents.run.spec import RunSpec, Spec
from synagents.world import AnyLearner, LearnerBase, LifeTask, World


class Built(NamedTuple):
    """A world and a learner, and what they are made of."""

    world: World
    learner: AnyLearner
    settings: Values  # every setting by parameter name, as config.json keeps it
    can_be_kept: bool  # whether config.json can say them all, so that a run goes on by its directory alone
    method: Method | None = None  # of the outer loop, where there is one
    objective: Objective | None = None  # of its lives


def preset(
    task: str = "digits",
    learner: str | None = None,
    *,
    network: str | None = None,
    world: str | None = None,
    outer: str | None = None,
    seed: int = 0,
    rounds: int | None = None,
    lives: int | None = None,
    num_worlds: int | None = None,
    num_runs: int = 1,
    shared_task: bool = False,
    rollout_length: int = 1,
    probes: Iterable[str | Probe] = (),
    probe_interval: int = 100,
    record: Record = "default",
    **settings: Any,
) -> Spec[Any, Any]:
    """What `synagents train` plays for these names and flags.

    Args:
        task: a task's name (`synagents tasks` lists them), or "module:Name" of one of your own.
        learner: a learner's name or "module:Name"; None for the usual one of the world.
        network: a network's name or "module:Name"; None for the world's own.
        world: the family of the world, such as "synapse" or "unit", where several play the task; None for the task's
            usual one of those that the learner is for.
        outer: how an outer loop improves lives, "ascend" or "evolve", on tasks that are lives; None for "ascend" there.
        seed: of everything, also of the data split, in 0 .. 2^32 - 1.
        rounds: to play, or updates of the outer loop, >= 1 (`--steps` on the command line); None for the preset's.
        lives: of one update of the outer loop, >= 1; None for the preset's.
        num_worlds: worlds that share one learner, >= 1; None for the preset's.
        num_runs: independent learners with worlds of their own, >= 1.
        shared_task: let the worlds of a run see one batch.
        rollout_length: rounds per update of the learner, >= 1.
        probes: names, "module:Name" or functions of (world, round), to be recorded in metrics.csv.
        probe_interval: rounds between probed rounds, >= 1.
        record: what is kept for reports: "none", "default" for snapshots of the agents, or "all" for every probe that
            fits, too.
        **settings: of the world, the network, the task and the learner, under the names that `synagents train TASK
            --help` shows, such as `hidden=(64,)`; texts are read as the command line reads them.

    Returns:
        A RunSpec, or an OuterSpec where an outer loop improves lives.

    Raises:
        ValueError: if there is nothing of such a name, a setting belongs to none of them or is out of range, or the
            learner or the world does not fit the task.
    """
    names = _checked(task, learner, network, world, outer)
    usual = recommended(names)
    rounds = usual["rounds"] if rounds is None else rounds
    require_whole("rounds", rounds, 1)
    probes = tuple(probes)
    if names.outer:
        of_rounds = {"shared_task": shared_task, "probes": bool(probes), "rollout_length": rollout_length != 1}
        odd = [name for name, given in ({"num_worlds": num_worlds is not None} | of_rounds).items() if given]
        require(not odd, f"{names.task} is taught by an outer loop, life by life: leave {', '.join(odd)} out.")
    else:
        require(lives is None, f"{names.learner} on {names.task} has no outer loop: leave lives out.")
    built = build(names, settings, rounds=rounds, seed=seed)
    if record == "all" and not names.outer:
        probes = tuple(dict.fromkeys((*probes, *fitting_probes(built.world, built.learner))))
    about = _about(names, built, probes)
    if names.outer and built.method:
        return OuterSpec(
            built.world,
            built.learner,
            rounds,
            seed=seed,
            num_runs=num_runs,
            about=about,
            record=record,
            objective=built.objective,
            method=built.method,
            lives=usual.get("lives", presets.LIVES) if lives is None else lives,
        )
    return RunSpec(
        built.world,
        built.learner,
        rounds,
        seed=seed,
        num_worlds=usual.get("num_worlds", 1) if num_worlds is None else num_worlds,
        num_runs=num_runs,
        shared_task=shared_task,
        rollout_length=rollout_length,
        probes=tuple(find_probe(probe) if isinstance(probe, str) else probe for probe in probes),
        probe_interval=probe_interval,
        about=about,
        record=record,
    )


def _checked(task: str, learner: str | None, network: str | None, world: str | None, outer: str | None) -> Names:
    asked = {"task": task, "learner": learner, "network": network, "world": world, "outer": outer}
    for name, given in asked.items():
        require(
            given is None or isinstance(given, str),
            f"A preset takes the {name}'s name, but this is a {type(given).__name__}: of objects build "
            "synagents.RunSpec(world, learner, rounds).",
        )
    return named(task, learner, network, world, outer)


def _about(names: Names, built: Built, probes: tuple[str | Probe, ...]) -> Config:
    """What config.json says first, enough for `rebuild` where everything has a name."""
    about: Config = {"task": names.task, "learner": names.learner, "world": family_of(names)}
    about |= {"network": names.network} if names.network else {}
    about |= {"outer": names.outer} if names.outer else {}
    about |= {"sizes": list(built.world.sizes), "data": dict(built.world.task.description)}
    about |= {"levels": dict(built.world.task.levels)} if isinstance(built.world.task, LifeTask) else {}
    by_name = built.can_be_kept and all(isinstance(probe, str) for probe in probes)
    return about | ({"settings": built.settings, "probe_names": list(probes)} if by_name else {})


def rebuild(config: Config) -> Spec[Any, Any]:
    """What a run's config.json says, as a preset; decays without a length span the rounds first asked for.

    Raises:
        ValueError: if it is not the configuration of a preset, or a setting is none that this version knows.
    """
    task, learner, network, world, outer, settings, probes = (
        config.get(name) for name in ("task", "learner", "network", "world", "outer", "settings", "probe_names")
    )
    if not (
        isinstance(task, str)
        and isinstance(learner, str)
        and isinstance(network, str | None)
        and isinstance(world, str | None)
        and isinstance(outer, str | None)
        and isinstance(settings, dict)
        and isinstance(probes, list)
    ):
        raise ValueError("This run was begun from objects in Python: go on with it by calling `synagents.fit` again.")
    known = known_settings(named(task, learner, network, world, outer))
    for name in settings:
        require(name in known, f"This version has no setting {name} of {learner} on {task}: use the one that began it.")
    rounds = (*config["extended_from"], config["rounds"])
    run = {name: config[name] for name in ("num_runs", *(OF_LIVES if outer else OF_ROUNDS)) if name != "probes"}
    given = {name: flags.given(known[name], value) for name, value in settings.items()}
    names: Values = {"network": network, "world": world, "outer": outer, "probes": probes}
    run["record"] = config.get("record", "none")  # older versions kept nothing
    spec = preset(task, learner, seed=config["seed"], rounds=rounds[0], **names, **run, **given)
    return replace(spec, rounds=rounds[-1])


def open_run(
    directory: str | Path, spec: Spec[Any, Any] | None = None, *, step: int | None = None
) -> tuple[Run | OuterRun, Json | None]:
    """The last saved state of the run in a directory, and its summary, or None where it is not finished.

    Args:
        directory: of a run.
        spec: what was played; None builds it again from the names in config.json.
        step: of which the state is, in 0 .. those that were asked for; it is played again from the last checkpoint
            before.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if the run was begun from objects in Python, and no spec is given, or another one; or there is no
            such step.
        RunError: if its files cannot be understood.
    """
    return reading.open_run(directory, rebuild(read_config(directory)) if spec is None else spec, step)


def build(names: Names, given: Values, *, rounds: int, seed: int = 0, by_preset: bool = True) -> Built:
    """Make the world and the learner.

    Args:
        names: of the task, the learner, the network, the family of the world and the outer loop.
        given: settings by parameter name; those that are None count as not given.
        rounds: the length of decays that do not name their own.
        seed: of the data split, unless `given` says otherwise.
        by_preset: whether presets apply; otherwise what is not given is the constructor's default.

    Raises:
        ValueError: if a setting belongs to none of them, or is out of range, or the learner does not fit the task.
    """
    titled = sections(names)
    known = {name: flag for section in titled.values() for name, flag in section.items()}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        require(name in known, _unknown(name, names, known))
    chosen = defaults(known, names, by_preset=by_preset) | given
    if "split_seed" in known and "split_seed" not in given:
        chosen["split_seed"] = seed
    chosen |= _following(known, chosen, given)
    for name, value in chosen.items():
        require(value is not flags.MISSING, f"{names.learner} on {names.task} needs a value: give {known[name].name}.")
        chosen[name] = flags.read(known[name], value) if isinstance(value, str) else value
    made = {name: flags.value(known[name], value, rounds) for name, value in chosen.items()}
    parts = {title: {name: made[name] for name in part} for title, part in titled.items()}
    world, learner = _made(names, parts)
    _require_fit(names, world, learner, by_hand=bool(given))
    kept = {name: flags.kept(known[name], value) for name, value in chosen.items()}
    can_be_kept = all(flags.can_be_kept(known[name], value) for name, value in chosen.items())
    if not names.outer:
        return Built(world, learner, kept, can_be_kept)
    method, objective = outer_parts(names)
    return Built(world, learner, kept, can_be_kept, method(**parts[OUTER]), objective(**parts[OBJECTIVE]))


def spanning(spec: Spec[Any, Any]) -> tuple[str, ...]:
    """The settings of a preset that decay over the rounds first asked for, since they name no length."""
    about = spec.about
    if "settings" not in about:
        return ()
    known = known_settings(
        named(about["task"], about["learner"], about.get("network"), about.get("world"), about.get("outer"))
    )
    return tuple(name for name, value in about["settings"].items() if flags.spans(known[name], value))


def offered() -> list[Names]:
    """Every task with every learner that plays it as it comes, in every world in which it does."""
    return [
        named(task, learner, world=world)
        for task in registry.offers("tasks")
        for world in registry.players(task)
        for learner in learners_of(task, world)
    ]


@cache
def learners_of(task: str, world: str | None = None) -> tuple[str, ...]:
    """The learners that play a task by their presets, in worlds of one family or in any."""
    there = [(learner, family) for learner in registry.offers("learners") for family in shared_families(task, learner)]
    there = [(learner, family) for learner, family in there if world in (None, family)]
    return tuple(dict.fromkeys(learner for learner, family in there if _plays(named(task, learner, world=family))))


def _plays(names: Names) -> bool:
    titled = sections(names).items()
    chosen = {title: _usual(part, names) for title, part in titled}
    try:
        _task(names, chosen[f"Task {names.task}"])
    except (ValueError, FileNotFoundError):  # its data are not here, which says nothing against the learner
        return True
    try:
        return misfit(*_made(names, chosen)) is None
    except ValueError:
        return False


def _usual(known: dict[str, Flag], names: Names) -> Values:
    """What settings are by the preset, as constructors take them."""
    chosen = defaults(known, names)
    chosen |= _following(known, chosen, {})
    read = {name: flags.read(known[name], own) if isinstance(own, str) else own for name, own in chosen.items()}
    return {name: flags.value(known[name], own, 1) for name, own in read.items()}


def _following(known: Iterable[str], chosen: Values, given: Values) -> Values:
    """What follows from other settings where it is not given itself."""
    follows: Values = {"table": usual_table(chosen)} | presets.meaningless(chosen)
    follows |= {"hidden_scale": 1.0} if chosen.get("norm") == "none" else {}  # else currents would be as much larger
    return {name: value for name, value in follows.items() if name in known and name not in given}


def usual_table(chosen: Values) -> str:
    """The table that a learner with these settings begins with unless somebody says otherwise."""
    return "shipped" if chosen.get("adaptive") is False else "zeros"


def _made(names: Names, chosen: dict[str, Values]) -> tuple[World, AnyLearner]:
    """The objects, from the values of all sections."""
    kinds = ("world", *(["network"] if names.network else []), "task", "learner")
    own = dict(zip(kinds, chosen.values(), strict=False))  # an outer loop's parts come last
    task = _task(names, own["task"])
    more = {"network": make_network(names.network, task, own["network"])} if names.network else {}
    world = how_played(names).world(task, **own["world"], **more)
    return world, registry.called(registry.find("learners", names.learner), names.learner, own["learner"])


def _task(names: Names, settings: Values) -> Any:
    """The task, as the world asks for it."""
    fixed = registry.decided(names.task, registry.worlds()[family_of(names)].PLAYS)
    return registry.called(registry.find("tasks", names.task), names.task, settings | fixed)


def misfit(world: World, learner: AnyLearner) -> str | None:
    """Why a learner cannot begin in a world; None if it can. Nothing is computed."""
    if not (isinstance(learner, LearnerBase) and isinstance(world, World)):
        return None  # `synagents.begin` says so
    try:
        groups = groups_shown(world, learner)
        jax.eval_shape(lambda key: learner.init(key, groups), jax.eval_shape(lambda: jax.random.key(0)))
    except ValueError as error:
        return str(error)
    return None


def _require_fit(names: Names, world: World, learner: AnyLearner, *, by_hand: bool) -> None:
    """Raise ValueError where the learner cannot begin, with others that can if no given setting is the cause."""
    reason = misfit(world, learner)
    if reason is None:
        return
    fitting = learners_of(names.task, family_of(names))
    if by_hand and names.learner in fitting:
        raise ValueError(reason)
    raise ValueError(f"{names.learner} does not fit {names.task} ({reason.rstrip('.')}): use {', '.join(fitting)}.")


def _unknown(name: str, names: Names, known: dict[str, Flag]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest is {near[0]}." if near else f"`synagents train {names.task} --help` shows what there is."
    return f"{names.learner} on {names.task} has no setting {name}: {hint}"
