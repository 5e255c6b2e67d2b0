"""What a policy of many alike agents reads, and the small perceptrons that read it.

    codes     out[i] = f(x[s_i]),  x[s] = the digits of history s as one-hots;   f is computed once for each history
    numbers   out[i] = f(x_i)
    mirror    policy 1/2 (f(x) + f(x')[opposite]),   value 1/2 (f(x) + f(x')),   x' = sign * x[order]

Agents are alike, so those who see the same get the same output: where observations are codes, a network is computed for
every code and looked up by every agent, which is the same function at the cost of a table. No direction of a weight is
special: what the policy makes of up after a history is what it makes of down after the mirrored history, in which all
actions and all evidence were opposite (`learners.synapse.team` says why). So networks are averaged over both.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Integer, Key

from synagents.agents.histories import Histories
from synagents.groups import GLOBAL
from synagents.hyperparameters import require
from synagents.learners.choice import sample, sample_each
from synagents.world import Group, Tree, num_choices

Net: TypeAlias = tuple[tuple[Float[Array, "fan_in fan_out"], Float[Array, "fan_out"]], ...]


class Seen(NamedTuple):
    """What the agents of all groups see, and what a central critic sees."""

    own: Array  # [*rows, N] codes, or f32[*rows, N, F]
    state: Float[Array, "*rows D"]  # with D = 0 where there is no central critic


class Sight(NamedTuple):
    """How networks read what agents see, as F numbers."""

    codes: Float[Array, "S F"] | None  # what each history says; None where agents see numbers
    order: Integer[Array, "F"]  # the mirror image of x is sign * x[order]: x itself where nobody knows one
    sign: Float[Array, "F"]
    opposite: Integer[Array, "A"]  # of each action

    def policy(self, net: Net, seen: Array | None = None) -> Float[Array, "*n A"]:
        """A number for every action of each agent that sees `seen`, or after every history where that is None."""
        x = self._numbers(seen)
        return self._looked_up(self.even(outputs(net, x), outputs(net, self.mirrored(x))), seen)

    def value(self, net: Net, seen: Array | None = None) -> Float[Array, "*n"]:
        """One number for each agent, or for each history."""
        x = self._numbers(seen)
        rows = 0.5 * (outputs(net, x) + outputs(net, self.mirrored(x)))
        return self._looked_up(rows[..., 0], seen)

    def mirrored(self, x: Float[Array, "*n F"]) -> Float[Array, "*n F"]:
        """What would be seen if all had been opposite."""
        return self.sign * x[..., self.order]

    def even(self, here: Float[Array, "*n A"], there: Float[Array, "*n A"]) -> Float[Array, "*n A"]:
        """The mean of what is made of all actions here, and of the opposite ones in the mirror image."""
        return 0.5 * (here + there[..., self.opposite])

    def numbers(self, seen: Array) -> Float[Array, "*n F"]:
        """What each agent sees, as a network reads it."""
        return self.codes[seen] if self.codes is not None else seen

    def of_actions(self, rows: Callable[[Array | None], Array], seen: Seen, actions: Array) -> Float[Array, "*rows N"]:
        """Of a number for every action, as `policy` gives it, that of the action which each agent took."""
        if self.codes is not None:
            table = rows(None)
            return table.reshape(-1)[seen.own.astype(jnp.int32) * table.shape[1] + actions]
        return jnp.take_along_axis(rows(seen.own), actions[..., None], axis=-1)[..., 0]

    def _numbers(self, seen: Array | None) -> Float[Array, "*n F"]:
        return self.codes if self.codes is not None else jnp.asarray(seen)

    def _looked_up(self, rows: Array, seen: Array | None) -> Array:
        return rows[seen] if self.codes is not None and seen is not None else rows


def sight_of(groups: tuple[Group, ...], name: str) -> Sight:
    """How networks read what these agents see.

    Raises:
        ValueError: if the agents do not all see and do the same kind of thing, as the algorithm `name` needs.
    """
    first, *_ = groups = tuple(group for group in groups if group.name != GLOBAL)
    kinds = {(str(g.obs_space), str(g.action_space), g.turn) for g in groups}
    require(
        len(kinds) == 1 and isinstance(first.action_space, spaces.Discrete) and first.turn == 0,
        f"{name} shares one policy among all agents, so they need the same spaces, Discrete actions and one turn: play "
        "it in worlds of synapses.",
    )
    actions, about = num_choices(first.action_space), first.about
    coded = isinstance(first.obs_space, spaces.Discrete)
    require(
        coded or isinstance(first.obs_space, spaces.Box), f"{name} reads codes or numbers: use observation='discrete'."
    )
    if isinstance(about, Histories):
        codes, order, sign = _read(about) if coded else (None, *_box_mirror(about))
        require(
            coded or first.obs_space.shape == order.shape,
            f"{name} cannot mirror where agents are: leave features out.",
        )
        return Sight(codes, order, sign, jnp.arange(actions)[::-1])
    numbers = num_choices(first.obs_space) if coded else math.prod(first.obs_space.shape or ())
    codes = jnp.eye(numbers, dtype=jnp.float32) if coded else None
    return Sight(codes, jnp.arange(numbers), jnp.ones(numbers, jnp.float32), jnp.arange(actions))


def state_size(groups: tuple[Group, ...]) -> int:
    """How many numbers a central critic sees; ValueError where nobody says it."""
    sizes = [math.prod(group.obs_space.shape or ()) for group in groups if group.name == GLOBAL]
    require(bool(sizes), "A central critic sees the global state: give rounds.groups_shown(world, learner) as groups.")
    return sizes[0]


def perceptron(key: Key[Array, ""], sizes: tuple[int, ...], last: float = 1.0) -> Net:
    """Weights with variance 2 / fan_in (He et al. 2015), the last layer's scaled by `last`; biases of 0."""
    net = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        width = (last if index == len(sizes) - 2 else 1) * math.sqrt(2 / fan_in)
        weight = width * jax.random.normal(jax.random.fold_in(key, index), (fan_in, fan_out), jnp.float32)
        net.append((weight, jnp.zeros(fan_out, jnp.float32)))
    return tuple(net)


