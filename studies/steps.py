"""A step size that follows how often it succeeds, against the schedule that a search found, each from three starts.

    s <- s exp(.003 (1 - .75)) after a round in which the loss fell,   s exp(-.003 .75) after any other

    python studies/steps.py --data DIR [--task NAME ...]

With such a rule (the success rule of evolution strategies, Rechenberg 1973) nobody would have to choose a step size or
how it falls. The product does not have it, for what this table shows. The learner is the one that acts by default,
team-q with its shipped table; all other settings are those that the search (`tuning.py`) ended with at a tenth of the
benchmark's budgets; runs are on validation parts of data splits 0, 1, ..., one on each. The schedule falls to a tenth
of where it starts: at the searched step, an eighth of it, and eight times as much. Prints held-out accuracy in percent,
the mean over the splits and half its 95 % interval (Student's t). Cells are kept in results/steps.jsonl.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import jax.numpy as jnp
from common import RESULTS, Cells, percent
from jaxtyping import Array, Float, Key
from tuning import Worth, complete, moved, search

from synagents.benchmark import scoring, suite
from synagents.envs.synapse_v0 import SynapseState, SynapseWorld
from synagents.hyperparameters import settings
from synagents.loop import advance, begin, evaluate
from synagents.world import Outcome, Params, RoundNumber, TaskState, Tree

LINE = "team-q-frozen"
SPLITS = {"digits": 6, "notmnist": 4}
STARTS = (1e-4, 1e-3, 1e-2)
RATE, TARGET = 0.003, 0.75


class Stepping(NamedTuple):
    """A network in training and its present step size."""

    network: SynapseState
    step: Float[Array, ""]
    task: TaskState


@settings
class SuccessWorld(SynapseWorld):
    """Synapses whose step follows how often it succeeds; `step_size` is the first one."""

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> Stepping:
        """As in the parent, as all that follow."""
        state = super().reset(key, task_state)
        return Stepping(state, jnp.asarray(self.step_size, jnp.float32), state.task)

    def observe(self, state: Stepping, turn: int = 0) -> Tree:
        """What every synapse sees."""
        return super().observe(state.network, turn)

    def move(self, state: Stepping, actions: Tree, t: RoundNumber, turn: int = 0) -> Stepping:
        """By the present step."""
        world = replace(self, step_size=state.step)
        return state._replace(network=SynapseWorld.move(world, state.network, actions, t, turn))

    def resolve(self, key: Key[Array, ""], state: Stepping) -> tuple[Stepping, Outcome]:
        """The step grows if the loss fell, and shrinks if it did not."""
        network, outcome = super().resolve(key, state.network)
        success = (network.loss < state.network.loss).astype(jnp.float32)
        return Stepping(network, state.step * jnp.exp(RATE * (success - TARGET)), network.task), outcome

    def refresh(self, key: Key[Array, ""], state: Stepping) -> Stepping:
        """A new batch."""
        network = super().refresh(key, state.network)
        return state._replace(network=network, task=network.task)

    def weights(self, state: Stepping) -> Params:
        """The network's."""
        return state.network.weights

    def evaluate(self, key: Key[Array, ""], state: Stepping, policy: Any, part: Any) -> Any:
        """Of the network."""
        return super().evaluate(key, state.network, policy, part)


def searched(task: suite.BenchmarkTask, done: Cells) -> dict[str, Any]:
    """The settings that the search ended with; KeyError if it has not ended."""

    def cell(of: suite.BenchmarkTask, line: str, settings: dict[str, Any]) -> Worth:
        row = done[json.dumps([of.name, line, settings])]
        return mean(row["accuracy"]), row["average"]

    return search(task, LINE, cell)


def play(task: suite.BenchmarkTask, given: dict[str, Any], split: int, data: Path | None, *, follows: bool) -> float:
    """Accuracy on the validation part of a data split after one run."""
    world, learner = scoring.build(task.design(split), LINE, complete(task, LINE, given), 1, data)
    rounds = scoring.affordable(world, task.budget)
    world, learner = scoring.build(task.design(split), LINE, complete(task, LINE, given), rounds, data)
    if follows:
        world = SuccessWorld(**{name: getattr(world, name) for name in world.__dataclass_fields__})
    run, _ = advance(begin(split, world, learner), rounds)
    return float(evaluate(run)["accuracy"].item())


def main() -> None:
    """Play what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the notMNIST images")
    parser.add_argument("--task", action="append", choices=list(suite.TENTHS), help="only these")
    args = parser.parse_args()
    tried, done = Cells(RESULTS / "tuning.jsonl"), Cells(RESULTS / "steps.jsonl")
    heads = ["schedule", "an eighth", "eight times", *(f"success, from {start:g}" for start in STARTS)]
    print(f"| task | searched step | {' | '.join(heads)} |\n|{'---|' * (2 + len(heads))}")
    for name in args.task or suite.TENTHS:
        task = suite.TENTHS[name]
        best = searched(task, tried)
        ways = [best, *(moved(best, "step_size", way) for way in (-3, 3))]
        ways += [best | {"step_size": str(start)} for start in STARTS]
        cells = []
        for number, given in enumerate(ways):
            assert given is not None  # a step can always be moved
            follows = number >= 3
            key = json.dumps([name, given, follows])
            if key not in done:
                played = [play(task, given, split, args.data, follows=follows) for split in range(SPLITS[task.task])]
                done.add({"key": key, "accuracy": played})
            cells.append(percent(done[key]["accuracy"]))
        print(f"| {name} | `{best['step_size']}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
