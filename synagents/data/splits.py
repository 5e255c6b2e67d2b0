"""Which samples are held out: drawn class by class, or the part that was published as the test part."""

import numbers

import numpy as np
import numpy.typing as npt


def split(
    labels: npt.ArrayLike, *, held_out: float = 0.25, seed: int = 0, published_test: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Divide the samples in two, alike in their classes: each class gives its held-out share to within one sample.

    The samples are laid out class by class, shuffled within each, and every (1/held_out)-th of the row is held out.

    Args:
        labels: int[n].
        held_out: the share held out, in (0, 1).
        seed: of numpy's `default_rng`, 0 .. 2^32 - 1; the same seed gives the same parts.
        published_test: where above 0, the last so many samples are held out instead, whatever the share and the seed.

    Returns:
        Indices to train on and indices held out, int[.] each, ascending; every sample is in exactly one.

    Raises:
        ValueError: the share is not in (0, 1), or a part would be empty.
    """
    labels = np.asarray(labels)
    n = len(labels)
    if not (isinstance(held_out, numbers.Real) and 0 < held_out < 1):
        raise ValueError(f"held_out is the share of samples to hold out, in (0, 1), and not {held_out!r}.")
    if not (isinstance(seed, numbers.Integral) and 0 <= seed < 2**32):
        raise ValueError(f"split_seed is the seed of the split, a whole number in 0 .. 2^32 - 1, and not {seed!r}.")
    if published_test:
        held = np.arange(n) >= n - published_test
    else:
        row = np.random.default_rng(seed).permutation(n)
        row = row[np.argsort(labels[row], kind="stable")]
        held = np.empty(n, bool)
        held[row] = np.diff(np.floor(np.arange(n + 1) * held_out + 0.5)) > 0
    if held.all() or not held.any():
        raise ValueError(f"{held.sum()} of {n} samples would be held out; leave at least one in each part.")
    return np.flatnonzero(~held), np.flatnonzero(held)
