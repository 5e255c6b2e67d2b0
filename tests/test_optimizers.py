"""Lines to beat that are no agents: one step of each against plain NumPy, its cost by hand, and a control."""

import inspect
import itertools
import re
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import Exponential, registry
from synagents.benchmark.directions import gaussian, signs
from synagents.benchmark.drive import Curve, drive, prices_of
from synagents.benchmark.optimizers import Optimizer, Problem
from synagents.benchmark.optimizers.antithetic_es import AntitheticES, centred_ranks
from synagents.benchmark.optimizers.gradient import SGD, Adam
from synagents.benchmark.optimizers.node_perturbation import NodePerturbation
from synagents.benchmark.optimizers.one_plus_one_es import OnePlusOneES
from synagents.benchmark.optimizers.snes import SNES, utilities
from synagents.benchmark.optimizers.spsa import SPSA
from synagents.counter import counter_key
from synagents.envs import synapse_v0
from synagents.hyperparameters import settings
from synagents.loop import begin
from synagents.networks.mlp import MLP
from synagents.tasks.arrays import from_arrays
from synagents.tasks.datasets import digits
from synagents.tasks.teachers import xor
from tests.claims import refused, same_bits
from tests.toys import pictures

KEY = jax.random.key(0)
NAMES = list(registry.offers("benchmark.optimizers"))


@cache
def toy(hidden: tuple[int, ...] = (4,), interval: int = 0) -> Problem:
    """6-4-3 on batches of 16 of 36 pictures."""
    return Problem(MLP((6, *hidden, 3), "tanh"), pictures(), interval)


@cache
def bowl() -> Problem:
    """Mean squared error of one linear unit with weights 3, -2 and bias 1: a quadratic."""
    x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    task = from_arrays(x, x @ np.float32([3, -2]) + 1, loss="mean-squared-error", batch_size=30)
    return Problem(MLP((2, 1)), task)


@jax.jit
def one_step(key: Any, optimizer: Any, problem: Problem, batch: Any, state: Any) -> Any:
    return optimizer.step(key, problem, batch, state, jnp.float32(0))[0]


def stepped(optimizer: Any, problem: Problem, steps: int = 1) -> tuple[Any, list[Any]]:
    """The batch, and the states from the beginning on."""
    batch = problem.task.init(KEY)
    state, _ = optimizer.on_new_batch(problem, batch, optimizer.init(jax.random.key(1), problem))
    states = [state]
    for t in range(steps):
        states.append(one_step(jax.random.key(t), optimizer, problem, batch, states[-1]))
    return batch, states


def row(weights: Any) -> np.ndarray:
    return np.asarray(jax.flatten_util.ravel_pytree(weights)[0], np.float64)


def loss_of(problem: Problem, batch: Any, like: Any, point: np.ndarray) -> float:
    unravel = jax.flatten_util.ravel_pytree(like)[1]
    return float(problem.loss(unravel(jnp.asarray(point, jnp.float32)), batch))


# What every file must do


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_says_what_it_is_gives_its_equation_and_source_and_explains_every_setting(name: str) -> None:
    constructor = registry.find("benchmark.optimizers", name)
    module = inspect.getmodule(constructor)
    assert module and module.__doc__ and constructor.__doc__
    assert "<-" in module.__doc__ and re.search(r"(19|20)\d\d", module.__doc__)
    for parameter in inspect.signature(constructor).parameters:
        assert f"{parameter}:" in constructor.__doc__, f"{name} does not say what {parameter} means"


@pytest.mark.parametrize("name", NAMES)
def test_a_step_keeps_the_states_structure_and_starts_from_the_networks_own_weights(name: str) -> None:
    problem = toy()
    _, (first, second) = stepped(registry.find("benchmark.optimizers", name)(), problem)
    assert same_bits(first.weights, problem.network.init(jax.random.key(1)))
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert [x.shape for x in jax.tree.leaves(first)] == [x.shape for x in jax.tree.leaves(second)]


@pytest.mark.parametrize(
    ("optimizer", "passes", "new_batch"),
    [
        (OnePlusOneES(), 1, 1),  # the child; the parent once more on every new batch
        (SPSA(), 2, 0),  # ahead and behind
        (NodePerturbation(), 2, 0),  # clean and noisy
        (AntitheticES(pairs=5), 10, 0),
        (SNES(population=7), 7, 0),
        (SGD(), 3, 0),  # forward one, backward two
        (Adam(), 3, 0),
    ],
)
def test_a_step_costs_the_samples_that_pass_through_the_network(optimizer: Any, passes: int, new_batch: int) -> None:
    assert prices_of(optimizer, toy()) == (16 * passes, 16 * new_batch)


