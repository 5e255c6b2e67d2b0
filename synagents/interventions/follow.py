"""Runs that differ in one thing, played on side by side: what it does, seen beside the run that goes without."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from synagents.hyperparameters import require
from synagents.loop import Run, advance, evaluate

LOOKS = 10


class Followed(NamedTuple):
    """How each run stood.

    Attributes:
        steps: rounds played, at the beginning and after each tenth of the rounds.
        metrics: {run: {"loss", and "accuracy" where there are classes: held out, mean over worlds}}.
    """

    steps: Int[np.ndarray, "11"]
    metrics: dict[str, dict[str, Float[np.ndarray, "11"]]]


def follow(runs: Mapping[str, Run], rounds: int, index: int = 0) -> Followed:
    """Play runs on, and look at them ten times; the given runs stay as they are.

    Args:
        runs: by name, all after as many rounds.
        rounds: to play, a positive multiple of 10.
        index: of the run in each, in 0 .. K - 1.

    Raises:
        ValueError: if a number is out of range, or the runs have played different numbers of rounds.
    """
    require(rounds > 0 and rounds % LOOKS == 0, f"rounds must be a positive multiple of {LOOKS}, but are {rounds}.")
    starts = {run.t for run in runs.values()}
    require(len(starts) == 1, f"Runs are followed from one round on, but these have played {sorted(starts)} rounds.")
    metrics = {name: _played(run, rounds // LOOKS, index) for name, run in runs.items()}
    return Followed(starts.pop() + rounds // LOOKS * np.arange(LOOKS + 1), metrics)


def _played(run: Run, every: int, index: int) -> dict[str, Float[np.ndarray, "11"]]:
    require(0 <= index < run.num_runs, f"There is no run {index} here: name one of 0 .. {run.num_runs - 1}.")
    looks = [evaluate(run)]
    for _ in range(LOOKS):
        run, _ = advance(run, every)
        looks.append(evaluate(run))
    return {name: np.array([float(look[name][index].mean()) for look in looks]) for name in looks[0]}
