"""A run as a picture: the curves that every run has, and a panel for each probe that was recorded.

Needs matplotlib (`pip install synagents[plot]`), which nothing else here imports.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from synagents.run.directory import read_config
from synagents.settings import require

ACTIONS = ("down", "leave", "up")


def draw(folder: Path, out: Path) -> None:
    """Draw the run in `folder` into the picture `out` (its suffix says which format).

    Raises:
        FileNotFoundError: if the folder holds no run.
        RunError: if its config.json cannot be understood.
        ValueError: if matplotlib is missing, or cannot write such a format.
    """
    config = read_config(folder)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("Pictures need matplotlib: pip install 'synagents[plot]'.") from None
    rows = []
    if (folder / "metrics.csv").is_file():
        with (folder / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    require(bool(rows), f"The run in {folder} has no rows yet: look again later.")
    columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    panels = _panels(columns)
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.6 * across, 0.4 + 2.6 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for empty in axes[len(panels) :]:
        empty.axis("off")
    for axis, (title, lines) in zip(axes, panels.items(), strict=False):
        for label, name in lines.items():
            for run in np.unique(columns["run"]):
                mine = columns["run"] == run
                axis.plot(
                    columns["step"][mine],
                    columns[name][mine],
                    label=label if run == 0 else None,
                    color=f"C{list(lines).index(label)}",
                    linewidth=1.2,
                )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        if len(lines) > 1:
            axis.legend(fontsize=8, frameon=False)
    figure.suptitle(_title(config), fontsize=11)
    figure.savefig(out, dpi=110)


def _title(config: dict[str, Any]) -> str:
    """What was run; a run begun from Python may not say more than its classes."""
    if "task" not in config:
        return f"{config['built'].get('world')}, {config['built'].get('learner')}"
    return f"{config['task']} {'-'.join(map(str, config['sizes']))}, {config['learner']}, seed {config['seed']}"


def _panels(columns: dict[str, np.ndarray]) -> dict[str, dict[str, str]]:
    """Title -> {label: column} for what this run recorded."""
    panels = {"loss": {"batch in use": "loss", "held out": "held_out_loss"}}
    if "held_out_accuracy" in columns:
        panels["held-out accuracy"] = {"accuracy": "held_out_accuracy"}
    panels["share of rounds rewarded"] = {"rewarded": "reward_rate"}
    if "alignment" in columns:
        panels["cosine of joint action and -gradient"] = {"alignment": "alignment"}
    groups = [name.split(".")[1] for name in columns if name.startswith("action_mix.") and name.endswith(".0")]
    if groups:  # one stands for all: more panels would not fit a page
        group = next((name for name in groups if name.endswith("weight")), groups[0])
        panels[f"actions of {group}"] = {action: f"action_mix.{group}.{a}" for a, action in enumerate(ACTIONS)}
    return panels
