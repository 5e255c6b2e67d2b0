import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from synagents import RepeatUndo, Uniform, data, evaluate, train
from synagents.envs import synapse_v0
from synagents.tasks import losses
from synagents.tasks.arrays import from_arrays, from_batches
from synagents.tasks.datasets import digits, from_dataset, idx, notmnist
from synagents.world import Part
from tests.claims import refused, same_bits
from tests.test_data import write_pair
from tests.toys import pictures

KEY = jax.random.key(0)
NUMBERED = data.from_arrays("numbered", np.arange(40, dtype=np.uint8).reshape(40, 1, 1), np.arange(40) % 2)


def test_a_sample_keeps_the_shape_of_its_picture_and_a_perceptron_takes_it_flat() -> None:
    assert digits().in_shape == (8, 8) and digits(batch_size=5).init(KEY).x.shape == (5, 8, 8)
    assert synapse_v0.world("digits").network.sizes == (64, 32, 10)


def test_a_batch_is_drawn_without_replacement_from_the_training_part() -> None:
    task = from_dataset(NUMBERED, batch_size=20)
    train, _ = data.split(NUMBERED.labels)
    drawn = np.round(np.asarray(task.init(KEY).x[:, 0, 0]) * 255).astype(int)
    assert len(set(drawn.tolist())) == 20 and set(drawn.tolist()) <= set(train.tolist())


def test_a_batch_keeps_pictures_and_labels_together() -> None:
    batch = from_dataset(NUMBERED, batch_size=20).init(KEY)
    drawn = np.round(np.asarray(batch.x[:, 0, 0]) * 255).astype(int)
    np.testing.assert_array_equal(batch.target, drawn % 2)


def test_every_training_picture_is_drawn_equally_often() -> None:
    task = from_dataset(NUMBERED, batch_size=10)  # of 30: each in one batch of three
    batches = jax.vmap(task.init)(jax.random.split(KEY, 3000)).x
    counts = np.bincount(np.round(np.asarray(batches).ravel() * 255).astype(int), minlength=40)
    counts = counts[counts > 0]
    assert len(counts) == 30
    chi_square = ((counts - 1000) ** 2 / (1000 * (1 - 1 / 3))).sum() * 29 / 30
    assert chi_square < 58.3  # one in a thousand, 29 degrees of freedom


def test_a_refresh_draws_another_batch_unless_it_is_everything() -> None:
    part, whole = pictures(batch_size=16), pictures(batch_size=36)
    assert not same_bits(part.init(KEY), part.refresh(jax.random.key(1), part.init(KEY)))
    assert same_bits(whole.init(KEY), whole.refresh(jax.random.key(1), whole.init(KEY)))


def test_pixels_lie_between_zero_and_one() -> None:
    x = np.asarray(digits().init(KEY).x)
    assert (x.min(), x.max(), x.dtype) == (0, 1, np.float32)


