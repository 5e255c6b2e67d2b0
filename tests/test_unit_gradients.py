"""Every rule's expected step, enumerated over all that tiny networks can do, beside the gradient of what they earn.

J(theta) = sum_s 1/3 sum_{h, a} p(h, a | s) R(s, a), at most 2^8 terms for each of three stimuli, differentiated by JAX.
The steps are those of the learners' own `update`, with Adam taken out.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from synagents.agents.units import Fired, activity, potential, score_function
from synagents.envs import unit_v0
from synagents.learners.unit import layers
from synagents.learners.unit.backprop import Backprop
from synagents.learners.unit.boltzmann import Boltzmann
from synagents.learners.unit.hebbian import coincidences, mean_field, modulated
from synagents.learners.unit.map_propagation import MapPropagation
from synagents.learners.unit.reinforce import Reinforce
from synagents.learners.unit.straight_through import StraightThrough
from synagents.learners.unit.weight_maximization import WeightMaximization
from synagents.tasks.multiplexer import multiplexer
from synagents.world import Transition

KEY = jax.random.key(7)
STIMULI = jnp.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])  # as many as a 1-bit multiplexer sees
PAY = jnp.array([[1.0, -1.0], [-1.0, 0.5], [-0.3, 1.0]])  # R(s, a)
Weights = dict[str, Any]


@pytest.fixture(autouse=True)
def steps_are_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "ADAM", optax.identity())


class Network:
    """All B things that a network can do at each stimulus: activities f32[3 B, n] of every layer, stimulus first."""

    def __init__(self, learner: Any, *, largest: float = 1.0, **options: Any):
        world = unit_v0.world(multiplexer(bits=1), **options)
        self.learner, team = learner, learner.init(KEY, world.groups)
        keys = iter(jax.random.split(KEY, 20))
        shake = lambda w: largest * jax.random.uniform(next(keys), w.shape, minval=-1.0)  # noqa: E731
        self.team = replace(team, weights=jax.tree.map(shake, team.weights))
        self.layers = team.layers
        agents = [1 if layer.kind == "softmax" else layer.width for layer in self.layers]
        doings = np.array(list(itertools.product([0, 1], repeat=sum(agents))), np.uint8)
        parts = np.split(np.tile(doings, (3, 1)), np.cumsum(agents)[:-1], axis=1)
        self.actions = {layer.name: jnp.array(part) for layer, part in zip(self.layers, parts, strict=True)}
        self.stimulus = jnp.repeat(STIMULI, len(doings), axis=0)
        self.reward = PAY[jnp.repeat(jnp.arange(3), len(doings)), self.actions["output"][:, 0]]
        self.h = [self.stimulus] + [activity(layer, self.actions[layer.name]) for layer in self.layers]

    def p_upward(self, weights: Weights) -> Any:
        """p(h, a | s) / 3 of layers that fire one after the other."""
        log_p = jnp.zeros(len(self.stimulus))
        for layer, x, h in zip(self.layers, self.h, self.h[1:], strict=False):
            u = potential(weights[layer.name], x)
            alternatives = {"sign": (-1.0, 1.0), "bit": (0.0, 1.0)}.get(layer.kind)
            if alternatives:  # p(h) = exp(h U) / sum of both
                log_p += jnp.sum(h * u - jnp.logaddexp(*(value * u for value in alternatives)), axis=-1)
            else:
                log_p += jnp.sum(h * jax.nn.log_softmax(u), axis=-1)
        return jnp.exp(log_p) / 3

    def p_settled(self, weights: Weights) -> Any:
        """p(h, a | s) / 3 of a Boltzmann machine at equilibrium."""
        pairs = zip(self.layers, self.h, self.h[1:], strict=False)
        harmony = sum(jnp.sum(potential(weights[layer.name], x) * h, axis=-1) for layer, x, h in pairs)
        return jax.nn.softmax(harmony.reshape(3, -1), axis=1).reshape(-1) / 3

    def slope(self, p: Callable[[Weights], Any]) -> Weights:
        """dJ / dtheta."""
        return jax.grad(lambda weights: jnp.sum(p(weights) * self.reward))(self.team.weights)

    def lived(self) -> Transition:
        """All that can happen, as one round of B worlds that are paid R."""
        heard = {layer.name: x for layer, x in zip(self.layers, self.h, strict=False)}
        fired = {name: Fired(potential(self.team.weights[name], x), None) for name, x in heard.items()}
        reward = dict.fromkeys(self.actions, self.reward)
        never = jnp.zeros(len(self.reward), bool)
        round_ = Transition(heard, self.actions, {0: fired}, reward, never, never)
        return jax.tree.map(lambda x: x[None], round_)

    def step(self) -> Weights:
        """What one `update` with rate 1 adds to the weights, on average over all that can happen."""

        def of_one(transition: Transition) -> Weights:
            alone = jax.tree.map(lambda x: x[:, None], transition)
            after, _ = self.learner.update(KEY, self.team, alone, {}, 0)
            return jax.tree.map(jnp.subtract, after.weights, self.team.weights)

        steps = jax.jit(jax.vmap(of_one, in_axes=1))(self.lived())
        return jax.tree.map(lambda step: jnp.tensordot(self.p_upward(self.team.weights), step, 1), steps)


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def error(step: Any, slope: Any) -> float:
    return float(np.linalg.norm(flat(step) - flat(slope)) / np.linalg.norm(flat(slope)))


def cosine(step: Any, slope: Any) -> float:
    return float(flat(step) @ flat(slope) / np.linalg.norm(flat(step)) / np.linalg.norm(flat(slope)))


@pytest.mark.parametrize(("units", "output"), [("sign", "softmax"), ("bit", "unit")])
def test_reinforce_climbs_the_gradient(units: Any, output: Any) -> None:
    network = Network(Reinforce((1.0,), "none"), hidden=(3, 2), units=units, output=output)
    assert error(network.step(), network.slope(network.p_upward)) < 1e-4


@pytest.mark.parametrize(("units", "output"), [("sign", "unit"), ("bit", "softmax")])
def test_joint_weight_maximization_climbs_the_gradient(units: Any, output: Any) -> None:
    learner = WeightMaximization((1.0,), form="joint")
    network = Network(learner, hidden=(3, 2), units=units, output=output, largest=0.5)  # no likelihood ratio is cut
    assert error(network.step(), network.slope(network.p_upward)) < 1e-4


@pytest.mark.parametrize("units", ["sign", "bit"])
def test_per_child_weight_maximization_all_but_climbs_it(units: Any) -> None:
    network = Network(
        WeightMaximization((1.0,), form="per-child"), hidden=(3, 2), units=units, output="unit", largest=0.5
    )
    slope = network.slope(network.p_upward)
    assert 1e-6 < error(network.step(), slope) < 0.02
    one_hidden = Network(
        WeightMaximization((1.0,), form="per-child"), hidden=(4,), units=units, output="unit", largest=0.5
    )
    assert error(one_hidden.step(), one_hidden.slope(one_hidden.p_upward)) < 1e-4


@pytest.mark.parametrize("learner", [WeightMaximization((1.0,)), StraightThrough((1.0,), "none")], ids=["wm", "ste"])
def test_first_order_rules_point_along_the_gradient_layer_by_layer(learner: Any) -> None:
    network = Network(learner, hidden=(3,), units="bit", output="unit", largest=0.5)
    step, slope = network.step(), network.slope(network.p_upward)
    assert cosine(step["output"], slope["output"]) > 0.99 and cosine(step["hidden0"], slope["hidden0"]) > 0.99
    assert cosine(step["hidden0"], jax.tree.map(lambda g: g[::-1], slope["hidden0"])) < 0.99


def test_a_boltzmann_machine_needs_no_negative_phase_if_its_baseline_is_what_the_stimulus_earns() -> None:
    learner = Boltzmann((1.0,))
    network = Network(learner, hidden=(3, 2), output="unit", feedback=True, sweeps=1)
    p, slope = network.p_settled(network.team.weights), network.slope(network.p_settled)
    lived = network.lived()
    earns = (p * network.reward).reshape(3, -1).sum(axis=1, keepdims=True) * 3 * jnp.ones((3, len(p) // 3))

    def fields(h: Any) -> Any:
        synapses = [network.team.weights[layer.name] for layer in network.layers]
        u = [potential(w, x) for w, x in zip(synapses, h, strict=False)]
        return [u[0] + h[2] @ synapses[1].weight.T, u[1] + h[3] @ synapses[2].weight.T, u[2]]

    def step(paid: Any, *, expected: bool, control: bool = False) -> Weights:
        # `modulated` is a mean over all that can happen: paying p times as often makes it an expectation.
        guessed = mean_field(network.team, network.stimulus[None], fields) if control else None
        seen = coincidences(network.team, lived, fields, expected=expected)
        return layers.by_layer(network.team, modulated((p * len(p) * paid)[None], seen, guessed))

    known = network.reward - earns.reshape(-1)
    for expected in (False, True):
        assert error(step(known, expected=expected), slope) < 1e-4
        assert error(step(network.reward, expected=expected), slope) > 0.5  # b = 0: what the baseline is for
        assert error(step(known, expected=expected, control=True), slope) < 1e-4  # with b right, any c will do
    quarter = step(network.reward, expected=True, control=True)
    assert error(quarter, slope) < error(step(network.reward, expected=True), slope) / 2


def test_the_score_given_all_others_teaches_a_settled_network_nothing() -> None:
    network = Network(Boltzmann((1.0,)), hidden=(4,), output="unit", feedback=True, sweeps=1)
    p = network.p_settled(network.team.weights)
    first, last = (network.team.weights[name] for name in ("hidden0", "output"))
    field = potential(first, network.stimulus) + network.h[2] @ last.weight.T
    usual = jnp.einsum(
        "b,bi,bj->ij", p * network.reward, network.stimulus, score_function(network.layers[0], network.h[1], field)
    )
    assert np.abs(usual).max() < 1e-6 < 1e-2 < np.abs(network.slope(network.p_settled)["hidden0"].weight).max()


def test_backpropagation_climbs_the_gradient_of_a_network_without_random_hidden_units() -> None:
    world = unit_v0.world(multiplexer(bits=1), hidden=(3, 2), units="gaussian")
    learner = Backprop((1.0,), "none")
    team = learner.init(KEY, world.groups)

    def policy(weights: Weights, x: Any) -> Any:
        for name in ("hidden0", "hidden1"):
            x = jnp.tanh(potential(weights[name], x))
        return jax.nn.softmax(potential(weights["output"], x))

    slope = jax.grad(lambda weights: jnp.sum(policy(weights, STIMULI) * PAY) / 3)(team.weights)
    total = jax.tree.map(jnp.zeros_like, team.weights)
    for s, a in itertools.product(range(3), range(2)):
        x, obs, actions, u = STIMULI[s], {}, {}, {}
        for turn, name in enumerate(("hidden0", "hidden1", "output")):
            obs[name] = x
            done, noted = learner.act(KEY, team, {name: x}, 0, turn)
            actions |= done if name != "output" else {"output": jnp.array([a], jnp.uint8)}
            u |= noted
            x = actions[name]
        reward = dict.fromkeys(obs, PAY[s, a])
        lived = jax.tree.map(
            lambda v: v[None, None], Transition(obs, actions, {0: u}, reward, jnp.bool_(True), jnp.bool_(True))
        )
        after, _ = learner.update(KEY, team, lived, {}, 0)
        p = policy(team.weights, STIMULI[s])[a] / 3
        total = jax.tree.map(lambda t, new, old, p=p: t + p * (new - old), total, after.weights, team.weights)
    assert error(total, slope) < 1e-4


# MAP propagation: its hidden units are numbers and cannot be enumerated, but what it settles to can be said.


def settling(revisions: int, **options: Any) -> tuple[Any, ...]:
    learner = MapPropagation(variance=(0.3, 1.0), revisions=revisions, **options)
    world = unit_v0.world(multiplexer(bits=1), hidden=(4, 3), units="gaussian")
    team = learner.init(KEY, world.groups)
    first = potential(team.weights["hidden0"], STIMULI)
    hidden = [jax.nn.softplus(first) + 0.2, jnp.ones((3, 3))]
    output = jnp.eye(2)[jnp.array([0, 1, 1])]
    factors = learner.revise(team, (STIMULI, first), hidden, output, (0.3, 1.0, 1.0))
    return team, hidden, output, factors


def log_density(weights: Weights, hidden: Any, output: Any) -> Any:
    u1, u2 = potential(weights["hidden0"], STIMULI), potential(weights["hidden1"], hidden[0])
    log_p = -jnp.sum((hidden[0] - jax.nn.softplus(u1)) ** 2) / 0.6 - jnp.sum((hidden[1] - jax.nn.softplus(u2)) ** 2) / 2
    return log_p + jnp.sum(output * jax.nn.log_softmax(potential(weights["output"], hidden[1])))


def test_without_revisions_map_propagation_is_reinforce() -> None:
    team, hidden, output, factors = settling(0)
    slope = jax.grad(log_density)(team.weights, hidden, output)
    step = {
        name: jax.tree.map(lambda g: 3 * g, layers.correlate(*pair)) for name, pair in zip(slope, factors, strict=True)
    }
    assert error(step, slope) < 1e-5


def test_revised_values_are_what_made_the_decision_likeliest_and_obey_backpropagations_recursion() -> None:
    team, hidden, output, factors = settling(400)
    settled = [factors[1][0], factors[2][0]]
    assert log_density(team.weights, settled, output) > log_density(team.weights, hidden, output)
    for slope in jax.grad(log_density, argnums=1)(team.weights, settled, output):
        np.testing.assert_allclose(slope, 0, atol=1e-4)
    gain = jax.nn.sigmoid(potential(team.weights["hidden0"], STIMULI))
    np.testing.assert_allclose(factors[0][1] / gain, factors[1][1] @ team.weights["hidden1"].weight.T, atol=1e-4)
