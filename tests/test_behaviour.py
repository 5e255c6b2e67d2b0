import numpy as np
import pytest

from synagents.report.behaviour import WINDOW, action_names, behaviour, entropy, shares
from synagents.run.snapshots import Snapshot

NUDGES = {"built": {"world.moves": "nudge"}}
RNG = np.random.default_rng(0)


def snapshots(*rows: object) -> list[Snapshot]:
    return [Snapshot(step, {"act.a": np.array(row, np.uint8)}, {}) for step, row in enumerate(rows)]


def lines(title: str, given: list[Snapshot]) -> dict[str, list[float]]:
    panel = next(one for one in behaviour(NUDGES, given) if one["title"].startswith(title))
    return {line["label"]: list(line["mean"]) for line in panel["lines"]}


def test_shares_and_entropy_by_hand() -> None:
    assert shares(np.array([0, 2, 2, 2]), 3).tolist() == [0.25, 0, 0.75]
    assert entropy(np.array([1.0, 0, 0])) == 0 and entropy(np.array([0.5, 0.5, 0])) == 1


def test_what_agents_choose_and_how_many_choose_otherwise() -> None:
    seen = snapshots([0, 0, 2, 2], [0, 1, 2, 2], [2, 2, 2, 2])
    assert lines("What do the agents choose", seen)["up"] == [0.5, 0.5, 1]
    assert lines("How undecided", seen)["a"] == [1, 1.5, 0]
    assert lines("How many agents", seen)["a"] == [0.25, 0.5]


def test_agents_that_move_together_are_fewer_than_independent_ones() -> None:
    one, many = (RNG.integers(0, 3, (WINDOW, n)) for n in (1, 500))
    title = "Do the agents act as one"
    together, apart = lines(title, snapshots(*np.tile(one, 500))), lines(title, snapshots(*many))
    assert together["team"] == [pytest.approx(1)]
    assert apart["team"] == pytest.approx([500], rel=0.5) and apart["all agents"] == [500]


def test_actions_are_named_as_the_world_means_them() -> None:
    seen = snapshots([0, 1, 1])
    assert action_names(NUDGES, seen) == ("down", "leave", "up")
    assert action_names({"built": {"world.moves": "set"}}, seen) == ("level 0", "level 1")
    assert action_names({"built": {}}, seen) == ("action 0", "action 1")


def test_weights_are_spread_between_their_quantiles() -> None:
    weights = [Snapshot(0, {"weights.a": np.arange(101.0)}, {}), Snapshot(5, {"weights.a": np.zeros(101)}, {})]
    [panel] = behaviour(NUDGES, weights)
    [own] = panel["lines"]
    assert (own["x"], list(own["low"]), list(own["mean"]), list(own["high"])) == ([0, 5], [5, 0], [50, 0], [95, 0])


def test_without_snapshots_nothing_is_said() -> None:
    assert behaviour(NUDGES, []) == []
