"""The door: `synagents train` and its neighbours. Everything it does is a call or two of the library in Python."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from synagents.cli.build import Experiment
    from synagents.run.directory import Folder

DEFAULT_TASK = "digits"


def main() -> None:
    """Run a command; exit 0 done, 2 wrong use, 1 failure, each told in one sentence on stderr."""
    try:
        code = cli.main(prog_name="synagents", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort as stop:  # click's word for Ctrl-C
        code = _complain(str(stop.__cause__ or "") or "Interrupted.", 1)
    except (ValueError, FileNotFoundError) as error:  # what was asked for cannot be
        code = _complain(_told(error), 2)
    except Exception as error:
        if not isinstance(error, _failures()):
            raise
        code = _complain(_told(error), 1)
    sys.exit(code or 0)


def _failures() -> tuple[type[Exception], ...]:
    """Errors that speak for themselves; they live in modules that nothing else may have needed so far."""
    from synagents.data import DataError
    from synagents.run.directory import RunError

    return DataError, RunError, FloatingPointError, OSError


def _told(error: Exception) -> str:
    """An error in a sentence; ours are sentences, the operating system's are not."""
    if isinstance(error, OSError) and error.errno:
        return f"{error.filename} cannot be used ({error.strerror}): name another place."
    return str(error)


def _complain(sentence: str, code: int) -> int:
    print(f"Error: {sentence}", file=sys.stderr)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="synagents")
def cli() -> None:
    """Train neural networks without a gradient: every synapse, or every unit, is an agent."""


class _TrainCommand(click.Command):
    """`train` reads the flags of every task and learner; its help and its errors speak of the chosen ones."""

    def __init__(self, **attributes: Any):
        super().__init__(**attributes)
        self.own_params = tuple(self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Know all flags there are before reading what was typed."""
        from synagents.cli.build import pairs, sections
        from synagents.cli.flags import option
        from synagents.settings import nearest

        flags = {flag.name: flag for pair in pairs() for part in sections(*pair).values() for flag in part.values()}
        self.params = [*self.own_params, *map(option, flags.values())]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            names = [name for param in self.params for name in param.opts if name.startswith("--")]
            sentence = f"There is no flag {error.option_name}: {nearest(error.option_name, names)}."
            raise click.UsageError(sentence, ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The run's flags, then those of the world, the task and the learner with their defaults."""
        from synagents.cli.build import default, sections
        from synagents.registry import usual_learner
        from synagents.cli.flags import option, plain

        task = ctx.params.get("task") or DEFAULT_TASK
        learner = ctx.params.get("learner") or usual_learner(task)
        with formatter.section("Run"):
            records = (param.get_help_record(ctx) for param in self.own_params if isinstance(param, click.Option))
            formatter.write_dl([record for record in records if record])
        for title, flags in sections(task, learner).items():
            rows = []
            for flag in flags.values():
                record, usual = option(flag).get_help_record(ctx), plain(default(flag, task, learner))
                if record:
                    rows.append((record[0], record[1] + ("" if usual is None else f"  [default: {usual}]")))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        formatter.write_paragraph()
        formatter.write_text(
            "A schedule is a number, linear:START:STOP[:STEPS], exponential:START:STOP[:STEPS] or "
            "switch:BEFORE:AFTER:STEP, in rounds; a decay without STEPS spans the run."
        )


def _count(name: str, default: int | None, text: str) -> Any:
    return click.option(name, type=click.IntRange(1), default=default, show_default=default is not None, help=text)


_SEED = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of everything, >= 0; also of the data split.",
)