def outputs(net: Net, x: Float[Array, "*n F"]) -> Float[Array, "*n C"]:
    """Of a perceptron with rectified linear hidden units."""
    for weight, bias in net[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = net[-1]
    return x @ weight + bias


def _read(about: Histories) -> tuple[Array, Array, Array]:
    """The one-hot digits of every history, and their mirror image: digits of evidence and actions are reversed."""
    bases = about.bases
    digits = np.stack(np.unravel_index(np.arange(about.size), bases), axis=1)
    hot = [np.eye(base, dtype=np.float32)[digits[:, place]] for place, base in enumerate(bases)]
    starts = np.cumsum([0, *bases])
    turned = about.decays + about.memory
    order = [
        start + (np.arange(base)[::-1] if place < turned else np.arange(base))
        for place, (start, base) in enumerate(zip(starts, bases, strict=False))
    ]
    x = np.concatenate(hot, axis=1)
    return jnp.asarray(x), jnp.asarray(np.concatenate(order)), jnp.ones(x.shape[1], jnp.float32)


def _box_mirror(about: Histories) -> tuple[Array, Array]:
    """The mirror image of numbers: evidence changes its sign, the one-hots of actions are reversed."""
    blocks = [about.actions] * about.memory + [3] * about.memory
    order, sign = [np.arange(about.decays)], [-np.ones(about.decays)]
    for place, base in enumerate(blocks):
        start = about.decays + sum(blocks[:place])
        order.append(start + (np.arange(base)[::-1] if place < about.memory else np.arange(base)))
        sign.append(np.ones(base))
    return jnp.asarray(np.concatenate(order)), jnp.asarray(np.concatenate(sign), jnp.float32)


def choose(key: Key[Array, ""], sight: Sight, probabilities: Callable[[Array | None], Array], obs: Tree) -> Tree:
    """Draw every agent's action; `probabilities` are those of agents, or of all histories, as `Sight.policy` has it."""
    obs = {name: seen for name, seen in obs.items() if name != GLOBAL}
    if sight.codes is not None:
        return sample(key, probabilities(None), obs)
    return sample_each(key, {name: probabilities(seen) for name, seen in obs.items()})


def together(tree: Tree, axis: int) -> Array:
    """The agents of all groups along one axis: [T, W, N, ...] from {group: [T, W, n, ...]} with axis 2."""
    return jnp.concatenate([tree[name] for name in sorted(tree) if name != GLOBAL], axis=axis)


def seen_by_all(obs: Tree, axis: int) -> Seen:
    """What all see, and the global state where the learner is given it; `axis` is that of the agents."""
    own = together(obs, axis)
    return Seen(own, obs[GLOBAL] if GLOBAL in obs else jnp.zeros((*own.shape[:axis], 0), jnp.float32))
