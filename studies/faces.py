"""What a face costs beside the bare step: dictionaries, vectors, pure functions, side by side in one run.

    python studies/faces.py [--turns 7] [--plot FILE] [--json FILE]

For networks of a thousand to a hundred thousand agents (batch 500) these take turns:

    array         one compiled round called from Python and waited for
    dict          a step of parallel_env, observations discrete
    dict box      the same with observations as one-hots
    vector        a step of vector_env

and, at 784-32-10, a million agents or a hundred thousand, the figures that are measured once: functional_env under
`lax.scan` against the world's own loop, its compilation, and a parallel_env's construction and reset.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import jax
import numpy as np
from common import ratio, repeated, take_turns
from throughput import make_world

import synagents
from synagents import keys
from synagents.agents.histories import Form
from synagents.envs.functional import EnvState, FunctionalEnv
from synagents.envs.parallel import ParallelView
from synagents.envs.synapse_v0 import SynapseWorld
from synagents.envs.vector import VectorView

NETWORKS = ("28-32-2", "784-10", "784-32-10", "784-126-10")
BATCH = 500
SECONDS = 0.3  # of one variant in one turn, about
LEAST = 3  # steps in a turn: a dictionary of a hundred thousand agents takes a tenth of a second


def world_of(network: str, observation: Form = "discrete") -> SynapseWorld:
    """A world of random images whose batch is redrawn every 500 rounds."""
    return replace(make_world(tuple(map(int, network.split("-"))), BATCH), interval=500, observation=observation)


def array_step(world: SynapseWorld) -> Callable[[], None]:
    """One compiled round, called and waited for."""
    step = jax.jit(FunctionalEnv.step_env, donate_argnames="env_state")
    env, key = FunctionalEnv(world), jax.random.key(0)
    obs, env_state = jax.jit(env.reset)(key)
    actions = {name: np.full(seen.shape[0], 2, np.uint8) for name, seen in obs.items()}
    held = [env_state]

    def play() -> None:
        obs, env_state, *_ = step(env, key, held.pop(), actions)
        held.append(env_state)
        jax.block_until_ready((obs, env_state))

    return play


def dict_step(world: SynapseWorld) -> Callable[[], object]:
    """A step of the dictionary face, with actions as its spaces sample them."""
    env = ParallelView(world, "synapse_v0", max_cycles=10**9)
    env.reset(seed=0)
    actions = dict(zip(env.agents, np.random.default_rng(0).integers(0, 3, len(env.agents)), strict=True))
    return lambda: env.step(actions)


def vector_step(world: SynapseWorld) -> Callable[[], object]:
    """A step of the vector face."""
    env = VectorView(world, max_cycles=10**9)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 3, env.num_envs)
    return lambda: env.step(actions)


def scanned(turns: int) -> float:
    """The time of functional_env under a scan as a multiple of the world's own loop, the same table acting."""
    world, learner, length = world_of("784-32-10"), synagents.QTable(synagents.load_table()), 1000
    env, key = FunctionalEnv(world, max_cycles=10**9), jax.random.key(0)
    run = synagents.begin(key, world, learner)
    mind = learner.init(key, world.groups)

    @jax.jit
    def play(env: FunctionalEnv, begun: tuple[dict, EnvState]) -> tuple:
        def step(carry: tuple[dict, EnvState], t: jax.Array) -> tuple[tuple, jax.Array]:
            obs, env_state = carry
            now = keys.round_key(key, t)
            actions, _ = learner.act(keys.action_key(now), mind, obs, t, 0)
            obs, env_state, _, _, info = env.step(now, env_state, actions)
            return (obs, env_state), info["loss"]

        return jax.lax.scan(step, begun, jax.numpy.arange(length))

    begun = env.reset(key)
    variants = {
        "scan": repeated(lambda: jax.block_until_ready(play(env, begun))),
        "loop": repeated(lambda: jax.block_until_ready(synagents.advance(run, length)[0].state)),
    }
    return ratio(take_turns(variants, turns, seconds=SECONDS, least=1), "scan", "loop")


def compile_seconds(network: str, step: Callable) -> tuple[int, float]:
    """Agents, and seconds from the first call of a jitted functional step to its program."""
    env = FunctionalEnv(world_of(network))
    obs, env_state = jax.eval_shape(env.reset, jax.random.key(0))
    actions = {name: jax.ShapeDtypeStruct(seen.shape, np.uint8) for name, seen in obs.items()}
    started = time.perf_counter()
    jax.jit(step).lower(env, jax.random.key(0), env_state, actions).compile()
    return env.num_agents, time.perf_counter() - started


def begin_seconds(network: str) -> tuple[int, float]:
    """Agents, and seconds to construct and reset a dictionary face."""
    world = world_of(network)
    started = time.perf_counter()
    env = ParallelView(world, "synapse_v0")
    env.reset(seed=0)
    return len(env.agents), time.perf_counter() - started


def plot(rows: list[dict], out: Path) -> None:
    """Microseconds beyond the array step against agents."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axis = figure.subplots()
    agents = [row["agents"] for row in rows]
    for name in ("dict", "dict box", "vector"):
        axis.loglog(agents, [max(row[name] - row["array"], 1e-3) for row in rows], "o-", label=name)
    axis.loglog(agents, [5e-4 * n for n in agents], ":", color="gray", label="0.5 us per agent")
    axis.set_xlabel("agents")
    axis.set_ylabel("ms beyond the array step")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, frameon=False)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="turns of every variant, >= 1")
    parser.add_argument("--plot", type=Path, help="plot ms beyond the array step against agents there")
    parser.add_argument("--json", type=Path, help="write the rows there")
    args = parser.parse_args()
    print("| network | agents | array ms | dict ms | us per agent beyond | dict box ms | vector ms | vector / array |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for network in NETWORKS:
        world, boxed = world_of(network), world_of(network, observation="box")
        variants = {"array": array_step(world), "dict": dict_step(world), "dict box": dict_step(boxed)}
        variants["vector"] = vector_step(world)
        steps = {name: repeated(play) for name, play in variants.items()}
        seconds = take_turns(steps, args.turns, seconds=SECONDS, least=LEAST)
        agents = sum(group.size for group in world.groups)
        ms = {name: 1e3 * median(times) for name, times in seconds.items()}
        multiple = ratio(seconds, "vector", "array")
        rows.append({"network": network, "agents": agents, "vector_ratio": multiple} | ms)
        beyond = 1e3 * (ms["dict"] - ms["array"]) / agents
        print(
            f"| {network} | {agents:,} | {ms['array']:.3f} | {ms['dict']:.2f} | {beyond:.2f} | {ms['dict box']:.2f} "
            f"| {ms['vector']:.3f} | {multiple:.2f} |",
            flush=True,
        )
    begun = begin_seconds("784-126-10")
    agents, bare = compile_seconds("784-1258-10", FunctionalEnv.step_env)
    _, whole = compile_seconds("784-1258-10", FunctionalEnv.step)
    print(f"\nfunctional_env.step under lax.scan at 784-32-10: {scanned(args.turns):.2f} x the world's own loop")
    print(
        f"functional_env with {agents:,} agents compiles in {bare:.2f} s (step_env), {whole:.2f} s (step, with a reset)"
    )
    print(f"parallel_env with {begun[0]:,} agents is made and reset in {begun[1]:.2f} s")
    if args.plot:
        plot(rows, args.plot)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
