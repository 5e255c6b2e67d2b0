from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.hyperparameters import settings, static
from synagents.networks.mlp import MLP
from synagents.schedules import Switch
from synagents.tasks.multiplexer import multiplexer
from synagents.world import Network, Policy, Task
from tests.claims import refused, same_bits
from tests.oracle import base3
from tests.toys import pictures

KEY = jax.random.key(0)
NOBODY = Policy(lambda key: (), lambda key, memory, obs, turn: ({}, memory))


class Number(NamedTuple):
    x: Any
    target: Any


@settings
class Aim(Task):
    """One point x = 1; the loss is |w + b - target|, so everything can be done by hand. A refresh moves the target."""

    moved_target: float = 3.0
    in_shape: tuple[int, ...] = static(default=(1,))
    out_size: int = static(default=1)

    def init(self, key: Any) -> Number:
        del key
        return Number(jnp.ones((1, 1)), jnp.float32(2.0))

    def stimulus(self, state: Number) -> Any:
        return state.x

    def respond(self, key: Any, state: Number, out: Any) -> Any:
        del key
        return state, jnp.abs(out[0, 0] - state.target)

    def refresh(self, key: Any, state: Number) -> Number:
        del key
        return state._replace(target=jnp.float32(self.moved_target))

    def evaluate(self, state: Number, apply_fn: Any, part: Any) -> Any:
        return {"loss": self.respond(KEY, state, apply_fn(state.x))[1]}


class Unknown(Network):
    """Nobody wrote @settings above it."""

    def init(self, key: Any) -> Any:
        return {}

    def apply(self, params: Any, x: Any) -> Any:
        return x


def aiming(**options: Any) -> SynapseWorld:
    return SynapseWorld(MLP((1, 1), init_scale=0.0), Aim(), **{"step_size": 0.25, **options})


def act(world: SynapseWorld, state: Any, weight: int, bias: int, t: int = 0) -> Any:
    """Round t, in which the weight and the bias do -1, 0 or +1: the state after it, the reward and the loss."""
    actions = {"layer0_weight": jnp.array([weight + 1], jnp.uint8), "layer0_bias": jnp.array([bias + 1], jnp.uint8)}
    state, outcome = world.resolve(KEY, world.move(state, actions, t))
    assert same_bits(outcome.reward["layer0_weight"], outcome.reward["layer0_bias"])
    return state, float(outcome.reward["layer0_weight"]), float(outcome.info["loss"])


def test_an_episode_begins_at_code_40_with_the_loss_on_the_first_batch() -> None:
    world = aiming()
    state = world.reset(KEY)
    assert {name: codes.tolist() for name, codes in world.observe(state).items()} == {
        "layer0_weight": [40],
        "layer0_bias": [40],
    }
    assert float(state.loss) == 2


def test_a_weight_moves_by_the_step_size_and_a_bias_twice_as_far() -> None:
    world = aiming()
    state, _, _ = act(world, world.reset(KEY), 1, -1)
    assert float(state.weights["layer0_weight"][0, 0]) == 0.25
    assert float(state.weights["layer0_bias"][0]) == -0.5


def test_the_bias_gain_may_be_chosen() -> None:
    world = aiming(bias_gain=3.0)
    state, _, _ = act(world, world.reset(KEY), 0, 1)
    assert float(state.weights["layer0_bias"][0]) == 0.75


def test_reward_is_plus_one_when_the_loss_falls_and_minus_one_when_it_rises() -> None:
    world = aiming()
    state, reward, loss = act(world, world.reset(KEY), 1, 0)
    assert (reward, loss) == (1, 1.75)
    state, reward, loss = act(world, state, -1, 0)
    assert (reward, loss) == (-1, 2.0)


def test_an_equal_loss_counts_as_worse() -> None:
    world = aiming()
    state, reward, loss = act(world, world.reset(KEY), 0, 0)
    assert (reward, loss) == (-1, 2.0)
    assert world.observe(state)["layer0_bias"].tolist() == [base3([0, 0, 0, -1])]


def test_a_delta_reward_is_the_decrease_of_the_loss_and_its_sign_is_remembered() -> None:
    world = aiming(reward="delta")
    state, reward, _ = act(world, world.reset(KEY), 1, 1)
    assert reward == 0.75
    state, reward, _ = act(world, state, -1, 0)
    assert reward == -0.25
    state, reward, _ = act(world, state, 0, 0)
    assert reward == 0
    assert world.observe(state)["layer0_weight"].tolist() == [base3([-1, 0, -1, -1])]


