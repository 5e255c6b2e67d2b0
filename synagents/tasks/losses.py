"""How wrong an output is: functions (out, target) -> f32[] over a batch.

Targets are class indices int32[B] or values f32[B, C]; where a loss needs values, classes become one-hot rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Num

from synagents.hyperparameters import nearest, require_between
from synagents.tasks import integer_losses

Loss = Callable[[Array, Array], Array]


def cross_entropy(out: Float[Array, "B C"], target: Num[Array, "B *C"]) -> Float[Array, ""]:
    """Mean softmax cross-entropy in nats; target holds classes or rows of probabilities.

    Of outputs in int32, the sum in units of 2^-10 bit (`integer_losses`).
    """
    if jnp.issubdtype(out.dtype, jnp.integer):
        return integer_losses.cross_entropy(out, target)
    if jnp.issubdtype(target.dtype, jnp.integer):
        return optax.losses.softmax_cross_entropy_with_integer_labels(out, target).mean()
    return optax.losses.softmax_cross_entropy(out, target).mean()


def mean_squared_error(out: Float[Array, "B C"], target: Num[Array, "B *C"]) -> Float[Array, ""]:
    """Mean over batch and outputs of (out - target)^2."""
    return jnp.mean((out - _values(target, out)) ** 2)


def squared_hinge(out: Float[Array, "B C"], target: Num[Array, "B *C"]) -> Float[Array, ""]:
    """Mean over batch and outputs of max(0, 1 - y out)^2, y = 2 target - 1 in {-1, +1} (as in BinaryNet)."""
    return jnp.mean(jnp.maximum(0, 1 - (2 * _values(target, out) - 1) * out) ** 2)


@dataclass(frozen=True)
class PNorm:
    """The original's loss ||out - target||_p / B, the norm taken over the whole batch (SynRL; p = 2 there).

    Attributes:
        p: order of the norm, >= 1.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        require_between("p", self.p, 1)

    def __call__(self, out: Float[Array, "B C"], target: Num[Array, "B *C"]) -> Float[Array, ""]:
        """The loss of a batch."""
        return jnp.linalg.norm((out - _values(target, out)).ravel(), self.p) / out.shape[0]


def named(loss: str | Loss) -> Loss:
    """A loss by its name ("cross-entropy", "squared-hinge", "p-norm:1.5"); a function stays what it is.

    Raises:
        ValueError: if there is no loss of that name.
    """
    if callable(loss):
        return loss
    if not isinstance(loss, str):
        raise ValueError(f"A loss is a name or a function of (outputs, targets), and not {loss!r}.")
    name, _, order = loss.partition(":")
    if name == "p-norm":
        try:
            return PNorm(float(order or 2))
        except ValueError as error:
            raise ValueError(f"The order of the p-norm must be a number >= 1, but is {order!r}.") from error
    plain = {
        "cross-entropy": cross_entropy,
        "mean-squared-error": mean_squared_error,
        "squared-hinge": squared_hinge,
    }
    if loss not in plain:
        raise ValueError(f"No loss is called {loss!r}: {nearest(loss, [*plain, 'p-norm'])}.")
    return plain[loss]


def accuracy(out: Float[Array, "B C"], labels: Num[Array, "B"]) -> Float[Array, ""]:
    """Share of samples whose largest output is their class, in [0, 1]."""
    return jnp.mean(jnp.argmax(out, axis=1) == labels, dtype=jnp.float32)


def _values(target: Array, out: Array) -> Array:
    if jnp.issubdtype(target.dtype, jnp.integer):
        return jax.nn.one_hot(target, out.shape[1], dtype=out.dtype)
    return target
