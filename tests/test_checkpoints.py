"""A checkpoint is the run itself, bit for bit, or one sentence."""

import hashlib
import json
import pickle
import struct
import tracemalloc
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import synagents
from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.repeat_undo import RepeatUndo
from synagents.learners.synapse.trace import Trace
from synagents.loop import Run, advance, begin
from synagents.run.checkpoints import FORMAT, CheckpointError, load, read, save
from tests.claims import one_sentence, same_bits
from tests.toys import pictures

KEY = jax.random.key(5)


@cache
def small(**options: Any) -> Run:
    """A network of two weights and a bias after three rounds."""
    world = synapse_v0.world("perceptron", hidden=(), interval=0, points=2)
    return advance(begin(KEY, world, RepeatUndo(), **options), 3)[0]


@cache
def crowd(shared: bool) -> Run:
    """Two runs of three worlds each, after eight rounds and a new batch, that have learned something."""
    world = synapse_v0.world(pictures(), hidden=(), step_size=0.01, interval=4)
    learner = QTable(adaptive=True, alpha=0.1, rate="per-step")
    return advance(begin(KEY, world, learner, num_runs=2, num_worlds=3, shared_task=shared), 8)[0]


def refused(path: Path, like: Run) -> str:
    with pytest.raises(CheckpointError) as error:
        load(path, like)
    assert str(path) in str(error.value)
    return one_sentence(str(error.value).replace(str(path), "it"))


def sealed(arrays: dict[str, np.ndarray], **text: str) -> bytes:
    """A file that anyone can make: its checksum holds, whatever it says."""
    return reseal(safetensors.numpy.save(arrays, {"sha256": "0" * 64, **text}))


def reseal(raw: bytes) -> bytes:
    start = raw.index(b'"sha256":"') + 10
    blank = raw[:start] + b"0" * 64 + raw[start + 64 :]
    return raw[:start] + hashlib.sha256(blank).hexdigest().encode() + raw[start + 64 :]


# The same run


@pytest.mark.parametrize("shared", [False, True])
def test_a_loaded_run_goes_on_as_the_saved_one_would_have(tmp_path: Path, shared: bool) -> None:
    run = crowd(shared)
    save(run, tmp_path / "c")
    blank = jax.tree.map(jnp.zeros_like, (run.state, run.mind))
    loaded = load(tmp_path / "c", replace(run, t=0, state=blank[0], mind=blank[1]))
    assert loaded.t == run.t == 8
    assert same_bits((run.key, run.state, run.mind), (loaded.key, loaded.state, loaded.mind))
    (ours, happened), (theirs, happened_there) = advance(run, 8), advance(loaded, 8)
    assert same_bits((ours.state, ours.mind, happened), (theirs.state, theirs.mind, happened_there))


def test_what_a_learner_keeps_in_every_world_is_kept(tmp_path: Path) -> None:
    world = synapse_v0.world("xor", hidden=(), interval=0, step_size=0.05, reward="delta")
    run = advance(begin(KEY, world, Trace(), num_worlds=8), 3)[0]
    save(run, tmp_path / "c")
    loaded = load(tmp_path / "c", replace(run, memory=jax.tree.map(jnp.zeros_like, run.memory)))
    assert same_bits(loaded.memory, run.memory) and np.abs(run.memory.trace["layer0_weight"]).max() > 0
    assert same_bits(advance(loaded, 5)[0].state, advance(run, 5)[0].state)


def test_the_key_is_the_saved_runs_and_not_the_one_of_the_run_it_is_told_to_be_like(tmp_path: Path) -> None:
    save(small(), tmp_path / "c")
    other = begin(jax.random.key(6), small().world, small().learner)
    assert same_bits(load(tmp_path / "c", other).key, small().key)


class Mixed(NamedTuple):
    keys: Any
    half: Any
    flags: Any
    nothing: Any
    deep: Any


def test_minds_may_hold_keys_halves_flags_and_empty_arrays(tmp_path: Path) -> None:
    mind = Mixed(
        jax.random.split(KEY, 3),
        jnp.arange(3, dtype=jnp.bfloat16),
        jnp.array([True, False]),
        jnp.zeros((0, 2)),
        {"a": (jnp.int8(-1), [jnp.float16(0.5)])},
    )
    run = replace(small(), mind=mind)
    save(run, tmp_path / "c")
    loaded = load(tmp_path / "c", replace(run, mind=jax.tree.map(jnp.zeros_like, mind)))
    assert same_bits(loaded.mind, mind) and jax.tree.structure(loaded.mind) == jax.tree.structure(mind)


def test_notes_are_kept_beside_the_arrays(tmp_path: Path) -> None:
    save(small(), tmp_path / "c", {"why": 'a "sha256":"' + "0" * 64})
    assert read(tmp_path / "c", small())[1] == {"why": 'a "sha256":"' + "0" * 64}


def test_any_reader_of_safetensors_opens_it(tmp_path: Path) -> None:
    synagents.save(small(), tmp_path / "c")
    arrays = safetensors.numpy.load_file(tmp_path / "c")
    weights = small().state.weights["layer0_weight"]
    np.testing.assert_array_equal(arrays["state.weights.layer0_weight"], weights)
    assert {"key", "mind", "state.loss", "state.task.x"} <= set(arrays)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


