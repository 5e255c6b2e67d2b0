import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synagents.agents.evidence import EDGES
from synagents.agents.histories import Histories
from synagents.agents.tables import Table
from synagents.run.tables import FORMAT, OLD_FORMAT, TableError, load_table, read_table, save_table
from tests.claims import one_sentence
from tests.oracle import base3

TABLE = np.random.default_rng(0).normal(size=(81, 3)).astype(np.float32)
SAID = {"format": FORMAT, "rounds": 2, "traces": 0, "credit": "agent", "table": TABLE.tolist()}
TRACED = SAID | {"rounds": 1, "traces": 1, "edges": list(EDGES), "credit": "team"}
OLD = {"format": OLD_FORMAT, "memory": 2, "table": TABLE.tolist()}


def of(values: np.ndarray, rounds: int = 2, traces: int = 0, credit: Any = "agent") -> Table:
    return Table(values, Histories(rounds, traces), credit)


def told(path: Path, said: Any) -> str:
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises(TableError) as error:
        load_table(path)
    assert str(path) in str(error.value)
    return one_sentence(str(error.value))


@pytest.mark.parametrize(
    ("rounds", "traces", "credit"), [(1, 0, "agent"), (3, 0, "team"), (0, 1, "team"), (1, 1, "team")]
)
def test_a_table_is_read_back_as_it_was_saved(tmp_path: Path, rounds: int, traces: int, credit: Any) -> None:
    values = np.random.default_rng(0).normal(size=(Histories(rounds, traces).size, 3)).astype(np.float32)
    save_table(tmp_path / "t.json", of(values, rounds, traces, credit), {"seed": 3})
    read, about = read_table(tmp_path / "t.json")
    np.testing.assert_allclose(read.values, values, rtol=1e-6)  # seven digits
    assert (read.histories, read.credit, about) == (Histories(rounds, traces), credit, {"seed": 3})
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_what_was_read_is_saved_as_the_same_file(tmp_path: Path) -> None:
    save_table(tmp_path / "one.json", of(TABLE))
    save_table(tmp_path / "two.json", load_table(tmp_path / "one.json"))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_table_file_is_json_with_a_row_per_history_and_says_what_its_rows_are(tmp_path: Path) -> None:
    save_table(tmp_path / "t.json", of(TABLE, 1, 1, "team"))
    said = json.loads((tmp_path / "t.json").read_text())
    assert (said["format"], said["rounds"], said["traces"], said["credit"], len(said["table"])) == (
        FORMAT,
        1,
        1,
        "team",
        81,
    )
    assert said["edges"] == list(EDGES)
    assert said["table"][40] == pytest.approx(TABLE[40].tolist(), rel=1e-6)


def test_the_shipped_table_is_one_for_two_rounds_and_says_where_it_comes_from() -> None:
    table, about = read_table()
    assert table.histories == Histories(2) and table.credit == "agent" and about
    assert np.isfinite(table.values).all() and len(set(np.argmax(table.values, axis=1).tolist())) > 1


def test_a_learner_without_a_shipped_table_is_told_who_has_one() -> None:
    with pytest.raises(ValueError, match="q-table") as error:
        load_table(learner="sarsa")
    assert "no table for sarsa" in one_sentence(str(error.value))


def test_a_table_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    head = '{\n "format": "synagents-q-table/1",\n "memory": 1,\n "about": {\n  "rounds": 9,\n  "learner": "QTable"\n }'
    rows = ",\n".join(f"[0.5, {row}.0, -1e-07]" for row in range(9))
    (tmp_path / "t.json").write_text(f'{head},\n "table": [\n{rows}\n]}}\n')
    table, about = read_table(tmp_path / "t.json")
    assert table.histories == Histories(1) and table.credit == "agent"
    assert table.values[8].tolist() == [0.5, 8.0, np.float32(-1e-7)] and about == {"rounds": 9, "learner": "QTable"}


