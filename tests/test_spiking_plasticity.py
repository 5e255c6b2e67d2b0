"""Spiking cells and their rules against NumPy, and what the tasks of spikes ask."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import outer
from synagents.agents.plasticity import Felt
from synagents.envs import plastic_v0
from synagents.learners.plastic.bcm import BCM
from synagents.learners.plastic.fixed import Fixed
from synagents.learners.plastic.modulated_bcm import ModulatedBCM
from synagents.learners.plastic.modulated_oja import ModulatedOja
from synagents.learners.plastic.oja import Oja
from synagents.networks.lif import LIF, ForwardLIF
from synagents.tasks.evidence_accumulation import evidence_accumulation
from synagents.tasks.spikes import spikes
from synagents.tasks.spiking_cue import spiking_cue
from tests.claims import refused, same_bits

KEY = jax.random.key(0)
SMALL: dict[str, Any] = {"cues": 1, "bins": 2, "delay": 3, "neurons": 2, "units": 3, "cell": "lif-forward"}


@pytest.mark.parametrize("forward", [True, False])
def test_a_spiking_cell_is_what_its_equations_say(forward: bool) -> None:
    rng = np.random.default_rng(0)
    cell: Any = ForwardLIF(3) if forward else LIF(3)
    enter = rng.normal(0.4, size=(4, 3)).astype(np.float32)
    w = enter if forward else rng.normal(size=(3, 3)).astype(np.float32)
    carry, fired = cell.begin(jnp.float32, 4), 0.0
    u, s, y, z = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(4)
    for _ in range(30):
        x = (rng.random(4) < 0.5).astype(np.float32)
        stepped = cell.step({} if forward else {"input_weight": enter}, carry, x, w)
        before, arriving = y, x @ enter + (0 if forward else s @ w)
        u = 0.9 * u * (1 - s) + arriving
        s = (u > 1).astype(float)
        y, z = 0.8 * y + 0.2 * s, 0.8 * z + 0.2 * x
        np.testing.assert_allclose(stepped.pre, z if forward else before, atol=1e-5)
        np.testing.assert_allclose(stepped.post, y, atol=1e-5)
        carry, fired = stepped.carry, fired + s.sum()
    assert 10 < fired < 80


def felt_of(pre: Any, post: Any, trace: Any, threshold: Any = 0.0, modulator: float = 0.0) -> Felt:
    column, row = jnp.asarray(pre, jnp.float32)[:, None], jnp.asarray(post, jnp.float32)[None]
    return Felt(column, row, trace, jnp.zeros((1, 1)), jnp.full((1, 1), modulator), jnp.full((1, 1), threshold))


def test_bcm_stays_where_the_activity_equals_the_threshold() -> None:
    trace = jnp.zeros((2, 1))
    rule = BCM(eta=0.5)
    changes = [rule.change({"eta": 0.5}, felt_of([1.0, 2.0], [0.5], trace, threshold)) for threshold in (0.5, 0.25, 1)]
    np.testing.assert_allclose(changes[0], [[0], [0]])
    np.testing.assert_allclose(changes[1], [[0.0625], [0.125]])
    np.testing.assert_allclose(changes[2], [[-0.125], [-0.25]])


def test_a_unit_that_follows_bcm_ends_responding_to_one_of_two_patterns() -> None:
    patterns = np.array([[1.0, 0.2], [0.2, 1.0]], np.float32)
    rng, w, threshold = np.random.default_rng(0), jnp.array([[0.5], [0.45]]), 0.0
    for _ in range(6000):
        x = patterns[rng.integers(2)]
        post = np.maximum(x @ np.asarray(w), 0)
        w = w + BCM().change({"eta": 0.01}, felt_of(x, post, w, threshold))
        threshold = 0.95 * threshold + 0.05 * float(post[0]) ** 2
    strong, weak = sorted((patterns @ np.asarray(w))[:, 0].tolist(), reverse=True)
    assert strong > 1 and weak < 0.1 * strong


def test_modulated_rules_are_the_modulator_times_the_plain_ones() -> None:
    trace = jnp.array([[0.2, -0.1], [0.3, 0.4]])
    felt = felt_of([0.5, 0.2], [0.3, 0.6], trace, 0.1, modulator=-0.5)
    for plain, modulated in ((Oja(), ModulatedOja()), (BCM(), ModulatedBCM())):
        np.testing.assert_allclose(modulated.change({}, felt), plain.change({"eta": -0.5}, felt), rtol=1e-6)


def test_the_threshold_is_a_running_mean_of_the_square_of_post() -> None:
    world = plastic_v0.world("evidence-accumulation", **SMALL, **plastic_v0.settings_for("bcm"))
    slow = world.init(KEY) | {"input_weight": jnp.full((8, 3), 2.0)}  # so that one spike is enough for another
    world = replace(world, slow=slow)
    state, by_hand = world.reset(KEY), np.zeros((1, 3))
    for t in range(6):
        np.testing.assert_allclose(state.felt.threshold, by_hand, atol=1e-7)
        by_hand = 0.95 * by_hand + 0.05 * np.asarray(state.felt.post) ** 2
        state = world.resolve(jax.random.key(t), world.move(state, {"input": jnp.zeros(24)}, jnp.uint32(t), 0))[0]
    assert by_hand.max() > 0


@pytest.mark.parametrize("cell", ["lif", "lif-forward"])
def test_traces_that_count_for_nothing_leave_a_spiking_life_as_it_is(cell: str) -> None:
    options = SMALL | {"cell": cell}
    moving = plastic_v0.world("evidence-accumulation", **options, **plastic_v0.settings_for("oja"))
    still = plastic_v0.world("evidence-accumulation", **options, **plastic_v0.settings_for("fixed"))
    slow = moving.init(KEY) | {"alpha": jnp.zeros(moving.groups[0].shape)}
    lives = [
        outer.live(replace(world, slow=slow), rule, mind, KEY)
        for world, rule, mind in ((moving, Oja(), {"eta": 0.5}), (still, Fixed(), {}))
    ]
    assert same_bits(lives[0].info, lives[1].info) and np.abs(lives[0].end.felt.trace).max() > 0


def test_silence_clears_everything_but_traces_when_the_recall_begins() -> None:
    task = evidence_accumulation(cues=1, bins=2, delay=3, neurons=2)
    state = task.init(KEY)
    assert task.length == 1 * (2 + 2) + 3 + 4
    cleared = [bool(task.silences(state._replace(t=jnp.int32(t)))) for t in range(task.length)]
    assert cleared == [t == 7 for t in range(11)]
    assert not any(replace(task, silence=False).silences(state._replace(t=jnp.int32(t))) for t in range(task.length))


def test_a_right_answer_earns_one_and_a_guess_a_half() -> None:
    task, half = evidence_accumulation(cues=3, bins=2, delay=3, neurons=2), jnp.log(jnp.array([0.5, 0.5]))
    state, right, guess = task.init(KEY), 0.0, 0.0
    majority = int(state.sides.sum() > 1)
    for t in range(task.length):
        guess += float(task.reward(state, half))
        state, answer = task.respond(jax.random.key(t), state, jnp.int32(majority))
        right += float(answer.reward)
        assert bool(answer.terminated) == (t == task.length - 1)
    assert right == pytest.approx(1) and guess == pytest.approx(0.5)


def test_noise_makes_neurons_do_the_contrary() -> None:
    p = jnp.repeat(jnp.array([0.0, 0.5, 1.0]), 4000)
    rates = np.asarray(spikes(KEY, p, 0.25)).reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75], atol=0.03)
    assert same_bits(spikes(KEY, jnp.array([0.0, 1.0]), 0.0), jnp.array([0.0, 1.0]))


def test_a_spiking_cue_pays_what_cue_pays_in_the_last_round_of_a_few() -> None:
    task = spiking_cue(bits=2, length=6, substeps=4)
    state, ends = task.init(KEY), []
    for t in range(task.length):
        paid = task.shown.respond(jax.random.split(jax.random.key(t))[0], state.cue, jnp.int32(1))[1].reward
        state, answer = task.respond(jax.random.key(t), state, jnp.int32(1))
        assert float(answer.reward) == (float(paid) if t % 4 == 3 else 0)
        ends.append(bool(answer.terminated))
    assert ends == [False] * 23 + [True]


def test_a_neuron_that_stands_for_what_is_so_fires_as_often_as_asked() -> None:
    go = spiking_cue(firing=0.8).init(KEY).cue  # the first round of a trial is blank: move on to its GO
    go = go._replace(place=go.trial.slots + 1)
    keys = jax.random.split(KEY, 4000)
    for firing in (0.5, 0.8, 1.0):
        task = spiking_cue(firing=firing)
        seen = jax.vmap(lambda key, task=task: task._round(key, go, jnp.int32(0)).spikes)(keys).mean(axis=0)
        assert float(seen[12]) == pytest.approx(firing, abs=0.03)  # GO
        np.testing.assert_allclose(np.delete(seen, 12), 0.02, atol=0.01)  # no cue, no reward, no action yet


def test_what_cannot_be_is_refused() -> None:
    assert "cues is 2" in refused(lambda: evidence_accumulation(cues=2))
    assert "noise" in refused(lambda: evidence_accumulation(noise=0.6))
    assert "substeps" in refused(lambda: spiking_cue(substeps=0))
    assert "firing" in refused(lambda: spiking_cue(firing=0.4))
    world = plastic_v0.world("evidence-accumulation", **SMALL)
    assert "threshold=True" in refused(lambda: BCM().init(KEY, world.groups))
