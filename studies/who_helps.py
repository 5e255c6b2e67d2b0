"""Whether an agent's true marginal contribution in a round says what it will do and be worth later.

    python studies/who_helps.py [--data DIR] [--seeds 10]
    python studies/who_helps.py --table [--plot docs/who_helps.png]

`synagents.interventions.credit` replays a round once for every agent: c is by how much the loss is lower because of
what the agent did, all else equal. Rounds t and t + 1 are asked so, both on one batch, 49 rounds after it was new; the
weights are seen again LATER rounds after t. Of agents who moved a weight that has a slope, as those behind a pixel that
is never lit have not:

    helped          c > 0                         slope g   from the first order of c, which is -g times the move
    same sign       of c in t and in t + 1, both moved
    repeats         the move of t + 1 is that of t
    drift           where the weight went in LATER rounds, along -g

AUC is the probability that of two agents the one with the larger predictor is the one of whom it is true; 1/2 says
nothing. Controls: contributions shuffled among the agents of a group (`shuffled`), and teams who draw (`uniform`).
Teams are 64-10 and 64-32-10 on digits and 784-32-10 on notMNIST (`--data`), with a constant step of 0.1 / sqrt(N), also
for biases. A cell is one training with a seed that also draws the split; it leaves one line in results/who_helps.jsonl.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, compilations, interval, tell
from jaxtyping import Bool, Float
from scipy import stats

from synagents import advance, evaluate, preset
from synagents.interventions.credit import credit
from synagents.interventions.told import correlation
from synagents.loop import Run
from synagents.run.config import versions

CELLS = Cells(RESULTS / "who_helps.jsonl")
TEAMS: dict[str, tuple[str, tuple[int, ...], int]] = {  # task, hidden units, agents
    "digits-0": ("digits", (), 650),
    "digits": ("digits", (32,), 2410),
    "notmnist": ("notmnist", (32,), 25_450),
}
LEARNERS = ("team-q", "uniform", "trace")
INTERVAL, SINCE, LATER = 100, 49, 50  # rounds: of a batch, since it was new, until the weights are seen again
MOMENTS = (149, 1049, 4049)  # rounds played before t
LENGTH = 0.1  # of a joint move, in units of weights
FEW = {"notmnist": (MOMENTS[1:], ("team-q", "uniform"))}  # moments and learners where a round takes long
Agents = Float[np.ndarray, "N"]


class Cell(NamedTuple):
    """One training."""

    team: str
    learner: str
    seed: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self))


class Lived(NamedTuple):
    """What every agent did in two rounds and later, and what it was worth; arrays f64[N].

    Attributes:
        worth: contribution in round t, in units of the loss; 0 of who did not move.
        next_worth: the same in round t + 1.
        first_order: of `worth`.
        next_first_order: of `next_worth`.
        belief: what the table says of the move in round t, in units of its values; empty where there is none.
        move: -1, 0 or 1 in round t.
        next_move: in round t + 1.
        later: by how much the weight moved in the LATER rounds after round t, in steps.
        group: the number of the agent's group.
    """

    worth: Agents
    next_worth: Agents
    first_order: Agents
    next_first_order: Agents
    belief: Agents
    move: Agents
    next_move: Agents
    later: Agents
    group: np.ndarray


def auc(predictor: Agents, true: Bool[np.ndarray, "N"]) -> float:
    """The area under the ROC curve, ties counted as half (Mann and Whitney 1947); nan where all are true, or none."""
    yes, no = int(true.sum()), int((~true).sum())
    if not yes or not no:
        return math.nan
    ranks = stats.rankdata(predictor)
    return float((ranks[true].sum() - yes * (yes + 1) / 2) / (yes * no))


def shuffled(values: Agents, group: np.ndarray, rng: np.random.Generator) -> Agents:
    """The same values, given to other agents of the same group at random."""
    given = values.copy()
    for number in np.unique(group):
        given[group == number] = rng.permutation(values[group == number])
    return given


def judged(lived: Lived, seed: int) -> dict[str, float]:
    """All that is told of two rounds, by name; shares, correlations and areas in [-1, 1] or [0, 1]."""
    moved = (lived.move != 0) & (lived.first_order != 0)
    own = Lived(*(values[moved] if len(values) else values for values in lived))
    down = np.sign(own.first_order) * own.move  # which way the loss falls
    helped, repeats = own.worth > 0, own.next_move == own.move
    again = (own.next_move != 0) & (own.next_first_order != 0)
    drift = down * own.later
    went = drift != 0
    both = own.worth[again], own.next_worth[again]
    # The slope of round t, times the move of the other round: what is known of c in t + 1 by who knows all slopes.
    guess = own.first_order * own.move * own.next_move
    alike = np.sign(both[0]) == np.sign(both[1])
    other = shuffled(own.worth, own.group, np.random.default_rng(seed))
    return {
        "helped": float(helped.mean()),
        "moved_again": float(again.mean()),
        "first_order": _correlated(own.worth, own.first_order),
        "who_matters": float(stats.spearmanr(np.abs(both[0]), np.abs(both[1])).statistic),
        "who_helps": _correlated(*both),
        "slope": _correlated(guess[again], both[1]),
        "same_sign": float(alike.mean()),
        "same_move": float(repeats[again].mean()),
        "same_slope": float((np.sign(guess[again]) == np.sign(both[1])).mean()),
        "repeats_helped": float(repeats[helped].mean()),
        "repeats_hurt": float(repeats[~helped].mean()),
        "auc_helps_again": auc(both[0], both[1] > 0),
        "auc_repeats": auc(own.worth, repeats),
        "auc_drift": auc(own.worth[went], drift[went] > 0),
        "drift_helped": float(drift[helped].mean()),
        "drift_hurt": float(drift[~helped].mean()),
        "shuffled_helps_again": auc(other[again], both[1] > 0),
        "shuffled_repeats": auc(other, repeats),
        "shuffled_drift": auc(other[went], drift[went] > 0),
        "shuffled_who_matters": float(stats.spearmanr(np.abs(other[again]), np.abs(both[1])).statistic),
        "half_of_all": _carriers(np.abs(own.worth)),
    } | _believed(own)


def _believed(own: Lived) -> dict[str, float]:
    if not len(own.belief):
        return {}
    return {
        "belief": _correlated(own.belief, own.worth),
        "auc_belief": auc(own.belief, own.worth > 0),
        "auc_belief_repeats": auc(own.belief, own.next_move == own.move),
    }


def _correlated(values: Agents, others: Agents) -> float:
    found = correlation(values, others)
    return math.nan if found is None else found


def _carriers(sizes: Agents) -> float:
    """The smallest share of agents who have half of the sum."""
    sums = np.cumsum(np.sort(sizes)[::-1])
    return float((np.searchsorted(sums, sums[-1] / 2) + 1) / len(sizes))


def play(one: Cell, data: Path | None) -> dict[str, Any]:
    """Train; at every moment ask two rounds."""
    compiled, started = compilations(), time.perf_counter()
    task, hidden, agents = TEAMS[one.team]
    step = LENGTH / math.sqrt(agents)
    same: dict[str, Any] = {"batch_size": 100, "interval": INTERVAL, "history": "trace", "reward": "delta"}
    same |= {"batch_change": "reevaluate"} | ({"data": data} if task == "notmnist" else {})
    run = preset(task, one.learner, hidden=hidden, seed=one.seed, step_size=step, bias_gain=1.0, **same).begin()
    moments, _ = FEW.get(one.team, (MOMENTS, LEARNERS))
    found = []
    for moment in moments:
        while run.t < moment - SINCE:
            run, _ = advance(run, INTERVAL)
        run = _one_by_one(run, moment - run.t)
        told = {"t": run.t, "held_out": float(evaluate(run)["accuracy"][0, 0])}
        run, lived = ask(run, step)
        found.append(told | judged(lived, one.seed))
    return {"moments": found, "seconds": round(time.perf_counter() - started - sum(compiled), 1)}


def ask(run: Run, step: float) -> tuple[Run, Lived]:
    """Two rounds, and where all weights are LATER rounds after the first of them."""
    now, first = credit(run), _weights(run)
    run = _one_by_one(run, 1)
    then, second = credit(run), _weights(run)
    run = _one_by_one(run, 1)
    third = _weights(run)
    run = _one_by_one(run, LATER - 1)
    names = list(now.contribution)

    def joined(own: dict[str, np.ndarray]) -> Agents:
        return np.concatenate([own[name] for name in names])

    return run, Lived(
        joined(now.contribution),
        joined(then.contribution),
        joined(now.first_order),
        joined(then.first_order),
        joined(now.belief) if now.belief else np.zeros(0),
        np.sign(joined(second) - joined(first)),
        np.sign(joined(third) - joined(second)),
        (joined(_weights(run)) - joined(second)) / step,
        np.repeat(np.arange(len(names)), [len(first[name]) for name in names]),
    )


def _one_by_one(run: Run, rounds: int) -> Run:
    """One program for any number of rounds."""
    for _ in range(rounds):
        run, _ = advance(run, 1)
    return run


def _weights(run: Run) -> dict[str, Agents]:
    weights = run.world.weights(run.state)
    return {name: np.asarray(own, np.float64).reshape(-1) for name, own in weights.items()}


def over_moments(row: dict[str, Any], name: str) -> float:
    """The mean over a row's moments; nan where it has no such number."""
    if name == "repeats_more":
        return over_moments(row, "repeats_helped") - over_moments(row, "repeats_hurt")
    return mean(moment.get(name, math.nan) for moment in row["moments"])


