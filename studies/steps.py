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
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
from common import RESULTS, Cells, percent
from jaxtyping import Array, Float, Key
from tuning import Worth, complete, moved, search

from synagents.benchmark import scoring, suite
from synagents.envs.synapse_v0 import SynapseState, SynapseWorld
from synagents.hyperparameters import settings
from synagents.loop import advance, begin, evaluate
from synagents.world import (
    Group,
    Metrics,
    Outcome,
    Params,
    Part,
    Policy,
    RewardKind,
    RoundNumber,
    Task,
    TaskState,
    Tree,
    World,
)

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
class SuccessWorld(World):
    """Synapses whose step follows how often it succeeds; the `step_size` of their own world is the first one."""

    synapses: SynapseWorld

    @property
    def task(self) -> Task:
        """As in the synapses' own world, as all that follow."""
        return self.synapses.task

    @property
    def groups(self) -> tuple[Group, ...]:
        """The synapses."""
        return self.synapses.groups

    @property
    def interval(self) -> int:
        """Rounds a batch is kept."""
        return self.synapses.interval

    @property
    def candidates(self) -> int:
        """Joint moves that are tried in a round."""
        return self.synapses.candidates

    @property
    def reward_kind(self) -> RewardKind:
        """What rewards say."""
        return self.synapses.reward_kind

    @property
    def sizes(self) -> tuple[int, ...]:
        """The network's."""
        return self.synapses.sizes

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> Stepping:
        """A new network, and the first step."""
        state = self.synapses.reset(key, task_state)
        return Stepping(state, jnp.asarray(self.synapses.step_size, jnp.float32), state.task)

    def observe(self, state: Stepping, turn: int = 0) -> Tree:
        """What every synapse sees."""
        return self.synapses.observe(state.network, turn)

    def move(self, state: Stepping, actions: Tree, t: RoundNumber, turn: int = 0) -> Stepping:
        """By the present step."""
        step = cast(float, state.step)  # an array, which JAX takes wherever it takes a number
        world = replace(self.synapses, step_size=step)
        return state._replace(network=world.move(state.network, actions, t, turn))

    def resolve(self, key: Key[Array, ""], state: Stepping) -> tuple[Stepping, Outcome]:
        """The step grows if the loss fell, and shrinks if it did not."""
        network, outcome = self.synapses.resolve(key, state.network)
        success = (network.loss < state.network.loss).astype(jnp.float32)
        return Stepping(network, state.step * jnp.exp(RATE * (success - TARGET)), network.task), outcome

    def refresh(self, key: Key[Array, ""], state: Stepping) -> Stepping:
        """A new batch."""
        network = self.synapses.refresh(key, state.network)
        return state._replace(network=network, task=network.task)

    def weights(self, state: Stepping) -> Params:
        """The network's."""
        return state.network.weights

    def evaluate(self, key: Key[Array, ""], state: Stepping, policy: Policy, part: Part) -> Metrics:
        """Of the network."""
        return self.synapses.evaluate(key, state.network, policy, part)

    def global_state(self, state: Stepping) -> Float[Array, "D"]:
        """Of the network."""
        return self.synapses.global_state(state.network)


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
    run, _ = advance(begin(split, SuccessWorld(cast(SynapseWorld, world)) if follows else world, learner), rounds)
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