def test_a_synapse_sees_its_own_actions_and_the_teams_rewards() -> None:
    world = aiming()
    state, first, _ = act(world, world.reset(KEY), 1, -1)
    state, second, _ = act(world, state, 0, 1)
    assert (first, second) == (-1, 1)
    codes = world.observe(state)
    assert codes["layer0_weight"].tolist() == [base3([1, 0, -1, 1])]
    assert codes["layer0_bias"].tolist() == [base3([-1, 1, -1, 1])]


def test_actions_are_laid_out_row_by_row() -> None:
    world = synapse_v0.world("xor", hidden=(), step_size=1.0, init_scale=0.0)
    state = world.reset(KEY)
    moves = {"layer0_weight": jnp.array([0, 1, 2, 2], jnp.uint8), "layer0_bias": jnp.array([1, 0], jnp.uint8)}
    moved = world.move(state, moves, 0)
    assert moved.weights["layer0_weight"].tolist() == [[-1, 0], [1, 1]]
    assert moved.weights["layer0_bias"].tolist() == [0, -2]


def test_the_step_size_follows_its_schedule_over_the_rounds_played() -> None:
    world = aiming(step_size=Switch(0.5, 0.125, 1))
    state, _, _ = act(world, world.reset(KEY), 1, 0, t=0)
    state, _, _ = act(world, state, 1, 0, t=1)
    assert float(state.weights["layer0_weight"][0, 0]) == 0.625


def test_after_a_new_batch_compare_pays_against_the_old_batch() -> None:
    world = aiming(batch_change="compare")
    state = world.refresh(KEY, world.reset(KEY))  # the loss of the same weights is now 3 and not 2
    assert float(state.loss) == 2
    _, reward, loss = act(world, state, 1, 0)
    assert (reward, loss) == (-1, 2.75)


def test_after_a_new_batch_reevaluate_pays_against_the_new_batch() -> None:
    world = aiming(batch_change="reevaluate")
    state = world.refresh(KEY, world.reset(KEY))
    assert float(state.loss) == 3
    _, reward, loss = act(world, state, 1, 0)
    assert (reward, loss) == (1, 2.75)


def test_a_new_batch_changes_neither_weights_nor_memories() -> None:
    world = aiming()
    state, _, _ = act(world, world.reset(KEY), 1, -1)
    fresh = world.refresh(KEY, state)
    for field in ("weights", "actions", "rewards"):
        assert same_bits(getattr(fresh, field), getattr(state, field))


def test_the_loss_for_probes_is_the_loss_that_is_paid() -> None:
    world = aiming()
    state, _, loss = act(world, world.reset(KEY), 1, -1)
    assert float(world.loss(state.weights, state.task)) == loss
    assert float(world.evaluate(KEY, state, NOBODY, "train")["loss"]) == loss


def test_the_gradient_runs_through_the_step_size() -> None:
    def loss_after_one_step_up(step_size: Any) -> Any:
        world = aiming(step_size=step_size)
        state = world.reset(KEY)
        return world.loss(world.move(state, {name: jnp.array([2]) for name in state.weights}, 0).weights, state.task)

    assert float(jax.grad(loss_after_one_step_up)(0.25)) == -3  # the weight moves once, the bias twice as far


def test_an_episode_never_ends_by_itself() -> None:
    world = aiming()
    _, outcome = world.resolve(KEY, world.reset(KEY))
    assert not outcome.terminated and not outcome.truncated


@pytest.mark.parametrize(
    ("memory", "digits", "codes"), [(1, "uint8", "uint8"), (3, "uint8", "uint16"), (6, "uint16", "uint32")]
)
def test_memories_take_the_smallest_type(memory: int, digits: str, codes: str) -> None:
    world = aiming(memory=memory)
    state, _, _ = act(world, world.reset(KEY), 1, -1)
    assert state.actions["layer0_bias"].dtype == state.rewards.dtype == digits
    assert world.observe(state)["layer0_bias"].dtype == codes
    assert world.groups[0].obs_space.n == 9**memory


def test_a_given_task_state_is_used_by_the_reset() -> None:
    world = aiming()
    state = world.reset(KEY, Number(jnp.ones((1, 1)), jnp.float32(5.0)))
    assert float(state.loss) == 5


def test_a_task_object_makes_the_same_world_as_its_name() -> None:
    by_name, by_object = synapse_v0.world("xor", interval=7), synapse_v0.world(synapse_v0.world("xor").task, interval=7)
    assert jax.tree.structure(by_name) == jax.tree.structure(by_object)