_CHECKPOINTS = click.option(
    "--checkpoint-seconds",
    type=click.FloatRange(0),
    help="Least seconds between checkpoints, >= 0.  [10, or more: they take at most 1 % of the time]",
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
_QUIET = click.option("--quiet", is_flag=True, help="Neither live display nor closing table.")


def _share(name: str, default: float, text: str) -> Any:
    return click.option(name, type=click.FloatRange(0, 1), default=default, show_default=True, help=text)


@cli.command(cls=_TrainCommand, add_help_option=False)
@click.argument("task", required=False)
@click.option("--learner", help="Who acts and learns: see `synagents learners`.  [by task]")
@_count("--steps", None, "Rounds to play, >= 1: one forward pass each.  [by task]")
@_SEED
@_count("--worlds", None, "Worlds that share one learner, >= 1.  [by task, or 1]")
@_count("--runs", 1, "Independent learners with worlds of their own, >= 1.")
@click.option("--shared-task", is_flag=True, help="The worlds of a run see one batch: one wide product.")
@_count("--rollout_length", 1, "Rounds per update of the learner, >= 1.")
@click.option(
    "--probe", "probes", multiple=True, help="Any of action_mix,occupancy,alignment, for metrics.csv."
)
@_count("--probe-interval", 100, "Rounds between probed rounds, >= 1.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="New or empty directory, or a run's, to go on with it or extend it.  [runs/TASK-LEARNER, numbered]",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's files in --out.")
@_CHECKPOINTS
@_AS_JSON
@_QUIET
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show the flags of this task and learner, and exit.")
@click.pass_context
def train(
    ctx: click.Context,
    task: str | None,
    learner: str | None,
    steps: int | None,
    seed: int,
    probes: tuple[str, ...],
    out: Path | None,
    overwrite: bool,
    wants_help: bool,
    worlds: int | None,
    runs: int,
    shared_task: bool,
    rollout_length: int,
    probe_interval: int,
    checkpoint_seconds: float | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a network on TASK (default: digits) without a gradient."""
    if wants_help:  # not before the task and the learner are known
        click.echo(ctx.get_help())
        return
    started = time.perf_counter()
    from synagents.cli import build as experiment
    from synagents.run.directory import Folder, first_steps_of
    from synagents.cli.presets import recipe
    from synagents.registry import usual_learner
    from synagents.settings import require

    task = task or DEFAULT_TASK
    learner = learner or usual_learner(task)
    worlds = worlds or recipe(task, learner).get("worlds", 1)
    steps = steps or recipe(task, learner).get("steps", 10_000)
    folder = Folder(out or _fresh_folder(task, learner), overwrite=overwrite)
    before = folder.config() if folder.holds_run else None
    require(
        before is None or steps != before["steps"] or not folder.finished(),
        f"The run in {folder.path} is finished: raise --steps to extend it, name a new directory with --out, or add "
        "--overwrite.",
    )
    first_steps = first_steps_of(before) if before else steps
    chosen = experiment.build(task, learner, given, steps=first_steps, seed=seed)
    command = {"task": task, "learner": learner, "seed": seed, "worlds": worlds, "runs": runs, "rollout_length": rollout_length}
    command |= {"shared_task": shared_task, "probes": ",".join(probes).split(",") if probes else []}
    command |= {"probe_interval": probe_interval, "steps": steps}
    _carry_out(chosen, folder, command, first_steps, checkpoint_seconds, started, as_json, quiet)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@_count("--steps", None, "Extend the run to so many rounds.  [what it was asked for]")
@_CHECKPOINTS
@_AS_JSON
@_QUIET
def resume(run: Path, steps: int | None, checkpoint_seconds: float | None, as_json: bool, quiet: bool) -> None:
    """Go on with the run in directory RUN exactly where it was stopped."""
    started = time.perf_counter()
    from synagents.cli import build as experiment
    from synagents.run.directory import Folder, first_steps_of, read_config

    before = read_config(run)
    folder, wanted = Folder(run), steps or before["steps"]
    summary, damaged = folder.finished(), folder.damaged()
    if summary and wanted == before["steps"] and not damaged:
        click.echo(f"The run in {run} is finished: --steps extends it.", err=True)
        if as_json:
            print(json.dumps(summary))
        return
    if summary and damaged:
        click.echo(f"Not as they were written, and made anew: {', '.join(damaged)}.", err=True)
    chosen = experiment.rebuild(before, steps=first_steps_of(before))
    command = before | {"steps": wanted}
    _carry_out(chosen, folder, command, first_steps_of(before), checkpoint_seconds, started, as_json, quiet)


def _carry_out(
    chosen: "Experiment",
    folder: "Folder",
    command: dict[str, Any],
    first_steps: int,
    checkpoint_seconds: float | None,
    started: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train as the command says, or go on; show how it goes and what came of it."""
    import jax

    from synagents.report.live import Live, closing_table
    from synagents.run.fit import fit

    sizes = list(chosen.world.sizes)
    told = {"task": command["task"], "learner": command["learner"], "sizes": sizes, "seed": command["seed"]}
    data = dict(chosen.world.task.description)
    with Live(f"{command['task']} {command['learner']}", command["steps"], quiet=quiet) as live:
        if command["steps"] > first_steps and chosen.spanning:
            live.tell(f"As the run began, {', '.join(chosen.spanning)} ends its decay at step {first_steps:,}.")
        _, summary = fit(
            jax.random.key(command["seed"]),
            chosen.world,
            chosen.learner,
            command["steps"],
            folder,
            config=told | {"settings": chosen.settings, "data": data},
            num_worlds=command["worlds"],
            num_runs=command["runs"],
            shared_task=command["shared_task"],
            rollout_length=command["rollout_length"],
            probes=_probes(command["probes"]),
            probe_interval=command["probe_interval"],
            checkpoint_seconds=checkpoint_seconds,
            started=started,
            watch=live.show,
            tell=live.tell,
        )
    if as_json:
        print(json.dumps(summary))
    if not quiet:
        live.close(closing_table(summary, data, folder.path))


@cli.command("learn-table")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The JSON file to write.")
@_SEED
@_count("--candidates", 32, "Tables that learn side by side, >= 1.")
@_count("--lessons", 4, "Teachers each candidate learns from, >= 1.")
@_count("--exam-teachers", 32, "Unseen teachers on which the frozen tables are compared, >= 1.")
@_share("--explore", 0.3, "Probability of a uniform action while learning, in [0, 1].")
@_share("--alpha", 0.01, "Learning rate in [0, 1].")
@_share("--gamma", 0.9, "Discount of future rewards in [0, 1].")
@_count("--memory", 2, "Rounds an agent remembers, 1 .. 9.")
def learn_table_command(
    out: Path,
    seed: int,
    candidates: int,
    lessons: int,
    exam_teachers: int,
    explore: float,
    alpha: float,
    gamma: float,
    memory: int,
) -> None:
    """Learn a table on toy teachers (2-8-2 networks, 300 points) and choose it on unseen ones."""
    import jax
    import numpy as np

    from synagents.envs import synapse_v0
    from synagents.benchmark.learn_table import learn_table
    from synagents.learners.synapse.q_table import QTable
    from synagents.run.fit import versions
    from synagents.run.tables import save_table

    toy = synapse_v0.world("boundary", hidden=(8,), step_size=0.01, interval=0, memory=memory)
    learned = learn_table(
        jax.random.key(seed),
        toy,
        learner=QTable(adaptive=True, explore=explore, alpha=alpha, gamma=gamma),
        candidates=candidates,
        lessons=lessons,
        exam_teachers=exam_teachers,
        tell=lambda line: print(line, file=sys.stderr),
    )
    options = {
        "seed": seed,
        "candidates": candidates,
        "lessons": lessons,
        "exam_teachers": exam_teachers,
        "explore": explore,
        "alpha": alpha,
        "gamma": gamma,
        "memory": memory,
    }
    about = {
        "command": "synagents learn-table " + " ".join(f"--{k.replace('_', '-')} {v}" for k, v in options.items()),
        "learned_on": "boundary: random 2-8-2 teachers, 300 points, students 2-8-2 relu, step size 0.01; no image",
        "exam_loss": round(learned.exam_loss, 4),
        "exam_loss_of_the_median_table": round(float(np.median(learned.exam_losses)), 4),
        "lessons_solved": f"{int(learned.solved.sum())} of {learned.solved.size}",
        "versions": versions(),
    }
    save_table(out, learned.table, about)
    print(f"The table is in {out}: train with `synagents train --learner q-table --table {out}`.")


@cli.group(invoke_without_command=True)
@click.option("--learner", "players", multiple=True, help="A line, or module:Class; may be repeated.  [all lines]")
@click.option("--task", "names", multiple=True, help="A task of the benchmark; may be repeated.  [all tasks]")
@_count("--runs", 10, "Independent runs of each line, >= 1.")
@_SEED
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder with the notMNIST images.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting, as `synagents train` has it.")
@_count("--workers", 1, "Scores made at a time, each in a process with its share of the cores, >= 1.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="bench.json", show_default=True,
              help="Scores; what is there already is kept and not played again.")  # fmt: skip
@click.pass_context
def bench(
    ctx: click.Context,
    players: tuple[str, ...],
    names: tuple[str, ...],
    runs: int,
    seed: int,
    data: Path | None,
    pairs: tuple[str, ...],
    workers: int,
    out: Path,
) -> None:
    """Score learners on the frozen tasks, against cost (docs/benchmark.md)."""
    if ctx.invoked_subcommand:
        return
    from synagents.benchmark import board, suite

    chosen = [suite.find(name) for name in names or suite.SUITE]
    lines = players or tuple(board.lines())
    scores = board.fill(
        out, chosen, lines, board.typed(lines, chosen, pairs), runs=runs, seed=seed, data=data,
        workers=workers, tell=lambda line: print(line, file=sys.stderr),
    )  # fmt: skip
    _show_board(scores, board.lines())
    print(f"The scores are in {out}: `synagents bench compare {out} OTHER` sets them beside others.")


@bench.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--against", help="Tell how likely a run of each line is to beat one of this line.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw accuracy against cost there.")
def compare(files: tuple[Path, ...], against: str | None, picture: Path | None) -> None:
    """Set the scores in FILES side by side: a table for each kind of line, curves, who beats whom."""
    from synagents.benchmark import board, results
    from synagents.report.scores import draw, duels
    from synagents.settings import nearest, require

    scores = results.merged([results.read(path) for path in files], [path.stem for path in files])
    _show_board(scores, board.lines())
    if against:
        names = {line for lines in scores.values() for line in lines}
        require(against in names, f"No line here is called {against!r}: {nearest(against, names)}.")
        print(f"\nProbability that a run of a line is better than one of {against}, with its 95 % interval:")
        for line, chance in duels(scores, against):
            print(f"  {line:<20}{chance}")
    if picture:
        draw(scores, board.lines(), picture)
        print(f"The picture is in {picture}.")


def _show_board(scores: Any, kinds: dict[str, str]) -> None:
    from synagents.report.scores import markdown

    print("Held-out accuracy in percent at the end of the budget: mean over runs, and its 95 % bootstrap interval.\n")
    print(markdown(scores, kinds))


@cli.command()
def tasks() -> None:
    """List the tasks there are."""
    _list("tasks")


@cli.command()
def learners() -> None:
    """List the learners there are."""
    _list("learners")


@cli.command()
@click.argument("name", default="notmnist")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where to put it.  [the user's cache]")
@click.option("--url", help="A mirror of the published files; checksums stay the same.")
def download(name: str, out: Path | None, url: str | None) -> None:
    """Fetch the data set NAME (default: notmnist) and check its checksum."""
    from synagents import data

    print(f"The data are in {data.download(name, out, url)}.")


@cli.command()
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The picture to write.  [RUN/picture.png]")
def picture(run: Path, out: Path | None) -> None:
    """Draw the curves and probes of the run in directory RUN."""
    from synagents.report.plot import draw

    draw(run, out or run / "picture.png")
    print(f"The picture is in {out or run / 'picture.png'}.")


def _list(kind: str) -> None:
    from synagents.registry import offers

    width = max(map(len, offers(kind))) + 2
    for name, constructor in offers(kind).items():
        print(f"{name:<{width}}{(constructor.__doc__ or '').splitlines()[0]}")


def _probes(names: list[str]) -> tuple[Any, ...]:
    from synagents.probes import PROBES
    from synagents.settings import nearest, require

    wanted = [name.strip().replace("-", "_") for name in names]
    for name in wanted:
        require(name in PROBES, f"No probe is called {name!r}: {nearest(name, PROBES)}.")
    return tuple(PROBES[name] for name in wanted)


def _fresh_folder(task: str, learner: str) -> Path:
    """The first of runs/TASK-LEARNER-1, -2, ... that is not there yet."""
    number = 1
    while (folder := Path("runs") / f"{task}-{learner}-{number}").exists():
        number += 1
    return folder
