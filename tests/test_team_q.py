"""The shared table with credit for the team: against plain NumPy, its policies, and what the published update lacks."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import QTable, TeamQ, Uniform, advance, begin
from synagents.agents.codes import Histories, mirrored
from synagents.envs import synapse_v0
from synagents.learners.synapse.team_q import LARGEST, RIDGE, TeamMemory
from synagents.world import Group
from tests.claims import refused, same_bits
from tests.lives import lived
from tests.toys import group, pictures

KEY = jax.random.key(0)
AGENTS, WORLDS, ROUNDS = 40, 2, 3


def synapses(size: int = AGENTS, *, decays: int = 1, memory: int = 0) -> tuple[Group, ...]:
    return (replace(group(size, histories=9 ** (decays + memory)), about=Histories(memory, decays)),)


def by_hand(learner: TeamQ, q: np.ndarray, obs: Any, actions: Any, rewards: Any, last: Any, policy: Any) -> np.ndarray:
    """The equations, number by number: the table after T rounds of W worlds."""
    q, p = np.array(q, np.float64), RIDGE * np.eye(27)
    surprises = np.zeros(rewards.shape)
    for w in range(rewards.shape[1]):
        mean = variance = 0.0
        for t in range(len(rewards)):
            surprise = rewards[t, w] - mean
            variance += 0.1 * (surprise**2 - variance)
            mean += 0.1 * surprise
            surprises[t, w] = np.clip(surprise / np.sqrt(variance), -LARGEST, LARGEST)
    later = np.concatenate([obs[1:], last[None]])
    for t in range(len(rewards)):
        for w in range(rewards.shape[1]):
            n = obs.shape[2]
            deviation = np.zeros((9, 3))
            for s, a in zip(obs[t, w], actions[t, w], strict=True):
                deviation[s, a] += 1
                deviation[s] -= policy[t, w, s]
            deviation /= np.sqrt(n)
            phi = ((deviation + deviation[::-1, ::-1]) / 2).ravel()
            best = q.max(axis=1)
            y = surprises[t, w] + learner.gamma * (best[later[t, w]].sum() - best[obs[t, w]].sum()) / np.sqrt(n)
            gain = p @ phi / (learner.forget + phi @ p @ phi)
            fitted = (q.ravel() + gain * (y - phi @ q.ravel())).reshape(9, 3)
            fitted -= fitted.mean(axis=1, keepdims=True)
            p = (p - np.outer(gain, p @ phi)) / learner.forget
            p *= min(1, 27 * RIDGE / np.trace(p))
            q = (fitted + fitted[::-1, ::-1]) / 2
    return q


@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_an_update_is_recursive_least_squares_on_how_the_team_deviated_from_its_policy(gamma: float) -> None:
    rng = np.random.default_rng(0)
    obs, actions = rng.integers(0, 9, (ROUNDS, WORLDS, AGENTS)), rng.integers(0, 3, (ROUNDS, WORLDS, AGENTS))
    rewards, last = rng.normal(size=(ROUNDS, WORLDS)).astype(np.float32), rng.integers(0, 9, (WORLDS, AGENTS))
    policy = rng.dirichlet(np.ones(3), (ROUNDS, WORLDS, 9)).astype(np.float32)
    learner = TeamQ(gamma=gamma, forget=0.9)
    mind = learner.init(KEY, synapses())
    memory = TeamMemory(jnp.zeros(WORLDS), jnp.zeros(WORLDS))
    transition = lived(obs, actions, rewards)._replace(extras={0: jnp.asarray(policy)})
    later, _, _ = learner.update(KEY, mind, memory, transition, {"g": jnp.asarray(last)}, 0)
    expected = by_hand(learner, np.zeros((9, 3)), obs, actions, rewards, last, policy)
    np.testing.assert_allclose(later.values, expected, rtol=2e-3, atol=1e-5)


def taught(learner: Any, rounds: int = 300, agents: int = 2000) -> np.ndarray:
    """The values of history 5 after rounds in which all agents see it, act at random, and are paid for moving up."""
    rng = np.random.default_rng(0)
    obs, last = np.full((1, 1, agents), 5), {"g": jnp.full((1, agents), 5)}
    mind, policy = learner.init(KEY, synapses(agents)), jnp.full((1, 1, 9, 3), 1 / 3)
    memory, update = TeamMemory(jnp.zeros(1), jnp.zeros(1)), jax.jit(learner.update)
    for _ in range(rounds):
        actions = rng.integers(0, 3, obs.shape)
        reward = (actions - 1).sum(axis=2) / agents**0.5 + rng.normal(size=(1, 1))
        transition = lived(obs, actions, reward)._replace(extras={0: policy})
        if isinstance(learner, TeamQ):
            mind, memory, _ = update(KEY, mind, memory, transition, last, 0)
        else:
            mind, _ = update(KEY, mind, transition, last, 0)
    return np.asarray(learner.action_values(mind))[5]


def test_where_agents_are_many_the_published_update_values_all_actions_alike_and_the_teams_does_not() -> None:
    published, team = taught(QTable(adaptive=True, gamma=0.0)), taught(TeamQ())
    assert np.ptp(published) < 1e-3 < np.abs(published).max()
    assert team[2] > team[1] > team[0] and np.ptp(team) > 0.1


def test_policies_are_greedy_boltzmann_and_graded() -> None:
    values = jnp.zeros((9, 3)).at[0].set(jnp.array([0.4, 0, -0.4])).at[1].set(jnp.array([-0.1, 0, 0.1]))
    greedy, boltzmann, graded = (
        np.asarray(TeamQ(policy=name, epsilon=0.0, temperature=0.1, grade=2.0).probabilities(values, 0))  # type: ignore[arg-type]
        for name in ("greedy", "boltzmann", "graded")
    )
    assert greedy[:2].tolist() == [[1, 0, 0], [0, 0, 1]] and np.allclose(greedy[2], 1 / 3)
    np.testing.assert_allclose(boltzmann[1], np.exp([-1, 0, 1]) / np.exp([-1, 0, 1]).sum(), rtol=1e-5)
    np.testing.assert_allclose(graded[:3], [[1, 0, 0], [0, 0.5, 0.5], [0, 1, 0]], atol=1e-6)  # 2 x .2 / .8 moves
    explored = np.asarray(TeamQ(epsilon=0.3).probabilities(values, 0))
    np.testing.assert_allclose(explored[0], [0.8, 0.1, 0.1], atol=1e-6)


def test_histories_are_mirrored_in_evidence_and_actions_and_not_in_rewards() -> None:
    assert mirrored(synapses(decays=1, memory=0), "x").tolist() == list(range(8, -1, -1))
    codes = mirrored(synapses(decays=0, memory=1), "x").tolist()  # 3 a + R
    assert codes == [6, 7, 8, 3, 4, 5, 0, 1, 2]
    both = mirrored(synapses(decays=1, memory=1), "x")
    assert both[0] == 8 * 9 + 6 and (both[both] == np.arange(81)).all()


def world_of(**options: Any) -> synapse_v0.SynapseWorld:
    more = {"reward": "delta", "batch_change": "reevaluate", "interval": 50, "step_size": 5e-3, "hidden": (8,)}
    return synapse_v0.world(pictures(), **(more | options))  # type: ignore[arg-type]


def final_loss(world: synapse_v0.SynapseWorld, learner: Any) -> float:
    return float(advance(begin(1, world, learner), 3000)[1].info["loss"][0, -200:].mean())


@pytest.mark.parametrize("policy", ["greedy", "graded"])
def test_from_zeros_it_trains_hidden_units_and_the_random_policy_does_not(policy: Any) -> None:
    world = world_of(history="trace")
    assert final_loss(world, TeamQ(policy=policy)) < 0.6 < 0.9 < final_loss(world, Uniform())


def test_a_frozen_table_trains_and_stays_as_it_is() -> None:
    world, lean = world_of(history="trace"), np.linspace(-1, 1, 9)[:, None] * np.array([-1, 0, 1])
    learner = TeamQ(table=lean.astype(np.float32), adaptive=False, epsilon=0.5)
    run, history = advance(begin(1, world, learner), 3000)
    assert history.info["loss"][0, -200:].mean() < 0.6
    assert same_bits(run.mind.values[0], lean.astype(np.float32))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TeamQ(adaptive=False), "A frozen TeamQ needs a table"),
        (lambda: TeamQ(gamma=1.0), "gamma must be below 1"),
        (lambda: TeamQ(policy="best"), "policy must be one of greedy, boltzmann, graded"),  # type: ignore[arg-type]
        (lambda: TeamQ(forget=0.0), "forget must"),
        (lambda: TeamQ(table=np.zeros((81, 3))).init(KEY, synapses()), "these agents have 9 histories"),
        (lambda: TeamQ().init(KEY, (group(3),)), "must know what agents see"),
        (lambda: begin(0, synapse_v0.world(pictures()), TeamQ()), "reward='delta'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make: Any, sentence: str) -> None:
    assert sentence in refused(make)
