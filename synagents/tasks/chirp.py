"""Words made of gliding tones, as spikes of many channels, and each word backwards: only the order in time differs.

    rate_c(t) = background + .5 loudness max_k exp(-(c - track_k(t))^2 / 4),   the probability of a spike in a step
    track_k: a line through 4 knots, drawn once for each word; said up to a quarter slower or faster, higher or lower

The second half of the classes are the words of the first half, reversed in time. How many spikes a channel has says
nothing about which of the two a sample is: a classifier without memory has to guess among twins. (Ours, after spoken
words as spike trains of a cochlea model; nothing is downloaded.)
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from synagents.data.splits import split
from synagents.hyperparameters import require, require_between, require_whole
from synagents.tasks import losses
from synagents.tasks.samples import Samples, counts, require_batch

__all__ = ["chirp"]

KNOTS = 4
WIDTH = 4.0  # of a tone, in squared channels
LOUD = 0.5  # probability of a spike in the middle of a tone
SLOWEST, FASTEST = 0.8, 1.25
HIGHER = 3 / 64  # share of the channels by which a word is shifted at most


def chirp(
    *,
    batch_size: int = 50,
    words: int = 5,
    channels: int = 32,
    length: int = 50,
    tracks: int = 2,
    samples: int = 1500,
    background: float = 0.02,
    held_out: float = 1 / 3,
    words_seed: int = 0,
    split_seed: int = 0,
    loss: str = "cross-entropy",
) -> Samples:
    """Words and their reversals, [length, channels] spikes each; a class is a word in one direction.

    Args:
        batch_size: words per batch, 1 .. the training part.
        words: W >= 1; there are 2 W classes, class W + w being word w backwards.
        channels: numbers in a step, >= 8.
        length: of a word in steps, >= 4.
        tracks: tones that sound at the same time, >= 1.
        samples: of all classes and both parts, >= 4 W; as many of each class, about.
        background: probability of a spike where there is no tone, in [0, 0.5].
        held_out: share of the samples held out, in (0, 1).
        words_seed: of the words, 0 .. 2^32 - 1.
        split_seed: of how they are said, and of the split, 0 .. 2^32 - 1.
        loss: cross-entropy, mean-squared-error, squared-hinge or p-norm[:ORDER].
    """
    for name, value, least in (("words", words, 1), ("channels", channels, 8), ("length", length, 4)):
        require_whole(name, value, least)
    require_whole("tracks", tracks, 1)
    require_whole("samples", samples, 4 * words)
    require_between("background", background, 0, 0.5)
    for name, seed in (("words_seed", words_seed), ("split_seed", split_seed)):
        require_whole(name, seed, 0, 2**32 - 1)
    knots = np.random.default_rng(words_seed).uniform(3, channels - 4, (words, tracks, KNOTS))
    rng = np.random.default_rng((words_seed, split_seed))
    target = (np.arange(samples) % (2 * words)).astype(np.int32)
    x = said(rng, knots[target % words], channels, length, background)
    x = np.where((target < words)[:, None, None], x, x[:, ::-1])
    train, test = split(target, held_out=held_out, seed=split_seed)
    require(len(test) > 0, "held_out leaves no sample to be held out: raise it.")
    require_batch(batch_size, len(train), "chirp")
    return Samples(
        x=jnp.asarray(x[train]),
        target=jnp.asarray(target[train]),
        held_out_x=jnp.asarray(x[test]),
        held_out_target=jnp.asarray(target[test]),
        scale=1.0,
        in_shape=(length, channels),
        out_size=2 * words,
        batch_size=batch_size,
        loss=losses.named(loss),
        description=(*counts("chirp", train, test, f"stratified, seed {split_seed}"), ("words", f"seed {words_seed}")),
    )


def said(
    rng: np.random.Generator, knots: Float[np.ndarray, "n tracks 4"], channels: int, steps: int, background: float
) -> UInt8[np.ndarray, "n steps channels"]:
    """Words as spikes, each said in its own way: speed, height, loudness.

    Args:
        rng: draws how they are said.
        knots: the channels through which the tracks of each go.
        channels: how many there are.
        steps: of a word.
        background: probability of a spike where there is no tone.
    """
    count, tracks, _ = knots.shape
    speed = rng.uniform(SLOWEST, FASTEST, (count, 1))
    shift = rng.uniform(-HIGHER, HIGHER, (count, 1, 1)) * channels
    loud = LOUD * rng.uniform(0.7, 1.3, (count, 1, 1))
    # A word that is said faster begins later and ends sooner; its first and last tones are held.
    place = np.clip(0.5 + speed * (np.arange(steps) / (steps - 1) - 0.5), 0, 1) * (KNOTS - 1)
    before = np.minimum(place.astype(int), KNOTS - 2)
    part = place - before
    index = np.arange(count)[:, None]
    tones = np.stack(
        [(1 - part) * knots[index, k, before] + part * knots[index, k, before + 1] for k in range(tracks)], axis=2
    )
    apart = np.arange(channels)[None, None, None] - (tones + shift)[..., None]
    rate = background + loud * np.exp(-(apart**2) / WIDTH).max(axis=2)
    return (rng.random(rate.shape) < rate).astype(np.uint8)
