"""Worlds: one file each, with its data sheet and version history. Imported as `synagents.envs`.

A world is a module `<family>_v<number>`. Importing this package registers all of them with Gymnasium: `synapse_v0` is
"synagents/Synapse-v0". Gymnasium imports the package itself where the name says so:

    gymnasium.make_vec("synagents.envs:synagents/Synapse-v0", num_envs=8)
"""

if __name__ != "synagents.envs":
    raise ImportError("Import the worlds as synagents.envs: the folder envs/ is installed under that name.")

import importlib
import pkgutil
import re
from types import ModuleType

import gymnasium

for _module in pkgutil.iter_modules(__path__):
    if _match := re.fullmatch(r"(\w+)_v(\d+)", _module.name):
        gymnasium.register(
            f"synagents/{_match[1].title().replace('_', '')}-v{_match[2]}",
            vector_entry_point=f"synagents.envs.{_module.name}:vector_env",
        )


def __getattr__(name: str) -> ModuleType:
    """A module of this package, imported when it is asked for: `synagents.envs.synapse_v0`."""
    if name in {module.name for module in pkgutil.iter_modules(__path__)}:
        return importlib.import_module(f"synagents.envs.{name}")
    raise AttributeError(f"module 'synagents.envs' has no attribute {name!r}")
