"""Numbers that change with time: a step size that shrinks, an exploration that is switched off; and when a batch does.

A schedule is a plain number, or one of the three records below; `at(schedule, t)` is its value at round t. The
published notMNIST run with hidden units uses `Switch(1e-4, 5e-5, 100_000)` (Bhargava et al. 2022).
"""

from typing import TypeAlias, Union

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from synagents.hyperparameters import require, require_between, settings


@settings
class Switch:
    """One value before a round, another from it on.

    Attributes:
        before: value at rounds t < step.
        after: value at rounds t >= step.
        step: the round of the switch, >= 0.
    """

    before: float
    after: float
    step: float

    def __post_init__(self) -> None:
        require_between("step", self.step, 0)

    def at(self, t: Array | int) -> Float[Array, ""]:
        """The value at round t."""
        return jnp.where(t < self.step, self.before, self.after)

    def __str__(self) -> str:
        return _written("switch", self.before, self.after, self.step)


@settings
class Linear:
    """A straight line from `start` at round 0 to `stop` at round `steps`, constant afterwards.

    Attributes:
        start: value at round 0.
        stop: value from round `steps` on.
        steps: length of the decay in rounds, > 0.
    """

    start: float
    stop: float
    steps: float

    def __post_init__(self) -> None:
        require_between("steps", self.steps, 0, above=True)

    def at(self, t: Array | int) -> Float[Array, ""]:
        """The value at round t."""
        return self.start + (self.stop - self.start) * jnp.minimum(t / self.steps, 1.0)

    def __str__(self) -> str:
        return _written("linear", self.start, self.stop, self.steps)


@settings
class Exponential:
    """A geometric decay from `start` at round 0 to `stop` at round `steps`, constant afterwards.

    Attributes:
        start: value at round 0, > 0.
        stop: value from round `steps` on, > 0.
        steps: length of the decay in rounds, > 0.
    """

    start: float
    stop: float
    steps: float

    def __post_init__(self) -> None:
        for name in ("start", "stop", "steps"):
            require_between(name, getattr(self, name), 0, above=True)

    def at(self, t: Array | int) -> Float[Array, ""]:
        """The value at round t."""
        return self.start * (self.stop / self.start) ** jnp.minimum(t / self.steps, 1.0)

    def __str__(self) -> str:
        return _written("exponential", self.start, self.stop, self.steps)


Schedule: TypeAlias = Union[float, Switch, Linear, Exponential]  # noqa: UP007 - read by the command line at run time


def at(schedule: Schedule, t: Array | int) -> Float[Array, ""]:
    """The value of `schedule` at round t (a plain number is constant)."""
    value = (
        schedule.at(jnp.asarray(t, jnp.float32)) if isinstance(schedule, Switch | Linear | Exponential) else schedule
    )
    return jnp.asarray(value, jnp.float32)


def _written(kind: str, *numbers: float) -> str:
    return ":".join([kind, *(repr(float(number)).removesuffix(".0") for number in numbers)])


def require_range(name: str, schedule: Schedule, low: float, high: float = float("inf")) -> None:
    """Raise ValueError unless every value `schedule` takes lies in [low, high]."""
    match schedule:
        case Switch(before=first, after=last) | Linear(start=first, stop=last) | Exponential(start=first, stop=last):
            require_between(name, first, low, high)
            require_between(name, last, low, high)
        case _:
            require_between(name, schedule, low, high)


def parse(text: str, steps: int) -> Schedule:
    """Read a schedule as the command line and `config.json` write it.

    Args:
        text: `0.005`, `switch:BEFORE:AFTER:STEP`, `linear:START:STOP[:STEPS]` or `exponential:START:STOP[:STEPS]`.
        steps: the length of a decay that does not name its own, in rounds.

    Raises:
        ValueError: if `text` is none of these.
    """
    kinds: dict[str, type[Switch | Linear | Exponential]] = {
        "switch": Switch,
        "linear": Linear,
        "exponential": Exponential,
    }
    kind, *rest = text.split(":")
    try:
        if not rest:
            return float(kind)
        numbers = [float(number) for number in rest]
    except ValueError:
        kind, numbers = "", []
    if len(numbers) == 2 and kind in ("linear", "exponential"):
        numbers.append(float(steps))
    require(
        kind in kinds and len(numbers) == 3,
        f"{text!r} is not a schedule: write a number, switch:BEFORE:AFTER:STEP, linear:START:STOP[:STEPS] "
        "or exponential:START:STOP[:STEPS].",
    )
    return kinds[kind](*numbers)


def is_due(t: int | UInt32[Array, ""], interval: int) -> Bool[Array, ""]:
    """Whether round t begins with a new batch, where batches are kept for `interval` >= 1 rounds."""
    return jnp.asarray((t % interval == 0) & (t > 0))
