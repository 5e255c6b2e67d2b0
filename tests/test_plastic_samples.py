"""Plastic worlds of samples: node perturbation by agents, by hand, beside the optimizer, and through every face."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from synagents import Exponential, begin, evaluate, fit, open_run, preset, registry
from synagents.agents.perturbation import Perturbed, mean_product
from synagents.benchmark import lines, scoring, suite
from synagents.benchmark.optimizers import Problem
from synagents.benchmark.optimizers.node_perturbation import NodePerturbation, NPState
from synagents.envs import plastic_v0, synapse_v0
from synagents.envs.plastic_samples import PerturbedState, PerturbedWorld
from synagents.envs.plastic_v0 import PlasticWorld
from synagents.hyperparameters import settings
from synagents.learners.plastic.hebbian import Hebbian
from synagents.learners.plastic.perturbation import Perturbation
from synagents.loop import advance
from synagents.networks.mlp import MLP
from synagents.tasks.arrays import from_arrays
from synagents.tasks.datasets import digits
from synagents.tasks.samples import sample_losses
from synagents.world import Params, Task, each_agent, flat
from tests.claims import refused, same_bits
from tests.toys import pictures

KEY = jax.random.key(0)


def toy(**options: Any) -> PerturbedWorld:
    """6-4-3 on batches of 16 of 36 pictures, each kept for three rounds."""
    return plastic_v0.world(pictures(), **{"hidden": (4,), "activation": "tanh", "interval": 3} | options)


def acted(world: PerturbedWorld, learner: Perturbation, state: PerturbedState, t: int = 0) -> PerturbedState:
    """The state after the agents have moved."""
    actions, _ = learner.act(KEY, {}, world.observe(state, 0), t, 0)
    return world.move(state, actions, t, 0)


# The rule


def test_agents_make_the_steps_of_the_optimizer_that_has_none() -> None:
    world, learner, optimizer = toy(noise=0.05), Perturbation(0.5), NodePerturbation(0.5, noise=0.05)
    problem, nothing = Problem(world.network, world.task), jnp.float32(0)
    state, weights = world.reset(KEY), world.reset(KEY).weights
    key = jax.random.split(KEY, 3)[2]  # of the first passes
    for t in range(5):
        state = acted(world, learner, state)
        still = jax.tree.map(jnp.zeros_like, weights)
        drawn = jax.random.split(key)[0]
        weights = optimizer.step(drawn, problem, state.task, NPState(weights, still), nothing)[0].weights
        for name, weight in weights.items():
            np.testing.assert_allclose(state.weights[name], weight, rtol=1e-4, atol=1e-6)
        key = jax.random.key(t)
        state, _ = world.resolve(key, state)


def test_one_unit_and_two_samples_by_hand() -> None:
    x, target = np.float32([[1.0], [2.0], [3.0], [4.0]]), np.float32([0.5, 1.0, 1.5, 2.0])
    task = from_arrays(x, target, loss="mean-squared-error", batch_size=2)
    world = plastic_v0.world(task, hidden=(), noise=0.1, interval=0)
    state = world.reset(KEY)
    w, b = state.weights["layer0_weight"][0, 0], state.weights["layer0_bias"][0]
    weight, bias = 0.0, 0.0
    for sample in range(2):
        sent, wanted = state.task.x[sample, 0], state.task.target[sample, 0]
        z = state.noise[0][sample, 0]
        clean, noisy = (w * sent + b - wanted) ** 2, (w * sent + b + 0.1 * z - wanted) ** 2
        modulator = (clean - noisy) / 0.1
        weight, bias = weight + modulator * sent * z / 2, bias + modulator * z / 2
    after = acted(world, Perturbation(0.2), state)
    np.testing.assert_allclose(after.weights["layer0_weight"][0, 0], w + 0.2 * weight, rtol=1e-4)
    np.testing.assert_allclose(after.weights["layer0_bias"][0], b + 0.2 * bias, rtol=1e-4, atol=1e-6)


def test_the_mean_over_noise_is_a_step_down_the_gradient() -> None:
    world, learner = toy(noise=1e-2), Perturbation(1.0)
    state = world.reset(KEY)

    def step(key: Any) -> Any:
        felt, _ = world.resolve(key, state)
        return learner.act(KEY, {}, world.observe(felt, 0), 0, 0)[0]

    steps = jax.jit(jax.vmap(step))(jax.random.split(KEY, 4000))
    gradient = jax.grad(world.loss)(state.weights, state.task)
    for name, each in steps.items():
        error = np.abs(each.mean(axis=0) + gradient[name].reshape(-1)) / (each.std(axis=0) / 4000**0.5 + 1e-4)
        assert error.max() < 5


def test_the_step_size_is_a_schedule_over_rounds() -> None:
    world, falling = toy(), Perturbation(Exponential(0.4, 0.1, 10))
    first, last = (falling.act(KEY, {}, world.observe(world.reset(KEY), 0), t, 0)[0] for t in (0, 10))
    for name in first:
        np.testing.assert_allclose(first[name], 4 * last[name], rtol=1e-5)


def test_no_array_of_samples_times_synapses_is_made() -> None:
    world = plastic_v0.world(digits(batch_size=50), hidden=())
    state = world.reset(KEY)
    program = jax.make_jaxpr(lambda state: acted(world, Perturbation(), state))(state)
    assert max(out.aval.size for equation in program.jaxpr.eqns for out in equation.outvars) < 50 * 640


def test_samples_of_a_batch_have_losses_whose_mean_is_the_batchs() -> None:
    task = pictures()
    batch, out = task.init(KEY), jax.random.normal(KEY, (16, 3))
    np.testing.assert_allclose(sample_losses(task, batch, out).mean(), task.respond(KEY, batch, out)[1], rtol=1e-5)


# The world


def test_the_team_is_paid_by_how_much_the_loss_fell() -> None:
    world = toy()
    before = world.reset(KEY)
    after, outcome = world.resolve(KEY, acted(world, Perturbation(0.1), before))
    loss = world.loss(after.weights, after.task)
    np.testing.assert_allclose(outcome.info["loss"], loss, rtol=1e-6)
    for group in world.groups:
        np.testing.assert_allclose(
            outcome.reward[group.name], world.loss(before.weights, before.task) - loss, rtol=1e-4
        )


def test_a_new_batch_is_felt_with_the_next_passes_and_the_old_one_until_then() -> None:
    world = toy()
    old = world.reset(KEY)
    new = world.refresh(jax.random.key(1), old)
    assert not same_bits(new.task.x, old.task.x) and same_bits(world.observe(new, 0), world.observe(old, 0))
    after, outcome = world.resolve(KEY, new)
    felt = world.observe(after, 0)["layer0_weight"]
    assert same_bits(felt.pre[:, :, 0], new.task.x.reshape(16, -1))
    np.testing.assert_allclose(outcome.info["loss"], world.loss(new.weights, new.task), rtol=1e-6)


def test_every_batch_is_passed_through_in_as_many_rounds_as_it_is_kept() -> None:
    world = toy(interval=3)
    _, history = advance(begin(0, world, Perturbation(0.0)), 12)  # nobody moves, so that losses tell batches apart
    losses = np.round(np.asarray(history.info["loss"][0, :, 0]), 5)
    assert [len(set(losses[t : t + 3])) for t in (0, 3, 6, 9)] == [1] * 4 and len(set(losses)) == 4


def test_what_each_agent_sees_are_its_three_numbers_of_every_sample() -> None:
    world = toy()
    state = world.reset(KEY)
    seen = each_agent(world.observe(state, 0), world.groups)
    for group in world.groups:
        assert seen[group.name].shape == (group.size, 16, 3)
        assert group.obs_space.contains(np.asarray(seen[group.name][0]))
    np.testing.assert_array_equal(seen["layer0_weight"][4 * 5 + 2, 7], [state.inputs[0][7, 5], state.noise[0][7, 2],
                                                                       state.modulator[7]])  # fmt: skip
    np.testing.assert_array_equal(seen["layer1_bias"][1, 7], [1, state.noise[1][7, 1], state.modulator[7]])


def test_a_central_critic_sees_all_weights_and_the_loss() -> None:
    world = toy()
    state = world.reset(KEY)
    assert world.global_state(state).shape == (6 * 4 + 4 + 4 * 3 + 3 + 1,)
    assert world.global_state(state)[-1] == state.loss


def test_a_round_is_charged_two_passes_of_its_batch() -> None:
    world = plastic_v0.world("digits", hidden=(), batch_size=50, interval=3)
    assert scoring.spent(world, 10) == 2 * 50 * 10 + 2 * 50  # and those before the first round
    assert scoring.affordable(world, 100 * 101) == 100


# Faces


def step_of(seen: Any) -> np.float32:
    """What an outside policy makes of one agent's [B, 3]: the rule, with a step size of 0.1."""
    return np.float32(0.1 * np.mean(seen[:, 0] * seen[:, 1] * seen[:, 2]))


