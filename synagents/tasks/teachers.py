"""Toy problems made by a random teacher: imitate a perceptron, find a boundary in the plane, compute xor.

Every life has its own teacher, drawn from the key, and all its points are one batch that is never redrawn. (Bhargava et
al. 2022, sections 3.1 and 3.2; the perceptron's ranges are those of the authors' code.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num

from synagents.hyperparameters import require, require_whole, settings, static
from synagents.keys import LARGEST_SEED, seed_key
from synagents.tasks import losses
from synagents.tasks.losses import Loss
from synagents.world import Metrics, Part, Task

__all__ = ["boundary", "perceptron", "xor"]


class Lesson(NamedTuple):
    """What one teacher teaches."""

    x: Float[Array, "B D"]  # points to learn from
    target: Num[Array, "B *C"]  # the teacher's answers: values f32[B, C] or classes int32[B]
    held_out_x: Float[Array, "B D"]  # as many points never trained on
    held_out_target: Num[Array, "B *C"]


@settings
class TaughtTask(Task):
    """A task whose every life has a teacher of its own; build it by `perceptron`, `boundary` or `xor`.

    Attributes:
        teacher: draws a lesson from a key.
        in_shape: of one point.
        out_size: outputs of a student.
        loss: of (student's outputs, teacher's answers).
        has_classes: whether answers are classes, so that there is an accuracy.
    """

    teacher: Callable[[Key[Array, ""]], Lesson] = static()
    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    loss: Loss = static()
    has_classes: bool = static()

    def init(self, key: Key[Array, ""]) -> Lesson:
        """A new teacher's lesson."""
        return self.teacher(key)

    def stimulus(self, state: Lesson) -> Float[Array, "B D"]:
        """All points to learn from."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Lesson, out: Float[Array, "B C"]) -> tuple[Lesson, Float[Array, ""]]:
        """The loss of the student's answers."""
        del key
        return state, self.loss(out, state.target)

    def refresh(self, key: Key[Array, ""], state: Lesson) -> Lesson:
        """The same lesson: it is always taught whole."""
        del key
        return state

    def evaluate(self, state: Lesson, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss over a part, and accuracy where the answers are classes."""
        x, target = (state.x, state.target) if part == "train" else (state.held_out_x, state.held_out_target)
        out = apply_fn(x)
        metrics = {"loss": self.loss(out, target)}
        if not self.has_classes:
            return metrics
        if self.out_size == 1:
            return metrics | {"accuracy": jnp.mean((out > 0) == (target > 0.5), dtype=jnp.float32)}
        return metrics | {"accuracy": losses.accuracy(out, target)}


@dataclass(frozen=True)
class LogisticNorm:
    """||sigmoid(out) - target||_2 / B: the original's loss behind a sigmoid output."""

    def __call__(self, out: Float[Array, "B C"], target: Float[Array, "B C"]) -> Float[Array, ""]:
        """The loss of a batch."""
        return losses.PNorm()(jax.nn.sigmoid(out), target)


@dataclass(frozen=True)
class Perceptron:
    """y = w x + b with w, b uniform in (-10, 10) and x uniform in (-20, 20); `logistic` asks only for its sign."""

    inputs: int
    points: int
    logistic: bool

    def __call__(self, key: Key[Array, ""]) -> Lesson:
        """Draw w and b, and the points of both parts."""
        weight_key, *point_keys = jax.random.split(key, 3)
        weight = jax.random.uniform(weight_key, (self.inputs + 1, 1), jnp.float32, minval=-10.0, maxval=10.0)
        parts = []
        for point_key in point_keys:
            x = jax.random.uniform(point_key, (self.points, self.inputs), jnp.float32, minval=-20.0, maxval=20.0)
            y = weight[0] + x @ weight[1:]
            parts += [x, (y > 0).astype(jnp.float32) if self.logistic else y]
        return Lesson(*parts)


@dataclass(frozen=True)
class Boundary:
    """Two classes of points in the square (-1, 1)^2, separated by a random network.

    It has one hidden layer of tanh units; the threshold is the median of its output, so the classes are equally many.
    """

    hidden: int
    points: int
    seed: int | None = None  # of the one teacher of all lives; None draws one for each

    def __call__(self, key: Key[Array, ""]) -> Lesson:
        """Draw the teacher's weights, and the points of both parts."""
        key = key if self.seed is None else seed_key(self.seed)
        w_key, b_key, v_key, x_key = jax.random.split(key, 4)
        w = jax.random.normal(w_key, (2, self.hidden), jnp.float32) * 3.0
        b = jax.random.normal(b_key, (self.hidden,), jnp.float32)
        v = jax.random.normal(v_key, (self.hidden,), jnp.float32)
        x = jax.random.uniform(x_key, (2 * self.points, 2), jnp.float32, minval=-1.0, maxval=1.0)
        y = jnp.tanh(x @ w + b) @ v
        classes = (y > jnp.median(y)).astype(jnp.int32)
        return Lesson(x[: self.points], classes[: self.points], x[self.points :], classes[self.points :])


@dataclass(frozen=True)
class Xor:
    """The four points (+-1, +-1), class 1 where the signs differ; the held-out points are the same four."""

    def __call__(self, key: Key[Array, ""]) -> Lesson:
        """The four points."""
        del key
        x = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], jnp.float32)
        classes = jnp.array([0, 1, 1, 0], jnp.int32)
        return Lesson(x, classes, x, classes)


def perceptron(*, kind: Literal["linear", "logistic"] = "linear", inputs: int = 2, points: int = 200) -> TaughtTask:
    """Imitate a random perceptron; loss ||y - y*|| / B (Bhargava et al. 2022, section 3.1; SynRL).

    Args:
        kind: linear (the output is a number) or logistic (a class, behind a sigmoid).
        inputs: numbers per point, >= 1; the paper has 2 and 9.
        points: points to learn from, and as many held out, >= 1.
    """
    require(kind in ("linear", "logistic"), f"kind must be linear or logistic, but is {kind!r}.")
    require_whole("inputs", inputs, 1)
    require_whole("points", points, 1)
    logistic = kind == "logistic"
    return TaughtTask(
        teacher=Perceptron(inputs, points, logistic),
        in_shape=(inputs,),
        out_size=1,
        loss=LogisticNorm() if logistic else losses.PNorm(),
        has_classes=logistic,
    )


def boundary(*, teacher_hidden: int = 8, points: int = 300, teacher_seed: int | None = None) -> TaughtTask:
    """Find the decision boundary that a random network draws in the plane (Bhargava et al. 2022, section 3.2).

    Args:
        teacher_hidden: hidden units of the teacher, >= 1: more make a more winding boundary.
        points: points to learn from, and as many held out, >= 2.
        teacher_seed: of one teacher for all lives, 0 .. 2^32 - 1; else every life has its own.
    """
    if teacher_seed is not None:
        require_whole("teacher_seed", teacher_seed, 0, LARGEST_SEED)
    require_whole("teacher_hidden", teacher_hidden, 1)
    require_whole("points", points, 2)
    return TaughtTask(
        teacher=Boundary(teacher_hidden, points, teacher_seed),
        in_shape=(2,),
        out_size=2,
        loss=losses.cross_entropy,
        has_classes=True,
    )


def xor() -> TaughtTask:
    """Say whether two signs differ: four points, two classes, impossible without hidden units."""
    return TaughtTask(teacher=Xor(), in_shape=(2,), out_size=2, loss=losses.cross_entropy, has_classes=True)
