"""Evidence accumulation: cues come from the left or the right, and long after the last one the majority is asked for.

    life    `cues` cues, each left or right by a fair coin, of `bins` rounds and a gap of 2; `delay` rounds; recall of 4
    R       in a round of the recall p(majority) / 4, so that a life's reward is the probability of a right answer

What is seen are spikes of four groups of `neurons` neurons: left, right, recall, background. A neuron fires with
probability 0.4 in a round where its group is on, and else with 0.05; those of the background are never on. With
`silence` all activity is cleared when the recall begins, so that nothing but traces can remember. Without it a
recurrent network whose synapses stay as they are can learn the task, too. (After Bellec et al. 2020, "A solution to the
learning dilemma for recurrent networks of spiking neurons"; numbers of cues, rounds and neurons are ours.)
"""

from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.tasks.spikes import spikes
from synagents.world import Answer, ForecastTask

__all__ = ["evidence_accumulation"]

GAP, RECALL = 2, 4  # rounds
ON, OFF = 0.4, 0.05  # probabilities of a spike


class EvidenceLife(NamedTuple):
    """How a life stands."""

    sides: Integer[Array, "cues"]  # 0 left, 1 right
    t: Integer[Array, ""]  # rounds before this one
    spikes: Float[Array, "D"]  # of this round


@settings
class EvidenceAccumulation(ForecastTask):
    """Evidence accumulation; build it by `evidence_accumulation`.

    Attributes:
        cues: how many, an odd number.
        bins: rounds of a cue.
        delay: rounds between the last gap and the recall.
        neurons: of each of the four groups.
        noise: probability that a neuron does the contrary.
        silence: whether activity is cleared when the recall begins.
    """

    cues: int = static(default=5)
    bins: int = static(default=4)
    delay: int = static(default=80)
    neurons: int = static(default=10)
    noise: float = 0.0
    silence: bool = static(default=True)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """All neurons."""
        return (4 * self.neurons,)

    @property
    def action_space(self) -> spaces.Discrete:
        """Left or right."""
        return spaces.Discrete(2)

    @cached_property
    def length(self) -> int:
        """Rounds of a life."""
        return self._recall + RECALL

    @cached_property
    def levels(self) -> dict[str, float]:
        """Probability of a right answer: of a guess, and of somebody who knows all cues."""
        return {"random": 0.5, "omniscient": 1.0}

    def init(self, key: Key[Array, ""]) -> EvidenceLife:
        """A new life."""
        sides, own = jax.random.split(key)
        drawn = jax.random.bernoulli(sides, shape=(self.cues,)).astype(jnp.int32)
        return self._round(own, drawn, jnp.int32(0))

    def stimulus(self, state: EvidenceLife) -> Float[Array, "D"]:
        """The spikes of this round."""
        return state.spikes

    def silences(self, state: EvidenceLife) -> Bool[Array, ""]:
        """When the recall begins, where that is asked for."""
        return (state.t == self._recall) & self.silence

    def reward(self, state: EvidenceLife, log_p: Float[Array, "A"]) -> Float[Array, ""]:
        """The share of the recall times the probability of the majority."""
        return self._weight(state).astype(log_p.dtype) * jnp.exp(log_p[_majority(state)])

    def respond(
        self, key: Key[Array, ""], state: EvidenceLife, action: Integer[Array, ""]
    ) -> tuple[EvidenceLife, Answer]:
        """Whether the answer is right, in the recall, and the next round; a new life where this one is over."""
        right = self._weight(state) * (action == _majority(state))
        born, own = jax.random.split(key)
        ended = state.t + 1 == self.length
        next_one = self._round(own, state.sides, state.t + 1)
        after = jax.tree.map(lambda new, old: jnp.where(ended, new, old), self.init(born), next_one)
        return after, Answer(right, ended, jnp.bool_(False))

    @property
    def _recall(self) -> int:
        """The first round of the recall."""
        return self.cues * (self.bins + GAP) + self.delay

    def _weight(self, state: EvidenceLife) -> Float[Array, ""]:
        return jnp.where(state.t >= self._recall, jnp.float32(1 / RECALL), jnp.float32(0))

    def _round(self, key: Key[Array, ""], sides: Integer[Array, "cues"], t: Integer[Array, ""]) -> EvidenceLife:
        """A round and its spikes."""
        number, place = t // (self.bins + GAP), t % (self.bins + GAP)
        cued = (number < self.cues) & (place < self.bins)
        side = sides[jnp.minimum(number, self.cues - 1)]
        on = jnp.stack([cued & (side == 0), cued & (side == 1), t >= self._recall, jnp.bool_(False)])
        p = jnp.repeat(jnp.where(on, jnp.float32(ON), jnp.float32(OFF)), self.neurons)
        return EvidenceLife(sides, t, spikes(key, p, self.noise))


def _majority(state: EvidenceLife) -> Integer[Array, ""]:
    return (2 * state.sides.sum(dtype=jnp.int32) > len(state.sides)).astype(jnp.int32)


def evidence_accumulation(
    *, cues: int = 5, bins: int = 4, delay: int = 80, neurons: int = 10, noise: float = 0.0, silence: bool = True
) -> EvidenceAccumulation:
    """Say, long after the last cue, on which side most cues were.

    Args:
        cues: how many, an odd number >= 1.
        bins: rounds of a cue, >= 1.
        delay: rounds between the cues and the recall, >= 0.
        neurons: of each of the four groups, >= 1.
        noise: probability that a neuron does the contrary, in [0, 0.5].
        silence: clear all activity when the recall begins, so that nothing but traces can remember.
    """
    for name, number, least in (("cues", cues, 1), ("bins", bins, 1), ("delay", delay, 0), ("neurons", neurons, 1)):
        require_whole(name, number, least)
    require(cues % 2 == 1, f"There is a majority only of an odd number of cues, but cues is {cues}.")
    require_between("noise", noise, 0, 0.5)
    require(isinstance(silence, bool), f"silence must be True or False, but is {silence!r}.")
    return EvidenceAccumulation(cues, bins, delay, neurons, noise, silence)
