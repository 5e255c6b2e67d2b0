import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents.envs import synapse_v0
from synagents.learners.synapse.repeat_undo import RepeatUndo
from synagents.loop import advance, begin
from synagents.probes import Round
from synagents.world import World
from tests.claims import refused
from tests.oracle import base3
from tests.toys import group

DOWN, STAY, UP = 0, 1, 2


def policy(repeat: float = 0.4, memory: int = 2) -> np.ndarray:
    return np.asarray(RepeatUndo(repeat).init(jax.random.key(0), (group(5, histories=9**memory),)))


@pytest.mark.parametrize(
    ("action", "reward", "row"),
    [
        (-1, 1, [0.6, 0.2, 0.2]),  # 0.4 + 0.6 / 3 for what helped
        (0, 1, [0.2, 0.6, 0.2]),
        (1, 1, [0.2, 0.2, 0.6]),
        (-1, -1, [0, 0, 1]),  # undo what hurt
        (1, -1, [1, 0, 0]),
        (0, -1, [1 / 3, 1 / 3, 1 / 3]),  # nothing to undo
        (0, 0, [1 / 3, 1 / 3, 1 / 3]),  # at birth
    ],
)
def test_what_helped_is_repeated_and_what_hurt_undone(action: int, reward: int, row: list[float]) -> None:
    for older_action in (-1, 0, 1):
        for older_reward in (-1, 0, 1):
            code = base3([older_action, action, older_reward, reward])
            np.testing.assert_allclose(policy()[code], row, rtol=1e-6)


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_every_row_is_a_policy_and_only_the_last_round_counts(memory: int) -> None:
    rows = policy(memory=memory)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    assert len({row.tobytes() for row in rows}) == len({row.tobytes() for row in policy(memory=1)})


def test_with_repeat_one_a_rewarded_action_is_certain() -> None:
    assert policy(repeat=1.0)[base3([0, 1, 0, 1])].tolist() == [0, 0, 1]


def all_null(world: World, seen: Round) -> jax.Array:
    return jnp.all(jnp.concatenate(list(seen.actions.values())) == STAY)


def test_a_world_of_three_synapses_is_never_stuck_with_everybody_doing_nothing() -> None:
    world = synapse_v0.world("perceptron", hidden=(), step_size=0.01, interval=0)
    assert sum(g.size for g in world.groups) == 3
    run = begin(jax.random.key(0), world, RepeatUndo(), num_runs=8)
    _, history = advance(run, 3000, probes=(all_null,), probe_interval=1)
    null = np.asarray(history.probes["all_null"])[:, :, 0]
    assert null.any()
    for life in null:
        breaks = np.flatnonzero(~life)
        assert np.diff(breaks, prepend=-1, append=len(life)).max() - 1 <= 20


def test_agents_with_other_actions_are_refused() -> None:
    assert "three actions" in refused(lambda: RepeatUndo().init(jax.random.key(0), (group(5, actions=4),)))


@pytest.mark.parametrize("repeat", [-0.1, 1.1])
def test_a_repeat_that_is_no_probability_is_refused(repeat: float) -> None:
    assert "repeat must lie in [0, 1]" in refused(lambda: RepeatUndo(repeat))
