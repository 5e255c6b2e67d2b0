"""A training step against a bare forward pass, and against NumPy: side by side in one run, medians, ratios.

    python studies/throughput.py [--turns 5] [--json FILE] [--only 784-32-10 units ...]

For every network and batch size these variants take turns:

    forward       the network and its loss inside a loop that changes the weights slightly, so that nothing is hoisted
    frozen        the whole training step, a frozen table acting
    trace         the whole training step of the learner that `synagents train` uses when nobody names one
    adaptive      the whole training step, the table learning
    team-frozen   the whole training step of `team-q`, its table acting on traces
    team          the same, the table learning as well; the last column is its throughput as a share of team-frozen's
    probed        frozen, with all probes every 100 steps
    numpy         a vectorised float32 transcription of the training step (`frozen`) on the same threads
    forward8      eight networks on one batch: one product with their first layers side by side, and eight losses
    frozen8       eight worlds on one shared batch, a frozen table acting

and for networks that cannot be differentiated (1-bit weights and activations 64-64-10; spiking units that read digits
row by row, 8-48-10; whole numbers 64-64-10, and recurrent ones that read row by row, 8-64-10) `forward`, `trace` or,
of whole numbers, `integer-trace`, and, where weights have few levels, `evidence`;

and for a network of units, 11-64-2 on 128 questions of the multiplexer at a time:

    unit-forward    the same network of units that are sure of what they do, and its loss, in such a loop
    unit-reinforce  the whole training step of REINFORCE: 128 worlds, one learner

The columns are throughput ratios to forward (to forward8 for frozen8, to unit-forward for unit-reinforce): 1 means that
a training step costs what inference costs. The images are random bytes: arithmetic does not care. All of it takes less
than ten minutes on two cores.
"""

import argparse
import json
import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import Step, ratio, take_turns
from jax import Array

import synagents
from synagents import data
from synagents.envs import synapse_v0, unit_v0
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.learners.synapse.evidence import Evidence
from synagents.learners.synapse.integer_trace import IntegerTrace
from synagents.learners.synapse.trace import Trace
from synagents.learners.unit.reinforce import Reinforce
from synagents.networks.integer import IntegerMLP
from synagents.networks.integer_recurrent import IntegerRecurrent
from synagents.networks.quantized import Quantized
from synagents.networks.spiking import Spiking
from synagents.probes import action_mix, alignment, occupancy
from synagents.tasks import datasets
from synagents.tasks.losses import cross_entropy
from synagents.tasks.multiplexer import multiplexer
from synagents.tasks.samples import Samples
from synagents.world import Network

NETWORKS = {
    "64-32-10": (64, 32, 10),
    "784-10": (784, 10),
    "784-32-10": (784, 32, 10),
    "784-256-256-10": (784, 256, 256, 10),
}
BATCHES = (500, 5000)
HARD: dict[str, Network] = {
    "quantized": Quantized((64, 64, 10), 1, 1),
    "spiking": Spiking((8, 8), 10, (48,)),
    "integer-mlp": IntegerMLP((64, 64, 10)),
    "integer-recurrent": IntegerRecurrent((8, 8), 10, units=64),
}
UNITS = "units"
QUESTIONS = 128  # of the multiplexer at a time
PROBE_INTERVAL = 100
SECONDS = 0.28  # of one variant in one turn, about


