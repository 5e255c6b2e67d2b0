"""Unit worlds measured: which rules assign credit, how each scales with width, and the published figures beside ours.

    python studies/units.py --list                          # the cells of every study, and which are done
    python studies/units.py [--only STUDY ...] [--runs 10] [--max-cells N]
    python studies/units.py --table                         # the tables of docs/units.md, of what is done
    python studies/units.py --plot docs/units.png

A cell is one training: a rule, a task, a network, learning rates, `--runs` independent runs side by side (weight
maximization in control tasks: 20, on lunar-lander 10). Each leaves one line in results/units.jsonl as soon as it is
done, and is never played twice, so a study may be stopped and continued. Studies: `rates` looks for each rule's best
learning rates on every problem (three runs, of a seed of their own), `multiplexer` compares all rules at one rate and
at their best (k = 3, 4, 5, one and two hidden layers), `width` from 16 to 256 units, `published` and `control` are the
settings of the sources, and `ours` changes one thing of them.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import jax
import numpy as np
from common import RESULTS, Cells, compilations, interval

from synagents.cli.build import preset
from synagents.cli.presets import recommended
from synagents.loop import advance, begin
from synagents.run.config import versions

RULES = (
    "reinforce", "straight-through", "weight-maximization", "per-child", "boltzmann", "boltzmann-field", "recurrent",
    "map-propagation", "backprop",
)  # fmt: skip
EQUAL = "0.03"
UPDATES = {3: 2_000, 4: 4_000, 5: 8_000}
FLAT_RATES = ("0.001", "0.003", "0.01", "0.02", "0.03", "0.05", "0.1", "0.2", "0.4")
DEEP_RATES = (
    *(",".join([rate] * 3) for rate in ("0.01", "0.02", "0.03", "0.05", "0.1", "0.2")),
    "0.01,0.001,0.01", "0.03,0.003,0.03", "0.1,0.01,0.1",  # the layer between learns more slowly ...
    "0.02,2e-4,0.02", "0.05,5e-4,0.05", "0.1,1e-3,0.1",
    "0.04,4e-5,4e-6", "0.01,0.001,0.0001",  # ... and the output, as in the sources
)  # fmt: skip
ONE, TWO = (64,), (64, 32)
WIDTHS = (16, 32, 64, 128, 256)
NETWORKS = (*((bits, hidden) for bits in UPDATES for hidden in (ONE, TWO)), *((3, (width,)) for width in WIDTHS))


class Cell(NamedTuple):
    """One training."""

    study: str
    rule: str
    task: str
    settings: str  # JSON: what differs from the preset
    steps: int
    worlds: int
    episodes: int  # that count, or 0 for all
    runs: int
    seed: int

    @property
    def key(self) -> str:
        """What makes it this cell."""
        return json.dumps(self._replace(study="")[1:])

    @property
    def program(self) -> str:
        """What is compiled for it: learning rates are arguments, but not how many there are."""
        settings = json.loads(self.settings)
        rates = settings.pop("learning_rate", "").count(",")
        return json.dumps([self.rule, self.task, settings, rates, self.steps, self.worlds, self.runs])


def cell(
    study: str, rule: str, task: str, runs: int, *, steps: int, worlds: int, episodes: int = 0, **settings: Any
) -> Cell:
    """A cell from what differs from the preset."""
    return Cell(study, rule, task, json.dumps(settings, sort_keys=True), steps, worlds, episodes, runs, seed=0)


def settings_of(rule: str) -> tuple[str, dict[str, Any]]:
    """The learner behind a rule of the comparison, and what it is given beside its preset."""
    if rule in ("weight-maximization", "per-child"):
        form = {"form": "per-child"} if rule == "per-child" else {}
        return "weight-maximization", {"units": "sign", "baseline": "average", **form}
    if rule == "boltzmann-field":
        return "boltzmann", {"baseline": "average", "control_variate": "mean-field", "repeats": 1}
    return rule, {}


def multiplexer(study: str, rule: str, runs: int, bits: int, hidden: tuple[int, ...], rate: str) -> Cell:
    """One cell of the comparison."""
    given: dict[str, Any] = {"bits": bits, "hidden": hidden, "learning_rate": rate}
    if rule == "map-propagation" and len(hidden) == 1:
        given["variance"] = (0.3,)
    if len(hidden) > 1 and rule in ("boltzmann", "boltzmann-field", "recurrent"):
        given["sweeps"] = 4
    return cell(study, rule, "multiplexer", runs, steps=UPDATES[bits], worlds=128, **given)


def search(rule: str, bits: int, hidden: tuple[int, ...]) -> list[Cell]:
    """Learning rates to choose from, by runs that no comparison has."""
    among = FLAT_RATES if len(hidden) == 1 else DEEP_RATES
    return [multiplexer("rates", rule, 3, bits, hidden, rate)._replace(seed=1) for rate in among]


def best_rate(done: Cells, rule: str, bits: int, hidden: tuple[int, ...]) -> str | None:
    """The rate of the highest mean reward among those looked at, once all are."""
    cells = search(rule, bits, hidden)
    if not all(c.key in done for c in cells):
        return None
    return json.loads(max(cells, key=lambda c: mean(done[c.key]["mean_reward"])).settings)["learning_rate"]


def rates() -> Iterable[Cell]:
    """Every rule's search on every problem."""
    for bits, hidden in dict.fromkeys(NETWORKS):
        for rule in RULES:
            yield from search(rule, bits, hidden)


