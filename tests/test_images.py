from pathlib import Path

import jax
import numpy as np
import pytest

from synagents import data, losses
from synagents.tasks.images import digits, from_dataset, idx
from synagents.world import Part
from tests.claims import refused, same_bits
from tests.test_data import write_pair
from tests.toys import pictures

KEY = jax.random.key(0)
NUMBERED = data.from_arrays("numbered", np.arange(40, dtype=np.uint8).reshape(40, 1, 1), np.arange(40) % 2)


def test_a_batch_is_drawn_without_replacement_from_the_training_part() -> None:
    task = from_dataset(NUMBERED, batch_size=20)
    train, _ = data.split(NUMBERED.labels)
    drawn = np.round(np.asarray(task.init(KEY).x[:, 0]) * 255).astype(int)
    assert len(set(drawn.tolist())) == 20 and set(drawn.tolist()) <= set(train.tolist())


def test_a_batch_keeps_pictures_and_labels_together() -> None:
    batch = from_dataset(NUMBERED, batch_size=20).init(KEY)
    drawn = np.round(np.asarray(batch.x[:, 0]) * 255).astype(int)
    np.testing.assert_array_equal(batch.labels, drawn % 2)


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


def test_both_parts_are_evaluated_whole_and_apart() -> None:
    task = pictures()
    state = task.init(KEY)
    seen: dict[str, int] = {}
    parts: tuple[Part, ...] = ("train", "held_out")
    for part in parts:

        def apply(x: jax.Array, part: str = part) -> jax.Array:
            seen[part] = len(x)
            return x[:, :3]

        metrics = task.evaluate(state, apply, part)
        x, labels = (task.pixels, task.labels) if part == "train" else (task.held_out_pixels, task.held_out_labels)
        assert float(metrics["loss"]) == pytest.approx(float(losses.cross_entropy(x[:, :3], labels)))
    assert seen == {"train": 36, "held_out": 12}


def test_the_description_says_what_was_trained_on() -> None:
    description = dict(digits(split_seed=3).description)
    assert (description["data"], description["train_images"], description["held_out_images"]) == ("digits", 1348, 449)
    assert description["split"] == "stratified, seed 3" and len(description["checksum"]) == 64


def test_a_published_test_part_is_held_out(tmp_path: Path) -> None:
    pixels = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
    write_pair(tmp_path, "train", pixels[:7], np.arange(7, dtype=np.uint8) % 2)
    write_pair(tmp_path, "t10k", pixels[7:], np.arange(3, dtype=np.uint8) % 2)
    task = idx(data=tmp_path, batch_size=7)
    assert task.held_out_pixels.ravel().tolist() == [7, 8, 9]
    assert dict(task.description)["split"] == "published"


@pytest.mark.parametrize("batch_size", [-1, 0, 37])
def test_a_batch_larger_than_the_training_part_or_empty_is_refused(batch_size: int) -> None:
    assert "1 .. 36" in refused(lambda: pictures(batch_size=batch_size))


def test_the_task_idx_needs_a_folder() -> None:
    assert "data= in Python" in refused(idx)
