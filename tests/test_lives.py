"""Tasks that are lives: their course, and what random and ideal players earn, against simulations of them."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from jaxtyping import Array

from synagents.tasks.cue import cue
from synagents.tasks.maze import maze
from synagents.tasks.text import text
from synagents.world import LifeTask
from tests.claims import refused

LIVES = 3000
KEY = jax.random.key(0)
Player = Callable[[Any, Any, Any], tuple[Any, Any]]  # (key, what it knows, state) -> (action, what it knows)


def earned(task: LifeTask, knows: Any, act: Player, learn: Callable[[Any, Any, Any, Any], Any]) -> Array:
    """The rewards of many lives of a player, [lives]."""

    def one(key: Any) -> Array:
        def step(now: Any, key: Any) -> Any:
            state, known = now
            action, known = act(key, known, state)
            after, answer = task.respond(key, state, action)
            return (after, learn(known, state, action, answer.reward)), answer.reward

        start = (task.init(key), knows)
        return jax.lax.scan(step, start, jax.random.split(key, task.length))[1].sum()

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), LIVES))


def agrees(rewards: Array, level: float) -> None:
    """Within four standard errors, which are a tenth of it at most."""
    error = float(rewards.std()) / np.sqrt(len(rewards))
    assert abs(float(rewards.mean()) - level) < max(4 * error, 1e-6)
    assert 4 * error < max(0.1 * abs(level), 0.4)


def at_random(choices: int) -> Player:
    return lambda key, known, state: (jax.random.randint(jax.random.fold_in(key, 1), (), 0, choices), known)


def nothing_learned(known: Any, *_: Any) -> Any:
    return known


@pytest.mark.parametrize(("options", "ideal"), [({}, 7.77), ({"cues": 4, "bits": 20, "length": 120}, 16.2)])
def test_a_bayesian_of_cue_earns_what_the_task_says(options: dict[str, int], ideal: float) -> None:
    task = cue(**options)

    def shown(state: Any) -> Array:
        return jnp.isin(jnp.arange(task.cues), state.trial.shown)

    def act(key: Any, candidates: Array, state: Any) -> tuple[Array, Array]:
        return (2 * (candidates & shown(state)).sum() > candidates.sum()).astype(jnp.int32), candidates

    def learn(candidates: Array, state: Any, action: Array, reward: Array) -> Array:
        is_go, was_there = state.place == state.trial.slots + 1, (reward > 0) == (action == 1)
        return jnp.where(is_go, candidates & (shown(state) == was_there), candidates)

    agrees(earned(task, jnp.ones(task.cues, bool), act, learn), task.levels["ideal"])
    agrees(earned(task, (), at_random(2), nothing_learned), task.levels["random"])
    assert task.levels["ideal"] == pytest.approx(ideal, rel=0.01)  # what the planning's simulations said


def test_a_trial_of_cue_is_a_blank_its_cues_go_and_a_blank() -> None:
    task = cue(cues=4, bits=3, length=200)
    stimulus, respond = jax.jit(task.stimulus), jax.jit(task.respond)
    state = task.init(jax.random.key(1))
    assert len(set(np.asarray(state.cues).tolist())) == 4 and int(state.cues.max()) < 8
    rows, rewards = [], []
    for t in range(200):
        rows.append(np.asarray(stimulus(state)))
        last, (state, answer) = state, respond(jax.random.key(t), state, jnp.int32(1))
        rewards.append(float(answer.reward))
        if rows[-1][3]:
            shown = {int(c) for c in last.trial.shown if c < 4}
            assert len(shown) == 2 and rewards[-1] == (1 if int(last.target) in shown else -1)
        else:
            assert rewards[-1] == 0
        assert bool(answer.terminated) == (t == 199)
    table = np.array(rows)
    goes, cue_shown = np.flatnonzero(table[:, 3]), np.abs(table[:, :3]).sum(axis=1) == 3
    lengths = np.diff(goes)
    assert set(lengths) <= {5, 6, 7, 8} and len(set(lengths)) > 1
    for before, go in pairwise(goes):
        assert cue_shown[before + 1 : go].sum() == 2 and not cue_shown[[go, before + 1, before + 2]].any()
    np.testing.assert_array_equal(table[1:, 6], np.array(rewards[:-1], np.float32))  # the last reward is seen
    assert (table[1:, 8] == 1).all() and not table[0, 7:].any()  # so is the last action


@pytest.mark.parametrize(("size", "random", "omniscient"), [(9, 15.5, 416), (11, 7.8, 318)])
def test_who_knows_where_the_reward_is_earns_what_the_maze_says(size: int, random: float, omniscient: float) -> None:
    task = maze(size=size, length=200)
    free = len(task.cells)
    ways = np.abs(task.cells[:, None] - task.cells[None]).sum(axis=-1)
    ahead = ways == 1
    distance = np.where(np.eye(free, dtype=bool), 0, np.where(ahead, 1, free))
    for middle in range(free):  # Floyd and Warshall's algorithm
        distance = np.minimum(distance, distance[:, [middle]] + distance[[middle]])
    far = jnp.asarray(distance)

    def towards(key: Any, known: Any, state: Any) -> tuple[Array, Any]:
        steps = jax.vmap(lambda action: task.respond(key, state._replace(goal=jnp.int32(-1)), action)[0].at)
        return jnp.argmin(far[steps(jnp.arange(4)), state.goal]), known

    agrees(earned(task, (), towards, nothing_learned), task.levels["omniscient"])
    agrees(earned(task, (), at_random(4), nothing_learned), task.levels["random"])
    assert task.levels["omniscient"] == pytest.approx(omniscient, rel=0.05)
    assert task.levels["random"] == pytest.approx(random, rel=0.08)


def test_the_maze_has_pillars_and_a_free_centre() -> None:
    assert [len(maze(size=size).cells) for size in (5, 7, 9, 11)] == [9 - 1 + 1, 25 - 4, 49 - 9 + 1, 81 - 16]
    around = np.asarray(maze(size=5).stimulus(maze(size=5).init(jax.random.key(0))))[:9]
    assert not around.any()


def test_a_text_pays_the_bits_of_the_next_character(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abab" * 30)
    task = text(file=tmp_path / "t.txt", length=4)
    assert task.in_shape == (2,) and task.action_space == spaces.Discrete(2)
    for part, low, high in (("train", 0, 108), ("held_out", 108, 120)):
        states = [task.first(jax.random.key(seed), part) for seed in range(200)]  # type: ignore[arg-type]
        places = {int(state.at) for state in states}
        assert min(places) == low and max(places) == high - 5  # a whole life, and the character after it
    state = task.init(jax.random.key(1))
    is_b = int(state.at) % 2
    np.testing.assert_array_equal(task.stimulus(state), np.eye(2)[is_b])
    log_p = jnp.log(jnp.array([0.25, 0.75]))
    assert float(task.reward(state, log_p)) == pytest.approx((-2 if is_b else np.log2(0.75)) / 4)
    for t in range(4):
        right = (int(state.at) + 1) % 2
        assert [float(task.respond(KEY, state, jnp.int32(guess))[1].reward) for guess in (right, 1 - right)] == [1, 0]
        at, (state, answer) = int(state.at), task.respond(KEY, state, jnp.int32(0))
        assert bool(answer.terminated) == (t == 3) and (t == 3 or int(state.at) == at + 1)
    assert task.levels["random"] == -1 and task.levels["frequencies"] == pytest.approx(-1, abs=1e-6)
    assert -0.05 < task.levels["pairs"] < 0  # who counts pairs knows nearly everything


def test_a_text_that_cannot_be_forecast_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    assert "There is no text at" in refused(lambda: text(file=file))
    assert "name of a text, and not []" in refused(lambda: text(file=[]))  # type: ignore[arg-type]
    for content, told in (
        (b"", "is empty"),
        (b"a\xff", "not UTF-8 (byte 1)"),
        (b"abc" * 9, "too few for a life of 50"),
    ):
        file.write_bytes(content)
        assert told in refused(lambda: text(file=file))
    file.write_bytes(b"a" * 600)
    assert "repeats one character" in refused(lambda: text(file=file))


def test_the_usual_text_is_one_that_every_python_has() -> None:
    task = text()
    about = dict(task.description)
    assert about["train_characters"] > 300_000 and len(about["sha256"]) == 64
    assert task.levels["random"] < task.levels["frequencies"] < task.levels["pairs"] < -2


def test_what_cannot_be_is_refused() -> None:
    assert "must be odd, but is 8" in refused(lambda: maze(size=8))
    assert "size" in refused(lambda: maze(size=3))
    assert "must be even, but are 3" in refused(lambda: cue(cues=3))
    assert "only 4 different cues" in refused(lambda: cue(cues=6, bits=2))
    assert "length" in refused(lambda: cue(length=0))
