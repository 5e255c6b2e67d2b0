"""What a synapse may remember instead of single rounds: which way it went when the team did better than usual.

    surprise   q_t = R_t - u_t                       u: the running mean of the team's reward, u += .1 (R - u)
    trace      e_i <- decay e_i + q_t a_i            a_i in {-1, 0, +1}
    variance   v   <- decay^2 v + .6 q_t^2           of e_i, if what the agent did meant nothing; the same for all
    evidence   z_i = e_i / sqrt(v)                   in standard errors

An eligibility trace of rewarded actions (Williams 1992; for synapses Xie & Seung 2004, Fiete & Seung 2006), measured in
units of its own noise, so that a table over it means the same whatever the scale of rewards. It is made of nothing but
the agent's own actions and the team's rewards. .6 is the variance of an action that is drawn uniformly every other time
and is -1 or +1 otherwise. The standardised trace, and its nine buckets, are ours.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, UInt8

from synagents.agents.codes import smallest_dtype
from synagents.groups import Tree

EDGES = (-2.0, -1.0, -0.5, -0.15, 0.15, 0.5, 1.0, 2.0)  # of the buckets, in standard errors
NUM_BUCKETS = len(EDGES) + 1
LARGEST = 3.0  # standard errors that agents are shown at most
MEAN_RATE = 0.1
ACTION_VARIANCE = 0.6
TINY = float(np.finfo(np.float32).tiny)


class Evidence(NamedTuple):
    """What all agents of one world remember, for D decays."""

    traces: tuple[Tree, ...]  # D times {group: f32[n]}, in units of reward
    variances: Float[Array, "D"]  # of the traces
    mean: Float[Array, ""]  # the running mean of the team's reward


def begin(weights: Tree, decays: tuple[float, ...]) -> Evidence:
    """Nobody has acted yet: no evidence for any of the agents, of whom there is one for each weight."""
    nothing = {name: jnp.zeros(array.size, jnp.float32) for name, array in weights.items()}
    return Evidence((nothing,) * len(decays), jnp.zeros(len(decays), jnp.float32), jnp.float32(0))


def add(evidence: Evidence, decays: tuple[float, ...], actions: Tree, reward: Float[Array, ""]) -> Evidence:
    """The evidence after a round.

    Args:
        evidence: before it.
        decays: what is left of each trace after a round, in [0, 1].
        actions: {group: [n]} what the agents did: 0, 1, 2 for -, 0, +.
        reward: f32[], the team's.
    """
    surprise = reward - evidence.mean
    traces = tuple(
        {name: decay * trace + surprise * (actions[name].astype(jnp.float32) - 1) for name, trace in tree.items()}
        for decay, tree in zip(decays, evidence.traces, strict=True)
    )
    variances = jnp.stack([jnp.float32(decay) ** 2 for decay in decays]) * evidence.variances
    return Evidence(
        traces, variances + ACTION_VARIANCE * surprise**2, evidence.mean + MEAN_RATE * (reward - evidence.mean)
    )


def standard_errors(evidence: Evidence) -> tuple[Tree, ...]:
    """z, D times {group: f32[n]}; 0 as long as there is no evidence."""
    return tuple(
        {
            name: jnp.where(variance > 0, trace / jnp.sqrt(jnp.maximum(variance, TINY)), 0)
            for name, trace in tree.items()
        }
        for variance, tree in zip(evidence.variances, evidence.traces, strict=True)
    )


def show(evidence: Evidence, form: str) -> Tree:
    """What agents see of their evidence, as an observation of synapse worlds has it.

    Args:
        evidence: of D decays.
        form: "discrete", {group: [n]} in 0 .. 9^D - 1; "multi-discrete", {group: uint8[n, D]} buckets; or "box",
            {group: f32[n, D]} in [-3, 3].
    """
    z, shown = standard_errors(evidence), {}
    for name in z[0]:
        own = tuple(tree[name] for tree in z)
        if form == "discrete":
            shown[name] = encode(own)
        elif form == "multi-discrete":
            shown[name] = jnp.stack([bucket(each) for each in own], axis=1)
        else:
            shown[name] = jnp.clip(jnp.stack(own, axis=1), -LARGEST, LARGEST)
    return shown


def encode(z: tuple[Float[Array, "n"], ...]) -> Integer[Array, "n"]:
    """One number for an agent: the bucket of each decay's z, the first one most significant, in base 9."""
    dtype = smallest_dtype(NUM_BUCKETS ** len(z))
    code = jnp.zeros(z[0].shape, dtype)
    for own in z:
        code = code * dtype.type(NUM_BUCKETS) + bucket(own).astype(dtype)
    return code


def bucket(z: Float[Array, "*n"]) -> UInt8[Array, "*n"]:
    """How many of the edges a number of standard errors has passed: 0 .. 8, 4 where there is no evidence."""
    place = jnp.zeros(z.shape, jnp.uint8)
    for edge in EDGES:  # added one by one, as in `choice`: a stack that is summed takes three times as long
        place += (z > edge).astype(jnp.uint8)
    return place