def told(rows: list[dict[str, Any]], name: str, digits: int = 3) -> str:
    """Mean over seeds +- half its 95 % interval (Student's t)."""
    values = [over_moments(row, name) for row in rows]
    return "" if any(map(math.isnan, values)) else f"{mean(values):.{digits}f} +- {interval(values):.{digits}f}"


COLUMNS = {
    "who_matters": "rank correlation of abs(c), abs(c')",
    "who_helps": "correlation of c, c'",
    "slope": "of slope in t times move in t + 1, c'",
    "same_sign": "same sign of c, c'",
    "same_move": "same move",
    "same_slope": "same slope's sign",
    "repeats_helped": "repeats, helped",
    "repeats_hurt": "repeats, hurt",
    "repeats_more": "the difference",
    "auc_helps_again": "AUC of c: helps again",
    "auc_repeats": "repeats",
    "auc_drift": "drifts down the slope",
    "auc_belief": "AUC of belief: helps",
    "belief": "correlation of belief, c",
    "first_order": "of first order, c",
    "helped": "helped",
    "half_of_all": "agents with half of all abs(c)",
    "shuffled_who_matters": "shuffled: abs(c)",
    "shuffled_helps_again": "helps again",
    "shuffled_repeats": "repeats",
    "shuffled_drift": "drifts",
}


