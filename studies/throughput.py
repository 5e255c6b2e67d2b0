"""A training step against a bare forward pass, and against NumPy: side by side in one run, medians, ratios.

    python studies/throughput.py [--rounds 7] [--json FILE] [--only 784-32-10 ...] [--quick]

For every network and batch size, these variants take turns, round after round:

    forward       the network and its loss inside a loop that changes the weights slightly, so that nothing is hoisted
    frozen        the whole training step, a frozen table acting
    adaptive      the whole training step, the table learning
    probed        frozen, with all probes every 100 steps
    numpy         a vectorised float32 transcription of the training step on the same threads
    forward8      eight networks on one batch: one product with their first layers side by side, and eight losses
    frozen8       eight worlds on one shared batch, a frozen table acting

The columns are throughput ratios to forward (to forward8 for frozen8): 1 means that a training step costs what
inference costs. The images are random bytes: arithmetic does not care.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from synagents.envs import synapse_v0
from synagents.envs.synapse_v0 import SynapseWorld

import synagents
from synagents import data
from synagents.probes import PROBES
from synagents.tasks import datasets

NETWORKS = {
    "64-32-10": (64, 32, 10),
    "784-10": (784, 10),
    "784-32-10": (784, 32, 10),
    "784-256-256-10": (784, 256, 256, 10),
}
BATCHES = (500, 5000)
SECONDS = 0.4  # of one variant in one round, about
Step = Callable[[int], None]  # plays so many steps and waits for them


def make_world(sizes: tuple[int, ...], batch: int) -> SynapseWorld:
    """A world of random images; the batch is kept for ever, so that only steps are timed."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch * 4 // 3 + 20, sizes[0]), dtype=np.uint8)
    dataset = data.from_arrays("random bytes", pixels, np.arange(len(pixels)) % sizes[-1])
    task = datasets.from_dataset(dataset, batch_size=batch)
    return synapse_v0.world(task, hidden=sizes[1:-1], step_size=1e-4, interval=0)


