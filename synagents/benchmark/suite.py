"""The frozen list of tasks: what a score is a score *of*. A task that changes gets a new version.

Each fixes the network, one data split (or one teacher), the loss, what a line may spend, and when it is looked at. The
currency is the sample evaluation: one sample through one forward pass; a backward pass counts two more. What a line
does with its budget is its own decision: batches of any size drawn from the training part, kept for as long as it
likes, since every sample is charged. Held-out accuracy is looked at every 1 % of the budget, and the score is the last
one, never the best. (The unit follows the reference paper's argument: no gradient, one forward pass per step.)
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from synagents import registry
from synagents.cli import by_name, flags
from synagents.hyperparameters import Values, nearest, require
from synagents.networks.mlp import MLP, Activation
from synagents.tasks.samples import Samples, validation
from synagents.world import Network, Task

VERSION = "v0"
POINTS = 100  # looks at a run, beside the one before it begins
USUAL_NETWORK = "mlp"
ACTIVATION: Activation = "relu"  # of the hidden units, and the half-width of the initial weights, of the networks that
INIT_SCALE = 0.1  # optimizers train; those of the agents are among their own settings


@dataclass(frozen=True)
class BenchmarkTask:
    """One task of the list.

    Attributes:
        name: short name; `id` is what is written into files.
        task: the library's task.
        hidden: units of the hidden layers.
        fixed: the task's options that are part of the benchmark: the split, the scale of pixels, the teacher.
        budget: sample evaluations a run may spend.
        designing: whether what is held out is cut from the training part, for choosing settings.
        network: the name of the network, or module:Name; any but the plain "mlp" makes another task, with its own id.
        of_network: its settings; of "mlp" those that lines do not choose, such as `norm`.
    """

    family: ClassVar[str] = "synapse"
    metric: ClassVar[str] = "accuracy"
    currency: ClassVar[str] = "sample evaluations"
    top: ClassVar[str] = "adam"  # the line that is 1 on the normalised scale
    reference: ClassVar[str] = "q-table"  # the reference paper's line, in whose world learners of others play

    name: str
    task: str
    hidden: tuple[int, ...]
    fixed: tuple[tuple[str, Any], ...]
    budget: int
    designing: bool = False
    network: str = USUAL_NETWORK
    of_network: tuple[tuple[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """`synapse/<name>-v0`, or `synapse/<name>+quantized,weight_bits=2-v0` on another network."""
        settings = "".join(f",{name}={flags.plain(value)}" for name, value in self.of_network)
        other = "" if self.usual else f"+{self.network}{settings}"
        return f"synapse/{self.name}{other}-{VERSION}"

    @property
    def usual(self) -> bool:
        """Whether the network is the benchmark's own."""
        return self.network == USUAL_NETWORK and not self.of_network

    def on(self, network: str, settings: Values) -> "BenchmarkTask":
        """The same task on another network; ValueError where the network has no such setting, or the task fixes it."""
        known = by_name.network_flags(network)
        for name in settings:
            require(name not in self.frozen, f"The benchmark fixes {name} of {self.id}: leave it out.")
            require(name in known, f"The network {network} has no setting {name!r}: {nearest(name, known)}.")
        return replace(self, network=network, of_network=tuple(sorted(settings.items())))

    def network_for(self, task: Task) -> Network:
        """The network that is trained, for the shapes of the task that `make` gives."""
        if self.usual:
            return MLP((math.prod(task.in_shape), *self.hidden, task.out_size), ACTIVATION, INIT_SCALE)
        own = {"hidden": self.hidden} if "hidden" in by_name.network_flags(self.network) else {}
        return by_name.make_network(self.network, task, own | dict(self.of_network))

    def split(self, seed: int) -> "BenchmarkTask":
        """The same with another data split, for studies over splits; itself where nothing is split."""
        return replace(self, fixed=tuple((dict(self.fixed) | {"split_seed": seed}).items())) if self.batched else self

    def design(self, seed: int) -> "BenchmarkTask":
        """What settings may be chosen on: another split, whose own held-out part is never looked at."""
        return replace(self.split(seed), designing=self.batched)

    def seen(self, task: Task) -> Task:
        """The task as the benchmark has it: while designing, a fifth of the training part is what is held out."""
        return validation(task, 0.2) if self.designing and isinstance(task, Samples) else task

    def make(self, batch_size: int, *, data: Path | None = None) -> Task:
        """The task, handing out batches of a size, where batches are drawn at all.

        Args:
            batch_size: samples per batch, 1 .. the training part.
            data: folder with the notMNIST images, as in `synagents.tasks.datasets.notmnist`.
        """
        options = dict(self.fixed)
        if self.batched:
            options["batch_size"] = batch_size
        if self.task == "notmnist":
            options["data"] = data
        return self.seen(registry.find("tasks", self.task)(**options))

    @property
    def frozen(self) -> Values:
        """The settings of world and task that the benchmark fixes."""
        return dict(self.fixed) | {"hidden": self.hidden}

    @property
    def batched(self) -> bool:
        """Whether batches are drawn from the training part; else it is always shown whole."""
        return self.task in ("digits", "notmnist")


_SPLIT = (("split_seed", 0), ("held_out", 0.25), ("loss", "cross-entropy"))
_DIGITS, _LETTERS = (*_SPLIT, ("scale", 16.0)), (*_SPLIT, ("scale", 255.0))
SUITE = {
    task.name: task
    for task in (
        BenchmarkTask("xor", "xor", (4,), (), 40_000),
        BenchmarkTask(
            "boundary", "boundary", (8,), (("teacher_hidden", 8), ("points", 300), ("teacher_seed", 0)), 3_000_000
        ),
        BenchmarkTask("digits-0", "digits", (), _DIGITS, 20_000_000),
        BenchmarkTask("digits-16", "digits", (16,), _DIGITS, 20_000_000),
        BenchmarkTask("notmnist-0", "notmnist", (), _LETTERS, 30_000_000),
        BenchmarkTask("notmnist-32", "notmnist", (32,), _LETTERS, 30_000_000),
    )
}
# The tasks with images again, with a tenth of the budget, as most people have who train a network.
TENTH = "-tenth"  # ends the names
TENTHS = {
    f"{name}{TENTH}": replace(task, name=f"{name}{TENTH}", budget=task.budget // 10)
    for name, task in SUITE.items()
    if task.batched
}
TASKS = SUITE | TENTHS


def find(name: str) -> BenchmarkTask:
    """The task called `name` or with that id; ValueError with the near match where there is none."""
    short = name.removeprefix("synapse/").removesuffix(f"-{VERSION}")
    require(short in TASKS, f"The benchmark has no task {name!r}: {nearest(short, TASKS)}.")
    return TASKS[short]


def is_variant(task_id: str) -> bool:
    """Whether an id is that of a task of this version on another network."""
    name, plus, _ = task_id.removeprefix("synapse/").partition("+")
    return bool(plus) and name in TASKS and task_id.endswith(f"-{VERSION}")
