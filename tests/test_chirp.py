import numpy as np
import pytest

from synagents.tasks.chirp import chirp, said
from synagents.tasks.samples import Samples
from tests.claims import refused, same_bits


def test_a_word_is_a_row_of_channels_in_every_step_and_each_class_is_there_equally_often() -> None:
    task = chirp(samples=300, batch_size=20)
    assert task.in_shape == (50, 32) and task.out_size == 10 and set(np.unique(task.x)) == {0, 1}
    assert np.bincount(task.target).tolist() == [20] * 10 and np.bincount(task.held_out_target).tolist() == [10] * 10


def test_tones_glide_through_their_knots_and_noise_is_everywhere() -> None:
    knots = np.tile([4.0, 12.0, 12.0, 28.0], (4000, 1, 1))
    rate = said(np.random.default_rng(0), knots, 32, 31, 0.05).mean(axis=0)
    assert rate[0].argmax() in (3, 4, 5) and rate[15].argmax() in (11, 12, 13) and rate[30].argmax() in (27, 28, 29)
    assert rate[0, 20] == pytest.approx(0.05, abs=0.02)


def test_the_second_half_of_the_classes_are_the_first_half_backwards() -> None:
    task = chirp(samples=4000, background=0.0)
    x, target = np.asarray(task.x, float), np.asarray(task.target)
    for word in range(5):
        forward, backward = x[target == word].mean(axis=0), x[target == word + 5].mean(axis=0)
        assert np.corrcoef(forward.ravel(), backward[::-1].ravel())[0, 1] > 0.9


def nearest_mean(task: Samples, features: object) -> np.ndarray:
    """Which class's mean each held-out sample is nearest to."""
    seen, asked = (features(np.asarray(x, float)).reshape(len(x), -1) for x in (task.x, task.held_out_x))  # type: ignore[operator]
    means = np.stack([seen[np.asarray(task.target) == k].mean(axis=0) for k in range(task.out_size)])
    return ((asked[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)


def test_how_often_channels_fire_does_not_tell_a_word_from_its_reversal_and_when_they_do_does() -> None:
    task = chirp(samples=3000)
    right = np.asarray(task.held_out_target)
    counted = nearest_mean(task, lambda x: x.sum(axis=1))
    of_the_word = counted % 5 == right % 5
    assert of_the_word.mean() > 0.6  # the word can be heard, but not its direction
    assert (counted == right)[of_the_word].mean() == pytest.approx(0.5, abs=0.07)
    assert (nearest_mean(task, lambda x: x) == right).mean() > 0.8


def test_seeds_decide_the_words_and_how_they_are_said() -> None:
    one = chirp(samples=200)
    assert same_bits(one.x, chirp(samples=200).x)
    assert not same_bits(one.x, chirp(samples=200, split_seed=1).x)
    assert not same_bits(one.x, chirp(samples=200, words_seed=1).x)


ODD = {"words": 0, "channels": 4, "length": 1, "tracks": 0, "samples": 10, "background": 0.9}


@pytest.mark.parametrize(("option", "value"), ODD.items())
def test_numbers_out_of_range_are_refused_in_one_sentence(option: str, value: float) -> None:
    assert option in refused(lambda: chirp(**{option: value}))  # type: ignore[arg-type]
