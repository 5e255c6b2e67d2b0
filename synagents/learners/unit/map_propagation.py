"""MAP propagation: after the decision, hidden values move to what made it most likely; REINFORCE then credits those.

    h_l <- h_l + rate v_l ((mu_l - h_l) / v_l + W_{l+1} s_{l+1})          `revisions` times, all layers at once
    dw = alpha (R - b) h_{l-1} (x) s_l,   s_l = (h_l - mu_l) f'(U_l) / v_l,   mu_l = f(U_l),  f = softplus

Hidden units are Gaussian, h ~ N(mu, v). At the fixed point (h_l - mu_l) / v_l = W_{l+1} s_{l+1}, the recursion of
backpropagation, found by local moves alone; without revisions this is REINFORCE. (Chung 2020, arXiv 2010.07893, and the
author's code; all layers are revised from the same old values, with the output held.)
"""

from collections.abc import Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.units import Fired, Synapses, Temperature, fire, layers_of, potential, score_function
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.learners.unit.layers import Baseline, Factors, Rates, UnitLearnerState, activities, potentials
from synagents.learners.unit.td import Traces, UnitLearner
from synagents.world import Group, Metrics, RoundNumber, Transition, Tree

__all__ = ["MapPropagation"]

LEAST = 1e-3  # an error of the critic's output counts as at least this


