"""Cue and reward, read as spikes: every round of the task is shown for a few rounds, in which neurons fire by chance.

    life    a life of `cue`, each of its rounds shown for `substeps` rounds; the last decision of these counts
    R       that of `cue`, in the last of these rounds; else 0

What is seen are spikes. Every sign of a cue has two neurons, of which one fires with probability `firing` and the other
with 0.02 (where no cue is shown both with 0.02); GO, a last reward of +1, one of -1, and each last action have one,
which fires with probability `firing` where it is so and else with 0.02. (`tasks/cue.py`; as spikes after Schmidgall,
Ashkanazy, Lawson & Hays 2021, "SpikePropamine", arXiv 2106.02681, whose code is not public: the encoding is ours.)
"""

from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key

from synagents.hyperparameters import require_between, require_whole, settings, static
from synagents.tasks.cue import Cue, CueLife, cue
from synagents.tasks.spikes import spikes
from synagents.world import Answer, LifeTask

__all__ = ["spiking_cue"]

OFF = 0.02  # probability of a spike of a neuron that stands for what is not so


class SpikingLife(NamedTuple):
    """How a life stands."""

    cue: CueLife
    substep: Integer[Array, ""]  # rounds in which this round of cue was shown before
    spikes: Float[Array, "D"]  # of this round


@settings
class SpikingCue(LifeTask):
    """Cue and reward as spikes; build it by `spiking_cue`.

    Attributes:
        shown: the task that is read.
        substeps: rounds for every one of its rounds.
        noise: probability that a neuron does the contrary.
        firing: probability of a spike of a neuron that stands for what is so.
    """

    shown: Cue
    substeps: int = static(default=4)
    noise: float = 0.0
    firing: float = 0.5

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Two neurons for every sign, GO, two for the last reward, two for the last action."""
        return (2 * self.shown.bits + 5,)

    @property
    def action_space(self) -> spaces.Discrete:
        """The target was shown (1), or it was not."""
        return self.shown.action_space

    @cached_property
    def length(self) -> int:
        """Rounds of a life."""
        return self.substeps * self.shown.length

    @property
    def levels(self) -> dict[str, float]:
        """Of `cue`: the ideal observer sees without noise."""
        return self.shown.levels

    def init(self, key: Key[Array, ""]) -> SpikingLife:
        """A new life."""
        life, own = jax.random.split(key)
        return self._round(own, self.shown.init(life), jnp.int32(0))

    def stimulus(self, state: SpikingLife) -> Float[Array, "D"]:
        """The spikes of this round."""
        return state.spikes

    def respond(
        self, key: Key[Array, ""], state: SpikingLife, action: Integer[Array, ""]
    ) -> tuple[SpikingLife, Answer]:
        """In the last round of a few what the action earns in `cue`; before it nothing."""
        life, own = jax.random.split(key)
        last = state.substep + 1 == self.substeps
        after, answer = self.shown.respond(life, state.cue, action)
        after = jax.tree.map(lambda new, old: jnp.where(last, new, old), after, state.cue)
        reward = jnp.where(last, answer.reward, jnp.float32(0))
        next_one = self._round(own, after, jnp.where(last, 0, state.substep + 1))
        return next_one, Answer(reward, last & answer.terminated, jnp.bool_(False))

    def _round(self, key: Key[Array, ""], life: CueLife, substep: Integer[Array, ""]) -> SpikingLife:
        """A round and its spikes."""
        seen = self.shown.stimulus(life)
        signs, go, reward, action = seen[: self.shown.bits], seen[self.shown.bits], seen[-3], seen[-2:]
        on = jnp.concatenate([signs > 0, signs < 0, jnp.stack([go > 0, reward > 0, reward < 0]), action > 0])
        p = jnp.where(on, jnp.float32(self.firing), jnp.float32(OFF))
        return SpikingLife(life, substep, spikes(key, p, self.noise))


def spiking_cue(
    *, cues: int = 2, bits: int = 6, length: int = 40, substeps: int = 4, noise: float = 0.0, firing: float = 0.5
) -> SpikingCue:
    """Find out in every life anew which of a few cues counts, where cues and rewards are read as spikes.

    Args:
        cues: n different cues of a life, an even number, 2 .. 16.
        bits: signs b of a cue, 1 .. 30, so many that there are n different ones.
        length: rounds of `cue` in a life, >= 1.
        substeps: rounds for every one of them, >= 1.
        noise: probability that a neuron does the contrary, in [0, 0.5].
        firing: probability of a spike of a neuron that stands for what is so, in [0.5, 1]; the others fire with 0.02.
    """
    require_whole("substeps", substeps, 1)
    require_between("noise", noise, 0, 0.5)
    require_between("firing", firing, 0.5, 1)
    return SpikingCue(cue(cues=cues, bits=bits, length=length), substeps, noise, firing)
