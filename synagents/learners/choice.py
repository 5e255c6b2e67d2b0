"""How agents choose: a tabular learner is a policy f32[S, A] over histories, and each agent draws from its row.

Epsilon-greedy, softmax and repeat/undo are ways to write that policy; drawing is the same for all: one random number
per agent, compared with the row's cumulative probabilities.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key, UInt8, UInt32

from synagents.agents.codes import NUM_ACTIONS
from synagents.world import Group, Tree, require_discrete

RESOLUTION = 2**24  # probabilities are kept to one part in 2^24, as float32 does near one
FEW = 32  # rows of a table of which each agent's is selected, not looked up


def require_nudges(groups: tuple[Group, ...], learner: str) -> int:
    """The number of histories, of agents who move down, leave or move up; ValueError where they do anything else."""
    histories, actions = require_discrete(groups, learner)
    if actions != NUM_ACTIONS:
        raise ValueError(f"{learner} knows the three actions -, 0, +, but these agents have {actions}.")
    return histories


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
    drawn = words(key, obs)
    return {name: _place(drawn[name], [_of_each(codes, edge) for edge in edges]) for name, codes in obs.items()}


def sample_each(key: Key[Array, ""], policies: Tree) -> Tree:
    """Draw one action for every agent, each by probabilities of its own.

    Args:
        key: random key, used once.
        policies: {group: f32[n, A]}.

    Returns:
        {group: uint8[n]} actions in 0 .. A - 1.
    """
    edges = {
        name: jnp.round(jnp.cumsum(own[:, :-1], axis=1) * RESOLUTION).astype(jnp.uint32)
        for name, own in policies.items()
    }
    drawn = words(key, {name: own[:, 0] for name, own in policies.items()})
    return {name: _place(drawn[name], list(own.T)) for name, own in edges.items()}


def explore_around(key: Key[Array, ""], actions: Tree, epsilon: Float[Array, ""], num_actions: int) -> Tree:
    """Every agent's given action, or with probability `epsilon` any.

    The same as `sample` from a policy of that form, without a look-up for every agent.

    Args:
        key: random key, used once.
        actions: {group: [n]} what each would do, in 0 .. num_actions - 1.
        epsilon: probability in [0, 1] of a uniform draw instead.
        num_actions: A.

    Returns:
        {group: uint8[n]} actions in 0 .. num_actions - 1.
    """
    edges = [jnp.round(epsilon * k / num_actions * RESOLUTION).astype(jnp.uint32) for k in range(1, num_actions + 1)]
    drawn, chosen = words(key, actions), {}
    for name, own in actions.items():
        chosen[name] = jnp.where(drawn[name] < edges[-1], _place(drawn[name], edges[:-1]), own.astype(jnp.uint8))
    return chosen


def explore_others(key: Key[Array, ""], actions: Tree, epsilon: Float[Array, ""], num_actions: int) -> Tree:
    """Every agent's given action, or with probability `epsilon` one of the others; arguments as `explore_around`."""
    others = num_actions - 1
    edges = [jnp.round(epsilon * k / others * RESOLUTION).astype(jnp.uint32) for k in range(1, num_actions)]
    drawn = words(key, actions)
    # Whoever has passed all edges goes once around: back to the given action.
    return {
        name: (own.astype(jnp.uint8) + 1 + _place(drawn[name], edges)) % num_actions for name, own in actions.items()
    }


def epsilon_greedy(table: Float[Array, "S A"], epsilon: Float[Array, ""]) -> Float[Array, "S A"]:
    """The policy that takes argmax_a table[s, a], or any action with probability `epsilon`; ties go to the lowest."""
    greedy = jax.nn.one_hot(jnp.argmax(table, axis=1), table.shape[1], dtype=jnp.float32)
    return (1 - epsilon) * greedy + epsilon / table.shape[1]


def words(key: Key[Array, ""], agents: Tree) -> Tree:
    """{group: uint32[n]} one number for every agent, uniform in 0 .. RESOLUTION - 1."""
    words = jax.random.bits(key, (sum(own.size for own in agents.values()),), jnp.uint32) >> 8
    drawn, start = {}, 0
    for name, own in sorted(agents.items()):
        drawn[name] = words[start : start + own.size]
        start += own.size
    return drawn


def _of_each(codes: Integer[Array, "n"], numbers: UInt32[Array, "S"]) -> UInt32[Array, "n"]:
    """The number of every agent's row."""
    if len(numbers) > FEW:
        return numbers[codes]
    # A look-up keeps the compiler from working on several agents at once: with nine rows it takes four times as long.
    own, wide = jnp.broadcast_to(numbers[0], codes.shape), codes.astype(jnp.int32)
    for row in range(1, len(numbers)):
        own = jnp.where(wide >= row, numbers[row], own)
    return own


def _place(drawn: UInt32[Array, "n"], edges: list[Array]) -> UInt8[Array, "n"]:
    """How many of the ascending edges each agent's number has passed."""
    # Added one by one: a stack that is summed is written to memory first, and takes three times as long.
    place = jnp.zeros(drawn.shape, jnp.uint8)
    for edge in edges:
        place += (drawn >= edge).astype(jnp.uint8)
    return place
