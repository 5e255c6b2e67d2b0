from dataclasses import replace
from functools import cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.agents.codes import last_action
from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.hyperparameters import settings
from synagents.keys import world_key
from synagents.learners.synapse.q_table import QTable
from synagents.learners.synapse.repeat_undo import RepeatUndo
from synagents.learners.synapse.trace import Trace
from synagents.learners.uniform import Uniform
from synagents.loop import History, advance, begin, check_finite, evaluate, train
from synagents.probes import Round, action_mix, occupancy
from synagents.rounds import Keys, Run, play
from synagents.schedules import Switch
from synagents.world import Policy, World
from tests.claims import refused, same_bits
from tests.toys import pictures

KEY = jax.random.key(11)
COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, duration_secs, **_: COMPILED.append(event) if event.endswith("backend_compile_duration") else None
)


def small_world(**options: Any) -> SynapseWorld:
    return synapse_v0.world(pictures(), **{"hidden": (), "step_size": 0.01, "interval": 100, **options})


def tiny_world(**options: Any) -> SynapseWorld:
    return synapse_v0.world("xor", **{"hidden": (), "step_size": 0.01, "interval": 0, **options})


@cache
def following(seed: int = 11) -> Run:
    return begin(jax.random.key(seed), small_world(), RepeatUndo())


@cache
def learning() -> Run:
    """Two learners that learn from two rounds at a time."""
    return begin(KEY, small_world(), QTable(adaptive=True, alpha=0.1, rate="per-step"), num_runs=2)


@cache
def crowd(runs: int, worlds: int, how: Literal["vmap", "loop"]) -> tuple[Run, Run, History]:
    """A run at birth, the same run after 100 rounds and five batches, and what happened."""
    birth = begin(KEY, small_world(interval=20), RepeatUndo(), num_runs=runs, num_worlds=worlds, world_axis=how)
    return birth, *advance(birth, 100)


def lived(run: Run, *chunks: int, **options: Any) -> tuple[Run, History]:
    """`run` after chunks of rounds, and all that happened, put together."""
    pieces = []
    for rounds in chunks:
        run, history = advance(run, rounds, **options)
        pieces.append(jax.device_get(history))
    return run, jax.tree.map(lambda *parts: np.concatenate(parts, axis=min(parts[0].ndim - 1, 1)), *pieces)


def same_life(one: tuple[Run, History], other: tuple[Run, History]) -> bool:
    (ours, happened), (theirs, happened_there) = one, other
    return (
        ours.t == theirs.t
        and same_bits((ours.state, ours.mind, ours.key), (theirs.state, theirs.mind, theirs.key))
        and same_bits(happened[:3], happened_there[:3])
    )


# Candidates


def test_of_several_candidate_moves_the_best_is_made() -> None:
    world, learner = small_world(candidates=3), Uniform()
    run = begin(KEY, world, learner)
    state, mind = jax.tree.map(lambda x: x[0, 0], run.state), jax.tree.map(lambda x: x[0], run.mind)
    single = replace(world, candidates=1)
    alone = [play(single, learner, Keys(KEY, world_key(KEY, place)), state, (), mind, 0)[0] for place in range(3)]
    after, _, (made, tried) = play(world, learner, Keys(KEY, KEY), state, (), mind, 0)
    losses = [float(one.loss) for one in alone]
    assert np.allclose(tried.outcome.info["loss"], losses) and len(set(losses)) == 3
    assert same_bits(after, alone[int(np.argmin(losses))]) and same_bits(made.after, after)


def test_candidates_that_draw_at_random_do_better_than_one() -> None:
    def last(candidates: int) -> float:
        world = small_world(interval=0, candidates=candidates)
        return float(train(KEY, world, Uniform(), 300)[1].info["loss"][0, -1, 0])

    assert last(8) < 0.7 * last(1)


