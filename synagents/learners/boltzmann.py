"""Coordinated exploration by a Boltzmann machine, learned without its negative phase.

    p(h, a | s) ~ exp(s W_1 h_1 + h_1 W_2 h_2 + ... + h_M V a + biases)        dw_ij = alpha (R - b(s)) (f_ij - c_ij(s))

Layers listen upward and downward through the same weights and settle by block Gibbs sampling, so units explore
together; f is the product of a synapse's two ends (`synagents.hebb`). With more than one hidden layer give the weights
between hidden layers a learning rate some hundred times smaller: noise lets them grow until the network freezes. (The
idea is that of Chung 2023, arXiv 2307.13256; the rules are ours. With b(s) = E[R | s] the step is the exact gradient at
equilibrium.)
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.hebb import Control, coincidences, mean_field, modulated
from synagents.settings import require, settings, static
from synagents.team import (
    Baseline,
    Rates,
    Team,
    advantage,
    by_layer,
    climb,
    gather,
    require_rates,
    stimulus,
    team_reward,
)
from synagents.units import fire, layers_of
from synagents.world import Group, Transition, Tree

__all__ = ["Boltzmann"]

WORLDS = ("unit_v0",)


@settings
class Boltzmann:
    """A Boltzmann machine whose every synapse learns from its two ends and the reward.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: leave-one-out (needs worlds that see the same: the task's repeats), average or none.
        control: mean-field (subtract what the synapse's ends do together on average) or none; without it the baseline
            must know the stimulus, so leave-one-out.
        expected: whether hidden units count with their mean given their neighbours, which is less noisy.
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="leave-one-out")
    control: Control = static(default="none")
    expected: bool = static(default=True)

    def __post_init__(self) -> None:
        require_rates(self.learning_rate)
        require(self.control in get_args(Control), f"control must be none or mean-field, but is {self.control!r}.")
        require(
            self.baseline == "leave-one-out" or self.control == "mean-field",
            f"With the baseline {self.baseline!r} and no negative phase the rule is far from the gradient: use the "
            "baseline leave-one-out, or the control mean-field.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Team:
        """Random weights; ValueError where layers do not settle, or listen to themselves."""
        layers = layers_of(groups, "A Boltzmann machine", output=("sign", "bit", "softmax"), settles=True)
        require(
            not any(layer.name in layer.sources for layer in layers),
            "The units of a layer act together, so a Boltzmann machine cannot have lateral connections here: use "
            "feedback alone.",
        )
        upward = tuple(replace(layer, sources=layer.sources[:1], fans=layer.fans[:1]) for layer in layers)
        return gather(key, upward, self.learning_rate)

    def act(self, key: Key[Array, ""], mind: Team, obs: Tree, turn: int) -> tuple[Tree, tuple[()]]:
        """Layers fire given their neighbours."""
        del turn
        actions = {}
        for place, layer in enumerate(mind.layers):
            if layer.name in obs:
                below, above = jnp.split(obs[layer.name], layer.fans)
                u = below @ mind.weights[layer.name].weight + mind.weights[layer.name].bias
                if above.size:
                    u += mind.weights[mind.layers[place + 1].name].weight @ above
                actions[layer.name] = fire(jax.random.fold_in(key, place), layer, u)
        return actions, ()

    def update(
        self, key: Key[Array, ""], mind: Team, transition: Transition, last_obs: Tree
    ) -> tuple[Team, dict[str, Array]]:
        """One Hebbian step, modulated by the reward."""
        del key, last_obs
        synapses = [mind.weights[layer.name] for layer in mind.layers]

        def fields(h: Sequence[Array]) -> list[Array]:
            u = [below @ w.weight + w.bias for below, w in zip(h, synapses, strict=False)]
            from_above = [h[place + 2] @ w.weight.T for place, w in enumerate(synapses[1:])]
            return [own + above for own, above in zip(u, from_above, strict=False)] + u[-1:]

        seen = coincidences(mind, transition, fields, expected=self.expected)
        guessed = None if self.control == "none" else mean_field(mind, stimulus(mind, transition), fields)
        gradients = modulated(advantage(mind, self.baseline, transition), seen, guessed)
        return climb(mind, by_layer(mind, gradients), self.learning_rate, team_reward(transition)), {}
