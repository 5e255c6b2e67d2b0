"""The command `synagents train`: TASK, --learner, --network, --world and --outer say which other flags there are.

So these words are looked for first, then the flags of what they name are read. Nothing else is known of flags of
other tasks and learners, and two of them may share a name.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synagents.cli import kinds
from synagents.cli.options import CHECKPOINTS, JSON, QUIET, SEED, TENSORBOARD, Decorator, count

if TYPE_CHECKING:
    from synagents.cli.sections import Names
    from synagents.run.directory import RunDirectory
    from synagents.run.spec import Spec

TASK = "digits"
NAMES = "synagents.names"  # where a line's names are kept while it is read
NAMING = ("--learner", "--network", "--world", "--outer")
OF_BATCHES = "shared_task"  # worlds of decisions have a question of their own each
OF_ROUNDS = ("num_worlds", "shared_task", "rollout_length", "probes", "probe_interval")  # not of an outer loop's lives
OF_OUTER = ("outer", "lives")

_OPTIONS: tuple[Decorator, ...] = (
    click.argument("task", required=False),
    click.option("--learner", help="Who acts and learns: see `synagents learners`."),
    click.option("--network", help="What is trained: see `synagents networks`.  [default: the world's own]"),
    click.option("--world", help="Who the agents are, where worlds of several families play TASK."),
    click.option("--outer", help="How an outer loop improves lives: ascend or evolve.  [default: ascend]"),
    count("--steps", None, "Rounds to play, or updates of the outer loop, >= 1: `rounds` in Python."),
    count("--lives", None, "Lives of one update of the outer loop, >= 1."),
    SEED,
    count("--num-worlds", None, "Worlds that share one learner, >= 1."),
    count("--num-runs", 1, "Independent learners with worlds of their own, >= 1."),
    click.option("--shared-task", is_flag=True, help="The worlds of a run see one batch: one wide product."),
    count("--rollout-length", 1, "Rounds per update of the learner, >= 1."),
    click.option(
        "--probe",
        "probes",
        multiple=True,
        help="What to record in metrics.csv: see `synagents probes`; may be repeated.",
    ),
    count("--probe-interval", 100, "Rounds between probed rounds, >= 1."),
    click.option(
        "--record",
        type=click.Choice(["none", "default", "all"]),
        default="default",
        show_default=True,
        help="What reports need beside metrics.csv: snapshots of the agents, or all probes that fit, too.",
    ),
    click.option(
        "--out",
        type=kinds.Place(),
        help="New or empty directory, or a run's, to go on with it or extend it.  [default: a new one in runs]",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an earlier run's files in --out."),
    TENSORBOARD,
    CHECKPOINTS,
    JSON,
    QUIET,
)


def train_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the flags that `train` has for every task and learner."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


class Train(click.Command):
    """A command that reads the flags of the task, the learner, the network and the world that its line names."""

    def __init__(self, **attributes: Any):
        super().__init__(**attributes)
        self.own_params = tuple(self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find what is named, then read the line with the flags of that."""
        from synagents.cli.flags import option
        from synagents.cli.sections import sections

        names = ctx.meta[NAMES] = self._names(args)
        flags = [flag for part in sections(names).values() for flag in part.values()]
        self.params = [*self._shown(names), *map(option, flags)]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            there = [word for param in self.params for word in (*param.opts, *param.secondary_opts)]
            raise click.UsageError(self._no_flag(error.option_name, names, there), ctx) from None

    def _names(self, args: Sequence[str]) -> "Names":
        """What is named; the learner may bring switches of its own that are not to be taken for flags with a value."""
        from synagents.cli import flags
        from synagents.cli.by_name import network_flags
        from synagents.cli.sections import all_flags
        from synagents.cli.sections import named as with_usual
        from synagents.registry import find

        known = {word for param in self.own_params if getattr(param, "is_flag", False) for word in param.opts}
        known |= flags.switches(all_flags())
        found = named(args, known)
        for kind, name in (("learners", found.get("--learner")), ("networks", found.get("--network"))):
            if name and ":" in name:
                own = network_flags(name) if kind == "networks" else flags.flags_of(find(kind, name))
                known |= flags.switches(own.values())
        found = named(args, known)
        return with_usual(found.get("task") or TASK, *(found.get(word) for word in NAMING))

    def _shown(self, names: "Names") -> list[click.Parameter]:
        """The run's own flags, less those that this world has no use for."""
        from synagents.cli.sections import how_played
        from synagents.task import DecisionTask

        how = how_played(names)
        needless = {*(OF_ROUNDS if names.outer else OF_OUTER)}
        one_by_one = issubclass(how.kind, DecisionTask) or how.decides is not None
        needless |= {OF_BATCHES} if one_by_one else set()
        return [param for param in self.own_params if param.name not in needless]

    def _no_flag(self, typed: str, names: "Names", there: Iterable[str]) -> str:
        from synagents.cli.sections import all_flags

        near = difflib.get_close_matches(typed, there, n=1, cutoff=0.7)
        if near and typed not in {flag.name for flag in all_flags()}:  # or it is another task's or learner's
            return f"There is no flag {typed}: the nearest is {near[0]}."
        return f"{names.learner} on {names.task} has no {typed}: `synagents train {names.task} --help` shows the flags."

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The run's flags, then those of the world, the network, the task and the learner with their defaults."""
        from synagents.cli.flags import MISSING, option, plain
        from synagents.cli.kinds import OneSchedule, Schedules
        from synagents.cli.sections import defaults, sections

        names: Names = ctx.meta[NAMES]
        with formatter.section("Run"):
            formatter.write_dl(self._own_rows(ctx, names))
        has_schedule = False
        for title, flags in sections(names).items():
            rows, chosen = [], defaults(flags, names)
            for name, flag in flags.items():
                shown, usual = option(flag), chosen[name]
                has_schedule |= isinstance(shown.type, OneSchedule | Schedules)
                record = shown.get_help_record(ctx) or ("", "")
                more = "must be given" if usual is MISSING else f"default: {plain(usual)}"
                rows.append((record[0], record[1] + ("" if usual is None else f"  [{more}]")))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if has_schedule:
            formatter.write_paragraph()
            formatter.write_text(
                "A schedule is a number, linear:START:STOP[:STEPS], exponential:START:STOP[:STEPS] or "
                "switch:BEFORE:AFTER:STEP, in rounds; a decay without STEPS spans the run."
            )

    def _own_rows(self, ctx: click.Context, names: "Names") -> list[tuple[str, str]]:
        """The run's flags with what each is for this task, learner and world."""
        from synagents.cli.presets import LIVES
        from synagents.cli.sections import family_of, recommended
        from synagents.registry import players

        usual, family = recommended(names), family_of(names)
        others = [other for other in players(names.task) if other != family]
        defaults = {
            "learner": names.learner,
            "world": "; also ".join([family, *([", ".join(others)] if others else [])]),
            "steps": f"{usual['rounds']:,}",
            "num_worlds": f"{usual.get('num_worlds', 1)}",
            "lives": f"{usual.get('lives', LIVES)}",
        }
        rows = []
        for param in self._shown(names):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record:
                own = defaults.get(param.name or "")
                rows.append((record[0], f"{record[1]}  [default: {own}]" if own else record[1]))
        return rows


