"""Play the policy track: fill a file of scores seed by seed, play one of its runs again, set files side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synagents.benchmark.policy import files
from synagents.benchmark.policy.files import PolicyRun, Submission
from synagents.benchmark.policy.track import FULL, ONLINE, TOYS, Entry, Protocol, Score, judge, learn
from synagents.benchmark.statistics import bootstrap, mean
from synagents.benchmark.suite import TASKS, VERSION, BenchmarkTask
from synagents.hyperparameters import require
from synagents.world import Mind

SAME = 1e-5  # of the same machine and versions
CLOSE = 0.03  # of others, which round differently: an accuracy, and the loss on the toys


class Comparison(NamedTuple):
    """A score as it was submitted, and as it was played again."""

    place: str  # TOYS, or a task's id, or that and ONLINE
    submitted: Score
    played: Score

    @property
    def verdict(self) -> str:
        """Whether they are the same, close, or different."""
        apart = abs(self.submitted.accuracy - self.played.accuracy)
        if self.place == TOYS:
            apart = max(apart, abs(self.submitted.loss - self.played.loss))
        return "the same" if apart <= SAME else "close" if apart <= CLOSE else "different"


def fill(
    path: Path,
    entry: Entry,
    seeds: Sequence[int],
    tasks: Sequence[BenchmarkTask],
    protocol: Protocol = FULL,
    *,
    online: Sequence[BenchmarkTask] = (),
    data: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Submission:
    """Learn and score what a submission lacks; each seed is written when it is finished, as is each further place.

    Args:
        path: of the scores; policies are written beside it.
        entry: the algorithm.
        seeds: which of the frozen keys to learn with.
        tasks: of the suite, on which policies are frozen.
        protocol: how much is learned, and how it is judged.
        online: tasks of the suite, on which the algorithm goes on learning.
        data: folder with the notMNIST images.
        tell: receives a line about every lesson and score.

    Raises:
        ValueError: if the file holds another algorithm or other settings, or the algorithm does not fit.
        FloatingPointError: if a loss is not finite.
    """
    submission = files.begun(entry, protocol)
    wanted = [TOYS, *(task.id for task in tasks), *(task.id + ONLINE for task in online)]
    if path.exists():
        there = files.read(path)
        same = there._replace(runs=[]) == submission
        require(same, f"{path} was made by another algorithm, settings or protocol: name another file.")
        submission = there
    places = list(submission.runs[0].scores) if submission.runs else wanted

    def judged(mind: Mind, seed: int, places: Sequence[str]) -> dict[str, Score]:
        scores = judge(entry, mind, places, seed, protocol, data=data)
        tell(f"{entry.name}, seed {seed}: " + "; ".join(f"{place} {_percent(s)}" for place, s in scores.items()))
        return scores

    for seed in seeds:
        if seed in {run.seed for run in submission.runs}:
            continue
        mind, steps = learn(entry, seed, protocol, tell)
        run = PolicyRun(seed, steps, *files.keep_policy(path, seed, mind), judged(mind, seed, places))
        submission = submission._replace(runs=[*submission.runs, run])
        files.write(path, submission)
    for place in wanted:
        if place in places:
            continue
        minds = [files.load_policy(path, submission, run) for run in submission.runs]
        more = [judged(mind, run.seed, [place]) for mind, run in zip(minds, submission.runs, strict=True)]
        runs = [run._replace(scores=run.scores | own) for run, own in zip(submission.runs, more, strict=True)]
        submission = submission._replace(runs=runs)
        files.write(path, submission)
    return submission


def verify(path: Path, seed: int | None, named: str | None, *, data: Path | None = None) -> list[Comparison]:
    """Play a run of a submission again with its own policy.

    Args:
        path: of the scores.
        seed: of the run; None for the first one.
        named: module:Class of the algorithm if it is not the package's own: somebody's code runs only by name.
        data: folder with the notMNIST images.

    Raises:
        ValueError: if there is no such run, or its algorithm is somebody's and was not named.
    """
    submission = files.read(path)
    own = ":" not in submission.algorithm
    require(
        own or named == submission.algorithm,
        f"{path} was made by {submission.algorithm!r:.200}, which is not a part of synagents: read that code, put it "
        "here, and name it by --algorithm module:Class to run it.",
    )
    require(
        not own or named in (None, submission.algorithm), f"{path} was made by {submission.algorithm}, not {named}."
    )
    seeds = {run.seed: run for run in submission.runs}
    require(seed is None or seed in seeds, f"{path} has no run of seed {seed}: there are {', '.join(map(str, seeds))}.")
    run = submission.runs[0] if seed is None else seeds[seed]
    mind = files.load_policy(path, submission, run)
    played = judge(submission.entry(), mind, list(run.scores), run.seed, submission.protocol, data=data)
    return [Comparison(place, score, played[place]) for place, score in run.scores.items()]


def board(submissions: dict[str, Submission]) -> str:
    """The tables of `frozen` and `online` in Markdown."""
    tables = [table for table in (frozen(submissions), online(submissions)) if len(table) > 1]
    return "\n\n".join(_markdown(table) for table in tables)


def frozen(submissions: dict[str, Submission]) -> list[list[str]]:
    """A table's head, and a row for each submission, the best first.

    There are the loss on held-out toys, and accuracies in percent: mean (95 % bootstrap interval).
    """
    places = _places(submissions, "")
    found = [["algorithm", "runs", "agent-steps", "toys: loss", *(_short(place) for place in places)]]
    for name, own in _best_first(submissions):
        loss = bootstrap(mean, [_losses(own)])
        steps = f"{own.runs[0].agent_steps / 1e6:.0f} M"
        found.append([name, str(len(own.runs)), steps, str(loss), *_accuracies(own, places)])
    return found


def online(submissions: dict[str, Submission]) -> list[list[str]]:
    """The same of those that went on learning, by accuracies alone; the head alone where none did."""
    places = _places(submissions, ONLINE)
    found = [["algorithm, learning on", *(_short(place.removesuffix(ONLINE)) for place in places)]]
    played = ((name, _accuracies(own, places)) for name, own in _best_first(submissions))
    return [*found, *([name, *row] for name, row in played if any(row))]


def _places(submissions: dict[str, Submission], end: str) -> list[str]:
    """Where any of them was scored, in the order of the benchmark."""
    scored = {place for own in submissions.values() for run in own.runs for place in run.scores}
    order = (TOYS, *(task.id for task in TASKS.values()))
    return [task + end for task in order if task + end in scored]


def _short(place: str) -> str:
    return place.removeprefix("synapse/").removesuffix(f"-{VERSION}")


def _best_first(submissions: dict[str, Submission]) -> list[tuple[str, Submission]]:
    return sorted(submissions.items(), key=lambda pair: _losses(pair[1]).mean())


def _accuracies(submission: Submission, places: list[str]) -> list[str]:
    """In percent, with an interval; empty where it has not played."""
    found = []
    for place in places:
        there = [run.scores[place].accuracy * 100 for run in submission.runs if place in run.scores]
        estimate = bootstrap(mean, [np.array(there)]) if there else None
        found.append(f"{estimate.value:.1f} ({estimate.low:.1f}-{estimate.high:.1f})" if estimate else "")
    return found


def _markdown(table: list[list[str]]) -> str:
    head, *own = table
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *own])


def _losses(submission: Submission) -> np.ndarray:
    return np.array([run.scores[TOYS].loss for run in submission.runs])


def _percent(score: Score) -> str:
    return f"{100 * score.accuracy:.1f} %, loss {score.loss:.3f}"
