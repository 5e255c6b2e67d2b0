"""What to watch in one round: a probe is a pure function of it, recorded inside the compiled loop at an interval.

Write your own as `def my_probe(world, round) -> array or dict of arrays`, for one world, and hand it to
`advance(..., probes=(my_probe,))`; its name is the key under which `History.probes` holds what it saw.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, PyTree

from synagents.agents.histories import Histories
from synagents.agents.plasticity import Felt, Limited
from synagents.agents.units import Fired, Layer, activity, score_function
from synagents.groups import Group
from synagents.world import Memory, Mind, Outcome, RoundNumber, State, Tree, World, flat, num_choices

SATURATED = 0.95  # of a world's limit: a trace that is as large is at it


class Round(NamedTuple):
    """One round of one world, all of it.

    Attributes:
        before: the world's state before anyone acted.
        after: the world's state after the round was resolved.
        obs: {group: [n, ...]} what the agents saw.
        actions: {group: [n, ...]} what they did.
        extras: what the learner's `act` returned last, by turn.
        outcome: rewards, info.
        mind: what the learner knew.
        memory: what the learner keeps in this world, after the agents acted; () where it keeps nothing.
        t: rounds played before this one.
    """

    before: State
    after: State
    obs: Tree
    actions: Tree
    extras: dict[int, PyTree]
    outcome: Outcome
    mind: Mind
    memory: Memory
    t: RoundNumber


Probe = Callable[[World, Round], PyTree]


def action_mix(world: World, seen: Round) -> dict[str, Float[Array, "A"]]:
    """Share of each group's agents that chose each action, {group: f32[A]}, in [0, 1]."""
    shares = {}
    for group in world.groups:
        chosen = seen.actions[group.name]
        shares[group.name] = jnp.stack(
            [jnp.mean(chosen == a) for a in range(_choices(group.action_space, "action-mix"))]
        )
    return shares


def occupancy(world: World, seen: Round) -> Float[Array, "S"]:
    """Share of all agents in each history state, f32[S], in [0, 1]."""
    codes = jnp.concatenate([seen.obs[group.name] for group in world.groups]).astype(jnp.int32)
    return jnp.zeros(_choices(world.groups[0].obs_space, "occupancy"), jnp.float32).at[codes].add(1 / codes.size)


def alignment(world: World, seen: Round) -> Float[Array, ""]:
    """Cosine in [-1, 1] between the joint action and the negative gradient of the loss the agents were paid for.

    The gradient is taken at the weights before the move, on the batch in use, and used for nothing else. A team that
    draws at random has an alignment near 0, gradient descent has 1. ValueError in worlds without `loss`, and where the
    weights are whole numbers.
    """
    slope, move = _slope_and_move(world, seen, "alignment")
    return _against(flat(slope, world.groups), flat(move, world.groups))