def forward(world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array) -> Step:
    """Only the network and its loss; every step moves all weights by an amount that depends on the last loss."""

    @jax.jit
    def play(weights: dict[str, Array], steps: Array) -> dict[str, Array]:
        def step(_: int, carry: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            weights, loss = carry
            weights = jax.tree.map(lambda w: w + 1e-6 * loss, weights)
            return weights, world.task.loss(world.network.apply(weights, x), labels)

        return jax.lax.fori_loop(0, steps, step, (weights, jnp.float32(0)))[0]

    return lambda steps: jax.block_until_ready(play(weights, jnp.int32(steps)))


def forward_wide(world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array) -> Step:
    """W networks on one batch: the first layers are one product, the rest and the losses are batched."""

    @jax.jit
    def play(weights: dict[str, Array], steps: Array) -> dict[str, Array]:
        def step(_: int, carry: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            weights, losses = carry
            weights = {k: w + 1e-6 * losses.reshape(-1, *[1] * (w.ndim - 1)) for k, w in weights.items()}
            out = jax.vmap(lambda w: world.network.apply(w, x))(weights)
            return weights, jax.vmap(lambda o: world.task.loss(o, labels))(out)

        worlds = len(next(iter(weights.values())))
        return jax.lax.fori_loop(0, steps, step, (weights, jnp.zeros(worlds)))[0]

    return lambda steps: jax.block_until_ready(play(weights, jnp.int32(steps)))


def training(run: synagents.Run, *, probed: bool = False) -> Step:
    """The whole training step, through the public loop."""
    probes = tuple(PROBES.values()) if probed else ()

    def play(steps: int) -> None:
        _, history = synagents.advance(run, steps, probes=probes, probe_interval=100)
        jax.block_until_ready(history.reward)

    return play


class NumpyWorld:
    """The same step in NumPy, float32, vectorised over agents: what one would write without a compiler."""

    def __init__(self, world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array, table: np.ndarray):
        self.layers = [
            (np.asarray(weights[f"layer{i}_weight"]).copy(), np.asarray(weights[f"layer{i}_bias"]).copy())
            for i in range(len(world.network.sizes) - 1)
        ]
        self.x, self.labels = np.asarray(x), np.asarray(labels)
        self.greedy = table.argmax(axis=1).astype(np.uint8)
        self.rng = np.random.default_rng(0)
        self.agents = sum(w.size + b.size for w, b in self.layers)
        self.history = np.full(self.agents, 4, np.uint8)
        self.rewards, self.loss = 4, np.inf

    def choose_and_move(self) -> None:
        """Every agent's look-up, luck, nudge and memory."""
        explore = self.rng.random(self.agents, dtype=np.float32) < 0.1
        actions = np.where(
            explore,
            self.rng.integers(0, 3, self.agents, dtype=np.uint8),
            self.greedy[self.history * np.uint8(9) + np.uint8(self.rewards)],
        )
        nudge = (actions.astype(np.float32) - 1) * np.float32(1e-4)
        start = 0
        for weight, bias in self.layers:
            weight += nudge[start : start + weight.size].reshape(weight.shape)
            start += weight.size
            bias += 2 * nudge[start : start + bias.size]
            start += bias.size
        self.history = self.history % 3 * 3 + actions

    def settle(self) -> None:
        """Forward pass, loss, reward."""
        h = self.x
        for layer, (weight, bias) in enumerate(self.layers):
            h = h @ weight + bias
            if layer < len(self.layers) - 1:
                h = np.maximum(h, 0)
        top = h.max(axis=1)
        chosen = h[np.arange(len(h)), self.labels]
        loss = float(np.mean(np.log(np.exp(h - top[:, None]).sum(axis=1)) + top - chosen))
        self.rewards = self.rewards % 3 * 3 + (2 if loss < self.loss else 0)
        self.loss = loss

    def play(self, steps: int) -> None:
        """Whole training steps."""
        for _ in range(steps):
            self.choose_and_move()
            self.resolve()


def variants(sizes: tuple[int, ...], batch: int) -> tuple[dict[str, Step], dict[str, float]]:
    """Everything that takes turns for one network and batch size, and the bytes each keeps per agent between steps."""
    world, table = make_world(sizes, batch), synagents.load_table()
    frozen, adaptive = synagents.QTable(table), synagents.QTable(table, adaptive=True)
    key = jax.random.key(0)
    one = synagents.begin(key, world, frozen)
    eight = synagents.begin(key, world, frozen, num_worlds=8, shared_task=True)
    weights, (x, labels) = jax.tree.map(lambda a: a[0, 0], (one.state.weights, one.state.task))
    wide = jax.tree.map(lambda a: a[0], eight.state.weights)
    slow = NumpyWorld(world, weights, x, labels, table)
    steps = {
        "forward": forward(world, weights, x, labels),
        "frozen": training(one),
        "adaptive": training(synagents.begin(key, world, adaptive)),
        "probed": training(one, probed=True),
        "numpy": slow.play,
        "forward8": forward_wide(world, wide, x, labels),
        "frozen8": training(eight),
    }
    only_weights, weights_and_memories = (
        sum(array.nbytes for array in jax.tree.leaves(tree)) / slow.agents
        for tree in (weights, (one.state.weights, one.state.actions))
    )
    kept = {name: only_weights if name.startswith("forward") else weights_and_memories for name in steps}
    return steps, kept


def measure(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Seconds per step of every variant in every round; a round is one turn of each."""
    counts = {}
    for name, play in steps.items():
        play(100)  # compile
        started = time.perf_counter()
        play(100)
        each = (time.perf_counter() - started) / 100
        counts[name] = max(100, round(SECONDS / each / 100) * 100)
        play(counts[name])  # compile for this length
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, play in steps.items():
            started = time.perf_counter()
            play(counts[name])
            seconds[name].append((time.perf_counter() - started) / counts[name])
    return seconds


def ratio(seconds: dict[str, list[float]], against: str, name: str) -> float:
    """Throughput of `name` as a multiple of that of `against`: the median over rounds of their times' ratio."""
    return median(a / b for a, b in zip(seconds[against], seconds[name], strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of every variant, >= 1")
    parser.add_argument("--only", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), help="networks")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), help="batch sizes")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores, jax {jax.__version__}, numpy {np.__version__}\n")
    print(
        "| network | batch | forward ms | frozen | adaptive | probed | forward8 ms | frozen8 | frozen against numpy |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for network in args.only:
        sizes = NETWORKS[network]
        for batch in args.batches:
            steps, kept = variants(sizes, batch)
            seconds = measure(steps, args.rounds)
            ratios = {name: ratio(seconds, "forward8" if name.endswith("8") else "forward", name) for name in seconds}
            for name, times in seconds.items():
                worlds = 8 if name.endswith("8") else 1
                row = {"name": name, "sizes": list(sizes), "batch": batch, "worlds": worlds}
                row |= {"ms_per_step": 1e3 * median(times), "ratio_to_forward": ratios[name]}
                rows.append(row | {"bytes_per_agent": kept[name]})
            ms = {name: f"{1e3 * median(times):.3f}" for name, times in seconds.items()}
            cells = [f"{ratios[name]:.2f}" for name in ("frozen", "adaptive", "probed")]
            cells += [ms["forward8"], f"{ratios['frozen8']:.2f}", f"{ratio(seconds, 'numpy', 'frozen'):.2f} x"]
            print(f"| {network} | {batch} | {ms['forward']} | {' | '.join(cells)} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