def trained(world: PerturbedWorld, rounds: int) -> np.ndarray:
    """All weights after as many rounds of the built-in learner, in run 0 of seed 5."""
    run, _ = advance(begin(5, world, Perturbation(0.1)), rounds)
    return flat_weights(world, run.state.weights)


def flat_weights(world: PerturbedWorld, weights: Params) -> np.ndarray:
    """All weights of the only network."""
    return np.asarray(flat(jax.tree.map(lambda x: x[0, 0], weights), world.groups))


def test_an_outside_policy_in_the_dictionary_face_trains_the_network_as_the_learner_does() -> None:
    env = plastic_v0.parallel_env(pictures(), hidden=(2,), interval=3)
    seen, _ = env.reset(seed=5)
    for _ in range(7):
        seen, *_ = env.step({agent: step_of(obs) for agent, obs in seen.items()})
    np.testing.assert_allclose(env.state()[:-1], trained(env.world, 7), rtol=1e-4, atol=1e-6)


def test_an_outside_policy_in_the_vector_face_trains_the_network_as_the_learner_does() -> None:
    env = plastic_v0.vector_env(pictures(), hidden=(), interval=3)
    seen, _ = env.reset(seed=5)
    weights = flat_weights(env.world, begin(5, env.world, Perturbation()).state.weights)
    for _ in range(7):
        assert env.observation_space.contains(seen)
        actions = np.array([step_of(obs) for obs in seen])
        weights, (seen, *_) = weights + actions, env.step(actions)
    np.testing.assert_allclose(weights, trained(env.world, 7), rtol=1e-4, atol=1e-6)