@settings
class MapPropagation(UnitLearner):
    """MAP propagation for Gaussian hidden units, with an output of any kind.

    Attributes:
        variance: of the hidden units, > 0: one for all hidden layers, or one each.
        revisions: how often hidden values are revised after the decision, >= 0.
        revision_rate: share in (0, 1] of the variance by which a value moves along the gradient of its log-probability.
        critic_variance: of the critic's units, > 0: one for all of its layers, or one each, the output's last.
        reward_limit: a reward beyond it, either way, counts as it; >= 0, where 0 is no limit.
    """

    hidden_kinds: ClassVar[tuple[str, ...]] = ("gaussian",)

    learning_rate: Rates = (4e-2, 4e-5, 4e-6)
    baseline: Baseline = static(default="none")
    variance: tuple[float, ...] = (0.3, 1.0)
    revisions: int = static(default=20)
    revision_rate: float = 0.5
    critic_variance: tuple[float, ...] = (0.03, 0.1, 0.1)
    reward_limit: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for variances in (self.variance, self.critic_variance):
            require(isinstance(variances, tuple | list), f"variance must be one number per layer, not {variances!r}.")
            for variance in variances:
                require_between("variance", variance, 0, above=True)
        require_whole("revisions", self.revisions, 0)
        require_between("revision_rate", self.revision_rate, 0, 1, above=True)
        require_between("reward_limit", self.reward_limit, 0)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> UnitLearnerState:
        """Random weights; ValueError where hidden units are not Gaussian or settings are not one for each layer."""
        layers = layers_of(groups, "MapPropagation", hidden=self.hidden_kinds)
        require(
            len(self.variance) in (1, len(layers) - 1),
            f"variance must be one number, or one for each of the {len(layers) - 1} hidden layers, but there are "
            f"{len(self.variance)}.",
        )
        require(
            not self.critic_rate or len(self.critic_variance) in (1, len(layers)),
            f"critic_variance must be one number, or one for each of the {len(layers)} layers, but there are "
            f"{len(self.critic_variance)}.",
        )
        return self.new_state(key, layers)

    def act(
        self, key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, dict[str, Fired]]:
        """Hidden units draw around softplus(U), the output units as their kind does."""
        del t
        (name, x), *_ = obs.items()
        layer, u = mind.layers[turn], potential(mind.weights[name], x)
        if layer == mind.layers[-1]:
            return {name: fire(key, layer, u, self.temperature)}, {name: Fired(u, jnp.float32(self.temperature))}
        return {name: _draw(key, u, _of(self.variance, turn))}, {name: Fired(u, None)}

    def update(
        self, key: Key[Array, ""], mind: UnitLearnerState, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[UnitLearnerState, Metrics]:
        """Revise, then one step along the score functions of the revised values."""
        del last_obs
        limit = jnp.where(self.reward_limit > 0, jnp.float32(self.reward_limit), jnp.inf)
        clipped = {name: jnp.clip(reward, -limit, limit) for name, reward in transition.reward.items()}
        transition = transition._replace(reward=clipped)
        stimulus, *hidden, output = activities(mind, transition)
        first = potentials(mind, transition)[0]
        factors = self.revise(mind, (stimulus, first), hidden, output, (*self._variances(mind), self.temperature))
        return self.learn(key, mind, factors, transition, t, look=self._look), {}

    def revise(
        self,
        mind: UnitLearnerState,
        below: tuple[Float[Array, "*B D"], Float[Array, "*B n"]],
        hidden: Sequence[Float[Array, "*B n"]],
        output: Float[Array, "*B n"],
        variance: Sequence[Temperature],
    ) -> list[Factors]:
        """Pre and post factors of every layer after the revisions.

        Args:
            mind: whose values are revised.
            below: the stimulus and the potentials of the first layer, neither of which ever changes.
            hidden: the values of every hidden layer, as they were drawn.
            output: the activity of the output units, which is held.
            variance: of every layer; last, the temperature of the output units.
        """
        synapses = [mind.weights[layer.name] for layer in mind.layers]
        stimulus, first = below

        def look(hidden: Sequence[Array]) -> tuple[list[Array], list[Array]]:
            """Means of the hidden layers and scores of all layers."""
            u = [first, *map(potential, synapses[1:], hidden)]
            means = [jax.nn.softplus(u_l) for u_l in u[:-1]]
            errors = [(h - m) / v for h, m, v in zip(hidden, means, variance, strict=False)]
            top = score_function(mind.layers[-1], output, u[-1], variance[-1])
            return means, [e * jax.nn.sigmoid(u_l) for e, u_l in zip(errors, u, strict=False)] + [top]

        def revision(_: int, hidden: list[Array]) -> list[Array]:
            means, posts = look(hidden)
            revised = []
            for place, (h, m) in enumerate(zip(hidden, means, strict=True)):
                from_above = posts[place + 1] @ synapses[place + 1].weight.T
                revised.append(h + self.revision_rate * (m - h + variance[place] * from_above))
            return revised

        settled = jax.lax.fori_loop(0, self.revisions, revision, list(hidden))
        return list(zip([stimulus, *settled], look(settled)[1], strict=True))

    def _look(
        self, key: Key[Array, ""], critic: UnitLearnerState, x: Float[Array, "D"]
    ) -> tuple[Float[Array, ""], Traces]:
        """A value by a network of the same kind, and the revised scores over the error of the value it drew.

        Its output unit draws O ~ N(V, v): the scores tell how to make O likelier, and over O - V how to raise V. A
        difference near 0 says nothing: it counts as at least 0.001.
        """
        variance = [_of(self.critic_variance, place) for place in range(len(critic.layers))]
        hidden: list[Array] = []
        u = potential(critic.weights[critic.layers[0].name], x)
        first = u
        for place, layer in enumerate(critic.layers[1:]):
            h = _draw(jax.random.fold_in(key, place), u, variance[place])
            hidden, u = [*hidden, h], potential(critic.weights[layer.name], h)
        drawn = fire(jax.random.fold_in(key, len(hidden)), critic.layers[-1], u, variance[-1])
        factors = self.revise(critic, (x, first), hidden, drawn, variance)
        # The output's score is (O - V) / v, at the values that were settled to.
        error = (factors[-1][1] * variance[-1])[0]
        error = jnp.where(error < 0, -1.0, 1.0) * jnp.maximum(jnp.abs(error), LEAST)
        raises = zip(critic.layers, factors, strict=True)
        return u[0], {layer.name: Synapses(jnp.outer(pre, post) / error, post / error) for layer, (pre, post) in raises}

    def _variances(self, mind: UnitLearnerState) -> list[Temperature]:
        return [_of(self.variance, place) for place in range(len(mind.layers) - 1)]


def _draw(key: Key[Array, ""], u: Float[Array, "n"], variance: Temperature) -> Float[Array, "n"]:
    return jax.nn.softplus(u) + jnp.sqrt(variance) * jax.random.normal(key, u.shape, jnp.float32)


def _of(variance: tuple[float, ...], place: int) -> Temperature:
    return variance[place % len(variance)]
