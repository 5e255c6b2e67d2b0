"""Learn a table on toys, then freeze it and let it train networks it has never seen: the reference paper's finding.

Several candidate tables learn side by side, each on several random teachers, one after the other. A lesson, the time
with one teacher, ends as soon as the teacher's boundary is found, because a table that goes on learning on a solved toy
unlearns. Each candidate's table after each lesson is then frozen and compared with the others on teachers that no
candidate has met; the table that leaves the lowest loss there is chosen. No image data is used.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from synagents import keys
from synagents.envs import synapse_v0
from synagents.hyperparameters import require, require_whole
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.team_q import TeamQ
from synagents.loop import Run, advance, begin
from synagents.world import World

CHUNK = 250  # rounds between looks at the loss
TEACHES: dict[str, dict[str, Any]] = {  # how each learner learns a table unless somebody says otherwise
    "q-table": {"memory": 2, "epsilon": 0.3, "alpha": 0.01, "gamma": 0.9, "exam_epsilon": 0.1},
    "team-q": {"memory": 0, "epsilon": 0.5, "gamma": 0.0, "exam_epsilon": 0.5},
}


class Learned(NamedTuple):
    """A table and how it was chosen."""

    table: np.ndarray  # f32[S, A]
    exam_loss: float  # of the chosen table: mean over the exam's teachers
    exam_losses: np.ndarray  # f32[candidates, lessons] of every table
    solved: np.ndarray  # bool[candidates, lessons] whether the lesson was learned in time


def learn_table(
    key: int | Key[Array, ""],
    toy: World,
    *,
    learner: QTable | TeamQ,
    candidates: int = 16,
    lessons: int = 4,
    solved_loss: float = 0.1,
    lesson_rounds: int = 10_000,
    exam_teachers: int = 16,
    exam_rounds: int = 2_000,
    exam_epsilon: float = 0.1,
    tell: Callable[[str], None] = lambda line: None,
) -> Learned:
    """Learn, select and return one table.

    Args:
        key: random key of everything, or a seed in 0 .. 2^32 - 1.
        toy: a world whose task draws a new teacher at every reset.
        learner: adaptive; every candidate starts from its table.
        candidates: tables that learn side by side, >= 1.
        lessons: teachers each candidate learns from, >= 1.
        solved_loss: a lesson ends when the mean loss of the last rounds falls below this.
        lesson_rounds: rounds after which a lesson ends anyway, >= 1.
        exam_teachers: held-out teachers on which the frozen tables are compared, >= 1.
        exam_rounds: rounds for which each frozen table trains a fresh student there, >= 1.
        exam_epsilon: probability in [0, 1] of a uniform action of the frozen tables.
        tell: receives a line of progress now and then.

    Raises:
        ValueError: if the learner is not adaptive or a number is out of range.
    """
    require(learner.adaptive, f"Only an adaptive {type(learner).__name__} can learn a table: give adaptive=True.")
    counts = {"candidates": candidates, "lessons": lessons, "lesson_rounds": lesson_rounds}
    counts |= {"exam_teachers": exam_teachers, "exam_rounds": exam_rounds}
    for name, count in counts.items():
        require_whole(name, count, 1)
    lesson_key, exam_key = jax.random.split(keys.seed_key(key))
    mind, tables, solved = None, [], []
    for lesson in range(lessons):
        run = begin(jax.random.fold_in(lesson_key, lesson), toy, learner, num_runs=candidates)
        run = run if mind is None else replace(run, mind=mind)
        run, done = _learn(run, solved_loss, lesson_rounds)
        mind = run.mind
        tables.append(np.asarray(jax.vmap(learner.action_values)(mind)))
        solved.append(done)
        tell(f"lesson {lesson + 1} of {lessons}: {done.sum()} of {candidates} candidates found the boundary")
    every = np.stack(tables, axis=1)  # [candidates, lessons, S, A]

    def examine(table: np.ndarray) -> float:
        frozen = replace(learner, table=jnp.asarray(table), adaptive=False, epsilon=exam_epsilon)
        return _examine(exam_key, toy, frozen, exam_teachers, exam_rounds)

    losses = np.array([[examine(table) for table in one] for one in every])
    best = np.unravel_index(np.argmin(losses), losses.shape)
    tell(
        f"exam with {exam_teachers} unseen teachers: best of {losses.size} tables leaves a loss of {losses[best]:.3f}, "
        f"the median one {np.median(losses):.3f}"
    )
    return Learned(every[best], float(losses[best]), losses, np.stack(solved, axis=1))


def toy_for(learner: str, memory: int) -> World:
    """The toys that a learner is taught on: 2-8-2 students of random 2-8-2 teachers, 300 points.

    Args:
        learner: one of TEACHES.
        memory: rounds that agents remember, beside a trace where the learner needs one.
    """
    more: dict[str, Any] = {}
    if learner == "team-q":
        more = {"history": "trace", "reward": "delta", "batch_change": "reevaluate"}
    return synapse_v0.world("boundary", hidden=(8,), step_size=0.01, interval=0, memory=memory, **more)


def _learn(run: Run, solved_loss: float, rounds: int) -> tuple[Run, np.ndarray]:
    """One lesson of all candidates; a candidate that has solved it stops learning at once."""
    done = np.zeros(run.num_runs, bool)
    while run.t < rounds and not done.all():
        later, history = advance(run, CHUNK)
        keep = jnp.asarray(done)
        mind = jax.tree.map(
            lambda old, new, keep=keep: jnp.where(keep.reshape(-1, *[1] * (new.ndim - 1)), old, new),
            run.mind,
            later.mind,
        )
        run = replace(later, mind=mind)
        done |= np.asarray(history.info["loss"])[:, -CHUNK // 5 :].mean(axis=(1, 2)) < solved_loss
    return run, done


def _examine(key: Key[Array, ""], toy: World, frozen: QTable | TeamQ, teachers: int, rounds: int) -> float:
    """Mean final loss of a frozen table over unseen teachers; the same key gives the same teachers and actions."""
    run = begin(key, toy, frozen, num_runs=teachers)
    _, history = advance(run, rounds)
    final = float(np.mean(history.info["loss"][:, -max(rounds // 10, 1) :]))
    return final if np.isfinite(final) else np.inf
