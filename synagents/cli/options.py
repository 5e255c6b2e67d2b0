"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from synagents.cli import kinds

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def count(name: str, default: int | None, text: str) -> Decorator:
    """An option that is a whole number >= 1."""
    return click.option(name, type=kinds.COUNT, default=default, show_default=default is not None, help=text)


def ratio(name: str, default: float, text: str) -> Decorator:
    """An option that is a number in [0, 1]."""
    return click.option(name, type=kinds.RATIO, default=default, show_default=True, help=text)


def result_file(name: str, text: str, *, suffix: str = "", **more: Any) -> Decorator:
    """An option that is a file to be written when all is done, in a folder that is there."""
    return click.option(name, type=kinds.Place("file", output=True, suffix=suffix), help=text, **more)


SEED = click.option(
    "--seed",
    type=kinds.SEED,
    default=0,
    show_default=True,
    help="Seed of everything, also of the data split, in 0 .. 2^32 - 1.",
)
CHECKPOINTS = click.option(
    "--checkpoint-seconds",
    type=kinds.Share(0, there=" >= 0"),
    help="Least seconds between checkpoints, >= 0.  [default: 10, or more: they take at most 1 % of the time]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
QUIET = click.option("--quiet", is_flag=True, help="Neither live display nor closing table.")
TENSORBOARD = click.option("--tensorboard", is_flag=True, help="Write RUN/tensorboard for TensorBoard, too.")
