"""Sequences and their classes: nine speakers who say two vowels, and any data set of `.ts` files.

    z = (value - mean) / deviation of its channel in the training part;   a channel is two rows, max(z, 0), max(-z, 0)

Two rows, so that nothing is negative, as rates are not. Shorter sequences begin with silence: all end together, where
networks are read out. (Japanese vowels: Kudo, Toyama & Shimbo 1999, 12 coefficients of linear prediction; 270 training
and 370 test utterances of 7 to 29 steps, published by the UCI repository.)
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from synagents.data.dataset import checksum
from synagents.data.series import Series, load_series
from synagents.tasks import losses
from synagents.tasks.samples import Samples, counts, require_batch

__all__ = ["japanese_vowels", "series"]


def japanese_vowels(*, data: Path | None = None, batch_size: int = 50, loss: str = "cross-entropy") -> Samples:
    """Which of nine men says "ae": real speech, [29, 24], with its published test part.

    Args:
        data: folder with JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts, as the UEA archive publishes them.
        batch_size: utterances per batch, 1 .. 270.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
    """
    return _made("japanese-vowels", data, "JapaneseVowels", batch_size, loss)


def series(*, data: Path | None = None, batch_size: int = 50, loss: str = "cross-entropy") -> Samples:
    """Sequences in .ts files, the format of the UEA archive: a class each, and a published test part.

    Args:
        data: folder with NAME_TRAIN.ts and NAME_TEST.ts.
        batch_size: sequences per batch, 1 .. the training part.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
    """
    return _made("series", data, None, batch_size, loss)


def _made(task: str, data: Path | None, name: str | None, batch_size: int, loss: str) -> Samples:
    if not isinstance(data, str | Path):
        raise ValueError(f"The task {task} reads your own files: name their folder with --data DIR (data= in Python).")
    name, train, test = load_series(data, name)
    require_batch(batch_size, len(train.labels), name)
    x, held_out_x = rows_of(train, test)
    place = {label: index for index, label in enumerate(train.classes)}
    target, held_out_target = (np.array([place[own] for own in part.labels], np.int32) for part in (train, test))
    seen = checksum(x, held_out_x, target, held_out_target)
    return Samples(
        x=jnp.asarray(x),
        target=jnp.asarray(target),
        held_out_x=jnp.asarray(held_out_x),
        held_out_target=jnp.asarray(held_out_target),
        scale=1.0,
        in_shape=x.shape[1:],
        out_size=len(place),
        batch_size=batch_size,
        loss=losses.named(loss),
        description=(*counts(name, target, held_out_target, "published"), ("checksum", seen)),
    )


def rows_of(train: Series, test: Series) -> tuple[Float[np.ndarray, "n T R"], Float[np.ndarray, "m T R"]]:
    """Both parts as rows that are not negative, 2 for each channel, as many steps as the longest sequence has."""
    every = np.concatenate(train.values)
    mean, deviation = every.mean(axis=0), every.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    steps = max(len(own) for part in (train, test) for own in part.values)

    def rows(part: Series) -> Float[np.ndarray, "n T R"]:
        made = np.zeros((len(part.values), steps, 2 * len(mean)), np.float32)
        for own, values in zip(made, part.values, strict=True):
            z = (values - mean) / deviation
            own[steps - len(z) :] = np.concatenate([np.maximum(z, 0), np.maximum(-z, 0)], axis=1)
        return made

    return rows(train), rows(test)
