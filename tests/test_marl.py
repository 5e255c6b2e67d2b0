"""Deep multi-agent learners against games that can be enumerated, and against the uniform policy."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import RepeatUndo, begin, registry, train
from synagents.benchmark import lines, scoring, suite
from synagents.benchmark.marl import kit, networks
from synagents.benchmark.marl.ippo import IPPO
from synagents.benchmark.marl.iql import IQL
from synagents.benchmark.marl.mappo import MAPPO
from synagents.benchmark.marl.qmix import QMIX
from synagents.benchmark.marl.recurrent_ippo import RecurrentIPPO
from synagents.benchmark.marl.vdn import VDN
from synagents.data import from_arrays
from synagents.envs import synapse_v0
from synagents.groups import observer
from synagents.loop import advance
from synagents.rounds import groups_shown
from synagents.tasks.datasets import from_dataset
from tests.claims import refused, same_bits
from tests.toys import MatrixGame, pictures

# Two agents with one policy. In the first game actions add up, and 1 is the best of each whatever the other does. The
# second is the climbing game (Claus & Boutilier 1998), whose best joint action (0, 0) is next to the worst.
ADDITIVE = np.float32([[0, 3, 1], [3, 6, 4], [1, 4, 2]])
CLIMBING = np.float32([[11, -30, 0], [-30, 7, 6], [0, 0, 5]])
SMALL: dict[str, Any] = {"hidden": (8,), "gamma": 0.0, "epsilon": 0.1, "learning_rate": 0.02, "minibatches": 1}
TRACES: dict[str, Any] = {"history": "trace", "memory": 1, "history_decay": (0.9, 0.98)}
TRACES |= {"reward": "delta", "batch_change": "reevaluate"}
ALL = list(registry.offers("benchmark.marl"))


def exact_ascent(payoff: np.ndarray, steps: int = 2000) -> np.ndarray:
    """Where the gradient of the mean payoff leads a softmax that both agents share, every joint action enumerated."""
    preferences = np.zeros(len(payoff))
    for _ in range(steps):
        policy = np.exp(preferences) / np.exp(preferences).sum()
        worth = (payoff + payoff.T) @ policy  # of each action of one agent, the other drawn from the policy
        preferences += 0.05 * policy * (worth - policy @ worth)
    return policy


def played(learner: Any, payoff: np.ndarray, rounds: int = 600) -> np.ndarray:
    """The policy that is learned in eight copies of a game."""
    run, _ = train(0, MatrixGame(payoff), learner, rounds, num_worlds=8, rollout_length=20)
    return np.asarray(learner.policy_table(jax.tree.map(lambda x: x[0], run.mind))[0])


def made(name: str, **options: Any) -> Any:
    """An algorithm, with those of the settings that it has."""
    constructor = registry.find("benchmark.marl", name)
    known = inspect.signature(constructor).parameters
    return constructor(**{setting: value for setting, value in options.items() if setting in known})


@pytest.mark.parametrize("name", ALL)
def test_where_actions_add_up_every_algorithm_finds_the_best_joint_action(name: str) -> None:
    assert ADDITIVE.max() == ADDITIVE[1, 1] == 6 and ADDITIVE.mean() < 3
    _, history = train(0, MatrixGame(ADDITIVE), made(name, **SMALL), 600, num_worlds=8, rollout_length=20)
    # all agents draw a tenth of their actions, of which a third is the best one: .93 * 3 + .07 * .5, twice
    assert np.asarray(history.reward)[:, -100:].mean() > 5.3


@pytest.mark.parametrize("learner", [IPPO(**SMALL), MAPPO(**SMALL)])
def test_in_the_climbing_game_ppo_ends_where_the_exact_gradient_ends(learner: Any) -> None:
    assert exact_ascent(CLIMBING).argmax() == 2  # the safe action: miscoordination is too dear, as is well known
    policy = played(learner, CLIMBING)
    assert policy.argmax() == 2 and policy[2] > 0.8


def test_values_of_a_sum_split_into_what_each_agent_adds() -> None:
    # In a game that is a sum, Q is the payoff, and its parts are those of the enumeration, in standard deviations.
    learner = VDN(**SMALL | {"epsilon": 1.0})  # all joint actions are equally likely
    run, _ = train(0, MatrixGame(ADDITIVE), learner, 600, num_worlds=8, rollout_length=20)
    trained, sight = jax.tree.map(lambda x: x[0], (run.mind.trained, run.mind.sight))
    parts = networks.Sight(*sight).policy(trained.params.difference)[0]
    parts = np.asarray(parts - parts.mean()) / np.sqrt(2)
    alone = ADDITIVE.mean(axis=1) - ADDITIVE.mean()
    np.testing.assert_allclose(parts, alone / ADDITIVE.std(), atol=0.1)


def test_independent_values_are_the_mean_over_what_the_others_do() -> None:
    learner = IQL(**SMALL | {"epsilon": 1.0})
    run, _ = train(0, MatrixGame(CLIMBING), learner, 600, num_worlds=8, rollout_length=20)
    trained, sight = jax.tree.map(lambda x: x[0], (run.mind.trained, run.mind.sight))
    parts = networks.Sight(*sight).policy(trained.params.difference)[0]
    alone = (CLIMBING + CLIMBING.T).mean(axis=1) / 2
    np.testing.assert_allclose(np.asarray(parts - parts.mean()), (alone - alone.mean()) / CLIMBING.std(), atol=0.15)


def test_what_a_team_expects_is_what_its_exploring_agents_do_on_average_by_hand() -> None:
    learner = VDN(hidden=(), epsilon=0.4)
    mind = learner.init(jax.random.key(0), MatrixGame(ADDITIVE).groups)
    params = jax.tree.map(jnp.zeros_like, mind.trained.params)
    params = params._replace(difference=((params.difference[0][0], jnp.array([0.0, 3.0, 0.0])),))  # centred: -1, 2, -1
    seen = networks.Seen(jnp.zeros((1, 2), jnp.int32), jnp.zeros((1, 0)))
    # the best action has .6 + .4 / 3, the others .4 / 3 each: 2 (.6 + .4 / 3) - 2 (.4 / 3) = 1.2 of each of two agents
    np.testing.assert_allclose(learner.expected(mind.sight, params, seen), [[2 * 1.2 / np.sqrt(2)]], rtol=1e-5)


def test_values_of_a_team_of_a_thousand_stay_within_what_rewards_allow() -> None:
    x = np.float32(np.random.default_rng(0).random((50, 8, 8)))
    task = from_dataset(from_arrays("noise", x, np.arange(50) % 10), batch_size=30)
    world = synapse_v0.world(task, hidden=(16,), step_size=0.01, interval=0, **TRACES)
    assert sum(group.size for group in world.groups) == 1210
    _, history = advance(begin(0, world, VDN()), 1200, rollout_length=50)
    most = 1 / (1 - VDN().gamma)  # of rewards with a spread of 1
    assert np.abs(np.asarray(history.metrics["value"])).max() < most


# What they share


def test_advantages_and_returns_are_those_of_the_papers_by_hand() -> None:
    reward, value = jnp.array([[1.0], [2.0]]), jnp.array([[0.5], [1.0]])
    last, goes_on = jnp.array([3.0]), jnp.ones((2, 1))
    # d = r + .5 V' - V = (1 + .5 - .5, 2 + 1.5 - 1) = (1, 2.5); A = (1 + .5 .8 2.5, 2.5)
    np.testing.assert_allclose(kit.advantages(reward, value, last, goes_on, 0.5, 0.8), [[2.0], [2.5]])
    # G1 = 2 + .5 3 = 3.5; G0 = 1 + .5 (.2 1 + .8 3.5)
    later = jnp.array([[1.0], [3.0]])
    np.testing.assert_allclose(kit.lambda_returns(reward, later, goes_on, 0.5, 0.8), [[2.5], [3.5]])
    # nothing is carried over the end of an episode
    np.testing.assert_allclose(kit.advantages(reward, value, last, 0 * goes_on, 0.5, 0.8), [[0.5], [1.0]])


def trace_world(observation: str, **options: Any) -> Any:
    told = TRACES | {"observation": observation} | options
    return synapse_v0.world(pictures(), hidden=(), step_size=0.01, interval=0, **told)


@pytest.mark.parametrize("observation", ["discrete", "box"])
def test_no_direction_of_a_weight_is_special(observation: str) -> None:
    world = trace_world(observation)
    learner, state = IPPO(), world.reset(jax.random.key(0))
    mind = learner.init(jax.random.key(1), world.groups)
    actor = jax.tree.map(lambda x: x + 0.3, mind.trained.params.actor)  # anything
    seen = world.observe(state)["layer0_weight"]
    resting = np.asarray(mind.sight.policy(actor, seen))
    np.testing.assert_allclose(resting[:, 0], resting[:, 2], rtol=1e-5)  # nothing has happened: down is as good as up
    if observation == "discrete":
        rows = np.asarray(mind.sight.policy(actor)).reshape(9, 9, 3, 3, 3)  # traces, action, reward; policy
        np.testing.assert_allclose(rows, rows[::-1, ::-1, ::-1, :, ::-1], rtol=1e-4, atol=1e-5)
        assert np.ptp(rows) > 0.1


def test_a_policy_over_codes_is_the_same_function_for_every_agent_as_its_table() -> None:
    world = trace_world("discrete")
    learner = IPPO()
    mind = learner.init(jax.random.key(1), world.groups)
    codes = jnp.arange(729)
    each = networks.outputs(mind.trained.params.critic, mind.sight.codes[codes])[:, 0]
    other = networks.outputs(mind.trained.params.critic, mind.sight.codes[codes][:, mind.sight.order])[:, 0]
    np.testing.assert_allclose(
        mind.sight.value(mind.trained.params.critic, codes), (each + other) / 2, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("observation", ["discrete", "box"])
def test_an_algorithm_plays_and_learns_whatever_form_observations_have(name: str, observation: str) -> None:
    learner = made(name, hidden=(4,), units=4, epochs=1, minibatches=2)
    run = begin(0, trace_world(observation), learner, num_worlds=2)
    after, history = advance(run, 10, rollout_length=5)
    assert np.isfinite(np.asarray(history.info["loss"])).all()
    assert jax.tree.structure(after.mind) == jax.tree.structure(run.mind)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), run.mind.trained.params, after.mind.trained.params)
    assert any(jax.tree.leaves(moved))


def test_only_a_central_critic_is_shown_the_global_state() -> None:
    world = trace_world("discrete")
    assert groups_shown(world, IPPO()) == world.groups
    learner = MAPPO(hidden=(4,))
    seen = observer(21 + 1 + 1)  # weights, a reward, the loss
    assert groups_shown(world, learner) == (*world.groups, seen)
    critic = begin(0, world, learner).mind.trained.params.critic
    assert critic[0][0].shape == (1, 23, 4)


def test_features_of_places_are_refused_and_unlike_agents_too() -> None:
    world = trace_world("box", features=True)
    assert "leave features out" in refused(lambda: begin(0, world, IPPO()))
    world = trace_world("multi-discrete")
    assert "observation='discrete'" in refused(lambda: begin(0, world, IPPO()))


@pytest.mark.parametrize(
    "wrong", [{"gamma": 2}, {"learning_rate": 0}, {"epochs": 0}, {"minibatches": 0}, {"epsilon": -1}]
)
@pytest.mark.parametrize("name", ALL)
def test_settings_out_of_range_are_refused(name: str, wrong: dict[str, Any]) -> None:
    assert next(iter(wrong)) in refused(lambda: made(name, **wrong))


def test_a_mixture_never_falls_when_an_agents_value_rises_and_counts_groups_not_agents() -> None:
    world = trace_world("discrete")
    learner = QMIX(hidden=(4,))
    mixer = begin(0, world, learner).mind.trained.params.mixer
    mixer = jax.tree.map(lambda x: x[0], mixer)
    assert mixer.membership.shape == (21, 2)  # 3 biases and 18 weights; each group's values add up over sqrt(n)
    np.testing.assert_allclose((mixer.membership**2).sum(axis=0), 1, rtol=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        seen = networks.Seen(jnp.zeros(21, jnp.int32), jnp.float32(rng.normal(size=23)))
        d, level = jnp.float32(rng.normal(size=21)), jnp.zeros(21)
        slope = jax.grad(lambda d, seen=seen, level=level: learner.team(mixer, level, d, seen)[0])(d)
        assert float(slope.min()) >= 0


def test_a_recurrent_policy_remembers_what_agents_no_longer_see() -> None:
    world = trace_world("discrete")
    learner = RecurrentIPPO(units=4)
    mind = learner.init(jax.random.key(0), world.groups)
    fresh = learner.begin_world(jax.random.key(0), mind, world.groups)
    seen = world.observe(world.reset(jax.random.key(1)))
    _, once, _ = learner.act(jax.random.key(2), mind, fresh, seen, 0, 0)
    _, twice, _ = learner.act(jax.random.key(2), mind, once, seen, 1, 0)
    assert not np.allclose(once.state, twice.state)  # the same is seen, and something else remembered
    # the mirrored life of agents who have seen nothing is their own
    np.testing.assert_allclose(once.state[0], once.state[1], rtol=1e-5)


def test_a_rollout_of_one_round_is_refused_as_its_rewards_have_no_spread() -> None:
    run = begin(0, trace_world("discrete"), IPPO(hidden=(4,)))
    assert "rollout_length such as 100" in refused(lambda: advance(run, 2))


def test_on_the_board_a_rollout_fits_batches_and_looks() -> None:
    world = synapse_v0.world(pictures(), hidden=(), interval=50, reward="delta", batch_change="reevaluate")
    assert scoring.rollout_of(IPPO(), world, 100_000) == 50
    assert scoring.rollout_of(IPPO(), synapse_v0.world("xor", interval=0), 9_900) == 99
    assert scoring.rollout_of(RepeatUndo(), world, 100_000) == 1


def test_in_worlds_of_another_size_an_actor_is_carried_and_a_central_critic_is_not() -> None:
    small, large = (synapse_v0.world("boundary", hidden=(h,), reward="delta", memory=1) for h in (2, 4))
    learner = MAPPO(hidden=(4,))
    learned, fresh = (learner.init(jax.random.key(k), groups_shown(w, learner)) for k, w in enumerate((small, large)))
    carried = learner.carried(learned, fresh).trained
    assert same_bits(carried.params.actor, learned.trained.params.actor)
    assert same_bits(carried.params.critic, fresh.trained.params.critic)
    assert same_bits(carried.optimizer, fresh.trained.optimizer)


def test_a_deep_line_of_the_board_has_its_short_name() -> None:
    assert lines.play(suite.SUITE["xor"].design(0), "ippo", {"epochs": 1}, runs=1).score.shape == (1, 101)
    assert "ippo" not in lines.lines()  # nobody searched its settings: it plays where it is named