def test_a_world_is_hyperparameters_and_can_be_changed_by_replace() -> None:
    world = replace(aiming(), step_size=0.5)
    state, _, _ = act(world, world.reset(KEY), 1, 0)
    assert float(state.weights["layer0_weight"][0, 0]) == 0.5
    assert 0.5 in jax.tree.leaves(world)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "digit"}, "did you mean 'digits'?"),
        ({"task": "xor", "batch_size": 5}, "an option 'batch_size'"),
        ({"task": "digits", "batchsize": 5}, "did you mean 'batch_size'?"),
        ({"task": "digits", "batch_size": 2000}, "1 .. 1348"),
        ({"task": "digits", "batch_size": 0}, "1 .. 1348"),
        ({"task": "digits", "loss": "crossentropy"}, "did you mean 'cross-entropy'?"),
        ({"task": "digits", "held_out": 1.0}, "in (0, 1)"),
        ({"task": "idx"}, "name their folder"),
        ({"task": pictures(), "batch_size": 5}, "batch_size"),
        ({"task": "xor", "hidden": (0,)}, "at least one unit"),
        ({"task": "xor", "hidden": (3, -1)}, "at least one unit"),
        ({"task": "xor", "activation": "rely"}, "activation must be one of relu, tanh"),
        ({"task": "xor", "init_scale": -0.1}, "init_scale must lie in [0, inf]"),
        ({"task": "xor", "step_size": -1e-4}, "step_size must lie in [0, inf]"),
        ({"task": "xor", "step_size": Switch(1e-4, -1e-4, 10)}, "step_size must lie in [0, inf]"),
        ({"task": "xor", "step_size": float("nan")}, "step_size must lie in [0, inf]"),
        ({"task": "xor", "bias_gain": -1}, "bias_gain must lie in [0, inf]"),
        ({"task": "xor", "memory": 0}, "memory must be a whole number in 1 .. 9"),
        ({"task": "xor", "memory": 10}, "memory must be a whole number in 1 .. 9"),
        ({"task": "xor", "interval": 2.5}, "interval must be a whole number >= 0"),
        ({"task": "xor", "hidden": 3}, "hidden must be a tuple"),
        ({"task": "xor", "step_size": "0.1"}, "step_size must be a number"),
        ({"task": "xor", "interval": -1}, "interval must be a whole number >= 0"),
        ({"task": "xor", "reward": "cash"}, "reward must be one of sign, delta"),
        ({"task": "xor", "batch_change": "ignore"}, "compare, reevaluate"),
        ({"task": "xor", "hiden": (4,)}, "did you mean 'hidden'?"),
        ({"task": "xor", "network": MLP((3, 2))}, "cannot answer the task's samples, of shape (2,)"),
        ({"task": "xor", "network": MLP((2, 3))}, "wants 2 outputs for each sample"),
        ({"task": "xor", "network": MLP}, "derived from synagents.Network"),
        ({"task": multiplexer(bits=1)}, "synagents.envs.unit_v0"),
        ({"task": object()}, "synagents.envs.unit_v0"),
        ({"task": "xor", "network": Unknown()}, "JAX does not know the class Unknown: write @settings above it."),
    ],
)
def test_a_world_that_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(lambda: synapse_v0.world(**options))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reward": "banana", "step_size": -1}, "reward must be one of sign, delta, but is 'banana'."),
        ({"step_size": -1}, "step_size must lie in [0, inf]"),
        ({"step_size": Switch(1.0, -1.0, 3)}, "step_size must lie in [0, inf]"),
        ({"bias_gain": -1}, "bias_gain must lie in [0, inf]"),
        ({"memory": 10}, "memory must be a whole number in 1 .. 9"),
        ({"interval": -1}, "interval must be a whole number >= 0"),
        ({"candidates": 0}, "candidates must be a whole number >= 1"),
        ({"batch_change": True}, "batch_change must be one of compare, reevaluate"),
        ({"observation": "pixels"}, "discrete, multi-discrete, box"),
        ({"features": True}, "use observation='box'"),
        ({"features": "yes", "observation": "box"}, "features must be True or False"),
        ({"network": MLP((2, 2))}, "cannot answer the task's samples"),
        ({"task": synapse_v0.world("xor").task}, "cannot answer the task's samples"),
        ({"task": multiplexer(bits=1)}, "synagents.envs.unit_v0"),
        ({"network": None}, "derived from synagents.Network"),
    ],
)
def test_a_world_checks_itself_whoever_makes_it(change: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(lambda: replace(aiming(), **change))


def test_initial_weights_are_uniform_and_biases_zero() -> None:
    state = synapse_v0.world("digits", hidden=(), init_scale=0.1).reset(KEY)
    weights = np.asarray(state.weights["layer0_weight"])
    assert weights.shape == (64, 10) and not np.asarray(state.weights["layer0_bias"]).any()
    assert 0.095 < np.abs(weights).max() <= 0.1
    assert abs(weights.mean()) < 0.01 and abs(weights.std() - 0.2 / 12**0.5) < 0.005
