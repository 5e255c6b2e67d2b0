"""A panel of the page: a title that asks, a sentence that answers, and lines, each with a band."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

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
