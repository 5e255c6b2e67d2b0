"""Train on disk: look now and then, keep what was seen, and go on exactly where the run was stopped.

Chunks of rounds are cut by their numbers alone, so a run that was stopped a hundred times makes the same calls of the
same compiled programs as one that never was, and ends with the same bits. `synagents.run.directory` lists the files.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple

import jax

from synagents.hyperparameters import require
from synagents.run.callbacks import Callback, Told
from synagents.run.directory import RunDirectory
from synagents.run.files import Json
from synagents.run.session import Session
from synagents.run.spec import H, R, Seen, Spec
from synagents.run.stopping import Interrupted, Stopping
from synagents.run.telling import Listener, Tell


class Look(NamedTuple):
    """How a run stands: what the live display shows."""

    step: int  # rounds played, or updates of an outer loop made
    steps: int  # asked for
    steps_per_second: float  # all runs and worlds together advance at this rate
    agent_steps_per_second: float  # how often an agent acts, over all lives, worlds and runs
    seconds_left: float
    loss: float | None = None  # on the batch in use, mean over the last rounds, worlds and runs
    reward_rate: float | None = None  # share of rounds with a positive reward since the last look
    accuracy: float | None = None  # held out, mean over worlds and runs; None where the task has no classes
    reward: float | None = None  # of a fresh life, mean over lives and runs; None where there is no outer loop
    lives_per_second: float | None = None


def fit(
    spec: Spec[R, H],
    directory: str | Path | RunDirectory,
    *,
    checkpoint_seconds: float | None = None,
    started: float | None = None,
    compiling: Callable[[], None] = lambda: None,
    watch: Callable[[Look], None] = lambda look: None,
    callbacks: Sequence[Callback] = (),
    tell: Tell = print,
) -> tuple[R, Json]:
    """Train, look now and then, and leave everything in a directory; one that holds this run already is gone on with.

    The same call again, after whatever stopped the one before, ends with the same bits as a call that was never
    stopped; with more rounds it extends the run. Ctrl-C or SIGTERM stops after the present chunk of rounds, and saves.

    Args:
        spec: what is to be played.
        directory: new, empty, or with this very run in it. Nothing is written if the spec is refused.
        checkpoint_seconds: least seconds between checkpoints, >= 0; None for ten, or more where they cost over 1 %.
        started: when the command began, by `time.perf_counter`; None for now.
        compiling: is called once, when all that can be refused was accepted and the program is about to be compiled.
        watch: is given how the run stands after every look.
        callbacks: are told of the run's beginning, its looks and its end (`synagents.run.callbacks`).
        tell: is given, in a sentence each, what one should know of a run that goes on or stops.

    What `compiling`, `watch` or `tell` show is dropped from the moment it cannot be written any more (an OSError, such
    as that of a closed pipe): training goes on.

    Returns:
        The finished run, and what summary.json says.

    Raises:
        ValueError: if a setting is not what the run in the directory began with.
        FloatingPointError: if the loss is not finite; rows up to then are kept.
        RunError: if the directory cannot be used: in use by another process, removed, damaged, full.
        Interrupted: after Ctrl-C or SIGTERM, of which a second one stops at once.
    """
    require(
        checkpoint_seconds is None or checkpoint_seconds >= 0,
        f"checkpoint_seconds must be None or a number >= 0, but is {checkpoint_seconds}.",
    )
    began = time.perf_counter()
    directory = directory if isinstance(directory, RunDirectory) else RunDirectory(directory)
    tell = Listener(tell)
    compiling, watch = Listener(compiling, tell), Listener(watch, tell)
    with (
        Compiling() as clock,
        Stopping(directory.path, tell) as stopping,
        directory.open(spec, tell) as session,
        Told(callbacks, directory.path, directory.config(), session.run.t, tell) as told,
    ):
        pace = _Pace(session, clock, began)
        for end in session.looks():
            if session.run.t == pace.first:
                compiling()
            _stop_if_asked(stopping, session)
            run, history, seconds = _play(spec, session.run, end, clock)
            seen = spec.look(run, history)
            session.record(run, seen.rows, seen.score, seconds)
            session.snap(run, seen.rewards)
            watch(pace.look(seen))
            told.look(run.t, seen.rows)
            session.save_if_due(checkpoint_seconds)
        session.save()
        summary = spec.summary(session.run, session.metrics.path)
        summary |= pace.times(began if started is None else started)
        session.finish(summary)
        told.finished(summary)
    return session.run, summary


def _stop_if_asked(stopping: Stopping, session: Session[R]) -> None:
    if stopping.asked:
        session.save()
        raise Interrupted(
            f"Stopped at step {session.run.t:,} of {session.spec.rounds:,}, all saved: "
            f"`synagents resume {session.path}` goes on."
        )


def _play(spec: Spec[R, H], run: R, end: int, clock: "Compiling") -> tuple[R, H, float]:
    """The rounds up to `end`, and the seconds that they took without compiling."""
    began, compiled = time.perf_counter(), clock.seconds
    run, history = spec.advance(run, end - run.t)
    jax.block_until_ready(run)
    seconds = max(_since(began) - (clock.seconds - compiled), 1e-9)
    return run, history, seconds


class _Pace(Generic[R]):
    """How fast a run advances in this call."""

    def __init__(self, session: Session[R], clock: "Compiling", began: float):
        self._session: Session[R] = session
        self._clock, self._began = clock, began
        self.first, self._trained_before = session.run.t, session.training
        self._spec: Spec[R, Any] = session.spec

    def look(self, seen: Seen) -> Look:
        """How the run stands after a chunk of rounds."""
        t, rounds = self._session.run.t, self._spec.rounds
        rate = (t - self.first) / (self._session.training - self._trained_before)
        return Look(
            step=t,
            steps=rounds,
            steps_per_second=rate,
            agent_steps_per_second=rate * self._spec.agents_per_step,
            seconds_left=max(_since(self._began) - self._clock.seconds, 0) / (t - self.first) * (rounds - t),
            **seen.figures,
            **self._lives(rate),
        )

    def times(self, started: float) -> dict[str, float]:
        """What the summary says of time; the rates are of the whole run, all processes together."""
        rate = self._session.run.t / max(self._session.training, 1e-9)
        return {
            "compile_seconds": self._clock.seconds,
            "checkpoint_seconds": self._session.saving,
            "steps_per_second": rate,
            "agent_steps_per_second": rate * self._spec.agents_per_step,
            **self._lives(rate),
            "seconds": _since(started),
        }

    def _lives(self, rate: float) -> dict[str, float]:
        lives = self._spec.lives_per_step
        return {"lives_per_second": rate * lives} if lives else {}


def _since(moment: float) -> float:
    """Seconds since a moment; none, where the clock was set back."""
    return max(time.perf_counter() - moment, 0.0)


class Compiling:
    """Counts the seconds that JAX spends on making programs while it is open."""

    def __enter__(self) -> "Compiling":
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            self.seconds += duration_secs
