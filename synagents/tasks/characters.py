"""Characters of a text in windows: forecast the one that follows each window.

    x = `length` characters in a row as one-hots;   loss = cross-entropy of the next one

The same text and the same held-out tenth, its end, as in the lives of `text`, for networks whose weights are trained.
The held-out loss in bits per character can be compared with what counting pairs reaches (`Text.levels`).
(Shannon 1951; for recurrent networks Mikolov et al. 2010.)
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Integer, Key, Num

from synagents.hyperparameters import require, require_whole, settings, static
from synagents.task import LARGEST_INT8
from synagents.tasks import integer_losses, losses
from synagents.tasks.samples import Batch
from synagents.tasks.text import Text, text
from synagents.world import Metrics, Part, Task

__all__ = ["characters"]

LOOKED_AT = 20_000  # windows of a part at most that an evaluation looks at, evenly spaced
AT_ONCE = 1_000


@settings
class Characters(Task):
    """Windows of a text; build it by `characters`.

    Attributes:
        text: the text; its `length` is the characters of a window.
        batch_size: windows in a batch, >= 1.
        whole: whether one-hots are int8, with 127 for 1, and not f32.
    """

    text: Text
    batch_size: int = static(default=500)
    whole: bool = static(default=False)

    def __post_init__(self) -> None:
        require_whole("batch_size", self.batch_size, 1)
        require(
            not self.whole or self.batch_size <= integer_losses.MOST_SAMPLES,
            f"A loss in int32 sums at most {integer_losses.MOST_SAMPLES} windows: make batch_size smaller.",
        )

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one window: characters, symbols."""
        return (self.text.length, len(self.text.symbols))

    @property
    def out_size(self) -> int:
        """One output for each symbol."""
        return len(self.text.symbols)

    @property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the text."""
        return self.text.description

    @property
    def loss_unit(self) -> float:
        """1, or of whole numbers what makes their sum a mean in nats."""
        return integer_losses.nats_per_sample(self.batch_size) if self.whole else 1.0

    def integers(self) -> "Characters":
        """The same windows in int8, and a loss in int32."""
        return replace(self, whole=True)

    def init(self, key: Key[Array, ""]) -> Batch:
        """A first batch."""
        start = jax.random.randint(key, (self.batch_size,), 0, self.text.train_size - self.text.length, jnp.int32)
        return self._windows(start)

    def stimulus(self, state: Batch) -> Num[Array, "B T A"]:
        """The batch's windows."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Batch, out: Num[Array, "B A"]) -> tuple[Batch, Num[Array, ""]]:
        """The cross-entropy of the next characters."""
        del key
        return state, self.loss(out, state.target)

    def loss(self, out: Num[Array, "B A"], target: Int32[Array, "B"]) -> Num[Array, ""]:
        """The cross-entropy: in nats, or of outputs in int32 as `integer_losses` has it."""
        return losses.cross_entropy(out, target)

    def refresh(self, key: Key[Array, ""], state: Batch) -> Batch:
        """Other windows, from anywhere in the training part."""
        del state
        return self.init(key)

    def evaluate(self, state: Batch, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss in nats, the same in bits, and accuracy, over up to 20,000 windows of a part, evenly spaced."""
        del state
        codes, length = self.text.codes, self.text.length
        first, last = (0, self.text.train_size) if part == "train" else (self.text.train_size, len(codes))
        count = min(LOOKED_AT, last - length - first)
        chunk = min(AT_ONCE, count)
        start = np.linspace(first, last - length - 1, count // chunk * chunk).astype(np.int32)

        def scored(start: Int32[Array, "B"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
            batch = self._windows(start)
            out = apply_fn(batch.x)
            out = integer_losses.in_nats(out) if self.whole else out
            return self.loss(out, batch.target), losses.accuracy(out, batch.target)

        loss, accuracy = jax.tree.map(jnp.mean, jax.lax.map(scored, jnp.asarray(start.reshape(-1, chunk))))
        return {"loss": loss, "bits": loss / jnp.float32(np.log(2)), "accuracy": accuracy}

    def _windows(self, start: Integer[Array, "B"]) -> Batch:
        places = start[:, None] + jnp.arange(self.text.length + 1)
        codes = self.text.codes[places].astype(jnp.int32)
        of_one, dtype = (LARGEST_INT8, jnp.int8) if self.whole else (1, jnp.float32)
        seen = codes[:, :-1, None] == jnp.arange(self.out_size)
        return Batch(jnp.where(seen, of_one, 0).astype(dtype), codes[:, -1])


def characters(*, file: Path | None = None, length: int = 8, batch_size: int = 500) -> Characters:
    """Forecast the character that follows a window of a text.

    Args:
        file: a text in UTF-8; None for what `help("topics")` of this Python says, which differs between versions.
        length: characters of a window, >= 1.
        batch_size: windows in a batch, >= 1.
    """
    return Characters(text(file=file, length=length), batch_size)