def named(args: Sequence[str], switches: set[str]) -> dict[str, str]:
    """The first word that belongs to no flag ("task"), and the values of the flags in NAMING, where they are there.

    Args:
        args: the words that were typed.
        switches: flags that take no value; any other one takes the word after it.
    """
    found: dict[str, str] = {}
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            found.setdefault("task", next(words, TASK))
            break
        if not word.startswith("-"):
            found.setdefault("task", word)
        elif name not in switches:
            value = value if equals else next(words, "")
            if name in NAMING:
                found[name] = value
    return found


def play(
    started: float,
    task: str | None,
    learner: str | None,
    world: str | None,
    steps: int | None,
    out: Path | None,
    overwrite: bool,
    checkpoint_seconds: float | None,
    tensorboard: bool,
    as_json: bool,
    quiet: bool,
    probes: tuple[str, ...] = (),
    **given: Any,
) -> None:
    """What `synagents train` does: build the preset and play it into the directory, or go on with what is there."""
    from dataclasses import replace

    from synagents.cli.build import preset
    from synagents.cli.jax_settings import prepare_jax
    from synagents.cli.sections import named as with_usual
    from synagents.cli.sections import recommended
    from synagents.hyperparameters import require
    from synagents.registry import usual_learner
    from synagents.run.config import first_rounds_of
    from synagents.run.directory import RunDirectory

    prepare_jax()
    task = task or TASK
    learner = learner or usual_learner(task, world)
    directory = RunDirectory(out or _fresh(task, learner), overwrite=overwrite)
    before = directory.config() if directory.holds_run else None
    names = [name for some in probes for name in some.split(",")]
    # A decay without a length spans the rounds that the run was first asked for, however often it is extended.
    first = first_rounds_of(before) if before else steps
    spec = preset(task, learner, world=world, rounds=first, probes=names, **given)
    if before:
        spec = replace(spec, rounds=steps or recommended(with_usual(task, learner, world=world))["rounds"])
        require(
            spec.rounds != before["rounds"] or not directory.finished(),
            f"The run in {directory.path} is finished: raise --steps to extend it, name a new directory with --out, or "
            "add --overwrite.",
        )
    carry_out(started, spec, directory, checkpoint_seconds, tensorboard=tensorboard, as_json=as_json, quiet=quiet)


def carry_out(
    started: float,
    spec: "Spec[Any, Any]",
    directory: "RunDirectory",
    checkpoint_seconds: float | None,
    *,
    tensorboard: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Play a run into its directory, or go on with it; show how it goes and what came of it."""
    from synagents.cli.build import spanning
    from synagents.report.live import Live, closing_table
    from synagents.run.config import first_rounds_of
    from synagents.run.fit import fit

    callbacks = []
    if tensorboard:
        from synagents.report.tensorboard import TensorBoard

        callbacks = [TensorBoard()]
    about = spec.about
    first = first_rounds_of(directory.config()) if directory.holds_run else spec.rounds
    with Live(f"{about['task']} {about['learner']}", spec.rounds, quiet=quiet) as live:
        ended = spanning(spec)
        if spec.rounds > first and ended:
            live.tell(f"As the run began, {', '.join(ended)} ends its decay at step {first:,}.")
        _, summary = fit(
            spec,
            directory,
            checkpoint_seconds=checkpoint_seconds,
            started=started,
            compiling=live.compiling,
            watch=live.show,
            callbacks=callbacks,
            tell=live.tell,
        )
    if as_json:
        print(json.dumps(summary))
    if not quiet:
        live.close(closing_table(summary, directory.path))


def _fresh(task: str, learner: str) -> Path:
    """The first of runs/TASK-LEARNER-1, -2, ... that is not there yet."""
    own = f"{task}-{learner}".replace(":", ".").replace("/", ".")
    number = 1
    while (folder := Path("runs") / f"{own}-{number}").exists():
        number += 1
    return folder
