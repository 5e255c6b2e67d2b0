"""Pictures of a board, for a page or a talk: profiles, sample efficiency, accuracy against cost, means, ranks, duels.

Colours are those of `synagents.report.scores.looks_of` in all of them. Bands and bars are 95 % bootstrap intervals,
runs resampled within each task; of a line of a single run they would say nothing, and points have none.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from synagents.benchmark.statistics import Band, Estimate, bootstrap_band, profile
from synagents.report.board import Board
from synagents.report.plot import new_figure
from synagents.report.scores import curves_figure, looks_of

LEVELS = 201  # points of a profile
SHARES = np.geomspace(0.01, 1, 40)  # of the budget; most is learned in its first tenth
LEAST_SHOWN = 0.1  # of all runs of the lines in a profile: what lies below that quantile is left of the picture
MARKERS = {"-": "o", "--": "s", ":": "D"}  # by style


class Picture(NamedTuple):
    """One picture, which can be drawn for a light and for a dark ground."""

    name: str
    title: str
    text: str  # what it shows
    draw: Callable[[bool], Any]  # from whether the ground is dark to the figure


def pictures(board: Board, against: str, estimates: Mapping[str, Mapping[str, Estimate]]) -> list[Picture]:
    """All pictures of a board.

    Args:
        board: what is drawn.
        against: the line that others are set against.
        estimates: "means", "ranks" and "improvements" of `Board`, which tables show, too.
    """
    return [*_along(board), *_of_points(board, against, estimates)]


def _along(board: Board) -> list[Picture]:
    """What is a curve: profiles, sample efficiency, accuracy against cost."""
    made = []
    if board.whole:
        levels = _levels(board)
        profiles = {
            line: bootstrap_band(lambda scores: profile(scores, levels), board.by_task(line)) for line in board.whole
        }
        text = (
            "The share of runs with more than a score, the mean over tasks: higher and further right is better. Each "
            "panel has lines that are told the same, with all others in grey behind them (Agarwal et al. 2021)."
        )
        axes = (board.scale, "share of runs above")
        made.append(
            Picture("profiles", "Performance profiles", text, lambda dark: _panels(board, profiles, levels, axes, dark))
        )
    if board.whole and board.is_scaled:
        efficiency = {line: board.efficiency(line, SHARES) for line in board.whole}
        text = "The interquartile mean of all runs on all tasks after a share of each task's budget."
        labels = ("share of the budget", f"interquartile mean of the {board.scale}")
        made.append(
            Picture(
                "efficiency",
                "Sample efficiency",
                text,
                lambda dark: _panels(board, efficiency, SHARES, labels, dark, log=True),
            )
        )
    if board.scores:
        text = (
            "Every task on its own: the mean over runs. Agents are drawn through, optimizers that follow a gradient "
            "dotted, others dashed."
        )
        made.append(
            Picture(
                "curves",
                "Scores against cost",
                text,
                lambda dark: curves_figure(board.scores, board.told, dark=dark),
            )
        )
    return made


def _of_points(board: Board, against: str, estimates: Mapping[str, Mapping[str, Estimate]]) -> list[Picture]:
    """What is a point with an interval for each line; circles are agents, squares and diamonds optimizers."""
    means, ranks, improvements = (estimates[name] for name in ("means", "ranks", "improvements"))
    made = []
    if board.whole:
        text = "The mean of the middle half of all runs on all tasks."
        made.append(
            Picture("means", "Interquartile mean", text, lambda dark: _forest(board, means, board.scale, None, dark))
        )
        text = (
            "Where each line plays one run drawn at random: its rank among all lines that have played every task, the "
            "mean over draws and tasks. 1 is the best."
        )
        made.append(Picture("ranks", "Mean rank", text, lambda dark: _forest(board, ranks, "mean rank", None, dark)))
    if improvements:
        text = (
            f"How likely a run of a line is to beat one of {against} on a task drawn from those that both have played; "
            "ties count half."
        )
        title, label = f"Probability of improvement over {against}", f"P(better than {against})"
        made.append(Picture("improvement", title, text, lambda dark: _forest(board, improvements, label, 0.5, dark)))
    return made


def _levels(board: Board) -> np.ndarray:
    """The scores at which profiles are drawn: most runs are near the best, and what is far below is cut off."""
    runs = np.concatenate([task for line in board.whole for task in board.by_task(line)])
    low, high = np.quantile(runs, LEAST_SHOWN), runs.max()
    return np.linspace(low - 0.3 * (high - low), high + 0.02 * (high - low), LEVELS)


def _panels(board: Board, bands: Mapping[str, Band], x: np.ndarray, labels: tuple[str, str], dark: bool,
            *, log: bool = False) -> Any:  # fmt: skip
    """A panel for each group: its own lines in colour with their bands, all others in grey behind them."""
    groups = {title: [line for line in those if line in bands] for title, those in board.groups.items()}
    groups = {title: those for title, those in groups.items() if those}
    across = min(len(groups), 2)
    down = -(-len(groups) // across)
    figure = new_figure(5.4 * across, 0.3 + 3.3 * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    looks = looks_of(list(board.runs), board.told, dark=dark)
    for empty in axes[len(groups) :]:
        empty.axis("off")
    for axis, (title, those) in zip(axes, groups.items(), strict=False):
        for line in [line for line in bands if line not in those]:
            axis.plot(x, bands[line].value, color="0.35" if dark else "0.8", linewidth=0.8)
        for line in those:
            style, colour = looks[line]
            axis.plot(x, bands[line].value, style, color=colour, linewidth=1.8, label=line)
            axis.fill_between(x, bands[line].low, bands[line].high, color=colour, alpha=0.18, linewidth=0)
        axis.set_title(title, fontsize=10, parse_math=False)
        axis.grid(alpha=0.3)
        if log:
            axis.set_xscale("log")
        axis.set_xlim(x[0], x[-1])
        axis.set_ylim(0, None)
        axis.legend(fontsize=8, frameon=False)
    figure.supxlabel(labels[0], fontsize=10)
    figure.supylabel(labels[1], fontsize=10)
    return figure


def _forest(board: Board, estimates: Mapping[str, Estimate], label: str, middle: float | None, dark: bool) -> Any:
    """A point and its interval for every line, in groups, and within them in the order of the estimates."""
    looks = looks_of(list(board.runs), board.told, dark=dark)
    rows: list[str] = []
    titles = set()
    for title, those in board.groups.items():
        own = [line for line in estimates if line in those]
        titles |= {len(rows)} if own else set()
        rows += [title, *own] if own else []
    figure = new_figure(7.2, 0.8 + 0.27 * len(rows))
    axis = figure.subplots()
    for at, row in enumerate(rows):
        if at in titles:
            axis.axhline(at, color="0.5", linewidth=0.5, alpha=0.4)
            continue
        value, low, high = estimates[row]
        style, colour = looks[row]
        if all(len(runs) > 1 for runs in board.runs[row].values()):
            axis.plot([low, high], [at, at], color=colour, linewidth=2.2)
        axis.plot([value], [at], MARKERS[style], color=colour, markersize=6)
    axis.set_yticks(range(len(rows)), rows, fontsize=9, parse_math=False)
    for at, tick in enumerate(axis.get_yticklabels()):
        tick.set_fontstyle("italic" if at in titles else "normal")
    axis.set_ylim(len(rows) - 0.5, -0.5)
    if middle is not None:
        axis.axvline(middle, color="0.5", linewidth=1, linestyle="--")
    axis.set_xlabel(label)
    axis.grid(axis="x", alpha=0.3)
    return figure
