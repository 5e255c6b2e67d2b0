"""The policy track: learn a shared policy on toys with a budget, freeze it, and let it train what it has never seen.

    budget    agent-steps = agents * worlds * rounds, all of them on toys: 2-8-2 students of random teachers
    frozen    played on toys of teachers that no policy has met, and on tasks of the suite; nothing is learned there
    online    played on tasks of the suite, where the algorithm goes on learning from what it knows

A policy is what an algorithm has learned, its mind: any learner can be on the track, and one that learns nothing is a
rule. Seed k learns from the teachers of the k-th frozen key, and what is scored is its policy at the end of the budget,
never the best on the way. (The finding that a policy of toys trains large networks is Bhargava et al. 2022's.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from synagents import keys, registry
from synagents.benchmark import scoring, suite
from synagents.benchmark.line_settings import complete, learner_of
from synagents.benchmark.marl.kit import SharedPolicy
from synagents.benchmark.policy.frozen import Frozen
from synagents.cli import flags
from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.hyperparameters import Values, nearest, require, require_whole
from synagents.loop import advance, begin, evaluate
from synagents.world import AnyLearner, LearnerBase, Mind

VERSION = "policy-v0"
TOYS = "toys"  # the held-out ones among a policy's scores
ONLINE = " online"  # ends the place of a score for which the algorithm went on learning from its policy
TASKS = ("boundary", "digits-0")  # of the suite, unless others are named
LESSONS, EXAM = 101, 102  # seeds of all teachers: to learn from, and held out
WORLD_OF = "team-q-frozen"  # the line in whose worlds policies play the suite: its step sizes and batches
SEEN: Values = {"history": "trace", "memory": 1, "history_decay": (0.9, 0.98)}  # what agents are told, unless
SEEN_BY: dict[str, Values] = {  # an algorithm is made for something else
    "repeat-undo": {"history": "codes", "memory": 2},
    "q-table": {"history": "codes", "memory": 2},
    "team-q": {"history": "trace"},
}
MAY_SEE = ("history", "memory", "history_decay", "observation")


@dataclass(frozen=True)
class Protocol:
    """How much is learned, and how it is judged.

    Attributes:
        budget: agent-steps to learn with, >= those of one lesson.
        worlds: toys that are learned from side by side, >= 1.
        life: rounds with one teacher, a multiple of 100.
        teachers: held-out toys, >= 1.
        exam: rounds for which the frozen policy trains a student there, a multiple of 10.
    """

    budget: int = 30_000_000
    worlds: int = 32
    life: int = 2000
    teachers: int = 64
    exam: int = 2000


FULL = Protocol()


class Score(NamedTuple):
    """How a frozen policy did somewhere."""

    loss: float  # on toys: of the last tenth of the rounds, while it goes on exploring; elsewhere held out
    accuracy: float  # held out, in [0, 1]


class Entry(NamedTuple):
    """An algorithm on the track."""

    name: str  # as it was named: "ippo", or module:Class
    settings: Values  # its own, where they are not its defaults
    seen: Values  # what agents are told: MAY_SEE
    algorithm: AnyLearner


def algorithms() -> dict[str, Callable[..., AnyLearner]]:
    """The deep ones that the package has, by name; all learners of synapses are there beside them."""
    return registry.offers("benchmark.marl")


def constructor_of(name: str) -> Callable[..., Any]:
    """What makes the algorithm; ValueError if there is none of this name."""
    known = [*algorithms(), *(own for own in registry.offers("learners") if "synapse" in registry.families(own))]
    require(":" in name or name in known, f"No algorithm is called {name!r}: {nearest(name, known)}.")
    return registry.find("learners", learner_of(name))


def entry_of(name: str, given: Values) -> Entry:
    """An algorithm with settings by parameter name: its own, and what its agents are told.

    Raises:
        ValueError: if there is no such algorithm or setting, or a value is out of range.
    """
    constructor = constructor_of(name)
    own = flags.flags_of(constructor)
    for setting in given:
        known = [*own, *MAY_SEE]
        require(setting in known, f"{name} has no setting {setting!r}: {nearest(setting, known)}.")
    settings = {setting: value for setting, value in given.items() if setting in own}
    seen = SEEN_BY.get(name, SEEN) | {setting: value for setting, value in given.items() if setting in MAY_SEE}
    values = {setting: flags.value(own[setting], value, 1) for setting, value in settings.items()}
    made = registry.called(constructor, name, values)
    require(isinstance(made, LearnerBase), f"{name} makes no learner: derive its class from synagents.Learner.")
    return Entry(name, settings, seen, made)


def typed(name: str, pairs: Sequence[str]) -> Values:
    """Settings typed as NAME=VALUE; ValueError where one cannot be read or the algorithm has none of this name."""
    known = flags.flags_of(constructor_of(name))
    known |= {setting: flags.flags_of(synapse_v0.world)[setting] for setting in MAY_SEE}
    given: Values = {}
    for pair in pairs:
        setting, equals, text = pair.partition("=")
        setting = setting.replace("-", "_")
        require(bool(equals), f"{pair!r} is no setting: write NAME=VALUE.")
        require(setting in known, f"{name} has no setting {setting!r}: {nearest(setting, known)}.")
        given[setting] = flags.read(known[setting], text)
    return given


def toys(entry: Entry) -> SynapseWorld:
    """The world of toys, as an algorithm sees it: every life has a random teacher of its own."""
    told: Values = entry.seen | synapse_v0.settings_for(learner_of(entry.name))
    return synapse_v0.world("boundary", hidden=(8,), step_size=0.01, interval=0, **told)


def learn(
    entry: Entry, seed: int, protocol: Protocol = FULL, tell: Callable[[str], None] = lambda line: None
) -> tuple[Mind, int]:
    """What an algorithm knows after the budget, and the agent-steps it took.

    Args:
        entry: the algorithm.
        seed: which of the frozen keys, in 0 .. 2^32 - 1.
        protocol: how much is learned.
        tell: receives a line about every lesson.

    Raises:
        ValueError: if the budget does not pay for a lesson, or the algorithm does not fit the toys.
    """
    world, algorithm = toys(entry), entry.algorithm
    steps = sum(group.size for group in world.groups) * protocol.worlds * protocol.life
    lessons = protocol.budget // steps
    require(
        lessons > 0, f"A lesson takes {steps:,} agent-steps, more than the budget of {protocol.budget:,}: raise it."
    )
    rollout = algorithm.rollout_length if isinstance(algorithm, SharedPolicy) else 1
    own = keys.run_key(keys.seed_key(LESSONS), seed)
    mind = None
    for lesson in range(lessons):
        run = begin(jax.random.fold_in(own, lesson), world, algorithm, num_worlds=protocol.worlds)
        run = run if mind is None else replace(run, mind=mind)
        run, history = advance(run, protocol.life, rollout_length=rollout)
        mind = run.mind
        loss = float(np.mean(history.info["loss"][:, -protocol.life // 10 :]))
        tell(f"{entry.name}, seed {seed}, lesson {lesson + 1} of {lessons}: the networks end at a loss of {loss:.3f}")
    return jax.tree.map(lambda x: x[0], mind), steps * lessons


def examine(entry: Entry, mind: Mind, protocol: Protocol = FULL) -> Score:
    """A frozen policy on the held-out toys: the mean over their teachers, the same for all policies."""
    run = begin(EXAM, toys(entry), Frozen(entry.algorithm, mind), num_runs=protocol.teachers)
    run, history = advance(run, protocol.exam)
    last = np.asarray(history.info["loss"])[:, -protocol.exam // 10 :]
    return Score(float(np.mean(last)), float(np.mean(evaluate(run)["accuracy"])))


def transfer(
    entry: Entry, mind: Mind, task: suite.BenchmarkTask, seed: int, *, online: bool = False, data: Path | None = None
) -> Score:
    """A policy on a task of the suite, in the worlds of the line WORLD_OF but for what agents are told.

    Args:
        entry: the algorithm.
        mind: what it has learned.
        task: of the suite.
        seed: of the network and its batches.
        online: whether the algorithm goes on learning there, from this mind; otherwise it is frozen.
        data: folder with the notMNIST images.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    told = {"history_decay": None} | entry.seen | synapse_v0.settings_for(learner_of(entry.name))
    rounds = 1
    for _ in range(2):  # a decay spans the run, whose length is known once the world is
        world = scoring.world_for(task, WORLD_OF, complete(task, WORLD_OF, told, rounds), data)
        rounds = scoring.affordable(world, task.budget)
    learner = entry.algorithm if online else Frozen(entry.algorithm, mind)
    run = begin(seed, world, learner, world_axis="loop")
    if online:
        run = replace(run, mind=_going_on(entry.algorithm, mind, run.mind))
    curves = scoring.watched(run, rounds, f"{entry.name} on {task.id}")
    return Score(float(curves.loss[0, -1]), float(curves.score[0, -1]))


def _going_on(algorithm: AnyLearner, mind: Mind, fresh: Mind) -> Mind:
    """The mind of one run that begins with what was learned elsewhere."""
    own = jax.tree.map(lambda x: x[0], fresh)
    carried = algorithm.carried(mind, own) if isinstance(algorithm, SharedPolicy) else mind
    return jax.tree.map(lambda x: x[None], carried)


def judge(
    entry: Entry,
    mind: Mind,
    places: Sequence[str],
    seed: int,
    protocol: Protocol = FULL,
    *,
    data: Path | None = None,
) -> dict[str, Score]:
    """The scores of a policy at some places: TOYS, a task's id, or that and ONLINE; else as `transfer`."""
    require_whole("seed", seed, 0, keys.LARGEST_SEED)
    scores = {}
    for place in places:
        task = place.removesuffix(ONLINE)
        if place == TOYS:
            scores[place] = examine(entry, mind, protocol)
        else:
            scores[place] = transfer(entry, mind, suite.find(task), seed, online=task != place, data=data)
    return scores
