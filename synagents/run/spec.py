"""What is to be run: one record from the first check to config.json.

`synagents.preset` makes one from names, as the command line does; `fit(spec, directory)` plays it into a directory.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from synagents.hyperparameters import require, require_whole
from synagents.keys import LARGEST_SEED
from synagents.loop import Run, begin, check_counts, check_intervals, check_pair, check_probes
from synagents.probes import Probe
from synagents.run.config import FORMAT, Config, described, versions
from synagents.world import AnyLearner, World

LOOKS = 100  # how often a run is looked at, about
MOST_ROUNDS = 10_000  # between looks, about: a run that is asked to stop plays these to their end
_OURS = ("format", "built", "versions", "extended_from")  # names in config.json that nobody else may give
MOST_ASKED = 2**32 - 5  # rounds of a run: the largest numbers of 32 bits stand for other purposes of a key


@dataclass(frozen=True, eq=False)
class RunSpec:
    """A world, a learner, and how they are to be played; checked when it is made, `dataclasses.replace` included.

    Attributes:
        world: the world.
        learner: the learner.
        rounds: to play in all, >= 1, a multiple of `rollout_length`. The command line calls them steps (`--steps`, the
            column `step`).
        seed: of everything that is drawn, 0 .. 2^32 - 1.
        num_worlds: worlds per learner, >= 1.
        num_runs: independent learners, >= 1.
        shared_task: let the worlds of a run see one batch.
        rollout_length: rounds per update of the learner, >= 1.
        probes: functions of a round to record beside the loss; their means over worlds and looks become columns.
        probe_interval: rounds between probed rounds, >= 1, a multiple of `rollout_length` where there are probes.
        about: what config.json says first, such as {"task": "digits", "learner": "trace"}: names and values that JSON
            can say.

    Raises:
        ValueError: if the learner does not fit the world, or a number is out of range.
    """

    world: World
    learner: AnyLearner
    rounds: int
    seed: int = 0
    num_worlds: int = 1
    num_runs: int = 1
    shared_task: bool = False
    rollout_length: int = 1
    probes: tuple[Probe, ...] = ()
    probe_interval: int = 100
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_pair(self.world, self.learner)
        require(isinstance(self.shared_task, bool), f"shared_task must be True or False, but is {self.shared_task!r}.")
        check_counts(self.world, self.num_worlds, self.num_runs, self.shared_task, "vmap")
        object.__setattr__(self, "probes", check_probes(self.probes))
        require_whole("probe_interval", self.probe_interval, 1)
        check_intervals(self.world, self.rollout_length, self.probe_interval if self.probes else None)
        require_whole("seed", self.seed, 0, LARGEST_SEED)
        require_whole("rounds", self.rounds, 1, MOST_ASKED)
        require(
            self.rounds % self.rollout_length == 0,
            f"rounds must be a positive multiple of rollout_length {self.rollout_length}, but are {self.rounds}.",
        )
        for name in ("rounds", "seed", "num_worlds", "num_runs", "rollout_length", "probe_interval"):
            object.__setattr__(self, name, int(getattr(self, name)))  # NumPy's whole numbers are none for JSON
        self._check_about()

    def _check_about(self) -> None:
        require(isinstance(self.about, Mapping), f"about must be a mapping of names, but is {self.about!r:.60}.")
        try:
            json.dumps(dict(self.about), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"about must hold what JSON can say, but does not ({error}): use plain values.") from error
        own = self._own()
        taken = [name for name in self.about if name in _OURS or (name in own and self.about[name] != own[name])]
        require(
            not taken, f"about says otherwise than the run itself does ({', '.join(map(str, taken))}): leave it out."
        )

    def _own(self) -> Config:
        """The fields that config.json has by name."""
        names = ("rounds", "seed", "num_worlds", "num_runs", "shared_task", "rollout_length", "probe_interval")
        return {name: getattr(self, name) for name in names} | {"probes": [probe.__name__ for probe in self.probes]}

    @property
    def agents(self) -> int:
        """In one world."""
        return sum(group.size for group in self.world.groups)

    def to_config(self) -> Config:
        """What config.json says of this run (`synagents.run.config`)."""
        built = dict(described("world", self.world)) | dict(described("learner", self.learner))
        ours = {"built": built, "versions": versions(), "extended_from": []}
        return {"format": FORMAT, "sizes": list(self.world.sizes), **self.about, **self._own(), **ours}

    def begin(self) -> Run:
        """Fresh worlds and minds, nothing played yet; ValueError if the learner does not fit the agents."""
        return begin(
            self.seed,
            self.world,
            self.learner,
            num_worlds=self.num_worlds,
            num_runs=self.num_runs,
            shared_task=self.shared_task,
        )

    def looks(self, done: int, extended_from: tuple[int, ...] = ()) -> Iterator[int]:
        """The rounds after which the run is looked at.

        They depend on the numbers of rounds that were asked for and on nothing else, so a run that was interrupted is
        looked at where it would have been, and the same compiled programs are called.

        Args:
            done: rounds played; only later looks are given.
            extended_from: the numbers of rounds that the run was asked for before, oldest first.
        """
        ends = (*extended_from, self.rounds)
        every = _look_interval(ends[0], self.world.interval, self.rollout_length)
        while done < ends[-1]:
            done = min(done - done % every + every, *(end for end in ends if end > done))
            yield done


def _look_interval(rounds: int, interval: int, rollout_length: int) -> int:
    """Cut a run into about LOOKS equal chunks, whole intervals where possible, so that one program serves them all."""
    unit = interval if interval and rounds % interval == 0 else rollout_length
    units = rounds // unit
    wanted = max(1, round(units / max(LOOKS, rounds / MOST_ROUNDS)))
    even = [size for size in range(1, min(units, 4 * wanted) + 1) if units % size == 0]
    return unit * (min(even, key=lambda size: abs(size - wanted)) if even[-1] * 4 > wanted else wanted)
