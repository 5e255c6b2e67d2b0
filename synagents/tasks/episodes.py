"""How good a policy is at a task of decisions: the mean return of episodes that no round of training has seen.

    loss = -mean over E episodes of sum_t r_t        E = `DecisionTask.evaluation_episodes`, side by side

A task that lists all of its questions (`DecisionTask.questions`) is asked each of them once instead. Otherwise a
bandit's episode is one decision, and an episode that has not ended after LONGEST decisions counts as it stands. First
questions and everything after them are drawn with keys that no round uses, so training sees these episodes by chance
alone; where a task has few questions in all, it sees them often.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.world import DecisionTask, Memory, Metrics, Part, TaskState

LONGEST = 10_000  # decisions: a task without ends is evaluated, too
AT_ONCE = 1_000  # listed questions that are answered side by side, so that many fit into memory


class _Episode(NamedTuple):
    """How an episode stands."""

    task: TaskState
    memory: Memory
    steps: Integer[Array, ""]
    earned: Float[Array, ""]
    ended: Bool[Array, ""]


def evaluate(
    task: DecisionTask,
    key: Key[Array, ""],
    begin_world: Callable[[Key[Array, ""]], Memory],
    decide: Callable[[Key[Array, ""], Memory, TaskState], tuple[Array, Memory]],
    part: Part,
) -> Metrics:
    """Play E episodes, or ask every question that the task lists, and take the task's metrics of their returns.

    Args:
        task: asks and pays.
        key: for what is drawn; the same key, the same first questions.
        begin_world: key -> the policy's memory at an episode's beginning.
        decide: (key, memory, task state) -> (action, memory).
        part: "train" or "held_out"; the two differ in what is drawn.
    """
    drawn = jax.random.fold_in(key, part == "held_out")

    def episode(key: Key[Array, ""], question: TaskState = None) -> Float[Array, ""]:
        """The return of an episode that is drawn, or of the one decision on a question."""
        task_key, memory_key, play_key = jax.random.split(key, 3)

        def step(now: _Episode) -> _Episode:
            decide_key, respond_key = jax.random.split(jax.random.fold_in(play_key, now.steps))
            action, memory = decide(decide_key, now.memory, now.task)
            state, answer = task.respond(respond_key, now.task, action)
            earned = now.earned + answer.reward
            return _Episode(state, memory, now.steps + 1, earned, answer.terminated | answer.truncated)

        first = task.init(task_key) if question is None else question
        start = _Episode(first, begin_world(memory_key), jnp.int32(0), jnp.float32(0), jnp.bool_(False))
        if question is not None:
            return step(start).earned
        return jax.lax.while_loop(lambda now: ~now.ended & (now.steps < LONGEST), step, start).earned

    listed = task.questions(part)
    if listed is None:
        return task.metrics(jax.vmap(episode)(jax.random.split(drawn, task.evaluation_episodes)))

    def asked(place: Integer[Array, ""]) -> Float[Array, ""]:
        return episode(jax.random.fold_in(drawn, place), jax.tree.map(lambda x: x[place], listed))

    count = jax.tree.leaves(listed)[0].shape[0]
    pieces = -(-count // AT_ONCE)
    # Pieces of one size are compiled once; the last question is asked again to fill them, and not counted again.
    places = jnp.minimum(jnp.arange(pieces * -(-count // pieces), dtype=jnp.int32), count - 1)
    return task.metrics(jax.lax.map(jax.vmap(asked), places.reshape(pieces, -1)).reshape(-1)[:count])
