"""What an outer loop is to be run for: a step is an update, and what is judged are fresh lives.

held_out_reward = mean over LIVES fresh lives of sum_t R_t          the same lives at every look
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np

from synagents import outer
from synagents.hyperparameters import require
from synagents.outer import OuterHistory, OuterRun
from synagents.outer_methods import AdvantageActorCritic, Ascend, Earned, Method, Objective
from synagents.run import pictures, results
from synagents.run.checkpoints import arrays_of
from synagents.run.files import Json
from synagents.run.snapshots import MOST_REWARDS
from synagents.run.spec import Seen, Spec
from synagents.world import ForecastTask, LifeTask, LifeWorld

LIVES = 256  # fresh ones in which a run is judged


def usual_objective(task: type) -> type[Objective]:
    """What is to become smaller on a kind of task, unless somebody says otherwise."""
    return Earned if issubclass(task, ForecastTask) else AdvantageActorCritic


@dataclass(frozen=True, eq=False)
class OuterSpec(Spec[OuterRun, OuterHistory]):
    """A world, a rule, and how an outer loop is to improve them: what the world calls slow, and what the rule knows.

    Attributes:
        objective: what is to become smaller, of one life; None for the usual one of the task's kind.
        method: how: `Ascend` or `Evolve`, or one of your own.
        lives: of one update, >= 1.

    Raises:
        ValueError: if the rule does not fit the world, its lives have no end, or a number is out of range.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("rounds", "seed", "num_runs", "lives")
    LOOKS: ClassVar[int] = 25  # each lives LIVES lives, which takes as long as an update or two

    objective: Objective | None = None
    method: Method = field(default_factory=Ascend)
    lives: int = 30

    def __post_init__(self) -> None:
        if self.objective is None:
            object.__setattr__(self, "objective", usual_objective(type(self.world.task))())
        outer.check(self.world, self.learner, self._objective, self.method, self.lives, self.num_runs)
        super().__post_init__()

    @property
    def _world(self) -> LifeWorld:
        require(isinstance(self.world, LifeWorld), "This world has no lives for an outer loop.")
        return self.world  # type: ignore[return-value]

    @property
    def _objective(self) -> Objective:
        return self.objective  # type: ignore[return-value]

    @property
    def task(self) -> LifeTask:
        """What lives are about."""
        return self._world.task

    def parts(self) -> dict[str, object]:
        """What config.json describes field by field, by name."""
        return super().parts() | {"objective": self.objective, "method": self.method}

    @property
    def agents_per_step(self) -> int:
        """All agents act once in every round of every life."""
        return self.agents * self.task.length * self.lives_per_step

    @property
    def lives_per_step(self) -> int:
        """Of all runs and of everything that the method tries."""
        return self.lives * self.num_runs * self.method.tries

    def begin(self) -> OuterRun:
        """Fresh networks and rules, nothing lived yet; ValueError if the rule does not fit the agents."""
        return outer.begin(
            self.seed,
            self._world,
            self.learner,
            self._objective,
            self.method,
            lives=self.lives,
            num_runs=self.num_runs,
        )

    def advance(self, run: OuterRun, rounds: int) -> tuple[OuterRun, OuterHistory]:
        """More updates; FloatingPointError if the objective or its gradient is not finite."""
        start = run.t
        run, history = outer.advance(run, rounds)
        outer.check_finite(history, start)
        return run, history

    def look(self, run: OuterRun, history: OuterHistory) -> Seen:
        """Means over the updates since the last look, and the reward of fresh lives."""
        held_out = _curves(run).sum(axis=1)
        rows = [
            results.row_of(
                run.t,
                k,
                {name: float(np.mean(values[k])) for name, values in history._asdict().items()}
                | {"held_out_reward": float(held_out[k])},
            )
            for k in range(run.num_runs)
        ]
        return Seen(
            rows, float(held_out.mean()), {"reward": float(held_out.mean())}, np.asarray(history.reward[0], np.float32)
        )

    def snapshot(self, run: OuterRun, rewards: np.ndarray) -> dict[str, np.ndarray]:
        """The slow weights of the first run, what its lives earned since the last look, and a life."""
        weights = arrays_of(run.theta.slow)
        slow = {f"weights.{name}": np.asarray(array[0], np.float32) for name, array in weights.items()}
        return slow | {"rewards": rewards[-MOST_REWARDS:]} | pictures.of_life(run)

    def summary(self, run: OuterRun, metrics: Path) -> Json:
        """The closing numbers at the last update, with what random and ideal players earn."""
        del metrics
        earned = _curves(run).sum(axis=1)
        return results.named(self.about) | {
            "sizes": list(self.world.sizes),
            "seed": self.seed,
            "data": dict(self.task.description),
            "agents": self.agents,
            "steps": run.t,
            "lives": run.lives,
            "length": self.task.length,
            "runs": run.num_runs,
            "final_reward": float(earned.mean()),
            "final_reward_by_run": [float(one) for one in earned],
            "levels": dict(self.task.levels),
            "score": float(earned.mean()),
            "score_name": "final_reward",
            "weights_sha256": results.checksum_of(jax.tree.leaves(run.theta)),
        }

    def files(self, run: OuterRun) -> Iterator[tuple[str, bytes]]:
        """weights.npz, f32[K, *shape] of slow weights and of what the rule knows; lives.csv."""
        weights = arrays_of(run.theta.slow) | arrays_of({"rule": run.theta.mind})
        yield "weights.npz", results.packed({name: np.asarray(array, np.float32) for name, array in weights.items()})
        yield "lives.csv", _lives(_curves(self.begin()), _curves(run))


def _curves(run: OuterRun) -> np.ndarray:
    """The reward of every round of fresh lives, [K, T]."""
    return np.asarray(outer.evaluate(run, LIVES))


def _lives(before: np.ndarray, after: np.ndarray) -> bytes:
    """Reward by round of a life, before the first update and after the last: rounds are counted from 1."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("round", "run", "before", "after"))
    for k, (first, last) in enumerate(zip(before, after, strict=True)):
        table.writerows((t + 1, k, f"{first[t]:.6g}", f"{last[t]:.6g}") for t in range(len(first)))
    return text.getvalue().encode()
