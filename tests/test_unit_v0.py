from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test
from synagents.envs import unit_v0

from synagents.keys import reset_key, round_key, run_key, world_key
from synagents.learners.unit.boltzmann import Boltzmann
from synagents.learners.unit.map_propagation import MapPropagation
from synagents.learners.unit.reinforce import Reinforce
from synagents.learners.uniform import Uniform
from synagents.loop import advance, begin
from synagents.tasks.multiplexer import Question, multiplexer
from synagents.tasks.scalar_regression import scalar_regression
from tests.claims import refused, same_bits

KEY = jax.random.key(0)


def test_every_layer_is_a_group_and_a_softmax_output_is_one_agent() -> None:
    world = unit_v0.world(bits=1, hidden=(4, 2))
    told = [(g.name, g.size, g.obs_space.shape, str(g.action_space), g.turns, g.sources) for g in world.groups]
    assert told == [
        ("hidden0", 4, (3,), "Discrete(2)", (0,), ("input",)),
        ("hidden1", 2, (4,), "Discrete(2)", (1,), ("hidden0",)),
        ("output", 1, (2,), "Discrete(2)", (2,), ("hidden1",)),
    ]
    assert [group.code for group in world.groups] == [(-1, 1), (-1, 1), ()]


def test_layers_that_settle_take_turns_sweep_by_sweep_and_end_given_the_output() -> None:
    one = unit_v0.world(bits=1, hidden=(4,), feedback=True, sweeps=2)
    assert [group.turns for group in one.groups] == [(0, 2, 4, 6), (1, 3, 5)]
    two = unit_v0.world(bits=1, hidden=(4, 2), feedback=True, lateral=True, sweeps=1)
    assert [group.turns for group in two.groups] == [(0, 4), (1, 3, 5), (2, 4)]
    assert [group.sources for group in two.groups] == [
        ("input", "hidden1", "hidden0"),
        ("hidden0", "output", "hidden1"),
        ("hidden1",),
    ]


@pytest.mark.parametrize(("units", "seen"), [("sign", [-1, 1, 1]), ("bit", [0, 1, 1]), ("gaussian", [0.5, -2, 3])])
def test_what_a_layer_does_is_what_the_next_one_sees(units: Any, seen: list[float]) -> None:
    world = unit_v0.world(bits=1, hidden=(3,), units=units)
    actions = jnp.array([0.5, -2, 3]) if units == "gaussian" else jnp.array([0, 1, 1], jnp.uint8)
    state = world.move(world.reset(KEY), {"hidden0": actions}, 0)
    assert world.observe(state, 1)["output"].tolist() == seen


def test_the_team_is_paid_alike_for_the_outputs_last_action_and_falls_silent() -> None:
    world = unit_v0.world(multiplexer(bits=1), hidden=(2,))
    state = world.reset(KEY, Question(jnp.array([1, 0, 1], jnp.uint8)))  # the address says 1: the second data bit, 1
    for action, reward in ((1, 1.0), (0, -1.0)):
        moved = world.move(state, {"output": jnp.array([action], jnp.uint8)}, 1)
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


def test_a_world_without_company_is_what_it_was() -> None:
    alone, twins = (unit_v0.world(bits=2, repeats=repeats, hidden=(3,)) for repeats in (1, 2))
    one, other = (begin(KEY, world, Reinforce(), num_worlds=4) for world in (alone, twins))
    assert same_bits(one.state.task.x[0, :2], other.state.task.x[0, ::2])


@pytest.mark.parametrize("options", [{}, {"feedback": True, "sweeps": 1}], ids=["upward", "settling"])
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


