from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo.test import parallel_api_test

from synagents.envs import unit_v0
from synagents.keys import reset_key, round_key, run_key, world_key
from synagents.learners.uniform import Uniform
from synagents.learners.unit.boltzmann import Boltzmann
from synagents.learners.unit.map_propagation import MapPropagation
from synagents.learners.unit.reinforce import Reinforce
from synagents.loop import advance, begin
from synagents.tasks import control
from synagents.tasks.multiplexer import Question, multiplexer
from synagents.tasks.scalar_regression import scalar_regression
from tests.claims import refused, same_bits
from tests.toys import pictures

KEY = jax.random.key(0)


def test_every_layer_is_a_group_and_a_softmax_output_is_one_agent() -> None:
    world = unit_v0.world(bits=1, hidden=(4, 2))
    assert [(g.name, g.size, g.obs_space.shape, str(g.action_space), g.turns) for g in world.groups] == [
        ("hidden0", 4, (3,), "Discrete(2)", (0,)),
        ("hidden1", 2, (4,), "Discrete(2)", (1,)),
        ("output", 1, (2,), "Discrete(2)", (2,)),
    ]
    assert [(group.about.kind, group.about.sources) for group in world.groups] == [
        ("sign", ("input",)),
        ("sign", ("hidden0",)),
        ("softmax", ("hidden1",)),
    ]
    assert world.sizes == (3, 4, 2, 2)


def test_layers_that_act_again_take_turns_sweep_by_sweep_and_end_given_the_output() -> None:
    one = unit_v0.world(bits=1, hidden=(4,), feedback=True, sweeps=2)
    assert [group.turns for group in one.groups] == [(0, 2, 4, 6), (1, 3, 5)]
    two = unit_v0.world(bits=1, hidden=(4, 2), feedback=True, lateral=True, sweeps=1)
    assert [group.turns for group in two.groups] == [(0, 4), (1, 3, 5), (2, 4)]
    assert [group.about.sources for group in two.groups] == [
        ("input", "hidden1", "hidden0"),
        ("hidden0", "output", "hidden1"),
        ("hidden1",),
    ]


@pytest.mark.parametrize(("units", "seen"), [("sign", [-1, 1, 1]), ("bit", [0, 1, 1]), ("gaussian", [0.5, -2, 3])])
def test_what_a_layer_does_is_what_the_next_one_sees(units: Any, seen: list[float]) -> None:
    world = unit_v0.world(bits=1, hidden=(3,), units=units)
    actions = jnp.array([0.5, -2, 3]) if units == "gaussian" else jnp.array([0, 1, 1], jnp.uint8)
    state = world.move(world.reset(KEY), {"hidden0": actions}, 0, 0)
    assert world.observe(state, 1)["output"].tolist() == seen


def test_all_agents_are_paid_alike_for_the_outputs_last_action_and_fall_silent() -> None:
    world = unit_v0.world(multiplexer(bits=1), hidden=(2,))
    state = world.reset(KEY, Question(jnp.array([1, 0, 1], jnp.uint8)))  # the address says 1: the second data bit, 1
    for action, reward in ((1, 1.0), (0, -1.0)):
        moved = world.move(state, {"output": jnp.array([action], jnp.uint8)}, 0, 1)
        after, outcome = world.resolve(KEY, moved)
        assert {name: float(paid) for name, paid in outcome.reward.items()} == {"hidden0": reward, "output": reward}
        assert outcome.terminated and not outcome.truncated
        assert {name: float(value) for name, value in outcome.info.items()} == {
            "loss": -reward,
            "returns": reward,
            "episodes": 1,
        }
        assert not np.any(after.activity["output"])


@pytest.mark.parametrize(("x", "y"), [([0, 0, 1, 0, 0, 0], 1), ([1, 0, 0, 0, 1, 0], 1), ([0, 1, 1, 0, 1, 1], 0)])
def test_the_first_address_bit_of_a_multiplexer_is_the_most_significant(x: list[int], y: int) -> None:
    assert int(multiplexer(bits=2).right_answer(Question(jnp.array(x, jnp.uint8)))) == y


