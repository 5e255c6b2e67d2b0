"""Coordinated exploration by a Boltzmann machine, learned without its negative phase.

    p(h, a | s) ~ exp(s W_1 h_1 + h_1 W_2 h_2 + ... + h_M V a + biases)        dw_ij = alpha (R - b(s)) (f_ij - c_ij(s))

Layers listen upward and downward through the same weights and settle by block Gibbs sampling, so units explore
together; f is the product of a synapse's two ends (`hebbian`). With more than one hidden layer give the weights
between hidden layers a learning rate some hundred times smaller: noise lets them grow until the network freezes. (The
idea is that of Chung 2023, arXiv 2307.13256; the rules are ours. With b(s) = E[R | s] the step is the exact gradient at
equilibrium.)
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.agents.units import fire, layers_of
from synagents.hyperparameters import require, settings, static
from synagents.learners.unit.hebbian import ControlVariate, coincidences, mean_field, modulated
from synagents.learners.unit.layers import (
    Baseline,
    Rates,
    UnitLearnerState,
    advantage,
    by_layer,
    climb,
    named_weights,
    new_state,
    require_rates,
    stimulus,
    team_reward,
)
from synagents.world import Group, Learner, Metrics, Params, RoundNumber, Transition, Tree

__all__ = ["Boltzmann"]


@settings
class Boltzmann(Learner):
    """A Boltzmann machine whose every synapse learns from its two ends and the reward.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: leave-one-out (needs worlds that see the same: the world's repeats), average or none.
        control_variate: mean-field (subtract what the synapse's ends do together on average) or none; without it
            the baseline must know the stimulus, so leave-one-out.
        expected: whether hidden units count with their mean given their neighbours, which is less noisy.
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="leave-one-out")
    control_variate: ControlVariate = static(default="none")
    expected: bool = static(default=True)

    def __post_init__(self) -> None:
        require_rates(self.learning_rate)
        require(
            self.baseline == "leave-one-out" or self.control_variate == "mean-field",
            f"With the baseline {self.baseline!r} and no control variate the rule is far from the gradient: use the "
            "baseline leave-one-out, or control_variate mean-field.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> UnitLearnerState:
        """Random weights; ValueError where layers do not settle, or listen to themselves."""
        layers = layers_of(groups, "A Boltzmann machine", output=("sign", "bit", "softmax"), recurrent=True)
        require(
            not any(layer.name in layer.sources for layer in layers),
            "The units of a layer act together, so a Boltzmann machine cannot have lateral connections here: use "
            "feedback alone.",
        )
        upward = tuple(replace(layer, sources=layer.sources[:1], fans=layer.fans[:1]) for layer in layers)
        return new_state(key, upward, self.learning_rate)

    def act(
        self, key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """Layers fire given their neighbours."""
        del t, turn
        actions = {}
        for place, layer in enumerate(mind.layers):
            if layer.name in obs:
                below, above = jnp.split(obs[layer.name], layer.fans)
                u = below @ mind.weights[layer.name].weight + mind.weights[layer.name].bias
                if above.size:
                    u += mind.weights[mind.layers[place + 1].name].weight @ above
                actions[layer.name] = fire(jax.random.fold_in(key, place), layer, u)
        return actions, ()

    def weights(self, mind: UnitLearnerState) -> Params:
        """The network's: {"hidden0.weight": f32[D, n], "hidden0.bias": f32[n], ...}."""
        return named_weights(mind)

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One Hebbian step, modulated by the reward."""
        del key, last_obs
        synapses = [mind.weights[layer.name] for layer in mind.layers]

        def fields(h: Sequence[Array]) -> list[Array]:
            u = [below @ w.weight + w.bias for below, w in zip(h, synapses, strict=False)]
            from_above = [h[place + 2] @ w.weight.T for place, w in enumerate(synapses[1:])]
            return [own + above for own, above in zip(u, from_above, strict=False)] + u[-1:]

        seen = coincidences(mind, transition, fields, expected=self.expected)
        guessed = None if self.control_variate == "none" else mean_field(mind, stimulus(mind, transition), fields)
        gradients = modulated(advantage(mind, self.baseline, transition), seen, guessed)
        return climb(mind, by_layer(mind, gradients), self.learning_rate, team_reward(transition), t), {}
