"""The lists of tasks that scores are set side by side in: each has tables, a scale, and a board of its own.

A score of one list is never averaged with one of another: what is charged, and what is 0 and 1, differ.
"""

from collections.abc import Mapping
from typing import NamedTuple

from synagents.benchmark import decisions, suite
from synagents.benchmark.decisions import BoardTask
from synagents.benchmark.suite import SUITE, TENTHS
from synagents.hyperparameters import nearest, require


class TaskList(NamedTuple):
    """Tasks that are charged in one currency.

    Attributes:
        name: begins the names of its pictures.
        title: what a page calls it.
        tasks: by short name.
        currency: what is charged.
        top: what is 1 on the normalised scale, on which the untrained network is 0.
        has_mean: whether the mean over its tasks is a score of its own.
        told: {line: what its agents are told}, where lines are not those of the suite.
    """

    name: str
    title: str
    tasks: Mapping[str, BoardTask]
    currency: str = "sample evaluations"
    top: str = "Adam"
    has_mean: bool = True
    told: Mapping[str, str] = {}

    @property
    def scale(self) -> str:
        """What a score is, as axes say it."""
        return f"score (untrained 0, {self.top} 1)"


LISTS = (
    TaskList("suite", "The suite", SUITE),
    TaskList("tenth", "With a tenth of the budget", TENTHS, has_mean=False),
    TaskList(
        "unit",
        "Units",
        decisions.UNITS,
        decisions.CURRENCIES["unit"],
        "backprop",
        told=decisions.told("unit"),
    ),
    TaskList(
        "plastic",
        "Plastic synapses in lives",
        decisions.LIVES,
        decisions.CURRENCIES["plastic"],
        "the ideal observer",
        told=decisions.told("plastic"),
    ),
)


def find(name: str) -> BoardTask:
    """The task of any list called `name` or with that id; ValueError with the near match where there is none."""
    there = {short: task for own in LISTS for short, task in own.tasks.items()}
    family, _, short = name.removesuffix(f"-{suite.VERSION}").rpartition("/")
    known = short in there and family in ("", there[short].family)
    require(known, f"The benchmark has no task {name!r}: {nearest(short, there)}.")
    return there[short]


def currency_of(task_id: str) -> str:
    """What is charged on a task, by its id, on whatever network it is played."""
    return decisions.CURRENCIES.get(task_id.partition("/")[0], LISTS[0].currency)
