"""The policy track measured: deep multi-agent learners beside rules and tables, learned on toys, frozen, scored.

    python studies/policies.py --list                          # the submissions, and which seeds are done
    python studies/policies.py [--only NAME ...] [--seeds N]   # learn and score what is missing
    python studies/policies.py --online                        # those policies again, learning on, up to digits-16
    python studies/policies.py --table                         # the tables of docs/policies.md, of what is done
    python studies/policies.py --throughput                    # agent-steps a second, learning included

Each submission is a file in results/policy/, with its policies beside it; `synagents bench verify` plays any of them
again. A seed that is there is never learned again, so the study may be stopped and continued.
"""

import argparse
import time
from typing import Any

import jax
import numpy as np
from common import RESULTS

from synagents import begin
from synagents.benchmark import suite
from synagents.benchmark.policy import files, play, track
from synagents.envs import synapse_v0
from synagents.loop import advance

FOLDER = RESULTS / "policy"
TASKS = ("xor", "boundary", "digits-0-tenth", "digits-0", "digits-16-tenth", "digits-16")  # frozen, and learning on
SUBMISSIONS: dict[str, tuple[str, dict[str, Any]]] = {  # file: the algorithm and its settings
    "ippo": ("ippo", {}),
    "vdn": ("vdn", {}),
    "mappo": ("mappo", {}),
    "qmix": ("qmix", {}),
    "iql": ("iql", {}),
    "recurrent-ippo": ("recurrent-ippo", {}),
    "repeat-undo": ("repeat-undo", {}),
    "team-q-shipped": ("team-q", {"table": "shipped", "adaptive": False, "epsilon": 0.5}),
}
RULES = ("repeat-undo", "team-q-shipped")  # they learn nothing: one lesson is enough, and online they are the same
AGENTS = (25450, 2410)  # of 64-32-10 and of 784-32-10


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(SUBMISSIONS), help="submissions; all by default")
    parser.add_argument("--seeds", type=int, default=3)
    for flag in ("--list", "--online", "--table", "--throughput"):
        parser.add_argument(flag, action="store_true")
    asked = parser.parse_args()
    chosen = asked.only or list(SUBMISSIONS)
    if asked.list:
        for name in chosen:
            print(name, [run.seed for run in done(name).runs] if path(name).exists() else [])
    elif asked.table:
        print(play.board({name: done(name) for name in chosen if path(name).exists()}))
    elif asked.throughput:
        throughput()
    else:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            submit(name, asked.seeds, online=asked.online)


def path(name: str) -> Any:
    """Where a submission is kept."""
    return FOLDER / f"{name}.json"


def done(name: str) -> files.Submission:
    """What there is of a submission."""
    return files.read(path(name))


def submit(name: str, seeds: int, *, online: bool) -> None:
    """Learn and score what is missing of a submission; of the rules nothing goes on learning."""
    algorithm, settings = SUBMISSIONS[name]
    protocol = track.Protocol(budget=42 * 32 * 2000) if name in RULES else track.FULL
    made, tasks = track.entry_of(algorithm, settings), [suite.find(task) for task in TASKS]
    learning = tasks if online and name not in RULES else []
    play.fill(path(name), made, range(seeds), tasks, protocol, online=learning, tell=print)


def throughput() -> None:
    """IPPO's agent-steps a second by the process's own clock and the wall's, in batches of 100 on random images."""
    print("| agents | rounds | seconds | processor seconds | million agent-steps a processor second |")
    print("|---|---|---|---|---|")
    for agents in AGENTS:
        task = from_images(np.random.default_rng(0), 64 if agents == 2410 else 784)
        told: dict[str, Any] = {"reward": "delta", "batch_change": "reevaluate"} | track.SEEN
        world = synapse_v0.world(task, hidden=(32,), interval=0, **told)
        assert sum(group.size for group in world.groups) == agents
        algorithm = track.entry_of("ippo", {}).algorithm
        rounds = 100
        run, _ = advance(begin(0, world, algorithm), rounds, rollout_length=50)  # compiles
        started, own = time.perf_counter(), time.process_time()
        run, history = advance(run, rounds, rollout_length=50)
        jax.block_until_ready(history.reward)
        wall, cpu = time.perf_counter() - started, time.process_time() - own
        print(f"| {agents:,} | {rounds} | {wall:.2f} | {cpu:.2f} | {agents * rounds / cpu / 1e6:.2f} |", flush=True)


def from_images(rng: np.random.Generator, inputs: int) -> Any:
    """200 random images in ten classes, in batches of 100."""
    from synagents import data
    from synagents.tasks.datasets import from_dataset

    images = data.from_arrays("random", np.float32(rng.random((200, 1, inputs))), np.arange(200) % 10)
    return from_dataset(images, batch_size=100)


if __name__ == "__main__":
    main()
