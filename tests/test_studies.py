"""What studies compute beside what they play: numbers that one can do by hand, and a plain loop of the rule."""

import math
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STUDIES = Path(__file__).resolve().parents[1] / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the study of the test's parameter defines."""
    monkeypatch.setattr(sys, "path", [str(STUDIES), *sys.path])
    return runpy.run_path(str(STUDIES / f"{request.param}.py"))


def mean_cosine_in_a_plane(agents: int, rounds: int, epsilon: float, rng: np.random.Generator) -> float:
    """Agents with traces of decay 0.98, as `trace` has them, whose loss is g w; the mean over rounds."""
    slope = rng.normal(size=agents)
    slope /= np.linalg.norm(slope)
    trace, usual, cosines = np.zeros(agents), 0.0, []
    for _ in range(rounds):
        forward = np.sign(trace)
        move = np.where(rng.random(agents) < epsilon, rng.integers(-1, 2, agents), forward)
        reward = -slope @ move
        trace = 0.98 * trace + (reward - usual) * (move - (1 - epsilon) * forward)
        usual += 0.1 * (reward - usual)
        cosines.append(reward / np.linalg.norm(move))
    return float(np.mean(cosines[200:]))


@pytest.mark.parametrize("study", ["alignment"], indirect=True)
@pytest.mark.parametrize("agents", [300, 3000])
def test_the_expected_cosine_is_that_of_agents_who_follow_traces_in_a_plane(study: dict[str, Any], agents: int) -> None:
    """The formula leaves out what the running mean of the rewards costs, about a twentieth."""
    expected, rng = study["expected"](agents), np.random.default_rng(0)
    assert mean_cosine_in_a_plane(agents, 1500, 0.5, rng) == pytest.approx(expected, rel=0.12)
    assert abs(mean_cosine_in_a_plane(agents, 1500, 1.0, rng)) < expected / 10  # who only draws


@pytest.mark.parametrize("study", ["alignment"], indirect=True)
def test_the_exponent_of_one_over_the_root_is_minus_a_half(study: dict[str, Any]) -> None:
    assert study["exponent"]([100, 400, 10_000], [0.3, 0.15, 0.03]) == pytest.approx(-0.5)
    assert study["expected"](1e8) * 1e4 == pytest.approx(0.437 * math.sqrt(99), rel=1e-3)


@pytest.mark.parametrize("study", ["table_in_time"], indirect=True)
def test_a_row_is_settled_when_it_is_for_the_last_time_what_it_stays(study: dict[str, Any]) -> None:
    rounds = [50, 100, 150, 200]
    assert study["settled"](np.array([True, False, True, True]), rounds) == 150
    assert study["settled"](np.array([False, False, False, True]), rounds) == 200
    assert study["settled"](np.array([True] * 4), rounds) == 50


@pytest.mark.parametrize("study", ["table_in_time"], indirect=True)
def test_a_layer_has_come_half_of_its_way_when_it_first_is_half_as_far_as_at_the_end(study: dict[str, Any]) -> None:
    assert study["half_way"](np.array([1.0, 2.0, 3.0, 2.5, 6.0]), [50, 100, 150, 200, 250]) == 150


@pytest.mark.parametrize("study", ["table_in_time"], indirect=True)
def test_shares_are_folded_about_the_middle_bucket_and_chance_fills_them_all(study: dict[str, Any]) -> None:
    folded = study["folded"](np.array([1, 2, 3, 4, 20, 30, 20, 12, 8]) / 100)
    np.testing.assert_allclose(folded, [0.20, 0.34, 0.23, 0.14, 0.09])
    assert sum(study["by_chance"]()) == pytest.approx(1)
    assert study["by_chance"]()[-1] == pytest.approx(0.0455, abs=1e-4)  # beyond two standard errors


@pytest.mark.parametrize("study", ["who_helps"], indirect=True)
def test_the_area_counts_pairs_in_the_right_order_and_ties_as_half(study: dict[str, Any]) -> None:
    auc = study["auc"]
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, True])) == 1
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([True, False, True])) == 0.5  # of two pairs one
    assert auc(np.array([5.0, 5.0]), np.array([True, False])) == 0.5
    assert math.isnan(auc(np.array([1.0]), np.array([True])))


@pytest.mark.parametrize("study", ["who_helps"], indirect=True)
def test_shuffled_values_stay_in_their_group(study: dict[str, Any]) -> None:
    values, group = np.arange(100.0), np.repeat([0, 1], 50)
    given = study["shuffled"](values, group, np.random.default_rng(0))
    assert not np.array_equal(given, values)
    np.testing.assert_array_equal(np.sort(given[:50]), values[:50])
    np.testing.assert_array_equal(np.sort(given[50:]), values[50:])


@pytest.mark.parametrize("study", ["who_helps"], indirect=True)
def test_in_a_plane_slopes_say_all_of_the_next_contribution_and_moves_nothing(study: dict[str, Any]) -> None:
    """Contributions are -g times the move: agents who draw help again as often as not, and slopes stay."""
    rng, agents = np.random.default_rng(0), 20_000
    slope, moves = rng.normal(size=agents), rng.integers(-1, 2, (2, agents)).astype(float)
    slope[:1000] = 0  # weights behind pixels that are never lit: they are nobody's
    worth = -slope * moves + 1e-15 * rng.normal(size=(2, agents))  # rounding gives also those a worth who did nothing
    lived = study["Lived"](
        *worth, *(-slope * moves), np.zeros(0), *moves, later=10 * moves[0], group=np.zeros(agents, int)
    )
    found = study["judged"](lived, 0)
    assert found["slope"] == pytest.approx(1) and found["same_slope"] == 1 and found["who_matters"] == pytest.approx(1)
    assert found["helped"] == pytest.approx(0.5, abs=0.02) and found["moved_again"] == pytest.approx(2 / 3, abs=0.02)
    for name in ("auc_helps_again", "auc_repeats", "shuffled_helps_again", "shuffled_drift"):
        assert found[name] == pytest.approx(0.5, abs=0.02), name
    assert found["auc_drift"] == 1  # who went on as in round t drifts down if, and only if, that helped
    assert found["drift_helped"] == 10 and found["drift_hurt"] == -10
