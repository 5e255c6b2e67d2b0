"""Networks of whole numbers: the network, its loss and its learner against plain NumPy, and a round without floats."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import probes
from synagents.benchmark.optimizers import Problem
from synagents.cli.build import preset
from synagents.envs import synapse_v0
from synagents.learners.synapse.integer_trace import IntegerTrace, IntegerTraceMemory
from synagents.loop import advance, begin, evaluate
from synagents.networks.integer import IntegerMLP
from synagents.networks.integer_recurrent import IntegerRecurrent
from synagents.rounds import Keys, play
from synagents.tasks import integer_losses, losses
from synagents.tasks.datasets import digits
from synagents.world import Transition
from tests.claims import refused

KEY = jax.random.key(0)
SMALL = IntegerMLP((64, 8, 10))
DRAW = np.random.default_rng(0)


def int8(*shape: int) -> np.ndarray:
    return DRAW.integers(-127, 128, shape).astype(np.int8)


def world(**options: Any) -> synapse_v0.SynapseWorld:
    given = {"reward": "delta", "batch_change": "reevaluate", "batch_size": 50, "interval": 10} | options
    return synapse_v0.world("digits", network=SMALL, **given)


def test_a_layer_sums_products_and_shifts_them_back_to_eight_bits() -> None:
    weights = {
        "layer0_weight": int8(64, 8),
        "layer0_bias": int8(8),
        "layer1_weight": int8(8, 10),
        "layer1_bias": int8(10),
    }
    x = int8(5, 64)
    wide = {name: array.astype(int) for name, array in weights.items()}
    first = np.floor((x.astype(int) @ wide["layer0_weight"] + 128 * wide["layer0_bias"]) / 2**7)
    hidden = np.clip(first, 0, 127)
    out = np.floor((hidden @ wide["layer1_weight"] + 128 * wide["layer1_bias"]) / 2**4)
    given = SMALL.apply({name: jnp.asarray(array) for name, array in weights.items()}, jnp.asarray(x))
    assert SMALL.shifts == (7, 4) and given.dtype == jnp.int32
    np.testing.assert_array_equal(given, out)


@pytest.mark.parametrize("skip", [False, True])
def test_a_recurrent_layer_steps_through_the_window_and_answers_at_its_end(skip: bool) -> None:
    network = IntegerRecurrent((3, 5), 4, units=6, skip=skip)
    shapes = {name: array.shape for name, array in network.init(KEY).items()}
    weights = {name: int8(*shape) for name, shape in shapes.items()}
    x = int8(7, 3, 5)
    wide = {name: array.astype(int) for name, array in weights.items()}
    hidden = np.zeros((7, 6), int)
    for step in range(3):
        s = x[:, step].astype(int) @ wide["input_weight"] + hidden @ wide["recurrent_weight"]
        hidden = np.clip(np.floor((s + 128 * wide["recurrent_bias"]) / 2**5), -127, 127).astype(int)  # 4 + log2(6) / 2
    out = np.floor((hidden @ wide["output_weight"] + 128 * wide["output_bias"]) / 2**2)
    if skip:
        out += np.floor(x[:, 2].astype(int) @ wide["skip_weight"] / 2)
    given = network.apply({name: jnp.asarray(array) for name, array in weights.items()}, jnp.asarray(x))
    assert given.dtype == jnp.int32
    np.testing.assert_array_equal(given, out)


def test_the_loss_is_the_cross_entropy_in_units_of_a_1024th_of_a_bit() -> None:
    out = DRAW.integers(-9000, 9000, (40, 10)).astype(np.int32)
    target = DRAW.integers(0, 10, 40).astype(np.int32)
    logits = out * np.log(2) / 1024
    exact = (np.log(np.exp(logits).sum(1)) - logits[np.arange(40), target]) / np.log(2)
    loss = losses.cross_entropy(jnp.asarray(out), jnp.asarray(target))
    assert loss.dtype == jnp.int32
    assert abs(int(loss) / 1024 - exact.sum()) < 40 * 0.015


def test_powers_and_logarithms_are_as_near_as_their_module_says() -> None:
    below = np.arange(3000)
    power = np.asarray(integer_losses.power(jnp.asarray(below))) / 2**15
    assert np.abs(power - 2.0 ** (-below / 1024)).max() < 0.0021
    assert (np.diff(power) <= 0).all()
    numbers = np.concatenate([np.arange(1, 3000), [2**30 + 17, 2**31 - 1]])
    assert (
        np.abs(np.asarray(integer_losses.logarithm(jnp.asarray(numbers, jnp.int32))) / 1024 - np.log2(numbers)).max()
        < 0.011
    )


def test_the_most_expensive_batch_that_is_allowed_does_not_overflow() -> None:
    most = integer_losses.MOST_SAMPLES
    out = jnp.broadcast_to(jnp.array([2_000_000, -2_000_000], jnp.int32), (most, 2))
    assert int(losses.cross_entropy(out, jnp.ones(most, jnp.int32))) == most * 31 * 1024 < 2**31


def test_a_weight_moves_by_one_level_and_stays_at_the_ends() -> None:
    own = world()
    state = own.reset(KEY)
    ends = {name: jnp.full_like(array, 127) for name, array in state.weights.items()}
    up = {group.name: jnp.full(group.size, 2, jnp.uint8) for group in own.groups}
    down = {name: 0 * action for name, action in up.items()}
    state = own.move(state._replace(weights=ends), up, 0)
    assert all((array == 127).all() for array in state.weights.values())
    state = own.move(state, down, 0)
    assert all((array == 126).all() and array.dtype == jnp.int8 for array in state.weights.values())
    low = state._replace(weights={name: jnp.full_like(array, -127) for name, array in ends.items()})
    assert all((array == -127).all() for array in own.move(low, down, 0).weights.values())


def test_an_agent_follows_its_trace_draws_or_rests_as_often_as_the_schedules_say() -> None:
    learner = IntegerTrace(epsilon=0.5, active=0.4)
    memory = IntegerTraceMemory({"g": jnp.full(100_000, 7, jnp.int32)}, jnp.int32(0))
    chosen, _, _ = learner.act(KEY, (), memory, {}, 0, 0)
    shares = np.bincount(np.asarray(chosen["g"]), minlength=3) / 100_000
    np.testing.assert_allclose(shares, [0.2 / 3, 0.6 + 0.2 / 3, 0.2 + 0.2 / 3], atol=0.006)


def test_the_trace_is_that_of_a_slow_loop_over_worlds_candidates_and_agents() -> None:
    learner = IntegerTrace(trace_shift=2, epsilon=0.25, active=0.5, mean_shift=1)
    trace, mean = DRAW.integers(-(10**6), 10**6, (2, 4)), np.array([300, -500])
    rewards, actions = DRAW.integers(-(10**5), 10**5, (1, 6)), DRAW.integers(0, 3, (1, 6, 4))
    never = jnp.zeros((1, 6), bool)
    made = Transition(
        {}, {"g": jnp.asarray(actions, jnp.uint8)}, {}, {"g": jnp.asarray(rewards, jnp.int32)}, never, never
    )
    start = IntegerTraceMemory({"g": jnp.asarray(trace, jnp.int32)}, jnp.asarray(mean, jnp.int32))
    _, after, _ = learner.update(KEY, (), start, made, {}, 0)
    follows, most = 1536, 2 ** (30 - 12 - 1 - 2)  # 4096 * 0.5 * 0.75
    for w in range(2):
        own = rewards[0, 3 * w : 3 * w + 3]
        for i in range(4):
            news = 0
            for c in range(3):
                surprise = np.clip(own[c] - (mean[w] >> 8), -most, most)
                news += surprise * (4096 * (actions[0, 3 * w + c, i] - 1) - follows * np.sign(trace[w, i]))
            assert int(after.trace["g"][w, i]) == trace[w, i] - ((trace[w, i] + 2) >> 2) + news // 3
        assert int(after.mean[w]) == mean[w] + ((((own.sum() // 3) << 8) - mean[w]) >> 1)


@pytest.mark.parametrize("trace_shift", [0, 6, 12])
def test_a_trace_never_overflows(trace_shift: int) -> None:
    learner = IntegerTrace(trace_shift=trace_shift, epsilon=0.0)
    memory = IntegerTraceMemory({"g": jnp.full((1, 1), -1, jnp.int32)}, jnp.zeros(1, jnp.int32))
    rounds = 5 << trace_shift
    shape = (rounds, 1)
    never = jnp.zeros(shape, bool)
    ups, huge = jnp.full((*shape, 1), 2, jnp.uint8), jnp.where(jnp.arange(rounds) % 2, 2**30, -(2**30)).reshape(shape)
    for reward in (huge, -huge, jnp.full(shape, 2**30)):
        made = Transition({}, {"g": ups}, {}, {"g": reward.astype(jnp.int32)}, never, never)
        _, memory, _ = learner.update(KEY, (), memory, made, {}, 0)
        assert abs(int(memory.trace["g"][0, 0])) <= 2**31 - 2**20


def dtypes_of(program: Any) -> set[Any]:
    """The types of everything that a program computes, also in the programs within it."""
    found = set()
    for equation in program.eqns:
        found |= {out.aval.dtype for out in equation.outvars if hasattr(out.aval, "dtype")}
        for inner in jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: hasattr(leaf, "jaxpr") or hasattr(leaf, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            found |= dtypes_of(inner) if hasattr(inner, "eqns") else set()
    return found


def of_one_round(own: Any, learner: Any) -> set[Any]:
    """The types in one round: see, act, move, resolve, and what the learner learns from it."""

    def one(state: Any, memory: Any) -> Any:
        state, memory, played = play(own, learner, Keys(KEY, KEY), state, memory, (), 3)
        made = played.tried
        ahead = lambda tree: jax.tree.map(lambda x: jnp.asarray(x)[None, None], tree)  # noqa: E731
        transition = Transition(
            ahead(made.obs), ahead(made.actions), {}, ahead(made.outcome.reward), *ahead(made.outcome[1:3])
        )
        return learner.update(KEY, (), jax.tree.map(lambda x: x[None], memory), transition, {}, 3)

    state = own.reset(KEY)
    return dtypes_of(jax.make_jaxpr(one)(state, learner.begin_world(KEY, (), own.groups)).jaxpr)


def is_float(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating)


def test_a_round_of_whole_numbers_computes_no_real_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with_schedules = of_one_round(world(), IntegerTrace())
    assert {dtype for dtype in with_schedules if is_float(dtype)} == {jnp.dtype("float32")}  # the two schedules
    fixed = (jnp.uint32(3 << 20), jnp.uint32(1 << 20))
    monkeypatch.setattr(IntegerTrace, "thresholds", lambda self, t: fixed)
    found = of_one_round(world(), IntegerTrace())
    assert not [dtype for dtype in found if is_float(dtype)]
    assert {jnp.dtype("int8"), jnp.dtype("int32"), jnp.dtype("uint32")} <= found
    floats = synapse_v0.world("digits", hidden=(8,), reward="delta", batch_change="reevaluate", batch_size=50)
    assert any(map(is_float, of_one_round(floats, IntegerTrace())))  # the test can tell


def test_the_loop_keeps_whole_numbers_whole() -> None:
    run, history = advance(begin(0, world(), IntegerTrace(active=0.1)), 20)
    assert history.reward.dtype == history.info["loss"].dtype == jnp.int32
    assert {array.dtype for array in jax.tree.leaves(run.memory)} == {jnp.dtype("int32")}
    assert {array.dtype for array in run.state.weights.values()} == {jnp.dtype("int8")}
    assert run.state.task.x.dtype == jnp.int8


def accuracy(learner: str, **settings: Any) -> float:
    paid = {"reward": "delta", "batch_change": "reevaluate"}
    run = preset("digits", learner, network="integer-mlp", rounds=2000, **paid, **settings).begin()
    run, _ = advance(run, 2000)
    return float(evaluate(run)["accuracy"].mean())


def test_agents_train_an_integer_network_and_agents_that_draw_do_not() -> None:
    assert accuracy("integer-trace", active=0.1) > 0.75
    assert accuracy("uniform") < 0.3


def held_out_bits(learner: str, file: Path, length: int, **settings: Any) -> float:
    sizes = {"units": 8, "batch_size": 50, "interval": 50, "rounds": 1000}
    paid = {"reward": "delta", "batch_change": "reevaluate"}
    spec = preset(
        "characters", learner, network="integer-recurrent", file=file, length=length, **sizes, **paid, **settings
    )
    return float(evaluate(advance(spec.begin(), 1000)[0])["bits"].mean())


def test_agents_teach_a_recurrent_network_what_the_last_character_alone_does_not_tell(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("aabb" * 500)  # after an a or a b both are as likely: one bit, unless one knows what was before
    assert held_out_bits("integer-trace", file, 2, active=0.1) < 0.2
    assert held_out_bits("integer-trace", file, 1, active=0.1) > 0.95
    assert held_out_bits("uniform", file, 2) > 0.95


@pytest.mark.parametrize("task", ["digits", "characters"])
def test_a_loss_that_is_told_while_training_is_in_the_nats_of_the_held_out_one(task: str) -> None:
    network, small = ("integer-mlp", {"hidden": (8,)}) if task == "digits" else ("integer-recurrent", {"units": 4})
    spec = preset(task, "integer-trace", network=network, rounds=10, batch_size=300, interval=10, **small)
    run, history = spec.advance(spec.begin(), 10)
    seen, raw = spec.look(run, history), float(np.mean(history.info["loss"]))
    told, held_out = seen.figures["loss"], float(evaluate(run)["loss"].mean())
    assert told == pytest.approx(raw / 1024 / 300 * np.log(2))  # a sum in 1024ths of a bit becomes a mean in nats
    assert 0.8 < told / held_out < 1.25
    assert float(seen.rows[0]["loss"]) == pytest.approx(told, rel=1e-4)


def test_what_whole_numbers_cannot_do_is_refused() -> None:
    assert "integer-trace" in refused(lambda: Problem(SMALL, digits()))
    watched = begin(0, world(), IntegerTrace())
    assert "no gradient" in refused(lambda: advance(watched, 10, probes=(probes.alignment,), probe_interval=10))
    assert "one level" in refused(lambda: world(step_size=0.1))
    assert "one level" in refused(lambda: world(bias_gain=2.0))
    assert "cross-entropy" in refused(lambda: world(loss="squared-hinge"))
    assert "[-1, 1]" in refused(lambda: world(scale=8.0))
    assert "whole ones" in refused(lambda: synapse_v0.world("boundary", network=IntegerMLP((2, 2))))
