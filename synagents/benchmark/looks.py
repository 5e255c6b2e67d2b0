"""A score is made look by look; one that was interrupted goes on from the last look that was kept.

    begin, look, then 100 times: onward, look

While a score is made, a checkpoint (`synagents.run.checkpoints`) with all looks so far stands beside the file of
scores. Randomness is never chained, so what follows is what would have followed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float

from synagents.hyperparameters import require
from synagents.run import checkpoints
from synagents.run.checkpoints import CheckpointError, Resumable
from synagents.run.files import Json

SECONDS = 5.0  # at least between two checkpoints, so that writing them takes no time to speak of
R = TypeVar("R", bound=Resumable)
Look: TypeAlias = dict[str, Float[np.ndarray, "K"]]  # f64: the held-out metrics of K runs, and what they owe


@dataclass(frozen=True)
class Kept:
    """Where one score is kept while it is made.

    Attributes:
        path: the file.
        made: what it is made with (`synagents.benchmark.provenance`), as JSON has it.
    """

    path: Path
    made: Json

    def resume(self, begun: R) -> tuple[R, list[Look]]:
        """Where the file's score was interrupted, and its looks; without a file the beginning, and none.

        Raises:
            ValueError: if it was made with something else, or is damaged.
        """
        if not self.path.is_file():
            return begun, []
        try:
            now, notes = checkpoints.read(self.path, begun)
        except CheckpointError as error:
            raise ValueError(f"{self.path} holds no score that could go on: remove it.") from error
        require(
            notes.get("made") == self.made,
            f"{self.path} is an interrupted score of other settings, data or version: go on with those, or remove it.",
        )
        return now, [{name: np.array(values, float) for name, values in look.items()} for look in notes["looks"]]

    def save(self, now: Resumable, looks: list[Look]) -> None:
        """Write down where the score is, whole or not at all."""
        plain = [{name: values.tolist() for name, values in look.items()} for look in looks]
        checkpoints.save(now, self.path, {"made": self.made, "looks": plain})


def watch(
    begun: R, onward: Callable[[R], R], look: Callable[[R], Look], count: int, kept: Kept | None = None
) -> tuple[R, list[Look]]:
    """Go on until everything is spent.

    Args:
        begun: what has not spent anything.
        onward: plays or computes up to the next look.
        look: the held-out metrics, charged to nobody.
        count: looks after the first.
        kept: where to go on from, and to keep what is reached at most every five seconds.

    Returns:
        The end, and the `count` + 1 looks.
    """
    now, looks = kept.resume(begun) if kept else (begun, [])
    looks = looks or [look(now)]
    saved = time.monotonic()
    while len(looks) <= count:
        now = onward(now)
        looks.append(look(now))
        if kept and time.monotonic() - saved >= SECONDS:
            kept.save(now, looks)
            saved = time.monotonic()
    return now, looks
