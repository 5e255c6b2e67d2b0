"""What learners of unit worlds have in common: a network's weights, climbed layer by layer with a rate each.

    theta_l <- theta_l + rate_l Adam(G_l)        G_l = mean over decisions of pre (x) post

A rule is its `pre` and `post` factors: the activity that reached a layer and what its units make of the reward. The
mean of outer products is one matrix product; no outer product is ever stored. (Adam: Kingma & Ba 2015, by optax.
Weights start uniform in +-sqrt(6 / (fan_in + fan_out)), Glorot & Bengio 2010, biases at 0, as in the authors' code of
MAP propagation.)
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from synagents import schedules
from synagents.agents.units import Fired, Layer, Synapses, Temperature, activity, fire, potential, score_function
from synagents.hyperparameters import require, settings, static
from synagents.schedules import Schedule
from synagents.world import Params, RoundNumber, Transition, Tree

Rates: TypeAlias = tuple[Schedule, ...]
Factors: TypeAlias = tuple[Float[Array, "T W D"], Float[Array, "T W n"]]  # pre and post of a layer
Baseline = Literal["none", "average", "leave-one-out"]
ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)
MEAN_RATE = 0.01  # share of the way that the running mean of the reward moves towards each update's


@settings
class UnitLearnerState:
    """What a population of units knows: a network's weights and how they are climbed.

    Attributes:
        weights: {layer: Synapses}.
        adam: the optimiser's moments.
        mean: running mean of the reward.
        layers: the network, from input to output.
        past: what `td` remembers, where rewards follow later.
    """

    weights: dict[str, Synapses]
    adam: Any
    mean: Float[Array, ""]
    layers: tuple[Layer, ...] = static()
    past: Any = ()

    def layer(self, name: str) -> Layer:
        """The layer called so."""
        return next(layer for layer in self.layers if layer.name == name)


def new_state(key: Key[Array, ""], layers: tuple[Layer, ...], rates: Rates) -> UnitLearnerState:
    """A new state; ValueError unless there is one rate for all layers, or one for each."""
    require(
        len(rates) in (1, len(layers)),
        f"learning_rate must be one number, or one for each of the {len(layers)} layers, but there are {len(rates)}.",
    )
    weights = {}
    for number, layer in enumerate(layers):
        limit = jnp.sqrt(jnp.float32(6 / (layer.inputs + layer.width)))
        shape = (layer.inputs, layer.width)
        drawn = jax.random.uniform(jax.random.fold_in(key, number), shape, jnp.float32, -limit, limit)
        weights[layer.name] = Synapses(drawn, jnp.zeros(layer.width, jnp.float32))
    return UnitLearnerState(weights, ADAM.init(weights), jnp.float32(0), layers)


def named_weights(mind: UnitLearnerState) -> Params:
    """All weights under flat names: {"hidden0.weight": f32[D, n], "hidden0.bias": f32[n], ...}."""
    return {f"{name}.{part}": array for name, own in mind.weights.items() for part, array in own._asdict().items()}


def require_rates(rates: Rates) -> None:
    """Raise ValueError unless every learning rate is >= 0."""
    require(
        isinstance(rates, tuple | list) and len(rates) > 0,
        f"learning_rate must be a tuple of numbers or schedules, one for all layers or one each, but is {rates!r}.",
    )
    for rate in rates:
        schedules.require_range("learning_rate", rate, 0)


def fire_each(
    key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, temperature: Temperature
) -> tuple[Tree, dict[str, Fired]]:
    """What the units of a turn do, and what they drew from; `temperature` is the output units'."""
    actions, fired = {}, {}
    for number, (name, x) in enumerate(obs.items()):
        layer, u = mind.layer(name), potential(mind.weights[name], x)
        own = _own(mind, layer, temperature)
        actions[name] = fire(jax.random.fold_in(key, number), layer, u, own)
        fired[name] = Fired(u, jnp.float32(own))
    return actions, fired


def score_functions(
    mind: UnitLearnerState, transition: Transition, temperature: Temperature
) -> list[Float[Array, "T W n"]]:
    """Of every layer, for what its units did."""
    heard = zip(mind.layers, activities(mind, transition)[1:], potentials(mind, transition), strict=True)
    return [score_function(layer, h, u, _own(mind, layer, temperature)) for layer, h, u in heard]


def _own(mind: UnitLearnerState, layer: Layer, temperature: Temperature) -> Temperature:
    """Only the output units have a temperature to choose."""
    return temperature if layer == mind.layers[-1] else 1.0


