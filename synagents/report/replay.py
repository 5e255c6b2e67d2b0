"""One life of a finished or interrupted run as a picture: what was earned, what the synapses kept, where the agent was.

Needs matplotlib (`pip install synagents[plot]`), which nothing else here imports.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from synagents.hyperparameters import require
from synagents.outer import Moments, OuterRun, replay
from synagents.report.life import CALLED
from synagents.report.plot import new_figure, picture_file, save_figure


def plot_life(run: OuterRun, title: str, out: str | Path, *, index: int = 0, number: int = 0) -> Path:
    """Draw one of the fresh lives in which a run is judged.

    Args:
        run: whose theta plays.
        title: of the picture.
        out: the picture to write; its suffix says which format, and ".png" is added where it has none.
        index: of the run, in 0 .. K - 1.
        number: of the life, >= 0.

    Returns:
        The path of the picture.

    Raises:
        ValueError: if there is no run of that number, matplotlib is missing or knows no such format, or the picture
            cannot be written.
    """
    require(0 <= index < run.num_runs, f"There is no run {index} here: name one of 0 .. {run.num_runs - 1}.")
    life = replay(run, index, number)
    moments: Moments = life.seen
    ground = run.world.task.ground
    curves = {"reward": life.reward, **moments.numbers}
    figure = new_figure(7.2 if ground is None else 10.4, 1.0 + 1.7 * len(curves))
    file = picture_file(figure, out)
    if ground is None:
        right = figure
    else:
        left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
        _way(left.subplots(), ground, np.asarray(moments.position), np.asarray(life.reward))
    rows = right.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, values) in zip(rows, curves.items(), strict=True):
        _curve(axis, name, np.asarray(values))
    rows[-1].set_xlabel("round of the life")
    figure.suptitle(f"{title}, life {number + 1}: reward {float(life.reward.sum()):.4g}", fontsize=11, parse_math=False)
    return save_figure(figure, file)


def _curve(axis: Any, name: str, values: np.ndarray) -> None:
    rounds = np.arange(1, len(values) + 1)
    if name == "reward":
        axis.vlines(rounds, 0, values, color="C0")
    else:
        axis.plot(rounds, values, color="C1", linewidth=1.2)
    axis.set_title(CALLED.get(name, name), fontsize=10)
    axis.grid(alpha=0.3)


def _way(axis: Any, ground: Bool[np.ndarray, "rows columns"], way: np.ndarray, reward: np.ndarray) -> None:
    """The path over the map, from dark to bright; stars where a reward was found."""
    axis.imshow(~ground, cmap="gray", vmin=-0.6, vmax=1)
    shaken = way + np.random.default_rng(0).uniform(-0.22, 0.22, way.shape)  # so that ways back and forth are seen
    axis.plot(shaken[:, 1], shaken[:, 0], color="0.6", linewidth=0.8)
    dots = axis.scatter(shaken[:, 1], shaken[:, 0], c=np.arange(1, len(way) + 1), s=12, zorder=2)
    # A found reward moves the agent: it lay where the next round does not begin, one step from where the last ended.
    found = np.flatnonzero(reward[1:] > 0)
    axis.scatter(shaken[found, 1], shaken[found, 0], marker="*", s=110, color="C3", zorder=3, label="next to a reward")
    axis.figure.colorbar(dots, ax=axis, shrink=0.7, label="round of the life")
    axis.set_xticks([])
    axis.set_yticks([])
    if len(found):
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0), fontsize=8, frameon=False)
