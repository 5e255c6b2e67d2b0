"""Samples with classes as decisions: paid for the right class, judged on every sample once, learned from rewards."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import from_arrays, preset
from synagents.envs import unit_v0
from synagents.learners.uniform import Uniform
from synagents.loop import advance, begin, evaluate
from synagents.tasks import episodes
from synagents.tasks.bandit import Question, with_bandit_feedback
from synagents.world import Part
from tests.claims import refused, same_bits
from tests.toys import pictures

KEY = jax.random.key(0)


@pytest.mark.parametrize(("action", "reward"), [(0, 0), (1, 0), (2, 1)])
def test_the_reward_is_one_exactly_for_the_right_class(action: int, reward: float) -> None:
    task = with_bandit_feedback(pictures())
    state = Question(jnp.zeros(6), jnp.int32(2))
    _, answer = task.respond(KEY, state, jnp.int32(action))
    assert float(answer.reward) == reward and bool(answer.terminated) and not answer.truncated


def test_the_whole_team_is_paid_for_the_class_that_the_output_names() -> None:
    world = unit_v0.world(pictures(), hidden=(2,))
    state = world.reset(KEY, Question(jnp.zeros(6), jnp.int32(1)))
    for action in range(3):
        moved = world.move(state, {"output": jnp.array([action], jnp.uint8)}, 0, 1)
        _, outcome = world.resolve(KEY, moved)
        assert {name: float(paid) for name, paid in outcome.reward.items()} == dict.fromkeys(
            ("hidden0", "output"), float(action == 1)
        )


def test_questions_are_the_training_samples_with_their_classes_each_about_as_often() -> None:
    samples = pictures()
    asked = jax.vmap(with_bandit_feedback(samples).init)(jax.random.split(KEY, 3600))
    places = [np.flatnonzero((np.asarray(samples.x) == x).all(axis=(1, 2))) for x in np.asarray(asked.x)]
    assert all(len(place) == 1 for place in places)
    places = np.concatenate(places)
    assert (np.asarray(asked.target) == np.asarray(samples.target)[places]).all()
    counts = np.bincount(places, minlength=36)  # 100 expected of each, with a standard deviation of 9.9
    assert counts.min() > 60 and counts.max() < 140


def test_a_stimulus_is_scaled_as_the_task_scales_its_samples() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(8, 3)
    samples = from_arrays(pixels, np.arange(8) % 2, loss="cross-entropy", batch_size=2, scale=16)
    task = with_bandit_feedback(samples)
    state = task.init(KEY)
    assert state.x.dtype == jnp.uint8
    np.testing.assert_array_equal(task.stimulus(state), np.asarray(state.x) / np.float32(16))


def judged(samples: Any, decide: Any, part: Part) -> dict[str, float]:
    task = with_bandit_feedback(samples)
    metrics = jax.jit(lambda key: episodes.evaluate(task, key, lambda _: (), decide, part))(KEY)
    return {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("at_once", [1000, 5])  # 5 leaves a piece that is not full: of 36 samples, and of 12
@pytest.mark.parametrize("part", ["train", "held_out"])
def test_every_sample_of_a_part_is_judged_once(at_once: int, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "AT_ONCE", at_once)
    samples = pictures()
    weights = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    x, target = (samples.x, samples.target) if part == "train" else (samples.held_out_x, samples.held_out_target)
    right = 0
    for one, its_class in zip(np.asarray(x), np.asarray(target), strict=True):
        right += int(np.argmax(one.ravel() @ weights) == its_class)

    def by_weights(key: Any, memory: Any, state: Question) -> Any:
        return jnp.argmax(state.x.ravel() @ weights), memory

    accuracy = right / len(target)
    assert 0 < accuracy < 1
    assert judged(samples, by_weights, part) == pytest.approx({"loss": -accuracy, "accuracy": accuracy}, rel=1e-6)


def test_the_last_sample_counts_as_much_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "AT_ONCE", 5)
    samples = pictures()

    def only_the_last(key: Any, memory: Any, state: Question) -> Any:
        is_last = (state.x == samples.held_out_x[-1]).all()
        return jnp.where(is_last, state.target, (state.target + 1) % 3), memory

    assert judged(samples, only_the_last, "held_out")["accuracy"] == pytest.approx(1 / 12)


def test_a_policy_that_draws_is_right_as_often_as_its_chances_say() -> None:
    accuracy = float(evaluate(begin(KEY, unit_v0.world("digits", hidden=()), Uniform()), "train")["accuracy"][0, 0])
    assert abs(accuracy - 0.1) < 4 * (0.1 * 0.9 / 1348) ** 0.5


def test_a_small_data_set_needs_no_batch_and_a_split_is_that_of_the_other_world() -> None:
    world = unit_v0.world("digits", hidden=(), held_out=0.9, split_seed=3)
    spec = preset("digits", held_out=0.9, batch_size=10, seed=3)
    ours, theirs = world.task.samples, spec.world.task  # type: ignore[attr-defined]
    assert len(ours.target) < 500  # the batch that outputs are scored on by default
    assert same_bits((ours.x, ours.target, ours.held_out_x), (theirs.x, theirs.target, theirs.held_out_x))  # type: ignore[union-attr]


def test_faces_of_samples_tell_one_story() -> None:
    env, fleet = (make(pictures(), hidden=()) for make in (unit_v0.parallel_env, unit_v0.vector_env))
    told = []
    for seed in range(6):
        seen, _ = env.reset(seed=seed)
        many, _ = fleet.reset(seed=seed)
        np.testing.assert_array_equal(seen["output_0"], many[0])
        _, rewards, ended, _, _ = env.step({"output_0": seed % 3})
        _, paid, over, _, _ = fleet.step(np.array([seed % 3]))
        assert (rewards["output_0"], ended["output_0"]) == (paid[0], over[0])
        told.append((float(paid[0]), bool(over[0])))
    assert set(told) == {(0.0, True), (1.0, True)}


def test_a_rule_that_is_told_right_or_wrong_alone_reads_digits_and_a_random_one_does_not() -> None:
    def held_out(learner: str, rounds: int) -> float:
        spec = preset("digits", learner, world="unit", hidden=(16,), rounds=rounds)
        run, _ = advance(spec.begin(), rounds)
        return float(evaluate(run)["accuracy"][0, 0])

    assert held_out("straight-through", 600) > 0.7 > 0.2 > held_out("uniform", 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: unit_v0.world("digits", batch_size=32), "has an option 'batch_size'"),
        (lambda: unit_v0.world("digits", loss="p-norm"), "has an option 'loss'"),
        (lambda: unit_v0.world("perceptron"), "play a task that answers outputs with a loss in synagents.envs.synapse"),
        (
            lambda: unit_v0.world(
                from_arrays(np.ones((8, 2)), np.ones(8) / 2, loss="mean-squared-error", batch_size=2)
            ),
            "no decision is right or wrong about a value",
        ),
        (
            lambda: unit_v0.world(
                from_arrays(np.ones((600, 2)), np.arange(600) % 300, loss="cross-entropy", batch_size=2)
            ),
            "chooses among at most 256 actions, but the task has Discrete(300)",
        ),
    ],
)
def test_what_is_no_decision_among_classes_is_refused_in_one_sentence(make: Any, sentence: str) -> None:
    assert sentence in refused(make)
