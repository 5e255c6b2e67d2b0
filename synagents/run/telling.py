"""Who is told how a run goes; one that cannot be written to any more is left out, and the run goes on."""

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeAlias

Tell: TypeAlias = Callable[[str], None]  # is told a sentence
P = ParamSpec("P")


class Listener(Generic[P]):
    """Calls a function until it fails because what it writes to is closed, full or gone; then never again.

    A display is no reason to stop training: `synagents train ... | head -1` closes it, a dropped connection does.
    """

    def __init__(self, function: Callable[P, None], tell: Tell | None = None):
        """Args: the function, and who is told once that it failed."""
        self._function, self._tell = function, tell
        self._open = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the function, if it still can be called."""
        if not self._open:
            return
        try:
            self._function(*args, **kwargs)
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and "closed file" not in str(error):  # Python's own error for these
                raise
            self._open = False
            if self._tell:
                self._tell(f"What shows the run failed ({type(error).__name__}: {error}): training goes on without it.")
