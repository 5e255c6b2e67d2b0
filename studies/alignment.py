"""How the alignment of a team's moves with the gradient falls as the team grows, from 10^2 to 10^6 agents.

    python studies/alignment.py [--data DIR] [--seeds 10]
    python studies/alignment.py --table [--plot docs/alignment.png]

One hidden layer of h units on digits (64-h-10) makes a team of N = 75 h + 10 agents, on notMNIST (784-h-10, with
`--data`) of 795 h + 10. All teams make joint moves of the same length: an agent's step is c / sqrt(N), c chosen on seed
0 of (0.03, 0.1, 0.3) by the loss after ROUNDS rounds, the same for every N; 0.01 are short steps, at which a loss is
nearly a plane. The whole team's cosine with the way down the gradient on the batch in use is a mean over WINDOW rounds,
early and late. A cell is one training with a seed that also draws the split; it leaves one line in
results/alignment.jsonl and is never played twice.

What to expect where the loss is a plane. The trace of an agent sums reward times action with the weights decay^k, so
its signal is that of T = (1 + decay) / (1 - decay) rounds, and the other N - 1 agents are its noise:

    cos(traces, -g) = 1 / sqrt(1 + N / T)          cos(move, -g) = FOLLOWED cos(traces, -g)

FOLLOWED = .5 sqrt(2 / pi) / sqrt(5 / 6): half of the agents follow the sign of their trace, the others draw uniformly.
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
import jax.numpy as jnp
import numpy as np
from common import RESULTS, Cells, compilations, interval, tell
from jaxtyping import Array, Float

from synagents import advance, evaluate, preset
from synagents.groups import flat
from synagents.interventions.alignment import alignment_of
from synagents.loop import Run
from synagents.probes import Round, alignment
from synagents.run.config import versions
from synagents.world import World

CELLS = Cells(RESULTS / "alignment.jsonl")
HIDDEN = {"digits": (1, 13, 133, 1333, 13_333), "notmnist": (1, 13, 126)}
SHORT = 0.01
WAYS = (("team-q", 0.3), ("trace", 0.1), ("trace", SHORT), ("uniform", 0.3))  # learner, c
STAGES = {"early": 100, "late": 1900}  # rounds played before
WINDOW, ROUNDS = 100, 2000
BATCH_SIZE, INTERVAL = 100, 50
DECAY = 0.98  # of a trace, in both learners
MOVED = 5 / 6  # the mean square of a move of agents who follow their traces every other time
FOLLOWED = 0.5 * math.sqrt(2 / math.pi) / math.sqrt(MOVED)
LARGE = 900  # agents from which on the law is fitted
WIDEST = "layer0_weight"  # the group of most agents, of which a ceiling is told
FEW = {13_333: 5}  # seeds of networks that take long


class Cell(NamedTuple):
    """One training."""

    task: str
    learner: str
    length: float  # c, of a joint move of which every agent moves, in units of weights
    hidden: int
    seed: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return " ".join(map(str, self))


def cells(tasks: list[str], seeds: range) -> list[Cell]:
    """What is played, the small teams first."""
    sizes = [(task, hidden) for task in tasks for hidden in HIDDEN[task]]
    return [
        Cell(task, learner, length, hidden, seed)
        for task, hidden in sizes
        for learner, length in WAYS
        for seed in seeds[: FEW.get(hidden)]
        if length != SHORT or task == "digits"
    ]


def expected(agents: float, decay: float = DECAY) -> float:
    """The cosine of agents who follow their traces every other time, where the loss is a plane."""
    return FOLLOWED / math.sqrt(1 + agents * (1 - decay) / (1 + decay))


def exponent(agents: list[int], cosines: list[float]) -> float:
    """The slope of log cosine against log agents, by least squares: -1/2 where the cosine falls as 1 / sqrt(N)."""
    return float(np.polyfit(np.log(agents), np.log(cosines), 1)[0])


def slope_length(world: World, seen: Round) -> Float[Array, ""]:
    """The length of the gradient on the batch in use, before the move."""
    slope = jax.grad(world.loss)(world.weights(seen.before), seen.before.task)
    return jnp.linalg.norm(flat(slope, world.groups))


def play(one: Cell, data: Path | None) -> dict[str, Any]:
    """Train; return the alignment at every stage, and how well the network does at the end."""
    compiled, started = compilations(), time.perf_counter()
    sizes = {"digits": 75, "notmnist": 795}
    agents = sizes[one.task] * one.hidden + 10
    same: dict[str, Any] = {"batch_size": BATCH_SIZE, "interval": INTERVAL, "history": "trace", "reward": "delta"}
    same |= {"batch_change": "reevaluate"} | ({"data": data} if one.task == "notmnist" else {})
    step = one.length / math.sqrt(agents)
    run = preset(one.task, one.learner, hidden=(one.hidden,), seed=one.seed, step_size=step, **same).begin()
    if sum(group.size for group in run.world.groups) != agents:
        raise ValueError(f"A network of {one.hidden} hidden units should have {agents} agents.")
    found: dict[str, Any] = {"agents": agents}
    for stage, start in STAGES.items():
        run, _ = advance(run, start - run.t)
        ceiling = alignment_of(run, rounds=10)[WIDEST].ceiling if one.learner == "trace" else None
        run, found[stage] = look(run)
        found[stage]["ceiling"] = ceiling
    found["loss"] = float(evaluate(run, "train")["loss"][0, 0])
    found["held_out"] = float(evaluate(run)["accuracy"][0, 0])
    return found | {"seconds": round(time.perf_counter() - started - sum(compiled), 1)}


def look(run: Run) -> tuple[Run, dict[str, Any]]:
    """The run after WINDOW more rounds, and what was seen in them."""
    run, history = advance(run, WINDOW, probes=(alignment, slope_length), probe_interval=1)
    return run, {name: float(np.mean(seen)) for name, seen in history.probes.items()}


def told(values: list[float], digits: int = 4) -> str:
    """Mean +- half the 95 % interval (Student's t)."""
    return f"{mean(values):.{digits}f} +- {interval(values):.{digits}f}"


def chosen(rows: list[dict[str, Any]], task: str, learner: str, length: float) -> dict[int, list[dict[str, Any]]]:
    """The rows of one way to train, by the number of agents."""
    own: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if (row["task"], row["learner"], row["length"]) == (task, learner, length):
            own.setdefault(row["agents"], []).append(row)
    return {agents: own[agents] for agents in sorted(own) if len(own[agents]) > 1}


def exponents(own: dict[int, list[dict[str, Any]]], stage: str) -> list[float]:
    """Of every seed that played all teams from LARGE agents on."""
    large = [agents for agents in own if agents >= LARGE]
    if len(large) < 3:
        return []
    by_seed = [{row["seed"]: row[stage]["alignment"] for row in own[agents]} for agents in large]
    both = sorted(set.intersection(*map(set, by_seed)))
    positive = [seed for seed in both if all(one[seed] > 0 for one in by_seed)]
    return [exponent(large, [one[seed] for one in by_seed]) for seed in positive]


HEAD = (
    "learner",
    "c",
    "agents",
    "seeds",
    "early, x sqrt(N)",
    "late, x sqrt(N)",
    "late",
    "ceiling of the first matrix, late",
    "length of the gradient, early",
    "late",
    "fall of the loss in a round by the slope, early",
    "held out, %",
)


def table(rows: list[dict[str, Any]]) -> None:
    """Alignments in units of 1 / sqrt(N), and what else is said of every team; then the fitted exponents."""
    for task in HIDDEN:
        ways = [(way, chosen(rows, task, *way)) for way in WAYS]
        if not any(own for _, own in ways):
            continue
        print(f"\n**{task}**\n\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
        for (learner, length), own in ways:
            for agents, group in own.items():
                print(f"| `{learner}` | {length:g} | {agents:,} | {len(group)} | {_row(agents, group)} |")
        for (learner, length), own in ways:
            for stage in STAGES:
                fitted = exponents(own, stage)
                if len(fitted) > 1 and learner != "uniform":
                    print(f"\n{task} {learner} {length:g} {stage}: exponent {told(fitted, 3)} ({len(fitted)} seeds)")


def _row(agents: int, group: list[dict[str, Any]]) -> str:
    scaled = [told([math.sqrt(agents) * row[stage]["alignment"] for row in group], 2) for stage in STAGES]
    late = told([row["late"]["alignment"] for row in group], 5)
    moved = group[0]["length"] * math.sqrt(MOVED)
    falls = moved * mean(row["early"]["alignment"] * row["early"]["slope_length"] for row in group)
    ceilings = [row["late"]["ceiling"] for row in group if row["late"]["ceiling"] is not None]
    ceiling = f"{mean(ceilings):.2f}" if ceilings else ""
    slopes = [f"{mean(row[stage]['slope_length'] for row in group):.2f}" for stage in STAGES]
    fall = f"{falls:.4f}" if group[0]["learner"] == "trace" else ""  # whose moves have this mean square
    return " | ".join([*scaled, late, ceiling, *slopes, fall, told([100 * row["held_out"] for row in group], 1)])


COLOURS = {"team-q": "#0072B2", "trace": "#D55E00", "uniform": "#666666"}  # Okabe and Ito's, safe for the colour-blind
MARKERS = {"team-q": "o", "trace": "s", "uniform": "x"}


def draw(rows: list[dict[str, Any]], plot: Path) -> None:
    """Digits: late alignment, the same in units of 1 / sqrt(N), and what the networks can do."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    team = np.geomspace(60, 1.4e6, 60)
    left.plot(team, [expected(n) for n in team], color="black", linestyle=":", label="expected of a plane (trace)")
    left.plot(team, 1.96 / np.sqrt(team), color="0.5", linestyle="--", label="one random round, 95 %")
    middle.plot(team, [math.sqrt(n) * expected(n) for n in team], color="black", linestyle=":")
    middle.axhline(1.96, color="0.5", linestyle="--")
    for learner, length in WAYS:
        own = chosen(rows, "digits", learner, length)
        short = length == SHORT
        style: dict[str, Any] = {"color": COLOURS[learner], "marker": MARKERS[learner], "markersize": 5, "capsize": 2}
        style |= {"linestyle": "-.", "markerfacecolor": "white"} if short else {}
        name = f"{learner}, short steps" if short else learner
        for axis, scale in ((left, 0.0), (middle, 0.5)):
            if axis is left and learner == "uniform":
                continue  # around 0, which a logarithm does not show
            cosines = {n: [n**scale * row["late"]["alignment"] for row in group] for n, group in own.items()}
            _line(axis, cosines, name, style)
        if not short:
            _line(right, {n: [100 * row["held_out"] for row in group] for n, group in own.items()}, name, style)
    ceilings = {
        n: [row["late"]["ceiling"] for row in group] for n, group in chosen(rows, "digits", "trace", 0.1).items()
    }
    _line(left, ceilings, "ceiling (first matrix)", {"color": "#009E73", "marker": "^", "markersize": 4})
    left.set(yscale="log", ylabel="cosine of move and -gradient", title=f"Alignment after {ROUNDS - WINDOW:,} rounds")
    left.set(ylim=(2e-5, 2))
    middle.set(ylabel="cosine x sqrt(N)", title="The same in units of 1 / sqrt(N)", ylim=(-0.5, 5))
    right.set(ylabel="held-out accuracy, %", title=f"What the network can do after {ROUNDS:,}", ylim=(0, 100))
    for axis in (left, middle, right):
        axis.set(xscale="log", xlabel="agents N")
        axis.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=7.5, loc="lower left")
    middle.legend(frameon=False, fontsize=7.5, loc="upper left", ncols=2)
    figure.savefig(plot, dpi=130)


def _line(axis: Any, values: dict[int, list[float]], name: str, style: dict[str, Any]) -> None:
    """Means with 95 % intervals over seeds."""
    means, halves = [mean(own) for own in values.values()], [interval(own) for own in values.values()]
    axis.errorbar(list(values), means, halves, label=name, **style)


def main() -> None:
    """Play what is not done yet, then tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images; without it the digits alone")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--tasks", nargs="+", choices=list(HIDDEN), default=list(HIDDEN), help="tasks, in this order")
    parser.add_argument("--most", type=int, default=10**7, help="agents of the largest team that is played")
    parser.add_argument("--table", action="store_true", help="print what is done and play nothing")
    parser.add_argument("--plot", type=Path, help="draw what is done there")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    program: tuple[Any, ...] = ()  # what is compiled for it: lengths and seeds are arguments
    for one in [] if args.table or args.plot else cells(args.tasks, seeds):
        most = args.most / {"digits": 75, "notmnist": 795}[one.task]
        if one.key in CELLS or one.hidden > most or (one.task == "notmnist" and args.data is None):
            continue
        if one._replace(length=0, seed=0) != program:
            jax.clear_caches()
            program = one._replace(length=0, seed=0)
        row = CELLS.add({"key": one.key, **one._asdict(), **play(one, args.data), "versions": versions()})
        print(one.key, json.dumps(row["late"]["alignment"]), row["seconds"], file=sys.stderr, flush=True)
    tell(CELLS, seeds, table, draw, args.plot)


if __name__ == "__main__":
    main()
