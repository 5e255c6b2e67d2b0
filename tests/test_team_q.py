"""The shared table with credit for the team: against plain NumPy, its policies, and what the published update lacks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import DoubleQ, ExpectedSarsa, QTable, Sarsa, TeamQ, Uniform, advance, begin
from synagents.agents.histories import Histories, mirrored
from synagents.agents.tables import Table
from synagents.envs import synapse_v0
from synagents.learners.synapse.team import LARGEST, RIDGE, TeamMemory, TeamMind, window
from synagents.world import Group
from tests.claims import refused, same_bits
from tests.lives import Rounds, lived, rounds_at_random
from tests.toys import group, pictures

KEY = jax.random.key(0)
AGENTS, WORLDS, ROUNDS = 40, 2, 3


def synapses(size: int = AGENTS, *, decays: int = 1, memory: int = 0) -> tuple[Group, ...]:
    return (replace(group(size, histories=9 ** (decays + memory)), about=Histories(memory, decays)),)


Total = Callable[
    ..., float
]  # of (own table, other table, policy, histories, actions): what a team may expect, in total
WORTH: dict[type, Total] = {
    TeamQ: lambda own, other, policy, s, a: own[s].max(axis=1).sum(),
    ExpectedSarsa: lambda own, other, policy, s, a: (policy[s] * own[s]).sum(),
    Sarsa: lambda own, other, policy, s, a: own[s, a].sum(),
    DoubleQ: lambda own, other, policy, s, a: other[s, own[s].argmax(axis=1)].sum(),
}


def by_hand(learner: Any, start: np.ndarray, lives: Rounds, policy: np.ndarray, coins: Any) -> np.ndarray:
    """The equations, number by number: the tables [U, 9, 3] after T rounds of W worlds; agents do what is best next."""
    rounds, worlds, n = lives.obs.shape
    surprises, best = np.zeros((rounds, worlds)), start.argmax(axis=1)
    for w in range(worlds):
        mean = variance = 0.0
        for t in range(rounds):
            surprise = lives.reward[t, w] - mean
            variance += 0.1 * (surprise**2 - variance)
            mean += 0.1 * surprise
            surprises[t, w] = np.clip(surprise / np.sqrt(variance), -LARGEST, LARGEST)
    tables = np.array([start] * learner.tables, np.float64)
    spreads = np.array([RIDGE * np.eye(27)] * learner.tables)
    for number, (t, w) in enumerate(np.ndindex(rounds, worlds)):
        u = coins[number]
        q, other, p = tables[u], tables[learner.tables - 1 - u], spreads[u]
        obs, actions, later = lives.obs[t, w], lives.actions[t, w], lives.later()[t, w]
        deviation = np.zeros((9, 3))
        for s, a in zip(obs, actions, strict=True):
            deviation[s, a] += 1
            deviation[s] -= policy[t, w, s]
        deviation /= np.sqrt(n)
        phi = ((deviation + deviation[::-1, ::-1]) / 2).ravel()
        after = WORTH[type(learner)](q, other, policy[t, w], later, best[later]) * (not lives.terminated[t, w])
        before = WORTH[type(learner)](q, other, policy[t, w], obs, actions)
        y = surprises[t, w] + learner.gamma * (after - before) / np.sqrt(n)
        gain = p @ phi / (learner.forget + phi @ p @ phi)
        fitted = (q.ravel() + gain * (y - phi @ q.ravel())).reshape(9, 3)
        fitted -= fitted.mean(axis=1, keepdims=True)
        p = (p - np.outer(gain, p @ phi)) / learner.forget
        spreads[u] = p * min(1, 27 * RIDGE / np.trace(p))
        tables[u] = (fitted + fitted[::-1, ::-1]) / 2
    return tables


@pytest.mark.parametrize("make", list(WORTH))
@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_an_update_is_recursive_least_squares_on_how_the_team_deviated_from_its_policy(make: Any, gamma: float) -> None:
    rng = np.random.default_rng(0)
    drawn = rounds_at_random(ROUNDS, WORLDS, AGENTS)
    lives = drawn._replace(obs=drawn.obs % 9, last=drawn.last % 9)
    policy = rng.dirichlet(np.ones(3), (ROUNDS, WORLDS, 9)).astype(np.float32)
    start = rng.normal(size=(9, 3)).astype(np.float32)
    start = (start + start[::-1, ::-1]) / 2
    start -= start.mean(axis=1, keepdims=True)
    learner = make(table=start, gamma=gamma, forget=0.9, epsilon=0.0)
    memory = TeamMemory(jnp.zeros(WORLDS), jnp.zeros(WORLDS))
    transition = lives.transition()._replace(extras={0: jnp.asarray(policy)})
    learned, _, _ = learner.update(KEY, learner.init(KEY, synapses()), memory, transition, lives.last_obs(), 0)
    coins = [int(learner.learns(jax.random.fold_in(KEY, number))) for number in range(ROUNDS * WORLDS)]
    assert len(set(coins)) == learner.tables
    expected = by_hand(learner, start, lives, policy, coins)
    np.testing.assert_allclose(learned.values, expected, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("most", [1, 7, 30])
def test_agents_take_turns_in_being_learned_from(most: int) -> None:
    agents = {"a": jnp.arange(20), "b": jnp.arange(10)}
    seen: dict[str, set[int]] = {"a": set(), "b": set()}
    for t in range(30):
        for name, own in window(agents, most, t)(agents).items():
            assert own.size == (agents[name].size if most == 30 else max(1, round(agents[name].size * most / 30)))
            seen[name] |= set(own.tolist())
    assert seen == {"a": set(range(20)), "b": set(range(10))}


def test_double_q_acts_by_the_mean_of_its_tables_which_is_what_it_leaves_on_disk() -> None:
    tables = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    mind = TeamMind(jnp.asarray(tables), jnp.zeros((2, 27, 27)), jnp.zeros(9, jnp.int32))
    np.testing.assert_allclose(DoubleQ().action_values(mind), tables.mean(axis=0), rtol=1e-6)
    seen = {"g": jnp.arange(9, dtype=jnp.uint8)}
    chosen, _, _ = DoubleQ(epsilon=0.0).act(KEY, mind, TeamMemory(jnp.zeros(()), jnp.zeros(())), seen, 0, 0)
    assert chosen["g"].tolist() == tables.mean(axis=0).argmax(axis=1).tolist()


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


ROUNDS_ONLY = Histories(memory=2)  # 81 rows, as a trace and one round have


def of(histories: Histories, credit: Any = "team") -> Table:
    return Table(np.zeros((histories.size, 3), np.float32), histories, credit)


def world_of(**options: Any) -> synapse_v0.SynapseWorld:
    more = {"reward": "delta", "batch_change": "reevaluate", "interval": 50, "step_size": 5e-3, "hidden": (8,)}
    return synapse_v0.world(pictures(), **(more | options))  # type: ignore[arg-type]


def final_loss(world: synapse_v0.SynapseWorld, learner: Any) -> float:
    return float(advance(begin(1, world, learner), 3000)[1].info["loss"][0, -200:].mean())


@pytest.mark.parametrize(
    "learner",
    [TeamQ(), TeamQ(policy="graded"), Sarsa(), ExpectedSarsa(), DoubleQ()],
    ids=lambda made: type(made).__name__,
)
def test_from_zeros_it_trains_hidden_units_and_the_random_policy_does_not(learner: Any) -> None:
    world = world_of(history="trace")
    assert final_loss(world, learner) < 0.6 < 0.9 < final_loss(world, Uniform())


def test_a_frozen_table_trains_and_stays_as_it_is() -> None:
    world, lean = world_of(history="trace"), np.linspace(-1, 1, 9)[:, None] * np.array([-1, 0, 1])
    learner = TeamQ(table=lean.astype(np.float32), adaptive=False, epsilon=0.5)
    run, history = advance(begin(1, world, learner), 3000)
    assert history.info["loss"][0, -200:].mean() < 0.6
    assert same_bits(run.mind.values[0, 0], lean.astype(np.float32))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TeamQ(adaptive=False), "A frozen TeamQ needs a table"),
        (lambda: TeamQ(gamma=1.0), "gamma must be below 1"),
        (lambda: TeamQ(policy="best"), "policy must be one of greedy, boltzmann, graded"),  # type: ignore[arg-type]
        (lambda: TeamQ(forget=0.0), "forget must"),
        (lambda: TeamQ(table=np.zeros((81, 3))).init(KEY, synapses()), "these agents have 9 histories"),
        (lambda: TeamQ(table=of(ROUNDS_ONLY)).init(KEY, synapses(memory=1)), "histories of 2 rounds"),
        (lambda: TeamQ(table=of(Histories(0, 1), "agent")).init(KEY, synapses()), "credit the agent"),
        (lambda: QTable(of(Histories(2), "team")).init(KEY, synapses(decays=0, memory=2)), "credit the team"),
        (lambda: TeamQ().init(KEY, (group(3),)), "must know what agents see"),
        (lambda: begin(0, synapse_v0.world(pictures()), TeamQ()), "reward='delta'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(make: Any, sentence: str) -> None:
    assert sentence in refused(make)


@pytest.mark.parametrize(
    ("table", "told"),
    [(3.5e38, "has shape ()"), ([[1e39] * 3] * 2, "has shape (2, 3)"), ("zeros", "an array of numbers")],
)
def test_what_is_no_table_of_these_agents_is_refused_in_a_sentence(table: Any, told: str) -> None:
    assert told in refused(lambda: TeamQ(table=table).init(KEY, synapses()))