def test_questions_are_fair_coins() -> None:
    bits = jax.vmap(multiplexer(bits=5).init)(jax.random.split(KEY, 4000)).x
    assert bits.shape == (4000, 37)
    np.testing.assert_allclose(bits.mean(axis=0), 0.5, atol=4 * 0.5 / 4000**0.5)
    correlations = np.corrcoef(np.asarray(bits, float).T) - np.eye(37)
    assert np.abs(correlations).max() < 5 / 4000**0.5


def test_a_regression_answer_loses_the_square_of_its_error() -> None:
    task = scalar_regression()
    state = task.init(KEY)
    right = task.right_answer(state)
    x, first, second = (np.asarray(part, np.float64) for part in (state.x, task.first, task.second))
    np.testing.assert_allclose(right, np.maximum(np.maximum(x @ first, 0) @ second, 0)[0], rtol=1e-5, atol=1e-5)
    assert float(task.respond(KEY, state, right[None] + 2)[1].reward) == pytest.approx(-4, rel=1e-5)


def test_worlds_in_a_row_are_asked_the_same_while_their_agents_draw_their_own() -> None:
    run = begin(KEY, unit_v0.world(bits=2, repeats=3, hidden=(5,)), Uniform(), num_worlds=6)
    for _ in range(2):
        x = np.asarray(run.state.task.x[0])
        assert (x[:3] == x[0]).all() and (x[3:] == x[3]).all() and (x[0] != x[3]).any()
        run, _ = advance(run, 1)
    _, history = advance(run, 50)
    assert not (history.reward[0, :, 0] == history.reward[0, :, 1]).all()
    assert "no multiple" in refused(lambda: begin(KEY, run.world, Uniform(), num_worlds=4))


def test_a_task_without_repeats_asks_every_world_what_it_asked_before() -> None:
    alone, twins = (unit_v0.world(bits=2, repeats=repeats, hidden=(3,)) for repeats in (1, 2))
    one, other = (begin(KEY, world, Reinforce(), num_worlds=4) for world in (alone, twins))
    assert same_bits(one.state.task.x[0, :2], other.state.task.x[0, ::2])


@pytest.mark.parametrize("options", [{}, {"feedback": True, "sweeps": 1}], ids=["upward", "sweeps"])
def test_the_dictionary_face_passes_the_api_test_and_says_whose_turn_it_is(options: Any) -> None:
    env = unit_v0.parallel_env(bits=1, hidden=(3,), **options)
    parallel_api_test(env, 40)
    _, infos = env.reset(seed=0)
    turns = []
    while env.agents:
        turns.append((infos["hidden0_0"]["active"], infos["output_0"]["active"]))
        actions = {agent: 0 for agent in env.agents}
        _, rewards, terminations, _, infos = env.step(actions)
    assert turns == [(True, False), (False, True)] * (2 if options else 1) + [(True, False)] * bool(options)
    assert len(set(rewards.values())) == 1 and abs(rewards["output_0"]) == 1 and all(terminations.values())


def doings(world: Any, seen: Any) -> Any:
    """A probe: what everybody did and was paid."""
    return seen.actions, seen.outcome.reward


@pytest.mark.parametrize("task", [multiplexer(bits=1), pictures()], ids=["bits", "samples"])
def test_the_functional_face_plays_the_loops_story(task: Any) -> None:
    world = unit_v0.world(task, hidden=(3,))
    run, history = advance(begin(KEY, world, Reinforce()), 3, probes=(doings,), probe_interval=1)
    env, key = unit_v0.functional_env(task, hidden=(3,)), run_key(KEY, 0)
    obs, env_state = env.reset(world_key(reset_key(key), 0))
    assert obs["hidden0"].shape == (3, world.sizes[0]) and (obs["hidden0"] == obs["hidden0"][0]).all()
    for t in range(3):
        actions, paid = jax.tree.map(lambda x, t=t: x[0, t, 0], history.probes["doings"])
        for _ in range(2):
            _, env_state, reward, done, _ = env.step_env(world_key(round_key(key, t), 0), env_state, actions)
        assert done["__all__"] and float(reward["output"][0]) == float(paid["output"])
    assert same_bits(env_state.state.task, jax.tree.map(lambda x: x[0, 0], run.state.task))


