"""A run while it trains: a bar on a terminal, now and then a plain line elsewhere; always on stderr."""

from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from synagents.run.fit import Look

PLAIN_LINES = 10  # how many lines a run prints where there is no terminal


class Live:
    """Shows every look: steps/s, agent-steps/s, loss, reward rate, held-out accuracy, time left."""

    def __init__(self, title: str, steps: int, *, quiet: bool = False):
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[told]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=steps, told="compiling")
        self._title, self._lines = title, 0

    def __enter__(self) -> "Live":
        if self._console.is_terminal:
            self._bar.start()
        else:
            self._console.print(f"{self._title}: compiling")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def show(self, look: Look) -> None:
        """Show how the run stands."""
        told = (
            f"{number(look.steps_per_second)} steps/s  {number(look.agent_steps_per_second)} agent-steps/s  "
            f"loss {look.loss:.3f}  rewarded {look.reward_rate:.0%}"
            + ("" if look.accuracy is None else f"  accuracy {look.accuracy:.1%}")
            + f"  {clock(look.seconds_left)} left"
        )
        if self._console.is_terminal:
            self._bar.update(self._task, completed=look.step, told=told)
        elif look.step * PLAIN_LINES // look.steps > self._lines:
            self._lines = look.step * PLAIN_LINES // look.steps
            self._console.print(f"{self._title}: step {look.step:,} of {look.steps:,}  {told}", soft_wrap=True)

    def tell(self, sentence: str) -> None:
        """Say something that must be known, even where nothing else is shown."""
        console = Console(stderr=True, highlight=False) if self._console.quiet else self._console
        console.print(sentence, soft_wrap=True, markup=False)

    def close(self, table: Table) -> None:
        """Show how it ended."""
        self._console.print(table)


def number(value: float) -> str:
    """A large number as people say it: 12,345 -> "12.3k"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """Minutes and seconds: 75 -> "1:15"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def closing_table(summary: dict[str, Any], data: dict[str, Any], folder: Path) -> Table:
    """What came of a run, and where its files are."""
    sizes = "-".join(map(str, summary["sizes"]))
    rows = {"network": f"{sizes}, {summary['agents']:,} agents"}
    if data:
        rows["data"] = f"{data['train_samples']:,} training, {data['held_out_samples']:,} held out ({data['split']})"
    if summary["accuracy"] is not None:
        rows["accuracy"] = f"{summary['accuracy']:.2%} held out, {summary['train_accuracy']:.2%} in training"
    if "mean_reward" in summary:
        mean, final = summary["mean_reward"], summary["final_reward"]
        rows["reward"] = (
            "no episode ended" if final is None else f"{mean:.4g} per episode, {final:.4g} in the last tenth"
        )
    else:
        rows["loss"] = f"{summary['held_out_loss']:.4g} held out, {summary['loss']:.4g} in training"
    rows["speed"] = (
        f"{number(summary['steps_per_second'])} steps/s, {number(summary['agent_steps_per_second'])} agent-steps/s"
    )
    rows["time"] = f"{summary['seconds']:.1f} s, {summary['compile_seconds']:.1f} s of it compiling"
    rows["results"] = str(folder)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}", value)
    return table
