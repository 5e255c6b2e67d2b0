"""Others who are told how a run goes: a tracker of experiments, a plot, a phone.

class Tracker(Callback):                                    # Weights & Biases, for example
def on_begin(self, directory, config, step): self.run = wandb.init(config=config, resume="allow")
def on_look(self, step, rows): self.run.log(rows[0], step=step)
def on_end(self, summary): self.run.finish()

synagents.fit(synagents.preset("digits"), "runs/a", callbacks=[Tracker()])
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from synagents.run.config import Config
from synagents.run.files import Json
from synagents.run.log import Row
from synagents.run.telling import Listener, Tell


class Callback:
    """Is told of a run's beginning, its looks and its end; what is not overwritten does nothing.

    A method that fails with an OSError, such as that of a lost connection or a full disk, is said so once and not
    called again; training goes on. Any other error ends the run, which can be resumed.
    """

    def on_begin(self, directory: Path, config: Config, step: int) -> None:
        """Before anything is played in this process.

        Args:
            directory: of the run.
            config: what config.json says.
            step: rounds played before, by earlier processes; what was said of later ones counts no more.
        """

    def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
        """After every look.

        Args:
            step: rounds played.
            rows: {column of metrics.csv: number}, one for each of the `num_runs` runs.
        """

    def on_end(self, summary: Json | None) -> None:
        """At the end, what summary.json says; None where the run was stopped or failed."""


class Told:
    """Tells callbacks of one run, between `with` and its end."""

    def __init__(self, callbacks: Sequence[Callback], directory: Path, config: Config, step: int, tell: Tell):
        """Args: as `Callback.on_begin`; and who is told of callbacks that fail."""
        self._begin = [Listener(callback.on_begin, tell) for callback in callbacks]
        self._look = [Listener(callback.on_look, tell) for callback in callbacks]
        self._end = [Listener(callback.on_end, tell) for callback in callbacks]
        self._about = directory, config, step
        self._summary: Json | None = None

    def __enter__(self) -> "Told":
        for begin in self._begin:
            begin(*self._about)
        return self

    def look(self, step: int, rows: Sequence[Row]) -> None:
        """Tell of a look."""
        numbers = [{name: float(value) for name, value in row.items()} for row in rows]
        for look in self._look:
            look(step, numbers)

    def finished(self, summary: Json) -> None:
        """What the end will be told."""
        self._summary = summary

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for end in self._end:
            end(self._summary)
