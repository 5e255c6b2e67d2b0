"""Characters of a text, one by one: forecast which one comes next.

    life    `length` + 1 characters in a row, from a random place of the text; the last tenth of it is held out
    R       log2 p(next character) / length, so that a life's reward is minus its bits per character

What is seen is the present character as a one-hot. Who makes one guess instead of giving probabilities is paid 1 for a
right one, else 0. (Shannon 1951; for plastic networks: Miconi, Rawal, Clune & Stanley 2019, on words.)
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key

from synagents.hyperparameters import require, require_whole, settings, static
from synagents.world import Answer, ForecastTask, Part, TaskState

__all__ = ["text"]

HELD_OUT = 0.1  # share of the text, its end


class TextLife(NamedTuple):
    """How a life stands."""

    at: Integer[Array, ""]  # the present character's place in the text
    t: Integer[Array, ""]  # rounds of the life before this one


@settings
class Text(ForecastTask):
    """A text; build it by `text`.

    Attributes:
        codes: u16[characters], the number of every character of the text among `symbols`.
        symbols: A different characters in order.
        name: where the text is from.
        length: rounds of a life.
    """

    codes: Integer[Array, "n"]
    symbols: str = static()
    name: str = static()
    length: int = static(default=50)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """A one-hot."""
        return (len(self.symbols),)

    @property
    def action_space(self) -> spaces.Discrete:
        """The next character's number."""
        return spaces.Discrete(len(self.symbols))

    @property
    def train_size(self) -> int:
        """Characters that are not held out."""
        return len(self.codes) - held_out_size(len(self.codes))

    @cached_property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the text."""
        sha256 = hashlib.sha256("".join(self.symbols[code] for code in np.asarray(self.codes)).encode()).hexdigest()
        sizes = (("train_characters", self.train_size), ("held_out_characters", held_out_size(len(self.codes))))
        return (("text", self.name), *sizes, ("symbols", len(self.symbols)), ("sha256", sha256))

    @cached_property
    def levels(self) -> dict[str, float]:
        """Minus bits per held-out character: of a uniform guess, and who counted training's characters, and pairs."""
        codes, count = np.asarray(self.codes), len(self.symbols)
        train, held_out = codes[: self.train_size], codes[self.train_size :]
        single = np.bincount(train, minlength=count) + 1.0
        pairs = np.ones((count, count))
        np.add.at(pairs, (train[:-1], train[1:]), 1)
        single /= single.sum()
        pairs /= pairs.sum(axis=1, keepdims=True)
        return {
            "random": -float(np.log2(count)),
            "frequencies": float(np.log2(single[held_out[1:]]).mean()),
            "pairs": float(np.log2(pairs[held_out[:-1], held_out[1:]]).mean()),
        }

    def init(self, key: Key[Array, ""]) -> TextLife:
        """A life in the training part."""
        return self.first(key, "train")

    def first(self, key: Key[Array, ""], part: Part) -> TextLife:
        """A random place from which a whole life fits into the part."""
        low, high = (0, self.train_size) if part == "train" else (self.train_size, len(self.codes))
        return TextLife(jax.random.randint(key, (), low, high - self.length, jnp.int32), jnp.int32(0))

    def stimulus(self, state: TextLife) -> Float[Array, "A"]:
        """The present character."""
        return jax.nn.one_hot(self.codes[state.at], len(self.symbols), dtype=jnp.float32)

    def reward(self, state: TextLife, log_p: Float[Array, "A"]) -> Float[Array, ""]:
        """Bits of the next character, over the life's rounds."""
        return log_p[self.codes[state.at + 1]] / jnp.asarray(np.log(2) * self.length, log_p.dtype)

    def respond(self, key: Key[Array, ""], state: TextLife, action: Integer[Array, ""]) -> tuple[TaskState, Answer]:
        """Whether a guess is right, and the next character; a new life where this one is over."""
        right = (self.codes[state.at + 1] == action).astype(jnp.float32)
        ended = state.t + 1 == self.length
        next_one = TextLife(state.at + 1, state.t + 1)
        after = jax.tree.map(lambda new, old: jnp.where(ended, new, old), self.init(key), next_one)
        return after, Answer(right, ended, jnp.bool_(False))


def text(*, file: Path | None = None, length: int = 50) -> Text:
    """Forecast the next character of a text.

    Args:
        file: a text in UTF-8; None for what `help("topics")` of this Python says, which differs between versions.
        length: rounds of a life, >= 1.
    """
    require_whole("length", length, 1)
    name, content = _read(file)
    require(
        held_out_size(len(content)) > length,
        f"{name} has {len(content):,} characters, of which a tenth is held out, too few for a life of {length} rounds: "
        "give a longer text or a shorter length.",
    )
    points, numbers = np.unique(np.frombuffer(content.encode("utf-32-le"), np.uint32), return_inverse=True)
    require(len(points) > 1, f"{name} repeats one character, so there is nothing to forecast: give another text.")
    return Text(jnp.asarray(numbers, jnp.uint16), "".join(map(chr, points)), name, length)


def _read(file: Path | None) -> tuple[str, str]:
    """A text's name and content."""
    if file is None:
        from pydoc_data.topics import topics

        return "pydoc_data.topics", "\n\n".join(topics[name] for name in sorted(topics))
    require(isinstance(file, str | Path), f"file is the name of a text, and not {file!r}.")
    file = Path(file).expanduser()
    require(file.is_file(), f"There is no text at {file}: name a file of characters in UTF-8.")
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 (byte {error.start}): save it as UTF-8.") from error
    require(bool(content), f"{file} is empty: give a text.")
    return file.name, content


def held_out_size(characters: int) -> int:
    """How many characters at the end of a text are held out."""
    return int(characters * HELD_OUT)
