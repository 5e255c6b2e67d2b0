"""Cheaper products than float32: how long they take, how many rewards they turn around, what becomes of training.

    python studies/precision.py --data DIR

A reward is a sign, and the loss changes little in a step, so rounding may turn it around. On notMNIST (784-32-10) this
prints, for products in bfloat16, for first-layer weights on a grid of int8, and for a first layer whose pre-activations
are updated by the change of the weights and never recomputed: ms per product of a batch, the share of rewards that
differ from float64's over the same run, and the held-out accuracy after training with it.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from common import repeated, seconds_per_step
from jax import Array

import synagents
from synagents.envs import synapse_v0

BATCH, TIMES = 500, 15


@synagents.settings
class LowMLP(synagents.MLP):
    """A perceptron whose products are computed in bfloat16 and summed in float32."""

    def apply(self, params: dict[str, Array], x: Array) -> Array:
        """As MLP.apply."""
        low, h, last = jnp.bfloat16, x, len(self.sizes) - 2
        for layer in range(last + 1):
            weight, bias = params[f"layer{layer}_weight"], params[f"layer{layer}_bias"]
            h = jnp.matmul(h.astype(low), weight.astype(low), preferred_element_type=jnp.float32) + bias
            h = jax.nn.relu(h) if layer < last else h
        return h


@synagents.settings
class GridMLP(synagents.MLP):
    """A perceptron whose first layer's weights are rounded to 127 steps either side of zero, as in int8."""

    def apply(self, params: dict[str, Array], x: Array) -> Array:
        """As MLP.apply."""
        weight = params["layer0_weight"]
        scale = jnp.abs(weight).max() / 127
        return super().apply(params | {"layer0_weight": jnp.round(weight / scale) * scale}, x)


def milliseconds(product: Callable[..., Array], *args: Array) -> float:
    """Median time of one product, a hundred in a row."""
    many = jax.jit(
        lambda *a: jax.lax.fori_loop(
            0, 100, lambda i, s: s + product(*a[:-1], a[-1] + i.astype(a[-1].dtype)).sum(), 0.0
        )
    )
    return 1e3 / 100 * seconds_per_step(repeated(lambda: jax.block_until_ready(many(*args))), 1, TIMES)


def products() -> dict[str, float]:
    """Times of a first layer's product, 500 x 784 x 32, by kind of number."""
    rng = np.random.default_rng(0)
    pixels, actions = rng.integers(0, 127, (BATCH, 784)), rng.integers(-1, 2, (784, 32))
    kinds = {
        "float32": (jnp.float32, jnp.float32),
        "bfloat16": (jnp.bfloat16, jnp.float32),
        "int8": (jnp.int8, jnp.int32),
    }
    return {
        name: milliseconds(
            lambda a, b, out=out: jnp.matmul(a, b, preferred_element_type=out).astype(jnp.float32),
            jnp.asarray(pixels, kind),
            jnp.asarray(actions, kind),
        )
        for name, (kind, out) in kinds.items()
    }


def exact_loss(
    weights: dict[str, np.ndarray], x: np.ndarray, labels: np.ndarray, first: np.ndarray | None = None
) -> float:
    """The loss in float64, from given pre-activations of the first layer or from its weights."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    h = x.astype(np.float64) @ w["layer0_weight"] if first is None else first.astype(np.float64)
    out = np.maximum(h + w["layer0_bias"], 0) @ w["layer1_weight"] + w["layer1_bias"]
    out -= out.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(out).sum(axis=1)) - out[np.arange(len(out)), labels]))


def flipped(world: synapse_v0.SynapseWorld, start: int, rounds: int) -> dict[str, float]:
    """Share of rewards, over `rounds` rounds of a run from round `start` on, that are not those of float64."""
    run, _ = synagents.train(0, world, synagents.RepeatUndo(), start)
    world = replace(world, interval=0)
    run = replace(run, world=world)
    networks = {
        "float32": world.network,
        "bfloat16": LowMLP(world.network.sizes),
        "int8 grid": GridMLP(world.network.sizes),
    }
    losses = {name: jax.jit(replace(world, network=network).loss) for name, network in networks.items()}
    seen: dict[str, list[float]] = {name: [] for name in ("float64", *networks, "updated")}
    first, before = None, None
    for _ in range(rounds):
        weights, batch = jax.tree.map(lambda a: a[0, 0], (run.state.weights, run.state.task))
        for name, loss in losses.items():
            seen[name].append(float(loss(weights, batch)))
        own, (pixels, labels) = jax.tree.map(np.asarray, (weights, batch))
        seen["float64"].append(exact_loss(own, pixels, labels))
        first = pixels @ own["layer0_weight"] if first is None else first + pixels @ (own["layer0_weight"] - before)
        before = own["layer0_weight"]
        seen["updated"].append(exact_loss(own, pixels, labels, first))
        run, _ = synagents.advance(run, 1)
    signs = {name: np.diff(values) < 0 for name, values in seen.items()}
    return {name: float(np.mean(sign != signs["float64"])) for name, sign in signs.items() if name != "float64"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds notMNIST")
    parser.add_argument("--rounds", type=int, default=20_000, help="of training, a multiple of 40, >= 40")
    args = parser.parse_args()
    print("| product of 500 x 784 x 32 | ms |\n|---|---|")
    for name, ms in products().items():
        print(f"| {name} | {ms:.4f} |", flush=True)
    world = synapse_v0.world(
        "notmnist",
        data=args.data,
        hidden=(32,),
        batch_size=BATCH,
        interval=500,
        step_size=synagents.Exponential(1.5e-3, 1.5e-4, args.rounds),
    )
    print(
        f"\n| rewards turned around, of {args.rounds // 20:,} from round | float32 | bfloat16 | int8 grid | updated |"
        "\n|---|---|---|---|---|"
    )
    for start in (args.rounds // 40, args.rounds // 2, args.rounds):
        shares = flipped(world, start, args.rounds // 20)
        print(f"| {start} | " + " | ".join(f"{100 * share:.1f} %" for share in shares.values()) + " |", flush=True)
    print(
        f"\n| trained for {args.rounds:,} rounds with | held-out accuracy, seeds 0-2 (weights then used in float32) |"
        "\n|---|---|"
    )
    for name, network in (
        ("float32", world.network),
        ("bfloat16", LowMLP(world.network.sizes)),
        ("int8 grid", GridMLP(world.network.sizes)),
    ):
        accuracies = []
        for seed in range(3):
            trained = replace(world, network=network)
            run, _ = synagents.train(seed, trained, synagents.RepeatUndo(), args.rounds)
            accuracies.append(float(synagents.evaluate(replace(run, world=world))["accuracy"][0, 0]))
        print(
            f"| {name} | {100 * np.mean(accuracies):.1f} % ({100 * min(accuracies):.1f}-{100 * max(accuracies):.1f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
