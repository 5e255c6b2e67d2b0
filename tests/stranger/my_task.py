"""A task from arrays: 400 points of the plane, some of which lie in a disk."""

import numpy as np

import synagents


def disk(points: int = 400) -> synagents.Task:
    """Say whether a point lies in the disk.

    Args:
        points: how many, >= 8.
    """
    x = np.random.default_rng(0).uniform(-1, 1, (points, 2))
    inside = np.sum(x**2, axis=1) < 0.5
    return synagents.from_arrays(x, inside.astype(int), loss="cross-entropy", batch_size=points // 2)
