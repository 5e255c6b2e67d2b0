"""What every score was made with, in a file beside the scores, so that parts from several machines can be joined.

    scores.about.json: {task id: {line: {"version": of synagents, "jax": its version, "data": what the task says of it,
                                         "settings": all of them, "seeds": [[seed, runs], ...]}}}

The scores themselves have marl-eval's layout, which has no place for it.
"""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from synagents.benchmark import results
from synagents.benchmark.decisions import BoardTask, DecisionsTask
from synagents.benchmark.line_settings import chosen
from synagents.benchmark.results import Curves, Scores
from synagents.cli import flags
from synagents.hyperparameters import Values, require
from synagents.run.files import Json, write_whole

Made = dict[str, dict[str, Json]]  # {task id: {line: what it was made with}}


def made_with(task: BoardTask, line: str, given: Values, runs: int, seed: int, data: Path | None) -> Json:
    """What a score is about to be made with, as JSON has it; arguments as `lines.play`."""
    versions = {"version": version("synagents"), "jax": version("jax")}
    return versions | {"data": data_of(task, data)} | asked_of(task, line, given, runs, seed)


def asked_of(task: BoardTask, line: str, given: Values, runs: int, seed: int) -> Json:
    """The part of it that needs no data: all settings, and the seeds."""
    settings = {name: flags.plain(value) for name, value in (chosen(task, line) | given).items()}
    return {"settings": settings, "seeds": [[seed, runs]]}


def data_of(task: BoardTask, data: Path | None) -> dict[str, str]:
    """What the task says of its data, with a checksum where it reads files; empty where all is made from the code."""
    if isinstance(task, DecisionsTask):
        return {}
    return {name: str(value) for name, value in task.make(1, data=data).description}


def beside(path: Path) -> Path:
    """The file that says what the scores in a file were made with."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".json") + ".about.json")


def write(path: Path, made: Made) -> None:
    """Write it beside the scores at `path`, whole or not at all."""
    write_whole(beside(path), json.dumps(made, indent=1).encode())


def read(path: Path) -> Made:
    """What the scores at `path` were made with; empty where no file says so.

    Raises:
        ValueError: if the file beside them is no such file.
    """
    file = beside(path)
    if not file.is_file():
        return {}
    require(file.stat().st_size <= results.MOST_BYTES, f"{file} is too large to say what scores were made with.")
    try:
        made = json.loads(file.read_bytes())
        for cells in made.values():
            for cell in cells.values():
                parts = (cell["version"], cell["data"], cell["settings"], [(int(a), int(b)) for a, b in cell["seeds"]])
                assert [type(part) for part in parts] == [str, dict, dict, list]
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise ValueError(
            f"{file} does not say what scores were made with: remove it, or bring the right one."
        ) from error
    return made


def difference(one: Json, other: Json, names: Sequence[str]) -> str | None:
    """Which of the named things differ between two scores, in words; None where none does."""
    for name in names:
        mine, theirs = one[name], other[name]
        if mine == theirs:
            continue
        if isinstance(mine, dict):
            odd = min(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
            return f"{name} ({odd}: {mine.get(odd)!s:.40} and {theirs.get(odd)!s:.40})"
        return f"{name} ({mine} and {theirs})"
    return None


def merge(files: Sequence[Path]) -> tuple[Scores, Made]:
    """The scores of several files as one, and what they were made with.

    A line that several files have on a task is joined where its runs have different seeds; the same runs again are left
    out.

    Args:
        files: of scores, each with its file beside it.

    Raises:
        ValueError: if scores differ in version, in a task's data or in a line's settings, if runs of one seed differ,
            or if nothing says what a score was made with.
    """
    scores: Scores = {}
    made: Made = {}
    origin: dict[str, Path] = {}  # where a task was first seen, for sentences
    for path, task, line, curves, own in _cells(files):
        _require_alike(made, origin, task, line, own, path)
        there, joined = made.setdefault(task, {}), scores.setdefault(task, {})
        if line in there:
            curves, own = _joined(joined[line], there[line], curves, own, f"{line} on {task}")
        joined[line], there[line] = curves, own
        origin.setdefault(task, path)
    return scores, made


def _cells(files: Sequence[Path]) -> Iterator[tuple[Path, str, str, Curves, Json]]:
    """Every score of all files: where it is, its task and line, the curves, and what they were made with."""
    for path in files:
        about = read(path)
        found = [(task, line, curves) for task, lines in results.read(path).items() for line, curves in lines.items()]
        for task, line, curves in found:
            own = about.get(task, {}).get(line)
            if own is None:
                raise ValueError(f"Nothing says what {line} on {task} in {path} was made with: play it again.")
            yield path, task, line, curves, own


def _require_alike(made: Made, origin: dict[str, Path], task: str, line: str, own: Json, path: Path) -> None:
    """ValueError where a score differs from those before it in something that must be the same."""
    for name, cells in made.items():
        for other, before in cells.items():
            of_one_data = name == task or before["data"].get("data") == own["data"].get("data") is not None
            of_one_line = (name, other) == (task, line)
            odd = difference(before, own, ["version"] + ["data"] * of_one_data + ["settings"] * of_one_line)
            require(
                odd is None,
                f"{other} on {name} in {origin[name]} and {line} on {task} in {path} differ in {odd}: play "
                "one of them again.",
            )


def _joined(curves: Curves, made: Json, more: Curves, own: Json, whose: str) -> tuple[Curves, Json]:
    """Runs of a line from two files; the runs of a seed that both have, once."""
    require(np.array_equal(curves.cost, more.cost), f"Runs of {whose} were looked at after different costs.")
    there = _by_seed(curves, made)
    for seed, runs in _by_seed(more, own).items():
        known = there.get(seed, runs)
        same = np.array_equal(runs.score, known.score) and np.array_equal(runs.loss, known.loss)
        require(same, f"Two files have runs of {whose} with the seed {seed} that are not the same runs.")
        there[seed] = runs
    score, loss = (np.concatenate([getattr(runs, name) for runs in there.values()]) for name in ("score", "loss"))
    seeds = [[seed, len(runs.loss)] for seed, runs in there.items()]
    return curves._replace(score=score, loss=loss), made | {"seeds": seeds}


def _by_seed(curves: Curves, made: Json) -> dict[int, Curves]:
    """The runs of each seed."""
    found, start = {}, 0
    for seed, runs in made["seeds"]:
        rows = slice(start, start + runs)
        found[seed] = curves._replace(score=curves.score[rows], loss=curves.loss[rows])
        start += runs
    return found
