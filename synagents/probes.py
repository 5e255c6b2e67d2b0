"""What to watch: a probe is one pure function of a round, recorded inside the compiled loop at an interval.

Write your own as `def my_probe(world, round) -> array or dict of arrays`, for one world, and hand it to
`advance(..., probes=(my_probe,))`; its name is the key under which `History.probes` holds what it saw.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Float, PyTree

from synagents.world import Memory, Mind, Outcome, RoundNumber, State, Tree, World, flat, num_choices


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
    before, after = world.weights(seen.before), world.weights(seen.after)
    if any(jnp.issubdtype(weight.dtype, jnp.integer) for weight in before.values()):
        raise ValueError("Whole numbers have no gradient to compare moves with: leave the probe alignment out.")
    slope = flat(jax.grad(world.loss)(before, seen.before.task), world.groups)
    move = flat(jax.tree.map(jnp.subtract, after, before), world.groups)
    lengths = jnp.linalg.norm(slope) * jnp.linalg.norm(move)
    return jnp.where(lengths > 0, -jnp.vdot(slope, move) / jnp.where(lengths > 0, lengths, 1), 0.0)


def _choices(space: spaces.Space, probe: str) -> int:
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"{probe} counts the values of Discrete spaces, but agents here have {space}: leave it out.")
    return num_choices(space)


PROBES = {probe.__name__: probe for probe in (action_mix, occupancy, alignment)}
