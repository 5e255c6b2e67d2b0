from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from synagents.cli.build import preset
from synagents.loop import advance
from synagents.probes import Round
from synagents.run import pictures
from synagents.run.manifest import Manifest
from synagents.run.snapshots import MOST, Snapshots, read_snapshots, scaled
from synagents.world import World
from tests.runs import SPEC, Killed, at, play


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (directory / "snapshots").iterdir()}


def test_a_run_that_was_killed_has_the_snapshots_of_one_that_was_not(tmp_path: Path) -> None:
    play(tmp_path / "whole")
    with pytest.raises(Killed):
        play(tmp_path / "cut", watch=at(5, Killed))
    (tmp_path / "cut" / "snapshots" / "step-0000000009.safetensors").write_bytes(b"of rounds that were lost")
    play(tmp_path / "cut")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_recording_changes_nothing_that_a_run_ends_with_and_none_keeps_nothing(tmp_path: Path) -> None:
    _, with_them = play(tmp_path / "default")
    _, without = play(tmp_path / "none", replace(SPEC, record="none"))
    assert with_them["weights_sha256"] == without["weights_sha256"]
    assert not (tmp_path / "none" / "snapshots").exists()


def test_snapshots_hold_the_weights_to_one_part_in_254_and_what_agents_see(tmp_path: Path) -> None:
    run, _ = play(tmp_path)
    first, *_, last = read_snapshots(tmp_path)
    assert (first.step, last.step) == (0, SPEC.rounds)
    for name, array in run.state.weights.items():
        exact = np.asarray(array[0, 0])
        np.testing.assert_allclose(last.of("weights")[name], exact, atol=np.abs(exact).max() / 254 + 1e-7)
    for name, own in SPEC.world.observe(jax.tree.map(lambda array: array[0, 0], run.state), 0).items():
        np.testing.assert_array_equal(last.arrays[f"seen.{name}"], own)
    assert last.arrays["table"].shape == (81, 3)


def test_zeros_are_kept_as_zeros() -> None:
    stored, scales = scaled({"weights.a": np.zeros(3, np.float32)})
    assert stored["weights.a"].tolist() == [0, 0, 0] and scales == {"weights.a": 1.0}


def test_at_most_64_looks_are_kept_the_first_and_last_among_them_and_none_that_is_too_large(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, Manifest(tmp_path), range(201), 0)
    due = sorted(snapshots.due({"seen.a": np.zeros(10, np.uint8)}))
    assert len(due) == MOST and (due[0], due[-1]) == (0, 200) and set(np.diff(due)) <= {3, 4}
    assert len(snapshots.due({"seen.a": np.zeros(10_000_000, np.uint8)})) == 5
    assert not snapshots.due({"seen.a": np.zeros(60_000_000, np.uint8)})


def test_a_kind_of_recording_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="none, default, all"):
        replace(SPEC, record="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("worlds", [1, 2])
def test_actions_in_a_snapshot_are_those_of_the_round_that_comes_next(worlds: int, tmp_path: Path) -> None:
    def chosen(world: World, seen: Round) -> dict[str, jax.Array]:
        return seen.actions

    spec = replace(SPEC, num_worlds=worlds)
    run, _ = play(tmp_path, spec)
    _, history = advance(run, 1, probes=(chosen,), probe_interval=1)
    last = read_snapshots(tmp_path)[-1]
    for name, actions in history.probes["chosen"].items():
        np.testing.assert_array_equal(last.arrays[f"act.{name}"], actions[0, 0, 0])


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        ({"task": "digits", "learner": "perturbation"}, {"weights"}),
        ({"task": "digits", "world": "unit"}, {"weights", "act"}),
        ({"task": "multiplexer", "learner": "recurrent"}, {"weights", "act"}),
        ({"task": "cue"}, {"weights", "life", "life-number", "life-activity", "life-trace"}),
        ({"task": "xor", "candidates": 3}, {"weights", "act", "seen", "table"}),
    ],
)
def test_runs_of_every_family_have_snapshots(names: dict[str, Any], kinds: set[str]) -> None:
    spec = preset(rounds=2, **names)
    arrays = spec.snapshot(spec.begin(), np.zeros(0, np.float32))
    assert {name.partition(".")[0] for name in arrays} == kinds | {"rewards"}


def test_an_option_that_xla_does_not_know_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pictures.of_world(SPEC.begin())
    monkeypatch.setattr(pictures, "QUICKLY", {"xla_option_of_another_year": True})
    pictures.in_haste.cache_clear()
    found = pictures.of_world(SPEC.begin())
    pictures.in_haste.cache_clear()
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in expected.items()}


def test_a_snapshot_is_read_again_only_where_its_file_has_changed(tmp_path: Path) -> None:
    play(tmp_path)
    first, again = read_snapshots(tmp_path), read_snapshots(tmp_path)
    assert all(one is other for one, other in zip(first, again, strict=True)) and len(first) > 1
    old, new = sorted((tmp_path / "snapshots").iterdir())[:2]
    old.write_bytes(new.read_bytes())
    new.unlink()
    changed = read_snapshots(tmp_path)
    assert [one.step for one in changed] == [one.step for one in first[1:]] and changed[1] is first[2]
