"""How well plastic agents that follow the noise of their units learn images in 0.4 million sample evaluations.

    python studies/perturbation.py --data DIR              # the report: split seeds 100-109, run seed = split seed
    python studies/perturbation.py --data DIR --design     # what settings are chosen by: splits 0-9, validation
    python studies/perturbation.py --data DIR --design --only notmnist-0 --set step_size=exponential:0.08:0.008

The learner is `perturbation`, and beside it plays a control: agents that draw their changes uniformly, as large on
average as the learner's would be at the same place. Prints held-out accuracy, the mean over the splits and half its
95 % interval (Student's t), and seconds of training without compilation; then what a round takes, and a step of the
optimizer `node-perturbation`, which does the same without agents, in turns. With --design accuracy is of a fifth cut
from the training part, which training then lacks; held-out images are never looked at.
"""

import argparse
import time
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from common import percent, ratio, take_turns
from jaxtyping import Array, Key

from synagents.benchmark import lines, scoring, suite
from synagents.benchmark.drive import drive
from synagents.benchmark.optimizers import Problem
from synagents.benchmark.optimizers.node_perturbation import NodePerturbation
from synagents.envs.plastic_samples import PerturbedWorld
from synagents.hyperparameters import settings
from synagents.learners.plastic.perturbation import Perturbation
from synagents.loop import advance, begin, evaluate
from synagents.world import AnyLearner, Mind, RoundNumber, Tree

LINE = "perturbation"
ROUNDS = 1_990  # of 100 samples, twice, and two passes before the first: 398,200 sample evaluations
_SHORT: dict[str, Any] = {"batch_size": 100, "interval": 10}


class Goal(NamedTuple):
    """An accuracy, and the settings with which agents try."""

    accuracy: float | None  # in %; None where none was set
    settings: dict[str, Any]


GOALS = {
    "notmnist-0": Goal(85.1, _SHORT | {"step_size": "exponential:0.08:0.008", "noise": 0.01}),
    "notmnist-32": Goal(85.4, _SHORT | {"step_size": "exponential:0.04:0.004", "noise": 0.01}),
    "digits-0": Goal(None, _SHORT | {"step_size": "exponential:0.4:0.04", "noise": 0.01}),
    "digits-16": Goal(None, _SHORT | {"step_size": "exponential:0.2:0.02", "noise": 0.01}),
}


@settings
class AtRandom(Perturbation):
    """The control."""

    def act(self, key: Key[Array, ""], mind: Mind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Uniform changes, for each group with the mean square of what the rule would have done."""
        acted, _ = super().act(key, mind, obs, t, turn)
        drawn = {}
        for number, (name, action) in enumerate(acted.items()):
            most = jnp.sqrt(3 * jnp.mean(action**2))
            drawn[name] = jax.random.uniform(jax.random.fold_in(key, number), action.shape, jnp.float32, -most, most)
        return drawn, ()


def play(world: PerturbedWorld, learner: AnyLearner, rounds: int, seed: int) -> dict[str, float]:
    """One run; compiled before the clock starts."""
    run = begin(seed, world, learner)
    jax.block_until_ready(advance(run, rounds))
    began = time.perf_counter()
    run, _ = advance(run, rounds)
    jax.block_until_ready(run)
    seconds = time.perf_counter() - began
    return {"accuracy": evaluate(run)["accuracy"].item(), "seconds": seconds}


def speed(world: PerturbedWorld, samples: int) -> tuple[float, float]:
    """Milliseconds of a round, and how many times those of the optimizer's step that is."""
    run, problem = begin(0, world, Perturbation(1e-3)), Problem(world.network, world.task, world.interval)

    def agents(rounds: int) -> None:
        jax.block_until_ready(advance(run, rounds)[0].state)

    def optimizer(steps: int) -> None:
        drive(0, NodePerturbation(1e-3, noise=world.noise), problem, 2 * samples * steps, looks=1)

    timed = take_turns({"agents": agents, "optimizer": optimizer}, 9, seconds=2, least=100)
    return 1e3 * median(timed["agents"]), 1 / ratio(timed, "optimizer", "agents")


def main() -> None:
    """Print a row per task and learner, then the speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the notMNIST images")
    parser.add_argument("--design", action="store_true", help="on validation parts of splits 0-9; no speed")
    parser.add_argument("--runs", type=int, default=10, choices=range(2, 11))
    parser.add_argument("--only", nargs="+", default=list(GOALS), choices=list(GOALS))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="a multiple of the interval")
    args = parser.parse_args()
    try:
        given = lines.typed([LINE], [suite.find("notmnist-0")], args.set)
    except ValueError as error:
        parser.error(str(error))
    print("| task | learner | settings | runs | sample evaluations | accuracy, 95 % interval | goal | seconds |")
    print("|" + "---|" * 8)
    worlds = {}
    for name in args.only:
        goal, task = GOALS[name], suite.find(name)
        chosen = goal.settings | given
        words = " ".join(f"{setting}={value}" for setting, value in chosen.items())
        for title in (LINE,) if args.design else (LINE, "at random"):
            runs = []
            for number in range(args.runs):
                seed = number if args.design else 100 + number
                split = task.design(seed) if args.design else task.split(seed)
                world, learner = scoring.build(split, LINE, chosen, args.rounds, args.data)
                worlds[name] = world = cast(PerturbedWorld, world)
                player = learner if title == LINE else AtRandom(cast(Perturbation, learner).step_size)
                runs.append(play(world, player, args.rounds, seed))
            print(
                f"| {name} | {title} | `{words}` | {len(runs)} | {scoring.spent(world, args.rounds):,} "
                f"| {percent([run['accuracy'] for run in runs], 2)} | {goal.accuracy or ''} "
                f"| {mean(run['seconds'] for run in runs):.2f} |",
                flush=True,
            )
    if not args.design:
        print("\n| task | milliseconds per round | times the optimizer's step |\n|---|---|---|")
        for name, world in worlds.items():
            milliseconds, times = speed(world, scoring.batch_size(world))
            print(f"| {name} | {milliseconds:.2f} | {times:.2f} |", flush=True)


if __name__ == "__main__":
    main()
