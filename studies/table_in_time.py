"""What the shared table learns when, in which histories agents are meanwhile, and which layers move first.

    python studies/table_in_time.py [--seeds 10]
    python studies/table_in_time.py --table [--plot docs/table_in_time.png]

`team-q` learns its table from zeros while it trains 64-32-32-10 on digits: 3,466 agents, of whom each sees in which of
nine buckets its own evidence is. No direction of a weight is special, so that four rows say it all: evidence of 0.15 to
0.5, to 1, to 2 and of more standard errors, for one direction. A row's direction is up where its value of following the
evidence is above that of going against it; it is settled at the first look from which on it stays as it is at the end.

The step is constant, so that no schedule says when weights move. A layer's displacement is the mean of |w(t) - w(0)|;
weights that walk at random have come half of their way after a quarter of the rounds, those that go straight after half
of them. Controls: `frozen`, the same with the table that travels with the package, and `uniform`, agents who draw. A
cell is one training with a seed that also draws the split; it leaves one line in results/table_in_time.jsonl.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, compilations, interval, percent, tell
from jaxtyping import Bool, Float
from scipy import stats

from synagents import advance, evaluate, preset
from synagents.agents.evidence import EDGES
from synagents.loop import Run
from synagents.probes import occupancy, step_length
from synagents.run.config import versions

CELLS = Cells(RESULTS / "table_in_time.jsonl")
WAYS: dict[str, dict[str, Any]] = {
    "adaptive": {"learner": "team-q", "adaptive": True},
    "frozen": {"learner": "team-q", "adaptive": False},
    "uniform": {"learner": "uniform"},
}
SAME: dict[str, Any] = {
    "hidden": (32, 32),
    "batch_size": 100,
    "interval": 50,
    "step_size": 1e-3,
    "history": "trace",
    "reward": "delta",
    "batch_change": "reevaluate",
}
ROUNDS, EVERY = 20_000, 50
JUDGED = 1000  # rounds between two looks at held-out images
STEPS = (EVERY, 2 * EVERY, 4 * EVERY, *range(500, ROUNDS + 1, 500))  # looks that are kept whole
BOUNDS = (0.0, *EDGES[4:])  # of the groups of rows: |evidence| from here to the next
ROWS = ("0.15 to 0.5", "0.5 to 1", "1 to 2", "over 2")  # standard errors
EARLY, LATE = 1000, 5000  # rounds: the first and the last so many, whose histories are told


class Cell(NamedTuple):
    """One training."""

    way: str
    seed: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self))


def settled(ups: Bool[np.ndarray, "looks"], rounds: Sequence[int]) -> int:
    """The rounds after which something is as it is at the end, for good."""
    other = np.flatnonzero(ups != ups[-1])
    return rounds[other[-1] + 1] if len(other) else rounds[0]


def half_way(displacement: Float[np.ndarray, "looks"], rounds: Sequence[int]) -> int:
    """The rounds after which half of the last displacement is reached for the first time."""
    return rounds[int(np.argmax(displacement >= displacement[-1] / 2))]


def folded(shares: Float[np.ndarray, "*looks 9"]) -> Float[np.ndarray, "*looks 5"]:
    """Shares of agents by |evidence|: in the middle bucket, and in each pair of mirrored ones."""
    return np.concatenate([shares[..., 4:5], shares[..., 5:] + shares[..., 3::-1]], axis=-1)


def by_chance() -> list[float]:
    """The same shares, if evidence were a standard normal number."""
    edges = [*BOUNDS, np.inf]
    return [float(2 * (stats.norm.cdf(high) - stats.norm.cdf(low))) for low, high in itertools.pairwise(edges)]


def play(one: Cell) -> dict[str, Any]:
    """Train, and look every EVERY rounds."""
    compiled, started = compilations(), time.perf_counter()
    run = preset("digits", seed=one.seed, **WAYS[one.way], **SAME).begin()
    first, rounds, looks, judged = _weights(run), [], [], []
    while run.t < ROUNDS:
        run, history = advance(run, EVERY, probes=(occupancy, step_length), probe_interval=EVERY)
        rounds.append(run.t)
        looks.append(
            {
                "leans": _leans(run),
                "share": np.asarray(history.probes["occupancy"]).reshape(-1),
                "moved": {name: float(np.abs(own - first[name]).mean()) for name, own in _weights(run).items()},
                "gone": {name: EVERY * float(np.mean(own)) for name, own in history.probes["step_length"].items()},
            }
        )
        if run.t % JUDGED == 0:
            judged.append(float(evaluate(run)["accuracy"][0, 0]))
    seconds = round(time.perf_counter() - started - sum(compiled), 1)
    return _summary(rounds, looks) | {"accuracy": judged, "seconds": seconds}


def _weights(run: Run) -> dict[str, np.ndarray]:
    return {name: np.asarray(own)[0] for name, own in run.world.weights(run.state).items()}


def _leans(run: Run) -> list[float]:
    """Of the four rows: the value of following the evidence less that of going against it; none without a table."""
    values = run.learner.action_values(jax.tree.map(lambda own: own[0], run.mind))
    return [] if values is None else np.asarray(values[5:, 2] - values[5:, 0]).tolist()


def _summary(rounds: list[int], looks: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept of all looks."""
    leans, shares = (np.array([look[name] for look in looks]) for name in ("leans", "share"))
    moved = {name: np.array([look["moved"][name] for look in looks]) for name in looks[0]["moved"]}
    gone = {name: np.cumsum([look["gone"][name] for look in looks]) for name in moved}
    kept = [rounds.index(step) for step in STEPS]
    early, late = EARLY // EVERY, LATE // EVERY
    return {
        "settled": [settled(row > 0, rounds) for row in leans.T],
        "follows": [bool(row[-1] > 0) for row in leans.T],
        "leans": [_short(leans[place]) for place in kept],
        "early": _short(folded(shares[1:early]).mean(axis=0)),  # at the first look nobody has any evidence
        "late": _short(folded(shares[-late:]).mean(axis=0)),
        "half_way": {name: half_way(own, rounds) for name, own in moved.items()},
        "displacement": {name: _short(own[kept]) for name, own in moved.items()},
        "distance": {name: _short(own[kept]) for name, own in gone.items()},
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def table(rows: list[dict[str, Any]]) -> None:
    """Means over seeds +- half their 95 % intervals (Student's t); of rounds the median and the range."""
    by_way = {way: [row for row in rows if row["way"] == way] for way in WAYS}
    learned = by_way["adaptive"]
    if learned:
        print(
            "\n| evidence, standard errors | follows it at the end | settled after rounds: median, range | last lean |"
        )
        print("|---|---|---|---|")
        for place, name in enumerate(ROWS):
            when = [row["settled"][place] for row in learned]
            last = [row["leans"][-1][place] for row in learned]
            follows = sum(row["follows"][place] for row in learned)
            told = f"{median(when):,.0f}, {min(when):,} to {max(when):,}"
            print(f"| {name} | {follows} of {len(learned)} | {told} | {mean(last):.3f} +- {interval(last):.3f} |")
    print("\n| agents | seeds | rounds | " + " | ".join(("below 0.15", *ROWS)) + " |\n|---|---|---|" + "---|" * 5)
    print("| evidence of chance | | | " + " | ".join(f"{100 * share:.1f}" for share in by_chance()) + " |")
    for way, own in by_way.items():
        for part in ("early", "late") if own else ():
            shares = [percent([row[part][place] for row in own]) for place in range(5)]
            rounds = f"first {EARLY:,}" if part == "early" else f"last {LATE:,}"
            print(f"| {way} | {len(own)} | {rounds} | {' | '.join(shares)} |")
    print("\n| agents | layer | half of the way after rounds | displacement | displacement / distance | held out, % |")
    print("|---|---|---|---|---|---|")
    for way, own in by_way.items():
        for name in own[0]["half_way"] if own else ():
            half = [row["half_way"][name] for row in own]
            moved = [row["displacement"][name][-1] for row in own]
            straight = [row["displacement"][name][-1] / row["distance"][name][-1] for row in own]
            print(
                f"| {way} | `{name}` | {mean(half):,.0f} +- {interval(half):,.0f} | {mean(moved):.3f} +- "
                f"{interval(moved):.3f} | {mean(straight):.4f} +- {interval(straight):.4f} | "
                f"{percent([row['accuracy'][-1] for row in own])} |"
            )
        if own:
            later = [row["half_way"]["layer2_weight"] - row["half_way"]["layer0_weight"] for row in own]
            print(f"| {way} | output's less input's | {mean(later):,.0f} +- {interval(later):,.0f} | | | |")


COLOURS = ("#56B4E9", "#009E73", "#E69F00", "#D55E00")  # Okabe and Ito's, safe for the colour-blind
DASHES = (":", "-.", "--", "-")


def draw(rows: list[dict[str, Any]], plot: Path) -> None:
    """When rows are settled, where agents are, and how far layers have come."""
    from matplotlib.figure import Figure

    by_way = {way: [row for row in rows if row["way"] == way] for way in WAYS}
    learned = by_way["adaptive"]
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for place, name in enumerate(ROWS):
        when = np.sort([row["settled"][place] for row in learned])
        share = 100 * np.arange(1, len(when) + 1) / len(when)
        left.step(
            [EVERY, *when, ROUNDS],
            [0, *share, 100],
            where="post",
            color=COLOURS[place],
            linestyle=DASHES[place],
            linewidth=2,
            label=f"evidence {name} standard errors",
        )
    looks = np.arange(JUDGED, ROUNDS + 1, JUDGED)
    left.plot(
        looks,
        100 * np.mean([row["accuracy"] for row in learned], axis=0),
        color="0.5",
        marker=".",
        linewidth=1,
        label="held-out accuracy, %",
    )
    left.set(
        xscale="log", xlabel="rounds", ylabel="runs whose row is settled, %", title="When rows have their direction"
    )
    left.set(ylim=(-3, 148), yticks=range(0, 101, 20))
    left.legend(frameon=False, fontsize=8, loc="upper left")
    _histories(middle, by_way)
    _layers(right, by_way)
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
    figure.savefig(plot, dpi=130)


def _histories(axis: Any, by_way: dict[str, list[dict[str, Any]]]) -> None:
    """Bars: shares of agents by their evidence."""
    place = np.arange(5)
    bars = (
        ("agents who draw", [row["late"] for row in by_way["uniform"]], "#999999"),
        (f"learning, first {EARLY:,} rounds", [row["early"] for row in by_way["adaptive"]], "#56B4E9"),
        (f"learning, last {LATE:,} rounds", [row["late"] for row in by_way["adaptive"]], "#0072B2"),
        (f"frozen, last {LATE:,} rounds", [row["late"] for row in by_way["frozen"]], "#E69F00"),
    )
    for number, (name, shares, colour) in enumerate(bars):
        percents = 100 * np.array(shares)
        halves = [interval(own) for own in percents.T.tolist()]
        axis.bar(
            place + 0.2 * (number - 1.5), percents.mean(axis=0), 0.19, yerr=halves, label=name, color=colour, capsize=2
        )
    axis.scatter(place, 100 * np.array(by_chance()), color="black", marker="_", s=700, label="normal evidence")
    axis.set_xticks(place, ("< 0.15", "to 0.5", "to 1", "to 2", "> 2"))
    axis.set(xlabel="|evidence|, standard errors", ylabel="agents, %", title="Where agents are", ylim=(0, 50))
    axis.legend(frameon=False, fontsize=8, loc="upper right")


def _layers(axis: Any, by_way: dict[str, list[dict[str, Any]]]) -> None:
    """Lines: what share of the last displacement each matrix has reached."""
    matrices = [name for name in by_way["adaptive"][0]["displacement"] if name.endswith("weight")]
    for way, dashes in (("adaptive", "-"), ("frozen", "--"), ("uniform", ":")):
        for number, name in enumerate(matrices):
            if way == "uniform" and number:
                continue  # all alike
            reached = np.array([row["displacement"][name] for row in by_way[way]])
            reached = 100 * reached / reached[:, -1:]
            style = {"color": COLOURS[number + 1], "linestyle": dashes, "linewidth": 1.5}
            style |= {"color": "0.4", "linewidth": 2.5} if way == "uniform" else {}
            told = "agents who draw" if way == "uniform" else f"{name}, {way}"
            axis.plot(STEPS, reached.mean(axis=0), label=told, **style)
            half = [interval(values) for values in reached.T.tolist()]
            low, high = reached.mean(axis=0) - half, reached.mean(axis=0) + half
            axis.fill_between(STEPS, low, high, color=style["color"], alpha=0.12, linewidth=0)
    axis.axhline(50, color="0.6", linewidth=0.8)
    axis.set(xlabel="rounds", ylabel="displacement, % of the last", title="How far matrices have come", ylim=(0, 105))
    axis.legend(frameon=False, fontsize=8, loc="lower right")


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    parser.add_argument("--plot", type=Path, help="draw what is done there, and play nothing")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    for one in [] if args.table or args.plot else [Cell(way, seed) for way in WAYS for seed in seeds]:
        if one.key not in CELLS:
            row = CELLS.add({"key": one.key, **one._asdict(), **play(one), "versions": versions()})
            print(one.key, row["accuracy"][-1], row["settled"], row["seconds"], file=sys.stderr, flush=True)
    tell(CELLS, seeds, table, draw, args.plot)


if __name__ == "__main__":
    main()
