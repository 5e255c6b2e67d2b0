"""A run while it trains: a bar on a terminal, now and then a plain line elsewhere; always on stderr.

Names and paths are plain text here, whatever brackets they have, and lines are as long as what they say. A display that
cannot be written any more (a closed pipe, a lost terminal) falls silent: training goes on.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from synagents.run.files import Json
from synagents.run.fit import Look

BAR = 10  # width of the bar
PLAIN_LINES = 10  # how many lines a run prints where there is no terminal


class Live:
    """Shows every look: time left, loss, held-out accuracy, reward, steps/s, agent-steps/s.

    In a narrow terminal the last of these are left out.

    Args:
        title: of the run, such as "digits trace".
        steps: that it is to play in all.
        quiet: show nothing but what is told by `tell`.
    """

    def __init__(self, title: str, steps: int, *, quiet: bool = False):
        self._console = _Stderr(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=BAR),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[numbers]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=steps, numbers="starting")
        self._title, self._lines, self._started = title, 0, False

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._started:
            self._console.attempt(self._bar.stop)

    def compiling(self) -> None:
        """Show that the program is being compiled: nothing that was asked for is refused from here on."""
        if not self._console.is_terminal:
            self._print(f"{self._title}: compiling")
            return
        self._started = True
        self._bar.update(self._task, numbers="compiling")
        self._console.attempt(self._bar.start)

    def show(self, look: Look) -> None:
        """Show how the run stands."""
        parts = [
            f"{clock(look.seconds_left)} left",
            *([] if look.loss is None else [f"loss {look.loss:.3f}"]),
            *([] if look.accuracy is None else [f"accuracy {look.accuracy:.1%}"]),
            *([] if look.reward is None else [f"reward {look.reward:.4g}"]),
            *([] if look.reward_rate is None else [f"rewarded {look.reward_rate:.0%}"]),
            f"{number(look.steps_per_second)} steps/s",
            *([] if look.lives_per_second is None else [f"{number(look.lives_per_second)} lives/s"]),
            f"{number(look.agent_steps_per_second)} agent-steps/s",
        ]
        if self._started:
            numbers = fitting(parts, self._console.width - len(self._title) - BAR - len("  100%  "))
            self._console.attempt(lambda: self._bar.update(self._task, completed=look.step, numbers=numbers))
        elif look.step * PLAIN_LINES // look.steps > self._lines:
            self._lines = look.step * PLAIN_LINES // look.steps
            self._print(f"{self._title}: step {look.step:,} of {look.steps:,}  {'  '.join(parts)}")

    def tell(self, sentence: str) -> None:
        """Say something that must be known, even where nothing else is shown."""
        if self._console.silenced:
            return
        quiet, self._console.quiet = self._console.quiet, False
        self._print(sentence)
        self._console.quiet = quiet or self._console.silenced

    def close(self, text: Text) -> None:
        """Show how it ended."""
        self._print(text)

    def _print(self, text: str | Text) -> None:
        self._console.attempt(lambda: self._console.print(text, soft_wrap=True))


class _Stderr(Console):
    """A console that falls silent when what it writes to is closed, full or gone; Rich's own would end the process.

    Attributes:
        silenced: whether that has happened.
    """

    silenced = False

    def on_broken_pipe(self) -> None:
        """Called by Rich where a pipe was closed."""
        self.silence()

    def attempt(self, write: Callable[[], object]) -> None:
        """Write something, if that is possible."""
        try:
            write()
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and "closed file" not in str(error):  # Python's own error for these
                raise
            self.silence()

    def silence(self) -> None:
        """Write nothing any more; what is still in the stream's buffer goes nowhere."""
        self.silenced = self.quiet = True
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)


def fitting(parts: list[str], room: int) -> str:
    """As many parts as fit into a line of `room` characters, the first ones first.

    >>> fitting(["0:05 left", "loss 0.523", "rewarded 50%"], 25)
    '0:05 left  loss 0.523'
    """
    while parts and len("  ".join(parts)) > room:
        parts = parts[:-1]
    return "  ".join(parts)


