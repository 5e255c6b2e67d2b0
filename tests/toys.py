"""Small things to try a large idea on."""

import numpy as np
from gymnasium import spaces

from synagents import data
from synagents.tasks import images
from synagents.world import Group


def pictures(*, batch_size: int = 16, loss: str = "cross-entropy") -> images.Images:
    """48 pictures of 2x3 pixels in three classes, a brighter one for every class; 36 to train on."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 3
    pixels = np.float32(0.2 * rng.random((48, 2, 3)) + 0.25 * labels[:, None, None])
    return images.from_dataset(data.from_arrays("toy", pixels, labels), batch_size=batch_size, loss=loss)


def group(size: int, *, name: str = "g", histories: int = 81, actions: int = 3) -> Group:
    """Agents with Discrete spaces."""
    return Group(name, (size,), spaces.Discrete(histories), spaces.Discrete(actions))
