"""What is to be run: one record from the first check to config.json, which knows how its run is played and judged.

`synagents.preset` makes one from names, as the command line does; `fit(spec, directory)` plays it into a directory.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from synagents import loop
from synagents.hyperparameters import require, require_whole
from synagents.keys import LARGEST_SEED
from synagents.loop import History, Run, check_counts, check_finite, check_intervals, check_pair, check_probes
from synagents.outer import OuterRun
from synagents.probes import Probe
from synagents.run import pictures, results
from synagents.run.config import FORMAT, Config, described, versions
from synagents.run.files import Json
from synagents.run.log import Row
from synagents.run.snapshots import MOST_REWARDS, RECORDS, Record
from synagents.run.tables import table_text, tables_of
from synagents.world import AnyLearner, World

MOST_ROUNDS = 10_000  # between looks, about: a run that is asked to stop plays these to their end
_OURS = ("format", "built", "versions", "extended_from")  # names in config.json that nobody else may give
MOST_ASKED = 2**32 - 5  # rounds of a run: the largest numbers of 32 bits stand for other purposes of a key

R = TypeVar("R", bound=Run | OuterRun)
H = TypeVar("H")  # what a run's `advance` says of what happened


class Seen(NamedTuple):
    """What a look at a run finds."""

    rows: list[Row]  # for metrics.csv, one for each of its runs
    score: float  # higher is better
    figures: dict[str, float]  # for displays: "loss", "reward_rate", "accuracy", "reward", where there are such
    rewards: np.ndarray  # f32[T], of the first world of the first run, since the last look


@dataclass(frozen=True, eq=False)
class Spec(ABC, Generic[R, H]):
    """What every kind of run has; checked when it is made, `dataclasses.replace` included.

    Attributes:
        world: the world.
        learner: the learner.
        rounds: steps to make in all, >= 1: rounds, or updates of an outer loop. The command line calls them steps
            (`--steps`, the column `step`).
        seed: of everything that is drawn, 0 .. 2^32 - 1.
        num_runs: independent runs, >= 1.
        about: what config.json says first, such as {"task": "digits", "learner": "trace"}: names and values that JSON
            can say.
        record: what is kept for reports beside the rows: "none", "default" for snapshots of the agents, or "all" for
            every probe that fits, too (`preset` adds them).
    """

    NUMBERS: ClassVar[tuple[str, ...]]
    """The fields that are whole numbers and stand in config.json."""

    LOOKS: ClassVar[int] = 100
    """How often a run is looked at, about."""

    world: World
    learner: AnyLearner
    rounds: int
    seed: int = 0
    num_runs: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)
    record: Record = "default"

    def __post_init__(self) -> None:
        require_whole("seed", self.seed, 0, LARGEST_SEED)
        require_whole("rounds", self.rounds, 1, MOST_ASKED)
        for name in self.NUMBERS:
            object.__setattr__(self, name, int(getattr(self, name)))  # NumPy's whole numbers are none for JSON
        require(self.record in RECORDS, f"record must be one of {', '.join(RECORDS)}, but is {self.record!r}.")
        self._check_about()

    def _check_about(self) -> None:
        require(isinstance(self.about, Mapping), f"about must be a mapping of names, but is {self.about!r:.60}.")
        try:
            json.dumps(dict(self.about), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"about must hold what JSON can say, but does not ({error}): use plain values.") from error
        own = self.fields()
        taken = [name for name in self.about if name in _OURS or (name in own and self.about[name] != own[name])]
        require(
            not taken, f"about says otherwise than the run itself does ({', '.join(map(str, taken))}): leave it out."
        )

    def fields(self) -> Config:
        """The fields that config.json has by name."""
        return {name: getattr(self, name) for name in (*self.NUMBERS, "record")}

    def parts(self) -> dict[str, object]:
        """What config.json describes field by field, by name."""
        return {"world": self.world, "learner": self.learner}

    @property
    def agents(self) -> int:
        """In one world."""
        return sum(group.size for group in self.world.groups)

    @property
    @abstractmethod
    def agents_per_step(self) -> int:
        """How often an agent acts in one step of this run."""

    @property
    def lives_per_step(self) -> int:
        """How many lives one step of an outer loop takes; 0 where there is none."""
        return 0

    def to_config(self) -> Config:
        """What config.json says of this run (`synagents.run.config`)."""
        built: Config = {}
        for name, part in self.parts().items():
            built |= dict(described(name, part))
        ours = {"built": built, "versions": versions(), "extended_from": []}
        return {"format": FORMAT, "sizes": list(self.world.sizes), **self.about, **self.fields(), **ours}

    @abstractmethod
    def begin(self) -> R:
        """Fresh networks and minds, nothing played yet; ValueError if the learner does not fit the agents."""

    @abstractmethod
    def advance(self, run: R, rounds: int) -> tuple[R, H]:
        """More rounds, and what happened; FloatingPointError where a number is not finite."""

    @abstractmethod
    def look(self, run: R, history: H) -> Seen:
        """How the run stands, and what happened since the last look."""

    @abstractmethod
    def snapshot(self, run: R, rewards: np.ndarray) -> dict[str, np.ndarray]:
        """What a snapshot keeps of the first world of the first run, by name (`synagents.run.snapshots`)."""

    @abstractmethod
    def summary(self, run: R, metrics: Path) -> Json:
        """The closing numbers; metrics.csv knows the whole run also where it was cut in pieces."""

    @abstractmethod
    def files(self, run: R) -> Iterator[tuple[str, bytes]]:
        """The files that a finished run leaves beside the summary, by name."""

    def looks(self, done: int, extended_from: tuple[int, ...] = ()) -> Iterator[int]:
        """The rounds after which the run is looked at.

        They depend on the numbers of rounds that were asked for and on nothing else, so a run that was interrupted is
        looked at where it would have been, and the same compiled programs are called.

        Args:
            done: rounds played; only later looks are given.
            extended_from: the numbers of rounds that the run was asked for before, oldest first.
        """
        ends = (*extended_from, self.rounds)
        every = look_interval(ends[0], self.unit(ends[0]), self.LOOKS)
        while done < ends[-1]:
            done = min(done - done % every + every, *(end for end in ends if end > done))
            yield done

    def unit(self, rounds: int) -> int:
        """Rounds that no look should cut, where so many are asked for."""
        del rounds
        return 1


def look_interval(rounds: int, unit: int, looks: int) -> int:
    """Cut a run into about so many equal chunks, whole units where possible, so that one program serves them all."""
    units = rounds // unit
    wanted = max(1, round(units / max(looks, rounds / MOST_ROUNDS)))
    even = [size for size in range(1, min(units, 4 * wanted) + 1) if units % size == 0]
    return unit * (min(even, key=lambda size: abs(size - wanted)) if even[-1] * 4 > wanted else wanted)


@dataclass(frozen=True, eq=False)
class RunSpec(Spec[Run, History]):
    """A world, a learner, and how they are to be played: rounds, in which the learner learns.

    Attributes:
        num_worlds: worlds per learner, >= 1.
        shared_task: let the worlds of a run see one batch.
        rollout_length: rounds per update of the learner, >= 1; `rounds` are a multiple of it.
        probes: functions of a round to record beside the loss; their means over worlds and looks become columns.
        probe_interval: rounds between probed rounds, >= 1, a multiple of `rollout_length` where there are probes.

    Raises:
        ValueError: if the learner does not fit the world, or a number is out of range.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = (
        "rounds",
        "seed",
        "num_worlds",
        "num_runs",
        "rollout_length",
        "probe_interval",
    )

    num_worlds: int = 1
    shared_task: bool = False
    rollout_length: int = 1
    probes: tuple[Probe, ...] = ()
    probe_interval: int = 100

    def __post_init__(self) -> None:
        check_pair(self.world, self.learner)
        require(isinstance(self.shared_task, bool), f"shared_task must be True or False, but is {self.shared_task!r}.")
        check_counts(self.world, self.num_worlds, self.num_runs, self.shared_task, "vmap")
        object.__setattr__(self, "probes", check_probes(self.probes))
        require_whole("probe_interval", self.probe_interval, 1)
        check_intervals(self.world, self.rollout_length, self.probe_interval if self.probes else None)
        super().__post_init__()
        require(
            self.rounds % self.rollout_length == 0,
            f"rounds must be a positive multiple of rollout_length {self.rollout_length}, but are {self.rounds}.",
        )

    def fields(self) -> Config:
        """The fields that config.json has by name."""
        more = {"shared_task": self.shared_task, "probes": [probe.__name__ for probe in self.probes]}
        return super().fields() | more

    @property
    def agents_per_step(self) -> int:
        """All agents of all worlds and runs act once in a round."""
        return self.agents * self.num_worlds * self.num_runs

    def begin(self) -> Run:
        """Fresh worlds and minds, nothing played yet; ValueError if the learner does not fit the agents."""
        return loop.begin(
            self.seed,
            self.world,
            self.learner,
            num_worlds=self.num_worlds,
            num_runs=self.num_runs,
            shared_task=self.shared_task,
        )

    def advance(self, run: Run, rounds: int) -> tuple[Run, History]:
        """More rounds; FloatingPointError if the loss is not finite."""
        start = run.t
        run, history = loop.advance(
            run, rounds, rollout_length=self.rollout_length, probes=self.probes, probe_interval=self.probe_interval
        )
        check_finite(history, start)
        return run, history

    def look(self, run: Run, history: History) -> Seen:
        """Means over worlds and rounds, and the held-out metrics."""
        held_out = results.measure(run, "held_out")
        figures = {
            "loss": results.mean_loss(run, history.info["loss"][:, -10:]),
            "reward_rate": float(np.mean(history.reward > 0)),
        }
        if "accuracy" in held_out:
            figures["accuracy"] = float(held_out["accuracy"].mean())
        rewards = np.asarray(history.reward[0, :, 0], np.float32)
        return Seen(results.rows(run, history, held_out), results.score_of(held_out), figures, rewards)

    def snapshot(self, run: Run, rewards: np.ndarray) -> dict[str, np.ndarray]:
        """What a snapshot keeps of the first world of the first run, by name (`synagents.run.snapshots`)."""
        return pictures.of_world(run) | {"rewards": rewards[-MOST_REWARDS:]}

    def summary(self, run: Run, metrics: Path) -> Json:
        """The closing numbers at the last step, never those of the best look."""
        return results.named(self.about) | {
            "sizes": list(self.world.sizes),
            "seed": self.seed,
            "data": dict(self.world.task.description),
            "agents": self.agents,
            **results.summary_of(run, metrics),
        }

    def files(self, run: Run) -> Iterator[tuple[str, bytes]]:
        """weights.npz, and every run's table where the learner has one."""
        yield "weights.npz", results.packed(results.weights_of(run))
        for index, table in enumerate(tables_of(run)):
            name = "table.json" if run.num_runs == 1 else f"table_{index}.json"
            yield name, table_text(table, {"rounds": run.t, "learner": type(run.learner).__name__})

    def unit(self, rounds: int) -> int:
        """Rounds of one batch, or else of one update."""
        interval = self.world.interval
        return interval if interval and rounds % interval == 0 else self.rollout_length
