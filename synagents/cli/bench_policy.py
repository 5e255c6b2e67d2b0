"""The commands `synagents bench policy`, `bench verify` and `bench board`: policies learned on toys, then frozen."""

import sys
from pathlib import Path

import click

from synagents.cli import entry, kinds
from synagents.cli.options import count, result_file

DATA = click.option("--data", type=kinds.Place(), help="Folder with the notMNIST images.")


@click.command()
@click.option("--learner", default="ippo", show_default=True, help="An algorithm, a learner, or module:Class.")
@click.option("--task", "names", multiple=True, help="Of the suite; may be repeated.  [default: boundary, digits-0]")
@click.option("--online", "learning", multiple=True, help="A task on which the algorithm goes on learning; repeatable.")
@count("--seeds", 3, "Policies that are learned, each from teachers of its own, >= 1.")
@count("--budget", 30_000_000, "Agent-steps on toys for each of them.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A setting, or what agents are told.")
@DATA
@result_file(
    "--out",
    "Scores, with policies beside them; seeds that are there already are kept and not learned again.",
    suffix=".json",
    default="policy.json",
    show_default=True,
)
def policy(learner: str, names: tuple[str, ...], learning: tuple[str, ...], seeds: int, budget: int,
           pairs: tuple[str, ...], data: Path | None, out: Path) -> None:  # fmt: skip
    """Learn a shared policy on toys, and score it on what it has never seen (docs/policies.md)."""
    from synagents.cli.jax_settings import prepare_jax

    prepare_jax()
    from synagents.benchmark import suite
    from synagents.benchmark.policy import play, track

    made = track.entry_of(learner, track.typed(learner, pairs))
    tasks, online = [suite.find(name) for name in names or track.TASKS], [suite.find(name) for name in learning]
    with entry.interruptible():
        submission = play.fill(
            out, made, range(seeds), tasks, track.Protocol(budget=budget), online=online, data=data,
            tell=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
    print(play.board({out.stem: submission}))
    print(f"The scores are in {out}: `synagents bench verify {out}` plays one of them again.")


@click.command()
@click.argument("file", type=kinds.Place("file"))
@click.option("--seed", type=kinds.SEED, help="Of the run that is played again.  [default: the first]")
@click.option("--algorithm", help="module:Class of a submission that is not synagents' own: its code is run.")
@DATA
def verify(file: Path, seed: int | None, algorithm: str | None, data: Path | None) -> None:
    """Play a run of the submission FILE again with its own policy, and compare the scores."""
    from synagents.cli.jax_settings import prepare_jax

    prepare_jax()
    from synagents.benchmark.policy import play

    with entry.interruptible():
        compared = play.verify(file, seed, algorithm, data=data)
    for one in compared:
        print(
            f"{one.place:<28}loss {one.submitted.loss:.4f} and {one.played.loss:.4f}, accuracy "
            f"{one.submitted.accuracy:.4f} and {one.played.accuracy:.4f}: {one.verdict}"
        )
    different = [one.place for one in compared if one.verdict == "different"]
    if different:
        raise click.ClickException(f"The scores on {', '.join(different)} are not those of this policy.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=kinds.Place("file"))
def board(files: tuple[Path, ...]) -> None:
    """Set submissions to the policy track side by side: FILES that `synagents bench policy` wrote."""
    from synagents.benchmark.policy import files as submissions
    from synagents.benchmark.policy import play

    print(play.board({path.stem: submissions.read(path) for path in files}))