def test_faces_that_do_not_fit_say_why() -> None:
    assert "hidden0 and output differ" in refused(lambda: unit_v0.vector_env(bits=1, hidden=(3,)))
    env = unit_v0.parallel_env(bits=1, hidden=(3,), units="gaussian")  # agents by name may differ in their spaces
    assert env.action_space("hidden0_0") == Box(-np.inf, np.inf, ()) and env.action_space("output_0") == Discrete(2)
    assert unit_v0.vector_env(bits=1, hidden=(), num_envs=2).num_envs == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": 3}, "hidden must be a tuple"),
        ({"hidden": (0,)}, "every size in hidden"),
        ({"units": "spikes"}, "units must be one of sign, bit, gaussian"),
        ({"output": "vote"}, "output must be one of softmax, unit"),
        ({"lateral": 1, "sweeps": 1}, "lateral must be True or False"),
        ({"feedback": True}, "give sweeps together with feedback"),
        ({"sweeps": 2}, "give sweeps together with feedback"),
        ({"hidden": (), "feedback": True, "sweeps": 1}, "nothing to act again with"),
        ({"bits": 0}, "bits must be"),
        ({"bit": 3}, "did you mean 'bits'"),
    ],
)
def test_a_world_that_cannot_be_is_refused_in_one_sentence(options: Any, sentence: str) -> None:
    assert sentence in refused(lambda: unit_v0.world("multiplexer", **options))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"units": "spikes"}, "units must be one of sign, bit, gaussian, but is 'spikes'."),
        ({"output": 1}, "output must be one of softmax, unit"),
        ({"hidden": 3}, "hidden must be a tuple"),
        ({"hidden": (2.5,)}, "every size in hidden"),
        ({"sweeps": -1}, "sweeps must be a whole number >= 0"),
        ({"feedback": True}, "give sweeps together with feedback"),
        ({"output": "unit", "task": control.acrobot()}, "use output='softmax'"),
        ({"repeats": 0}, "repeats must be a whole number >= 1"),
        ({"task": pictures()}, "synagents.envs.synapse_v0"),
    ],
)
def test_a_world_checks_itself_whoever_makes_it(change: Any, sentence: str) -> None:
    assert sentence in refused(lambda: replace(unit_v0.world(bits=1, hidden=(2,)), **change))


@pytest.mark.parametrize(
    ("learner", "options", "sentence"),
    [
        (MapPropagation(), {"hidden": (2, 2)}, "hidden units of kind gaussian, but those of hidden0 are sign"),
        (Reinforce(), {"units": "gaussian"}, "hidden units of kind sign or bit"),
        (Reinforce(), {"feedback": True, "sweeps": 1}, "build the world without feedback"),
        (Boltzmann(), {}, "build the world with feedback"),
        (Boltzmann(), {"feedback": True, "lateral": True, "sweeps": 1}, "cannot have lateral connections"),
        (Reinforce((0.1, 0.1, 0.1)), {}, "one for each of the 2 layers, but there are 3"),
        (MapPropagation((0.1,), variance=(1.0, 1.0, 1.0)), {"units": "gaussian"}, "variance must be one number"),
    ],
)
def test_a_learner_that_does_not_fit_says_what_would(learner: Any, options: Any, sentence: str) -> None:
    world = unit_v0.world(**{"bits": 1, "hidden": (3,)} | options)
    assert sentence in refused(lambda: learner.init(KEY, world.groups))


def test_a_hebbian_rule_without_any_negative_phase_is_refused_a_baseline_that_does_not_know_the_stimulus() -> None:
    assert "far from the gradient" in refused(lambda: Boltzmann(baseline="average"))


def test_the_functional_face_takes_floats_of_gaussian_units_and_whole_numbers_of_a_choice() -> None:
    env = unit_v0.functional_env("multiplexer", bits=1, hidden=(3,), units="gaussian")
    _, env_state = env.reset(KEY)
    drawn = {"hidden0": jnp.array([0.5, -1.0, 2.0]), "output": jnp.zeros(1, jnp.uint8)}
    _, env_state, *_ = env.step_env(KEY, env_state, drawn)
    np.testing.assert_array_equal(env_state.state.activity["hidden0"], drawn["hidden0"])
    wrong = {name: action.astype(jnp.int32) for name, action in drawn.items()}
    assert "hidden0 must be floats" in refused(lambda: env.step_env(KEY, env_state, wrong))
    wrong = {name: action.astype(jnp.float32) for name, action in drawn.items()}
    assert "output must be whole numbers" in refused(lambda: env.step_env(KEY, env_state, wrong))
