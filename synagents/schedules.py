"""Numbers that change with time: a step size that shrinks, an exploration that is switched off.

A schedule is a plain number, or one of the first three records below; `at(schedule, t)` is its value at round t. The
published notMNIST run with hidden units uses `Switch(1e-4, 5e-5, 100_000)` (Bhargava et al. 2022). A step size may also
follow how often it succeeds (`SuccessRule`).
"""

from typing import TypeAlias, Union

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from synagents.hyperparameters import require_between, settings


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


@settings
class SuccessRule:
    """A step size that follows how often it succeeds, so that nobody has to choose one, or how it falls.

        s <- s exp(rate (1 - target)) after a round in which the loss fell, s exp(-rate target) after any other

    It is the success rule of evolution strategies (Rechenberg 1973; in this form Kern et al. 2004). Agents that know
    which way to go succeed the more often the shorter the step is, and the less often the nearer they are to where
    batches disagree; so a step that holds their share of successes at the target shrinks while the network converges.
    Agents that know nothing succeed in half of the rounds at most, and for them the step shrinks at once.

    Attributes:
        start: weight change per action before the first round, > 0.
        target: share of successes, in (0, 1], at which the step stays.
        rate: what the step's logarithm changes by in a round at most, > 0.
    """

    start: float = 1e-3
    target: float = 0.75
    rate: float = 0.003

    def __post_init__(self) -> None:
        for name in ("start", "target", "rate"):
            require_between(name, getattr(self, name), 0, 1 if name == "target" else float("inf"), above=True)

    def after(self, step: Float[Array, ""], success: Bool[Array, ""]) -> Float[Array, ""]:
        """The step after a round in which the loss fell, or did not."""
        return step * jnp.exp(self.rate * (success.astype(jnp.float32) - self.target))

    def __str__(self) -> str:
        return _written("success", self.start, self.target, self.rate)


Schedule: TypeAlias = Union[float, Switch, Linear, Exponential]  # noqa: UP007 - read by the command line at run time
StepSize: TypeAlias = Union[float, Switch, Linear, Exponential, SuccessRule]  # noqa: UP007 - the same

SCHEDULES = "a number, switch:BEFORE:AFTER:STEP, linear:START:STOP[:STEPS] or exponential:START:STOP[:STEPS]"
SUCCESS = "success[:START[:TARGET[:RATE]]]"


def at(schedule: Schedule, t: Array | int) -> Float[Array, ""]:
    """The value of `schedule` at round t (a plain number is constant)."""
    value = (
        schedule.at(jnp.asarray(t, jnp.float32)) if isinstance(schedule, Switch | Linear | Exponential) else schedule
    )
    return jnp.asarray(value, jnp.float32)


def _written(kind: str, *numbers: float) -> str:
    return ":".join([kind, *(repr(float(number)).removesuffix(".0") for number in numbers)])


def require_range(name: str, schedule: StepSize, low: float, high: float = float("inf")) -> None:
    """Raise ValueError unless every value `schedule` takes lies in [low, high]."""
    match schedule:
        case SuccessRule(start=first):
            require_between(name, first, low, high)
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
    schedule = _read(text, steps)
    if schedule is None:
        raise ValueError(f"{text!r} is not a schedule: write {SCHEDULES}.")
    return schedule


def parse_step(text: str, steps: int) -> StepSize:
    """Read a step size: a schedule as `parse` does, or `success[:START[:TARGET[:RATE]]]`.

    Raises:
        ValueError: if `text` is none of these, or out of range.
    """
    kind, *rest = text.split(":")
    numbers = _numbers(rest)
    if kind == "success" and numbers is not None and len(numbers) <= 3:
        return SuccessRule(*numbers)
    schedule = _read(text, steps)
    if schedule is None:
        raise ValueError(f"{text!r} is not a step size: write {SCHEDULES}, or {SUCCESS}.")
    return schedule


def _read(text: str, steps: int) -> Schedule | None:
    kinds: dict[str, type[Switch | Linear | Exponential]] = {
        "switch": Switch,
        "linear": Linear,
        "exponential": Exponential,
    }
    kind, *rest = text.split(":")
    numbers = _numbers(rest if rest else [kind])
    if numbers is None:
        return None
    if not rest:
        return numbers[0]
    if len(numbers) == 2 and kind in ("linear", "exponential"):
        numbers.append(float(steps))
    return kinds[kind](*numbers) if kind in kinds and len(numbers) == 3 else None


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