# The equations


def test_one_plus_one_moves_where_the_loss_is_no_higher_and_stays_otherwise() -> None:
    problem = toy()
    batch, states = stepped(OnePlusOneES(step_size=0.3), problem, 8)
    moved = []
    for t, (before, after) in enumerate(itertools.pairwise(states)):
        child = row(before.weights) + 0.3 * row(gaussian(jax.random.key(t), before.weights))
        loss = loss_of(problem, batch, before.weights, child)
        moved.append(loss <= float(before.loss))
        expected = child if moved[-1] else row(before.weights)
        np.testing.assert_allclose(row(after.weights), expected, rtol=1e-5, atol=1e-6)
        assert float(after.loss) == pytest.approx(min(loss, float(before.loss)), rel=1e-5)
    assert {True, False} == set(moved)


def test_the_fifth_rule_lengthens_the_step_after_a_success_and_balances_one_success_in_five() -> None:
    _, states = stepped(OnePlusOneES(step_size=0.3, adapt=0.5), toy(), 8)
    for before, after in itertools.pairwise(states):
        won = not same_bits(before.weights, after.weights)
        assert float(after.gain / before.gain) == pytest.approx(np.exp(0.5 * (0.8 if won else -0.2)), rel=1e-5)
    assert float(np.prod(np.exp(0.5 * np.array([0.8, -0.2, -0.2, -0.2, -0.2])))) == pytest.approx(1)


def test_spsa_follows_the_slope_along_one_random_direction() -> None:
    problem = toy()
    batch, states = stepped(SPSA(step_size=0.1, perturbation=0.05, momentum=0.5), problem, 3)
    w, velocity = row(states[0].weights), 0.0
    for t in range(3):
        d = row(signs(jax.random.key(t), states[0].weights))
        assert set(d) == {-1, 1}
        ahead, behind = (loss_of(problem, batch, states[0].weights, w + c * d) for c in (0.05, -0.05))
        velocity = 0.5 * velocity + (ahead - behind) / 0.1 * d
        w = w - 0.1 * velocity
        np.testing.assert_allclose(row(states[t + 1].weights), w, rtol=1e-3, atol=1e-5)