@pytest.mark.parametrize("worlds", [1, 2])
def test_a_learner_learns_from_every_candidate_and_what_it_would_have_led_to(worlds: int) -> None:
    seen: list[tuple[Any, Any]] = []

    @settings
    class Witness(Uniform):
        def update(self, key: Any, mind: Any, transition: Any, last_obs: Any, t: Any) -> tuple[Any, dict]:
            jax.debug.callback(lambda *happened: seen.append(happened), transition, last_obs)
            return mind, {}

    run = begin(KEY, small_world(candidates=4), Witness(), num_worlds=worlds)
    advance(run, 1)
    jax.effects_barrier()
    (transition, last_obs) = seen[0]
    for name, actions in transition.actions.items():
        assert actions.shape == transition.obs[name].shape == (1, *last_obs[name].shape)
        assert actions.shape[1] == 4 * worlds and transition.reward[name].shape == (1, 4 * worlds)
        assert (last_action(last_obs[name], 2) == actions[0]).all() and (actions[0, 0] != actions[0, 1]).any()


# The same key, the same life


def test_the_same_key_gives_the_same_bits_and_the_old_run_stays_valid() -> None:
    run = following()
    once = lived(run, 1200)
    assert run.t == 0 and np.isfinite(jax.device_get(run.state.loss)).all()
    assert same_life(once, lived(run, 1200))
    assert same_life(once, train(KEY, small_world(), RepeatUndo(), 1200))


def test_different_keys_differ_in_weights_batch_and_life() -> None:
    one, other = following(), following(12)
    assert not same_bits(one.state.weights, other.state.weights)
    assert not same_bits(one.state.task, other.state.task)
    assert not same_bits(lived(one, 1200)[1].reward, lived(other, 1200)[1].reward)


def test_equal_chunks_give_the_bits_of_one_call_and_compile_once() -> None:
    whole = lived(following(), 1200)
    run, _ = advance(following(), 400)
    compiled = len(COMPILED)
    run, _ = advance(run, 400)
    run, _ = advance(run, 400)
    assert len(COMPILED) == compiled
    assert same_life(whole, lived(following(), 400, 400, 400))


def test_chunks_inside_intervals_give_the_bits_of_one_call() -> None:
    assert same_life(lived(following(), 1200), lived(following(), 130, 70, 1000))
    assert same_life(lived(following(), 1200), lived(following(), 7, 1193))


def test_neither_chunks_nor_probes_change_a_bit_for_learners_that_learn() -> None:
    whole = lived(learning(), 1200, rollout_length=2)
    assert not same_bits(whole[0].mind.values, learning().mind.values)
    watched = lived(learning(), 130, 1070, rollout_length=2, probes=(action_mix,), probe_interval=50)
    assert same_life(whole, watched)
    assert watched[1].probed.tolist() == list(range(0, 1200, 50))


def what_was_seen(world: World, seen: Round) -> Any:
    return {"batch": seen.before.task.x, "actions": seen.actions}


def test_probed_rounds_are_counted_from_the_runs_start_whatever_the_chunks() -> None:
    run = begin(KEY, small_world(interval=4), Uniform())
    watch: dict[str, Any] = {"probes": (what_was_seen,), "probe_interval": 2}
    (_, whole), (_, parts) = lived(run, 12, **watch), lived(run, 6, 6, **watch)
    assert whole.probed.tolist() == parts.probed.tolist() == [0, 2, 4, 6, 8, 10]
    assert same_bits(whole.probes, parts.probes)
    assert whole.probes["what_was_seen"]["actions"]["layer0_weight"].shape == (1, 6, 1, 18)


def test_a_batch_is_kept_for_exactly_its_interval() -> None:
    run = begin(KEY, small_world(interval=4), Uniform())
    _, history = lived(run, 12, probes=(what_was_seen,), probe_interval=2)
    batches = [batch.tobytes() for batch in history.probes["what_was_seen"]["batch"][0, :, 0]]
    assert batches[0] == np.asarray(run.state.task.x)[0, 0].tobytes()
    assert batches[0::2] == batches[1::2]  # rounds 0, 4, 8 and 2, 6, 10
    assert len(set(batches)) == 3