BITS = (np.arange(48 * 6).reshape(48, 2, 3) // 5 % 3 == 0).astype(np.uint8)
SAME = {"0 and 1": BITS, "0 and 255": 255 * BITS, "floats": BITS * 1.0, "booleans": BITS > 0, "0 and 16": 16 * BITS}


def scales(task: Any) -> list[float]:
    return [dict(task.description)[name] for name in ("scale", "largest_pixel")]


@pytest.mark.parametrize("kind", SAME)
def test_the_same_images_are_the_same_task_whatever_white_is_in_the_file(kind: str) -> None:
    """Bytes 0 and 1 used to be divided by 255: learning then stopped at 15 %."""
    task, plain = (
        from_dataset(data.from_arrays("bits", SAME[each], np.arange(48) % 3), batch_size=20)
        for each in (kind, "floats")
    )
    assert same_bits(task.init(KEY), plain.init(KEY))
    parts: tuple[Part, ...] = ("train", "held_out")
    for part in parts:
        assert same_bits(*(each.evaluate(each.init(KEY), lambda x: x[:, 0], part) for each in (task, plain)))
    assert scales(task) == [SAME[kind].max(), SAME[kind].max()]


def test_bytes_from_arrays_and_batches_are_scaled_like_files() -> None:
    for kind in ("0 and 1", "0 and 255", "0 and 16"):
        options: dict[str, Any] = {"loss": "cross-entropy", "batch_size": 20}
        task = from_arrays(SAME[kind], np.arange(48) % 3, **options)
        assert same_bits(task.init(KEY), from_arrays(SAME["floats"], np.arange(48) % 3, **options).init(KEY))
        batches = from_batches([(SAME[kind], np.arange(48) % 3)] * 2, loss="cross-entropy", held_out=0.5)
        assert batches.init(KEY).x.max() == 1 and scales(batches) == [SAME[kind].max()] * 2


def test_a_scale_that_is_given_divides_the_pixels(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", BITS, np.arange(48, dtype=np.uint8) % 3)
    options: dict[str, Any] = {"scale": 4, "batch_size": 9}
    mine = from_arrays(BITS * 1.0, np.arange(48) % 3, loss="cross-entropy", **options)
    for task in (idx(data=tmp_path, **options), notmnist(data=tmp_path, **options), digits(scale=64), mine):
        assert float(task.scaled(task.x).max()) == 0.25
    assert scales(digits(scale=64)) == [64, 16]
    for scale in (0, -1.0, float("nan"), "2"):
        for make in (digits, notmnist, lambda scale: idx(data=tmp_path, scale=scale)):
            assert "scale must" in refused(lambda make=make, scale=scale: make(scale=scale))


def test_the_description_says_which_labels_the_classes_are() -> None:
    task = from_dataset(data.from_arrays("letters", BITS, np.arange(48) % 3 + 1), batch_size=9)
    assert dict(task.description)["classes"] == "0 .. 2 for labels 1 .. 3" and task.out_size == 3
    assert "classes" not in dict(pictures().description)


def test_both_parts_are_evaluated_whole_and_apart() -> None:
    task = pictures()
    state = task.init(KEY)
    seen: dict[str, int] = {}
    parts: tuple[Part, ...] = ("train", "held_out")
    for part in parts:

        def apply(x: jax.Array, part: str = part) -> jax.Array:
            seen[part] = len(x)
            return x[:, 1]

        metrics = task.evaluate(state, apply, part)
        x, labels = (task.x, task.target) if part == "train" else (task.held_out_x, task.held_out_target)
        assert float(metrics["loss"]) == pytest.approx(float(losses.cross_entropy(x[:, 1], labels)))
    assert seen == {"train": 36, "held_out": 12}


def test_the_description_says_what_was_trained_on() -> None:
    description = dict(digits(split_seed=3).description)
    assert (description["data"], description["train_samples"], description["held_out_samples"]) == ("digits", 1348, 449)
    assert description["split"] == "stratified, seed 3" and len(description["checksum"]) == 64


def test_a_published_test_part_is_held_out(tmp_path: Path) -> None:
    pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
    write_pair(tmp_path, "train", pixels[:7], np.arange(7, dtype=np.uint8) % 2)
    write_pair(tmp_path, "t10k", pixels[7:], np.arange(3, dtype=np.uint8) % 2)
    task = idx(data=tmp_path, batch_size=7)
    assert task.held_out_x.ravel().tolist() == [7, 8, 9]
    assert dict(task.description)["split"] == "published"


@pytest.mark.parametrize("batch_size", [-1, 0, 37])
def test_a_batch_larger_than_the_training_part_or_empty_is_refused(batch_size: int) -> None:
    assert "1 .. 36" in refused(lambda: pictures(batch_size=batch_size))


def test_the_task_idx_needs_a_folder() -> None:
    assert "data= in Python" in refused(idx)


# Arrays of one's own

ROWS, CLASSES = np.arange(24.0).reshape(12, 2), np.arange(12) % 3
VALUES = np.linspace(-1, 1, 12)


def huber(out: Array, target: Array) -> Array:
    """Squares near the target, absolute values far from it."""
    return jnp.mean(jnp.where(jnp.abs(out - target) < 1, 0.5 * (out - target) ** 2, jnp.abs(out - target) - 0.5))


def of_arrays(x: Any = ROWS, target: Any = CLASSES, **options: Any) -> Any:
    return from_arrays(x, target, **{"loss": "mean-squared-error", "batch_size": 9} | options)


def test_floats_are_taken_as_they_are_and_keep_their_shape() -> None:
    task = of_arrays(ROWS.reshape(12, 1, 2))
    state = task.init(KEY)
    assert task.in_shape == (1, 2) and task.out_size == 3 and state.x.dtype == jnp.float32
    every = np.concatenate([task.x, task.held_out_x]).reshape(12, 2)
    np.testing.assert_array_equal(every[np.argsort(every[:, 0])], ROWS)
    np.testing.assert_array_equal(state.target, state.x[:, 0, 0] // 2 % 3)


def test_whole_numbers_are_values_and_bytes_are_pixels() -> None:
    whole = of_arrays(ROWS.astype(np.int64)).init(KEY).x
    pixels = of_arrays(ROWS.astype(np.uint8))
    assert whole.max() > 1 and pixels.x.dtype == jnp.uint8
    np.testing.assert_allclose(pixels.init(KEY).x, whole / 255, rtol=1e-6)


def test_classes_are_split_alike_and_values_at_random() -> None:
    assert np.bincount(of_arrays().held_out_target).tolist() == [1, 1, 1]
    one, same, other = (of_arrays(target=VALUES, split_seed=seed).held_out_target.tolist() for seed in (0, 0, 1))
    assert one == same != other and len(one) == 3
    assert dict(of_arrays(target=VALUES).description)["split"] == "shuffled, seed 0"


def test_a_column_of_values_has_the_shape_of_the_outputs() -> None:
    task = of_arrays(target=VALUES)  # [12] against outputs [12, 1] would be compared all with all
    assert task.out_size == 1 and task.init(KEY).target.shape == (9, 1)
    assert of_arrays(target=np.stack([VALUES, VALUES], 1)).out_size == 2


def test_accuracy_exists_only_where_there_are_classes() -> None:
    for target, metrics in ((CLASSES, {"loss", "accuracy"}), (VALUES, {"loss"})):
        task = of_arrays(target=target)
        wrong = jnp.zeros((2, task.out_size))
        parts: tuple[Part, ...] = ("train", "held_out")
        for part in parts:
            assert set(task.evaluate(task.init(KEY), lambda x, wrong=wrong: x @ wrong, part)) == metrics


def test_a_loss_may_ask_for_more_outputs_than_there_are_targets() -> None:
    def surprise(out: Array, target: Array) -> Array:  # of a normal distribution: mean and log of the deviation
        return jnp.mean(out[:, 1:] + 0.5 * ((target - out[:, :1]) / jnp.exp(out[:, 1:])) ** 2)

    task = of_arrays(target=VALUES, loss=surprise, out_size=2)
    world = synapse_v0.world(task, hidden=())
    assert world.network.sizes == (2, 2)
    run, _ = train(KEY, world, RepeatUndo(), 3)
    assert np.isfinite(evaluate(run)["loss"]).all()


def test_a_line_is_learned_with_a_loss_of_ones_own_and_not_at_random() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    task = from_arrays(x, x @ [1.0, -2.0, 3.0] + 0.5, loss=huber, batch_size=200)
    world = synapse_v0.world(task, hidden=(), step_size=0.02, interval=500)
    learned, random = (
        float(evaluate(train(KEY, world, learner, 1500)[0])["loss"][0, 0]) for learner in (RepeatUndo(), Uniform())
    )
    assert learned < 0.05 < 0.5 < random


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"x": ROWS[:5]}, "5 samples and 12 targets do not pair up"),
        ({"x": ROWS[:, 0]}, "give numbers of shape [n, ...]"),
        ({"x": ROWS.astype(str)}, "give numbers of shape [n, ...]"),
        ({"x": np.where(ROWS == 3, np.nan, ROWS)}, "x holds NaN"),
        ({"x": np.where(ROWS == 3, 1e300, ROWS)}, "too large for f32"),
        ({"target": np.where(VALUES > 0, np.nan, VALUES)}, "target holds NaN"),
        ({"target": CLASSES - 1}, "begin with -1"),
        ({"target": CLASSES[:, None]}, "whole numbers [n] for classes"),
        ({"target": VALUES.reshape(12, 1, 1)}, "floats [n] or [n, C] for values"),
        ({"target": CLASSES.astype(str)}, "whole numbers [n] for classes"),
        ({"x": ROWS[:0], "target": CLASSES[:0]}, "give at least one sample"),
        ({"batch_size": 0}, "1 .. 9"),
        ({"batch_size": 10}, "1 .. 9"),
        ({"held_out": 1.0}, "in (0, 1)"),
        ({"out_size": 0}, "out_size must be a whole number"),
        ({"out_size": 2}, "needs out_size >= 3"),
        ({"target": VALUES, "loss": "cross-entropy"}, "always 0"),
        ({"loss": lambda out, target: out[:, 0]}, "one number for a whole batch"),
        ({"loss": "huber"}, "No loss is called 'huber'"),
    ],
)
def test_arrays_that_are_no_task_are_told_in_one_sentence(options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: of_arrays(**options))