def table(rows: list[dict[str, Any]]) -> None:
    """Every number for each team and learner, then moment by moment."""
    groups = {
        (team, learner): [row for row in rows if (row["team"], row["learner"]) == (team, learner)]
        for team in TEAMS
        for learner in LEARNERS
    }
    groups = {key: own for key, own in groups.items() if len(own) > 1}
    print("\n| | " + " | ".join(f"{team} {learner}" for team, learner in groups) + " |\n|---|" + "---|" * len(groups))
    print("| seeds | " + " | ".join(str(len(own)) for own in groups.values()) + " |")
    for name, words in COLUMNS.items():
        print(f"| {words} | " + " | ".join(told(own, name) for own in groups.values()) + " |")
    for (team, learner), own in groups.items():
        for place, moment in enumerate(own[0]["moments"]):
            at = [row | {"moments": [row["moments"][place]]} for row in own]
            shown = (
                "held_out",
                "who_matters",
                "who_helps",
                "auc_helps_again",
                "auc_repeats",
                "auc_drift",
                "auc_belief",
            )
            print(f"{team} {learner} t = {moment['t']}:", ", ".join(f"{name} {told(at, name)}" for name in shown))


COLOURS = {"digits-0": "#56B4E9", "digits": "#0072B2", "notmnist": "#D55E00"}  # safe for the colour-blind
MARKERS = {"digits-0": "o", "digits": "s", "notmnist": "D"}