# Runs and worlds


def test_worlds_and_runs_differ_from_one_another() -> None:
    birth, _, history = crowd(2, 3, "vmap")
    for values in (birth.state.weights["layer0_weight"], birth.state.task.x, history.reward.transpose(0, 2, 1)):
        assert len({np.asarray(values)[k, w].tobytes() for k in range(2) for w in range(3)}) == 6


def test_a_world_begins_the_same_whatever_the_number_of_worlds_and_runs() -> None:
    (alone, _, _), (among, _, _) = crowd(1, 1, "vmap"), crowd(2, 3, "vmap")
    for field in ("weights", "task", "actions", "rewards", "loss"):
        assert same_bits(getattr(alone.state, field), jax.tree.map(lambda x: x[:1, :1], getattr(among.state, field)))


def test_a_worlds_batches_are_the_same_bits_whatever_the_number_of_worlds_and_runs() -> None:
    (birth, alone, _), (_, among, _) = crowd(1, 1, "vmap"), crowd(2, 3, "vmap")
    assert same_bits(alone.state.task, jax.tree.map(lambda x: x[:1, :1], among.state.task))
    assert not same_bits(alone.state.task, birth.state.task)


def test_a_worlds_first_losses_are_the_same_whatever_the_number_of_worlds_and_runs() -> None:
    # Only the first: a product of another shape may round a loss the other way, and a sign flips once in a while.
    (_, _, alone), (_, _, among) = crowd(1, 1, "vmap"), crowd(2, 3, "vmap")
    np.testing.assert_allclose(alone.info["loss"][0, :20, 0], among.info["loss"][0, :20, 0], rtol=1e-5)


def test_a_loop_and_a_vmap_tell_the_same_story() -> None:
    (_, _, vmap), (_, _, loop) = crowd(2, 3, "vmap"), crowd(2, 3, "loop")
    np.testing.assert_allclose(vmap.info["loss"][:, :20], loop.info["loss"][:, :20], rtol=1e-5)


def test_in_a_loop_a_world_lives_exactly_as_if_it_and_its_run_were_alone() -> None:
    (_, alone, happened), (_, among, happened_there) = crowd(1, 1, "loop"), crowd(2, 3, "loop")
    assert same_bits(alone.state, jax.tree.map(lambda x: x[:1, :1], among.state))
    assert same_bits(happened[:2], jax.tree.map(lambda x: x[:1, :, :1], happened_there[:2]))


def test_worlds_that_share_a_task_see_one_batch_and_runs_see_different_ones() -> None:
    own, shared = (
        begin(KEY, small_world(interval=20), RepeatUndo(), num_runs=2, num_worlds=3, shared_task=share)
        for share in (False, True)
    )
    assert same_bits(own.state.task.x[:, 0], shared.state.task.x)  # the first world's
    assert same_bits(own.state.weights, shared.state.weights)
    for w in range(3):
        weights, batch = jax.tree.map(lambda x, w=w: x[1, w], shared.state.weights), shared.state.task
        loss = shared.world.loss(weights, jax.tree.map(lambda x: x[1], batch))
        np.testing.assert_allclose(shared.state.loss[1, w], loss, rtol=1e-5)
    later, history = advance(shared, 40)
    assert history.reward.shape == (2, 40, 3)
    assert later.state.task.x.shape == shared.state.task.x.shape == (2, 16, 2, 3)
    assert len({np.asarray(x)[k].tobytes() for x in (shared.state.task.x, later.state.task.x) for k in range(2)}) == 4


# Shapes and time


