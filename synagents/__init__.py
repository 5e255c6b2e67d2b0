"""A neural network in training as a multi-agent world: every synapse is an agent, and no gradient is needed.

The names below are the whole public tour; worlds live in `synagents.envs`. They load when first used, so that importing
the package (and asking the command line for help) costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synagents.learners.choice import sample as sample
    from synagents.learners.synapse.q_table import QTable as QTable
    from synagents.learners.synapse.repeat_undo import RepeatUndo as RepeatUndo
    from synagents.learners.synapse.trace import Trace as Trace
    from synagents.learners.uniform import Uniform as Uniform
    from synagents.loop import History as History
    from synagents.loop import Run as Run
    from synagents.loop import advance as advance
    from synagents.loop import begin as begin
    from synagents.loop import evaluate as evaluate
    from synagents.loop import train as train
    from synagents.networks.mlp import MLP as MLP
    from synagents.networks.modules import from_module as from_module
    from synagents.run.checkpoints import load as load
    from synagents.run.checkpoints import save as save
    from synagents.run.tables import load_table as load_table
    from synagents.run.tables import save_table as save_table
    from synagents.schedules import Exponential as Exponential
    from synagents.schedules import Linear as Linear
    from synagents.schedules import Switch as Switch
    from synagents.settings import settings as settings
    from synagents.settings import static as static
    from synagents.tasks.arrays import from_arrays as from_arrays
    from synagents.tasks.arrays import from_batches as from_batches
    from synagents.world import DecisionTask as DecisionTask
    from synagents.world import Group as Group
    from synagents.world import Learner as Learner
    from synagents.world import MemoryLearner as MemoryLearner
    from synagents.world import Network as Network
    from synagents.world import Outcome as Outcome
    from synagents.world import Task as Task
    from synagents.world import Transition as Transition
    from synagents.world import World as World

__version__ = "0.1.0"

_HOMES = {
    "run.checkpoints": ["load", "save"],
    "learners.synapse.q_table": ["QTable"],
    "learners.synapse.repeat_undo": ["RepeatUndo"],
    "learners.synapse.trace": ["Trace"],
    "learners.uniform": ["Uniform"],
    "loop": ["History", "Run", "advance", "begin", "evaluate", "train"],
    "networks.mlp": ["MLP"],
    "networks.modules": ["from_module"],
    "settings": ["settings", "static"],
    "learners.choice": ["sample"],
    "schedules": ["Exponential", "Linear", "Switch"],
    "run.tables": ["load_table", "save_table"],
    "tasks.arrays": ["from_arrays", "from_batches"],
    "world": ["DecisionTask", "Group", "Learner", "MemoryLearner", "Network", "Outcome", "Task", "Transition", "World"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'synagents' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synagents.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
