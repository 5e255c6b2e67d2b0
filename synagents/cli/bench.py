"""The commands `synagents bench`, `bench compare`, `merge` and `page`: the frozen benchmark, and files of scores."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from synagents.cli import bench_policy, entry, kinds
from synagents.cli.options import SEED, count, result_file


@click.group(invoke_without_command=True)
@click.option(
    "--learner", "players", multiple=True, help="A line, or module:Class; may be repeated.  [default: all of the board]"
)
@click.option("--task", "names", multiple=True, help="A task of the benchmark; may be repeated.  [default: the suite]")
@count("--num-runs", 10, "Independent runs of each line, >= 1.")
@SEED
@click.option("--data", type=kinds.Place(), help="Folder with the notMNIST images.")
@click.option("--network", help="Another network than the benchmark's perceptrons: scores of tasks of their own.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting, as `synagents train` has it.")
@count("--workers", 1, "Scores made at a time, each in a process with its share of the cores, >= 1.")
@result_file(
    "--out",
    "Scores; what is there already is kept and not played again.",
    suffix=".json",
    default="bench.json",
    show_default=True,
)
@click.pass_context
def bench(ctx: click.Context, players: tuple[str, ...], names: tuple[str, ...], network: str | None,
          pairs: tuple[str, ...], out: Path, num_runs: int, seed: int, data: Path | None,
          workers: int) -> None:  # fmt: skip
    """Score learners on the frozen tasks, against cost (docs/benchmark.md)."""
    if ctx.invoked_subcommand:
        return
    from synagents.cli.jax_settings import prepare_jax

    prepare_jax()
    from synagents.benchmark import decisions, lines, lists, suite

    chosen: Sequence[decisions.BoardTask] = [lists.find(name) for name in names or suite.SUITE]
    others: Sequence[str] = pairs
    if network:
        chosen, others = lines.on_network(chosen, network, pairs)
    played = players or tuple(lines.fitting(chosen[0], data))
    given = lines.typed(played, chosen, others)
    with entry.interruptible():
        scores = lines.fill(
            out, chosen, played, given, runs=num_runs, seed=seed, data=data,
            workers=workers, tell=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
    _show(scores, lines.lines())
    print(f"The scores are in {out}: `synagents bench compare {out} OTHER` sets them beside others.")


@bench.command()
@click.argument("files", nargs=-1, required=True, type=kinds.Place("file"))
@click.option("--against", help="Say how likely a run of each line is to beat one of this line.")
@result_file("--plot", "Plot accuracy against cost there.", suffix=".png")
def compare(files: tuple[Path, ...], against: str | None, plot: Path | None) -> None:
    """Set the scores in FILES side by side: lines beside those that are told the same, curves, who beats whom."""
    from synagents.benchmark import lines, results
    from synagents.hyperparameters import nearest, require
    from synagents.report import scores as report

    scores = results.merged([results.read(path) for path in files], [path.stem for path in files])
    _show(scores, lines.lines())
    if against:
        names = {line for own in scores.values() for line in own}
        require(against in names, f"No line here is called {against!r}: {nearest(against, names)}.")
        print(f"\nProbability that a run of a line is better than one of {against}, with its 95 % interval:")
        for line, chance in report.duels(scores, against):
            print(f"  {line:<20}{chance}")
    if plot:
        report.plot(scores, lines.lines(), plot)
        print(f"The picture is in {plot}.")


@bench.command()
@click.argument("files", nargs=-1, required=True, type=kinds.Place("file"))
@result_file("--out", "The file to write.", suffix=".json", default="merged.json", show_default=True)
def merge(files: tuple[Path, ...], out: Path) -> None:
    """Join the scores in FILES, made on several machines, into one file.

    Scores that differ in version, data or settings are refused; runs of a line with different seeds are put together.
    Each file needs its FILE.about.json beside it, which `synagents bench` writes.
    """
    from synagents.benchmark import lines, provenance, results

    scores, made = provenance.merge(files)
    provenance.write(out, made)
    results.write(out, scores)
    _show(scores, lines.lines())
    print(f"The scores are in {out}.")


@bench.command()
@click.argument("files", nargs=-1, required=True, type=kinds.Place("file"))
@click.option(
    "--task", "names", multiple=True, help="A task of the benchmark, or toys; may be repeated.  [default: all]"
)
@click.option(
    "--against", help="The line that others are set against.  [default: the reference of the tasks, such as q-table]"
)
@click.option("--out", type=kinds.Place(), default=Path("board"), show_default=True, help="Folder to write into.")
def page(files: tuple[Path, ...], names: tuple[str, ...], against: str | None, out: Path) -> None:
    """Make one HTML page of the scores in FILES, of learners and of policies, with its pictures beside it."""
    from synagents.report.board_page import write_page

    typed = ["synagents", "bench", "page", *map(str, files), *(part for name in names for part in ("--task", name))]
    typed += [*(["--against", against] if against else []), "--out", str(out)]
    with entry.interruptible():
        made = write_page(files, out, shlex.join(typed), tasks=names, against=against)
    print(f"The page is {made}; its pictures are beside it.")


def _show(scores: Any, told: Mapping[str, str]) -> None:
    from synagents.report.scores import markdown

    print(
        "Held-out accuracy in percent, or the mean return of unseen episodes, at the end of the budget: mean over "
        "runs, and its 95 % bootstrap interval.\n"
    )
    print(markdown(scores, told))


for command in (bench_policy.policy, bench_policy.verify, bench_policy.board):
    bench.add_command(command)