def test_the_faces_hold_to_their_libraries_rules() -> None:
    parallel_api_test(plastic_v0.parallel_env(pictures(), hidden=()), num_cycles=20)


# Learning, and a control


@settings
class AtRandom(Perturbation):
    """The control: uniform changes as large on average as the rule's would be."""

    def act(self, key: Any, mind: Any, obs: Any, t: Any, turn: int) -> Any:
        acted, _ = super().act(key, mind, obs, t, turn)
        sizes = {name: jnp.sqrt(3 * jnp.mean(action**2)) for name, action in acted.items()}
        return {
            name: size * jax.random.uniform(jax.random.fold_in(key, i), acted[name].shape, jnp.float32, -1, 1)
            for i, (name, size) in enumerate(sizes.items())
        }, ()


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_plastic_agents_learn_digits_and_agents_that_act_at_random_do_not(hidden: tuple[int, ...]) -> None:
    world = plastic_v0.world(digits(batch_size=100), hidden=hidden)
    right = []
    for kind in (Perturbation, AtRandom):
        run, _ = advance(begin(0, world, kind(Exponential(0.2, 0.02, 1500))), 1500)
        right.append(evaluate(run)["accuracy"].item())
    assert right[0] > 0.85 > 0.35 > right[1]


# Names


def test_samples_are_played_by_plastic_synapses_where_a_learner_of_theirs_is_named() -> None:
    assert registry.players("digits")[0] == "synapse" and registry.players("cue")[0] == "plastic"
    assert isinstance(preset("digits").world, synapse_v0.SynapseWorld)
    assert isinstance(preset("digits", "perturbation").world, PerturbedWorld)
    assert isinstance(plastic_v0.world("cue"), PlasticWorld)


