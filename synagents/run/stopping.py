"""Ctrl-C and SIGTERM: asked to stop, a run plays the present chunk of rounds to its end and saves."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from synagents.run.telling import Tell

REQUESTS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object] | int | None


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop and has saved; the message is one sentence: where it stands and how it goes on."""


class Stopping:
    """While it is open, the signals ask for a stop; asked twice, they stop at once.

    Attributes:
        asked: whether a stop was asked for.
    """

    def __init__(self, directory: Path, tell: Tell):
        self.asked = False
        self._directory, self._tell = directory, tell
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():  # Python gives signals to no other
            heard = [number for number in REQUESTS if signal.getsignal(number) != signal.SIG_IGN]  # as under nohup
            self._before = {number: signal.signal(number, self._ask) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: whoever set it is not Python

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt(f"Stopped: `synagents resume {self._directory}` goes on from the last checkpoint.")
        self.asked = True
        try:
            self._tell("Stopping after the rounds in hand; once more to stop at once.")
        except RuntimeError:  # the signal came while the same stream was being written to
            pass
