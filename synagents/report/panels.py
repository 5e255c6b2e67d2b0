"""What the page draws: panels (a title that asks, a sentence that answers, and lines with bands), and pictures."""

import base64
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int8

from synagents.run.files import Json


def panel(title: str, verdict: str, lines: list[Json], x: str, y: str) -> Json:
    """What the page's `chartCard` draws.

    Args:
        title: of the card.
        verdict: what it says, in a sentence or two.
        lines: as `line` makes them.
        x: what the horizontal axis shows, with its unit.
        y: what the vertical one shows, with its unit or range.
    """
    return {"title": title, "verdict": verdict, "lines": lines, "x": x, "y": y}


def line(
    label: str,
    x: Sequence[float] | np.ndarray,
    mean: Float[np.ndarray, "T"],
    low: Float[np.ndarray, "T"] | None = None,
    high: Float[np.ndarray, "T"] | None = None,
) -> Json:
    """One line, and the band from `low` to `high`; without them it has none."""
    return {
        "label": label,
        "x": x,
        "mean": mean,
        "low": mean if low is None else low,
        "high": mean if high is None else high,
    }


def picture(
    name: str,
    kind: str,
    stack: Int8[np.ndarray, "T ..."],
    largest: Sequence[float],
    *,
    columns: int | None = None,
    actions: Sequence[str] | None = None,
    image: Sequence[int] | None = None,
    raster: bool = False,
) -> Json:
    """An array at T moments, for the page's `picturesCard`.

    Args:
        name: of the array.
        kind: which of the card's choices shows it.
        stack: in -127 .. 127, of which 127 stands for `largest`; more than two axes are shown as a matrix of the last.
        largest: at every moment.
        columns: of the matrix; None for the length of the last axis.
        actions: what the integers -1 .. 1 times `largest` are called, where they are choices.
        image: height and width, where the rows of a column are the pixels of an image.
        raster: whether it is one picture of all moments, with a column for each.
    """
    columns = columns or stack.shape[-1]
    return {
        "name": name,
        "kind": kind,
        "rows": stack[0].size // columns,
        "columns": columns,
        "actions": actions,
        "image": image,
        "raster": raster,
        "largest": largest,
        "values": base64.b64encode(np.ascontiguousarray(stack, np.int8).tobytes()).decode(),
    }
