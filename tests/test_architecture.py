"""Imports point one way: what lies below never asks what is built on it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import synagents

PACKAGE = Path(synagents.__file__).parent
ROOT = PACKAGE.parent
# Rooms of the top floor, where anything may be imported. Any other file is held to the rules below.
TOP_FLOOR = {"cli", "flags", "experiment", "runs", "folders", "checkpoints", "report", "benchmark"}
OUTSIDE = {"pettingzoo", "matplotlib", "rich", "click", "stable_baselines3", "flax", "equinox", "torch"}
OUTSIDE |= {"safetensors", "filelock"}
EDGES = {"envs.views": {"pettingzoo"}, "envs.frame": {"matplotlib"}, "envs.sb3": {"stable_baselines3"}}
FILE_FORMATS = {"gzip", "zipfile", "zlib", "struct", "pooch", "pickle", "h5py"}
# Leaves: small helpers that know nothing of worlds, so that everything may know of them.
LEAVES = {"files", "settings", "history", "schedules", "losses", "data", "world"}

WHERE = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "envs").glob("*.py"))


def module_of(path: Path) -> str:
    """`synagents/learners/q_table.py` is learners.q_table, `envs/synapse_v0.py` is envs.synapse_v0."""
    base = ROOT if path.is_relative_to(ROOT / "envs") else PACKAGE
    return ".".join(path.relative_to(base).with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """All modules that a file imports, whether at its top, in a function or for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    """The rooms of this package that a file enters: `settings`, `learners.q_table`, ..."""
    modules = {module_of(other) for other in WHERE}
    rooms = set()
    for name in imports_of(path):
        if name.startswith("synagents."):
            name = name.removeprefix("synagents.")
            rooms.add(name if name in modules else name.rpartition(".")[0])
    return rooms - {""}


def room(path: Path) -> str:
    return module_of(path).partition(".")[0]


def rooms(*names: str) -> list[Path]:
    return [path for path in WHERE if room(path) in names]


BELOW = [path for path in WHERE if room(path) not in TOP_FLOOR]


def test_the_walk_finds_the_package() -> None:
    assert {"world", "loop", "learners.q_table", "tasks.samples", "networks.mlp", "envs.synapse_v0"} <= {
        module_of(path) for path in BELOW
    }
    assert "learners.q_table" in ours(PACKAGE / "learn_table.py")


@pytest.mark.parametrize("path", rooms("world", "data", "networks", "tasks", *LEAVES), ids=module_of)
def test_the_ground_floor_knows_only_leaves(path: Path) -> None:
    assert ours(path) <= LEAVES


@pytest.mark.parametrize("path", rooms("settings", "data", "world"), ids=module_of)
def test_the_lowest_know_nothing_of_ours(path: Path) -> None:
    assert ours(path) == set()


@pytest.mark.parametrize("path", rooms("learners", "choice", "probes", "loop", "outer"), ids=module_of)
def test_learners_the_loop_and_probes_know_the_contract_and_not_who_fulfils_it(path: Path) -> None:
    assert not {name.partition(".")[0] for name in ours(path)} & {"envs", "tasks", "networks", "registry", *TOP_FLOOR}
    if room(path) != "learners":
        assert not {name for name in ours(path) if name.startswith("learners")}


@pytest.mark.parametrize("path", rooms("envs"), ids=module_of)
def test_worlds_know_networks_and_tasks_but_no_learner_and_no_loop(path: Path) -> None:
    assert not {name.partition(".")[0] for name in ours(path)} & {"learners", "loop", "probes", *TOP_FLOOR}


@pytest.mark.parametrize("path", BELOW, ids=module_of)
def test_nothing_below_the_top_floor_looks_up(path: Path) -> None:
    outside = {name.partition(".")[0] for name in imports_of(path)}
    assert not outside & OUTSIDE - EDGES.get(module_of(path), set())
    if module_of(path) != "__init__":
        assert not {name.partition(".")[0] for name in ours(path)} & TOP_FLOOR


@pytest.mark.parametrize("path", [path for path in WHERE if module_of(path) != "data"], ids=module_of)
def test_only_data_touches_the_file_formats_of_data_sets(path: Path) -> None:
    if room(path) not in ("assets", "benchmark"):  # scores are no data set, and packed
        assert not {name.partition(".")[0] for name in imports_of(path)} & FILE_FORMATS


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


def test_importing_the_package_loads_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys, synagents; "
        "print([m for m in ('jax', 'pettingzoo', 'matplotlib', 'gymnasium', 'numpy', 'rich') if m in sys.modules])"
    )
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_public_name_is_where_it_is_said_to_be() -> None:
    for name in synagents.__all__:
        assert getattr(synagents, name).__name__ == name or name in dir(synagents)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = synagents.Nothing


def test_the_folder_envs_refuses_to_be_imported_by_its_bare_name() -> None:
    done = python("import envs", ROOT)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: Import the worlds as synagents.envs: the folder envs/ is installed under that name."


def test_the_worlds_are_importable_as_synagents_envs_from_anywhere(tmp_path: Path) -> None:
    assert python("import synagents.envs.synapse_v0", tmp_path).returncode == 0
