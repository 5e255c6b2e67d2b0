"""Scores as people see them: a table for each kind of line, sample-efficiency curves, who beats whom."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float

from synagents.benchmark import statistics
from synagents.benchmark.results import Curves, Scores
from synagents.benchmark.statistics import Estimate, bootstrap
from synagents.benchmark.suite import SUITE
from synagents.hyperparameters import require

KINDS = {
    "agents": "a shared policy of synapse agents",
    "no agents": "no agents, no gradient",
    "gradient": "gradient descent",
}


def normalised(task: str, curves: Curves) -> Float[np.ndarray, "runs"]:
    """Last accuracies on a scale on which the untrained network is 0 and Adam on the same network is 1."""
    return (curves.accuracy[:, -1] - _accuracy_at(task, 0)) / (_accuracy_at(task, 1) - _accuracy_at(task, 0))


def _accuracy_at(task: str, place: float) -> float:
    """The accuracy at a place of that scale."""
    reference = json.loads((resources.files("synagents") / "assets" / "bench.json").read_text())[task]
    return reference["untrained"] + place * (reference["adam"] - reference["untrained"])


def markdown(scores: Scores, kinds: dict[str, str]) -> str:
    """The score table: for each task the mean last accuracy in percent, over all tasks the normalised IQM.

    Args:
        scores: {task id: {line: curves}}.
        kinds: {line: one of KINDS}; a line that is not there counts as agents.
    """
    tasks = [task.id for task in SUITE.values() if task.id in scores]
    require(bool(tasks), "These files hold no task of this version of the benchmark.")
    head = ["line", *(task.split("/")[1].rsplit("-", 1)[0] for task in tasks), "normalised IQM"]
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for kind, title in KINDS.items():
        lines = [line for line in _lines(scores) if kinds.get(line, "agents") == kind]
        entries = [(line, _overall(scores, line, tasks)) for line in lines]
        entries.sort(key=lambda entry: -(entry[1].value if entry[1] else -np.inf))
        rows += [f"| *{title}* |" + " |" * (len(head) - 1)] if entries else []
        for line, overall in entries:
            cells = [_cell(scores[task].get(line)) for task in tasks]
            rows.append(f"| {' | '.join([line, *cells, str(overall) if overall else ''])} |")
    return "\n".join(rows)


def costs(scores: Scores, kinds: dict[str, str], share: float) -> str:
    """What lines spent to reach a share of Adam's progress, in millions of sample evaluations: the median over runs.

    Args:
        scores: {task id: {line: curves}}.
        kinds: as in `markdown`.
        share: what to reach, on the scale on which the untrained network is 0 and Adam on the same network is 1.
    """
    tasks = [task.id for task in SUITE.values() if task.id in scores]
    targets = {task: _accuracy_at(task, share) for task in tasks}
    heads = [f"{task.split('/')[1].rsplit('-', 1)[0]}: {100 * targets[task]:.1f} %" for task in tasks]
    rows = []
    for line in _lines(scores):
        spent = [
            np.median(scores[task][line].cost_to(targets[task])) if line in scores[task] else np.nan for task in tasks
        ]
        rows.append((kinds.get(line, "agents"), spent, line))
    order = list(KINDS)
    rows.sort(key=lambda row: (order.index(row[0]), *np.nan_to_num(row[1][::-1], nan=np.inf)))
    table = [f"| line | kind | {' | '.join(heads)} |", "|" + "---|" * (2 + len(heads))]
    for kind, spent, line in rows:
        cells = ["" if np.isnan(n) else "never" if np.isinf(n) else f"{n / 1e6:.3g}" for n in spent]
        table.append(f"| {line} | {kind} | {' | '.join(cells)} |")
    return "\n".join(table)


def duels(scores: Scores, against: str) -> list[tuple[str, Estimate]]:
    """For every other line the probability that a run of it beats one of `against`, over the tasks both have played."""
    found = []
    for line in _lines(scores):
        shared = [task for task, lines in scores.items() if line in lines and against in lines]
        if line != against and shared:
            pair = [[scores[task][name].accuracy[:, -1] for task in shared] for name in (line, against)]
            found.append((line, bootstrap(statistics.improvement, *pair)))
    return found


def plot(scores: Scores, kinds: dict[str, str], out: Path) -> None:
    """Plot accuracy against cost, a panel for each task: the mean over runs and its 95 % bootstrap interval.

    Raises:
        ValueError: if matplotlib is missing, or cannot write such a format.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("Pictures need matplotlib: pip install 'synagents[plot]'.") from None
    tasks = [task.id for task in SUITE.values() if task.id in scores]
    across = min(len(tasks), 3)
    down = -(-len(tasks) // across)
    figure = Figure(figsize=(4.4 * across, 0.8 + 3.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    styles = {"agents": "-", "no agents": "--", "gradient": ":"}
    colours = {line: f"C{index % 10}" for index, line in enumerate(_lines(scores))}
    for empty in panels[len(tasks) :]:
        empty.axis("off")
    for axis, task in zip(panels, tasks, strict=False):
        for line, curves in scores[task].items():
            rng = np.random.default_rng(0)
            runs = curves.accuracy
            means = runs[rng.integers(len(runs), size=(400, len(runs)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975], axis=0)
            style = styles[kinds.get(line, "agents")]
            axis.plot(curves.cost, runs.mean(axis=0), style, color=colours[line], linewidth=1.2, label=line)
            axis.fill_between(curves.cost, low, high, color=colours[line], alpha=0.15, linewidth=0)
        axis.set_title(task, fontsize=10)
        # Most is learned in the first tenth; before the first look there is nothing to see.
        axis.set_xscale("log")
        axis.set_xlim(min(curves.cost[1] for curves in scores[task].values()))
        axis.set_xlabel("sample evaluations")
        axis.set_ylabel("held-out accuracy")
        axis.grid(alpha=0.3)
    plotted = {label: line for axis in panels for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(plotted.values(), plotted.keys(), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    figure.savefig(out, dpi=110)


def _lines(scores: Scores) -> list[str]:
    return list(dict.fromkeys(line for lines in scores.values() for line in lines))


def _cell(curves: Curves | None) -> str:
    if curves is None:
        return ""
    estimate = bootstrap(statistics.mean, [100 * curves.accuracy[:, -1]])
    return f"{estimate.value:.1f} ({estimate.low:.1f}-{estimate.high:.1f})"


def _overall(scores: Scores, line: str, tasks: list[str]) -> Estimate | None:
    """The normalised IQM of a line that has played every task; a part of the list would not compare."""
    if not all(line in scores[task] for task in tasks):
        return None
    return bootstrap(statistics.interquartile_mean, [normalised(task, scores[task][line]) for task in tasks])
