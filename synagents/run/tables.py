"""A table of action values as a small file that people can read and exchange: JSON, never pickle.

    {"format": "synagents-q-table/2", "rounds": n, "traces": D, "edges": [of a trace's buckets], "credit": "agent",
     "table": [[Q(-), Q(0), Q(+)], ... one row per history], "about": {where it comes from}}

A table of agents who name one of A levels says "actions": A, and has A columns.

Rows are in the order of "discrete" observations: traces before rounds, the first most significant
(`synagents.agents.codes`, `evidence`). Files of version 1, which were all over n = "memory" rounds, and the reference
paper's published table (`axes` with the action first) are understood too.
"""

import importlib.resources
import json
from importlib.resources.abc import Traversable
from pathlib import Path

import jax
import numpy as np

from synagents.agents.codes import MAX_MEMORY, MOST_LEVELS, NUM_ACTIONS, num_codes
from synagents.agents.evidence import EDGES
from synagents.agents.histories import Histories
from synagents.agents.tables import Table, described
from synagents.loop import Run
from synagents.run.files import Json, path_of, write_whole
from synagents.world import Credit

FORMAT = "synagents-q-table/2"
OLD_FORMAT = "synagents-q-table/1"
PUBLISHED_AXES = ["action a_t", "a_{t-2}", "a_{t-1}", "R_{t-2}", "R_{t-1}"]
MOST_BYTES = 64_000_000  # a table of memory 6 as text; no file is read beyond
MOST_TRACES = 3
SHIPPED = importlib.resources.files("synagents") / "assets" / "tables"


class TableError(ValueError):
    """A file does not hold a usable table; the message is one sentence: which file, what is wrong, what to do."""


def load_table(path: str | Path | None = None, *, learner: str = "q-table") -> Table:
    """The table in a file, or the one that the package ships.

    Args:
        path: a file written by `save_table`, or the reference paper's table; None for the shipped one.
        learner: whose shipped table, by name.

    Raises:
        FileNotFoundError: if there is no such file.
        TableError: if it holds no usable table.
        ValueError: if the package ships none for this learner.
    """
    return read_table(path, learner=learner)[0]


def read_table(path: str | Path | None = None, *, learner: str = "q-table") -> tuple[Table, Json]:
    """The table in a file, and what the file says about where it comes from; arguments and errors as `load_table`."""
    source: Path | Traversable = SHIPPED / f"{learner}.json" if path is None else path_of(path)
    if path is None and not source.is_file():
        own = sorted(file.name.removesuffix(".json") for file in SHIPPED.iterdir() if file.name.endswith(".json"))
        raise ValueError(f"The package ships no table for {learner}, only for {' and '.join(own)}: start from zeros.")
    if not source.is_file():
        raise FileNotFoundError(f"There is no table at {source}: `synagents learn-table --out {source}` makes one.")
    with source.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    try:
        if len(text) > MOST_BYTES:
            raise TableError(f"is larger than {MOST_BYTES:,} bytes")
        return _understand(json.loads(text))
    except RecursionError as error:
        raise TableError(f"{source} is nested too deeply to be a table: `synagents learn-table` makes one.") from error
    except TableError as error:
        raise TableError(f"{source} {error}: `synagents learn-table` makes a table.") from error
    except ValueError as error:  # json's and unicode's errors are ValueErrors
        raise TableError(f"{source} is not JSON ({error}): `synagents learn-table` makes a table.") from error


def save_table(path: str | Path, table: Table, about: Json | None = None) -> None:
    """Write a table, whole or not at all.

    Args:
        path: the file to write, in a directory that is there.
        table: with finite values f32[S, A].
        about: where it comes from: anything JSON can say.

    Raises:
        TableError: if the values are not finite, or not as many as there are histories.
    """
    write_whole(path, table_text(table, about))


def table_text(table: Table, about: Json | None = None) -> bytes:
    """The content of a table's file; arguments and errors as `save_table`."""
    if not isinstance(table, Table):
        raise TableError(
            f"A bare {type(table).__name__} does not say what its rows mean: save Table(values, histories, credit)."
        )
    values, histories = np.asarray(table.values, np.float32), table.histories
    _check(values, histories)
    rows = ",\n".join(json.dumps([float(f"{value:.7g}") for value in row]) for row in values)
    head: Json = {"format": FORMAT, "rounds": histories.memory, "traces": histories.decays}
    head |= {"edges": list(EDGES)} if histories.decays else {}
    head |= {"actions": histories.actions} if histories.actions != NUM_ACTIONS else {}
    written = json.dumps(head | {"credit": table.credit, "about": about or {}}, indent=1)
    return f'{written.removesuffix("}").rstrip()},\n "table": [\n{rows}\n]}}\n'.encode()


def tables_of(run: Run) -> list[Table]:
    """Every run's table, where the learner has one and the world says what its rows are."""
    values = jax.vmap(run.learner.action_values, axis_size=run.num_runs)(run.mind)
    about = run.world.groups[0].about
    if values is None or not isinstance(about, Histories):
        return []
    return [Table(each, about, run.learner.credit) for each in np.asarray(values)]


def _understand(content: object) -> tuple[Table, Json]:
    if isinstance(content, dict) and content.get("axes") == PUBLISHED_AXES:
        published = _array(content.get("Q"))
        if published.shape != (NUM_ACTIONS,) * 5:
            raise TableError(
                f"should hold the published table of shape {(NUM_ACTIONS,) * 5}, but has {published.shape}"
            )
        values = np.moveaxis(published, 0, -1).reshape(num_codes(2), NUM_ACTIONS)
        return _checked(values, Histories(2), "agent"), {"source": content.get("source", "unknown")}
    said = content if isinstance(content, dict) else {}
    if said.get("format") not in (FORMAT, OLD_FORMAT):
        raise TableError(f"does not say that its format is {FORMAT}")
    about = said.get("about", {})
    old = said["format"] == OLD_FORMAT
    rounds, traces = (
        _whole(said, "memory" if old else "rounds", MAX_MEMORY),
        0 if old else _whole(said, "traces", MOST_TRACES),
    )
    if traces and said.get("edges") != list(EDGES):
        raise TableError("is over other buckets of traces than agents see in this version")
    credit: Credit = "agent" if old or said.get("credit") == "agent" else "team"
    if credit == "team" and said.get("credit") != "team":
        raise TableError(f"credits {said.get('credit')!r:.40} instead of 'agent' or 'team'")
    actions = _whole(said, "actions", MOST_LEVELS, 2) if "actions" in said else NUM_ACTIONS
    table = _checked(_array(said.get("table")), Histories(rounds, traces, actions), credit)
    return table, about if isinstance(about, dict) else {}


def _whole(said: Json, name: str, most: int, least: int = 0) -> int:
    number = said.get(name)
    if type(number) is not int or not least <= number <= most:
        raise TableError(f"has {name} {number!r:.40} instead of a whole number from {least} to {most}")
    return number


def _array(rows: object) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large becomes infinite, which is refused as such
            return np.asarray(rows, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise TableError("holds something other than equal rows of numbers") from error


def _checked(values: np.ndarray, histories: Histories, credit: Credit) -> Table:
    _check(values, histories)
    return Table(values, histories, credit)


def _check(values: np.ndarray, histories: Histories) -> None:
    shape = (histories.size, histories.actions)
    if not (histories.memory or histories.decays):
        raise TableError("is over neither rounds nor traces")
    if values.shape != shape:
        raise TableError(f"has shape {values.shape} instead of {shape} for {described(histories)}")
    if not np.isfinite(values).all():
        raise TableError("has values that are not finite")
