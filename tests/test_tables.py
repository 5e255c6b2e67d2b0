import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synagents.run.tables import FORMAT, TableError, load_table, read_table, save_table
from tests.claims import one_sentence
from tests.oracle import base3

TABLE = np.random.default_rng(0).normal(size=(81, 3)).astype(np.float32)


def told(path: Path, said: Any) -> str:
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises(TableError) as error:
        load_table(path)
    assert str(path) in str(error.value)
    return one_sentence(str(error.value))


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_a_table_is_read_back_as_it_was_saved(tmp_path: Path, memory: int) -> None:
    table = np.random.default_rng(0).normal(size=(9**memory, 3)).astype(np.float32)
    save_table(tmp_path / "t.json", table, {"seed": 3})
    read, about = read_table(tmp_path / "t.json")
    np.testing.assert_allclose(read, table, rtol=1e-6)  # seven digits
    assert (read.dtype, about) == (np.float32, {"seed": 3})
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_what_was_read_is_saved_as_the_same_file(tmp_path: Path) -> None:
    save_table(tmp_path / "one.json", TABLE)
    save_table(tmp_path / "two.json", load_table(tmp_path / "one.json"))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_table_file_is_json_with_a_row_per_history(tmp_path: Path) -> None:
    save_table(tmp_path / "t.json", TABLE)
    said = json.loads((tmp_path / "t.json").read_text())
    assert (said["format"], said["memory"], len(said["table"])) == (FORMAT, 2, 81)
    assert said["table"][40] == pytest.approx(TABLE[40].tolist(), rel=1e-6)


def test_the_shipped_table_is_one_for_two_rounds_and_says_where_it_comes_from() -> None:
    table, about = read_table()
    assert table.shape == (81, 3) and np.isfinite(table).all() and about
    assert len(set(table.argmax(axis=1).tolist())) > 1


def test_a_table_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    head = '{\n "format": "synagents-q-table/1",\n "memory": 1,\n "about": {\n  "rounds": 9,\n  "learner": "QTable"\n }'
    rows = ",\n".join(f"[0.5, {row}.0, -1e-07]" for row in range(9))
    (tmp_path / "t.json").write_text(f'{head},\n "table": [\n{rows}\n]}}\n')
    table, about = read_table(tmp_path / "t.json")
    assert table[8].tolist() == [0.5, 8.0, np.float32(-1e-7)] and about == {"rounds": 9, "learner": "QTable"}


def test_the_published_table_is_transposed_to_histories_by_actions(published_table: Path) -> None:
    said = json.loads(published_table.read_text())["Q"]
    table, about = read_table(published_table)
    assert table.shape == (81, 3) and "SynRL" in about["source"]
    for action, older, last, older_reward, last_reward in [(0, -1, -1, -1, -1), (2, 1, 0, -1, 1), (1, 0, 1, 0, -1)]:
        cell = said[action][older + 1][last + 1][older_reward + 1][last_reward + 1]
        assert table[base3([older, last, older_reward, last_reward]), action] == pytest.approx(cell)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ([], "format"),
        ({}, "format"),
        ({"format": "synagents-q-table/2", "memory": 2, "table": TABLE.tolist()}, "format"),
        ({"format": FORMAT, "memory": 2, "table": TABLE.tolist()[1:]}, "shape (80, 3)"),
        ({"format": FORMAT, "memory": 1, "table": TABLE.tolist()}, "shape (81, 3)"),
        ({"format": FORMAT, "memory": 2, "table": TABLE.T.tolist()}, "shape (3, 81)"),
        ({"format": FORMAT, "memory": "two", "table": TABLE.tolist()}, "memory 'two'"),
        ({"format": FORMAT, "memory": None, "table": TABLE.tolist()}, "memory None"),
        ({"format": FORMAT, "memory": 1000, "table": TABLE.tolist()}, "memory 1000"),
        ({"format": FORMAT, "memory": 2}, "shape"),
        ({"format": FORMAT, "memory": 2, "table": [[1, 2, 3]] * 80 + [[1, 2]]}, "equal rows of numbers"),
        ({"format": FORMAT, "memory": 2, "table": [["a", 0, 0]] * 81}, "equal rows of numbers"),
        ({"format": FORMAT, "memory": 2, "table": [[float("nan"), 0, 0]] * 81}, "not finite"),
        ({"format": FORMAT, "memory": 2, "table": [[float("inf"), 0, 0]] * 81}, "not finite"),
        ({"format": FORMAT, "memory": 2, "table": [[1e300, 0, 0]] * 81}, "not finite"),
        ({"axes": ["action a_t", "a_{t-2}", "a_{t-1}", "R_{t-2}", "R_{t-1}"], "Q": [[1, 2, 3]]}, "has (1, 3)"),
        ('{"format":' + 100_000 * "[", "nested too deeply"),
    ],
)
def test_what_is_no_table_is_told_in_one_sentence(tmp_path: Path, said: Any, because: str) -> None:
    assert because in told(tmp_path / "t.json", said)


def test_a_missing_file_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        load_table(tmp_path / "none.json")
    assert "synagents learn-table" in one_sentence(str(error.value))


@pytest.mark.parametrize("table", [TABLE[:80], TABLE[:, :2], TABLE * np.nan, np.zeros((0, 3)), np.zeros(3)])
def test_no_useless_table_is_saved(tmp_path: Path, table: np.ndarray) -> None:
    with pytest.raises(TableError):
        save_table(tmp_path / "t.json", table)
    assert not list(tmp_path.iterdir())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {"format": st.just(FORMAT) | ANYTHING, "memory": st.integers(-1, 10) | ANYTHING, "table": ANYTHING},
    optional={"about": ANYTHING, "axes": ANYTHING, "Q": ANYTHING},
)


@settings(deadline=None)
@given(st.binary(max_size=64) | (ANYTHING | NEARLY).map(lambda said: json.dumps(said).encode()))
@example(json.dumps({"format": FORMAT, "memory": True, "table": [[0, 0, 0]] * 9}).encode())
@example(json.dumps({"format": FORMAT, "memory": 1, "table": [[10**400, 0, 0]] * 9}).encode())
@example(json.dumps({"format": FORMAT, "memory": 1, "table": [[None, 0, 0]] * 9}).encode())
@example(b'{"format": "' + FORMAT.encode() + b'", "memory": 1, "table": ' + b"9" * 5000 + b"}")
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
