from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synagents import preset
from synagents.benchmark import lines, suite
from synagents.learners.choice import explore_others
from synagents.learners.synapse.evidence import Evidence, EvidenceMemory
from synagents.loop import advance, evaluate
from synagents.world import Transition
from tests.claims import refused, same_bits
from tests.toys import group

KEY = jax.random.key(0)


def memory(evidence: Any, worlds: int = 1) -> EvidenceMemory:
    """The same for every world: [A, n]."""
    zeros = jnp.zeros(worlds, jnp.float32)
    own = jnp.broadcast_to(jnp.array(evidence, jnp.float32), (worlds, *np.shape(evidence)))
    return EvidenceMemory({"synapses": own}, zeros, zeros, zeros)


def lived(actions: Any, reward: Any) -> Transition:
    """Actions [T, rows, n], rewards [T, rows]."""
    acted, paid = jnp.array(actions, jnp.uint8), {"synapses": jnp.array(reward, jnp.float32)}
    never = jnp.zeros(acted.shape[:2], bool)
    return Transition({"synapses": acted}, {"synapses": acted}, {0: ()}, paid, never, never)


def update(learner: Evidence, now: EvidenceMemory, transition: Transition) -> EvidenceMemory:
    return learner.update(KEY, (), now, transition, {"synapses": transition.obs["synapses"][-1]}, 0)[1]


def test_the_level_with_the_most_evidence_is_named_and_another_one_with_probability_epsilon() -> None:
    learner = Evidence(epsilon=0.0)
    chosen, _, _ = learner.act(KEY, (), EvidenceMemory(**_single([[1.0, 0, 0], [0, 2, 0], [0, 0, 1]])), {}, 0, 0)
    assert chosen["synapses"].tolist() == [0, 1, 2]
    many = {"synapses": jnp.full(40_000, 1)}
    explored = np.asarray(explore_others(KEY, many, jnp.float32(0.3), 4)["synapses"])
    shares = np.bincount(explored, minlength=4) / 40_000
    np.testing.assert_allclose(shares, [0.1, 0.7, 0.1, 0.1], atol=0.01)
    assert set(np.asarray(explore_others(KEY, many, jnp.float32(1.0), 2)["synapses"]).tolist()) == {0}


def _single(evidence: Any) -> dict[str, Any]:
    zero = jnp.float32(0)
    return {"evidence": {"synapses": jnp.array(evidence)}, "value": zero, "mean": zero, "variance": zero}


def test_a_better_team_than_usual_is_evidence_for_what_was_named_and_against_the_rest() -> None:
    learner = Evidence(evidence_decay=0.5, epsilon=0.2)
    after = update(learner, memory([[1.0, 1.0], [0.0, 0.0]]), lived([[[0, 1]]], [[2.0]]))
    # The first surprise is 2 / sqrt(.01 2^2) = 10, which counts as 3; level 0 was likely by .8, level 1 by .2.
    expected = [[0.5 + 3 * (1 - 0.8), 0.5 + 3 * (0 - 0.8)], [3 * (0 - 0.2), 3 * (1 - 0.2)]]
    np.testing.assert_allclose(after.evidence["synapses"][0], expected, rtol=1e-5)
    assert float(after.value[0]) == 2 and float(after.mean[0]) == pytest.approx(0.2)


def test_updates_are_those_of_a_plain_loop_over_rounds_worlds_candidates_and_agents() -> None:
    rng = np.random.default_rng(0)
    learner = Evidence(evidence_decay=0.9, epsilon=0.3, mean_rate=0.2)
    start = rng.normal(size=(3, 4))
    now, evidence = memory(start, 2), np.stack([start, start])
    value, mean, variance = np.zeros(2), np.zeros(2), np.zeros(2)
    for _ in range(5):
        actions, reward = rng.integers(0, 3, (2, 6, 4)), rng.normal(size=(2, 6))  # two worlds of three candidates
        now = update(learner, now, lived(actions, reward))
        best = evidence.argmax(axis=1)
        for t in range(2):
            evidence *= 0.9
            for w in range(2):
                values = value[w] + reward[t, 3 * w : 3 * w + 3]
                variance[w] += 0.01 * (((values - mean[w]) ** 2).mean() - variance[w])
                for c in range(3):
                    surprise = np.clip((values[c] - mean[w]) / np.sqrt(variance[w]), -3, 3)
                    for i in range(4):
                        for a in range(3):
                            likely = 0.7 if a == best[w, i] else 0.15
                            named = actions[t, 3 * w + c, i] == a
                            evidence[w, a, i] += surprise * (named - likely) / 3
                mean[w] += 0.2 * (values.mean() - mean[w])
                value[w] = values.max()
        np.testing.assert_allclose(now.evidence["synapses"], evidence, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(now.mean, mean, rtol=1e-4, atol=1e-6)


def test_the_first_level_is_drawn_and_evidence_of_all_levels_of_an_agent_adds_up_to_nothing() -> None:
    own = Evidence().begin_world(KEY, (), (group(1000, actions=4),)).evidence["g"]
    np.testing.assert_allclose(own.sum(axis=0), np.zeros(1000), atol=1e-6)
    assert np.bincount(np.asarray(own.argmax(axis=0)), minlength=4).min() > 200


def test_agents_that_nudge_are_refused_and_the_usual_network_has_levels() -> None:
    assert "moves='set'" in refused(lambda: preset("digits", "evidence", moves="nudge"))
    assert "may be any number" in refused(lambda: preset("digits", "evidence", network="mlp"))
    spec = preset("digits", "evidence")
    assert spec.about["network"] == "quantized" and spec.world.moves == "set" and spec.world.step_size is None


def test_the_benchmark_of_networks_of_any_numbers_has_no_such_line() -> None:
    assert "evidence" not in lines.fitting(suite.find("xor"))
    assert "names levels of weights" in refused(lambda: lines.play(suite.find("xor"), "evidence", runs=1))


@pytest.mark.parametrize("candidates", [1, 3])
def test_a_network_of_one_bit_learns_digits_and_uniform_agents_teach_it_nothing(
    optimized: None, candidates: int
) -> None:
    options: dict[str, Any] = {"network": "quantized", "batch_size": 200, "hidden": (32,), "candidates": candidates}
    spec = preset("digits", "evidence", rounds=3_000, **options)
    control = preset("digits", "uniform", moves="set", interval=200, rounds=3_000, **options)
    reached = [float(evaluate(advance(each.begin(), 3_000)[0])["accuracy"][0, 0]) for each in (spec, control)]
    assert reached[0] > 0.6 and reached[1] < 0.3


def test_worlds_learn_apart() -> None:
    learner, start = Evidence(epsilon=0.1), [[0.1, 0.0], [0.0, 0.1]]
    together = update(learner, memory(start, 2), lived([[[0, 1], [1, 1]]], [[1.0, -2.0]]))
    alone = [update(learner, memory(start), lived([[acted]], [[paid]])) for acted, paid in (([0, 1], 1), ([1, 1], -2))]
    for index, one in enumerate(alone):
        assert same_bits(jax.tree.map(lambda x, i=index: x[i : i + 1], together), one)  # type: ignore[misc]