def number(value: float) -> str:
    """A large number in short: 12,345 -> "12.3k"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """Minutes and seconds: 75 -> "1:15"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def closing_table(summary: Json, directory: Path) -> Text:
    """What came of a run; the last line is the path of its files and nothing else.

    Args:
        summary: of the run, as `fit` gives it.
        directory: where its files are.
    """
    text = Text()
    for name, value in _closing_rows(summary):
        text.append(f"{name:<10}", style="bold").append(f"{value}\n")
    return text.append("results in\n", style="bold").append(str(directory))


def _closing_rows(summary: Json) -> Iterator[tuple[str, str]]:
    sizes = "-".join(map(str, summary["sizes"]))
    yield "network", f"{sizes}, {summary['agents']:,} agents" if sizes else f"{summary['agents']:,} agents"
    data = data_line(summary.get("data") or {})
    if data:
        yield "data", data
    if "levels" in summary:
        yield from _life_rows(summary)
        return
    if summary["accuracy"] is not None:
        yield "accuracy", f"{summary['accuracy']:.2%} held out, {summary['train_accuracy']:.2%} in training"
    if "mean_reward" in summary:
        mean, final = summary["mean_reward"], summary["final_reward"]
        ended = "no episode ended" if mean is None else f"{mean:.4g} per episode"
        yield "reward", ended if final is None else f"{ended}, {final:.4g} in the last tenth"
    else:
        yield "loss", f"{summary['held_out_loss']:.4g} held out, {summary['loss']:.4g} in training"
    yield from _time_rows(summary)


def _life_rows(summary: Json) -> Iterator[tuple[str, str]]:
    """What came of an outer loop, beside what others earn in a life."""
    yield "reward", f"{summary['final_reward']:.4g} in a fresh life of {summary['length']:,} rounds"
    if summary["levels"]:
        yield "", ", ".join(f"{name} {level:.4g}" for name, level in summary["levels"].items())
    yield from _time_rows(summary)


def _time_rows(summary: Json) -> Iterator[tuple[str, str]]:
    rates = [("steps", "steps/s"), ("lives", "lives/s"), ("agent_steps", "agent-steps/s")]
    there = [(f"{name}_per_second", unit) for name, unit in rates]
    yield "speed", ", ".join(f"{number(summary[name])} {unit}" for name, unit in there if name in summary)
    yield "time", f"{summary['seconds']:.1f} s, {summary['compile_seconds']:.1f} s of it compiling"


def data_line(data: Json) -> str:
    """A task's description in a line; whatever it does not say is left out.

    >>> data_line({"train_samples": 1347, "held_out_samples": 450, "split": "seed 0", "classes": 10, "scale": 16.0})
    '1,347 training, 450 held out (seed 0), 10 classes, pixels / 16'
    """
    amounts = [
        f"{data[name]:,} {word}" if isinstance(data[name], int) else f"{data[name]} {word}"
        for name, word in (("train_samples", "training"), ("held_out_samples", "held out"))
        if name in data
    ]
    split = f" ({data['split']})" if data.get("split") else ""
    rest = []
    if "classes" in data:
        classes = data["classes"]
        rest.append(f"{classes} classes" if isinstance(classes, int) else f"classes {_listed(classes)}")
    if "scale" in data:
        scale = data["scale"]
        rest.append(f"pixels / {scale:g}" if isinstance(scale, int | float) else f"pixels / {scale}")
    return ", ".join([*amounts[:-1], *(f"{last}{split}" for last in amounts[-1:]), *rest])


def _listed(values: object) -> str:
    if isinstance(values, dict):
        return ", ".join(f"{name} = {value}" for name, value in values.items())
    return ", ".join(map(str, values)) if isinstance(values, list | tuple) else str(values)
