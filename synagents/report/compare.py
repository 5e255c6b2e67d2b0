"""Runs beside each other: those of one setting are seeds of it, and a difference counts where its interval has no zero.

    mean +- t s / sqrt(n) of n seeds (Student);    mean of a group - mean of the first one, with Welch's interval

Both are 95 % intervals (`synagents.benchmark.statistics`). Each difference is looked at alone: of twenty that are
nothing, one is beyond its interval by chance.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from synagents.benchmark.statistics import Estimate, difference, student
from synagents.hyperparameters import nearest, require
from synagents.report.plot import Columns, new_figure, picture_file, save_figure
from synagents.run.config import ARRAY, Config, read_config
from synagents.run.files import check_writable, path_of, write_whole
from synagents.run.reading import read_metrics

METRICS = (
    "held_out_accuracy",
    "held_out_reward",
    "held_out_loss",
    "loss",
)  # compared by default: the first that all have
CURVES = ("loss", "held_out_loss", "held_out_accuracy", "reward_rate", "held_out_reward")
COUNTED = ("step", "run")
SETTINGS = (
    "task",
    "learner",
    "world",
    "network",
    "outer",
    "rounds",
    "num_worlds",
    "shared_task",
    "rollout_length",
    "lives",
)
CHOSEN = ("task", "learner", "world", "network")  # of SETTINGS, those that bring settings of their own


class Seed(NamedTuple):
    """One run of one directory: a directory with `num_runs` K has K of them."""

    directory: Path
    seed: int  # of the directory
    run: int  # 0 .. K - 1
    columns: Columns  # of metrics.csv, this run's rows


class Compared(NamedTuple):
    """The runs of one setting."""

    name: str  # the settings in which it differs from other groups
    seeds: tuple[Seed, ...]

    def last(self, metric: str) -> Float[np.ndarray, "seeds"]:
        """What a column says last."""
        return np.array([seed.columns[metric][-1] for seed in self.seeds])

    def curves(self, metric: str) -> tuple[np.ndarray, Float[np.ndarray, "seeds T"]]:
        """The steps that all seeds have, and what a column says there."""
        length = min(len(seed.columns["step"]) for seed in self.seeds)
        steps = self.seeds[0].columns["step"][:length]
        return steps, np.array([seed.columns[metric][:length] for seed in self.seeds])


class Comparison(NamedTuple):
    """Groups of runs, the first one named first, and the column of metrics.csv in which they are compared."""

    groups: tuple[Compared, ...]
    metric: str


def compare(directories: Sequence[str | Path], metric: str | None = None) -> Comparison:
    """Read runs, which may be going on, and put those of one setting together; a seed is no setting.

    Args:
        directories: of the runs.
        metric: a column of metrics.csv; None for held-out accuracy, reward or loss, the first that all runs have.

    Raises:
        FileNotFoundError: if a directory holds no run.
        RunError: if a config.json or its rows cannot be understood.
        ValueError: if none is named, a run has no rows yet, one is named twice, or not all have the column.
    """
    require(len(directories) > 0, "There is nothing to compare: name directories that `synagents train` wrote.")
    paths = [path_of(directory) for directory in directories]
    configs = [read_config(path) for path in paths]
    columns = [read_metrics(path) for path in paths]
    for path, own in zip(paths, columns, strict=True):
        require(bool(own), f"The run in {path} has no rows yet: look again later.")
    shared = [name for name in columns[0] if all(name in own for own in columns) and name not in COUNTED]
    chosen = metric or next((name for name in METRICS if name in shared), None)
    require(chosen is not None, "These runs have no column in common by which they are compared: name --metric.")
    require(chosen in shared, f"Not all of these runs have a column {chosen}: {nearest(str(chosen), shared)}.")
    settings = [settings_of(config) for config in configs]
    groups: dict[str, list[Seed]] = {}
    for name, path, config, own in zip(_names(settings), paths, configs, columns, strict=True):
        seeds = groups.setdefault(name, [])
        for run in np.unique(own["run"]):
            seed = Seed(path, config["seed"], int(run), {c: values[own["run"] == run] for c, values in own.items()})
            same = [other for other in seeds if (other.seed, other.run) == (seed.seed, seed.run)]
            require(not same, f"{path} has the setting and the seed of {same and same[0].directory}: name one of them.")
            seeds.append(seed)
    return Comparison(tuple(Compared(name, tuple(seeds)) for name, seeds in groups.items()), str(chosen))


def settings_of(config: Config) -> dict[str, Any]:
    """All that a run was set to but its seed; the data split follows the seed unless somebody said otherwise."""
    if "settings" not in config:  # begun from objects in Python
        built = {name: own for name, own in config["built"].items() if not str(own).startswith(ARRAY)}
        return {"rounds": config["rounds"]} | built
    own = {name: config[name] for name in SETTINGS if name in config} | dict(config["settings"])
    if own.get("split_seed") == config["seed"]:
        del own["split_seed"]
    return own


def differences(comparison: Comparison) -> list[Estimate]:
    """How much more every other group's mean is than the first one's."""
    first, *others = (group.last(comparison.metric) for group in comparison.groups)
    return [difference(other, first) for other in others]


def beyond(estimate: Estimate) -> str:
    """What a difference says, in a word or two."""
    if math.isnan(estimate.low):
        return "unknown: a single seed"
    return "higher" if estimate.low > 0 else "lower" if estimate.high < 0 else "within the interval"


def table(comparison: Comparison) -> str:
    """A row for each group: seeds, last step, the mean and its interval, and the difference to the first group."""
    metric, rows = comparison.metric, [["setting", "seeds", "step", comparison.metric, "more than the first", ""]]
    for index, group in enumerate(comparison.groups):
        mean, half = student(group.last(metric))
        steps = sorted({int(seed.columns["step"][-1]) for seed in group.seeds})
        shown = f"{mean:.4g}" if math.isnan(half) else f"{mean:.4g} ({mean - half:.4g} to {mean + half:.4g})"
        told = ["", ""]
        if index:
            found = differences(comparison)[index - 1]
            bounds = "" if math.isnan(found.low) else f" ({found.low:+.4g} to {found.high:+.4g})"
            told = [f"{found.value:+.4g}{bounds}", beyond(found)]
        at = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
        rows.append([group.name, str(len(group.seeds)), at, shown, *told])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "Intervals are of 95 %, Student's over seeds and Welch's of differences, each alone."])


def write_tidy(comparison: Comparison, out: str | Path) -> Path:
    """Write all rows of all runs as CSV, a value a row: setting, directory, seed, run, step, metric, value."""
    file, text = check_writable(out), io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("setting", "directory", "seed", "run", "step", "metric", "value"))
    for group in comparison.groups:
        for seed in group.seeds:
            place = (group.name, seed.directory, seed.seed, seed.run)
            for metric in (name for name in seed.columns if name not in COUNTED):
                steps, values = seed.columns["step"], seed.columns[metric]
                writer.writerows(
                    (*place, step, metric, f"{value:.6g}") for step, value in zip(steps, values, strict=True)
                )
    write_whole(file, text.getvalue().encode())
    return file


def plot_comparison(comparison: Comparison, out: str | Path) -> Path:
    """Plot the groups' curves: means over seeds and Student's 95 % intervals; errors as `plot_run`."""
    shared = [set(seed.columns) for group in comparison.groups for seed in group.seeds]
    metrics = [name for name in dict.fromkeys((comparison.metric, *CURVES)) if all(name in own for own in shared)]
    figure = new_figure(4.2 * len(metrics), 3.4 + 0.2 * len(comparison.groups))
    file = picture_file(figure, out)
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        for index, group in enumerate(comparison.groups):
            steps, curves = group.curves(metric)
            mean, half = student(curves)
            axis.plot(steps, mean, color=f"C{index}", linewidth=1.3, label=f"{group.name} ({len(curves)})")
            axis.fill_between(steps, mean - half, mean + half, color=f"C{index}", alpha=0.2, linewidth=0)
        axis.set_title(metric, fontsize=10, parse_math=False)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", fontsize=8, frameon=False)
    return save_figure(figure, file)


def _names(settings: list[dict[str, Any]]) -> list[str]:
    """What each setting is called: that in which they differ, less what goes along with another learner or the like."""
    every = dict.fromkeys(name for own in settings for name in own)
    odd = [name for name in every if any(own.get(name) != settings[0].get(name) for own in settings)]
    if not odd:
        return [" ".join(str(own[name]) for name in ("task", "learner") if name in own) or "all" for own in settings]
    chosen = [name for name in odd if name in CHOSEN]

    def kinds(*more: str) -> int:
        return len({str([own.get(name) for name in (*chosen, *more)]) for own in settings})

    told = [name for name in odd if name in chosen or kinds(name) > kinds()]
    return [", ".join(f"{name} {own.get(name, '-')}" for name in told) for own in settings]
