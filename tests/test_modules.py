"""Any module of Flax or Equinox is a world of agents, and learns without a gradient what random agents do not."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

from synagents import Exponential, RepeatUndo, Uniform, World, evaluate, from_module, train
from synagents.envs import synapse_v0
from tests.claims import refused, same_bits

KEY = jax.random.key(0)


class Convolution(eqx.Module):
    """1,370 weights, called on one image."""

    conv: eqx.nn.Conv2d
    out: eqx.nn.Linear

    def __init__(self, key: Array) -> None:
        conv_key, out_key = jax.random.split(key)
        self.conv = eqx.nn.Conv2d(1, 8, 3, stride=2, padding=1, key=conv_key)
        self.out = eqx.nn.Linear(8 * 16, 10, key=out_key)

    def __call__(self, x: Array) -> Array:
        return self.out(jax.nn.relu(self.conv(x)).ravel())


class Recurrent(eqx.Module):
    """A cell that reads rows one by one and answers from what it remembers; with LSTM 12 units, 1,138 weights."""

    cell: Any
    out: eqx.nn.Linear

    def __init__(self, key: Array, kind: Any = eqx.nn.LSTMCell) -> None:
        cell_key, out_key = jax.random.split(key)
        self.cell, self.out = kind(8, 12, key=cell_key), eqx.nn.Linear(12, 10, key=out_key)

    def __call__(self, rows: Array) -> Array:
        blank = jnp.zeros(12)
        (h, _), _ = jax.lax.scan(lambda carry, row: (self.cell(row, carry), None), (blank, blank), rows)
        return self.out(h)


class LinenConvolution(nn.Module):
    """Called on a batch, channels last."""

    extra: Callable[[Array], Array] = staticmethod(lambda x: x)

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = self.extra(nn.relu(nn.Conv(8, (3, 3), strides=2)(x)))
        return nn.Dense(10)(h.reshape(len(x), -1))


class LinenRecurrent(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        return nn.Dense(10)(nn.RNN(nn.GRUCell(6))(x)[:, -1])


class NnxPerceptron(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, extra: Any = lambda x: x) -> None:
        self.layers = nnx.List([nnx.Linear(64, 16, rngs=rngs), nnx.Linear(16, 10, rngs=rngs)])
        self.extra, self.scale = extra, jnp.full(10, 2.0)  # an array that is no parameter is a constant

    def __call__(self, x: Array) -> Array:
        return self.scale * self.layers[1](self.extra(nnx.relu(self.layers[0](x))))


class NnxRecurrent(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.rnn, self.out = nnx.RNN(nnx.LSTMCell(8, 6, rngs=rngs), rngs=rngs), nnx.Linear(6, 10, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        return self.out(self.rnn(x)[:, -1])


def linear(key: Array) -> eqx.nn.Linear:
    return eqx.nn.Linear(3, 2, key=key)


def shapes(network: Any) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in network.init(KEY).items()}


# Structure


def test_groups_are_named_and_ordered_as_in_an_equinox_module() -> None:
    assert list(shapes(from_module(Convolution, (1, 8, 8))).items()) == [
        ("conv_weight", (8, 1, 3, 3)),
        ("conv_bias", (8, 1, 1)),
        ("out_weight", (10, 128)),
        ("out_bias", (10,)),
    ]


def test_groups_are_named_as_in_a_linen_module() -> None:
    assert shapes(from_module(LinenConvolution(), (8, 8, 1))) == {
        "conv_0_bias": (8,),
        "conv_0_kernel": (3, 3, 1, 8),
        "dense_0_bias": (10,),
        "dense_0_kernel": (128, 10),
    }


def test_groups_are_named_as_in_an_nnx_module() -> None:
    assert shapes(from_module(lambda key: NnxPerceptron(nnx.Rngs(key)), (64,))) == {
        "layers_0_bias": (16,),
        "layers_0_kernel": (64, 16),
        "layers_1_bias": (10,),
        "layers_1_kernel": (16, 10),
    }


def test_the_second_bias_of_a_cell_is_a_bias_too_and_moves_as_far() -> None:
    class Gated(Recurrent):
        def __call__(self, rows: Array) -> Array:
            return self.out(jax.lax.scan(lambda h, row: (self.cell(row, h), None), jnp.zeros(12), rows)[0])

    network = from_module(lambda key: Gated(key, eqx.nn.GRUCell), (8, 8))
    assert {"cell_bias", "cell_n_bias", "out_bias"} == {name for name in shapes(network) if name.endswith("bias")}
    world = synapse_v0.world("digits", network=network, step_size=0.25, bias_gain=2.0)
    state = world.reset(KEY)
    up = {group.name: jnp.full(group.size, 2, jnp.uint8) for group in world.groups}
    moved = world.move(state, up, 0).weights
    assert float((moved["cell_n_bias"] - state.weights["cell_n_bias"])[0]) == pytest.approx(0.5)
    assert float((moved["cell_weight_hh"] - state.weights["cell_weight_hh"])[0, 0]) == pytest.approx(0.25)


def test_names_that_differ_only_in_case_stay_apart() -> None:
    class Twins(eqx.Module):
        a: Array
        A: Array

        def __init__(self, key: Array) -> None:
            self.a, self.A = jax.random.normal(key, (2, 3))

        def __call__(self, x: Array) -> Array:
            return self.a * x + self.A

    assert shapes(from_module(Twins, (3,))) == {"a": (3,), "other_a": (3,)}


def test_the_answers_are_the_modules_own() -> None:
    x = jax.random.normal(KEY, (5, 64))
    module = Convolution(KEY)
    network = from_module(Convolution, (1, 8, 8))
    np.testing.assert_array_equal(
        network.apply(network.init(KEY), x), jax.vmap(module)(x.reshape(5, 1, 8, 8))
    )  # the task's flat samples are given the shape that the module wants

    network = from_module(LinenConvolution(), (8, 8, 1))
    variables = LinenConvolution().init(KEY, jnp.zeros((1, 8, 8, 1)))
    np.testing.assert_array_equal(
        network.apply(network.init(KEY), x), LinenConvolution().apply(variables, x.reshape(5, 8, 8, 1))
    )

    network = from_module(lambda key: NnxPerceptron(nnx.Rngs(key)), (64,))
    np.testing.assert_array_equal(network.apply(network.init(KEY), x), NnxPerceptron(nnx.Rngs(KEY))(x))


@pytest.mark.parametrize(
    ("make", "in_shape"),
    [(LinenRecurrent(), (8, 8)), (lambda key: NnxRecurrent(nnx.Rngs(key)), (8, 8))],
    ids=["linen", "nnx"],
)
def test_recurrent_cells_of_flax_are_networks_too(make: Any, in_shape: tuple[int, ...]) -> None:
    network = from_module(make, in_shape)  # the nnx cell has a random state that changes nothing
    world = synapse_v0.world("digits", network=network)
    assert sum(group.size for group in world.groups) > 300
    assert network.apply(network.init(KEY), jnp.ones((5, 64))).shape == (5, 10)


def test_only_floating_point_arrays_are_agents_by_hand() -> None:
    class Picky(eqx.Module):
        weight: Array
        order: Array
        mask: np.ndarray
        f: Callable[[Array], Array]
        power: int

        def __call__(self, x: Array) -> Array:
            return self.f(x[self.order] * self.weight * self.mask) ** self.power

    def make(key: Array) -> Picky:
        return Picky(jax.random.normal(key, (3,)), jnp.array([2, 1, 0]), np.float32([1, 1, 0]), jax.nn.relu, 2)

    network = from_module(make, (3,))
    assert shapes(network) == {"weight": (3,)}
    out = network.apply({"weight": jnp.array([1.0, -1.0, 5.0])}, jnp.array([[1.0, 2.0, 3.0]]))
    assert out.tolist() == [[9.0, 0.0, 0.0]]  # relu(3 * 1)^2, relu(2 * -1)^2, masked


def test_agents_live_in_f32_whatever_the_module_computes_in() -> None:
    network = from_module(nn.Dense(2, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16), (3,))
    params = network.init(KEY)
    assert {array.dtype for array in params.values()} == {jnp.dtype(jnp.float32)}
    assert network.apply(params, jnp.ones((5, 3))).dtype == jnp.float32


def test_a_network_is_compiled_once_however_often_it_is_used() -> None:
    traced = []

    class Counting(eqx.Module):
        inner: eqx.nn.Linear

        def __call__(self, x: Array) -> Array:
            traced.append(1)
            return self.inner(x)

    network = from_module(lambda key: Counting(eqx.nn.Linear(2, 2, key=key)), (2,))
    counts = []
    for seed in range(3):
        world = synapse_v0.world("xor", network=network, interval=0, step_size=0.01 * (seed + 1))
        before = len(traced)
        train(jax.random.key(seed), world, RepeatUndo(), 5)
        counts.append(len(traced) - before)
    assert counts[0] > 0 == counts[1] == counts[2]


# What is refused


@pytest.mark.parametrize("make", [linear(KEY), NnxPerceptron(nnx.Rngs(0))], ids=["equinox", "nnx"])
def test_a_module_already_made_is_refused(make: Any) -> None:
    assert "already made" in refused(lambda: from_module(make, (3,)))


@pytest.mark.parametrize("make", [3, lambda key: 3, lambda key: LinenConvolution(), LinenConvolution])
def test_what_makes_no_module_is_refused(make: Any) -> None:
    assert "Give a Flax linen module, or a function" in refused(lambda: from_module(make, (8, 8, 1)))


def test_a_constructor_that_wants_more_than_a_key_is_told_what_to_write() -> None:
    assert "lambda key: Net(nnx.Rngs(key))" in refused(lambda: from_module(NnxPerceptron, (64,)))


@pytest.mark.parametrize(
    ("make", "in_shape"),
    [
        (LinenConvolution(extra=nn.BatchNorm(use_running_average=False)), (8, 8, 1)),
        (lambda key: NnxPerceptron(nnx.Rngs(key), nnx.BatchNorm(16, rngs=nnx.Rngs(0))), (64,)),
        (lambda key: NnxPerceptron(nnx.Rngs(key), nnx.Dropout(0.5, rngs=nnx.Rngs(0))), (64,)),
        (lambda key: eqx.nn.Sequential([linear(key), eqx.nn.BatchNorm(2, "batch", mode="batch")]), (3,)),
    ],
    ids=["linen-batch-norm", "nnx-batch-norm", "nnx-dropout", "equinox-batch-norm"],
)
def test_state_beside_the_weights_is_refused(make: Any, in_shape: tuple[int, ...]) -> None:
    assert "holds state beside its weights" in refused(lambda: from_module(make, in_shape))


@pytest.mark.parametrize(
    "make",
    [
        LinenConvolution(extra=nn.Dropout(0.5, deterministic=False)),
        lambda key: eqx.nn.Sequential([eqx.nn.Linear(64, 2, key=key), eqx.nn.Dropout(0.5)]),
    ],
    ids=["linen", "equinox"],
)
def test_random_numbers_in_the_call_are_refused(make: Any) -> None:
    assert "such as dropout" in refused(lambda: from_module(make, (8, 8, 1) if isinstance(make, nn.Module) else (64,)))


def test_dropout_that_is_switched_off_is_no_state() -> None:
    dropout = nnx.Dropout(0.5, deterministic=True, rngs=nnx.Rngs(0))
    assert "layers_0_bias" in shapes(from_module(lambda key: NnxPerceptron(nnx.Rngs(key), dropout), (64,)))


def test_a_sample_of_the_wrong_shape_is_refused_by_the_module_and_by_the_world() -> None:
    assert "(9, 9)" in refused(lambda: from_module(Recurrent, (9, 9)))
    flat = from_module(linear, (3,))
    assert "of shape (8, 8)" in refused(lambda: synapse_v0.world("digits", network=flat))


def test_outputs_of_the_wrong_shape_are_refused_by_the_module_and_by_the_world() -> None:
    scalar = "scalar"
    told = refused(lambda: from_module(lambda key: eqx.nn.MLP(4, scalar, 3, 1, key=key), (4,)))
    assert "gives [2]" in told
    nine = from_module(lambda key: eqx.nn.Linear(64, 9, key=key), (64,))
    assert "The task wants 10 outputs" in refused(lambda: synapse_v0.world("digits", network=nine))


def test_a_module_without_weights_is_refused() -> None:
    assert "nothing for agents to do" in refused(lambda: from_module(lambda key: eqx.nn.Identity(), (3,)))


def test_neither_library_is_needed_or_loaded() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('flax', 'equinox')); "
        "import synagents; from synagents.envs import synapse_v0; "
        "synapse_v0.world('xor')\ntry: synagents.from_module(3, (2,))\nexcept ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("Give a Flax linen module"), done.stderr


# Learning


SEEDS = (0, 1)


@cache
def digits_world(make: Any, in_shape: tuple[int, ...], steps: int) -> World:
    network, step_size = from_module(make, in_shape), Exponential(1e-2, 2e-3, steps)
    return synapse_v0.world("digits", network=network, batch_size=200, interval=500, step_size=step_size)


def accuracies(world: World, learner: Any, steps: int) -> list[float]:
    """Held out, one life for each seed."""
    lives = (train(jax.random.key(seed), world, learner, steps)[0] for seed in SEEDS)
    return [float(evaluate(run)["accuracy"][0, 0]) for run in lives]


@pytest.mark.usefixtures("optimized")
def test_a_convolutional_network_learns_digits_and_random_agents_do_not() -> None:
    world = digits_world(Convolution, (1, 8, 8), 4000)
    assert min(accuracies(world, RepeatUndo(), 4000)) > 0.7 > 0.25 > max(accuracies(world, Uniform(), 4000))


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_an_lstm_learns_digits_row_by_row_and_random_agents_do_not() -> None:
    world = digits_world(Recurrent, (8, 8), 5000)
    assert min(accuracies(world, RepeatUndo(), 5000)) > 0.4 > 0.25 > max(accuracies(world, Uniform(), 5000))


@pytest.mark.parametrize(
    ("make", "in_shape"),
    [
        (LinenConvolution(), (8, 8, 1)),
        (lambda key: NnxPerceptron(nnx.Rngs(key)), (64,)),
    ],
    ids=["linen-convolution", "nnx-perceptron"],
)
def test_flax_modules_live_in_the_loop_and_their_loss_falls(make: Any, in_shape: tuple[int, ...]) -> None:
    world = digits_world(make, in_shape, 300)
    run, history = train(KEY, world, RepeatUndo(), 300)
    loss = np.asarray(history.info["loss"])[0, :, 0]
    assert loss[-20:].mean() < loss[:20].mean() - 0.02
    again, _ = train(KEY, world, RepeatUndo(), 300)
    assert same_bits(run.state, again.state)
