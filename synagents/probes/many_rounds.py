"""What a run's history says that no single round does: functions of what was seen in many rounds, in NumPy.

    distance = sum_t |w(t+1) - w(t)|      displacement = |w(T) - w(0)|      both in units of weights, means over agents
    team size = (tr C)^2 / tr(C^2)        C: the covariance of the joint action over rounds (participation ratio)
    spectrum = |FFT(R - mean R)|^2        in octaves of the period, as shares of the variance of the rewards R

The participation ratio of a covariance's eigenvalues counts the directions that carry the variance (Gao et al. 2017).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer


class Travelled(NamedTuple):
    """How far weights went, and how far they came."""

    distance: float  # mean over agents of the length of the way, in units of weights, >= displacement
    displacement: float  # mean over agents of the distance between the two ends, in units of weights, >= 0


class Noise(NamedTuple):
    """Whether a sequence is more than independent draws."""

    correlation: float  # of neighbours, in [-1, 1]; nan where the sequence is constant
    bound: float  # 95 % of sequences of independent draws lie within -bound .. bound


class Octave(NamedTuple):
    """The part of a spectrum with periods in [shortest, 2 shortest) rounds."""

    shortest: float  # rounds, >= 2
    share: float  # of the variance, in [0, 1]
    expected: float  # the share that independent draws have, in [0, 1]


def travelled(weights: Float[np.ndarray, "T n"]) -> Travelled:
    """How far n weights went, seen at T >= 1 times; what happens between two looks is taken as straight."""
    weights = np.asarray(weights, np.float64)
    return Travelled(
        float(np.abs(np.diff(weights, axis=0)).sum(axis=0).mean()), float(np.abs(weights[-1] - weights[0]).mean())
    )


def team_size(actions: Integer[np.ndarray, "T n"]) -> float:
    """How many independent directions the joint action of n agents has, seen in T >= 3 rounds: in [1, n].

    (tr C)^2 / tr(C^2) is 1 where all agents move as one and n where they are independent and alike. Both parts are
    estimated without bias for normal actions (Bai & Saranadasa 1996), so that few rounds tell of many agents: with v =
    T - 1 and S the covariance of the sample,

        tr(C^2) = v^2 / ((v - 1)(v + 2)) (tr(S^2) - (tr S)^2 / v)        (tr C)^2 = (tr S)^2 - 2 tr(C^2) / v

    Of 16 rounds at independent agents it is off by about a sixth. 0 where nothing varies.
    """
    centred = np.asarray(actions, np.float64)
    centred = centred - centred.mean(axis=0)
    degrees = len(centred) - 1
    gram = (centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred) / degrees
    if not gram.any():
        return 0.0
    variance = float(np.trace(gram))
    squares = degrees**2 / ((degrees - 1) * (degrees + 2)) * (float(np.sum(gram**2)) - variance**2 / degrees)
    most = float(centred.shape[1])
    return most if squares <= 0 else float(np.clip(variance**2 / squares - 2 / degrees, 1, most))


def neighbours(values: Float[np.ndarray, "T"]) -> Noise:
    """The correlation of a sequence with itself one round later, beside what independent draws have.

    r = sum_t x(t) x(t+1) / sum_t x(t)^2, x the sequence less its mean; bound = 1.96 / sqrt(T) (Bartlett 1946).
    """
    centred = np.asarray(values, np.float64)
    centred = centred - centred.mean()
    power = float(centred @ centred)
    return Noise(float(centred[:-1] @ centred[1:]) / power if power > 0 else float("nan"), 1.96 / len(centred) ** 0.5)


def reward_spectrum(rewards: Float[np.ndarray, "T"]) -> list[Octave]:
    """Over which periods rewards vary, octave by octave, the shortest first; none where they are constant.

    Independent draws have the same power at every frequency, so an octave of long periods that holds more than is
    expected says that rewards drift.
    """
    centred = np.asarray(rewards, np.float64)
    power = np.abs(np.fft.rfft(centred - centred.mean())[1:]) ** 2
    if len(centred) < 2 or not power.sum() > 0:
        return []
    if len(centred) % 2 == 0:
        power[-1] /= 2  # the one frequency that stands once in the spectrum of both signs
    weight = np.ones(len(power))
    weight[-1] = 0.5 if len(centred) % 2 == 0 else 1
    octave = np.floor(np.log2(len(centred) / np.arange(1, len(power) + 1) / 2)).astype(int)
    shares = np.bincount(octave, power) / power.sum()
    expected = np.bincount(octave, weight) / weight.sum()
    return [Octave(2.0 ** (k + 1), float(s), float(e)) for k, (s, e) in enumerate(zip(shares, expected, strict=True))]
