"""Agent-steps a second against the number of agents, learning included: IPPO of this package beside JaxMARL's own.

    python studies/agents_curve.py --scripts JaxMARL/baselines     # where synagents[jaxmarl] is installed

All learn alike: 16 worlds side by side, rollouts of 128 rounds, 4 epochs of 4 minibatches, actor and critic with two
hidden layers of 64 units, and agents who see numbers. A team of N synapses is a perceptron of N - 1 inputs and one
output, on batches of 100 samples; JaxMARL's is N agents and N landmarks of simple_spread, each of whom sees all others.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from synagents import from_arrays
from synagents.benchmark.marl.ippo import IPPO
from synagents.benchmark.policy import track
from synagents.envs import jaxmarl as adapter
from synagents.envs import synapse_v0
from synagents.loop import advance, begin

AGENTS = (3, 10, 30, 100)
WORLDS, ROUNDS, UPDATES = 16, 128, 4
SEEN: dict[str, Any] = {"observation": "box"} | track.SEEN
SCRIPT: dict[str, Any] = {  # baselines/IPPO/config/ippo_ff_mpe.yaml, but for how long it learns
    "LR": 2.5e-4, "NUM_ENVS": WORLDS, "NUM_STEPS": ROUNDS, "TOTAL_TIMESTEPS": WORLDS * ROUNDS * UPDATES,
    "UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4, "GAMMA": 0.99, "GAE_LAMBDA": 0.95, "CLIP_EPS": 0.2, "ENT_COEF": 0.01,
    "VF_COEF": 0.5, "MAX_GRAD_NORM": 0.5, "ACTIVATION": "tanh", "ANNEAL_LR": True,
}  # fmt: skip


def main() -> None:
    """Print a row for each number of agents."""
    script = script_asked(__doc__)
    columns: dict[str, Callable[[int], float]] = {
        "synagents, codes": lambda agents: own(agents, "discrete"),
        "synagents, numbers": lambda agents: own(agents, "box"),
        "JaxMARL on simple_spread": lambda n: theirs(
            script, "MPE_simple_spread_v3", {"num_agents": n, "num_landmarks": n}, n
        ),
        "JaxMARL on synapses": lambda n: theirs(
            script, "synapse_v0", {"task": team(n), "hidden": (), "interval": 0, "max_cycles": 500, **SEEN}, n
        ),
        "dicts, no learning": over_dicts,
    }
    print(f"| agents | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}", flush=True)
    for agents in AGENTS:
        cells = [f"{measure(agents):,.0f}" for measure in columns.values()]
        print(f"| {agents} | {' | '.join(cells)} |", flush=True)


def script_asked(text: str | None) -> ModuleType:
    """JaxMARL's script `ippo_ff_mpe.py` as a module, which knows our worlds and whose log keeps quiet.

    Args:
        text: what `--help` says of the study.
    """
    import wandb

    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=Path, required=True, help="the folder baselines/ of JaxMARL's repository")
    baselines = parser.parse_args().scripts
    adapter.register()
    wandb.init(mode="disabled")
    spec = importlib.util.spec_from_file_location("ippo_ff_mpe", baselines / "IPPO" / "ippo_ff_mpe.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def team(agents: int) -> Any:
    """A task for a perceptron of so many weights, its bias among them."""
    x = np.random.default_rng(0).normal(size=(200, agents - 1)).astype(np.float32)
    return from_arrays(x, np.sign(x.sum(axis=1)), loss="mean-squared-error", batch_size=100)


def own(agents: int, observation: str) -> float:
    """IPPO of this package."""
    told = SEEN | {"observation": observation, "reward": "delta", "batch_change": "reevaluate"}
    world = synapse_v0.world(team(agents), hidden=(), interval=0, **told)
    assert sum(group.size for group in world.groups) == agents
    learner = IPPO(hidden=(64, 64), epochs=4, minibatches=4)
    begun = begin(0, world, learner, num_worlds=WORLDS)
    run, _ = advance(begun, ROUNDS * UPDATES, rollout_length=ROUNDS)  # compiles
    started = time.perf_counter()
    run, history = advance(run, ROUNDS * UPDATES, rollout_length=ROUNDS)
    jax.block_until_ready(history.reward)
    return agents * WORLDS * ROUNDS * UPDATES / (time.perf_counter() - started)


def theirs(script: ModuleType, env: str, options: dict[str, Any], agents: int) -> float:
    """JaxMARL's `make_train`."""
    train = jax.jit(script.make_train(SCRIPT | {"ENV_NAME": env, "ENV_KWARGS": options}))
    compiled = train.lower(jax.random.PRNGKey(0)).compile()
    started = time.perf_counter()
    jax.block_until_ready(compiled(jax.random.PRNGKey(0)))
    return agents * WORLDS * ROUNDS * UPDATES / (time.perf_counter() - started)


def over_dicts(agents: int) -> float:
    """The policy of `own` with numbers, played through PettingZoo's dicts, one world, a Python call each round."""
    env = synapse_v0.parallel_env(team(agents), hidden=(), interval=0, max_cycles=ROUNDS * UPDATES, **SEEN)
    world = synapse_v0.world(team(agents), hidden=(), interval=0, **SEEN)
    learner = IPPO(hidden=(64, 64))
    mind = learner.init(jax.random.key(0), world.groups)
    act = jax.jit(lambda key, obs: learner.act(key, mind, obs, 0, 0)[0])
    starts = np.cumsum([0, *(group.size for group in world.groups)])

    def play(rounds: int) -> None:
        seen, _ = env.reset(seed=0)
        for number in range(rounds):
            rows = np.stack([seen[agent] for agent in env.agents])
            obs = {g.name: rows[start : start + g.size] for g, start in zip(world.groups, starts, strict=False)}
            chosen = act(jax.random.key(number), obs)
            flat = np.concatenate([np.asarray(chosen[group.name]) for group in world.groups])
            seen, *_ = env.step(dict(zip(env.agents, flat, strict=True)))

    play(3)  # compiles
    started = time.perf_counter()
    play(ROUNDS)
    return agents * ROUNDS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
