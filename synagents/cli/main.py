"""The command line: everything it does is a call or two of the library in Python.

The library is imported inside of the commands, so that `--help` is there at once.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from synagents.cli import entry, kinds
from synagents.cli.bench import bench
from synagents.cli.options import CHECKPOINTS, JSON, QUIET, SEED, TENSORBOARD, count, result_file
from synagents.cli.probe import probe
from synagents.cli.train import Train, carry_out, train_options

_PLACE = kinds.Place()


def run() -> int:
    """Run a command; 0 done, 1 failure, 2 wrong use, 130 stopped, each explained in one sentence on stderr."""
    try:
        code = cli.main(prog_name="synagents", standalone_mode=False, obj=time.perf_counter())
        sys.stdout.flush()
        return int(code or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stop:  # click's word for Ctrl-C is Abort
        return _complain(str(stop.__cause__ or "") or str(stop) or "Stopped.", entry.STOPPED)
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it ends
        return _complain("The output was closed before all was written.", 1)
    except (ValueError, FileNotFoundError) as error:  # what was asked for cannot be
        return _complain(_sentence(error), 2)
    except Exception as error:
        if not isinstance(error, _failures()):
            raise
        return _complain(_sentence(error), 1)


def _failures() -> tuple[type[Exception], ...]:
    """Errors whose message is a sentence of its own; they live in modules that nothing else may have needed so far."""
    from synagents.data import DataError
    from synagents.run.files import RunError

    return DataError, RunError, FloatingPointError, OSError


def _sentence(error: Exception) -> str:
    """An error in a sentence; ours are sentences, the operating system's are not."""
    if not isinstance(error, OSError) or not error.errno:
        return str(error)
    if error.filename is None:
        return f"The operating system refuses ({error.strerror})."
    return f"{error.filename} cannot be used ({error.strerror}): name another place."


def _complain(sentence: str, code: int) -> int:
    try:
        print(f"Error: {sentence}", file=sys.stderr, flush=True)
    except OSError:  # nobody listens
        pass
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="synagents")
def cli() -> None:
    """Train neural networks without a gradient: every synapse, or every unit, is an agent."""


cli.add_command(bench)
cli.add_command(probe)


@cli.command(cls=Train, add_help_option=False)
@train_options
@click.option("-h", "--help", "wants_help", is_flag=True, help="Show the flags of this task and learner, and exit.")
@click.pass_context
def train(ctx: click.Context, wants_help: bool, **given: Any) -> None:
    """Train a network on TASK (default: digits) without a gradient.

    TASK, --learner, --network and --probe take a name that the package knows, or module:Name of one of your own. TASK
    and --learner choose the world; where several families play TASK, --world does, and else the task's usual one plays.
    """
    if wants_help:
        click.echo(ctx.get_help())
        return
    from synagents.cli.train import play

    play(ctx.obj, **given)


