"""Groups of agents, and trees over them: dicts with one array per group.

Flat order everywhere, of names, states and files, is groups in their order and row-major within a group.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, PyTree

Tree: TypeAlias = dict[str, Array]  # one array per group
GLOBAL = "GLOBAL"  # in observations: what a central critic sees and no agent does; names of groups are in small letters

# Trees of arrays whose form is their owner's business; a name says whose.
State: TypeAlias = PyTree  # S, of a world: a NamedTuple with a field `task`
TaskState: TypeAlias = PyTree  # T, of a task
Mind: TypeAlias = PyTree  # L, what a learner knows
Memory: TypeAlias = PyTree  # M, what a learner keeps in one world


@dataclass(frozen=True)
class Group:
    """Agents of one kind: the synapses of one weight array, the units of one layer.

    Attributes:
        name: letters [a-z0-9_]; its agents are `<name>_<i>`, i the row-major index in `shape`.
        shape: how the agents are laid out, e.g. (fan_in, fan_out).
        obs_space: what one agent observes.
        action_space: what one agent does.
        turn: when in a round the group acts; 0 where all act at once, several turns where it acts again and again.
        about: what learners of the world's family know of the group beside this, such as
            `synagents.agents.units.Layer`; None in families that need nothing more.
    """

    name: str
    shape: tuple[int, ...]
    obs_space: spaces.Space
    action_space: spaces.Space
    turn: int | tuple[int, ...] = 0
    about: Any = None

    @property
    def size(self) -> int:
        """How many agents."""
        return math.prod(self.shape)

    @property
    def turns(self) -> tuple[int, ...]:
        """All turns in which the group acts."""
        return (self.turn,) if isinstance(self.turn, int) else self.turn


def observer(size: int) -> Group:
    """Who sees the global state f32[D] and does nothing, for learners with a central critic."""
    return Group(GLOBAL, (), spaces.Box(-np.inf, np.inf, (size,), np.float32), spaces.Discrete(1))


def flat(tree: Tree, groups: tuple[Group, ...]) -> Float[Array, "N"]:
    """All agents' values as one vector: groups in order, row-major within (the order of names, states and files)."""
    return jnp.concatenate([tree[group.name].reshape(-1) for group in groups])


def unflat(vector: Array, groups: tuple[Group, ...]) -> Tree:
    """The inverse of `flat`, for vectors [..., N]: {group: [..., n]}."""
    tree, start = {}, 0
    for group in groups:
        tree[group.name] = vector[..., start : start + group.size]
        start += group.size
    return tree


def agent_ids(groups: tuple[Group, ...]) -> list[str]:
    """Names of all agents in flat order: `<group>_<i>`."""
    return [f"{group.name}_{i}" for group in groups for i in range(group.size)]


def each_agent(seen: Tree, groups: tuple[Group, ...]) -> Tree:
    """What every single agent sees, {group: [n, ...]}.

    A group that sees the same is stored once; what a group sees in factors is a tuple of arrays, each a number of every
    agent's observation, that broadcast to the group's shape. Observations [B, F] have factors that broadcast to
    [B, *shape].
    """
    return {group.name: _each(seen[group.name], group) for group in groups if group.name in seen}


def _each(seen: Array | tuple[Array, ...], group: Group) -> Array:
    if isinstance(seen, tuple):
        ahead = (group.obs_space.shape or ())[:-1]
        each = [jnp.broadcast_to(factor, (*ahead, *group.shape)).reshape(*ahead, -1) for factor in seen]
        return jnp.moveaxis(jnp.stack(each, axis=-1), len(ahead), 0)
    return jnp.broadcast_to(seen, (group.size, *(group.obs_space.shape or ())))


def num_choices(space: spaces.Space) -> int:
    """How many values a Discrete space has; ValueError if it is another."""
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"This counts the values of Discrete spaces, but there is {space}.")
    return int(space.n)


def turns_of(groups: tuple[Group, ...]) -> range:
    """The turns of a round."""
    return range(1 + max(turn for group in groups for turn in group.turns))


def require_discrete(groups: tuple[Group, ...], learner: str) -> tuple[int, int]:
    """The one (histories, actions) shape of all groups; ValueError if one table cannot serve them all."""
    shapes = {
        (num_choices(g.obs_space), num_choices(g.action_space))
        if isinstance(g.obs_space, spaces.Discrete) and isinstance(g.action_space, spaces.Discrete)
        else None
        for g in groups
    }
    if len(shapes) != 1 or None in shapes:
        raise ValueError(
            f"{learner} keeps one table for all agents, so every group needs the same Discrete spaces, but "
            + "; ".join(f"{g.name} has {g.obs_space} and {g.action_space}" for g in groups[:3])
            + "."
        )
    return next(s for s in shapes if s is not None)