# Damage


def test_every_single_byte_that_changes_is_noticed(tmp_path: Path) -> None:
    save(small(), tmp_path / "c")
    whole, damaged = (tmp_path / "c").read_bytes(), tmp_path / "damaged"
    for place in range(len(whole)):
        body = bytearray(whole)
        body[place] ^= 1 + place % 255  # one bit, several, all
        damaged.write_bytes(body)
        with pytest.raises(CheckpointError):
            load(damaged, small())
    damaged.write_bytes(whole)
    assert same_bits(load(damaged, small()).state, small().state)


def test_a_file_that_was_cut_or_grew_is_told_in_a_sentence(tmp_path: Path) -> None:
    save(small(), tmp_path / "c")
    whole, damaged = (tmp_path / "c").read_bytes(), tmp_path / "damaged"
    for body in (*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + whole):
        damaged.write_bytes(body)
        assert "its checksum does not hold" in refused(damaged, small())


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no checkpoint at"):
        load(tmp_path / "none", small())


# Somebody else's file


@pytest.mark.parametrize(
    ("like", "told"),
    [
        (
            lambda: begin(KEY, synapse_v0.world("xor", hidden=(), interval=0), RepeatUndo()),
            "layer0_bias as uint8[1, 1, 1], which is uint8[1, 1, 2] here",
        ),
        (
            lambda: begin(KEY, synapse_v0.world("perceptron", hidden=(2,)), RepeatUndo()),
            "lacks state.actions.layer1_bias",
        ),
        (lambda: replace(small(), mind=(small().mind, small().mind)), "holds mind, unlike this run"),
        (lambda: replace(small(), num_worlds=2), "num_worlds=1, which is 2 here"),
        (lambda: replace(small(), world_axis="loop"), "world_axis='vmap', which is 'loop' here"),
        (lambda: replace(small(), memory={"trace": jnp.zeros(3)}), "lacks memory.trace, unlike this run"),
        (lambda: replace(small(), mind=small().mind.astype(jnp.float16)), "mind as float32[1, 81, 3]"),
    ],
)
def test_a_run_of_another_kind_is_told_in_a_sentence(tmp_path: Path, like: Any, told: str) -> None:
    save(small(), tmp_path / "c")
    assert told in refused(tmp_path / "c", like())


class Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def test_nothing_in_a_file_is_ever_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path / "c", small())
    np.savez(tmp_path / "n.npz", key=np.array([Bomb()], object))
    refused(tmp_path / "n.npz", small())
    assert not (tmp_path / "exploded").exists()


def honest() -> dict[str, str]:
    told = {"t": 3, "num_worlds": 1, "num_runs": 1, "shared_task": False, "world_axis": "vmap"}
    return {"format": FORMAT, "run": json.dumps(told), "about": "{}"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ({}, "lacks key"),
        ({"format": "synagents-checkpoint/1"}, "was written by synagents 0-1-0, and synagents"),
        ({"format": "synagents-checkpoint/9", "version": "9-0"}, "was written by synagents 9-0, and synagents"),
        ({"format": "synagents-checkpoint/9", "version": "9\n"}, "was written by another version of synagents, and"),
        ({"run": "{}"}, "no checkpoint (KeyError)"),
        ({"run": "[]"}, "no checkpoint (TypeError)"),
        ({"run": "{"}, "no checkpoint (JSONDecodeError)"),
        ({"run": "[" * 100_000}, "no checkpoint (RecursionError)"),
        ({"run": '{"t": -1}'}, "after how many rounds"),
        ({"run": '{"t": true}'}, "after how many rounds"),
        ({"run": '{"t": 1e400}'}, "after how many rounds"),
        ({"about": "[]"}, "after how many rounds"),
    ],
)
def test_a_made_up_file_with_the_right_checksum_is_told_in_a_sentence(
    tmp_path: Path, text: dict[str, str], told: str
) -> None:
    (tmp_path / "c").write_bytes(sealed({"mind": np.zeros(3, np.float32)}, **(honest() | text)))
    assert told in refused(tmp_path / "c", small()).replace("0.1.0", "0-1-0")


def test_a_header_that_promises_a_terabyte_allocates_nothing(tmp_path: Path) -> None:
    promise = {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}
    header = json.dumps({"__metadata__": {"sha256": "0" * 64, **honest()}, "mind": promise}, separators=(",", ":"))
    (tmp_path / "c").write_bytes(reseal(struct.pack("<Q", len(header)) + header.encode()))
    like = small()
    tracemalloc.start()
    try:
        assert "no checkpoint" in refused(tmp_path / "c", like)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_file_larger_than_the_run_can_be_is_not_even_read(tmp_path: Path) -> None:
    like = small()
    with (tmp_path / "c").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    tracemalloc.start()
    try:
        assert "larger than a file of this run can be" in refused(tmp_path / "c", like)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    save(small(), tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(replace(small(), t=4), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"] and (tmp_path / "c").read_bytes() == before