def node_oracle(weights: Any, x: np.ndarray, labels: np.ndarray, noise: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Sample by sample: shake every unit, blame it for the change of the loss."""
    w = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    total = {name: np.zeros(array.shape) for name, array in w.items()}

    def run(sample: np.ndarray, shakes: list[np.ndarray], label: int) -> tuple[float, list[np.ndarray]]:
        hidden = np.tanh(sample @ w["layer0_weight"] + w["layer0_bias"] + shakes[0])
        out = hidden @ w["layer1_weight"] + w["layer1_bias"] + shakes[1]
        return float(np.log(np.exp(out).sum()) - out[label]), [sample, hidden]

    for b, (sample, label) in enumerate(zip(x, labels, strict=True)):
        shakes = [z[b] for z in noise]
        clean, inputs = run(sample, [0 * z for z in shakes], label)
        blame = (run(sample, [0.05 * z for z in shakes], label)[0] - clean) / 0.05 / len(x)
        for layer in (0, 1):
            total[f"layer{layer}_weight"] += blame * np.outer(inputs[layer], shakes[layer])
            total[f"layer{layer}_bias"] += blame * shakes[layer]
    return total


def test_node_perturbation_blames_each_unit_sample_by_sample() -> None:
    batch, (first, second) = stepped(NodePerturbation(step_size=0.5, noise=0.05), toy())
    drawn = counter_key(jax.random.key(0))
    noise = [np.asarray(jax.random.normal(jax.random.fold_in(drawn, i), (16, n))) for i, n in enumerate((4, 3))]
    gradient = node_oracle(
        first.weights, np.asarray(batch.x, np.float64).reshape(16, 6), np.asarray(batch.target), noise
    )
    for name, weight in first.weights.items():
        np.testing.assert_allclose(second.weights[name], weight - 0.5 * gradient[name], rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("optimizer", [SPSA(step_size=1.0, momentum=0.0), NodePerturbation(step_size=1.0)])
def test_the_mean_of_many_estimates_is_the_gradient(optimizer: Any) -> None:
    problem = toy()
    batch, weights = problem.task.init(KEY), problem.network.init(KEY)
    state = optimizer.init(KEY, problem)
    every = jax.jit(jax.vmap(one_step, (0, None, None, None, None)))
    steps = every(jax.random.split(KEY, 4000), optimizer, problem, batch, state).weights
    gradient = row(jax.grad(problem.loss)(weights, batch))
    moved = np.concatenate(
        [np.asarray(steps[name] - weights[name]).reshape(4000, -1) for name in sorted(weights)], axis=1
    )
    error = np.abs(-moved.mean(axis=0) - gradient) / (moved.std(axis=0) / 4000**0.5 + 1e-4)
    assert error.max() < 5


def test_an_antithetic_pair_that_disagrees_moves_the_centre_to_the_better_side() -> None:
    problem = toy()
    batch, (first, second) = stepped(AntitheticES(step_size=0.1, noise=0.2, pairs=3), problem)
    w = row(first.weights)
    z = np.asarray(jax.random.normal(counter_key(jax.random.key(0)), (3, w.size)), np.float64)
    losses = [loss_of(problem, batch, first.weights, point) for point in [*(w + 0.2 * z), *(w - 0.2 * z)]]
    ranks = [sum(other < loss for other in losses) / 5 - 0.5 for loss in losses]
    gradient = sum((ranks[p] - ranks[p + 3]) * z[p] for p in range(3)) / (2 * 3 * 0.2)
    adam = gradient / (np.abs(gradient) + 1e-8)  # its first step: every weight moves by the whole step size
    np.testing.assert_allclose(row(second.weights), w - 0.1 * adam, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(centred_ranks(jnp.array([3.0, 1.0, 2.0])), [0.5, -0.5, 0.0])


def test_snes_moves_and_widens_its_gaussian_towards_the_better_half() -> None:
    problem = toy()
    batch, states = stepped(SNES(width=0.2, step_mean=0.5, step_width=0.3, population=6), problem, 2)
    mean, width = row(states[0].weights), np.full(row(states[0].weights).size, 0.2)
    raw = np.maximum(0, np.log(4) - np.log(np.arange(1, 7)))
    worth = raw / raw.sum() - 1 / 6
    rate = 0.3 * (3 + np.log(43)) / (5 * np.sqrt(43))  # 6-4-3 has 43 weights
    np.testing.assert_allclose(utilities(6), worth, rtol=1e-5, atol=1e-6)
    for t in range(2):
        z = np.asarray(jax.random.normal(counter_key(jax.random.key(t)), (6, mean.size)), np.float64)
        order = np.argsort([loss_of(problem, batch, states[0].weights, point) for point in mean + width * z])
        best_first = z[order]
        mean, width = (
            mean + 0.5 * width * (worth @ best_first),
            width * np.exp(rate / 2 * (worth @ (best_first**2 - 1))),
        )
        np.testing.assert_allclose(row(states[t + 1].weights), mean, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(row(states[t + 1].width), width, rtol=1e-3)


def test_sgd_and_adam_go_down_the_gradient() -> None:
    problem = toy()
    batch, (first, second, third) = stepped(SGD(step_size=0.1, momentum=0.5), problem, 2)
    one, two = (row(jax.grad(problem.loss)(state.weights, batch)) for state in (first, second))
    np.testing.assert_allclose(row(second.weights), row(first.weights) - 0.1 * one, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(row(third.weights), row(second.weights) - 0.1 * (two + 0.5 * one), rtol=1e-5, atol=1e-6)
    _, (first, second) = stepped(Adam(step_size=0.1), problem)
    np.testing.assert_allclose(row(second.weights), row(first.weights) - 0.1 * one / (np.abs(one) + 1e-8), atol=1e-4)


# Learning, and a control


class Walk(NamedTuple):
    """Where a random walk is."""

    weights: Any


@settings
class RandomWalk(Optimizer):
    """The control: moves at random and never looks."""

    def init(self, key: Any, problem: Problem) -> Walk:
        return Walk(problem.network.init(key))

    def step(self, key: Any, problem: Problem, batch: Any, state: Walk, progress: Any) -> tuple[Walk, int]:
        moved = jax.tree.map(lambda w, z: w + 0.05 * z, state.weights, gaussian(key, state.weights))
        return Walk(moved), problem.samples(batch)


QUICK: dict[str, Any] = {  # what finds the bottom of a bowl in three weights
    "adam": Adam(step_size=0.1),
    "antithetic-es": AntitheticES(step_size=0.2, noise=0.1, pairs=4),
    "node-perturbation": NodePerturbation(step_size=0.1),
    "one-plus-one-es": OnePlusOneES(step_size=0.1, adapt=0.1),
    "sgd": SGD(step_size=0.05),
    "snes": SNES(width=0.5, population=8),
    "spsa": SPSA(step_size=0.02, momentum=0.5),
}


def curve(optimizer: Any, seed: int = 0) -> Curve:
    """What a thousand batches do to four networks in the bowl."""
    return drive(seed, optimizer, bowl(), 30 * 1000, num_runs=4, looks=2)


def fall(optimizer: Any) -> np.ndarray:
    """How far the held-out loss of each seed falls, as a share of what it was."""
    loss = curve(optimizer).held_out["loss"]
    return 1 - loss[:, -1] / loss[:, 0]


@cache
def fall_at_random() -> float:
    return float(fall(RandomWalk()).mean())


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_finds_the_bottom_of_a_bowl_and_a_random_walk_does_not(name: str) -> None:
    assert fall(QUICK[name]).min() > 0.9 > 0.6 > fall_at_random()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_key_is_the_same_curve_and_another_key_another(name: str) -> None:
    assert same_bits(curve(QUICK[name]), curve(QUICK[name])) and not same_bits(
        curve(QUICK[name]), curve(QUICK[name], 1)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_with_its_own_settings_learns_digits_and_a_random_walk_does_not(name: str) -> None:
    problem = Problem(MLP((64, 10)), digits(batch_size=100), 100)
    players = (registry.find("benchmark.optimizers", name)(), RandomWalk())
    right = [drive(KEY, one, problem, 300_000, looks=1).held_out["accuracy"][0, -1] for one in players]
    assert right[0] > 0.55 > 0.4 > right[1]


# The driver


def test_an_optimizer_with_an_abstract_method_left_out_cannot_be_made() -> None:
    class Half(Optimizer):
        def init(self, key: Any, problem: Problem) -> Walk:
            return Walk(problem.network.init(key))

    with pytest.raises(TypeError, match="step"):
        Half()  # type: ignore[abstract]


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_keeps_its_types_where_jax_has_64_bits(name: str) -> None:
    optimizer = registry.find("benchmark.optimizers", name)()

    def steps() -> tuple[Any, Any]:
        problem = toy()
        batch = problem.task.init(KEY)
        state, _ = optimizer.on_new_batch(problem, batch, optimizer.init(KEY, problem))
        return state, optimizer.step(KEY, problem, batch, state, jnp.float32(0))[0]

    with jax.enable_x64(True):
        before, after = jax.eval_shape(steps)
    assert jax.tree.map(lambda x: x.dtype, before) == jax.tree.map(lambda x: x.dtype, after)
    assert all(weight.dtype == np.float32 for weight in after.weights.values())


def test_the_driver_keeps_its_types_where_jax_has_64_bits() -> None:
    with jax.enable_x64(True):
        curve = drive(0, SGD(), Problem(MLP((2, 4, 2)), xor()), 4 * 400, num_runs=2, looks=2)
    assert all(weight.dtype == np.float32 for weight in curve.weights.values())
    assert np.isfinite(curve.held_out["loss"]).all()


def test_every_look_comes_when_as_much_is_spent_as_fits() -> None:
    # 16 samples a batch: a step of SPSA costs 32; a hundredth of 10,000 is three steps and 4 left over, saved up.
    cost = drive(KEY, SPSA(), toy(), 10_000, looks=100).cost
    assert cost.tolist() == [32 * (100 * p // 32) for p in range(101)]


def test_a_new_batch_is_charged_to_an_optimizer_that_takes_a_loss_on_it_before_its_step() -> None:
    # Each interval of 4 steps costs the child's pass 4 times and the parent's once: 5 passes of 16 samples.
    curve = drive(KEY, OnePlusOneES(), toy((4,), 4), 16 * 5 * 20, looks=20)
    assert curve.cost.tolist() == [16, *(16 * 5 * p for p in range(1, 21))]


class Count(NamedTuple):
    """What a counter has counted, where the driver shows it."""

    weights: Any


@settings
class Counter(Optimizer):
    """Counts its steps and the batches it is shown; a step is a pass."""

    def init(self, key: Any, problem: Problem) -> Count:
        return Count(problem.network.init(key) | {"steps": jnp.int32(0), "batches": jnp.int32(0)})

    def on_new_batch(self, problem: Problem, batch: Any, state: Count) -> tuple[Count, int]:
        return Count(state.weights | {"batches": state.weights["batches"] + 1}), 0

    def step(self, key: Any, problem: Problem, batch: Any, state: Count, progress: Any) -> tuple[Count, int]:
        return Count(state.weights | {"steps": state.weights["steps"] + 1}), problem.samples(batch)


@pytest.mark.parametrize(("interval", "batches"), [(0, 1), (7, 7), (12, 4)])
def test_a_batch_is_kept_for_its_interval_whenever_looks_come(interval: int, batches: int) -> None:
    counted = drive(KEY, Counter(), toy((4,), interval), 16 * 48, looks=4).weights
    assert (int(counted["steps"][0]), int(counted["batches"][0])) == (48, batches)


def test_a_seed_begins_with_the_network_of_the_worlds_run_and_of_no_other() -> None:
    world = synapse_v0.world(bowl().task, network=bowl().network, interval=0)
    run = begin(KEY, world, registry.find("learners", "uniform")(), num_runs=4)
    weights = curve(OnePlusOneES(step_size=0.0)).weights
    assert same_bits(weights, jax.tree.map(lambda x: x[:, 0], run.state.weights))
    assert len({np.asarray(row).tobytes() for row in weights["layer0_weight"]}) == 4


def test_a_decay_spans_the_budget_whatever_a_step_costs() -> None:
    frozen, moving = Exponential(1e-9, 1e-9, 1.0), Exponential(1.0, 1e-9, 0.5)
    still, gone = (drive(KEY, SGD(step_size=s), toy(), 48 * 40, looks=4) for s in (frozen, moving))
    np.testing.assert_allclose(np.diff(still.held_out["loss"]), 0, atol=1e-6)
    fell = np.abs(np.diff(gone.held_out["loss"][0]))
    assert fell[0] > 100 * fell[-1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": 31}, "A step of this optimizer costs 32 sample evaluations"),
        ({"looks": 0}, "looks must be a whole number in 1 .. 1000"),
        ({"num_runs": 0}, "num_runs must be a whole number >= 1"),
    ],
)
def test_a_budget_that_buys_nothing_is_refused(options: dict[str, int], sentence: str) -> None:
    assert sentence in refused(lambda: drive(KEY, SPSA(), toy(), **{"budget": 1000, "looks": 1, **options}))


def test_a_loss_that_explodes_ends_with_a_sentence_that_names_the_cost() -> None:
    assert "not finite from a cost of" in refused(lambda: curve(SGD(step_size=1e3)), FloatingPointError)


def test_node_perturbation_needs_units_it_knows() -> None:
    network = registry.find("networks", "from-module")(lambda key: eqx.nn.MLP(6, 3, 4, 1, key=key), (6,))
    other = Problem(network, pictures())
    assert "units of an MLP" in refused(lambda: NodePerturbation().init(KEY, other))


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (OnePlusOneES, {"step_size": -1.0}, "step_size must lie in [0, inf]"),
        (OnePlusOneES, {"adapt": -1}, "adapt must lie in [0, inf]"),
        (SPSA, {"perturbation": 0}, "perturbation must lie in (0, inf]"),
        (SPSA, {"momentum": 1.5}, "momentum must lie in [0, 1]"),
        (NodePerturbation, {"noise": 0}, "noise must lie in (0, inf]"),
        (AntitheticES, {"pairs": 0}, "pairs must be a whole number >= 1"),
        (SNES, {"population": 1}, "population must be a whole number >= 2"),
        (SNES, {"step_width": -1}, "step_width must lie in [0, inf]"),
        (SGD, {"step_size": -1}, "step_size must lie in [0, inf]"),
        (Adam, {"step_size": float("nan")}, "step_size must lie in [0, inf]"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(make: Any, options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(lambda: make(**options))
