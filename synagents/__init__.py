"""A neural network in training as a multi-agent world: every synapse is an agent, and no gradient is needed.

The names below are the whole public tour, with every learner that the folders of `synagents.learners` hold; worlds live
in `synagents.envs`. All load when first used, so that importing the package (and asking the command line for help)
costs nothing.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synagents.agents.histories import Histories as Histories
    from synagents.agents.tables import Table as Table
    from synagents.cli.build import open_run as open_run
    from synagents.cli.build import preset as preset
    from synagents.groups import Group as Group
    from synagents.hyperparameters import settings as settings
    from synagents.hyperparameters import static as static
    from synagents.learners.choice import sample as sample
    from synagents.loop import History as History
    from synagents.loop import Run as Run
    from synagents.loop import advance as advance
    from synagents.loop import begin as begin
    from synagents.loop import evaluate as evaluate
    from synagents.loop import train as train
    from synagents.networks.mlp import MLP as MLP
    from synagents.networks.modules import from_module as from_module
    from synagents.networks.quantized import Quantized as Quantized
    from synagents.outer_methods import Ascend as Ascend
    from synagents.outer_methods import Evolve as Evolve
    from synagents.outer_methods import Method as Method
    from synagents.outer_methods import Objective as Objective
    from synagents.report.plot import plot_run as plot_run
    from synagents.run.callbacks import Callback as Callback
    from synagents.run.checkpoints import load as load
    from synagents.run.checkpoints import save as save
    from synagents.run.fit import fit as fit
    from synagents.run.outer_spec import OuterSpec as OuterSpec
    from synagents.run.reading import read_metrics as read_metrics
    from synagents.run.spec import RunSpec as RunSpec
    from synagents.run.tables import load_table as load_table
    from synagents.run.tables import save_table as save_table
    from synagents.schedules import Exponential as Exponential
    from synagents.schedules import Linear as Linear
    from synagents.schedules import Switch as Switch
    from synagents.task import Answer as Answer
    from synagents.task import DecisionTask as DecisionTask
    from synagents.task import ForecastTask as ForecastTask
    from synagents.task import Levels as Levels
    from synagents.task import LifeTask as LifeTask
    from synagents.task import Network as Network
    from synagents.task import Task as Task
    from synagents.tasks.arrays import from_arrays as from_arrays
    from synagents.tasks.arrays import from_batches as from_batches
    from synagents.tasks.from_gymnasium import from_gymnasium as from_gymnasium
    from synagents.world import Learner as Learner
    from synagents.world import LifeWorld as LifeWorld
    from synagents.world import MemoryLearner as MemoryLearner
    from synagents.world import Outcome as Outcome
    from synagents.world import Policy as Policy
    from synagents.world import RewardKind as RewardKind
    from synagents.world import Transition as Transition
    from synagents.world import World as World

__version__ = "0.2.0"

_HOMES = {
    "agents.histories": ["Histories"],
    "agents.tables": ["Table"],
    "cli.build": ["open_run", "preset"],
    "learners.choice": ["sample"],
    "loop": ["History", "Run", "advance", "begin", "evaluate", "train"],
    "networks.mlp": ["MLP"],
    "networks.modules": ["from_module"],
    "networks.quantized": ["Quantized"],
    "outer_methods": ["Ascend", "Evolve", "Method", "Objective"],
    "report.plot": ["plot_run"],
    "run.callbacks": ["Callback"],
    "run.checkpoints": ["load", "save"],
    "run.fit": ["fit"],
    "run.outer_spec": ["OuterSpec"],
    "run.reading": ["read_metrics"],
    "run.spec": ["RunSpec"],
    "run.tables": ["load_table", "save_table"],
    "schedules": ["Exponential", "Linear", "Switch"],
    "hyperparameters": ["settings", "static"],
    "tasks.from_gymnasium": ["from_gymnasium"],
    "tasks.arrays": ["from_arrays", "from_batches"],
    "groups": ["Group"],
    "task": ["Answer", "DecisionTask", "ForecastTask", "Levels", "LifeTask", "Network", "Task"],
    "world": ["Learner", "LifeWorld", "MemoryLearner", "Outcome", "Policy", "RewardKind", "Transition", "World"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """A name of the tour, a learner of the folders, or a module, imported when it is asked for."""
    if name in _HOME:
        return getattr(importlib.import_module(f"synagents.{_HOME[name]}"), name)
    if not name.startswith("_"):
        if importlib.util.find_spec(f"synagents.{name}"):
            return importlib.import_module(f"synagents.{name}")
        if name[0].isupper() and name in (learners := _learners()):
            return learners[name]
    raise AttributeError(f"module 'synagents' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_learners(), "__version__"]


def _learners() -> dict[str, Any]:
    """All learners by their Python names; they are found in their folders."""
    from synagents.registry import offers

    return {learner.__name__: learner for learner in offers("learners").values()}