@cli.command()
@click.argument("run", type=_PLACE)
@count("--steps", None, "Extend the run to so many rounds.  [default: what it was asked for]")
@TENSORBOARD
@CHECKPOINTS
@JSON
@QUIET
@click.pass_obj
def resume(
    started: float,
    run: Path,
    steps: int | None,
    tensorboard: bool,
    checkpoint_seconds: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go on with the run in directory RUN exactly where it was stopped."""
    from dataclasses import replace

    from synagents.cli.build import rebuild
    from synagents.cli.jax_settings import prepare_jax
    from synagents.run.config import read_config
    from synagents.run.directory import RunDirectory

    config = read_config(run)
    directory, wanted = RunDirectory(run), steps or config["rounds"]
    summary, damaged = directory.finished(), directory.damaged()
    if summary and wanted == config["rounds"] and not damaged:
        click.echo(f"The run in {run} is finished: --steps extends it.", err=True)
        if as_json:
            print(json.dumps(summary))
        return
    if summary and damaged:
        click.echo(f"Not as they were written, and made anew: {', '.join(damaged)}.", err=True)
    prepare_jax()
    spec = replace(rebuild(config), rounds=wanted)
    carry_out(started, spec, directory, checkpoint_seconds, tensorboard=tensorboard, as_json=as_json, quiet=quiet)


@cli.command("learn-table")
@result_file("--out", "The JSON file to write.", suffix=".json", required=True)
@SEED
@count("--candidates", 32, "Tables that learn side by side, >= 1.")
@count("--lessons", 4, "Teachers each candidate learns from, >= 1.")
@count("--exam-teachers", 32, "Unseen teachers on which the frozen tables are compared, >= 1.")
@click.option(
    "--learner", type=click.Choice(["q-table", "team-q"]), default="q-table", show_default=True, help="Who learns."
)
@click.option(
    "--epsilon", type=kinds.RATIO, help="Probability of a uniform action while learning.  [default: 0.3, team-q 0.5]"
)
@click.option("--alpha", type=kinds.RATIO, help="Learning rate of q-table in [0, 1].  [default: 0.01]")
@click.option("--gamma", type=kinds.RATIO, help="Discount of future rewards in [0, 1].  [default: 0.9, team-q 0]")
@click.option(
    "--memory",
    type=kinds.Whole(0, 9),
    help="Rounds an agent remembers; team-q's also has a trace.  [default: 2, team-q 0]",
)
def learn_table_command(out: Path, seed: int, learner: str, **settings: Any) -> None:
    """Learn a table on toy teachers (2-8-2 networks, 300 points) and choose it on unseen ones."""
    from synagents.cli.jax_settings import prepare_jax

    prepare_jax()
    import numpy as np

    from synagents import registry
    from synagents.agents.tables import Table
    from synagents.benchmark.learn_table import TEACHES, learn_table, toy_for
    from synagents.hyperparameters import require
    from synagents.keys import seed_key
    from synagents.run.config import versions
    from synagents.run.tables import save_table

    sizes = {name: settings.pop(name) for name in ("candidates", "lessons", "exam_teachers")}
    given, known = {name: value for name, value in settings.items() if value is not None}, TEACHES[learner]
    for name in given:
        require(name in known, f"{learner} has no {name}: leave --{name} out.")
    options = {name: value for name, value in known.items() if name != "exam_epsilon"} | given
    toy, rates = toy_for(learner, options["memory"]), {name: options[name] for name in options if name != "memory"}
    constructor: Any = registry.find("learners", learner)
    with entry.interruptible():
        learned = learn_table(
            seed_key(seed),
            toy,
            learner=constructor(adaptive=True, **rates),
            **sizes,
            exam_epsilon=known["exam_epsilon"],
            tell=lambda line: print(line, file=sys.stderr),
        )
    typed = {"learner": learner, "seed": seed, **sizes, **options}
    about = {
        "command": "synagents learn-table " + " ".join(f"--{k.replace('_', '-')} {v}" for k, v in typed.items()),
        "learned_on": "boundary: random 2-8-2 teachers, 300 points, students 2-8-2 relu, step size 0.01; no image",
        "exam_loss": round(learned.exam_loss, 4),
        "exam_loss_of_the_median_table": round(float(np.median(learned.exam_losses)), 4),
        "lessons_solved": f"{int(learned.solved.sum())} of {learned.solved.size}",
        "versions": versions(),
    }
    save_table(out, Table(learned.table, toy.groups[0].about, constructor.credit), about)
    print(f"The table is in {out}: train with `synagents train --learner {learner} --no-adaptive --table {out}`.")


@cli.command()
def tasks() -> None:
    """List the tasks there are."""
    _list("tasks")


@cli.command()
def learners() -> None:
    """List the learners there are."""
    _list("learners")


@cli.command()
def networks() -> None:
    """List the networks there are."""
    _list("networks")


@cli.command()
def probes() -> None:
    """List the probes there are."""
    from synagents.probes import PROBES
    from synagents.registry import kebab

    _show({kebab(name): probe for name, probe in PROBES.items()})


@cli.command()
@click.argument("name", default="notmnist")
@click.option("--out", type=_PLACE, help="Where to put it.  [default: the user's cache]")
@click.option("--url", help="A mirror of the published files; checksums stay the same.")
def download(name: str, out: Path | None, url: str | None) -> None:
    """Fetch the data set NAME (default: notmnist) and check its checksum."""
    from synagents import data

    with entry.interruptible():
        folder = data.download(name, out, url)
    print(f"The data are in {folder}.")


@cli.command()
@click.argument("run", type=_PLACE)
@result_file("--out", "The picture to write.  [default: RUN/picture.png]", suffix=".png")
@result_file("--replay", "Draw one life of an outer loop's run there, instead of its curves.", suffix=".png")
@count("--life", None, "Which of the fresh lives --replay draws, >= 1.  [default: 1]")
def plot(run: Path, out: Path | None, replay: Path | None, life: int | None) -> None:
    """Plot the curves and probes of the run in directory RUN, or one of its lives."""
    from synagents.hyperparameters import require

    require(not (out and replay), "A picture shows curves or a life: leave --out or --replay out.")
    require(life is None or replay is not None, "--life says which life is drawn: add --replay FILE.")
    with entry.interruptible():
        picture = _replayed(run, replay, (life or 1) - 1) if replay else _plotted(run, out)
    print(f"The picture is in {picture}.")


@cli.command()
@click.argument("runs", type=_PLACE, nargs=-1, required=True)
@result_file("--out", "The page to write.  [default: report.html in the first RUN]", suffix=".html")
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page about the runs in directories RUNS, which may be going on."""
    from synagents.report.page import write_report

    with entry.interruptible():
        page = write_report(runs, out)
    print(f"The report is in {page}.")


@cli.command()
@click.argument("runs", type=_PLACE, nargs=-1, required=True)
@click.option("--metric", help="A column of metrics.csv.  [default: held-out accuracy, reward or loss]")
@result_file("--out", "A picture of the curves to write.", suffix=".png")
@result_file("--csv", "A table of all values to write, one a row.", suffix=".csv")
def compare(runs: tuple[Path, ...], metric: str | None, out: Path | None, csv: Path | None) -> None:
    """Say which of the runs in directories RUNS differ by more than their seeds do; the first one is the measure."""
    from synagents.report import compare as comparing

    with entry.interruptible():
        compared = comparing.compare(runs, metric)
        print(comparing.table(compared))
        if csv:
            print(f"The values are in {comparing.write_tidy(compared, csv)}.")
        if out:
            print(f"The picture is in {comparing.plot_comparison(compared, out)}.")


@cli.command()
@click.argument("run", type=_PLACE)
@click.option("--port", type=kinds.Whole(1, 65535), help="Of 127.0.0.1, in 1 .. 65535.  [default: one that is free]")
def watch(run: Path, port: int | None) -> None:
    """Show the report of the run in directory RUN in a browser, and follow the run while it goes on."""
    from synagents.report.watch import server_of

    if hasattr(os, "nice"):  # a run on the same machine goes first
        os.nice(10)
    with entry.interruptible(), server_of(run, port) as server:
        print(f"The run in {run} is shown at http://127.0.0.1:{server.server_address[1]}/ until Ctrl-C.", flush=True)
        server.serve_forever()


def _plotted(run: Path, out: Path | None) -> Path:
    from synagents.report.plot import plot_run

    return plot_run(run, out)


def _replayed(run: Path, out: Path, life: int) -> Path:
    from synagents.cli.build import open_run
    from synagents.cli.jax_settings import prepare_jax
    from synagents.outer import OuterRun
    from synagents.report.replay import plot_life
    from synagents.run.config import read_config

    prepare_jax()
    config, opened = read_config(run), open_run(run)[0]
    if not isinstance(opened, OuterRun):
        raise ValueError(f"The run in {run} has no lives to replay: it was not made by an outer loop.")
    return plot_life(opened, f"{config['task']} {config['learner']}", out, number=life)


def _list(kind: str) -> None:
    from synagents.registry import offers

    _show(offers(kind))


def _show(there: dict[str, Any]) -> None:
    width = max(map(len, there)) + 2
    for name, own in there.items():
        print(f"{name:<{width}}{(own.__doc__ or '').splitlines()[0]}")
