"""Coordinated exploration by a recurrent network: upward and feedback synapses of their own, both Hebbian.

    h ~ sigma(2 (x W + y F + ...)),  x below, y above        dW_ij = dF_ji = alpha (R - b(s)) (f_ij - c_ij(s))

As `boltzmann`, but no synapse knows the weight of another that runs the opposite way. Both learn from the same
coincidences, so they grow alike and differ by what they were born with. Lateral synapses learn from their layer's own
coincidences. (The idea is that of Chung 2023, arXiv 2307.13256; the rule is ours, an approximation of the Boltzmann
machine's gradient.)
"""

from collections.abc import Sequence
from itertools import pairwise

import jax.numpy as jnp
from jaxtyping import Array, Key

from synagents.agents.units import Synapses, layers_of, potential
from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.unit.hebbian import ControlVariate, coincidences, mean_field, modulated
from synagents.learners.unit.layers import (
    Baseline,
    Factors,
    Rates,
    UnitLearnerState,
    advantage,
    by_layer,
    climb,
    fire_each,
    named_weights,
    new_state,
    require_rates,
    stimulus,
    team_reward,
)
from synagents.world import Group, Learner, Metrics, Params, RoundNumber, Transition, Tree

__all__ = ["Recurrent"]


@settings
class Recurrent(Learner):
    """A recurrent network whose every synapse learns from its two ends and the reward.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: leave-one-out (needs worlds that see the same: the world's repeats), average or none.
        control_variate: mean-field (subtract what the synapse's ends do together on average) or none; without it
            the baseline must know the stimulus, so leave-one-out.
        expected: whether hidden units count with their mean given what reaches them, which is less noisy.
        lateral_rate: how many times their layer's rate synapses within a layer learn at, >= 0; at its full rate noise
            lets them grow until the network freezes.
    """

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="leave-one-out")
    control_variate: ControlVariate = static(default="none")
    expected: bool = static(default=True)
    lateral_rate: float = 0.01

    def __post_init__(self) -> None:
        require_rates(self.learning_rate)
        require_between("lateral_rate", self.lateral_rate, 0)
        require(
            self.baseline == "leave-one-out" or self.control_variate == "mean-field",
            f"With the baseline {self.baseline!r} and no control variate the rule is far from the gradient: use the "
            "baseline leave-one-out, or control_variate mean-field.",
        )

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> UnitLearnerState:
        """Random weights; ValueError where layers do not settle."""
        layers = layers_of(groups, "A recurrent network", output=("sign", "bit", "softmax"), recurrent=True)
        return new_state(key, layers, self.learning_rate)

    def act(
        self, key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """Layers fire given all they listen to."""
        del t, turn
        return fire_each(key, mind, obs, 1.0)[0], ()

    def weights(self, mind: UnitLearnerState) -> Params:
        """The network's: {"hidden0.weight": f32[D, n], "hidden0.bias": f32[n], ...}."""
        return named_weights(mind)

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """One Hebbian step, modulated by the reward; feedback synapses learn what upward ones do."""
        del key, last_obs

        def fields(h: Sequence[Array]) -> list[Array]:
            there = dict(zip(("input", *(layer.name for layer in mind.layers)), h, strict=True))
            return [
                potential(mind.weights[layer.name], jnp.concatenate([there[name] for name in layer.sources], axis=-1))
                for layer in mind.layers
            ]

        seen = coincidences(mind, transition, fields, expected=self.expected)
        guessed = None if self.control_variate == "none" else mean_field(mind, stimulus(mind, transition), fields)
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
        return climb(mind, gradient, self.learning_rate, team_reward(transition), t, lateral=self.lateral_rate), {}


def _within(upward: list[Factors]) -> list[Factors]:
    """The same factors for synapses inside each hidden layer, from what the next layer hears to what its units do."""
    return [(heard, own) for (_, own), (heard, _) in pairwise(upward)]