def test_a_run_by_its_preset_goes_on_by_its_directory(tmp_path: Any) -> None:
    spec = preset("digits", "perturbation", rounds=20, hidden=(), batch_size=10)
    run, summary = fit(spec, tmp_path / "a", tell=lambda line: None)
    opened, read = open_run(tmp_path / "a")
    assert opened.t == 20 and read is not None and read["weights_sha256"] == summary["weights_sha256"]
    assert same_bits(opened.state.weights, run.state.weights)


def test_the_benchmark_plays_agents_beside_the_optimizer_that_is_told_as_much() -> None:
    told = lines.lines()
    assert told["perturbation"] == told["node-perturbation"] == "samples"
    small = suite.BenchmarkTask("xor", "xor", (4,), (), 8 * 101)
    agents, optimizer = (lines.play(small, line, runs=2) for line in ("perturbation", "node-perturbation"))
    np.testing.assert_allclose(agents.loss[:, 0], optimizer.loss[:, 0], rtol=1e-6)  # the same networks
    assert agents.cost[0] == 8 and agents.cost[-1] == 8 * 101


# Refusals


class Blank(NamedTuple):
    """A state without targets."""

    x: Any


@settings
class Unanswered(Task):
    """Scores outputs, but nobody knows by what."""

    in_shape = (2,)
    out_size = 1

    def init(self, key: Any) -> Blank:
        return Blank(jnp.ones((3, 2)))

    def stimulus(self, state: Blank) -> Any:
        return state.x

    def respond(self, key: Any, state: Blank, out: Any) -> Any:
        return state, jnp.mean(out)

    def refresh(self, key: Any, state: Blank) -> Blank:
        return state

    def evaluate(self, state: Blank, apply_fn: Any, part: Any) -> Any:
        return {"loss": jnp.mean(apply_fn(state.x))}


def test_learners_and_worlds_that_do_not_fit_are_refused() -> None:
    synapses, lives, samples = (synapse_v0.world("xor"), plastic_v0.world("cue"), toy())
    for world in (synapses, lives):
        assert "with a task of samples" in refused(lambda world=world: Perturbation().init(KEY, world.groups))  # type: ignore[misc]
    assert "with a task of lives" in refused(lambda: Hebbian().init(KEY, samples.groups))
    assert "hebbian does not fit digits" in refused(lambda: preset("digits", "hebbian"))
    assert "perturbation does not fit cue" in refused(lambda: preset("cue", "perturbation"))


def test_what_cannot_be_a_world_of_samples_is_refused() -> None:
    assert "no field `target`" in refused(lambda: plastic_v0.world(Unanswered()))
    assert "noise must lie in (0, inf]" in refused(lambda: toy(noise=0))
    assert "interval" in refused(lambda: toy(interval=-1))
    assert "did you mean 'noise'" in refused(lambda: plastic_v0.world("digits", niose=0.1))
    assert "hidden must be a tuple" in refused(lambda: toy(hidden=3))
    assert "an MLP" in refused(lambda: PerturbedWorld(object(), pictures()))  # type: ignore[arg-type]
    assert "answers no outputs" in refused(lambda: PerturbedWorld(MLP((6, 3)), registry.find("tasks", "cue")()))
    assert "step_size" in refused(lambda: Perturbation(-1.0))


def test_a_mean_product_is_the_mean_of_the_three_numbers_products() -> None:
    rng = np.random.default_rng(0)
    pre, noise, modulator = (jnp.asarray(rng.normal(size=shape)) for shape in ((5, 3, 1), (5, 1, 2), (5, 1, 1)))
    by_hand = np.mean(np.asarray(pre) * np.asarray(noise) * np.asarray(modulator), axis=0)
    np.testing.assert_allclose(mean_product(Perturbed(pre, noise, modulator)), by_hand.reshape(-1), rtol=1e-5)
