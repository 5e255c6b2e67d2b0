import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from synagents.agents.histories import Histories
from synagents.agents.tables import Table
from synagents.cli.main import cli
from synagents.loop import begin
from synagents.run.callbacks import Callback
from synagents.run.reading import read_metrics
from tests.runs import CROWD, LEARNER, SPEC, WORLD, Killed, at, play


class Notes(Callback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.looks: list[tuple[int, list[dict[str, float]]]] = []
        self.ended: list[Any] = []

    def on_begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        assert (directory / "config.json").is_file() and config["seed"] == 3
        self.began.append(step)

    def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
        self.looks.append((step, rows))

    def on_end(self, summary: dict[str, Any] | None) -> None:
        self.ended.append(summary)


def test_a_callback_is_told_of_the_beginning_every_row_and_the_end(tmp_path: Path) -> None:
    notes = Notes()
    _, summary = play(tmp_path, CROWD, callbacks=[notes])
    assert notes.began == [0] and notes.ended == [summary]
    columns = read_metrics(tmp_path)
    for name in ("step", "run", "loss", "probe.action_mix.layer0_bias.0"):
        told = [row[name] for _, rows in notes.looks for row in rows]
        np.testing.assert_array_equal(told, columns[name])


def test_a_run_that_was_stopped_ends_without_a_summary_and_goes_on_where_it_stood(tmp_path: Path) -> None:
    notes = Notes()
    with pytest.raises(Killed):
        play(tmp_path, callbacks=[notes], watch=at(7, Killed))
    play(tmp_path, callbacks=[notes])
    assert notes.began == [0, 6] and notes.ended[0] is None and notes.ended[1]["steps"] == 12
    assert [step for step, _ in notes.looks] == [*range(1, 7), *range(7, 13)]


def test_a_lost_connection_is_told_once_and_training_goes_on_but_a_mistake_ends_the_run(tmp_path: Path) -> None:
    class Lost(Callback):
        def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
            raise ConnectionError("gone")

    class Wrong(Callback):
        def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
            raise KeyError("accuracy")

    told: list[str] = []
    _, summary = play(tmp_path / "a", callbacks=[Lost()], tell=told.append)
    assert summary["steps"] == 12 and len(told) == 1 and "gone" in told[0]
    with pytest.raises(KeyError):
        play(tmp_path / "b", callbacks=[Wrong()])


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """{tag: {step: value}} of all event files in a folder, as TensorBoard reads them: a session's start ends others."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found: dict[str, dict[int, float]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*"), key=lambda file: file.stat().st_mtime_ns):
        content, place = file.read_bytes(), 0
        while place < len(content):  # a record: its length, a checksum, an event, a checksum
            length = struct.unpack_from("<Q", content, place)[0]
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += 16 + length
            if event.HasField("session_log") and event.session_log.status == SessionLog.START:
                found = {tag: {t: v for t, v in own.items() if t < event.step} for tag, own in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_has_the_numbers_of_metrics_csv_also_where_a_run_was_stopped(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from synagents.report.tensorboard import TensorBoard

    with pytest.raises(Killed):
        play(tmp_path, callbacks=[TensorBoard()], watch=at(7, Killed), checkpoint_seconds=None)
    play(tmp_path, callbacks=[TensorBoard()])
    found, columns = scalars(tmp_path / "tensorboard"), read_metrics(tmp_path)
    assert list(found["loss"]) == list(columns["step"])
    np.testing.assert_allclose(list(found["loss"].values()), columns["loss"], rtol=1e-6)
    play_again = replace(SPEC, num_runs=2)
    play(tmp_path / "two", play_again, callbacks=[TensorBoard()])
    assert scalars(tmp_path / "two/tensorboard/run-1")["loss"] != scalars(tmp_path / "two/tensorboard/run-0")["loss"]


def test_notebooks_show_a_run_and_a_table_as_tables() -> None:
    shown = begin(0, WORLD, LEARNER)._repr_html_()
    assert "<td>rounds played</td><td>0</td>" in shown and "SynapseWorld" in shown
    table = Table(np.arange(9, dtype=np.float32).reshape(9, 1) / 7, Histories(0, 1, 1), "team")
    assert "<td>8</td><td>1.143</td>" in table._repr_html_()


def test_the_command_writes_event_files_and_overwriting_removes_them(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    line = ["train", "xor", "--hidden", "2", "--steps", "4", "--quiet", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(cli, [*line, "--tensorboard"], obj=0.0)
    assert done.exit_code == 0, done.output
    assert max(scalars(tmp_path / "run/tensorboard")["loss"]) == 4
    assert CliRunner().invoke(cli, [*line, "--overwrite"], obj=0.0).exit_code == 0
    assert not scalars(tmp_path / "run/tensorboard")