def random_images(shape: tuple[int, ...], classes: int, batch: int) -> Samples:
    """A task of random bytes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch * 4 // 3 + 20, *shape), dtype=np.uint8)
    dataset = data.from_arrays("random bytes", pixels, np.arange(len(pixels)) % classes)
    return datasets.from_dataset(dataset, batch_size=batch)


def make_world(sizes: tuple[int, ...], batch: int, **settings: Any) -> SynapseWorld:
    """A world of random images; the batch is kept for ever, so that only steps are timed."""
    task = random_images(sizes[:1], sizes[-1], batch)
    return synapse_v0.world(task, hidden=sizes[1:-1], step_size=1e-4, interval=0, **settings)


def forward(world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array) -> Step:
    """Only the network and its loss; every step moves all weights by an amount that depends on the last loss."""
    whole = world.network.integer

    @jax.jit
    def play(weights: dict[str, Array], steps: Array) -> dict[str, Array]:
        def step(_: int, carry: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            weights, loss = carry
            weights = jax.tree.map(lambda w: w ^ (loss & 1).astype(w.dtype) if whole else w + 1e-6 * loss, weights)
            return weights, cross_entropy(world.network.apply(weights, x), labels)

        return jax.lax.fori_loop(0, steps, step, (weights, jnp.int32(0) if whole else jnp.float32(0)))[0]

    return lambda steps: jax.block_until_ready(play(weights, jnp.int32(steps)))


def forward_wide(world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array) -> Step:
    """W networks on one batch: the first layers are one product, the rest and the losses are batched."""

    @jax.jit
    def play(weights: dict[str, Array], steps: Array) -> dict[str, Array]:
        def step(_: int, carry: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            weights, losses = carry
            weights = {k: w + 1e-6 * losses.reshape(-1, *[1] * (w.ndim - 1)) for k, w in weights.items()}
            out = jax.vmap(lambda w: world.network.apply(w, x))(weights)
            return weights, jax.vmap(lambda o: cross_entropy(o, labels))(out)

        worlds = len(next(iter(weights.values())))
        return jax.lax.fori_loop(0, steps, step, (weights, jnp.zeros(worlds)))[0]

    return lambda steps: jax.block_until_ready(play(weights, jnp.int32(steps)))


def training(run: synagents.Run, *, probed: bool = False) -> Step:
    """The whole training step, through the public loop."""
    probes = (action_mix, occupancy, alignment) if probed else ()

    def play(steps: int) -> None:
        _, history = synagents.advance(run, steps, probes=probes, probe_interval=PROBE_INTERVAL)
        jax.block_until_ready(history.reward)

    return play


class NumpyWorld:
    """The same step in NumPy, float32, vectorised over agents: what one would write without a compiler."""

    def __init__(self, world: SynapseWorld, weights: dict[str, Array], x: Array, labels: Array, table: synagents.Table):
        self.layers = [
            (np.asarray(weights[f"layer{i}_weight"]).copy(), np.asarray(weights[f"layer{i}_bias"]).copy())
            for i in range(len(world.network.sizes) - 1)
        ]
        self.x, self.labels = np.asarray(x).reshape(len(x), -1), np.asarray(labels)
        self.greedy = np.asarray(table.values).argmax(axis=1).astype(np.uint8)
        self.rng = np.random.default_rng(0)
        self.agents = sum(w.size + b.size for w, b in self.layers)
        self.history = np.full(self.agents, 4, np.uint8)
        self.rewards, self.loss = 4, np.inf

    def choose_and_move(self) -> None:
        """Every agent's look-up, random numbers, nudge and memory."""
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

    def resolve(self) -> None:
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
    one = synagents.begin(0, world, frozen)
    traced = synagents.begin(0, replace(world, reward="delta"), Trace())
    told = replace(world, reward="delta", history="trace", memory=0, history_decay=(0.98,))
    shipped = synagents.load_table(learner="team-q")
    team = {
        "team-frozen": synagents.begin(0, told, synagents.TeamQ(shipped, adaptive=False, epsilon=0.5)),
        "team": synagents.begin(0, told, synagents.TeamQ(shipped, epsilon=0.5)),
    }
    eight = synagents.begin(0, world, frozen, num_worlds=8, shared_task=True)
    weights, (x, labels) = jax.tree.map(lambda a: a[0, 0], (one.state.weights, one.state.task))
    wide = jax.tree.map(lambda a: a[0], eight.state.weights)
    slow = NumpyWorld(world, weights, x, labels, table)
    steps = {
        "forward": forward(world, weights, x, labels),
        "frozen": training(one),
        "trace": training(traced),
        "adaptive": training(synagents.begin(0, world, adaptive)),
        **{name: training(run) for name, run in team.items()},
        "probed": training(one, probed=True),
        "numpy": slow.play,
        "forward8": forward_wide(world, wide, x, labels),
        "frozen8": training(eight),
    }
    bare, usual = per_agent(weights), per_agent((one.state.weights, one.state.actions))
    kept = {name: bare if name.startswith("forward") else usual for name in steps}
    traces = per_agent((traced.state.weights, traced.state.actions, traced.memory))
    state = team["team"].state
    evidence = per_agent((state.weights, state.actions, state.evidence))
    return steps, kept | {"trace": traces, **dict.fromkeys(team, evidence)}


def per_agent(tree: Any) -> float:
    """Bytes of a tree, over the agents, of which there is one for each weight: its first arrays are the weights."""
    weights = tree[0] if isinstance(tree, tuple) else tree
    return sum(a.nbytes for a in jax.tree.leaves(tree)) / sum(a.size for a in jax.tree.leaves(weights))


def hard(networks: list[str], batches: list[int], turns: int) -> list[dict[str, Any]]:
    """Measure and print the networks that cannot be differentiated."""
    print("\n| network | batch | forward ms | trace or integer-trace | evidence |\n|---|---|---|---|---|")
    rows = []
    for name, batch in product(networks, batches):
        network = HARD[name]
        task = random_images((8, 8), 10, batch)
        world = synapse_v0.world(task, network=network, reward="delta", interval=0)
        run = synagents.begin(0, world, IntegerTrace() if network.integer else Trace())
        weights, (x, labels) = jax.tree.map(lambda a: a[0, 0], (run.state.weights, run.state.task))
        steps = {"forward": forward(world, weights, x, labels), "trace": training(run)}
        if network.levels() and not network.integer:
            world = synapse_v0.world(task, network=network, reward="delta", moves="set", interval=0)
            steps["evidence"] = training(synagents.begin(0, world, Evidence()))
        seconds = take_turns(steps, turns, seconds=SECONDS)
        rows += [row | {"network": name} for row in rows_of(seconds, {}, world.sizes, batch)]
        told = [f"{ratio(seconds, 'forward', own):.2f}" if own in seconds else "" for own in ("trace", "evidence")]
        print(f"| {name} | {batch} | {1e3 * median(seconds['forward']):.3f} | {' | '.join(told)} |", flush=True)
    return rows


