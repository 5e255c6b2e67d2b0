"""What the snapshots of an outer loop say of one life, round by round, before training and after.

The life is a fresh one in which the run is judged, and the same one in every snapshot: the same questions, the same
random numbers (`synagents.outer.replay`). `about_lives` says what many such lives earn.
"""

import numpy as np
from jaxtyping import Float

from synagents.probes.one_round import SATURATED
from synagents.report.panels import line, panel, picture
from synagents.run.config import Config
from synagents.run.files import Json
from synagents.run.snapshots import LEVELS, Snapshot

MOST_BYTES = 900_000  # of traces and activity in a page, before base64 makes them a third longer
CALLED = {"trace": "root of the mean squared trace"}  # what else than its name a number that is monitored is called


def about_life(config: Config, snapshots: list[Snapshot], *, share: int) -> Json | None:
    """One life as pictures over its rounds, and as panels; None where the snapshots hold no life.

    Args:
        config: of the run.
        snapshots: the first ones first; may be none.
        share: the number of runs in the page, among which its room is divided.
    """
    lived = [snapshot for snapshot in snapshots if "life.reward" in snapshot.arrays]  # older versions kept none
    if not lived:
        return None
    lives = {_moment(snapshot.step): snapshot for snapshot in (lived[0], lived[-1])}
    rounds, layers = _pictures(lives, MOST_BYTES // share)
    return {"steps": rounds, "layers": layers, "panels": _panels(config, lives)}


def about_lives(lives: Float[np.ndarray, "rows 4"]) -> Json:
    """Reward by round of fresh lives, before the first and after the last update; the rows are those of lives.csv."""
    rounds, lines = np.unique(lives[:, 0]), []
    for column, label in ((2, "before training"), (3, "after training")):
        own = np.array([lives[lives[:, 1] == run, column] for run in np.unique(lives[:, 1])])
        lines.append(line(label, rounds, own.mean(axis=0), own.min(axis=0), own.max(axis=0)))
    verdict = "Means over the lives in which a run is judged."
    return panel("What is earned in the lives of a run?", verdict, lines, "round of the life", "reward")


def _moment(step: int) -> str:
    return f"after {step:,} updates" if step else "before training"


def _panels(config: Config, lives: dict[str, Snapshot]) -> list[Json]:
    earned = {moment: snapshot.arrays["life.reward"] for moment, snapshot in lives.items()}
    sums = ", ".join(f"{float(rewards.sum()):.4g} {moment}" for moment, rewards in earned.items())
    verdict = f"It earns {sums}: the same life, with the same questions and random numbers."
    panels = [_over_rounds("What is earned in one life?", verdict, earned, "reward")]
    for name in next(iter(lives.values())).of("life-number"):
        values = {moment: snapshot.arrays[f"life-number.{name}"] for moment, snapshot in lives.items()}
        spans = "; ".join(f"{v.min():.3g} to {v.max():.3g} {moment}" for moment, v in values.items())
        called = CALLED.get(name, name)
        panels.append(_over_rounds(f"Within that life: {called}", f"It goes from {spans}.", values, called))
    return panels + _saturation(config, lives)


def _saturation(config: Config, lives: dict[str, Snapshot]) -> list[Json]:
    """The share of traces at their limit, where config.json says it."""
    limit = config["built"].get("world.limit")
    if not isinstance(limit, int | float) or not all(snapshot.of("life-trace") for snapshot in lives.values()):
        return []
    at_limit, rounds = {}, {}
    for moment, snapshot in lives.items():
        traces = [np.abs(own).reshape(len(own), -1) for own in snapshot.of("life-trace").values()]
        at_limit[moment] = (np.concatenate(traces, axis=1) >= SATURATED * limit).mean(axis=1)
        rounds[moment] = snapshot.arrays["life.rounds"]
    ends = ", ".join(f"{share[-1]:.0%} {moment}" for moment, share in at_limit.items())
    lines = [line(moment, rounds[moment], share) for moment, share in at_limit.items()]
    verdict = f"Traces within 5 % of {limit:g}, the largest that there are; at the end of the life {ends}."
    title = "Within that life: how many traces are at their limit?"
    return [panel(title, verdict, lines, "round of the life", "share of traces, 0 to 1")]


def _over_rounds(title: str, verdict: str, values: dict[str, np.ndarray], unit: str) -> Json:
    lines = [line(moment, np.arange(1, len(own) + 1), own) for moment, own in values.items()]
    return panel(title, verdict, lines, "round of the life", unit)


def _pictures(lives: dict[str, Snapshot], room: int) -> tuple[list[int], list[Json]]:
    """Traces and the map round by round, activity as one picture of all rounds; the last life first."""
    arrays = next(iter(lives.values())).arrays  # all snapshots of a run have the same
    rounds, size = arrays["life.rounds"], sum(own.nbytes for name, own in arrays.items() if name.startswith("life"))
    count = max(min(len(rounds), int(len(rounds) * room / (len(lives) * size))), 1)
    kept = np.linspace(len(rounds) - 1, 0, count).round().astype(int)[::-1]
    layers = [layer for moment, snapshot in reversed(lives.items()) for layer in _layers(snapshot, kept, moment)]
    return [int(one) for one in rounds[kept]], layers


def _layers(snapshot: Snapshot, kept: np.ndarray, moment: str) -> list[Json]:
    made = []
    for name, stack in _own(snapshot, "life-trace"):
        made.append(
            picture(f"traces, {name}", moment, stack[kept], [_largest(snapshot, "life-trace", name)] * len(kept))
        )
    for name, stack in _own(snapshot, "life-activity"):
        across = stack[kept].T[None]  # a column for every round
        made.append(picture(name, moment, across, [_largest(snapshot, "life-activity", name)], raster=True))
    if "life.map" in snapshot.arrays:
        ways = LEVELS * snapshot.arrays["life.map"][kept]
        made.append(picture("the map", moment, ways, [1.0] * len(kept), actions=("wall", "way", "agent")))
    return made


def _own(snapshot: Snapshot, kind: str) -> list[tuple[str, np.ndarray]]:
    """The arrays of a kind as they are stored, by name."""
    return [(name, snapshot.arrays[f"{kind}.{name}"]) for name in snapshot.of(kind)]


def _largest(snapshot: Snapshot, kind: str, name: str) -> float:
    return LEVELS * snapshot.scales.get(f"{kind}.{name}", 1.0)