def comparison(study: str, runs: int, done: Cells, networks: Iterable[tuple[int, tuple[int, ...]]]) -> Iterable[Cell]:
    """All rules at one rate and at their best."""
    for bits, hidden in networks:
        for rule in RULES:
            for rate in dict.fromkeys((EQUAL, best_rate(done, rule, bits, hidden))):
                if rate:
                    yield multiplexer(study, rule, runs, bits, hidden, rate)


def published(runs: int, done: Cells) -> Iterable[Cell]:
    """The sources' own settings on the multiplexer and the regression, and every other rule at its best beside them."""
    yield cell("published", "weight-maximization", "multiplexer", runs, steps=800_000, worlds=1)
    yield cell("published", "map-propagation", "multiplexer", min(runs, 3), steps=31_250, worlds=128)
    yield cell("published", "map-propagation", "scalar-regression", runs, steps=7_812, worlds=128)
    for rule in RULES:
        rate = best_rate(done, rule, 5, TWO)
        if rate and rule != "map-propagation":
            yield multiplexer("published", rule, min(runs, 3), 5, TWO, rate)._replace(steps=31_250)


CONTROL_RUNS, LANDER_RUNS = 20, 10  # of weight maximization, whose runs differ more than those of the other rules


def control(runs: int) -> Iterable[Cell]:
    """The sources' settings of control: mean return of the first so many episodes."""
    for task, episodes, steps in (("cartpole", 1000, 500_000), ("acrobot", 500, 130_000)):
        yield cell("control", "map-propagation", task, runs, steps=steps, worlds=1, episodes=episodes)
    for task, episodes, steps in (("cartpole", 1000, 500_000), ("acrobot", 1000, 160_000)):
        yield cell("control", "weight-maximization", task, CONTROL_RUNS, steps=steps, worlds=1, episodes=episodes)
    yield cell("control", "map-propagation", "mountain-car", runs, steps=500_000, worlds=1, episodes=500)
    yield cell("control", "map-propagation", "lunar-lander", LANDER_RUNS, steps=1_800_000, worlds=1, episodes=2500)
    yield cell("control", "weight-maximization", "lunar-lander", LANDER_RUNS, steps=1_800_000, worlds=1, episodes=3000)


def ours(runs: int) -> Iterable[Cell]:
    """Weight maximization with units of {-1, 1} in place of {0, 1}, all else as published."""
    for task, steps in (("cartpole", 500_000), ("acrobot", 160_000)):
        yield cell(
            "ours", "weight-maximization", task, CONTROL_RUNS, steps=steps, worlds=1, episodes=1000, units="sign"
        )
    settings: dict[str, Any] = {"bits": 4, "units": "sign", "baseline": "none"}
    yield cell("ours", "weight-maximization", "multiplexer", runs, steps=800_000, worlds=1, **settings)


