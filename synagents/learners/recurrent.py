"""Coordinated exploration by a recurrent network: upward and feedback synapses of their own, both Hebbian.

    h ~ sigma(2 (x W + y F + ...)),  x below, y above        dW_ij = dF_ji = alpha (R - b(s)) (f_ij - c_ij(s))

As `boltzmann`, but no synapse knows the weight of another that runs the opposite way. Both learn from the same
coincidences, so they grow alike and differ by what they were born with. Lateral synapses learn from their layer's own
coincidences. (The idea is that of Chung 2023, arXiv 2307.13256; the rule is ours, an approximation of the Boltzmann
machine's gradient.)
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import get_args

import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.hebb import Control, coincidences, mean_field, modulated
from synagents.settings import require, require_between, settings, static
from synagents.team import (
    Baseline,
    Factors,
    Rates,
    Team,
    advantage,
    by_layer,
    climb,
    fire_each,
    gather,
    require_rates,
    stimulus,
    team_reward,
)
from synagents.units import Synapses, layers_of, potential
from synagents.world import Group, Transition, Tree

__all__ = ["Recurrent"]

WORLDS = ("unit_v0",)


@settings
class Recurrent:
    """A recurrent network whose every synapse learns from its two ends and the reward.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: leave-one-out (needs worlds that see the same: the task's repeats), average or none.
        control: mean-field (subtract what the synapse's ends do together on average) or none; without it the baseline
            must know the stimulus, so leave-one-out.
        expected: whether hidden units count with their mean given what reaches them, which is less noisy.
        lateral_rate: how many times their layer's rate synapses within a layer learn at, >= 0; at its full rate noise
            lets them grow until the network freezes.
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="leave-one-out")
    control: Control = static(default="none")
    expected: bool = static(default=True)
    lateral_rate: float = 0.01

    def __post_init__(self) -> None:
        require_rates(self.learning_rate)
        require_between("lateral_rate", self.lateral_rate, 0)
        require(self.control in get_args(Control), f"control must be none or mean-field, but is {self.control!r}.")
        require(
            self.baseline == "leave-one-out" or self.control == "mean-field",
            f"With the baseline {self.baseline!r} and no negative phase the rule is far from the gradient: use the "
            "baseline leave-one-out, or the control mean-field.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Team:
        """Random weights; ValueError where layers do not settle."""
        layers = layers_of(groups, "A recurrent network", output=("sign", "bit", "softmax"), settles=True)
        return gather(key, layers, self.learning_rate)

    def act(self, key: Key[Array, ""], mind: Team, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Layers fire given all they listen to."""
        del turn
        return fire_each(key, mind, obs, 1.0)[0], ()

    def update(
        self, key: Key[Array, ""], mind: Team, transition: Transition, last_obs: Tree
    ) -> tuple[Team, dict[str, Array]]:
        """One Hebbian step, modulated by the reward; feedback synapses learn what upward ones do."""
        del key, last_obs

        def fields(h: Sequence[Array]) -> list[Array]:
            there = dict(zip(("input", *(layer.name for layer in mind.layers)), h, strict=True))
            return [
                potential(mind.weights[layer.name], jnp.concatenate([there[name] for name in layer.sources], axis=-1))
                for layer in mind.layers
            ]

        seen = coincidences(mind, transition, fields, expected=self.expected)
        guessed = None if self.control == "none" else mean_field(mind, stimulus(mind, transition), fields)
        paid = advantage(mind, self.baseline, transition)
        upward = modulated(paid, seen, guessed)
        within = modulated(paid, _within(seen), None if guessed is None else _within(guessed))
        gradients = []
        for place, (layer, own) in enumerate(zip(mind.layers, upward, strict=True)):
            learned = {layer.sources[0]: own.weight}
            if layer != mind.layers[-1]:
                learned |= {mind.layers[place + 1].name: upward[place + 1].weight.T, layer.name: within[place].weight}
            gradients.append(Synapses(jnp.concatenate([learned[name] for name in layer.sources]), own.bias))
        gradient = by_layer(mind, gradients)
        return climb(mind, gradient, self.learning_rate, team_reward(transition), lateral=self.lateral_rate), {}


def _within(upward: list[Factors]) -> list[Factors]:
    """The same factors for synapses inside each hidden layer, from what the next layer hears to what its units do."""
    return [(heard, own) for (_, own), (heard, _) in pairwise(upward)]