# Batches made elsewhere


class Tensor:
    """What NumPy reads as it reads a torch tensor."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None) -> np.ndarray:
        return self.values.astype(dtype or self.values.dtype)


def loader(sizes: tuple[int, ...] = (3, 3, 3, 3)) -> list[list[Tensor]]:
    """A DataLoader's batches; sample i is [2 i, 2 i + 1] and of class i % 3."""
    ends = np.cumsum(sizes)
    return [
        [Tensor(np.arange(2 * end - 2 * n, 2 * end).reshape(n, 2) / 1.0), Tensor(np.arange(end - n, end) % 3)]
        for n, end in zip(sizes, ends, strict=True)
    ]


def firsts(x: Any) -> list[int]:
    return (np.asarray(x)[:, 0] / 2).astype(int).tolist()


def test_batches_stay_together_and_the_last_are_held_out() -> None:
    task = from_batches(loader(), loss="cross-entropy")
    assert task.in_shape == (2,) and task.out_size == 3
    seen = {tuple(firsts(task.init(jax.random.key(seed)).x)) for seed in range(20)}
    assert seen == {(0, 1, 2), (3, 4, 5), (6, 7, 8)}
    state = task.init(KEY)
    np.testing.assert_array_equal(state.target, np.array(firsts(state.x)) % 3)
    assert firsts(task.samples.held_out_x) == [9, 10, 11]


