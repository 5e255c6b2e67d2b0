"""A neural network in training as a multi-agent world: every synapse is an agent, and no gradient is needed.

The names below are the whole public tour; worlds live in `synagents.envs`. They load when first used, so that importing
the package (and asking the command line for help) costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synagents.checkpoints import load as load
    from synagents.checkpoints import save as save
    from synagents.learners.q_table import QTable as QTable
    from synagents.learners.repeat_undo import RepeatUndo as RepeatUndo
    from synagents.learners.trace import Trace as Trace
    from synagents.learners.uniform import Uniform as Uniform
    from synagents.loop import History as History
    from synagents.loop import Run as Run
    from synagents.loop import advance as advance
    from synagents.loop import begin as begin
    from synagents.loop import evaluate as evaluate
    from synagents.loop import train as train
    from synagents.networks.mlp import MLP as MLP
    from synagents.networks.modules import from_module as from_module
    from synagents.schedules import Exponential as Exponential
    from synagents.schedules import Linear as Linear
    from synagents.schedules import Switch as Switch
    from synagents.tables import load_table as load_table
    from synagents.tables import save_table as save_table
    from synagents.tasks.samples import from_arrays as from_arrays
    from synagents.tasks.samples import from_batches as from_batches
    from synagents.world import Group as Group
    from synagents.world import Learner as Learner
    from synagents.world import Network as Network
    from synagents.world import Outcome as Outcome
    from synagents.world import Task as Task
    from synagents.world import Transition as Transition
    from synagents.world import World as World

__version__ = "0.1.0"

_HOMES = {
    "checkpoints": ["load", "save"],
    "learners.q_table": ["QTable"],
    "learners.repeat_undo": ["RepeatUndo"],
    "learners.trace": ["Trace"],
    "learners.uniform": ["Uniform"],
    "loop": ["History", "Run", "advance", "begin", "evaluate", "train"],
    "networks.mlp": ["MLP"],
    "networks.modules": ["from_module"],
    "schedules": ["Exponential", "Linear", "Switch"],
    "tables": ["load_table", "save_table"],
    "tasks.samples": ["from_arrays", "from_batches"],
    "world": ["Group", "Learner", "Network", "Outcome", "Task", "Transition", "World"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'synagents' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synagents.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