def layer_alignment(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """`alignment` of each array of weights alone, {group: f32[]} in [-1, 1].

    Random moves of n weights lie within 1.96 / sqrt(n) of 0 in 95 % of all rounds. ValueError as there.
    """
    slope, move = _slope_and_move(world, seen, "layer-alignment")
    return {group.name: _against(slope[group.name].reshape(-1), move[group.name].reshape(-1)) for group in world.groups}


def action_entropy(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """How undecided each group is as a whole, {group: f32[]} in bits, in [0, log2 A].

    H = -sum_a p_a log2 p_a, p the shares of `action_mix`; 0 where all do the same, log2 A where all actions are as
    frequent (Shannon 1948).
    """
    mix = action_mix(world, seen)
    return {name: -jnp.sum(jnp.where(p > 0, p * jnp.log2(jnp.where(p > 0, p, 1)), 0)) for name, p in mix.items()}


def flip_rate(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """Share of each group's agents that act otherwise than in the round before, {group: f32[]} in [0, 1].

    mean_i [a_i(t) != a_i(t-1)], a(t-1) as the agent's own history has it. Agents that draw uniformly from A actions
    flip (A - 1) / A of the time. ValueError where agents do not see discrete histories of a round or more.
    """
    last = {group.name: _last_action(group, seen, "flip-rate") for group in world.groups}
    return {name: jnp.mean(seen.actions[name] != before) for name, before in last.items()}


def action_autocorrelation(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """How much each group repeats itself, {group: f32[]} in [-1, 1].

    Pearson's correlation over the group's agents between their actions in this round and in the round before, actions
    as the numbers 0 .. A - 1: 1 where all repeat, 0 where all draw anew or all do the same. ValueError as `flip_rate`.
    """
    repeats = {}
    for group in world.groups:
        before = _centred(_last_action(group, seen, "action-autocorrelation"))
        now = _centred(seen.actions[group.name])
        lengths = jnp.linalg.norm(before) * jnp.linalg.norm(now)
        repeats[group.name] = jnp.where(lengths > 0, jnp.vdot(before, now) / jnp.where(lengths > 0, lengths, 1), 0.0)
    return repeats


def step_length(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """Mean distance that a weight of each array moves in this round, {group: f32[]}, in units of weights, >= 0.

    mean_i |w_i(t+1) - w_i(t)|. ValueError in worlds whose learner owns the weights.
    """
    before, after = _weights(world, seen.before, "step-length"), world.weights(seen.after)
    return {name: jnp.mean(jnp.abs(after[name] - array)) for name, array in before.items()}


def weight_spread(world: World, seen: Round) -> dict[str, dict[str, Float[Array, ""]]]:
    """Distribution of the weights of each array before the move, {group: {number: f32[]}}, in units of weights.

    "mean", "deviation" (standard), "root_mean_square", and the quantiles "low" (5 %), "median" and "high" (95 %).
    ValueError in worlds whose learner owns the weights.
    """
    return {name: _spread(array) for name, array in _weights(world, seen.before, "weight-spread").items()}


def firing_rate(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """Share of each group's units that fire, {group: f32[]} in [0, 1]: those of two actions that choose action 1.

    Groups that send numbers or choose among more are left out. ValueError where there is no group of two actions.
    """
    binary = [g.name for g in world.groups if isinstance(g.action_space, spaces.Discrete) and g.action_space.n == 2]
    if not binary:
        raise ValueError("firing-rate is of units that fire or not, and no group here has two actions: leave it out.")
    return {name: jnp.mean(seen.actions[name] == 1) for name in binary}


def score_variance(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """Variance of the scores of each layer's units, {group: f32[]}, >= 0, in units of potential^-2.

    mean_i s_i^2 over the units (of a softmax agent over its K potentials), s = d log p(h) / dU = (h - E[h]) /
    temperature, whose expectation is 0 (`synagents.agents.units`; Williams 1992 calls it characteristic eligibility).
    A unit learns from its score times the reward. At temperature 1 the expectation is p (1 - p) for units in the code
    {0, 1}, at most 1/4, and four times that in {-1, 1}: 0 where units are certain. Layers that do not draw around a
    potential as their kind says, such as the hidden ones of `backprop`, are left out; ValueError where none do.
    """
    noted = {name: own for turn in seen.extras.values() if isinstance(turn, dict) for name, own in turn.items()}
    variances = {}
    for group in world.groups:
        layer, fired = group.about, noted.get(group.name)
        if isinstance(layer, Layer) and isinstance(fired, Fired) and fired.temperature is not None:
            h = activity(layer, seen.actions[group.name])
            variances[group.name] = jnp.mean(score_function(layer, h, fired.potential, fired.temperature) ** 2)
    if not variances:
        raise ValueError("score-variance is of units whose learner notes what they drew from: leave it out here.")
    return variances


def trace_spread(world: World, seen: Round) -> dict[str, dict[str, Float[Array, ""]]]:
    """Distribution of the plastic traces of each matrix, {group: {number: f32[]}}, in units of weights.

    The numbers of `weight_spread`, and "kurtosis", E[(x - mean)^4] / E[(x - mean)^2]^2, >= 1: 3 for a normal
    distribution, towards 1 where traces saturate at two ends. ValueError in worlds without plastic synapses.
    """
    felt = _felt(seen, "trace-spread")
    return {name: _spread(own.trace) | {"kurtosis": _kurtosis(own.trace)} for name, own in felt.items()}


def trace_saturation(world: World, seen: Round) -> dict[str, Float[Array, ""]]:
    """Share of the traces of each matrix that are at the world's limit, {group: f32[]} in [0, 1].

    mean_i [|trace_i| >= 0.95 limit]: synapses there can only be changed back (the bounds: Miconi et al. 2019).
    ValueError in worlds without plastic synapses, or without a limit.
    """
    felt = _felt(seen, "trace-saturation")
    if not isinstance(world, Limited):
        raise ValueError("trace-saturation is of traces that have a limit, and these have none: leave it out.")
    return {name: jnp.mean(jnp.abs(own.trace) >= SATURATED * world.limit) for name, own in felt.items()}


def modulator(world: World, seen: Round) -> dict[str, dict[str, Float[Array, ""]]]:
    """The signal that gates plasticity, of each matrix, {group: {number: f32[]}}.

    "mean" and "deviation" over samples, in the modulator's own units, and "positive", the share above 0, in [0, 1].
    ValueError in worlds without plastic synapses.
    """
    felt = _felt(seen, "modulator")
    return {
        name: {"mean": m.mean(), "deviation": m.std(), "positive": jnp.mean(m > 0)}
        for name, m in ((name, own.modulator) for name, own in felt.items())
    }


def _last_action(group: Group, seen: Round, probe: str) -> Array:
    """[n] what the agents of a group did in the round before, of A actions, read from the code of their history."""
    about = group.about
    if not (isinstance(about, Histories) and about.memory and isinstance(group.obs_space, spaces.Discrete)):
        raise ValueError(f"{probe} reads the last action from a discrete history, and {group.name} has none.")
    return seen.obs[group.name].astype(jnp.int32) // 3**about.memory % about.actions


def _weights(world: World, state: State, probe: str) -> Tree:
    weights = world.weights(state)
    if not weights:
        raise ValueError(f"{probe} is of weights that worlds own, and here the learner has them: leave it out.")
    return weights


def _felt(seen: Round, probe: str) -> dict[str, Felt]:
    factors: PyTree = seen.obs  # what plastic synapses see comes in factors, which are no arrays
    felt = {name: own for name, own in factors.items() if isinstance(own, Felt)}
    if not felt:
        raise ValueError(f"{probe} is of plastic synapses, and there are none here: leave it out.")
    return felt


def _spread(values: Array) -> dict[str, Float[Array, ""]]:
    low, median, high = jnp.quantile(values, jnp.array([0.05, 0.5, 0.95]))
    size = {"mean": values.mean(), "deviation": values.std(), "root_mean_square": jnp.sqrt(jnp.mean(values**2))}
    return size | {"low": low, "median": median, "high": high}


def _kurtosis(values: Array) -> Float[Array, ""]:
    squares = (values - values.mean()) ** 2
    variance = squares.mean()
    return jnp.where(variance > 0, jnp.mean(squares**2) / jnp.where(variance > 0, variance, 1) ** 2, 1.0)


def _centred(values: Array) -> Float[Array, "n"]:
    numbers = values.astype(jnp.float32)
    return numbers - numbers.mean()


def _slope_and_move(world: World, seen: Round, probe: str) -> tuple[Tree, Tree]:
    """The gradient before the move, on the batch in use, and by how much the weights moved."""
    before, after = world.weights(seen.before), world.weights(seen.after)
    if any(jnp.issubdtype(weight.dtype, jnp.integer) for weight in before.values()):
        raise ValueError(f"Whole numbers have no gradient to compare moves with: leave the probe {probe} out.")
    return jax.grad(world.loss)(before, seen.before.task), jax.tree.map(jnp.subtract, after, before)


def _against(slope: Float[Array, "n"], move: Float[Array, "n"]) -> Float[Array, ""]:
    """The cosine between a move and the way down; 0 where either is nothing."""
    lengths = jnp.linalg.norm(slope) * jnp.linalg.norm(move)
    return jnp.where(lengths > 0, -jnp.vdot(slope, move) / jnp.where(lengths > 0, lengths, 1), 0.0)


def _choices(space: spaces.Space, probe: str) -> int:
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"{probe} counts the values of Discrete spaces, but agents here have {space}: leave it out.")
    return num_choices(space)


PROBES = {
    probe.__name__: probe
    for probe in (
        action_mix,
        action_entropy,
        action_autocorrelation,
        flip_rate,
        occupancy,
        alignment,
        layer_alignment,
        step_length,
        weight_spread,
        firing_rate,
        score_variance,
        trace_spread,
        trace_saturation,
        modulator,
    )
}