def cells(only: list[str], runs: int, done: Cells) -> Iterable[Cell]:
    """Everything that was asked for."""
    studies: dict[str, Any] = {
        "rates": rates,
        "multiplexer": lambda: comparison("multiplexer", runs, done, NETWORKS[: 2 * len(UPDATES)]),
        "width": lambda: comparison("width", runs, done, NETWORKS[2 * len(UPDATES) :]),
        "published": lambda: published(runs, done),
        "control": lambda: control(runs),
        "ours": lambda: ours(runs),
    }
    for name in only:
        yield from studies[name]()


STUDIES = ("rates", "multiplexer", "width", "published", "control", "ours")


def play(one: Cell) -> dict[str, Any]:
    """Train; return every run's mean reward (of all episodes, or the first `episodes`), final reward, and a curve."""
    learner, given = settings_of(one.rule) if one.task == "multiplexer" and json.loads(one.settings) else (one.rule, {})
    given |= {name: tuple(v) if isinstance(v, list) else v for name, v in json.loads(one.settings).items()}
    made = preset(one.task, learner, seed=one.seed, rounds=one.steps, **given)
    compiled = compilations()
    started = time.perf_counter()
    run = begin(one.seed, made.world, made.learner, num_worlds=one.worlds, num_runs=one.runs)
    chunk, returns, ended = max(one.steps // 100, 1), [], []
    for _ in range(one.steps // chunk):
        run, history = advance(run, chunk)
        returns.append(np.asarray(history.info["returns"]).sum(axis=2))
        ended.append(np.asarray(history.info["episodes"]).sum(axis=2))
        counted = sum(part.sum(axis=1) for part in ended)
        if one.episodes and counted.min() >= one.episodes:
            break
    seconds = time.perf_counter() - started
    by_round, ends = np.concatenate(returns, axis=1), np.concatenate(ended, axis=1)
    counts = np.ones(ends.shape, bool) if not one.episodes else np.cumsum(ends, axis=1) <= one.episodes
    by_round, ends = by_round * counts, ends * counts
    tenth = [slice(int(0.9 * n), n) for n in counts.sum(axis=1)]
    return {
        "mean_reward": (by_round.sum(axis=1) / ends.sum(axis=1)).tolist(),
        "final_reward": [float(r[s].sum() / max(e[s].sum(), 1)) for r, e, s in zip(by_round, ends, tenth, strict=True)],
        "episodes": ends.sum(axis=1).tolist(),
        "curve": [float(r.sum() / max(e.sum(), 1)) for r, e in zip(returns, ended, strict=True)],
        "seconds": seconds,
        "compile_seconds": sum(compiled),
    }


def figures_of(values: list[float]) -> str:
    """Mean and half the 95 % interval over runs (Student's t)."""
    digits = 3 if abs(mean(values)) < 10 else 1
    return f"{mean(values):.{digits}f} +- {interval(values):.{digits}f}"


def table(rows: list[dict[str, Any]], study: str) -> None:
    """The rows of a study, best first within each task and network."""
    print(f"\n**{study}**\n\n| task | network | rule | settings | runs | run average | last tenth | seconds |")
    print("|---|---|---|---|---|---|---|---|")

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        return (row["task"], row["steps"], str(row["settings"].get("hidden", "")), -mean(row["mean_reward"]))

    for row in sorted(rows, key=place):
        settings = row["settings"]
        usual = recommended(row["task"], row["rule"], "unit")
        bits = settings.get("bits", usual.get("bits"))
        hidden = "-".join(map(str, settings.get("hidden", usual.get("hidden", ()))))
        words = " ".join(f"{name}={value}" for name, value in settings.items() if name not in ("bits", "hidden"))
        print(
            f"| {row['task']}{f' k = {bits}' if bits else ''} | {hidden} | `{row['rule']}` "
            f"| {words or 'as published'} | {row['runs']} | {figures_of(row['mean_reward'])} "
            f"| {figures_of(row['final_reward'])} | {row['seconds']:.0f} |"
        )


def matrix(done: Cells, networks: Iterable[tuple[int, tuple[int, ...]]], runs: int) -> None:
    """Rules by problems: run average and its interval, at one rate for all, and at each rule's best with that rate."""
    columns = list(networks)
    heads = [f"k = {bits}, {'-'.join(map(str, hidden))}" for bits, hidden in columns]
    for title, at_best in ((f"every rule at {EQUAL}", False), ("every rule at its best rates", True)):
        print(f"\n**{title}**\n\n| rule | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
        for rule in RULES:
            cells_of_rule = []
            for bits, hidden in columns:
                rate = best_rate(done, rule, bits, hidden) if at_best else EQUAL
                row = done.rows.get(multiplexer("", rule, runs, bits, hidden, rate).key) if rate else None
                word = figures_of(row["mean_reward"]) + (f" ({rate})" if at_best else "") if row else ""
                cells_of_rule.append(word.replace("0.", "."))
            print(f"| `{rule}` | {' | '.join(cells_of_rule)} |")


def plot(rows: list[dict[str, Any]], out: Path) -> None:
    """Learning curves of every rule at its best rate, one panel per problem."""
    from matplotlib.figure import Figure

    panels: dict[tuple[int, int], dict[str, dict[str, Any]]] = {}
    for row in rows:
        if row["task"] == "multiplexer" and row["worlds"] == 128 and row["runs"] > 3 and "bits" in row["settings"]:
            rules = panels.setdefault((row["settings"]["bits"], len(row["settings"]["hidden"])), {})
            if row["rule"] not in rules or mean(rules[row["rule"]]["mean_reward"]) < mean(row["mean_reward"]):
                rules[row["rule"]] = row
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True)
    for (bits, depth), rules in panels.items():
        axis = axes[depth - 1, bits - 3]
        for number, rule in enumerate(RULES):
            if rule in rules:
                curve = rules[rule]["curve"]
                axis.plot(
                    np.linspace(0, rules[rule]["steps"], len(curve)), curve, label=rule, color=f"C{number}", lw=1.3
                )
        axis.set_title(f"k = {bits}, {'one hidden layer' if depth == 1 else 'two hidden layers'}", fontsize=10)
        axis.set_xlabel("updates of 128 questions")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("reward")
    axes[0, 0].legend(fontsize=7, frameon=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Play what is not done yet, or show what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of units.jsonl")
    parser.add_argument("--only", nargs="+", default=list(STUDIES), choices=STUDIES, help="studies, in this order")
    parser.add_argument("--runs", type=int, default=10, choices=range(2, 11), help="independent runs of a cell")
    parser.add_argument("--max-cells", type=int, default=None, help="stop after so many")
    parser.add_argument("--list", action="store_true", help="name the cells and play none")
    parser.add_argument("--table", action="store_true", help="print the tables of what is done and play nothing")
    parser.add_argument("--plot", type=Path, help="plot the learning curves of what is done and play nothing")
    args = parser.parse_args()
    done = Cells(args.results / "units.jsonl")
    if args.table or args.plot:
        if args.table:
            matrix(done, NETWORKS[: 2 * len(UPDATES)], args.runs)
            matrix(done, NETWORKS[2 * len(UPDATES) :], args.runs)
        for study in ("published", "control", "ours") if args.table else ():
            seen = [done[one.key] for one in cells([study], args.runs, done) if one.key in done]
            if seen:
                table(seen, study)
        if args.plot:
            plot(list(done.rows.values()), args.plot)
        return
    played, program = 0, ""
    for one in cells(args.only, args.runs, done):
        if args.list:
            print("done " if one.key in done else "to do", one.study, one.rule, one.task, one.settings, one.steps)
        elif one.key not in done and (args.max_cells is None or played < args.max_cells):
            if one.program != program:
                jax.clear_caches()
                program = one.program
            got = play(one)
            row = one._asdict() | {"settings": json.loads(one.settings), "key": one.key}
            done.add(row | got | {"versions": versions()})
            played += 1
            found = f"{figures_of(got['mean_reward'])} ({got['seconds']:.0f} s)"
            print(one.study, one.rule, one.task, one.settings, found, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
