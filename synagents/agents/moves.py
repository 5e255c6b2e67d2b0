"""What an action does to a weight: nudge it, or set it to a level.

    nudge   w <- w + step_size a,   a in {-1, 0, +1}; biases move bias_gain times as far
    level   w <- w + a,             a in {-1, 0, +1}, between -127 and 127, where weights are whole numbers
    set     w <- level_a,           a in 0 .. A - 1, where the network's weights may be A evenly spaced numbers

The first is the published move (Bhargava et al. 2022), and the second is the same for int8 weights. With the last the
joint action is the network itself, as in a bandit with one arm for every network.
"""

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from synagents import schedules
from synagents.agents.codes import MOST_LEVELS, NUM_ACTIONS
from synagents.groups import Tree
from synagents.hyperparameters import require, require_between
from synagents.schedules import Schedule
from synagents.task import LARGEST_INT8, Levels, Network, Params
from synagents.world import RoundNumber

MoveKind = Literal["nudge", "set"]


class Nudge(NamedTuple):
    """Down, leave, up."""

    step_size: Schedule
    bias_gain: float

    @property
    def num_actions(self) -> int:
        """A."""
        return NUM_ACTIONS

    def begin(self, weights: Params) -> tuple[Params, Tree]:
        """The weights a life begins with, and every agent's last action, {group: [n] or []}: none."""
        return weights, {name: jnp.uint8(1) for name in weights}

    def make(self, weights: Params, actions: Tree, t: RoundNumber) -> Params:
        """The weights after these actions, {group: [n]} in 0 .. 2."""
        step, moved = schedules.at(self.step_size, t), {}
        for name, weight in weights.items():
            gain = self.bias_gain * step if name.endswith("bias") else step
            moved[name] = weight + gain * (actions[name].reshape(weight.shape).astype(weight.dtype) - 1)
        return moved


class OneLevel(NamedTuple):
    """Down, leave, up by one, of weights in int8."""

    @property
    def num_actions(self) -> int:
        """A."""
        return NUM_ACTIONS

    def begin(self, weights: Params) -> tuple[Params, Tree]:
        """The weights a life begins with, and every agent's last action, {group: []}: none."""
        return weights, {name: jnp.uint8(1) for name in weights}

    def make(self, weights: Params, actions: Tree, t: RoundNumber) -> Params:
        """The weights after these actions, {group: [n]} in 0 .. 2; who is at an end stays there."""
        del t
        moved = {}
        for name, weight in weights.items():
            action = actions[name].reshape(weight.shape).astype(jnp.int8) - jnp.int8(1)
            at_end = weight == action * jnp.int8(LARGEST_INT8)  # before the sum, which would not fit eight bits
            moved[name] = jnp.where(at_end & (action != 0), weight, weight + action)
        return moved


class SetLevel(NamedTuple):
    """The weight becomes the level that is named."""

    levels: dict[str, Levels]

    @property
    def num_actions(self) -> int:
        """A."""
        return next(iter(self.levels.values())).size

    def begin(self, weights: Params) -> tuple[Params, Tree]:
        """Weights rounded to levels, and every agent's last action: it has named the level that its weight has."""
        named = {name: self.levels[name].nearest(weight) for name, weight in weights.items()}
        return {name: self.levels[name].at(index) for name, index in named.items()}, {
            name: index.reshape(-1) for name, index in named.items()
        }

    def make(self, weights: Params, actions: Tree, t: RoundNumber) -> Params:
        """The weights after these actions, {group: [n]} in 0 .. A - 1."""
        del t
        return {
            name: self.levels[name].at(actions[name]).reshape(weight.shape).astype(weight.dtype)
            for name, weight in weights.items()
        }


Moves: TypeAlias = Nudge | OneLevel | SetLevel


def chosen(
    kind: MoveKind, network: Network, step_size: Schedule | None, bias_gain: float | None, *, traced: bool
) -> Moves:
    """The moves of a world; of nudges the step size is by default 1e-4 and the gain of biases 2, as in the original.

    Args:
        kind: of the moves; a nudge of a whole number is one level.
        network: whose weights move.
        step_size: of nudges by real numbers; None for the default.
        bias_gain: of the same; None for the default.
        traced: whether agents see evidence of nudges.

    Raises:
        ValueError: if anything is out of range or means nothing for these moves.
    """
    if kind == "nudge" and not network.integer:
        nudge = Nudge(1e-4 if step_size is None else step_size, 2.0 if bias_gain is None else bias_gain)
        schedules.require_range("step_size", nudge.step_size, 0)
        require_between("bias_gain", nudge.bias_gain, 0)
        return nudge
    what = "moves='set'" if kind == "set" else "a network of whole numbers, whose weights move by one level"
    for name, given in (("step_size", step_size), ("bias_gain", bias_gain)):
        require(given is None, f"{name} is of nudges by real numbers: leave it out with {what}.")
    if kind == "nudge":
        return OneLevel()
    require(not traced, "history='trace' is evidence of nudges: use history='codes' with moves='set'.")
    return set_level(network)


def set_level(network: Network) -> SetLevel:
    """Moves that name levels; ValueError where the network's weights have none, or too many."""
    levels = network.levels()
    kind = type(network).__name__
    require(
        bool(levels),
        f"moves='set' names one of a weight's few levels, but weights of this {kind} may be any number: take a network "
        "of few bits, such as quantized, or moves='nudge'.",
    )
    counts = sorted({own.size for own in levels.values()})
    require(
        len(counts) == 1 and counts[0] <= MOST_LEVELS,
        f"moves='set' names one of at most {MOST_LEVELS} levels, but weights of this {kind} have "
        f"{' and '.join(map(str, counts))}: take fewer bits, or moves='nudge'.",
    )
    return SetLevel(levels)