def unit_variants() -> tuple[tuple[int, ...], dict[str, Step]]:
    """What takes turns for a network of units: its sizes, a bare forward pass and a training step."""
    task = multiplexer(bits=3)
    world = unit_v0.world(task, hidden=(64,))
    learner = Reinforce(learning_rate=(3e-2,))
    run = synagents.begin(0, world, learner, num_worlds=QUESTIONS)
    weights = learner.weights(jax.tree.map(lambda a: a[0], run.mind))
    questions = jax.vmap(task.stimulus)(jax.tree.map(lambda a: a[0], run.state.task))
    answers = jax.vmap(task.right_answer)(jax.tree.map(lambda a: a[0], run.state.task)).astype(jnp.int32)

    @jax.jit
    def play(weights: dict[str, Array], steps: Array) -> dict[str, Array]:
        def step(_: int, carry: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
            weights, loss = carry
            weights = jax.tree.map(lambda w: w + 1e-6 * loss, weights)
            hidden = jnp.sign(questions @ weights["hidden0.weight"] + weights["hidden0.bias"])
            return weights, cross_entropy(hidden @ weights["output.weight"] + weights["output.bias"], answers)

        return jax.lax.fori_loop(0, steps, step, (weights, jnp.float32(0)))[0]

    steps = {
        "unit-forward": lambda count: jax.block_until_ready(play(weights, jnp.int32(count))),
        "unit-reinforce": training(run),
    }
    return world.sizes, steps


def rows_of(
    seconds: dict[str, list[float]], kept: dict[str, float], sizes: tuple[int, ...], batch: int
) -> list[dict[str, Any]]:
    """A row for every variant, as `--json` writes it."""
    rows = []
    for name, times in seconds.items():
        against = "unit-forward" if name.startswith("unit") else "forward8" if name.endswith("8") else "forward"
        worlds = {"frozen8": 8, "forward8": 8, "unit-reinforce": QUESTIONS}.get(name, 1)
        row = {"name": name, "sizes": list(sizes), "batch": batch, "worlds": worlds}
        row |= {"ms_per_step": 1e3 * median(times), "ratio_to_forward": ratio(seconds, against, name)}
        rows.append(row | ({"bytes_per_agent": kept[name]} if name in kept else {}))
    return rows


def images(networks: list[str], batches: list[int], turns: int) -> list[dict[str, Any]]:
    """Measure and print the networks of synapses."""
    columns = ("frozen", "trace", "adaptive", "team-frozen", "team", "probed")
    heads = ("forward8 ms", "frozen8", "frozen against numpy", "team against team-frozen")
    print(f"| network | batch | forward ms | {' | '.join(columns + heads)} |\n|{'---|' * (3 + len(columns + heads))}")
    rows = []
    for network in networks:
        for batch in batches:
            steps, kept = variants(NETWORKS[network], batch)
            seconds = take_turns(steps, turns, seconds=SECONDS, multiples={"probed": PROBE_INTERVAL})
            rows += rows_of(seconds, kept, NETWORKS[network], batch)
            ms = {name: f"{1e3 * median(times):.3f}" for name, times in seconds.items()}
            cells = [f"{ratio(seconds, 'forward', name):.2f}" for name in columns]
            cells += [ms["forward8"], f"{ratio(seconds, 'forward8', 'frozen8'):.2f}"]
            cells.append(f"{ratio(seconds, 'numpy', 'frozen'):.2f} x")
            cells.append(f"{ratio(seconds, 'team-frozen', 'team'):.2f}")
            print(f"| {network} | {batch} | {ms['forward']} | {' | '.join(cells)} |", flush=True)
    return rows


def units(turns: int) -> list[dict[str, Any]]:
    """Measure and print the network of units."""
    sizes, steps = unit_variants()
    seconds = take_turns(steps, turns, seconds=SECONDS, least=100)
    print("\n| network of units | worlds | forward ms | reinforce |\n|---|---|---|---|")
    ms, share = 1e3 * median(seconds["unit-forward"]), ratio(seconds, "unit-forward", "unit-reinforce")
    print(f"| {'-'.join(map(str, sizes))} | {QUESTIONS} | {ms:.3f} | {share:.2f} |", flush=True)
    return rows_of(seconds, {}, sizes, QUESTIONS)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="turns of every variant, >= 1")
    everything = [*NETWORKS, *HARD, UNITS]
    parser.add_argument("--only", nargs="+", default=everything, choices=everything, help="networks")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), help="batch sizes")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores, jax {jax.__version__}, numpy {np.__version__}\n")
    rows = []
    if networks := [name for name in args.only if name in NETWORKS]:
        rows += images(networks, args.batches, args.turns)
    if networks := [name for name in args.only if name in HARD]:
        rows += hard(networks, args.batches, args.turns)
    if UNITS in args.only:
        rows += units(args.turns)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
