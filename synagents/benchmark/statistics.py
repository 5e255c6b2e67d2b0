"""How sure a score is: interquartile means, stratified bootstrap intervals, probabilities of improvement.

    IQM(scores) = mean of the middle half of all runs on all tasks
    P(X > Y)    = mean over tasks of the share of pairs of runs in which X's is the better (ties count half)
    profile(t)  = mean over tasks of the share of runs with a score above t
    rank(X)     = 1 + sum over all others Y of P(Y > X), the mean rank of runs drawn at random, one of each line

Runs are resampled within each task (a stratum), the statistic is taken of every resample, and the interval goes from
its 2.5 % to its 97.5 % quantile. (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice"; Gorsane et al. 2022 for cooperative teams. Their library, rliable, fails to import with current
pandas, so the few lines are written here. Its profile counts all runs alike, which is the same where tasks have equally
many; its rank comparison draws the runs whose mean is computed here.)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

RESAMPLES = 2000

RunsByTask = Sequence[Float[np.ndarray, "runs"]]  # one array for each task; tasks may differ in their number of runs


class Estimate(NamedTuple):
    """A statistic and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


class Band(NamedTuple):
    """Several statistics, such as those along a curve, each with its 95 % interval."""

    value: Float[np.ndarray, "points"]
    low: Float[np.ndarray, "points"]
    high: Float[np.ndarray, "points"]


def mean(scores: RunsByTask) -> float:
    """The mean over tasks of each task's mean over runs."""
    return float(np.mean([np.mean(task) for task in scores]))


def interquartile_mean(scores: RunsByTask) -> float:
    """The mean of the middle half of all runs on all tasks: robust as a median, precise as a mean."""
    return float(interquartile_curve(scores))


def interquartile_curve(scores: Sequence[Float[np.ndarray, "runs *points"]]) -> Float[np.ndarray, "*points"]:
    """The interquartile mean at every point of curves, on its own: the middle half of the runs may change."""
    return np.asarray(stats.trim_mean(np.concatenate(scores), 0.25, axis=0))


def profile(scores: RunsByTask, levels: Float[np.ndarray, "points"]) -> Float[np.ndarray, "points"]:
    """The performance profile: the share of runs in [0, 1] with a score above each level, the mean over tasks."""
    return np.mean([np.mean(task[:, None] > levels, axis=0) for task in scores], axis=0)


def ranks(*lines: RunsByTask) -> Float[np.ndarray, "lines"]:
    """The mean rank of every line, in 1 (the best) .. the number of lines, where each plays a run drawn at random.

    Args:
        *lines: each line's scores, task by task; all lines have played the same tasks.
    """
    found = []
    for task in zip(*lines, strict=True):
        runs = np.concatenate(task)
        shares = np.concatenate([np.full(len(own), 1 / len(own)) for own in task])
        above = ((runs > runs[:, None]) + 0.5 * (runs == runs[:, None])) @ shares
        ends = np.cumsum([len(own) for own in task])[:-1]
        # A line is above itself half of the time, which is no rank.
        found.append([0.5 + np.mean(own) for own in np.split(above, ends)])
    return np.mean(found, axis=0)


def improvement(scores: RunsByTask, others: RunsByTask) -> float:
    """Probability in [0, 1] that a run of the first is better than one of the second, on a task drawn at random."""
    better = [
        np.mean((mine[:, None] > theirs) + 0.5 * (mine[:, None] == theirs))
        for mine, theirs in zip(scores, others, strict=True)
    ]
    return float(np.mean(better))


def bootstrap(statistic: Callable[..., float], *groups: RunsByTask, seed: int = 0) -> Estimate:
    """A statistic of one or more lines' scores with its stratified bootstrap interval.

    Args:
        statistic: of as many lines' scores as there are `groups`.
        *groups: each line's scores, task by task.
        seed: of the resampling.
    """
    return Estimate(*map(float, bootstrap_band(statistic, *groups, seed=seed)))


def bootstrap_band(statistic: Callable[..., Any], *groups: RunsByTask, seed: int = 0) -> Band:
    """The same of a statistic of several numbers, each with an interval of its own; runs may be curves."""
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(*([task[rng.integers(len(task), size=len(task))] for task in scores] for scores in groups))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Band(np.asarray(statistic(*groups)), low, high)


def student(runs: Float[np.ndarray, "runs *more"]) -> tuple[np.ndarray, np.ndarray]:
    """The mean over runs and half the width of its 95 % interval, t s / sqrt(n) (Student 1908); nan of a single run.

    Resamples of three to five runs, such as one compares by hand, vary less than runs do, and a bootstrap interval of
    them is too narrow.
    """
    runs = np.asarray(runs, np.float64)
    count = len(runs)
    mean = runs.mean(axis=0)
    if count < 2:
        return mean, np.full(np.shape(mean), np.nan)
    return mean, stats.t.ppf(0.975, count - 1) * runs.std(axis=0, ddof=1) / count**0.5


def difference(runs: Float[np.ndarray, "runs"], others: Float[np.ndarray, "runs"]) -> Estimate:
    """How much larger the mean of some runs is than that of others, with Welch's 95 % interval (1947).

    The interval does not assume equal variances; it is nan where either is a single run.
    """
    value = float(np.mean(runs) - np.mean(others))
    if min(len(runs), len(others)) < 2:
        return Estimate(value, float("nan"), float("nan"))
    errors = [np.var(own, ddof=1) / len(own) for own in (runs, others)]
    if not sum(errors) > 0:
        return Estimate(value, value, value)
    freedom = sum(errors) ** 2 / sum(e**2 / (len(own) - 1) for e, own in zip(errors, (runs, others), strict=True))
    half = float(stats.t.ppf(0.975, freedom) * sum(errors) ** 0.5)
    return Estimate(value, value - half, value + half)