def test_history_has_axes_runs_rounds_worlds_and_runs_updates() -> None:
    run = begin(KEY, small_world(), QTable(adaptive=True), num_worlds=3, num_runs=2)
    run, history = advance(run, 20, rollout_length=2)
    assert run.t == 20
    assert history.reward.shape == history.info["loss"].shape == (2, 20, 3)
    assert history.metrics["q_change"].shape == (2, 10)
    assert history.probes == {} and history.probed.shape == (0,)
    assert run.mind.values.shape == (2, 81, 3)
    found = evaluate(run)
    assert {name: values.shape for name, values in found.items()} == {"loss": (2, 3), "accuracy": (2, 3)}
    one = jax.tree.map(lambda x: x[1, 2], run.state)
    alone = run.world.evaluate(KEY, one, Policy(lambda key: (), lambda *seen: ({}, ())), "held_out")["loss"]
    np.testing.assert_allclose(found["loss"][1, 2], alone, rtol=1e-5)
    assert evaluate(run, "train")["loss"][1, 2] != found["loss"][1, 2]


def test_any_rollout_length_will_do_where_nothing_is_probed_or_refreshed() -> None:
    run, _ = advance(begin(KEY, tiny_world(), Uniform()), 6, rollout_length=3)  # probe_interval is 100 by default
    assert run.t == 6


# Sweeps


def test_vmap_over_a_learners_number_is_a_sweep() -> None:
    def rewards(repeat: Any) -> Any:
        return advance(begin(KEY, tiny_world(), RepeatUndo(repeat)), 20)[1].reward

    swept = jax.vmap(rewards)(jnp.array([0.0, 0.5, 1.0]))
    assert swept.shape == (3, 1, 20, 1)
    assert not same_bits(swept[0], swept[2])
    np.testing.assert_array_equal(swept[1], rewards(0.5))


def test_vmap_over_a_worlds_number_is_a_sweep() -> None:
    def losses(step_size: Any) -> Any:
        return advance(begin(KEY, tiny_world(step_size=step_size), RepeatUndo()), 20)[1].info["loss"][0, :, 0]

    swept = jax.vmap(losses)(jnp.array([0.0, 0.01]))
    np.testing.assert_allclose(swept[0], np.full(20, swept[0, 0]), rtol=1e-6)
    np.testing.assert_allclose(swept[1], losses(0.01), rtol=1e-5)


# Bad input


def test_a_loss_that_is_not_finite_stops_training_and_names_the_round() -> None:
    world = small_world(step_size=Switch(0.01, 3e38, 5))  # rounds 1 .. 5 are fine
    with pytest.raises(FloatingPointError, match="not finite from round 6 on: "):
        train(KEY, world, Uniform(), 20)


def test_a_later_history_names_the_round_counted_from_the_start() -> None:
    losses = jnp.array([1, 1, jnp.inf]).reshape(1, 3, 1)
    history = History(jnp.zeros((1, 3, 1)), {"loss": losses}, {}, {}, np.arange(0))
    with pytest.raises(FloatingPointError, match="from round 403 on"):
        check_finite(history, 400)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"num_worlds": 0}, "num_worlds must be a whole number >= 1"),
        ({"num_runs": True}, "num_runs must be a whole number >= 1"),
        ({"world_axis": "both"}, "vmap or loop"),
        ({"world_axis": "loop", "shared_task": True}, "world_axis='vmap'"),
    ],
)
def test_a_run_that_cannot_begin_is_refused_in_one_sentence(options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: begin(KEY, small_world(), Uniform(), **options))


@pytest.mark.parametrize(
    ("rounds", "options", "told"),
    [
        (0, {}, "must be a whole number >= 1"),
        (1, {"rollout_length": 0}, "must be a whole number >= 1"),
        (3, {"rollout_length": 3}, "interval must be a multiple of rollout_length 3"),
        (
            2,
            {"rollout_length": 2, "probes": (action_mix,), "probe_interval": 5},
            "probe_interval must be a positive multiple",
        ),
        (1, {"probes": (action_mix,), "probe_interval": 0}, "probe_interval must be a whole number >= 1"),
        (3, {"rollout_length": 2}, "rounds must be a multiple of rollout_length 2"),
    ],
)
def test_an_advance_that_cannot_be_is_refused_in_one_sentence(rounds: int, options: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: advance(following(), rounds, **options))


