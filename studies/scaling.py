"""What an agent costs, from a thousand to ten million of them: time, memory, compilation.

    python studies/scaling.py [--sizes 784-32-10 ...] [--plot FILE]
    python studies/scaling.py --sizes 28-32-2 784-30000-40000-10 --steps 3        # what 24 GiB hold, in half an hour

For each network (batch 500) processes of their own print: agents; ms of a bare forward pass and its loss; ms per
training step; ms of the agents' side alone (see, choose, move, remember); the same per agent; how many times longer
NumPy takes for that; seconds of compilation; programs compiled by a second and third call of `advance` (0 is what is
wanted); and bytes per agent: peak resident memory less that of the smallest network and less the activations, over the
agents.
"""

import argparse
import json
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
from common import compilations, repeated, seconds_per_step
from throughput import NumpyWorld, forward, make_world, training

import synagents
from synagents.counter import counter_key

NETWORKS = ("28-32-2", "784-10", "784-32-10", "784-320-10", "784-3200-10", "784-12500-16")
BATCH = 500


def measure_forward(sizes: tuple[int, ...], steps: int) -> dict[str, float]:
    """The bare pass; in a process of its own, since it holds weights of its own."""
    world = make_world(sizes, BATCH)
    state = jax.jit(world.reset)(jax.random.key(0))
    play = forward(world, state.weights, *state.task)
    return {"ms_forward": 1e3 * seconds_per_step(play, steps, times_of(steps))}


def times_of(steps: int) -> int:
    """How often so many steps are timed: where they are few, one step takes long."""
    return 5 if steps > 50 else 2


def measure(sizes: tuple[int, ...], steps: int) -> dict[str, float]:
    """All figures of training one network; meant for a fresh process, since peak memory never falls."""
    compiled = compilations("/jax/core/compile/backend")
    world, table = make_world(sizes, BATCH), synagents.load_table()
    learner = synagents.QTable(table)
    agents = sum(group.size for group in world.groups)
    run = synagents.begin(0, world, learner)
    first = np.asarray(run.state.weights["layer0_weight"][0, 0, 0])
    run, _ = synagents.advance(run, steps)
    jax.block_until_ready(run.state)
    seconds, programs = sum(compiled), len(compiled)
    whole = seconds_per_step(training(run), steps, times_of(steps))
    recompiled = len(compiled) - programs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    moved = float(np.mean(np.asarray(run.state.weights["layer0_weight"][0, 0, 0]) != first))
    assert moved > 0.9, "the weights have not moved"

    state, mind = (jax.tree.map(lambda x: x[0], tree) for tree in (jax.tree.map(lambda x: x[0], run.state), run.mind))

    @jax.jit
    def agents_alone(state: Any) -> Any:
        def step(state: Any, key: jax.Array) -> tuple[Any, None]:
            actions, _ = learner.act(counter_key(key), mind, world.observe(state), 0, 0)
            return world.move(state, actions, 0), None

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), steps))[0]

    alone = seconds_per_step(repeated(lambda: jax.block_until_ready(agents_alone(state))), 1, times_of(steps)) / steps
    figures = {"agents": agents, "steps": steps, "ms": 1e3 * whole, "ms_alone": 1e3 * alone}
    figures |= {"compile_seconds": seconds, "recompiled": recompiled, "peak_bytes": peak}
    if agents < 1e5:  # NumPy's own choosing, for comparison
        weights, (x, labels) = state.weights, state.task
        slow = NumpyWorld(world, weights, x, labels, table)
        figures["numpy_ms_alone"] = 1e3 * seconds_per_step(repeated(slow.choose_and_move), 50, 1)
    return figures


def steps_for(sizes: tuple[int, ...]) -> int:
    """As many steps as fit into a few seconds, and at least 50."""
    agents = sum(fan_in * fan_out + fan_out for fan_in, fan_out in pairwise(sizes))
    return max(50, min(5000, int(2e8 / agents / BATCH * 50)))


def plot(rows: list[dict[str, float]], out: Path) -> None:
    """Time per step against agents: the whole step and the agents' side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axis = figure.subplots()
    agents = [row["agents"] for row in rows]
    axis.loglog(agents, [row["ms"] for row in rows], "o-", label="whole training step, batch 500")
    axis.loglog(agents, [row["ms_forward"] for row in rows], ".--", label="bare forward pass and loss")
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
    parser.add_argument("--plot", type=Path, help="plot ms per step against agents there")
    parser.add_argument("--steps", type=int, help="steps per call [as many as fit into seconds, at least 50]")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what the processes of the rows are called with
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        sizes = tuple(map(int, args.one.split("-")))
        print(json.dumps((measure_forward if args.bare else measure)(sizes, args.steps or steps_for(sizes))))
        return
    print(
        "| network | agents | forward ms | ms/step | agents' ms | ns/agent | NumPy's | compile s | recompiled "
        "| bytes/agent |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for network in args.sizes:
        row: dict[str, float] = {}
        for what in ([], ["--bare"]):
            command = [sys.executable, __file__, "--one", network, *what]
            command += ["--steps", str(args.steps)] if args.steps else []
            row |= json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
        rows.append(row)
        activations = 4 * BATCH * sum(map(int, network.split("-")[1:]))
        spare = row["peak_bytes"] - rows[0]["peak_bytes"] - activations
        memory = f"{spare / row['agents']:.1f}" if row["agents"] >= 1e6 else ""
        slow = f"{row['numpy_ms_alone'] / row['ms_alone']:.1f} x" if "numpy_ms_alone" in row else ""
        print(
            f"| {network} | {row['agents']:,} | {row['ms_forward']:.4g} | {row['ms']:.4g} | {row['ms_alone']:.4g} "
            f"| {1e6 * row['ms_alone'] / row['agents']:.2f} | {slow} | {row['compile_seconds']:.1f} "
            f"| {row['recompiled']} | {memory} |",
            flush=True,
        )
    if args.plot:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
