import jax.numpy as jnp
import numpy as np
import pytest

from synagents.learners.synapse.tabular import Hits, hits_of, learn_values, policy_gradient, pool
from tests.lives import lived


def hits(s: list[int], a: list[int], numbers: list[float]) -> tuple[Hits, jnp.ndarray]:
    blank = jnp.zeros(len(s))
    return Hits(jnp.asarray(s, jnp.uint8), jnp.asarray(a, jnp.uint8), blank, blank, blank > 0), jnp.asarray(numbers)


def test_a_cell_counts_its_hits_and_sums_their_numbers_over_all_groups() -> None:
    count, total = pool([hits([1, 1, 0], [2, 2, 0], [0.5, 0.25, 3.0]), hits([1], [2], [1.0])], (2, 3))
    assert count.tolist() == [[1, 0, 0], [0, 0, 3]]
    assert total.tolist() == [[3, 0, 0], [0, 0, 1.75]]


def test_per_agent_every_hit_moves_a_cell_and_per_step_all_hits_together_do() -> None:
    parts = [hits([0, 0, 1], [0, 0, 1], [4.0, 2.0, -1.0])]
    after = {rate: learn_values(jnp.ones((2, 2)), parts, 0.5, rate).tolist() for rate in ("per-agent", "per-step")}
    assert after["per-agent"] == [[1 + 0.75 * 3, 1], [1, 1 - 0.5]]
    assert after["per-step"] == [[1 + 0.5 * 3, 1], [1, 1 - 0.5]]


def test_the_gradient_of_a_softmax_row_is_what_was_done_less_what_was_likely_over_the_root_of_its_hits() -> None:
    policy = jnp.array([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    gradient = policy_gradient(policy, *pool([hits([0, 0, 0, 0], [0, 1, 1, 2], [1.0, 1.0, 1.0, 1.0])], (2, 3)), None)
    np.testing.assert_allclose(gradient[0], [(1 - 2) / 2, (2 - 1) / 2, 0], atol=1e-6)
    assert not gradient[1].any()  # nobody was there


def test_ten_times_as_many_draws_from_the_policy_make_no_longer_steps() -> None:
    rng, policy = np.random.default_rng(0), jnp.array([[0.5, 0.3, 0.2]])

    def typical(agents: int) -> float:
        steps = []
        for _ in range(200):
            drawn = rng.choice(3, agents, p=[0.5, 0.3, 0.2]).tolist()
            steps.append(policy_gradient(policy, *pool([hits([0] * agents, drawn, [1.0] * agents)], (1, 3)), None))
        return float(np.square(np.array(steps)).sum(axis=(1, 2)).mean())

    assert typical(20) == pytest.approx(0.5 * 0.5 + 0.3 * 0.7 + 0.2 * 0.8, rel=0.2)
    assert typical(200) == pytest.approx(typical(20), rel=0.3)


def test_hits_tell_the_history_that_followed_and_whether_it_is_worth_anything() -> None:
    transition = lived([[[3, 4]], [[5, 6]]], [[[0, 1]], [[2, 0]]], [[1], [-1]], terminated=[[True], [False]])
    hit = hits_of(transition, {"g": jnp.array([[7, 8]], jnp.uint8)})["g"]
    assert [part.tolist() for part in hit] == [
        [3, 4, 5, 6],
        [0, 1, 2, 0],
        [1, 1, -1, -1],
        [5, 6, 7, 8],
        [False, False, True, True],
    ]


def test_the_gradient_is_averaged_with_its_mirror_image() -> None:
    policy, mirror = jnp.full((3, 3), 1 / 3), jnp.array([2, 1, 0])
    pooled = pool([hits([0, 0, 1], [0, 1, 2], [1.0, 1.0, 2.0])], (3, 3))
    plain, tied = policy_gradient(policy, *pooled, None), policy_gradient(policy, *pooled, mirror)
    np.testing.assert_allclose(tied, (plain + plain[::-1, ::-1]) / 2, rtol=1e-6)
    assert tied[1, 2] == tied[1, 0] != 0  # the middle history is its own mirror image: up is as good as down
