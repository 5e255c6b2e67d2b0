"""Cue and reward: which of a few unknown cues counts must be found out anew in every life, from rewards alone.

    life    n different random cues of b signs, one of them the target; `length` rounds, trial after trial
    trial   a blank, n/2 different cues in random order at random places of n/2 + U{0 .. n - 1} rounds, GO, a blank
    R       at GO +1 if the action is 1 and the target was shown, or 0 and it was not; else -1; in other rounds 0

What is seen: the cue's signs (0 where none is shown), whether it is GO, 1, the share of the life that is over, the last
reward, the last action as a one-hot (zeros at first). What is right changes from life to life, so nothing can be
learned between lives but how to find out. (Miconi, Rawal, Clune & Stanley 2019, arXiv 2002.10585; their input has one
more number, which is always 0.)
"""

from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key
from scipy import stats

from synagents.counter import counter_key
from synagents.hyperparameters import require, require_whole, settings, static
from synagents.world import Answer, LifeTask

__all__ = ["cue"]


class Trial(NamedTuple):
    """What is shown until the next GO."""

    slots: Integer[Array, ""]  # rounds between the first blank and GO
    shown: Integer[Array, "places"]  # the cue in every one of them, n where none is


class CueLife(NamedTuple):
    """How a life stands."""

    cues: Integer[Array, "n"]  # the bits of every cue
    target: Integer[Array, ""]
    trial: Trial
    place: Integer[Array, ""]  # rounds of the trial before this one
    t: Integer[Array, ""]  # rounds of the life before this one
    reward: Float[Array, ""]  # the last one
    action: Integer[Array, ""]  # the last one, -1 at first


