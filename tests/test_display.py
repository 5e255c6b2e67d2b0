"""What people see of a run: a display that never stops it, a closing table, a picture."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synagents
from synagents.envs import synapse_v0
from synagents.report.live import Live, closing_table, data_line, fitting
from synagents.report.plot import plot_run
from synagents.run.directory import RunDirectory
from synagents.run.fit import fit
from tests.runs import SPEC, Killed, at, in_a_shell, play, refused, result


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    play(directory, checkpoint_seconds=None)
    return directory


# Displays that fail


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(32, "Broken pipe"),
        OSError(5, "Input/output error"),
        ValueError("I/O operation on closed file."),
    ],
)
def test_a_display_that_cannot_be_written_is_dropped_and_the_run_is_whole(
    undisturbed: Path, tmp_path: Path, error: Exception
) -> None:
    calls: list[str] = []

    def broken(name: str) -> Callable[..., None]:
        def show(*args: Any) -> None:
            calls.append(name)
            raise error

        return show

    play(tmp_path / "run", compiling=broken("compiling"), watch=broken("watch"), tell=broken("tell"))
    assert sorted(calls) == ["compiling", "tell", "watch"]  # once each
    assert result(tmp_path / "run") == result(undisturbed)


def test_a_display_that_fails_is_told_where_somebody_listens(tmp_path: Path) -> None:
    said: list[str] = []
    missing = at(1, lambda: open(tmp_path / "missing"))
    play(tmp_path / "run", 2, watch=missing, tell=said.append)
    assert len(said) == 1 and "What shows the run failed (FileNotFoundError" in said[0]


def test_a_mistake_in_a_watch_of_ones_own_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        play(tmp_path / "run", 2, watch=at(1, lambda: int("mine")))


def shown(directory: str | Path, rounds: int, *, quiet: bool = False) -> dict[str, Any]:
    """Play a run as the command line does, with its display on stderr."""
    spec = replace(SPEC, rounds=rounds)
    with Live("xor [red]q", rounds, quiet=quiet) as live:
        _, summary = fit(spec, directory, compiling=live.compiling, watch=live.show, tell=live.tell)
    live.close(closing_table(summary, RunDirectory(directory).path))
    return summary


@pytest.mark.parametrize("fault", ["full", "pipe", "closed", "none"])
def test_a_stderr_that_is_closed_full_or_gone_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"full": lambda: open("/dev/full", "w"), "pipe": lambda: open(writer, "w", closefd=False)}
    stream = streams.get(fault, lambda: open(os.devnull, "w"))()
    if fault == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if fault == "none" else stream)
    shown(tmp_path / "run", 30)
    monkeypatch.undo()
    with suppress(OSError):
        stream.close()
    os.close(writer)
    assert RunDirectory(tmp_path / "run").finished() is not None


def test_a_command_whose_reader_stops_reading_plays_to_its_end(tmp_path: Path) -> None:
    code = "import sys; from tests.test_display import shown; shown(sys.argv[1], 300)"
    done = in_a_shell('"$PYTHON" -c "$CODE" "$WHERE" 2>&1 | head -1', CODE=code, WHERE=str(tmp_path / "run"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "xor [red]q: compiling\n", "")
    assert RunDirectory(tmp_path / "run").finished() is not None


# What is shown


@pytest.mark.parametrize("name", ["a[/b]", "exp[lr=0.1]", "[red]", "long-" * 40, ":smile:"])
def test_names_and_paths_are_plain_text_and_the_path_is_alone_on_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown(tmp_path / name, 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "xor [red]q: compiling" and lines[1].startswith("xor [red]q: step 3 of 30  ")
    assert lines[-2:] == ["results in", str(tmp_path / name)]


def test_a_finished_run_is_shown_with_nothing_but_where_it_stands_and_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(tmp_path / "run", 30)
    capsys.readouterr()
    shown(tmp_path / "run", 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"The run in {tmp_path}/run goes on from step 30."
    assert [line.split()[0] for line in lines[1:-1]] == ["network", "accuracy", "loss", "speed", "time", "results"]


def test_quiet_shows_only_what_must_be_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown(tmp_path / "run", 30, quiet=True)
    assert capsys.readouterr().err == ""
    shown(tmp_path / "run", 40, quiet=True)
    assert capsys.readouterr().err == f"The run in {tmp_path}/run goes on from step 30.\n"


def test_a_notebook_gets_plain_lines_and_neither_a_bar_nor_a_hint_to_widgets(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    """Rich asks one function whether it is in a notebook, and hands texts to another: no Jupyter is needed."""
    shown: list[str] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda segments, text: shown.append(text))
    with Live("xor", SPEC.rounds) as live:
        play(tmp_path, compiling=live.compiling, watch=live.show, tell=live.tell)
    assert shown[0] == "xor: compiling\n" and shown[-1].startswith(f"xor: step {SPEC.rounds} of {SPEC.rounds} ")
    assert len(shown) == 11 and not any(mark in text for text in shown for mark in "\r\x1b")
    assert capsys.readouterr() == ("", "") and not recwarn.list


@pytest.mark.parametrize("room", [-5, 0, 9, 10, 21, 22, 80])
def test_what_does_not_fit_into_a_line_is_left_out_and_nothing_is_cut(room: int) -> None:
    parts = ["0:05 left", "loss 0.523", "rewarded 50%"]
    line = fitting(parts, room)
    assert len(line) <= max(room, 0) and "  ".join(parts).startswith(line)
    assert line.split("  ") == (parts[: line.count("  ") + 1] if line else [""])


def test_compiling_is_said_once_and_never_before_a_refusal(undisturbed: Path, tmp_path: Path) -> None:
    calls: list[int] = []
    play(tmp_path / "run", 2, compiling=lambda: calls.append(1))
    assert calls == [1]
    for spec in (SPEC, replace(SPEC, seed=4), replace(SPEC, rounds=6)):  # done already, another run, fewer rounds
        with suppress(ValueError):
            play(undisturbed, spec, compiling=lambda: calls.append(2))
    assert calls == [1]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({}, ""),
        ({"name": "mine"}, ""),
        ({"train_samples": 1348}, "1,348 training"),
        ({"train_samples": 1348, "held_out_samples": 449, "split": "seed 0"}, "1,348 training, 449 held out (seed 0)"),
        ({"held_out_samples": 9, "scale": 255.0, "classes": 10}, "9 held out, 10 classes, pixels / 255"),
    ],
)
def test_the_closing_table_says_of_the_data_what_the_task_does(data: dict[str, Any], line: str) -> None:
    assert data_line(data) == line


def test_the_summary_has_the_data_as_the_task_describes_them(tmp_path: Path) -> None:
    task = synagents.from_arrays(np.eye(8, 3), np.arange(8) % 2, loss="cross-entropy", batch_size=4)
    _, summary = play(tmp_path / "run", replace(SPEC, world=synapse_v0.world(task, hidden=(), interval=0), rounds=1))
    assert summary["data"] == dict(task.description)
    assert json.loads((tmp_path / "run/summary.json").read_text())["data"].keys() == summary["data"].keys()
    assert "data      6 training, 2 held out" in closing_table(summary, tmp_path).plain


# Pictures


def test_a_picture_is_where_it_is_said_to_be(undisturbed: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert plot_run(undisturbed, tmp_path / "pic") == tmp_path / "pic.png"
    assert (tmp_path / "pic.png").read_bytes()[1:4] == b"PNG"
    assert plot_run(undisturbed, tmp_path / "a[$b$].pdf").read_bytes()[:4] == b"%PDF"
    assert "No picture is of the kind .jpgg" in refused(
        lambda: plot_run(undisturbed, tmp_path / "p.jpgg"), ValueError
    ).replace(".pdf", "pdf")


def test_a_run_without_rows_is_no_picture_yet(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def killed() -> None:
        raise Killed

    with pytest.raises(Killed):
        play(tmp_path / "run", compiling=killed)
    assert "has no rows yet" in refused(lambda: plot_run(tmp_path / "run"), ValueError)
