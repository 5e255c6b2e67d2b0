"""`synagents probe`: ask a run on disk what its agents did and why; the run itself is read and never changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synagents.cli import entry, kinds
from synagents.cli.options import JSON, result_file

if TYPE_CHECKING:
    from synagents.loop import Run

_NEEDS = {  # which options say something to which question
    "credit": ("step", "instead", "out"),
    "shapley": ("step", "instead", "orders"),
    "alignment": ("step", "rounds", "batches"),
    "lesion": ("step", "lesion", "rounds"),
    "transplant": ("source", "rounds", "seed"),
}
_OPTIONS = {"source": "from"}  # where an option and its name in Python differ


@click.command()
@click.argument("run", type=kinds.Place())
@click.option("--what", type=click.Choice(list(_NEEDS)), default="credit", show_default=True, help="What is asked.")
@click.option(
    "--step",
    type=kinds.Whole(0),
    help="After how many steps of the run, played again from the last checkpoint before.  [default: the last one]",
)
@click.option("--index", type=kinds.Whole(0), default=0, show_default=True, help="Of several runs, which one, >= 0.")
@click.option(
    "--instead",
    type=kinds.Share(),
    help="credit, shapley: the action that agents are compared with.  [default: weights stay]",
)
@click.option("--orders", type=kinds.Whole(2), help="shapley: orders of groups, >= 2; all, where there are fewer.")
@click.option(
    "--rounds",
    type=kinds.Whole(10),
    help="Rounds to play, >= 10: alignment; lesion and transplant, a multiple of 10.  [default: 100; 1000]",
)
@click.option("--batches", type=kinds.Whole(2), help="alignment: batches that give the ceiling, >= 2.  [default: 16]")
@click.option("--lesion", metavar="GROUP:freeze|random|remove", help="lesion: who is put out of action, and how.")
@click.option("--from", "source", type=kinds.Place(), help="transplant: the run whose table it is.")
@click.option("--seed", type=kinds.SEED, help="transplant: of the networks and batches.  [default: 0]")
@result_file("--out", "credit: every agent's numbers to write, as a NumPy archive.", suffix=".npz")
@JSON
def probe(run: Path, what: str, index: int, as_json: bool, **given: Any) -> None:
    """Ask the run in directory RUN what its agents did, and why, in the round that it would play next.

    credit: what each agent's action was worth, by replaying the round without it. shapley: what each group's was, over
    all orders. alignment: how well moves follow the gradient, with the ceiling that noise leaves. lesion: how the run
    goes on with a group out of action. transplant: how the run's world goes with the table of another run.
    """
    from synagents.cli.jax_settings import prepare_jax
    from synagents.hyperparameters import require
    from synagents.interventions import told

    asked = {name: value for name, value in given.items() if value is not None}
    for name in asked:
        meant = " or ".join(question for question, names in _NEEDS.items() if name in names)
        option = _OPTIONS.get(name, name)
        require(name in _NEEDS[what], f"--{option} says nothing of {what}: leave it out, or ask for {meant}.")
    for name in {"lesion", "source"} & set(_NEEDS[what]):
        require(name in asked, f"Who does what is not said: {what} needs --{_OPTIONS.get(name, name)}.")
    prepare_jax()
    with entry.interruptible():
        opened = _opened(run, asked.pop("step", None))
        rows, closing = _ANSWERS[what](opened, index, **asked)
    first = "step" if what in ("lesion", "transplant") else "group"
    if as_json:
        print(json.dumps({"what": what, "step": opened.t, f"{first}s": rows, **closing}))
        return
    print(f"{what}, the run at step {opened.t:,}:\n{told.as_text(rows, closing, first)}")
    if "out" in asked:
        print(f"Every agent's numbers are in {asked['out']}.")


def _opened(run: Path, step: int | None) -> "Run":
    from synagents.cli.build import open_run
    from synagents.loop import Run

    opened = open_run(run, step=step)[0]
    if not isinstance(opened, Run):
        raise ValueError(f"The run in {run} is of an outer loop, whose lives are replayed by synagents plot --replay.")
    return opened


def _credit(run: "Run", index: int, out: Path | None = None, **asked: Any) -> Any:
    from synagents.interventions.credit import credit
    from synagents.interventions.told import of_credit
    from synagents.run.files import write_whole
    from synagents.run.results import packed

    found = credit(run, index=index, **asked)
    if out:
        kinds = ("contribution", "first_order", "belief", "changed")
        write_whole(
            out, packed({f"{kind}.{name}": own for kind in kinds for name, own in getattr(found, kind).items()})
        )
    return of_credit(found)


def _shapley(run: "Run", index: int, **asked: Any) -> Any:
    from synagents.interventions.shapley import shapley
    from synagents.interventions.told import of_shapley

    return of_shapley(shapley(run, index=index, **asked))


def _alignment(run: "Run", index: int, **asked: Any) -> Any:
    from synagents.interventions.alignment import alignment_of
    from synagents.interventions.told import of_alignment

    return of_alignment(alignment_of(run, index=index, **asked))


def _lesion(run: "Run", index: int, lesion: str, rounds: int = 1000) -> Any:
    from synagents.hyperparameters import require
    from synagents.interventions.follow import follow
    from synagents.interventions.lesion import lesioned
    from synagents.interventions.told import of_followed

    group, _, kind = lesion.rpartition(":")
    require(bool(group), f"{lesion!r} does not say how: write GROUP:freeze, GROUP:random or GROUP:remove.")
    other: Any = kind  # `lesioned` checks it
    return of_followed(follow({"intact": run, "lesioned": lesioned(run, group, other)}, rounds, index))


def _transplant(run: "Run", index: int, source: Path, rounds: int = 1000, seed: int = 0) -> Any:
    from synagents.interventions.follow import follow
    from synagents.interventions.told import of_followed
    from synagents.interventions.transplant import transplanted
    from synagents.run.tables import tables_of

    tables = tables_of(_opened(source, None))
    if not tables:
        raise ValueError(f"The run in {source} has no table to transplant: name one of team-q or q-table.")
    return of_followed(follow(transplanted(run, tables[0], seed), rounds, index))


_ANSWERS: dict[str, Callable[..., Any]] = {
    "credit": _credit,
    "shapley": _shapley,
    "alignment": _alignment,
    "lesion": _lesion,
    "transplant": _transplant,
}