def test_the_published_table_is_transposed_to_histories_by_actions(published_table: Path) -> None:
    said = json.loads(published_table.read_text())["Q"]
    table, about = read_table(published_table)
    assert table.histories == Histories(2) and "SynRL" in about["source"]
    for action, older, last, older_reward, last_reward in [(0, -1, -1, -1, -1), (2, 1, 0, -1, 1), (1, 0, 1, 0, -1)]:
        cell = said[action][older + 1][last + 1][older_reward + 1][last_reward + 1]
        assert table.values[base3([older, last, older_reward, last_reward]), action] == pytest.approx(cell)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ([], "format"),
        ({}, "format"),
        (SAID | {"format": "synagents-q-table/3"}, "format"),
        (SAID | {"table": TABLE.tolist()[1:]}, "shape (80, 3)"),
        (SAID | {"rounds": 1}, "shape (81, 3)"),
        (SAID | {"table": TABLE.T.tolist()}, "shape (3, 81)"),
        (SAID | {"rounds": "two"}, "rounds 'two'"),
        (SAID | {"rounds": None}, "rounds None"),
        (SAID | {"rounds": 1000}, "rounds 1000"),
        (SAID | {"rounds": 0}, "neither rounds nor traces"),
        (SAID | {"traces": 4}, "traces 4"),
        (SAID | {"credit": "nobody"}, "credits 'nobody'"),
        (TRACED | {"edges": [0.0]}, "other buckets"),
        (OLD | {"memory": 1}, "shape (81, 3)"),
        (OLD | {"memory": "two"}, "memory 'two'"),
        (OLD | {"memory": 1000}, "memory 1000"),
        ({name: said for name, said in SAID.items() if name != "table"}, "shape"),
        (SAID | {"table": [[1, 2, 3]] * 80 + [[1, 2]]}, "equal rows of numbers"),
        (SAID | {"table": [["a", 0, 0]] * 81}, "equal rows of numbers"),
        (SAID | {"table": [[float("nan"), 0, 0]] * 81}, "not finite"),
        (SAID | {"table": [[float("inf"), 0, 0]] * 81}, "not finite"),
        (SAID | {"table": [[1e300, 0, 0]] * 81}, "not finite"),
        ({"axes": ["action a_t", "a_{t-2}", "a_{t-1}", "R_{t-2}", "R_{t-1}"], "Q": [[1, 2, 3]]}, "has (1, 3)"),
        ('{"format":' + 100_000 * "[", "nested too deeply"),
    ],
)
def test_what_is_no_table_is_told_in_one_sentence(tmp_path: Path, said: Any, because: str) -> None:
    assert because in told(tmp_path / "t.json", said)


def test_a_bare_array_is_not_saved_because_it_does_not_say_what_its_rows_mean(tmp_path: Path) -> None:
    with pytest.raises(TableError) as error:
        save_table(tmp_path / "t.json", TABLE)  # type: ignore[arg-type]
    assert "ndarray" in one_sentence(str(error.value)) and not list(tmp_path.iterdir())


def test_a_missing_file_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        load_table(tmp_path / "none.json")
    assert "synagents learn-table" in one_sentence(str(error.value))


@pytest.mark.parametrize("table", [TABLE[:80], TABLE[:, :2], TABLE * np.nan, np.zeros((0, 3)), np.zeros(3)])
def test_no_useless_table_is_saved(tmp_path: Path, table: np.ndarray) -> None:
    with pytest.raises(TableError):
        save_table(tmp_path / "t.json", of(table))
    assert not list(tmp_path.iterdir())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {
        "format": st.sampled_from([FORMAT, OLD_FORMAT]) | ANYTHING,
        "rounds": st.integers(-1, 10) | ANYTHING,
        "table": ANYTHING,
    },
    optional={
        "memory": st.integers(-1, 10),
        "traces": st.integers(-1, 4),
        "credit": st.just("team") | ANYTHING,
        "about": ANYTHING,
        "axes": ANYTHING,
        "Q": ANYTHING,
    },
)


@settings(deadline=None)
@given(st.binary(max_size=64) | (ANYTHING | NEARLY).map(lambda said: json.dumps(said).encode()))
@example(json.dumps({"format": OLD_FORMAT, "memory": True, "table": [[0, 0, 0]] * 9}).encode())
@example(json.dumps({"format": OLD_FORMAT, "memory": 1, "table": [[10**400, 0, 0]] * 9}).encode())
@example(json.dumps({"format": OLD_FORMAT, "memory": 1, "table": [[None, 0, 0]] * 9}).encode())
@example(b'{"format": "' + OLD_FORMAT.encode() + b'", "memory": 1, "table": ' + b"9" * 5000 + b"}")
@example(b'{"axes": ["action a_t", "a_{t-2}", "a_{t-1}", "R_{t-2}", "R_{t-1}"], "Q": {"a": 1}}')
@example(b"\xff\xfe")
def test_any_file_is_a_table_or_a_table_error(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(body)
    try:
        table, about = read_table(path)
    except TableError as error:
        assert "\n" not in str(error)
    else:
        assert table.dtype == np.float32 and table.shape[1] == 3 and isinstance(about, dict)
