"""config.json: every setting of a run, its data's checksums and the versions, enough to play it again.

format            which version of this package can read the directory
task, learner ..  what whoever began the run says of it (`Spec.about`)
rounds, seed ..   the fields of the spec (`RunSpec`, `OuterSpec`), by their names
built             what world and learner were made of, field by field
versions          of everything that a result depends on beside the settings
extended_from     the numbers of rounds that the run was asked for before it was extended
"""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from synagents.hyperparameters import require
from synagents.run.files import Json, RunError, path_of, printable

FORMAT = "synagents-run/2"
CONFIG = "config.json"
MOST_JSON = 10_000_000  # bytes of a JSON file that are read
ARRAY = "array "  # what the description of an array begins with
OF_ROUNDS = ("num_worlds", "shared_task", "rollout_length", "probes", "probe_interval")
OF_LIVES = ("lives",)  # what a run of an outer loop has instead
FIXED = ("seed", "num_runs", *OF_ROUNDS, *OF_LIVES)

Config: TypeAlias = Json


def read_config(directory: str | Path) -> Config:
    """What the config.json of a run says.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RunError: if it cannot be understood, or another version wrote it; that one is named.
    """
    directory = path_of(directory)
    file = directory / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"There is no run in {directory}: name a directory that `synagents train` wrote.")
    config = read_json(file)
    if config is None:
        raise RunError(f"{file} is damaged: put it back, or begin the run anew.")
    if config.get("format") != FORMAT:
        by = config.get("versions")
        writer = printable(by.get("synagents")) if isinstance(by, dict) else None
        raise RunError(
            f"{file} was written by {f'synagents {writer}' if writer else 'another version of synagents'}, and "
            f"synagents {version('synagents')} does not read it: go on with that version, or begin the run anew in "
            "another directory."
        )
    needless = OF_ROUNDS if "lives" in config else OF_LIVES
    for name, fits in _FITTING.items():
        if name not in needless and not fits(config.get(name)):
            raise RunError(f"{file} says {name} is {config.get(name)!r:.200}, which cannot be: put the file back.")
    return config


def first_rounds_of(config: Config) -> int:
    """The rounds that a run was first asked for, before it was extended: decays without a length span these."""
    return (*config["extended_from"], config["rounds"])[0]


def require_same(directory: Path, then: Config, now: Config) -> None:
    """Raise ValueError, naming what differs, unless two configurations are of the same run."""
    then, now = ({name: config.get(name) for name in FIXED} | config["built"] for config in (then, now))
    changed = [name for name in then | now if then.get(name) != now.get(name)]
    data = [name for name in changed if str(then.get(name)).startswith(ARRAY) and str(now.get(name)).startswith(ARRAY)]
    require(
        not data,
        f"What the run in {directory} was begun with has changed ({', '.join(data[:3])}): put back the data or tables "
        "as they were, or name a new directory with --out.",
    )
    whole = [name for name in changed if name.rpartition(".")[0] not in changed]  # of another kind: its parts are, too
    listed = "; ".join(f"{name} {then.get(name, 'unknown')}, not {now.get(name, 'unknown')}" for name in whole[:3])
    require(
        not changed,
        f"The run in {directory} began with other settings ({listed}): use the same, or name a new directory with "
        "--out.",
    )


def versions() -> dict[str, str]:
    """What a result depends on beside the settings."""
    packages = ("synagents", "jax", "jaxlib", "numpy")
    device = jax.devices()[0]
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "device": f"{device.platform} {device.device_kind}",
    }


def described(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """What an object is made of, as JSON can say it: {"world": "SynapseWorld", "world.network.sizes": [64, 10], ...}.

    Large arrays appear as their checksums, functions and objects of other kinds as their names.
    """
    if isinstance(value, np.generic | np.ndarray | jax.Array):
        array = np.asarray(value)
        small = array.size <= 8 and np.isfinite(array).all()
        checksum = hashlib.sha256(np.asarray(array, order="C").tobytes()).hexdigest()
        yield name, array.tolist() if small else f"{ARRAY}{array.dtype}{list(array.shape)} sha256 {checksum}"
    elif value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and np.isfinite(value)):
        yield name, value
    elif is_dataclass(value):
        yield name, type(value).__qualname__
        yield from chain(*(described(f"{name}.{part.name}", getattr(value, part.name)) for part in fields(value)))
    elif isinstance(value, Mapping):
        yield from chain(*(described(f"{name}.{key}", part) for key, part in value.items()))
    elif isinstance(value, tuple | list):
        parts = [dict(described("", part)) for part in value]
        if all(part.keys() == {""} for part in parts):
            yield name, [part[""] for part in parts]
        else:
            yield from chain(*(described(f"{name}.{index}", part) for index, part in enumerate(value)))
    elif isinstance(value, float | Path):
        yield name, str(value)
    else:
        yield name, getattr(value, "__qualname__", type(value).__qualname__)


def as_json(content: Json) -> bytes:
    """A mapping as people can read it; NumPy's numbers become Python's, and what JSON does not know becomes text."""
    return (json.dumps(content, indent=1, default=_plain, allow_nan=False) + "\n").encode()


def read_json(file: Path) -> Json | None:
    """The mapping in a JSON file; None where there is none."""
    try:
        with file.open("rb") as opened:
            content = json.loads(opened.read(MOST_JSON))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.generic | np.ndarray | jax.Array) else str(value)


def _whole(value: object, least: int = 1) -> bool:
    return type(value) is int and value >= least


def _list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(type(one) is kind for one in value)


_FITTING: dict[str, Callable[[Any], bool]] = {  # what config.json must say, whoever wrote it
    "rounds": _whole,
    "extended_from": lambda value: _list_of(int, value) and sorted(value) == value,
    "seed": lambda value: _whole(value, 0),
    "num_worlds": _whole,
    "num_runs": _whole,
    "shared_task": lambda value: type(value) is bool,
    "rollout_length": _whole,
    "lives": _whole,
    "probes": lambda value: _list_of(str, value),
    "probe_interval": _whole,
    "record": lambda value: value in (None, "none", "default", "all"),  # None: of an older version, which kept nothing
    "built": lambda value: isinstance(value, dict),
    "versions": lambda value: isinstance(value, dict),
}