def test_the_functional_face_tells_the_loops_story() -> None:
    world = unit_v0.world(bits=1, hidden=(3,))
    run, history = advance(begin(KEY, world, Reinforce()), 3, probes=(doings,), probe_interval=1)
    env, life_key = unit_v0.functional_env(bits=1, hidden=(3,)), run_key(KEY, 0)
    obs, life = env.reset(world_key(reset_key(life_key), 0))
    assert obs["hidden0"].shape == (3, 3) and (obs["hidden0"] == obs["hidden0"][0]).all()
    for t in range(3):
        actions, paid = jax.tree.map(lambda x, t=t: x[0, t, 0], history.probes["doings"])
        for _ in range(2):
            _, life, reward, done, _ = env.step_env(world_key(round_key(life_key, t), 0), life, actions)
        assert done["__all__"] and float(reward["output"][0]) == float(paid["output"])
    assert same_bits(life.state.task, jax.tree.map(lambda x: x[0, 0], run.state.task))


def test_faces_that_do_not_fit_say_why() -> None:
    assert "hidden0 and output differ" in refused(lambda: unit_v0.vector_env(bits=1, hidden=(3,)))
    assert "use functional_env" in refused(lambda: unit_v0.parallel_env(bits=1, hidden=(3,), units="gaussian"))
    assert unit_v0.vector_env(bits=1, hidden=(), num_envs=2).num_envs == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hidden": 3}, "hidden must be a tuple"),
        ({"hidden": (0,)}, "every size in hidden"),
        ({"units": "spikes"}, "units must be"),
        ({"output": "vote"}, "output must be"),
        ({"feedback": True}, "give sweeps together with feedback"),
        ({"sweeps": 2}, "give sweeps together with feedback"),
        ({"hidden": (), "feedback": True, "sweeps": 1}, "nothing to settle with"),
        ({"bits": 0}, "bits must be"),
        ({"bit": 3}, "did you mean 'bits'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options: Any, told: str) -> None:
    assert told in refused(lambda: unit_v0.world("multiplexer", **options))


@pytest.mark.parametrize(
    ("learner", "options", "told"),
    [
        (MapPropagation(), {"hidden": (2, 2)}, "hidden units of kind gaussian, but those of hidden0 are sign"),
        (Reinforce(), {"units": "gaussian"}, "hidden units of kind sign or bit"),
        (Reinforce(), {"feedback": True, "sweeps": 1}, "no feedback"),
        (Boltzmann(), {}, "build the world with feedback"),
        (Boltzmann(), {"feedback": True, "lateral": True, "sweeps": 1}, "cannot have lateral connections"),
        (Reinforce((0.1, 0.1, 0.1)), {}, "one for each of the 2 layers, but there are 3"),
        (MapPropagation((0.1,), (1.0, 1.0, 1.0)), {"units": "gaussian"}, "variance must be one number"),
    ],
)
def test_a_learner_that_does_not_fit_says_what_would(learner: Any, options: Any, told: str) -> None:
    world = unit_v0.world(**{"bits": 1, "hidden": (3,)} | options)
    assert told in refused(lambda: learner.init(KEY, world.groups))


def test_a_hebbian_rule_without_any_negative_phase_is_refused_a_baseline_that_does_not_know_the_stimulus() -> None:
    assert "far from the gradient" in refused(lambda: Boltzmann(baseline="average"))


def test_the_functional_face_takes_floats_of_gaussian_units_and_whole_numbers_of_a_choice() -> None:
    env = unit_v0.functional_env("multiplexer", bits=1, hidden=(3,), units="gaussian")
    _, life = env.reset(KEY)
    drawn = {"hidden0": jnp.array([0.5, -1.0, 2.0]), "output": jnp.zeros(1, jnp.uint8)}
    _, life, *_ = env.step_env(KEY, life, drawn)
    np.testing.assert_array_equal(life.state.activity["hidden0"], drawn["hidden0"])
    wrong = {name: action.astype(jnp.int32) for name, action in drawn.items()}
    assert "hidden0 must be floats" in refused(lambda: env.step_env(KEY, life, wrong))
    wrong = {name: action.astype(jnp.float32) for name, action in drawn.items()}
    assert "output must be whole numbers" in refused(lambda: env.step_env(KEY, life, wrong))
