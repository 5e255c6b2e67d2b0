"""How agents choose: a tabular learner is a policy f32[S, A] over histories, and each agent draws from its row.

Epsilon-greedy, softmax and repeat/undo are ways to write that policy; drawing is the same for all: one random number
per agent, compared with the row's cumulative probabilities.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.world import Tree

RESOLUTION = 2**24  # probabilities are kept to one part in 2^24, as float32 does near one


def sample(key: Key[Array, ""], policy: Float[Array, "S A"], obs: Tree) -> Tree:
    """Draw one action for every agent.

    Args:
        key: random key, used once.
        policy: f32[S, A], row s the probabilities of the actions after history s.
        obs: {group: [n]} history codes in 0 .. S - 1.

    Returns:
        {group: uint8[n]} actions in 0 .. A - 1.
    """
    # The upper edge of every action but the last, as integers: comparing integers is exact, and P = 1 means always.
    edges = [
        jnp.round(policy[:, :last].sum(axis=1) * RESOLUTION).astype(jnp.uint32) for last in range(1, policy.shape[1])
    ]
    luck = jax.random.bits(key, (sum(codes.size for codes in obs.values()),)) >> 8  # uniform in 0 .. 2^24 - 1
    actions, start = {}, 0
    for name, codes in sorted(obs.items()):
        mine = luck[start : start + codes.size]
        # Added one by one: a stack that is summed is written to memory first, and takes three times as long.
        action = jnp.zeros(codes.shape, jnp.uint8)
        for edge in edges:
            action += (mine >= edge[codes]).astype(jnp.uint8)
        actions[name] = action
        start += codes.size
    return actions


def explore_around(key: Key[Array, ""], actions: Tree, explore: Float[Array, ""], num_actions: int) -> Tree:
    """Every agent's given action, or with probability `explore` any.

    The same as `sample` from a policy of that form, without a look-up for every agent.

    Args:
        key: random key, used once.
        actions: {group: [n]} what each would do, in 0 .. num_actions - 1.
        explore: probability in [0, 1] of a uniform draw instead.
        num_actions: A.

    Returns:
        {group: uint8[n]} actions in 0 .. num_actions - 1.
    """
    edges = [jnp.round(explore * k / num_actions * RESOLUTION).astype(jnp.uint32) for k in range(1, num_actions + 1)]
    luck = jax.random.bits(key, (sum(own.size for own in actions.values()),)) >> 8
    chosen, start = {}, 0
    for name, own in sorted(actions.items()):
        mine = luck[start : start + own.size]
        drawn = jnp.zeros(own.shape, jnp.uint8)
        for edge in edges[:-1]:
            drawn += (mine >= edge).astype(jnp.uint8)
        chosen[name] = jnp.where(mine < edges[-1], drawn, own.astype(jnp.uint8))
        start += own.size
    return chosen


def epsilon_greedy(table: Float[Array, "S A"], explore: Float[Array, ""]) -> Float[Array, "S A"]:
    """The policy that takes argmax_a table[s, a], or any action with probability `explore`; ties go to the lowest."""
    greedy = jax.nn.one_hot(jnp.argmax(table, axis=1), table.shape[1])
    return (1 - explore) * greedy + explore / table.shape[1]
