"""What the snapshots of a run say of its agents: weights in time, who changed, the policy, and the rewards."""

from typing import Any

import numpy as np

from synagents.agents.codes import NUM_ACTIONS
from synagents.agents.evidence import EDGES, NUM_BUCKETS
from synagents.agents.histories import Histories
from synagents.probes.many_rounds import neighbours, reward_spectrum, travelled
from synagents.report.behaviour import ACTIONS, action_names, behaviour
from synagents.report.life import about_life, about_lives
from synagents.report.panels import line, panel, picture
from synagents.run.config import Config
from synagents.run.files import Json
from synagents.run.snapshots import LEVELS, Snapshot

MOST_IMAGE_BYTES = 1_600_000  # of weights, actions and traces in a page, before base64 makes them a third longer
MOST_ROWS = 200  # of a policy's table
SIGNS = ("-", "0", "+")
KINDS = {"weights": "weights", "act": "last actions", "trace": "traces"}  # of arrays that are shown as pictures


def about_agents(config: Config, snapshots: list[Snapshot], lives: np.ndarray | None, *, share: int) -> Json:
    """The part of a run's report that its snapshots make.

    Args:
        config: of the run.
        snapshots: the first ones first; may be none.
        lives: lives.csv, f64[rows, 4], or None.
        share: the number of runs in the page, among which its room is divided.
    """
    panels = behaviour(config, snapshots) + (_rewards(snapshots) if snapshots else [])
    panels += [about_lives(lives)] if lives is not None else []
    steps, layers = _layers(config, snapshots, MOST_IMAGE_BYTES // share)
    return {
        "steps": steps,
        "layers": layers,
        "life": about_life(config, snapshots, share=share),
        "change": _change(snapshots),
        "policy": _policy(config, snapshots),
        "panels": panels,
    }


def _layers(config: Config, snapshots: list[Snapshot], room: int) -> tuple[list[int], list[Json]]:
    """Weights, actions and traces in time, in 8 bits: as many moments, evenly spaced, as there is room for."""
    last = snapshots[-1].arrays if snapshots else {}
    shown = [full for kind in KINDS for full in last if full.startswith(f"{kind}.")]
    count = min(len(snapshots), room // max(sum(last[full].size for full in shown), 1)) if shown else 0
    if not count:
        return [], []
    chosen = [snapshots[round(place)] for place in np.linspace(len(snapshots) - 1, 0, count)][::-1]
    names = action_names(config, snapshots)
    return [snapshot.step for snapshot in chosen], [_layer(config, chosen, full, names) for full in shown]


def _layer(config: Config, chosen: list[Snapshot], full: str, names: tuple[str, ...]) -> Json:
    """One array at all moments, as integers of which `largest` says what 127 stands for."""
    kind, _, name = full.partition(".")
    last = chosen[-1].arrays
    own, weights = last[full], last.get(f"weights.{name}")
    shape = weights.shape if weights is not None and weights.size == own.size else own.shape
    columns = shape[-1] if len(shape) > 1 else own.size
    pixels = config["built"].get("world.task.in_shape")
    rows = own.size // max(columns, 1)
    image = isinstance(pixels, list) and len(pixels) == 2 and rows == pixels[0] * pixels[1] and rows > 16
    stack = np.array([snapshot.arrays[full].ravel() for snapshot in chosen])
    largest = [snapshot.scales.get(full, 1.0) * LEVELS for snapshot in chosen]
    acts = kind == "act"
    if acts:  # around the middle action
        middle = (len(names) - 1) / 2
        stack, largest = np.round((stack / middle - 1) * LEVELS).astype(np.int8), [middle] * len(chosen)
    return picture(
        name,
        KINDS[kind],
        stack,
        largest,
        columns=columns,
        actions=names if acts else None,
        image=pixels if image else None,
    )


def _change(snapshots: list[Snapshot]) -> Json | None:
    """How far the weights of each array went and came, beside how large they were at first."""
    if len(snapshots) < 2:
        return None
    seen = [snapshot.of("weights") for snapshot in snapshots]
    rows: list[list[Any]] = []
    for name, first in seen[0].items():
        way = travelled(np.array([moment[name].ravel() for moment in seen]))
        before = float(np.sqrt(np.mean(first**2)))
        after = float(np.sqrt(np.mean(seen[-1][name] ** 2)))
        relative = way.displacement / before if before > 0 else None
        rows.append([name, way.displacement, relative, way.distance, before, after])
    if not rows:
        return None
    verdict = _most_changed(rows)
    head = ["array", "moved from start, mean |Δw|", "as a multiple of the size at start", "way at snapshots, mean"]
    return {"head": [*head, "size at start, rms", "size now, rms"], "rows": rows, "verdict": verdict}


def _most_changed(rows: list[list[Any]]) -> str:
    """The array that changed most, beside its size at the start and in units of weights: biases begin at 0."""
    far = max(rows, key=lambda row: row[1])
    absolute = f"In units of weights {far[0]} moved furthest, by {far[1]:.3g} on average"
    absolute += ", but it began at 0." if far[2] is None else "."
    if not (grown := [row for row in rows if row[2] is not None]):
        return absolute
    own = max(grown, key=lambda row: row[2])
    return f"{own[0]}: it moved by {own[2]:.3g} times its size at the start. {absolute}"


def _policy(config: Config, snapshots: list[Snapshot]) -> Json | None:
    """The table of the last snapshot, with the share of agents in each row over the last half of the run."""
    if not snapshots or "table" not in snapshots[-1].arrays:
        return None
    table = snapshots[-1].arrays["table"]
    histories = _histories(config, *table.shape)
    visits = np.zeros(len(table))
    for snapshot in snapshots[len(snapshots) // 2 :]:
        for codes in snapshot.of("seen").values():
            visits += np.bincount(codes.astype(np.int64), minlength=len(table))[: len(table)]
    visits = 100 * visits / max(visits.sum(), 1)
    order = np.argsort(-visits, kind="stable")[:MOST_ROWS]
    order = np.sort(order) if len(table) <= MOST_ROWS else order
    names = ACTIONS if table.shape[1] == NUM_ACTIONS else tuple(f"level {a}" for a in range(table.shape[1]))
    rows = [
        {"name": _row_name(histories, int(i)), "values": [float(v) for v in table[i]], "visited": float(visits[i])}
        for i in order
    ]
    return {
        "actions": [f"value of {name}" for name in names],
        "rows": rows,
        "most": float(visits.max()) or 1.0,
        "verdict": _after_bad(histories, table, visits, names),
    }


def _histories(config: Config, size: int, actions: int) -> Histories | None:
    """What the rows of a table of so many histories mean; None where config.json does not say."""
    memory = config["built"].get("world.memory")
    if not isinstance(memory, int):
        return None
    traces = round(np.log(size / (3 * actions) ** memory) / np.log(NUM_BUCKETS))
    histories = Histories(memory, max(traces, 0), actions)
    return histories if histories.size == size else None


def _row_name(histories: Histories | None, row: int) -> str:
    if histories is None:
        return f"row {row}"
    digits = [int(digit) for digit in np.unravel_index(row, histories.bases)]
    traces, rest = digits[: histories.decays], digits[histories.decays :]
    did, paid = rest[: histories.memory], rest[histories.memory :]
    names = ACTIONS if histories.actions == NUM_ACTIONS else tuple(map(str, range(histories.actions)))
    parts = [f"evidence {_bucket(bucket)}" for bucket in traces]
    parts += (
        ["did " + ", ".join(names[a] for a in did) + "; reward " + ", ".join(SIGNS[r] for r in paid)] if did else []
    )
    return "; ".join(parts)


def _bucket(bucket: int) -> str:
    """A bucket of evidence in words, in standard errors, positive for up."""
    if bucket == 0:
        return f"≤ {EDGES[0]:g} (for down)"
    if bucket == NUM_BUCKETS - 1:
        return f"> {EDGES[-1]:g} (for up)"
    return f"{EDGES[bucket - 1]:g} to {EDGES[bucket]:g}"


def _after_bad(histories: Histories | None, table: np.ndarray, visits: np.ndarray, names: tuple[str, ...]) -> str:
    """What agents prefer after the last round was bad, weighted by how often they are there."""
    best = table.argmax(axis=1)
    if histories is None or (histories.memory == 0 and histories.decays == 0):
        return "The best action of a row is the one of the largest value."
    digits = np.stack(np.unravel_index(np.arange(len(table)), histories.bases))
    if histories.memory == 0:
        return _by_evidence(digits[0], best, table.shape[1] - 1, visits)
    bad, last = digits[-1] == 0, digits[histories.decays + histories.memory - 1]
    total = max(visits[bad].sum(), 1e-9)
    repeat, undo = (visits[bad & (best == own)].sum() / total for own in (last, table.shape[1] - 1 - last))
    favourite = int(np.argmax([visits[bad & (best == a)].sum() for a in range(table.shape[1])]))
    return (
        f"After a bad round the best action repeats the last one in {repeat:.0%} of visits and is its opposite in "
        f"{undo:.0%}; most often it is {names[favourite]}."
    )


def _by_evidence(bucket: np.ndarray, best: np.ndarray, last: int, visits: np.ndarray) -> str:
    """What agents prefer that see no single round: actions are numbers from 0, for down, to `last`, for up."""
    middle = (NUM_BUCKETS - 1) / 2
    said, does = np.sign(bucket - middle), (best == last).astype(int) - (best == 0)
    total = max(visits[said != 0].sum(), 1e-9)
    along, other = (visits[(said != 0) & (does == side * said)].sum() / total for side in (1, -1))
    return (
        "Agents go by the evidence of many rounds, not by the last one: a bad round is evidence against what they "
        f"just did. Where it is for down or for up, the best action goes that way in {along:.0%} of visits, "
        f"the other way in {other:.0%}."
    )


def _rewards(snapshots: list[Snapshot]) -> list[Json]:
    """Whether rewards say more than noise: neighbours over time, and the spectrum of the last look."""
    there = [snapshot for snapshot in snapshots if snapshot.arrays["rewards"].size > 3]
    if not there:
        return []
    noise = [neighbours(snapshot.arrays["rewards"]) for snapshot in there]
    steps = [snapshot.step for snapshot in there]
    r = np.array([each.correlation for each in noise])
    bound = np.array([each.bound for each in noise])
    known = np.isfinite(r)
    beyond = float(np.mean(np.abs(r[known]) > bound[known])) if known.any() else 0.0
    mean = np.array([float(snapshot.arrays["rewards"].mean()) for snapshot in there])
    chance_of = 0.05 + 2 * (0.05 * 0.95 / len(there)) ** 0.5  # two standard errors above the share that draws have
    said = "Yes" if beyond > chance_of else "Hardly"
    verdict = (
        f"{said}: in {beyond:.0%} of snapshots the rewards of neighbouring rounds are correlated more than 95 % of "
        "independent draws are."
    )
    correlated = line("correlation of neighbouring rewards", steps, r)
    chance = line("independent draws (95 %)", steps, 0 * bound, -bound, bound)
    panels = [
        panel("Do the rewards say more than noise?", verdict, [correlated, chance], "step", "correlation, -1 to 1"),
        panel(
            "How large are the rewards?",
            "Mean over the rounds since the last look.",
            [line("mean reward", steps, mean)],
            "step",
            "reward",
        ),
    ]
    octaves = reward_spectrum(there[-1].arrays["rewards"])
    if octaves:
        periods = [octave.shortest for octave in octaves]
        lines = [
            line("rewards", periods, np.array([octave.share for octave in octaves])),
            line("independent draws", periods, np.array([octave.expected for octave in octaves])),
        ]
        text = (
            "The variance of the last look's rewards by period: above the second line at long periods, rewards drift."
        )
        panels.append(
            panel("Over which periods do rewards vary?", text, lines, "period, rounds", "share of variance, 0 to 1")
        )
    return panels
