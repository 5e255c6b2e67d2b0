"""What the studies share: finished cells kept in a file, timing in turns, intervals, programs that were compiled.

Variants that are compared take turns, so that a machine that is busy for a while slows all of them alike. Intervals are
95 % intervals of a mean over runs (Student's t).
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import jax
from scipy import stats

RESULTS = Path(__file__).with_name("results")
SETTINGS = Path(__file__).parents[1] / "synagents" / "assets" / "bench_settings.json"  # all of the benchmark's lines
Step = Callable[[int], None]  # plays so many steps and waits for them


class Cells:
    """The finished cells of a study, by key, in the order in which they were played.

    Args:
        path: of the file, one line of JSON for each cell; it and its folder are made when the first cell is added.
        key: the field of a row that says which cell it is.
    """

    def __init__(self, path: Path, key: str = "key"):
        self.path, self.key = path, key
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: dict[str, dict[str, Any]] = {row[key]: row for row in map(json.loads, lines)}

    def __contains__(self, cell: str) -> bool:
        return cell in self.rows

    def __getitem__(self, cell: str) -> dict[str, Any]:
        return self.rows[cell]

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Keep a finished cell."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as out:
            out.write(json.dumps(row) + "\n")
        self.rows[row[self.key]] = row
        return row


def tell(
    cells: Cells,
    seeds: Sequence[int],
    table: Callable[[list[dict[str, Any]]], None],
    draw: Callable[[list[dict[str, Any]], Path], None],
    plot: Path | None,
) -> None:
    """Print a study's table of the finished cells of some seeds, and draw its picture where a file is named."""
    rows = [row for row in cells.rows.values() if row["seed"] in seeds]
    table(rows)
    if plot:
        draw(rows, plot)


def write_settings(chosen: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Put the settings of the lines of some tasks into the benchmark's asset, a line of text for each of its lines."""
    blocks = []
    for name, of_lines in (json.loads(SETTINGS.read_text()) | chosen).items():
        rows = ",\n".join(f"  {json.dumps(line)}: {json.dumps(settings)}" for line, settings in of_lines.items())
        blocks.append(f" {json.dumps(name)}: {{\n{rows}\n }}")
    SETTINGS.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def interval(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean (Student's t), of two numbers or more."""
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))


def percent(accuracies: Sequence[float], digits: int = 1) -> str:
    """Mean +- half the 95 % interval (Student's t) of shares in [0, 1], in percent."""
    return f"{100 * mean(accuracies):.{digits}f} +- {100 * interval(accuracies):.{digits}f}"


def repeated(play: Callable[[], object]) -> Step:
    """One step that is called again and again."""

    def steps(count: int) -> None:
        for _ in range(count):
            play()

    return steps


def seconds_per_step(play: Step, steps: int, times: int) -> float:
    """The median over `times` calls of `steps` steps each; a first call, which compiles, is not counted."""
    play(steps)
    return median(_timed(play, steps) for _ in range(times))


def take_turns(
    variants: dict[str, Step], turns: int, *, seconds: float, multiples: dict[str, int] | None = None, least: int = 10
) -> dict[str, list[float]]:
    """Seconds per step of every variant in every turn.

    Args:
        variants: what is timed, by name.
        turns: of every variant, >= 1.
        seconds: of one turn of one variant, about.
        multiples: where the steps of a turn must be a multiple of more than `least`.
        least: the smallest number of steps in a turn, of which all others are multiples.
    """
    counts = {}
    for name, play in variants.items():
        unit = (multiples or {}).get(name, least)
        play(unit)  # compiles
        counts[name] = max(1, round(seconds / (unit * _timed(play, unit)))) * unit
        if counts[name] > unit:
            play(counts[name])  # compiles for this length
    timed: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(turns):
        for name, play in variants.items():
            timed[name].append(_timed(play, counts[name]))
    return timed


def ratio(seconds: dict[str, list[float]], against: str, name: str) -> float:
    """Throughput of `name` as a multiple of that of `against`: the median over turns of their times' ratio."""
    return median(a / b for a, b in zip(seconds[against], seconds[name], strict=True))


def compilations(prefix: str = "/jax/core/compile/") -> list[float]:
    """A list to which the seconds of every later compilation are added: events of JAX that begin so.

    Its last part, of which there is one for each program, is "/jax/core/compile/backend".
    """
    compiled: list[float] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith(prefix):
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return compiled


def _timed(play: Step, steps: int) -> float:
    """Seconds per step of one call."""
    started = time.perf_counter()
    play(steps)
    return (time.perf_counter() - started) / steps