def test_a_refresh_takes_any_other_batch() -> None:
    task = from_batches(loader(), loss="cross-entropy")
    state = task.init(KEY)
    drawn = [tuple(firsts(task.refresh(jax.random.key(seed), state).x)) for seed in range(20)]
    assert len(set(drawn)) == 2 and tuple(firsts(state.x)) not in drawn
    only = from_batches(loader((3, 3)), loss="cross-entropy", held_out=0.5)
    assert same_bits(only.refresh(KEY, only.init(KEY)), only.init(KEY))


def test_a_short_last_batch_may_be_held_out_and_not_trained_on() -> None:
    assert firsts(from_batches(loader((3, 3, 3, 1)), loss="cross-entropy").samples.held_out_x) == [9]
    told = refused(lambda: from_batches(loader((3, 3, 1)), loss="cross-entropy", held_out=loader((3,))))
    assert "drop_last=True" in told


def test_a_test_set_of_its_own_is_held_out() -> None:
    task = from_batches(loader(), loss="cross-entropy", held_out=loader((3, 2)))
    assert firsts(task.samples.x) == list(range(12)) and firsts(task.samples.held_out_x) == list(range(5))


def test_a_generator_is_read_once_even_if_it_fills_the_same_buffer_again() -> None:
    def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        x, target = np.zeros((2, 1)), np.zeros(2)
        for count in itertools.count():
            x[:], target[:] = count, -count
            yield x, target

    task = from_batches(itertools.islice(endless(), 5), loss=huber, held_out=0.4)
    assert task.samples.x.ravel().tolist() == [0, 0, 1, 1, 2, 2]
    assert task.samples.held_out_target.ravel().tolist() == [-3, -3, -4, -4]
    run, _ = train(KEY, synapse_v0.world(task, hidden=(), interval=2), RepeatUndo(), 6)
    assert set(evaluate(run)) == {"loss"}


@pytest.mark.parametrize(
    ("batches", "options", "told"),
    [
        ([], {}, "There are no batches"),
        (loader((3,)), {}, "leave at least one to train on"),
        (loader(), {"held_out": 1.5}, "in (0, 1)"),
        (loader(), {"held_out": [(np.zeros((2, 3)), np.zeros(2, int))]}, "need the shape of those to train on"),
        ([{"x": ROWS}], {}, "there is a dict"),
        ([(ROWS, CLASSES[:5])] * 2, {}, "do not pair up"),
        ([(ROWS, CLASSES - 1)] * 2, {}, "begin with -1"),
    ],
)
def test_batches_that_are_no_task_are_told_in_one_sentence(batches: Any, options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: from_batches(batches, loss="cross-entropy", **options))
