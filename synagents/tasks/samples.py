"""Learn from samples: a batch of the training part is the stimulus, its loss what is to fall.

    loss = loss(network(batch), targets)

The batch is drawn without replacement and kept until the world asks for a new one. `datasets` makes such tasks of
images by name, `arrays` of anything else. The arrays lie on JAX's default device from the moment a task is made, so a
process that holds one must not be forked: start others with "spawn".
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, Num

from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.keys import seed_key
from synagents.task import LARGEST_INT8
from synagents.tasks import integer_losses, losses
from synagents.tasks.integer_losses import MOST_SAMPLES
from synagents.tasks.losses import Loss
from synagents.world import Metrics, Part, Task, TaskState


class Description(tuple[tuple[str, Any], ...]):
    """What to report of data, by name. Any two are equal to JAX: no program is compiled anew for another split."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Description)

    def __ne__(self, other: object) -> bool:  # else a tuple's own
        return not self == other

    def __hash__(self) -> int:
        return hash(Description)


class Batch(NamedTuple):
    """The samples in use."""

    x: Num[Array, "B ..."]  # as the network sees them: f32 or int8
    target: Num[Array, "B *C"]  # classes int32[B] or values f32[B, C]


@settings
class Samples(Task):
    """One split of one data set; build it by `digits`, `notmnist`, `idx`, `from_dataset` or `from_arrays`.

    Attributes:
        x: the training part, uint8 or f32[n, *in_shape]; int8 after `integers`.
        target: its classes int32[n] or values f32[n, C].
        held_out_x: the held-out part, uint8 or f32[m, *in_shape].
        held_out_target: its classes int32[m] or values f32[m, C].
        scale: what `x` is divided by, > 0.
        in_shape: of one sample.
        out_size: outputs of the network: the number of classes, or C.
        batch_size: samples per batch, 1 .. n.
        loss: of (outputs, targets).
        description: the data and the split, to be reported: name, counts, seed, scale, classes, checksum.
    """

    x: Num[Array, "n ..."]
    target: Num[Array, "n *C"]
    held_out_x: Num[Array, "m ..."]
    held_out_target: Num[Array, "m *C"]
    scale: float
    in_shape: tuple[int, ...] = static()
    out_size: int = static()
    batch_size: int = static()
    loss: Loss = static()
    description: tuple[tuple[str, Any], ...] = static()

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", Description(self.description))
        require_between("scale", self.scale, 0, above=True)
        require_whole("out_size", self.out_size, 1)
        require_whole("batch_size", self.batch_size, 1)

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes, so that there is an accuracy."""
        return bool(jnp.issubdtype(self.target.dtype, jnp.integer))

    @property
    def loss_unit(self) -> float:
        """1, or of whole numbers what makes their sum a mean in nats."""
        return integer_losses.nats_per_sample(self.batch_size) if self.x.dtype == jnp.int8 else 1.0

    def integers(self) -> "Samples":
        """The same samples as whole numbers: 127 is what 1 was, and the loss is the sum in units of 2^-10 bit.

        Raises:
            ValueError: if a sample lies outside [-1, 1], the targets are no classes, the loss is not the cross-entropy,
                or a batch is too large for its sum.
        """
        if self.x.dtype == jnp.int8:
            return self
        require(
            self.has_classes and self.loss is losses.cross_entropy,
            "Networks of whole numbers are scored by the cross-entropy of classes: give classes and that loss.",
        )
        require(
            self.batch_size <= MOST_SAMPLES,
            f"A loss in int32 sums at most {MOST_SAMPLES} samples: make batch_size smaller than {self.batch_size}.",
        )
        x, held_out_x = (self.scaled(part) for part in (self.x, self.held_out_x))
        require(
            max(float(jnp.max(jnp.abs(part))) for part in (x, held_out_x)) <= 1,
            "Networks of whole numbers take samples in [-1, 1]: make scale larger.",
        )
        x, held_out_x = (jnp.round(LARGEST_INT8 * part).astype(jnp.int8) for part in (x, held_out_x))
        return replace(self, x=x, held_out_x=held_out_x)

    def init(self, key: Key[Array, ""]) -> Batch:
        """A first batch."""
        return self._draw(key)

    def stimulus(self, state: Batch) -> Float[Array, "B ..."]:
        """The batch's samples."""
        return state.x

    def respond(self, key: Key[Array, ""], state: Batch, out: Float[Array, "B C"]) -> tuple[Batch, Float[Array, ""]]:
        """The loss of the outputs."""
        del key
        return state, self.loss(out, state.target)

    def refresh(self, key: Key[Array, ""], state: Batch) -> Batch:
        """A new batch, drawn without replacement; the same one where it is the whole training part."""
        return state if self.batch_size == self.target.shape[0] else self._draw(key)

    def evaluate(self, state: Batch, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss, and accuracy where the targets are classes, over the whole training or held-out part."""
        del state
        x, target = self.part(part)
        out = apply_fn(self.scaled(x))
        if self.x.dtype == jnp.int8:  # a report may be exact: in nats, as of other networks
            out = integer_losses.in_nats(out)
        metrics = {"loss": self.loss(out, target)}
        if self.has_classes:
            metrics["accuracy"] = losses.accuracy(out, target)
        return metrics

    def part(self, part: Part) -> tuple[Num[Array, "n ..."], Num[Array, "n *C"]]:
        """The samples of a part as they are stored, and their targets."""
        return (self.x, self.target) if part == "train" else (self.held_out_x, self.held_out_target)

    def scaled(self, x: Num[Array, "..."]) -> Num[Array, "..."]:
        """Stored samples as the network sees them: f32, or int8 after `integers`."""
        if x.dtype == jnp.int8:
            return x
        return x.astype(jnp.float32) / jnp.asarray(self.scale, jnp.float32)

    def _draw(self, key: Key[Array, ""]) -> Batch:
        # The places of the largest of n random numbers: a permutation by sorting takes fifteen times as long.
        _, chosen = jax.lax.top_k(jax.random.uniform(key, self.target.shape[:1], jnp.float32), self.batch_size)
        return Batch(self.scaled(self.x[chosen]), self.target[chosen])


class NumberedBatch(NamedTuple):
    """The batch in use, one of those made elsewhere."""

    x: Float[Array, "B ..."]
    target: Num[Array, "B *C"]
    which: Integer[Array, ""]


@settings
class Batches(Task):
    """Samples that come in batches made elsewhere and stay together; build it by `from_batches`.

    Attributes:
        samples: all of them, the training batches one after the other.
    """

    samples: Samples

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.samples.in_shape

    @property
    def out_size(self) -> int:
        """Outputs of the network."""
        return self.samples.out_size

    @property
    def description(self) -> tuple[tuple[str, Any], ...]:
        """Of the data and the split."""
        return self.samples.description

    def init(self, key: Key[Array, ""]) -> NumberedBatch:
        """Any of the training batches."""
        return self._take(jax.random.randint(key, (), 0, self._count, jnp.int32))

    def stimulus(self, state: NumberedBatch) -> Float[Array, "B ..."]:
        """The batch's samples."""
        return state.x

    def respond(
        self, key: Key[Array, ""], state: NumberedBatch, out: Float[Array, "B C"]
    ) -> tuple[NumberedBatch, Float[Array, ""]]:
        """The loss of the outputs."""
        del key
        return state, self.samples.loss(out, state.target)

    def refresh(self, key: Key[Array, ""], state: NumberedBatch) -> NumberedBatch:
        """Any other of the training batches; the same one where it is the only one."""
        if self._count == 1:
            return state
        return self._take((state.which + jax.random.randint(key, (), 1, self._count, jnp.int32)) % self._count)

    def evaluate(self, state: NumberedBatch, apply_fn: Callable[[Array], Array], part: Part) -> Metrics:
        """Loss, and accuracy where the targets are classes, over all training or held-out batches as one."""
        return self.samples.evaluate(Batch(state.x, state.target), apply_fn, part)

    @property
    def _count(self) -> int:
        return self.samples.target.shape[0] // self.samples.batch_size

    def _take(self, which: Integer[Array, ""]) -> NumberedBatch:
        size = self.samples.batch_size
        x, target = (
            jax.lax.dynamic_slice_in_dim(every, which * size, size) for every in (self.samples.x, self.samples.target)
        )
        return NumberedBatch(self.samples.scaled(x), target, which)


def validation(task: Samples, share: float) -> Samples:
    """The same task with its training part cut in two: the last `share` of it is held out, and what was is gone.

    The cut is at random (seed 0) but always the same; batches must fit what remains.

    Raises:
        ValueError: if the batch does not.
    """
    order = np.random.default_rng(0).permutation(len(task.target))
    train, test = np.split(order, [len(order) - round(share * len(order))])
    require_batch(task.batch_size, len(train), "a training part that is cut in two")
    return replace(
        task,
        x=task.x[train],
        target=task.target[train],
        held_out_x=task.x[test],
        held_out_target=task.target[test],
        description=(*task.description, ("validation", share)),
    )


def sample_losses(task: Task, state: TaskState, out: Float[Array, "B C"]) -> Float[Array, "B"]:
    """The loss of every sample by itself, as the task scores a batch of it alone.

    Args:
        task: whose answer draws nothing at random.
        state: of the task, a NamedTuple with a field `target` [B, ...].
        out: the network's outputs for the batch in use.

    Raises:
        ValueError: if the state has no targets.
    """
    require(
        "target" in getattr(state, "_fields", ()),
        f"Samples are scored one by one here, but the state of {type(task).__name__} has no field `target` with an "
        "answer for each: give it one.",
    )

    def loss(one: Float[Array, "C"], target: Array) -> Float[Array, ""]:
        return task.respond(seed_key(0), state._replace(target=target[None]), one[None])[1]

    return jax.vmap(loss)(out, state.target)


def require_batch(batch_size: int, most: int, name: str) -> None:
    """Raise ValueError unless a batch of this size can be drawn from so many training samples of `name`."""
    require(
        isinstance(batch_size, int) and 1 <= batch_size <= most,
        f"batch_size must lie in 1 .. {most}, the training samples of {name}, but is {batch_size}.",
    )


def counts(name: str, train: np.ndarray, test: np.ndarray, how: str) -> tuple[tuple[str, Any], ...]:
    """What every description begins with: the data's name, how many samples each part has, how it was split."""
    return (("data", name), ("train_samples", len(train)), ("held_out_samples", len(test)), ("split", how))


def pixels(largest: float, scale: float) -> tuple[tuple[str, Any], ...]:
    """The largest pixel there is and what pixels are divided by, for a description."""
    return (("scale", float(scale)), ("largest_pixel", largest))
