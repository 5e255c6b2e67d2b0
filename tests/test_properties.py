"""Whatever comes in, a right answer or a sentence comes out: the public surface against generated input.

CI tries a few hundred cases; `python -m pytest tests/test_properties.py --hypothesis-profile=nightly` more than 10,000.
"""

import contextlib
import io
import json
import os
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synagents import data, fit, from_arrays, preset, registry, schedules
from synagents.cli import main
from synagents.cli.flags import flags_of
from synagents.cli.sections import Names, known_settings
from synagents.envs import synapse_v0
from synagents.learners.uniform import Uniform
from synagents.loop import Run, advance, begin
from synagents.run import checkpoints, tables
from synagents.run.directory import RunDirectory
from synagents.run.files import RunError
from synagents.run.session import Session
from tests.claims import READ_FILES, same_bits
from tests.test_checkpoints import honest, sealed
from tests.test_data import IMAGES, LABELS, idx

KEY = jax.random.key(0)
WORLD = synapse_v0.world("perceptron", hidden=(), interval=0, points=2)
nightly = settings.get_current_profile_name() == "nightly"
cases = settings(
    settings.get_profile("nightly") if nightly else None,
    max_examples=settings.get_profile("nightly").max_examples if nightly else 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

SAID = (
    "linear:1:0 exponential:1:0.1:5 switch:0:1:3 linear:1:0:0 switch:a:b:c sign delta box relu cross-entropy p-norm:3 "
    "p-norm:-1 zeros shipped none 64,32 0 -1 1e400 nan true"
)
numbers = st.integers(-3, 12) | st.floats() | st.integers() | st.sampled_from([0.5, 1.0, 1e-300, 1e300, 2**31, 2**64])
words = st.text("abcxyz.,:-/ é", max_size=8) | st.sampled_from(SAID.split())
plain = st.none() | st.booleans() | numbers | words
junk = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
of_any_kind = st.sampled_from(["f4", "f8", "i8", "u1", "?", "c8", "U3", "i4"])
arrays = st.builds(
    lambda shape, kind, seed: np.asarray(np.random.default_rng(seed).random(shape) * 6 - 1).astype(kind),
    st.lists(st.integers(0, 5), max_size=3),
    of_any_kind,
    st.integers(0, 9),
)
tensors = arrays.filter(lambda array: array.dtype.kind in "fiub")
REFUSED = (ValueError, FileNotFoundError, data.DataError, checkpoints.CheckpointError, RunError)


def right_or_told(call: Callable[[], Any]) -> Any:
    """What `call` gives; None, if it is refused in a sentence."""
    try:
        return call()
    except REFUSED as error:
        text = str(error)
        assert text.endswith(".") and "\n" not in text, text
        return None


@contextlib.contextmanager
def no_more_than(size: int) -> Any:
    """What is loaded meanwhile must not allocate more than so many bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size, f"{peak} bytes for a file that justifies {size}"


@cache
def scratch() -> Path:
    return Path(tempfile.mkdtemp())


def file_of(body: bytes, name: str = "file") -> Path:
    (scratch() / name).write_bytes(body)
    return scratch() / name


# Worlds, tasks, learners, runs


@cases
@given(st.dictionaries(st.sampled_from(sorted(flags_of(synapse_v0.world, but=("task",)))) | words, junk, max_size=3))
def test_a_world_is_made_or_refused(options: dict[str, Any]) -> None:
    options = {name: value for name, value in options.items() if value is not None}
    world = right_or_told(lambda: synapse_v0.world("xor", **options))
    assert world is None or sum(group.size for group in world.groups) >= 6


@cases
@given(st.data(), st.sampled_from(sorted(registry.offers("tasks"))))
def test_a_task_is_made_or_refused(draw: st.DataObject, name: str) -> None:
    constructor = registry.find("tasks", name)
    options = draw.draw(st.dictionaries(st.sampled_from([*flags_of(constructor), "more"]), junk, max_size=3))
    options = {"data": Path("nowhere")} | options if name in READ_FILES else options
    task = right_or_told(lambda: synapse_v0.world(name, **{"hidden": (), **options}).task)
    assert task is None or task.out_size >= 1


@cases
@given(st.data(), st.sampled_from(sorted(registry.offers("learners"))))
def test_a_learner_is_made_or_refused(draw: st.DataObject, name: str) -> None:
    constructor = registry.find("learners", name)
    known = flags_of(constructor)
    options = draw.draw(st.dictionaries(st.sampled_from(list(known)), junk, max_size=3)) if known else {}
    options = {option: value for option, value in options.items() if value is not None}
    learner = right_or_told(lambda: constructor(**options))
    if learner is not None:
        right_or_told(lambda: jax.eval_shape(lambda: learner.init(KEY, WORLD.groups)))


@cases
@given(junk, junk, junk, junk)
def test_a_run_begins_and_goes_on_or_is_refused(worlds: Any, number: Any, updates: Any, rollout_length: Any) -> None:
    small = [value if not isinstance(value, int | float) or abs(value) < 4 else 2 for value in (worlds, number)]
    rounds = [value if not isinstance(value, int) or abs(value) < 2 else 1 for value in (updates, rollout_length)]
    run = right_or_told(lambda: begin(KEY, WORLD, Uniform(), num_worlds=small[0], num_runs=small[1]))
    if run is not None:
        later = right_or_told(lambda: advance(run, rounds[0], rollout_length=rounds[1]))
        assert later is None or later[0].t >= 1


@cases
@given(words | st.text(max_size=20), st.integers(1, 100))
def test_a_schedule_is_read_or_refused(text: str, steps: int) -> None:
    schedule = right_or_told(lambda: schedules.parse(text, steps))
    if schedule is not None and not isinstance(schedule, float):
        assert str(schedules.parse(str(schedule), 1)) == str(schedule)


@cases
@given(arrays, arrays, junk, junk)
def test_arrays_are_a_task_or_refused(x: np.ndarray, target: np.ndarray, batch: Any, held_out: Any) -> None:
    options = {"batch_size": batch if isinstance(batch, int) else 1, "loss": "mean-squared-error"}
    made = right_or_told(lambda: from_arrays(x, target, held_out=held_out or 0.25, **options))
    assert made is None or np.isfinite(made.x).all()
    right_or_told(lambda: data.from_arrays("mine", x, target))


# Actions


@cache
def faces() -> Any:
    parallel = synapse_v0.parallel_env("perceptron", hidden=(), interval=0, points=2)
    vector = synapse_v0.vector_env("perceptron", hidden=(), interval=0, points=2, num_envs=2)
    cycle = synapse_v0.raw_env("perceptron", hidden=(), interval=0, points=2)
    pure = synapse_v0.functional_env("perceptron", hidden=(), interval=0, points=2)
    for face in (parallel, vector, cycle):
        face.reset(seed=0)
    return parallel, vector, cycle, pure, pure.reset(KEY)[1]


actions = st.sampled_from([0, 1, 2, np.uint8(1), np.int64(2)]) | st.sampled_from([3, -1, 255, 256]) | junk | arrays


@cases
@given(st.data(), st.sets(st.integers(0, 2), max_size=1), st.dictionaries(words, actions, max_size=1))
def test_a_dictionary_of_actions_is_taken_or_refused(draw: st.DataObject, left_out: set[int], more: Any) -> None:
    parallel, *_ = faces()
    names = [agent for place, agent in enumerate(parallel.possible_agents) if place not in left_out]
    given_ = {agent: draw.draw(actions) for agent in names} | more
    took = right_or_told(lambda: parallel.step(given_))
    arrays = (action for action in given_.values() if isinstance(action, np.ndarray))
    whole = all(isinstance(action, int | np.integer | np.ndarray) for action in given_.values())
    whole = whole and all(array.ndim == 0 and array.dtype.kind in "iu" for array in arrays)
    good = set(given_) == set(parallel.possible_agents) and whole and all(0 <= a <= 2 for a in given_.values())
    assert (took is not None) == good


@cases
@given(arrays | junk | st.lists(st.integers(-1, 3), min_size=6, max_size=6))
def test_an_array_of_actions_is_taken_or_refused(given_: Any) -> None:
    _, vector, *_ = faces()
    took = right_or_told(lambda: vector.step(given_))
    if took is not None:
        assert np.shape(given_) == (6,) and set(np.asarray(given_).tolist()) <= {0, 1, 2}


@cases
@given(actions)
def test_one_agents_action_in_its_turn_is_taken_or_refused(action: Any) -> None:
    _, _, cycle, *_ = faces()
    before = cycle.agent_selection
    if right_or_told(lambda: cycle.step(action) or True) is None:
        cycle.reset(seed=0)
    assert before in cycle.possible_agents


@cases
@given(st.dictionaries(st.sampled_from(["layer0_weight", "layer0_bias", "layer1_bias"]), tensors, max_size=3))
def test_groups_of_actions_are_taken_or_refused(given_: dict[str, np.ndarray]) -> None:
    *_, pure, life = faces()
    took = right_or_told(lambda: jax.eval_shape(lambda actions: pure.step_env(KEY, life, actions), given_))
    sizes = {name: array.shape for name, array in given_.items()}
    if took is not None:
        assert sizes == {"layer0_weight": (2,), "layer0_bias": (1,)}


# The command line


def said(*typed: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in an empty directory; nothing is trained."""
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        with (
            mock.patch("sys.argv", ["synagents", *typed]),
            mock.patch("synagents.loop.begin", side_effect=FloatingPointError("Nothing is trained here.")),
            mock.patch("synagents.outer.begin", side_effect=FloatingPointError("Nothing is lived here.")),
            mock.patch("synagents.data.download", side_effect=data.DataError("Nothing is fetched here.")),
            mock.patch(
                "synagents.benchmark.learn_table.learn_table", side_effect=FloatingPointError("Nothing is learned.")
            ),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main.run()
        assert os.listdir(place) == [], "a command that was refused has left something"
    return code, out.getvalue(), err.getvalue()


def told_in_a_sentence(typed: list[str]) -> None:
    code, _, err = said(*typed)
    assert code in (0, 1, 2) and "Traceback" not in err
    if code:
        assert err.strip().splitlines()[-1].startswith("Error: "), err


FLAGS = sorted({flag.name for flag in known_settings(Names("digits", "q-table")).values()})
OWN = [
    "--learner",
    "--steps",
    "--seed",
    "--network",
    "--num-worlds",
    "--num-runs",
    "--rollout-length",
    "--probe",
    "--probe-interval",
    "--memory",
]
OWN += [
    "--checkpoint-seconds",
    "--no-adaptive",
    "--adaptive",
    "--shared-task",
    "--json",
    "--quiet",
    "-h",
    "--help",
    "--x",
]
values = (
    words.filter(lambda text: "\0" not in text)
    | numbers.map(str)
    | st.sampled_from(["q-table", "uniform", "alignment"])
)


@cases
@given(
    st.sampled_from([[], ["xor"], ["perceptron"], ["digits"], ["idx"]]),
    st.lists(st.tuples(st.sampled_from(FLAGS + OWN), values), max_size=4),
    st.lists(values, max_size=1),
)
def test_any_flags_of_train_are_followed_or_refused(task: list[str], flags: list[tuple[str, str]], rest: Any) -> None:
    told_in_a_sentence(["train", *task, *(word for pair in flags for word in pair), *rest])


@cases
@given(
    st.sampled_from(["resume", "plot", "tasks", "learners", "download", "learn-table", "--version", "nothing"]),
    st.lists(values | st.sampled_from(["--out", "--steps", "--seed", "--alpha", "--json", "--url", "."]), max_size=4),
)
def test_any_words_to_the_other_commands_are_followed_or_refused(command: str, rest: list[str]) -> None:
    told_in_a_sentence([command, *rest])


# Files


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file with something of it changed, cut, repeated or put in between."""
    place = st.integers(0, len(whole))
    return st.builds(
        lambda a, b, new: whole[: min(a, b)] + new + whole[max(a, b) :], place, place, st.binary(max_size=9)
    )


def packed(**members: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **members)  # type: ignore[arg-type]
    return file.getvalue()


def promised(shape: list[int], kind: str, body: bytes, method: int) -> bytes:
    """An NPZ whose images promise any shape and type."""
    header, file = io.BytesIO(), io.BytesIO(packed(labels=LABELS))
    np.lib.format.write_array_header_1_0(header, {"descr": kind, "fortran_order": False, "shape": tuple(shape)})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("images.npy", header.getvalue() + body, compress_type=method)
    return file.getvalue()


archives = (
    mutated(packed(images=IMAGES, labels=LABELS))
    | st.builds(lambda x, y: packed(images=x, labels=y), arrays, arrays)
    | st.builds(
        promised,
        st.lists(st.integers(0, 2**40), max_size=4),
        st.sampled_from(["|u1", "<f8", "|O", "<U5"]),
        st.binary(max_size=80) | st.integers(0, 2**20).map(bytes),
        st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
    )
)


@cases
@given(archives)
def test_any_npz_is_a_data_set_or_refused(body: bytes) -> None:
    file_of(body, "notMNIST.npz")
    with no_more_than(6 * 1032 * len(body) + 2**20):
        got = right_or_told(lambda: data.load_notmnist(scratch()))
    assert got is None or len(got.images) == len(got.labels)


@cases
@given(mutated(idx(IMAGES)) | st.binary(max_size=99).map(lambda body: b"\0\0\x08" + body))
def test_any_idx_is_an_array_or_refused(body: bytes) -> None:
    file = file_of(body)
    with no_more_than(3 * 1032 * len(body) + 2**20):
        got = right_or_told(lambda: data.read_idx(file))
    assert got is None or got.nbytes <= len(body) * 1032


@cases
@given(mutated(json.dumps({"format": tables.FORMAT, "memory": 1, "table": [[0, 0.5, 1]] * 9}).encode()))
def test_any_table_is_read_or_refused(body: bytes) -> None:
    file = file_of(body)
    table = right_or_told(lambda: tables.load_table(file))
    assert table is None or (table.shape[1] == 3 and np.isfinite(table).all())


@cache
def saved() -> tuple[Run, bytes]:
    run = begin(KEY, WORLD, Uniform())
    checkpoints.save(run, scratch() / "saved")
    return run, (scratch() / "saved").read_bytes()


@cases
@given(st.data())
def test_a_checkpoint_that_is_not_as_it_was_saved_is_refused(draw: st.DataObject) -> None:
    run, whole = saved()
    body = draw.draw(mutated(whole) | st.binary(max_size=300))
    file = file_of(body)
    with no_more_than(4 * len(body) + 2**20):
        got = right_or_told(lambda: checkpoints.load(file, run))
    assert (got is not None) == (body == whole)
    assert got is None or same_bits(got.state, run.state)


@cases
@given(
    st.dictionaries(st.sampled_from(["key", "mind", "state.score", "x"]), tensors),
    st.dictionaries(st.sampled_from(["run", "about", "format"]), junk.map(json.dumps) | st.text(max_size=9)),
)
def test_a_checkpoint_that_somebody_made_up_is_refused(members: dict[str, np.ndarray], text: dict[str, str]) -> None:
    run, _ = saved()
    file = file_of(sealed(members, **(honest() | text)))
    assert right_or_told(lambda: checkpoints.load(file, run)) is None


def spec() -> Any:
    return preset("perceptron", "uniform", rounds=2, points=2)


@cache
def begun() -> tuple[Path, dict[str, Any]]:
    """A run of two steps that was asked for ten."""
    folder = scratch() / "run"
    with (
        mock.patch.object(Session, "finish", side_effect=KeyboardInterrupt),
        contextlib.suppress(KeyboardInterrupt),
    ):
        fit(spec(), folder, tell=lambda line: None)
    return folder, json.loads((folder / "config.json").read_text())


@cases
@given(st.data())
def test_any_configuration_is_resumed_or_refused(draw: st.DataObject) -> None:
    folder, config = begun()
    names = st.sampled_from([*config, "extended_from"])
    changed = config | draw.draw(st.dictionaries(names, junk, max_size=2))
    if draw.draw(st.booleans()):
        changed["settings"] = draw.draw(st.dictionaries(st.sampled_from(["hidden", "points", "memory"]) | words, junk))
    body = draw.draw(st.just(json.dumps(changed).encode()) | mutated(json.dumps(config).encode()))
    (folder / "config.json").write_bytes(body)
    told_in_a_sentence(["resume", str(folder), *draw.draw(st.sampled_from([[], ["--steps", "4"]]))])
    (folder / "config.json").write_text(json.dumps(config))


@cases
@given(st.data(), st.sampled_from(["manifest.json", "summary.json", "metrics.csv", "timings.csv"]))
def test_a_run_whose_files_were_changed_goes_on_or_is_refused(draw: st.DataObject, name: str) -> None:
    folder, _ = begun()
    file = folder / name
    whole = file.read_bytes() if file.exists() else b"{}"
    file.write_bytes(draw.draw(mutated(whole) | junk.map(lambda value: json.dumps(value).encode())))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path != file}
    opened = RunDirectory(folder)
    right_or_told(opened.finished)
    right_or_told(opened.damaged)

    def go_on() -> None:
        with opened.open(spec(), lambda line: None):
            pass

    right_or_told(go_on)
    for path, content in before.items():
        path.write_bytes(content)
    file.write_bytes(whole)