def climb(
    mind: UnitLearnerState,
    gradient: dict[str, Synapses],
    rates: Rates,
    reward: Float[Array, "T W"],
    t: RoundNumber,
    *,
    lateral: float = 1.0,
) -> UnitLearnerState:
    """The mind after one step of Adam uphill, with the learning rates of round t.

    A synapse has the rate of the higher of the two layers it joins, and `lateral` times that within a layer.
    """
    steps, adam = ADAM.update(gradient, mind.adam)
    now = {layer.name: schedules.at(rates[place % len(rates)], t) for place, layer in enumerate(mind.layers)}
    weights = {}
    for place, layer in enumerate(mind.layers):
        own = rate = now[layer.name]
        if len(layer.sources) > 1:
            above = [other.name for other in mind.layers[place + 1 :]]
            by_source = [
                now[name] if name in above else own * lateral if name == layer.name else own for name in layer.sources
            ]
            rate = jnp.repeat(jnp.stack(by_source), jnp.array(layer.fans), total_repeat_length=layer.inputs)[:, None]
        old, step = mind.weights[layer.name], steps[layer.name]
        weights[layer.name] = Synapses(old.weight + rate * step.weight, old.bias + own * step.bias)
    mean = mind.mean + MEAN_RATE * (jnp.mean(reward) - mind.mean)
    return replace(mind, weights=weights, adam=adam, mean=mean)


def team_reward(transition: Transition) -> Float[Array, "T W"]:
    """The one reward of a whole team."""
    return next(iter(transition.reward.values()))


def advantage(mind: UnitLearnerState, baseline: Baseline, transition: Transition) -> Float[Array, "T W"]:
    """The reward beyond what was to be expected.

    "none": the reward itself. "average": minus its running mean. "leave-one-out": minus the mean reward of the other
    worlds that saw the same stimulus in the same round, an unbiased estimate of E[R | s] that owes nothing to the own
    decision; 0 in a world that had no such company (see the world's `repeats`).
    """
    reward = team_reward(transition)
    if baseline == "none":
        return reward
    if baseline == "average":
        return reward - mind.mean
    seen = stimulus(mind, transition)
    alike = jnp.all(seen[:, :, None] == seen[:, None, :], axis=-1) & ~jnp.eye(seen.shape[1], dtype=bool)
    company = alike.sum(axis=-1)
    others = jnp.einsum("tvw,tw->tv", alike.astype(reward.dtype), reward) / jnp.maximum(company, 1)
    return jnp.where(company > 0, reward - others, 0.0)


def credit(
    mind: UnitLearnerState,
    factors: Sequence[Factors],
    baseline: Baseline,
    rates: Rates,
    transition: Transition,
    t: RoundNumber,
) -> UnitLearnerState:
    """The mind after a step along E[advantage pre (x) post], layer by layer."""
    paid = advantage(mind, baseline, transition)[..., None]
    gradients = [correlate(pre, paid * post) for pre, post in factors]
    return climb(mind, by_layer(mind, gradients), rates, team_reward(transition), t)


def backpropagate(
    mind: UnitLearnerState, top: Float[Array, "T W n"], slopes: Sequence[Float[Array, "T W n"]]
) -> list[Float[Array, "T W n"]]:
    """The chain rule downward: d_L = top, d_l = (W_{l+1} d_{l+1}) slope_l, from the first layer to the last."""
    posts = [top]
    for layer, slope in zip(reversed(mind.layers[1:]), reversed(slopes), strict=True):
        posts.append(posts[-1] @ mind.weights[layer.name].weight.T * slope)
    return posts[::-1]


def stimulus(mind: UnitLearnerState, transition: Transition) -> Float[Array, "T W D"]:
    """What the input was."""
    first = mind.layers[0]
    return transition.obs[first.name][..., : first.fans[0]]


def activities(mind: UnitLearnerState, transition: Transition) -> list[Float[Array, "T W n"]]:
    """The stimulus, and the activity of every layer at the end of a round."""
    return [stimulus(mind, transition)] + [activity(layer, transition.actions[layer.name]) for layer in mind.layers]


def potentials(mind: UnitLearnerState, transition: Transition) -> list[Float[Array, "T W n"]]:
    """What reached the units of every layer when they acted last, as `act` noted it in its extras {layer: Fired}."""
    noted = {name: fired for by_turn in transition.extras.values() for name, fired in by_turn.items()}
    return [noted[layer.name].potential for layer in mind.layers]


def correlate(pre: Float[Array, "*B D"], post: Float[Array, "*B n"]) -> Synapses:
    """The mean of pre (x) post over all decisions, and of post, for the biases."""
    pre, post = pre.reshape(-1, pre.shape[-1]), post.reshape(-1, post.shape[-1])
    return Synapses(pre.T @ post / len(post), jnp.mean(post, axis=0))


def by_layer(mind: UnitLearnerState, gradients: Sequence[Synapses]) -> dict[str, Synapses]:
    """Gradients in the order of layers, under their names."""
    return {layer.name: gradient for layer, gradient in zip(mind.layers, gradients, strict=True)}