def draw(rows: list[dict[str, Any]], plot: Path) -> None:
    """Of `team-q`: what is known of the next contribution, what helping and beliefs change, and what they predict."""
    from matplotlib.figure import Figure

    by_team = {team: [row for row in rows if (row["team"], row["learner"]) == (team, "team-q")] for team in TEAMS}
    by_team = {team: own for team, own in by_team.items() if len(own) > 1}
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    known = {"slope": "slope in t\nx move in t+1", "who_matters": "size of c\n(ranks)", "who_helps": "c itself"}
    predicted = {
        "auc_helps_again": "helps\nagain",
        "auc_repeats": "repeats\nits move",
        "auc_drift": f"drifts down,\n{LATER} rounds",
        "auc_belief": "helps\n(by belief)",
        "shuffled_helps_again": "helps again\n(shuffled)",
    }
    for axis, columns in ((left, known), (right, predicted)):
        for number, (team, own) in enumerate(by_team.items()):
            place = np.arange(len(columns)) + 0.2 * (number - 1)
            values = [[over_moments(row, name) for row in own] for name in columns]
            style: dict[str, Any] = {"color": COLOURS[team], "marker": MARKERS[team], "linestyle": "", "capsize": 3}
            told = f"{team}: {TEAMS[team][2]:,} agents"
            axis.errorbar(place, list(map(mean, values)), list(map(interval, values)), label=told, **style)
        axis.set_xticks(range(len(columns)), list(columns.values()), fontsize=8)
        axis.set_xlim(-0.6, len(columns) - 0.4)
    left.axhline(0, color="0.5", linewidth=0.8)
    right.axhline(0.5, color="0.5", linewidth=0.8)
    _by_size(middle, by_team)
    left.set(ylabel="correlation with c in t + 1", title="What says an agent's next contribution", ylim=(-0.1, 1.1))
    right.set(ylabel="AUC, 0.5 says nothing", title="What c in t, or the belief, predicts")
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.3))
    figure.savefig(plot, dpi=130)


def _by_size(axis: Any, by_team: dict[str, list[dict[str, Any]]]) -> None:
    """What agents know of their contributions, against their number."""
    agents = [TEAMS[team][2] for team in by_team]
    for name, told, colour, marker in (
        ("repeats_more", "who helped repeats more often by", "#009E73", "o"),
        ("belief", "correlation of belief and c", "#CC79A7", "s"),
    ):
        values = [[over_moments(row, name) for row in own] for own in by_team.values()]
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "", "capsize": 3}
        axis.errorbar(agents, list(map(mean, values)), list(map(interval, values)), label=told, **style)
        line = [mean(values[0]) * math.sqrt(agents[0] / n) for n in agents]
        axis.plot(
            agents,
            line,
            color="black",
            linestyle=":",
            label="" if name == "belief" else "as 1 / sqrt(N) from the first",
        )
    axis.set(xscale="log", yscale="log", xlabel="agents N", ylabel="share, or correlation")
    axis.set_title("What agents know of it")
    axis.legend(frameon=False, fontsize=8, loc="lower left")


def cells(teams: list[str], seeds: range) -> list[Cell]:
    """What is played, the small teams first."""
    return [
        Cell(team, learner, seed)
        for team in teams
        for learner in FEW.get(team, (MOMENTS, LEARNERS))[1]
        for seed in seeds
    ]


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images; without it the digits alone")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--teams", nargs="+", choices=list(TEAMS), default=list(TEAMS), help="teams, in this order")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    parser.add_argument("--plot", type=Path, help="draw what is done there, and play nothing")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    program: tuple[str, str] = ("", "")  # what is compiled for it: seeds are arguments
    for one in [] if args.table or args.plot else cells(args.teams, seeds):
        if one.key in CELLS or (one.team == "notmnist" and args.data is None):
            continue
        if (one.team, one.learner) != program:
            jax.clear_caches()
            program = (one.team, one.learner)
        row = CELLS.add({"key": one.key, **one._asdict(), **play(one, args.data), "versions": versions()})
        print(one.key, json.dumps(row["moments"][-1]), row["seconds"], file=sys.stderr, flush=True)
    tell(CELLS, seeds, table, draw, args.plot)


if __name__ == "__main__":
    main()
