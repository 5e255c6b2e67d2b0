"""Held-out evaluation of tasks of decisions: minus the mean return of episodes that no round has seen."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from synagents import DecisionTask
from synagents.hyperparameters import settings
from synagents.tasks import episodes
from synagents.tasks.control import cartpole
from synagents.tasks.multiplexer import Question, multiplexer
from synagents.tasks.scalar_regression import scalar_regression
from synagents.world import Answer, Part

KEY = jax.random.key(0)
Decide = Callable[[Any, Any, Any], tuple[Any, Any]]


def compiled(task: Any, decide: Decide, part: Part = "held_out", memory: Any = ()) -> Callable[[Any], Any]:
    """The loss by the key."""
    return jax.jit(lambda key: episodes.evaluate(task, key, lambda _: memory, decide, part)["loss"])


def loss(task: Any, decide: Decide, memory: Any = ()) -> float:
    return float(compiled(task, decide, memory=memory)(KEY))


def answered(bits: np.ndarray) -> int:
    """The multiplexer of two address bits, by its definition."""
    return int(bits[2 + 2 * bits[0] + bits[1]])


ANSWERS = jnp.array([answered(np.array([code >> place & 1 for place in range(6)])) for code in range(64)])


def by_the_table(key: Any, memory: Any, state: Question) -> tuple[Any, Any]:
    return ANSWERS[(state.x.astype(jnp.int32) << jnp.arange(6)).sum()], memory


def by_a_coin(key: Any, memory: Any, state: Any) -> tuple[Any, Any]:
    return jax.random.bernoulli(key).astype(jnp.int32), memory


def always(action: int) -> Decide:
    return lambda key, memory, state: (jnp.int32(action), memory)


def test_a_perfect_policy_loses_minus_one_and_a_random_one_about_nothing() -> None:
    task = multiplexer(bits=2)
    assert loss(task, by_the_table) == -1
    assert abs(loss(task, by_a_coin)) < 4 / task.evaluation_episodes**0.5


def test_the_same_key_gives_the_same_episodes_and_the_parts_differ() -> None:
    def say_zero(key: Any, memory: Any, state: Any) -> tuple[Any, Any]:
        return jnp.zeros(1, jnp.float32), memory

    task = scalar_regression()  # no two sets of points have the same mean of squares
    held_out, trained = compiled(task, say_zero), compiled(task, say_zero, "train")
    assert float(held_out(KEY)) == float(held_out(KEY))
    assert len({float(held_out(KEY)), float(held_out(jax.random.key(1))), float(trained(KEY))}) == 3


def test_an_episode_of_a_control_task_is_played_to_its_end() -> None:
    falling = -loss(cartpole(), always(0))
    assert 8 <= falling <= 11  # pushed to one side for ever, the pole falls after eight to eleven steps
    assert loss(cartpole(limit=5), always(0)) == -5


def test_a_policy_keeps_its_memory_within_an_episode_and_begins_each_with_a_fresh_one() -> None:
    """Alternating pushes hold the pole for longer; whether a push was the last one is the memory."""

    def alternate(key: Any, memory: Any, state: Any) -> tuple[Any, Any]:
        return memory, 1 - memory

    kept, lost = loss(cartpole(), alternate, memory=jnp.int32(0)), loss(cartpole(), always(0))
    assert kept < 2 * lost


@settings
class Endless(DecisionTask):
    """Pays 1 for ever."""

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (1,)

    @property
    def action_space(self) -> spaces.Space:
        return spaces.Discrete(2)

    @property
    def evaluation_episodes(self) -> int:
        return 2

    def init(self, key: Any) -> Any:
        return jnp.int32(0)

    def stimulus(self, state: Any) -> Any:
        return jnp.zeros(1, jnp.float32)

    def respond(self, key: Any, state: Any, action: Any) -> tuple[Any, Answer]:
        return state, Answer(jnp.float32(1), jnp.bool_(False), jnp.bool_(False))


def test_a_task_without_ends_is_evaluated_as_far_as_the_longest_episode() -> None:
    assert loss(Endless(), always(0)) == -episodes.LONGEST


@pytest.mark.parametrize("task", [multiplexer(bits=1), cartpole(limit=20)], ids=["bandit", "control"])
def test_the_loss_is_one_number_in_f32(task: Any) -> None:
    metrics = jax.eval_shape(lambda key: episodes.evaluate(task, key, lambda _: (), by_a_coin, "train"), KEY)
    assert {name: (value.shape, value.dtype) for name, value in metrics.items()} == {"loss": ((), jnp.float32)}