def test_several_rounds_of_candidates_are_not_learned_from_at_once() -> None:
    run = begin(KEY, tiny_world(candidates=2), Uniform())
    assert "use rollout_length 1, not 2" in refused(lambda: advance(run, 2, rollout_length=2))


def test_a_rollout_must_divide_the_rounds_already_played() -> None:
    assert "has played 5 rounds" in refused(lambda: advance(replace(following(), t=5), 2, rollout_length=2))


def test_a_table_of_another_memory_is_refused_when_the_run_begins() -> None:
    learner = QTable(jnp.zeros((9, 3)))
    assert "(9, 3)" in refused(lambda: begin(KEY, small_world(), learner))


def test_a_class_that_jax_does_not_know_is_told_to_be_settings() -> None:
    class Forgetful(Uniform):
        pass

    assert "class Forgetful: write @settings above it" in refused(lambda: begin(KEY, small_world(), Forgetful()))


@pytest.mark.parametrize("key", [jax.random.PRNGKey(0), jax.random.split(jax.random.key(0))])
def test_only_one_key_begins_a_run(key: jax.Array) -> None:
    assert "jax.random.key(seed)" in refused(lambda: begin(key, tiny_world(), RepeatUndo()))


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30, 0.5, True])
def test_a_seed_is_a_whole_number_below_two_to_the_thirty_two(seed: Any) -> None:
    assert "seed must be a whole number in 0 .. 4294967295" in refused(lambda: begin(seed, tiny_world(), RepeatUndo()))


def test_a_seed_a_key_and_a_key_of_another_generator_begin_the_same_run() -> None:
    births = [begin(key, tiny_world(), RepeatUndo()) for key in (7, jax.random.key(7), jax.random.key(7, impl="rbg"))]
    assert same_bits(births[0].state, births[1].state) and same_bits(births[0].state, births[2].state)
    assert not same_bits(births[0].state, begin(2**32 - 1, tiny_world(), RepeatUndo()).state)


@pytest.mark.parametrize(
    ("world", "learner", "told"),
    [
        ("synapse", "trace", "this is 'trace'"),
        ("synapse", Uniform, "this is the class Uniform itself: make one"),
        ("xor", Uniform(), "this is 'xor'"),
        ("face", Uniform(), "this is a FunctionalEnv: give an environment's own world"),
    ],
)
def test_what_is_no_world_or_learner_is_told_with_the_right_call(world: str, learner: Any, told: str) -> None:
    things = {"synapse": tiny_world(), "face": synapse_v0.functional_env("xor", hidden=())}
    assert told in refused(lambda: begin(KEY, things.get(world, world), learner))


def test_a_learner_that_needs_graded_rewards_refuses_signs_and_wrong_ones() -> None:
    signs, mixed = tiny_world(), small_world(reward="delta", batch_change="compare")
    assert "build it with reward='delta'" in refused(lambda: begin(KEY, signs, Trace()))
    assert "build it with batch_change='reevaluate'" in refused(lambda: begin(KEY, mixed, Trace()))
    begin(KEY, replace(mixed, batch_change="reevaluate"), Trace())
    begin(KEY, tiny_world(reward="delta"), Trace())  # its batch never changes


def test_probes_of_one_name_are_refused_and_a_list_of_probes_is_not() -> None:
    run = begin(jax.random.key(0), synapse_v0.world("xor", hidden=(2,), interval=0), RepeatUndo())
    assert "different __name__" in refused(lambda: advance(run, 2, probes=(action_mix, action_mix)))
    _, history = advance(run, 2, probes=[action_mix, occupancy])  # type: ignore[arg-type]
    assert set(history.probes) == {"action_mix", "occupancy"}


def test_evaluate_knows_two_parts() -> None:
    run = begin(jax.random.key(0), synapse_v0.world("xor", hidden=(2,), interval=0), RepeatUndo())
    assert "train or held_out" in refused(lambda: evaluate(run, "test"))  # type: ignore[arg-type]
