import numpy as np
import pytest

from synagents.probes.many_rounds import neighbours, reward_spectrum, team_size, travelled

RNG = np.random.default_rng(0)


def test_a_weight_that_goes_there_and_back_travels_and_does_not_arrive() -> None:
    assert travelled(np.array([[0.0, 0], [1, 1], [0, 2]])) == (2, 1)


def test_agents_that_move_as_one_are_a_team_of_one_and_independent_ones_are_many() -> None:
    one = RNG.integers(0, 3, (200, 1))
    assert team_size(np.tile(one, 10)) == pytest.approx(1)
    assert 9 < team_size(RNG.integers(0, 3, (2000, 10))) <= 10
    assert team_size(np.ones((5, 3))) == 0


def test_sixteen_rounds_tell_how_many_of_a_thousand_agents_are_independent() -> None:
    for independent in (1000, 100):
        drawn = RNG.integers(0, 3, (200, 16, independent))
        sizes = [team_size(np.repeat(rounds, 1000 // independent, axis=1)) for rounds in drawn]
        assert np.median(sizes) == pytest.approx(independent, rel=0.15) and np.std(sizes) < 0.3 * independent


def test_team_size_of_many_rounds_agrees_with_the_eigenvalues_of_the_covariance_whichever_side_is_longer() -> None:
    mixed = RNG.normal(size=(4000, 6)) @ RNG.normal(size=(6, 6))
    eigenvalues = np.linalg.eigvalsh(np.cov(mixed.T))
    assert team_size(mixed) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=0.01)
    few = mixed[:5]
    assert team_size(few) == pytest.approx(team_size(np.hstack([few, np.zeros((5, 2))])))


def test_independent_draws_are_within_the_bound_and_a_random_walk_is_not() -> None:
    draws = RNG.normal(size=5000)
    still = neighbours(draws)
    assert abs(still.correlation) < 1.5 * still.bound and still.bound == pytest.approx(1.96 / 5000**0.5)
    assert neighbours(np.cumsum(draws)).correlation > 0.9
    assert np.isnan(neighbours(np.ones(4)).correlation)


def test_alternating_rewards_are_all_in_the_shortest_octave() -> None:
    octaves = reward_spectrum(np.array([1.0, -1] * 32))
    assert octaves[0].shortest == 2 and octaves[0].share == pytest.approx(1)


@pytest.mark.parametrize("rounds", [63, 64])
def test_shares_of_the_spectrum_and_of_what_is_expected_add_to_one(rounds: int) -> None:
    octaves = reward_spectrum(RNG.normal(size=rounds))
    assert sum(o.share for o in octaves) == pytest.approx(1) == sum(o.expected for o in octaves)


def test_independent_draws_have_the_expected_spectrum_on_average() -> None:
    shares = np.mean([[o.share for o in reward_spectrum(RNG.normal(size=64))] for _ in range(2000)], axis=0)
    assert shares == pytest.approx([o.expected for o in reward_spectrum(RNG.normal(size=64))], abs=0.01)


def test_constant_rewards_have_no_spectrum() -> None:
    assert reward_spectrum(np.ones(8)) == []
