"""Classification with bandit feedback: a sample is shown, one class is named, and the answer is only right or wrong.

    x, y ~ training part        R = 1 if the action is y, else 0        one decision is an episode

The right class is never told, so the task is a contextual bandit; of K equally frequent classes 1 / K are named rightly
by chance. Samples are drawn with replacement, and evaluation asks every sample of a part once, so that minus the loss
is the accuracy of the policy as it acts. (Kakade, Shalev-Shwartz & Tewari 2008, "Efficient bandit algorithms for online
multiclass prediction".)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key, Num

from synagents.hyperparameters import require, settings
from synagents.tasks.samples import Samples
from synagents.world import Answer, DecisionTask, Metrics, Part


class Question(NamedTuple):
    """One sample."""

    x: Num[Array, "..."]  # as it is stored, uint8 or f32[*in_shape]
    target: Integer[Array, ""]  # its class


@settings
class BanditClassification(DecisionTask):
    """Samples that are asked one by one; build it by `with_bandit_feedback`.

    Attributes:
        samples: the data, their split and their scale; their batch size and loss play no part.
    """

    samples: Samples

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.samples.in_shape

    @property
    def action_space(self) -> spaces.Discrete:
        """The classes."""
        return spaces.Discrete(self.samples.out_size)

    @property
    def description(self) -> tuple[tuple[str, object], ...]:
        """Of the data and the split."""
        return self.samples.description

    def init(self, key: Key[Array, ""]) -> Question:
        """A first sample."""
        return self._draw(key)

    def stimulus(self, state: Question) -> Float[Array, "..."]:
        """The sample, scaled as its task scales it."""
        return self.samples.scaled(state.x)

    def respond(self, key: Key[Array, ""], state: Question, action: Integer[Array, ""]) -> tuple[Question, Answer]:
        """1 for the right class and 0 for any other, and the next sample."""
        reward = (action == state.target).astype(jnp.float32)
        return self._draw(key), Answer(reward, jnp.bool_(True), jnp.bool_(False))

    def questions(self, part: Part) -> Question:
        """Every sample of a part."""
        return Question(*self.samples.part(part))

    def metrics(self, returns: Float[Array, "E"]) -> Metrics:
        """The mean reward is the accuracy, and minus it the loss."""
        accuracy = jnp.mean(returns)
        return {"loss": -accuracy, "accuracy": accuracy}

    def _draw(self, key: Key[Array, ""]) -> Question:
        place = jax.random.randint(key, (), 0, self.samples.target.shape[0], jnp.int32)
        return Question(self.samples.x[place], self.samples.target[place])


def with_bandit_feedback(samples: Samples) -> BanditClassification:
    """The task of naming the class of one sample at a time, paid 1 or 0.

    Args:
        samples: of classes; `digits`, `notmnist`, `idx`, `from_dataset` and `from_arrays` make them.

    Raises:
        ValueError: if their targets are values.
    """
    require(
        samples.has_classes,
        "The targets of these samples are values, and no decision is right or wrong about a value: play them in "
        "synagents.envs.synapse_v0.",
    )
    return BanditClassification(samples)
