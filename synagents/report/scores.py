"""Scores as people see them: lines beside those that are told the same, sample-efficiency curves, who beats whom."""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from synagents.benchmark import lists, statistics
from synagents.benchmark.line_settings import is_optimizer
from synagents.benchmark.lists import LISTS
from synagents.benchmark.results import Curves, Scores
from synagents.benchmark.statistics import Estimate, bootstrap
from synagents.benchmark.suite import SUITE, TENTH, is_variant
from synagents.hyperparameters import require
from synagents.report.plot import new_figure
from synagents.report.tables import Table

OWN = "own"
GROUPS = {  # of the suite, by what a line is told after a forward pass, beside what it did itself
    OWN: "lines of one's own",
    "sign": "told whether the loss fell",
    "size": "told the loss, or by how much it fell",
    "samples": "told each sample's loss and the activity of every unit",
    "gradient": "told the gradient",
}
MEASURES = {"accuracy": "held-out accuracy", "return": "mean return of unseen episodes"}  # as axes say them


def normalised(task: str, curves: Curves) -> Float[np.ndarray, "runs"]:
    """Last scores on a scale on which the untrained network is 0, and Adam on it or the task's own yardstick is 1."""
    return placed(task, curves.score[:, -1])


def placed(task: str, score: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Accuracies or returns on that scale."""
    return (score - score_at(task, 0)) / (score_at(task, 1) - score_at(task, 0))


def score_at(task: str, place: float) -> float:
    """The score at a place of that scale, which is that of the whole budget where a task has a tenth of it."""
    frozen = json.loads((resources.files("synagents") / "assets" / "bench.json").read_text())
    reference = frozen[_whole(task)]
    low, high = reference["untrained"], reference[lists.find(task).top]
    return low + place * (high - low)


def _whole(task: str) -> str:
    """The id of the same task with the whole budget."""
    return task.replace(f"{TENTH}-", "-")


def markdown(scores: Scores, told: Mapping[str, str]) -> str:
    """The tables of `tables` in Markdown."""
    return "\n\n".join(table.markdown() for table in tables(scores, told))


def tables(scores: Scores, told: Mapping[str, str]) -> list[Table]:
    """Mean last scores, task by task, and the normalised IQM over all tasks of a list: a table for each list.

    Accuracies are in percent. The tasks on other networks have a table of their own below.

    Args:
        scores: {task id: {line: curves}}.
        told: {line: one of GROUPS}, of the suite; a line that is not there is one of somebody's own.

    Raises:
        ValueError: if there is no task of this version of the benchmark.
    """
    made = []
    for own in LISTS:
        if tasks := [task.id for task in own.tasks.values() if task.id in scores]:
            made.append(_table(scores, own.told or told, tasks, overall=own.has_mean))
    if others := [task for task in scores if is_variant(task)]:
        made.append(_table(scores, told, others, overall=False))
    require(bool(made), "These files hold no task of this version of the benchmark.")
    return made


def _table(scores: Scores, told: Mapping[str, str], tasks: list[str], *, overall: bool) -> Table:
    table = Table(["line", "who", *map(short, tasks), *(["normalised IQM"] if overall else [])], [])
    for title, lines in by_group(lines_of(scores, tasks), told):
        rows = []
        ranked = [(_overall(scores, line, tasks) if overall else None, line) for line in lines]
        ranked.sort(key=lambda entry: entry[0].value if entry[0] else -np.inf, reverse=True)
        for iqm, line in ranked:
            cells = [_cell(scores[task].get(line)) for task in tasks]
            rows.append([line, who(line), *cells, *([str(iqm or "")] if overall else [])])
        table.groups.append((title, rows))
    return table


def cost_tables(scores: Scores, told: Mapping[str, str], share: float) -> dict[str, Table]:
    """What lines spent to reach a share of the way to what is 1, in millions: the median over runs, by title.

    The least of those who are told the same is bold. Every list has a table of its own: what is charged differs, and
    with a tenth of the budget settings get to the same accuracy sooner, which are chosen by what they reach at the end.

    Args:
        scores: {task id: {line: curves}}.
        told: as in `tables`.
        share: what to reach, on the normalised scale, after the whole budget.
    """
    made: dict[str, Table] = {}
    for own in LISTS:
        targets = {task.id: score_at(task.id, share) for task in own.tasks.values() if task.id in scores}
        if targets:
            way = f"{100 * share:.0f} % of the way from the untrained network to {own.top}"
            made[f"{own.title}: millions of {own.currency} to {way}"] = _costs(scores, own.told or told, targets)
    return made


def _costs(scores: Scores, told: Mapping[str, str], targets: Mapping[str, float]) -> Table:
    tasks = list(targets)
    percent = [lists.find(task).metric == "accuracy" for task in tasks]
    heads = [
        f"{short(task)}: {100 * targets[task]:.1f} %" if is_share else f"{short(task)}: {targets[task]:.3g}"
        for task, is_share in zip(tasks, percent, strict=True)
    ]
    table = Table(["line", "who", *heads], [])
    for title, lines in by_group(lines_of(scores, tasks), told):
        spent = np.array([[_spent(scores[task].get(line), targets[task]) for task in tasks] for line in lines])
        known = np.where(np.isnan(spent), np.inf, spent)
        rows = []
        for at in np.lexsort(known.T):  # by the last task, which is the dearest
            cells = [_amount(n, bold=n == low) for n, low in zip(spent[at], known.min(axis=0), strict=True)]
            rows.append([lines[at], who(lines[at]), *cells])
        table.groups.append((title, rows))
    return table


def duels(scores: Scores, against: str) -> list[tuple[str, Estimate]]:
    """For every other line the probability that a run of it beats one of `against`, over the tasks both have played.

    Those with a tenth of the budget do not count a second time where the suite's own are there.
    """
    found = []
    tasks = [task.id for own in LISTS if own.has_mean for task in own.tasks.values() if task.id in scores]
    tasks = tasks or list(scores)
    for line in lines_of(scores, tasks):
        shared = [task for task in tasks if line in scores[task] and against in scores[task]]
        if line != against and shared:
            pair = [[scores[task][name].score[:, -1] for task in shared] for name in (line, against)]
            found.append((line, bootstrap(statistics.improvement, *pair)))
    return found


def plot(scores: Scores, told: Mapping[str, str], out: Path) -> None:
    """Plot accuracy or return against cost, a panel for each task: the mean over runs and its 95 % bootstrap interval.

    Raises:
        ValueError: if matplotlib is missing, or cannot write such a format.
    """
    figure = curves_figure(scores, told)
    figure.savefig(out, dpi=110)


def curves_figure(scores: Scores, told: Mapping[str, str], *, dark: bool = False) -> Any:
    """The figure of `plot`, for a light ground or a dark one."""
    tasks = [task.id for task in SUITE.values() if task.id in scores] or list(scores)
    across = min(len(tasks), 3)
    down = -(-len(tasks) // across)
    figure = new_figure(4.4 * across, 0.8 + 3.2 * down)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    looks = looks_of(lines_of(scores, tasks), told, dark=dark)
    for empty in panels[len(tasks) :]:
        empty.axis("off")
    for axis, task in zip(panels, tasks, strict=False):
        for line, curves in scores[task].items():
            rng = np.random.default_rng(0)
            runs = curves.score
            means = runs[rng.integers(len(runs), size=(400, len(runs)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975], axis=0)
            style, colour = looks[line]
            axis.plot(curves.cost, runs.mean(axis=0), style, color=colour, linewidth=1.2, label=line)
            axis.fill_between(curves.cost, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.set_title(task, fontsize=10)
        # Most is learned in the first tenth; before the first look there is nothing to see.
        axis.set_xscale("log")
        axis.set_xlim(min(curves.cost[1] for curves in scores[task].values()))
        axis.set_xlabel(lists.currency_of(task))
        axis.set_ylabel(MEASURES[next(iter(scores[task].values())).metric])
        axis.grid(alpha=0.3)
    plotted = {label: line for axis in panels for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        plotted.values(), plotted.keys(), loc="outside lower center", ncols=2 * across, fontsize=8, frameon=False
    )
    return figure


def looks_of(lines: Sequence[str], told: Mapping[str, str], *, dark: bool = False) -> dict[str, tuple[str, str]]:
    """The style of every line, which says what it is, and a colour that no other line of this style has."""
    deep = ["white", "gold", "violet"] if dark else ["black", "gold", "navy"]
    palette = [*(f"C{index}" for index in range(10)), *deep, "lime", "salmon", "deepskyblue"]
    looks: dict[str, tuple[str, str]] = {}
    for line in lines:
        style = "-" if who(line) == "agents" else ":" if _group(line, told) == "gradient" else "--"
        count = sum(style == other for other, _ in looks.values())
        looks[line] = style, palette[count % len(palette)]
    return looks


def lines_of(scores: Scores, tasks: Sequence[str]) -> list[str]:
    """All lines that have played any of the tasks."""
    return list(dict.fromkeys(line for task in tasks for line in scores[task]))


def by_group(lines: Sequence[str], told: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The title and the lines of every group that has any; what is told is one of GROUPS or a title itself."""
    for group, title in (GROUPS | {own: own for own in told.values() if own not in GROUPS}).items():
        if those := [line for line in lines if _group(line, told) == group]:
            yield title, those


def _group(line: str, told: Mapping[str, str]) -> str:
    return told.get(_plain(line), OWN)


def who(line: str) -> str:
    """What acts: agents that share a policy, or one optimizer."""
    return "one optimizer" if is_optimizer(_plain(line)) else "agents"


def _plain(line: str) -> str:
    """A line's name without the name of the file it is from (`results.merged`)."""
    return line.partition(" (")[0]


def short(task: str) -> str:
    """`synapse/xor-v0` -> "xor"."""
    return task.split("/")[1].rsplit("-", 1)[0]


def _spent(curves: Curves | None, target: float) -> float:
    """The median over runs; infinite where half of them never got there, nan where the line has not played."""
    return float(np.median(curves.cost_to(target))) if curves else np.nan


def _amount(spent: float, *, bold: bool) -> str:
    if np.isnan(spent):
        return ""
    return "never" if np.isinf(spent) else f"**{spent / 1e6:.3g}**" if bold else f"{spent / 1e6:.3g}"


def _cell(curves: Curves | None) -> str:
    if curves is None:
        return ""
    is_share = curves.metric == "accuracy"
    estimate = bootstrap(statistics.mean, [(100 if is_share else 1) * curves.score[:, -1]])
    if is_share:
        return f"{estimate.value:.1f} ({estimate.low:.1f}-{estimate.high:.1f})"
    digits = 1 if abs(estimate.value) >= 10 else 3
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def _overall(scores: Scores, line: str, tasks: list[str]) -> Estimate | None:
    """The normalised IQM of a line that has played every task of a list; a part of it would not compare."""
    if not all(line in scores[task] for task in tasks):
        return None
    return bootstrap(statistics.interquartile_mean, [normalised(task, scores[task][line]) for task in tasks])
