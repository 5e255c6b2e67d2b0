"""The frozen tasks of decisions: units on bandits and control, plastic synapses in lives, each with its own currency.

    a round of W unit worlds costs W decisions            an update of L lives of T rounds costs 3 L T rounds of lives

A *decision* is one action that the team is paid for. What units do within it, further sweeps or errors that are carried
back, is not charged: it asks nothing of the world. A *round of a life* is one pass of the network, and the gradient
through a life counts two more for each, as in `synagents.benchmark.suite`. What is looked at every 1 % of the budget
is the mean return of unseen episodes; the score is the last look.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from synagents.benchmark.suite import VERSION, BenchmarkTask
from synagents.hyperparameters import Values

CURRENCIES = {"unit": "decisions", "plastic": "rounds of lives"}
TOLD = {  # what an agent is told beside the activity that reaches it, and the lines of every group
    "unit": {
        "told nothing": ("uniform",),
        "told the team's reward": ("reinforce",),
        "told the team's reward, while units settle together": ("boltzmann", "recurrent"),
        "told the team's reward, and what the layers above make of its activity": (
            "map-propagation",
            "weight-maximization",
        ),
        "told the team's reward, carried back by derivatives": ("straight-through", "backprop"),
    },
    "plastic": {
        "told nothing: synapses that stay as they are": ("fixed",),
        "told what both of its sides do": ("hebbian",),
        "told what both of its sides do, and a number that the network makes for all": (
            "neuromodulated",
            "retroactive",
        ),
    },
}


@dataclass(frozen=True)
class DecisionsTask:
    """One task of decisions.

    Attributes:
        name: short name, which is none of the suite's; `id` is what is written into files.
        task: the library's task.
        family: whose worlds play it.
        fixed: settings of world and task that are part of the benchmark: the network, the bits, the length of a life.
        budget: decisions, or rounds of lives, that a run may spend.
        top: what is 1 on the normalised scale: a line, or a level that the task knows of itself.
        reference: the line in whose world a learner plays that the benchmark has no settings for.
    """

    metric: ClassVar[str] = "return"

    name: str
    task: str
    family: Literal["unit", "plastic"]
    fixed: tuple[tuple[str, Any], ...]
    budget: int
    top: str
    reference: str

    @property
    def id(self) -> str:
        """`unit/<name>-v0`, or `plastic/<name>-v0`."""
        return f"{self.family}/{self.name}-{VERSION}"

    @property
    def currency(self) -> str:
        """What is charged."""
        return CURRENCIES[self.family]

    @property
    def frozen(self) -> Values:
        """The settings of world and task that the benchmark fixes."""
        return dict(self.fixed)


BoardTask: TypeAlias = BenchmarkTask | DecisionsTask
_LAYERS = (("hidden", (64, 32)),)
_CUE = (("cues", 2), ("bits", 6), ("length", 40), ("cell", "rate"), ("units", 24))
UNITS = {
    task.name: task
    for task in (
        DecisionsTask("multiplexer", "multiplexer", "unit", (*_LAYERS, ("bits", 4)), 512_000, "backprop", "reinforce"),
        DecisionsTask("cartpole", "cartpole", "unit", (*_LAYERS, ("limit", 500)), 100_000, "backprop", "reinforce"),
        DecisionsTask("acrobot", "acrobot", "unit", (*_LAYERS, ("limit", 500)), 100_000, "backprop", "reinforce"),
    )
}
LIVES = {"cue": DecisionsTask("cue", "cue", "plastic", _CUE, 5_400_000, "ideal", "neuromodulated")}


def told(family: str) -> dict[str, str]:
    """{line: what its agents are told}, of all lines that play a family's tasks."""
    return {line: group for group, those in TOLD[family].items() for line in those}
