"""What a page of scores shows: a board for each list of tasks, with the scores of all lines and how sure they are.

    first track    score on a scale on which the untrained network is 0 and Adam on it, or the list's yardstick, is 1
    policy track, and tasks on other networks: held-out accuracy, in [0, 1]

Profiles, means, ranks and curves over all tasks are of lines that have played them all: a part would not compare.
(Agarwal et al. 2021; Gorsane et al. 2022; `synagents.benchmark.statistics`.)
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from synagents.benchmark import lines, lists, results, suite
from synagents.benchmark.policy import files as submissions
from synagents.benchmark.policy import play
from synagents.benchmark.results import Scores
from synagents.benchmark.statistics import (
    Band,
    Estimate,
    bootstrap,
    bootstrap_band,
    improvement,
    interquartile_curve,
    interquartile_mean,
)
from synagents.benchmark.statistics import ranks as mean_ranks
from synagents.hyperparameters import nearest, require
from synagents.report import scores as report
from synagents.report.tables import Table

LAST = "Held-out accuracy in percent, or the mean return of unseen episodes, at the end of the budget"
ACCURACY = "held-out accuracy"  # the scale where none is frozen
REACHED = 0.95  # of the way from the untrained network to what is 1, in the table of costs


Runs = dict[str, dict[str, Float[np.ndarray, "runs"]]]  # {line: {task: scores of its runs at the end}}


class Board(NamedTuple):
    """One list of tasks, and who has played them.

    Attributes:
        name: begins the names of its pictures.
        title: what the page calls it.
        scale: what a score is, as axes say it.
        runs: what every line reached.
        groups: lines by what they are told, {title: lines}.
        told: {line: group}, as `synagents.report.scores.GROUPS` has them; empty on the policy track.
        scores: curves by task and line; empty on the policy track, where a run is scored once.
        tables: of this board, under their titles.
    """

    name: str
    title: str
    scale: str
    runs: Runs
    groups: dict[str, list[str]]
    told: Mapping[str, str]
    scores: Scores
    tables: list[tuple[str, Table]]

    @property
    def tasks(self) -> list[str]:
        """All tasks that any line has played."""
        return list(dict.fromkeys(task for own in self.runs.values() for task in own))

    @property
    def whole(self) -> list[str]:
        """The lines that have played every task."""
        return [line for line, own in self.runs.items() if len(own) == len(self.tasks)]

    @property
    def is_scaled(self) -> bool:
        """Whether scores have the scale from the untrained network to what is 1."""
        return self.scale != ACCURACY

    def by_task(self, line: str) -> list[Float[np.ndarray, "runs"]]:
        """The scores of a line that has played every task."""
        return [self.runs[line][task] for task in self.tasks]

    def means(self) -> dict[str, Estimate]:
        """The interquartile mean of every line that has played all tasks, the best first."""
        return _ordered({line: bootstrap(interquartile_mean, self.by_task(line)) for line in self.whole}, falling=True)

    def ranks(self) -> dict[str, Estimate]:
        """The mean rank of every line that has played all tasks, among those; 1 is the best and stands first."""
        if not self.whole:
            return {}
        found = bootstrap_band(mean_ranks, *map(self.by_task, self.whole))
        each = map(Estimate, *(numbers.tolist() for numbers in found))
        return _ordered(dict(zip(self.whole, each, strict=True)), falling=False)

    def improvements(self, against: str) -> dict[str, Estimate]:
        """For every other line the probability that a run beats one of `against`, the best first.

        It is over the tasks that both have played.
        """
        found = {}
        for line, own in self.runs.items():
            shared = [task for task in own if task in self.runs[against]]
            if line != against and shared:
                pair = [[self.runs[name][task] for task in shared] for name in (line, against)]
                found[line] = bootstrap(improvement, *pair)
        return _ordered(found, falling=True)

    def reference(self, against: str | None) -> str:
        """The line that the others are set against: the one that is named if it is here, a known one, or the first."""
        usual = [against, *(task.reference for own in lists.LISTS for task in own.tasks.values()), "repeat-undo"]
        return next((name for name in usual if name in self.runs), next(iter(self.runs)))

    def efficiency(self, line: str, shares: Float[np.ndarray, "points"]) -> Band:
        """The interquartile mean of a line over all tasks after each share of the budget, in [0, 1]."""
        curves = []
        for task in self.tasks:
            own = self.scores[task][line]
            spent = own.cost / lists.find(task).budget
            curves.append(np.array([np.interp(shares, spent, run) for run in report.placed(task, own.score)]))
        return bootstrap_band(interquartile_curve, curves)


def _ordered(estimates: dict[str, Estimate], *, falling: bool) -> dict[str, Estimate]:
    return dict(sorted(estimates.items(), key=lambda entry: entry[1].value, reverse=falling))


def read(files: Sequence[Path], tasks: Sequence[str] = ()) -> list[Board]:
    """The boards that files of scores make, those of both tracks in any order.

    Args:
        files: that `synagents bench` or `synagents bench policy` wrote, each with a name of its own.
        tasks: of the benchmark, by name or id, and "toys"; none for all.

    Raises:
        FileNotFoundError: if one of them is not there.
        ValueError: if one holds no scores, two have one name, or there is nothing of these tasks.
    """
    names = [path.name.removesuffix(".gz").removesuffix(".json") for path in files]
    for name in names:
        require(names.count(name) == 1, f"Two files of scores are called {name}: rename one of them.")
    policies = {name: submissions.read(path) for path, name in zip(files, names, strict=True) if _is_submission(path)}
    others = [(results.read(path), name) for path, name in zip(files, names, strict=True) if name not in policies]
    scores = results.merged([own for own, _ in others], [name for _, name in others])
    kept = {task if task == play.TOYS else lists.find(task).id for task in tasks}
    boards = [*_of_scores(scores, kept), *_of_policies(policies, kept)]
    require(bool(boards), "These files hold no scores of such tasks of this version of the benchmark.")
    return boards


def require_line(boards: Sequence[Board], line: str) -> None:
    """Refuse a line that is on no board."""
    there = {name for board in boards for name in board.runs}
    require(line in there, f"No line here is called {line!r}: {nearest(line, there)}.")


def _is_submission(path: Path) -> bool:
    """Whether a file says of itself that it is of the policy track; what it says is checked when it is read."""
    if not path.is_file() or path.suffix == ".gz" or path.stat().st_size > submissions.MOST_BYTES:
        return False
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "format" in content


def _of_scores(scores: Scores, kept: set[str]) -> list[Board]:
    boards = []
    for listed in lists.LISTS:
        own = {
            task.id: scores[task.id]
            for task in listed.tasks.values()
            if task.id in scores and (not kept or task.id in kept)
        }
        if not own:
            continue
        told = listed.told or lines.lines()
        runs = {
            line: {task: report.normalised(task, own[task][line]) for task in own if line in own[task]}
            for line in report.lines_of(own, list(own))
        }
        tables = [(LAST, table) for table in report.tables(own, told)]
        tables += list(report.cost_tables(own, told, REACHED).items())
        groups = dict(report.by_group(list(runs), told))
        boards.append(Board(listed.name, listed.title, listed.scale, runs, groups, told, own, tables))
    variants = {task: own for task, own in scores.items() if suite.is_variant(task) and not kept}
    return [*boards, *([_on_other_networks(variants, lines.lines())] if variants else [])]


def _on_other_networks(scores: Scores, told: Mapping[str, str]) -> Board:
    """Tasks for which no scale is frozen."""
    names = report.lines_of(scores, list(scores))
    runs = {line: {task: scores[task][line].score[:, -1] for task in scores if line in scores[task]} for line in names}
    tables = [(LAST, table) for table in report.tables(scores, told)]
    groups = dict(report.by_group(names, told))
    return Board("networks", "On other networks", ACCURACY, runs, groups, told, scores, tables)


def _of_policies(policies: dict[str, submissions.Submission], kept: set[str]) -> list[Board]:
    runs: Runs = {}
    groups: dict[str, list[str]] = {}
    for name, own in policies.items():
        frozen = [place for place in own.runs[0].scores if not place.endswith(play.ONLINE)]  # those compare for all
        places = [place for place in frozen if not kept or place in kept]
        if places:
            runs[name] = {place: np.array([run.scores[place].accuracy for run in own.runs]) for place in places}
            seen = ", ".join(f"{setting}={text}" for setting, text in own.seen.items())
            groups.setdefault(f"agents see {seen}" if seen else "agents see what worlds show by default", []).append(
                name
            )
    if not runs:
        return []
    title = "Policies learned on toys, then frozen"
    captions = (
        "Loss on held-out toys, and held-out accuracy in percent; agent-steps are those of learning on toys",
        "The same policies where the algorithm goes on learning: held-out accuracy in percent",
    )
    shown = {name: policies[name] for name in runs}
    tables = []
    for caption, (head, *rows) in zip(captions, (play.frozen(shown), play.online(shown)), strict=True):
        grouped = [(told, [row for row in rows if row[0] in those]) for told, those in groups.items()]
        tables += [(caption, Table(head, [part for part in grouped if part[1]]))] if rows else []
    return [Board("policy", title, ACCURACY, runs, groups, {}, {}, tables)]
