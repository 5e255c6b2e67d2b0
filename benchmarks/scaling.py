"""What an agent costs, from a thousand to ten million of them: time, memory, compilation.

    python benchmarks/scaling.py [--sizes 784-32-10 ...] [--picture FILE]

For each network (batch 500) a process of its own prints: agents; ms per training step; ms of the agents' side alone
(see, choose, move, remember); the same per agent; seconds of compilation; programs compiled by a second and third call
of `advance` (0 is what is wanted); and bytes per agent: peak resident memory less that of the smallest network and less
the activations, over the agents.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np
from throughput import NumpyWorld, make_world

import synagents
from synagents.counter import counter_key

NETWORKS = ("28-32-2", "784-10", "784-32-10", "784-320-10", "784-3200-10", "784-12500-16")
BATCH = 500
ROUNDS = 5


def measure(sizes: tuple[int, ...]) -> dict[str, float]:
    """All figures of one network; meant for a fresh process, since peak memory never falls."""
    compiled: list[float] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(seconds) if event.startswith("/jax/core/compile/backend") else None
    )
    world, table = make_world(sizes, BATCH), synagents.load_table()
    learner = synagents.QTable(table)
    agents = sum(group.size for group in world.groups)
    steps = max(50, min(5000, int(2e8 / agents / BATCH * 50)))
    started = time.perf_counter()
    run = synagents.begin(jax.random.key(0), world, learner)
    first = np.asarray(run.state.weights["layer0_weight"][0, 0, 0])
    run, _ = synagents.advance(run, steps)
    jax.block_until_ready(run.state)
    seconds, programs = sum(compiled), len(compiled)
    whole = []
    for _ in range(ROUNDS if agents < 1e6 else 2):
        started = time.perf_counter()
        run, _ = synagents.advance(run, steps)
        jax.block_until_ready(run.state)
        whole.append((time.perf_counter() - started) / steps)
    recompiled = len(compiled) - programs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    moved = float(np.mean(np.asarray(run.state.weights["layer0_weight"][0, 0, 0]) != first))
    assert moved > 0.9, "the weights have not moved"

    state, mind = (jax.tree.map(lambda x: x[0], tree) for tree in (jax.tree.map(lambda x: x[0], run.state), run.mind))

    @jax.jit
    def agents_alone(state: tuple) -> tuple:
        def step(state: tuple, key: jax.Array) -> tuple[tuple, None]:
            actions, _ = learner.act(counter_key(key), mind, world.observe(state), 0)
            return world.move(state, actions), None

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), steps))[0]

    jax.block_until_ready(agents_alone(state))
    alone = []
    for _ in range(ROUNDS if agents < 1e6 else 2):
        started = time.perf_counter()
        jax.block_until_ready(agents_alone(state))
        alone.append((time.perf_counter() - started) / steps)
    figures = {"agents": agents, "steps": steps, "ms": 1e3 * median(whole), "ms_alone": 1e3 * median(alone)}
    figures |= {"compile_seconds": seconds, "recompiled": recompiled, "peak_bytes": peak}
    if agents < 1e5:  # NumPy's own choosing, for comparison
        weights, (x, labels) = state.weights, state.task
        slow = NumpyWorld(world, weights, x, labels, table)
        started = time.perf_counter()
        for _ in range(50):
            slow.choose_and_move()
        figures["numpy_ms_alone"] = 1e3 * (time.perf_counter() - started) / 50
    return figures


def picture(rows: list[dict[str, float]], out: Path) -> None:
    """Time per step against agents: the whole step and the agents' side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axis = figure.subplots()
    agents = [row["agents"] for row in rows]
    axis.loglog(agents, [row["ms"] for row in rows], "o-", label="whole training step, batch 500")
    axis.loglog(agents, [row["ms_alone"] for row in rows], "o-", label="see, choose, move, remember")
    axis.set_xlabel("agents")
    axis.set_ylabel("ms per step")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, frameon=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Print the table, one fresh process per row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(NETWORKS), help="networks, the smallest first")
    parser.add_argument("--picture", type=Path, help="draw ms per step against agents there")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what the processes of the rows are called with
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(tuple(map(int, args.one.split("-"))))))
        return
    print("| network | agents | ms/step | agents' ms | ns/agent | NumPy's | compile s | recompiled | bytes/agent |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for network in args.sizes:
        done = subprocess.run([sys.executable, __file__, "--one", network], capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        activations = 4 * BATCH * sum(map(int, network.split("-")[1:]))
        spare = row["peak_bytes"] - rows[0]["peak_bytes"] - activations
        memory = f"{spare / row['agents']:.1f}" if row["agents"] >= 1e6 else ""
        slow = f"{row['numpy_ms_alone'] / row['ms_alone']:.1f} x" if "numpy_ms_alone" in row else ""
        print(
            f"| {network} | {row['agents']:,} | {row['ms']:.4g} | {row['ms_alone']:.4g} "
            f"| {1e6 * row['ms_alone'] / row['agents']:.2f} | {slow} | {row['compile_seconds']:.1f} "
            f"| {row['recompiled']} | {memory} |",
            flush=True,
        )
    if args.picture:
        picture(rows, args.picture)


if __name__ == "__main__":
    main()