@settings
class Cue(LifeTask):
    """Cue and reward; build it by `cue`.

    Attributes:
        cues: n.
        bits: b.
        length: rounds of a life.
    """

    cues: int = static(default=2)
    bits: int = static(default=6)
    length: int = static(default=40)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The cue, GO, 1, time, reward and action."""
        return (self.bits + 6,)

    @property
    def action_space(self) -> spaces.Discrete:
        """The target was shown (1), or it was not."""
        return spaces.Discrete(2)

    @cached_property
    def levels(self) -> dict[str, float]:
        """Expected rewards of a life: at random, and of an ideal observer, who draws every conclusion there is."""
        return {"random": 0.0, "ideal": float(_chance_of_trials(self.cues, self.length) @ _ideal(self))}

    def init(self, key: Key[Array, ""]) -> CueLife:
        """A new life."""
        cue_key, target_key, trial_key = jax.random.split(counter_key(key), 3)
        # The i-th of n different numbers below 2^b is one of those that are left.
        rest = 2**self.bits - jnp.arange(self.cues, dtype=jnp.int32)
        drawn, cues = jax.random.randint(cue_key, (self.cues,), 0, rest, jnp.int32), jnp.zeros(0, jnp.int32)
        for number in drawn:
            for taken in jnp.sort(cues):
                number = number + (number >= taken)
            cues = jnp.append(cues, number)
        target = jax.random.randint(target_key, (), 0, self.cues, jnp.int32)
        zero = jnp.int32(0)
        return CueLife(cues, target, self._trial(trial_key), zero, zero, jnp.float32(0), jnp.int32(-1))

    def stimulus(self, state: CueLife) -> Float[Array, "D"]:
        """What is seen in this round."""
        shown = self._shown(state)
        bits = state.cues[jnp.minimum(shown, self.cues - 1)] >> jnp.arange(self.bits, dtype=jnp.int32) & 1
        signs = jnp.where(shown < self.cues, 2 * bits - 1, 0)
        past = jnp.stack([self._is_go(state), 1, state.t / self.length, state.reward])
        action = state.action == jnp.arange(2, dtype=jnp.int32)
        return jnp.concatenate([part.astype(jnp.float32) for part in (signs, past, action)])

    def respond(self, key: Key[Array, ""], state: CueLife, action: Integer[Array, ""]) -> tuple[CueLife, Answer]:
        """What the action earns, and the next round; a new trial, and a new life, where one is over."""
        was_shown = (state.trial.shown == state.target).any()
        right = jnp.where((action == 1) == was_shown, jnp.float32(1), jnp.float32(-1))
        reward = jnp.where(self._is_go(state), right, jnp.float32(0))
        place, t = state.place + 1, state.t + 1
        next_trial, ended = place == state.trial.slots + 3, t == self.length
        begun = self.init(key)
        trial = jax.tree.map(lambda new, old: jnp.where(next_trial, new, old), begun.trial, state.trial)
        after = CueLife(
            state.cues, state.target, trial, jnp.where(next_trial, 0, place), t, reward, action.astype(jnp.int32)
        )
        after = jax.tree.map(lambda new, old: jnp.where(ended, new, old), begun, after)
        return after, Answer(reward, ended, jnp.bool_(False))

    def _trial(self, key: Key[Array, ""]) -> Trial:
        """Whichever n/2 places come first in a random order show the first n/2 cues of another one."""
        half, places = self.cues // 2, self.cues // 2 + self.cues - 1
        draws = jax.random.uniform(key, (places + self.cues + 1,), jnp.float32)
        slots = half + jnp.minimum(draws[-1] * self.cues, self.cues - 1).astype(jnp.int32)
        there = jnp.arange(places, dtype=jnp.int32) < slots
        rank = _ranks(jnp.where(there, draws[:places], 2.0))
        cues = _ranks(draws[places:-1])
        return Trial(slots, jnp.where(rank < half, cues[jnp.minimum(rank, half - 1)], self.cues))

    def _shown(self, state: CueLife) -> Integer[Array, ""]:
        """The cue that is shown in this round, n where none is."""
        slot = state.place - 1
        inside = (slot >= 0) & (slot < state.trial.slots)
        return jnp.where(inside, state.trial.shown[jnp.clip(slot, 0, len(state.trial.shown) - 1)], self.cues)

    def _is_go(self, state: CueLife) -> Array:
        return state.place == state.trial.slots + 1


def _ranks(x: Float[Array, "n"]) -> Integer[Array, "n"]:
    """The place of every number in their order; of equal ones the first is before."""
    own, place = x[:, None], jnp.arange(len(x), dtype=jnp.int32)
    before = (x < own) | ((x == own) & (place < place[:, None]))
    return jnp.sum(before, axis=1, dtype=jnp.int32)  # a sort of so few numbers takes longer, and longer to compile


def _chance_of_trials(cues: int, length: int) -> Float[np.ndarray, "trials"]:
    """The probability that a life of so many rounds has a first, a second, ... GO."""
    shortest, longest = cues // 2 + 3, cues // 2 + 2 + cues  # trials, in rounds
    begins = np.zeros(length + longest + 1)  # the probability that a trial begins in a round
    begins[0] = 1
    chances = []
    while begins[:length].sum() > 0:
        later = np.zeros_like(begins)
        go = 0.0
        for rounds in range(shortest, longest + 1):
            go += begins[: max(0, length - (rounds - 2))].sum() / cues  # GO is the last round but one
            later[rounds:] += begins[: len(begins) - rounds] / cues
        chances.append(go)
        later[length:] = 0
        begins = later
    return np.array(chances)


def _ideal(task: Cue) -> Float[np.ndarray, "trials"]:
    """What somebody who knows the cues that may still be the target expects of the first, the second, ... trial."""
    n, half = task.cues, task.cues // 2
    candidates = np.zeros(n + 1)  # the probability that so many cues may be the target
    candidates[n] = 1
    expected = []
    for _ in _chance_of_trials(n, task.length):
        earned, after = 0.0, np.zeros(n + 1)
        for c in range(1, n + 1):
            for shown, chance in enumerate(stats.hypergeom(n, c, half).pmf(np.arange(c + 1))):
                chance *= candidates[c]
                earned += chance * abs(2 * shown - c) / c  # P(right) - P(wrong) of the likelier answer
                after[shown] += chance * shown / c
                after[c - shown] += chance * (c - shown) / c
        expected.append(earned)
        candidates = after
    return np.array(expected)


def cue(*, cues: int = 2, bits: int = 6, length: int = 40) -> Cue:
    """Find out in every life anew which of a few cues counts, and say whether it was among those just shown.

    Args:
        cues: n different cues of a life, an even number, 2 .. 16.
        bits: signs b of a cue, 1 .. 30, so many that there are n different ones.
        length: rounds of a life, >= 1.
    """
    require_whole("cues", cues, 2, 16)
    require_whole("bits", bits, 1, 30)
    require_whole("length", length, 1)
    require(cues % 2 == 0, f"Half of the cues are shown in a trial, so cues must be even, but are {cues}.")
    require(cues <= 2**bits, f"There are only {2**bits} different cues of {bits} bits, so {cues} is too many.")
    return Cue(cues, bits, length)
