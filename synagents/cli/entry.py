"""Where the command begins: from its first line on Ctrl-C and SIGTERM are heard, whatever is being imported.

    before anything is written   the first request ends the process at once
    in a run                     `synagents.run.fit` stops after the rounds in hand and saves
    in other work                the first request interrupts, so that nothing is left half-written; the second ends it

A Python exception in the middle of an import or of a compilation may be swallowed there, or crash the interpreter when
it ends; so nothing is raised before the work begins, and a process that was stopped skips the interpreter's clean-up.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPPED = 130  # exit code of whatever was asked to stop
REQUESTS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Run the command; exit 0 done, 1 failure, 2 wrong use, 130 stopped, each explained in one sentence on stderr."""
    hear_stops()
    from synagents.cli.main import run

    code = run()
    if code == STOPPED:
        leave(code)
    sys.exit(code)


def hear_stops() -> None:
    """End the process at once when it is asked to stop, until work begins that hears for itself."""
    for number in REQUESTS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and shells ask for background jobs
            signal.signal(number, _end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Work that tidies up when it is interrupted; a second request ends it at once."""
    before = {number: signal.getsignal(number) for number in REQUESTS}
    for number, handler in before.items():
        if handler == _end:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process at once, without the interpreter's clean-up: compilation may go on in other threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed, which is no reason to stay
            pass
    os._exit(code)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"Error: Stopped.\n")
    except OSError:  # nobody listens
        pass
    os._exit(STOPPED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for request in REQUESTS:
        signal.signal(request, _end)
    raise KeyboardInterrupt
