"""What one number for all can teach: the published update beside the team's, on a game with one answer and on digits.

    python studies/credit.py alike [--plot docs/credit.png]   # what is learned of two actions, by the number of agents
    python studies/credit.py digits                           # which update, told what: a table of four

`alike`: agents who all see the same act at random and are all paid for how many more of them went up than down, with
noise as large. `digits`: tables that start from zeros and train digits at a tenth of the benchmark's budget, with the
step size that was best of four on validation parts of splits 0-2; accuracy on what is held out of splits 100-104, in
percent with 95 % intervals. Cells are kept in results/credit.jsonl.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS, Cells, percent
from gymnasium import spaces

from synagents import QTable, TeamQ
from synagents.agents.histories import Histories
from synagents.benchmark import lines, suite
from synagents.groups import Group
from synagents.learners.synapse.team import TeamMemory
from synagents.world import Transition

CELLS = Cells(RESULTS / "credit.jsonl", "name")
AGENTS = (3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
ROUNDS, SEEDS = 500, 8
DESIGN, REPORT = range(3), range(100, 105)
STEPS = (0.0005, 0.001, 0.002, 0.004)
UPDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "published": ("q-table", {"adaptive": True, "table": "zeros", "reward": "sign", "batch_change": "compare"}),
    "of the team": ("team-q", {"table": "zeros"}),
}
TOLD: dict[str, dict[str, Any]] = {
    "two actions and rewards": {"history": "codes", "memory": 2, "history_decay": None},
    "a trace": {"history": "trace", "memory": None, "history_decay": (0.99,)},
}


def taught(learner: Any, agents: int, seed: int) -> np.ndarray:
    """Values of the three actions after what all agents see, f32[3], once they have learned for ROUNDS rounds."""
    rng, see = np.random.default_rng(seed), 5
    group = Group("g", (agents,), spaces.Discrete(9), spaces.Discrete(3), about=Histories(0, 1))
    key = jax.random.key(seed)
    mind, policy = learner.init(key, (group,)), jnp.full((1, 1, 9, 3), 1 / 3)
    memory, update = TeamMemory(jnp.zeros(1), jnp.zeros(1)), jax.jit(learner.update)
    seen, never = jnp.full((1, 1, agents), see, jnp.uint8), jnp.zeros((1, 1), bool)
    for _ in range(ROUNDS):
        actions = rng.integers(0, 3, (1, 1, agents)).astype(np.uint8)
        reward = (actions.astype(np.float32) - 1).sum(axis=2) / agents**0.5 + rng.normal(size=(1, 1))
        paid = {"g": jnp.asarray(reward, jnp.float32)}
        lived = Transition({"g": seen}, {"g": jnp.asarray(actions)}, {0: policy}, paid, never, never)
        if isinstance(learner, TeamQ):
            mind, memory, _ = update(key, mind, memory, lived, {"g": seen[0]}, 0)
        else:
            mind, _ = update(key, mind, lived, {"g": seen[0]}, 0)
    return np.asarray(learner.action_values(mind))[see]


def alike(plot: Path | None) -> None:
    """How far apart the values of up and down are, over how large values are."""
    makers = {"published": lambda: QTable(adaptive=True, gamma=0.0), "of the team": lambda: TeamQ(learn_from=10**6)}
    shares: dict[str, list[list[float]]] = {}
    for name, make in makers.items():
        for agents in AGENTS:
            cell = f"alike {name} {agents}"
            if cell not in CELLS:
                values = np.array([taught(make(), agents, seed) for seed in range(SEEDS)])
                CELLS.add(
                    {"name": cell, "found": ((values[:, 2] - values[:, 0]) / np.abs(values).max(axis=1)).tolist()}
                )
            shares.setdefault(name, []).append(CELLS[cell]["found"])
    print(f"| agents | {' | '.join(f'{name} update' for name in shares)} |\n|---|{'---|' * len(shares)}")
    for agents, *found in zip(AGENTS, *shares.values(), strict=True):
        cells = [f"{mean(one):.4f} ({min(one):.4f} to {max(one):.4f})" for one in found]
        print(f"| {agents:,} | {' | '.join(cells)} |")
    if plot:
        draw(shares, plot)


def draw(shares: dict[str, list[list[float]]], plot: Path) -> None:
    """The table as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, found in shares.items():
        middle = [mean(one) for one in found]
        axis.plot(
            AGENTS,
            middle,
            marker="o",
            markersize=4,
            label=f"update {name}".replace("update published", "published update"),
        )
        axis.fill_between(AGENTS, [min(one) for one in found], [max(one) for one in found], alpha=0.2, linewidth=0)
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xlabel("agents that share the table")
    axis.set_ylabel("(Q[up] - Q[down]) / largest |Q|")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.savefig(plot, dpi=130)


def digits() -> None:
    """Two updates, each told two things."""
    names = ("digits-0-tenth", "digits-16-tenth")
    print(f"| update | agents are told | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for update, (line, own) in UPDATES.items():
        for told, history in TOLD.items():
            cells = []
            for name in names:
                settings = own | history | {"batch_size": 100, "interval": 100}
                step = max(STEPS, key=lambda step: mean(_played(name, line, settings, step, DESIGN)))
                cells.append(f"{percent(_played(name, line, settings, step, REPORT))} (step size {step:g})")
            print(f"| {update} | {told} | {' | '.join(cells)} |", flush=True)


def _played(name: str, line: str, settings: dict[str, Any], step: float, seeds: range) -> list[float]:
    """Accuracy on every split; on those of the design what is held out is cut from the training part."""
    given = settings | {"step_size": f"exponential:{step:g}:{step / 10:g}"}
    cell = f"{name} {line} {settings} {step:g} {seeds}"
    if cell not in CELLS:
        tasks = [suite.find(name).split(seed) for seed in seeds]
        if seeds is DESIGN:
            tasks = [replace(task, designing=True) for task in tasks]
        played = [lines.play(task, line, given, runs=1, seed=seed) for task, seed in zip(tasks, seeds, strict=True)]
        CELLS.add({"name": cell, "found": [float(curves.score[0, -1]) for curves in played]})
    return CELLS[cell]["found"]


def main() -> None:
    """One part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("alike", "digits"))
    parser.add_argument("--plot", type=Path, help="plot what `alike` finds there")
    args = parser.parse_args()
    if args.part == "alike":
        alike(args.plot)
    else:
        digits()


if __name__ == "__main__":
    main()
