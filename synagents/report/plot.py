"""A run as a picture: the curves that every run has, and a panel for each probe that was recorded.

Needs matplotlib (`pip install synagents[plot]`), which nothing else here imports.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from synagents.hyperparameters import nearest, require
from synagents.report.behaviour import ACTIONS
from synagents.run.config import Config, read_config
from synagents.run.files import Json, check_writable, path_of, write_whole
from synagents.run.reading import read_metrics

FORMAT = ".png"  # of pictures whose name says none
Columns: TypeAlias = dict[str, np.ndarray]
Panel: TypeAlias = dict[str, str]  # {label: column} of the lines in one panel


def plot_run(directory: str | Path, out: str | Path | None = None) -> Path:
    """Plot a run, which may be going on.

    Args:
        directory: of the run.
        out: the picture to write; its suffix says which format, and ".png" is added where it has none. None for
            picture.png in the directory.

    Returns:
        The path of the picture.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RunError: if its config.json or its rows cannot be understood.
        ValueError: if the run has no rows yet, matplotlib is missing or knows no such format, or the picture cannot be
            written.
    """
    directory = path_of(directory)
    config, columns = read_config(directory), read_metrics(directory)
    require(bool(columns), f"The run in {directory} has no rows yet: look again later.")
    panels, life = panels_of(columns), directory / "lives.csv"
    count = len(panels) + life.is_file()
    across = min(count, 3)
    down = -(-count // across)
    figure = new_figure(3.6 * across, 0.4 + 2.6 * down)
    file = picture_file(figure, out or directory / f"picture{FORMAT}")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for empty in axes[count:]:
        empty.axis("off")
    for axis, (title, lines) in zip(axes, panels.items(), strict=False):
        _plot(axis, title, lines, columns)
    if life.is_file():
        _plot_life(axes[len(panels)], life)
    if "lives" in config:
        _levels(axes[0], config.get("levels", {}))
    figure.suptitle(_title(config), fontsize=11, parse_math=False)
    return save_figure(figure, file)


def new_figure(width: float, height: float) -> Any:
    """An empty figure, in inches; ValueError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("Pictures need matplotlib: pip install 'synagents[plot]'.") from None
    return Figure(figsize=(width, height), layout="constrained")


def picture_file(figure: Any, out: str | Path) -> Path:
    """The file of a picture; ValueError where there is no such format, or it cannot be written."""
    file = path_of(out)
    file = file if file.suffix else file.with_name(file.name + FORMAT)
    known = sorted(f".{name}" for name in figure.canvas.get_supported_filetypes())
    require(file.suffix.lower() in known, f"No picture is of the kind {file.suffix}: {nearest(file.suffix, known)}.")
    return check_writable(file)


def ground(*, dark: bool) -> Any:
    """A context in which figures are drawn, and saved, for a dark ground or a light one; both are opaque."""
    try:
        from matplotlib import rc_context
    except ImportError:
        raise ValueError("Pictures need matplotlib: pip install 'synagents[plot]'.") from None
    ink, paper = ("#e6edf3", "#161b22") if dark else ("#1b1f24", "#ffffff")
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    papered = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    # Names of parts of an SVG are drawn from the salt: without one, two pictures of the same scores differ.
    settings: Any = {name: ink for name in inked} | {name: paper for name in papered} | {"svg.hashsalt": "synagents"}
    return rc_context(settings)


def save_figure(figure: Any, file: Path, command: str | None = None) -> Path:
    """Write a figure, whole or not at all; a PNG or SVG says in its metadata by which command it was made."""
    content = io.BytesIO()
    kind = file.suffix[1:].lower()
    metadata: Json = {"Description": f"Made by {command}"} if command else {}
    if command and kind == "svg":
        metadata["Date"] = None  # the same scores make the same file
    figure.savefig(content, dpi=110, format=kind, metadata=metadata or None)
    write_whole(file, content.getvalue())
    return file


def _plot(axis: Any, title: str, lines: Panel, columns: Columns) -> None:
    """One panel: a color for each line, the same one in all runs."""
    for index, (label, name) in enumerate(lines.items()):
        for run in np.unique(columns["run"]):
            here = columns["run"] == run
            axis.plot(
                columns["step"][here],
                columns[name][here],
                label=label if run == 0 else None,
                color=f"C{index}",
                linewidth=1.2,
            )
    axis.set_title(title, fontsize=10, parse_math=False)
    axis.set_xlabel("step")
    axis.locator_params(axis="x", nbins=4, integer=True)  # long numbers would touch
    axis.grid(alpha=0.3)
    if len(lines) > 1:
        axis.legend(fontsize=8, frameon=False)


def _plot_life(axis: Any, file: Path) -> None:
    """Reward by round of a life before the first and after the last update: runs as thin lines, their mean thick."""
    header, *rows = csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
    columns = dict(zip(header, np.array(rows, float).T, strict=True))
    runs = np.unique(columns["run"])
    rounds = columns["round"][columns["run"] == runs[0]]
    for index, name in enumerate(("before", "after")):
        curves = np.array([columns[name][columns["run"] == run] for run in runs])
        axis.plot(rounds, curves.T, color=f"C{index}", linewidth=0.5, alpha=0.5)
        axis.plot(rounds, curves.mean(axis=0), color=f"C{index}", linewidth=1.4, label=f"{name} training")
    axis.set_title("reward by round of a fresh life", fontsize=10)
    axis.set_xlabel("round of the life")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, frameon=False)


def _levels(axis: Any, levels: Mapping[str, float]) -> None:
    """What others earn in a life, as dashed lines."""
    for name, level in levels.items():
        axis.axhline(level, color="0.4", linestyle="--", linewidth=0.9)
        axis.annotate(name, (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)


def _title(config: Config) -> str:
    """What was run; a run begun from Python may not say more than its classes."""
    task = config.get("task", config["built"].get("world"))
    learner = config.get("learner", config["built"].get("learner"))
    sizes = "-".join(map(str, config["sizes"])) if isinstance(config.get("sizes"), list) else ""
    return f"{task} {sizes}".rstrip() + f", {learner}, seed {config['seed']}"


def panels_of(columns: Columns) -> dict[str, Panel]:
    """The panels, by title, of what this run recorded."""
    if "objective" in columns:  # of an outer loop
        reward = {"lives of updates": "reward", "fresh lives": "held_out_reward"}
        return {"reward of a life": reward, "objective of a life": {"objective": "objective"}}
    panels = {"loss": {"batch in use": "loss", "held out": "held_out_loss"}}
    if "held_out_accuracy" in columns:
        panels["held-out accuracy"] = {"accuracy": "held_out_accuracy"}
    panels["share of rounds rewarded"] = {"rewarded": "reward_rate"}
    if "probe.alignment" in columns:
        panels["cosine of joint action and -gradient"] = {"alignment": "probe.alignment"}
    mix = "probe.action_mix."
    groups = [name.removeprefix(mix)[:-2] for name in columns if name.startswith(mix) and name.endswith(".0")]
    if groups:  # one stands for all: more panels would not fit a page
        group = next((name for name in groups if name.endswith("weight")), groups[0])
        there = [action for action in range(len(ACTIONS)) if f"{mix}{group}.{action}" in columns]
        panels[f"actions of {group}"] = {ACTIONS[action]: f"{mix}{group}.{action}" for action in there}
    return panels
