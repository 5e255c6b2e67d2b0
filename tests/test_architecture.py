"""Imports point one way: what lies below never asks what is built on it, and no string goes around the rule."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import synagents

PACKAGE = Path(synagents.__file__).parent
ROOT = PACKAGE.parent
FAMILIES = ("synapse", "unit", "plastic")

# What each room may import of ours. A room is a folder, or a file of the root; docs/architecture.md draws them.
IDEA = {"display", "hyperparameters", "schedules", "groups", "task", "world", "keys", "axes", "counter"}
MAY_IMPORT: dict[str, set[str]] = {
    "hyperparameters": set(),
    "axes": set(),
    "display": set(),
    "groups": set(),
    "counter": set(),
    "registry": {"hyperparameters"},
    "schedules": {"hyperparameters"},
    "keys": {"counter", "hyperparameters"},
    "task": {"groups", "hyperparameters"},
    "world": {"groups", "task", "hyperparameters"},
    "probes": {"groups", "task", "world", "agents", "probes"},
    "rounds": IDEA | {"probes"},
    "loop": IDEA | {"probes", "rounds"},
    "outer_methods": IDEA,
    "outer": IDEA | {"rounds", "loop", "outer_methods"},
    "agents": IDEA | {"agents"},
    "data": {"hyperparameters", "data"},
    "networks": IDEA | {"networks"},
    "tasks": IDEA | {"tasks", "data"},
    "learners": IDEA | {"agents", "learners"},
    "envs": IDEA | {"agents", "networks", "tasks", "registry", "envs"},
}
BELOW = IDEA | {
    "probes",
    "rounds",
    "loop",
    "outer",
    "outer_methods",
    "registry",
    "agents",
    "data",
    "networks",
    "tasks",
    "learners",
    "envs",
}
MAY_IMPORT |= {
    "run": BELOW | {"run"},
    "benchmark": BELOW | {"run", "benchmark", "cli"},
    "interventions": BELOW | {"benchmark", "interventions"},
    "report": BELOW | {"run", "report", "benchmark"},
    "cli": BELOW | {"run", "report", "benchmark", "interventions", "cli"},
    "assets": {"data"},
    "": BELOW | {"run", "report", "cli", "benchmark"},  # the package itself: the public names
}
# Outside libraries that only these files may import; everything else below the top floor does without.
EDGES: dict[str, set[str]] = {
    "pettingzoo": {"envs.parallel", "envs.faces"},
    "matplotlib": {"envs.render", "report.plot"},
    "stable_baselines3": {"envs.sb3"},
    "jaxmarl": {"envs.jaxmarl"},
    "rich": {"report.live"},
    "safetensors": {"run.checkpoints", "run.snapshots"},
    "filelock": {"run.directory"},
    "scipy": {"benchmark.statistics", "tasks.cue"},
    "evosax": {"outer_methods"},
    "tensorboardX": {"report.tensorboard"},
}
NOWHERE = {"flax", "equinox", "torch", "pickle", "h5py", "dill", "cloudpickle"}

WHERE = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "envs").glob("*.py"))


def module_of(path: Path) -> str:
    """`synagents/learners/synapse/q_table.py` is learners.synapse.q_table, `envs/synapse_v0.py` is envs.synapse_v0."""
    base = ROOT if path.is_relative_to(ROOT / "envs") else PACKAGE
    name = ".".join(path.relative_to(base).with_suffix("").parts)
    return name.removesuffix(".__init__").removesuffix("__init__")


def room_of(module: str) -> str:
    return module.partition(".")[0]


MODULES = {module_of(path): path for path in WHERE}


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
    """The modules of this package that a file imports: `settings`, `learners.synapse.q_table`, ..."""
    found = set()
    for name in imports_of(path):
        if name.startswith("synagents."):
            name = name.removeprefix("synagents.")
            found.add(name if name in MODULES else name.rpartition(".")[0])
    return found - {""}


def test_the_walk_finds_the_package_and_every_room_has_a_rule() -> None:
    assert {"world", "loop", "learners.synapse.q_table", "networks.mlp", "envs.synapse_v0"} <= set(MODULES)
    assert {room_of(module) for module in MODULES} - {"__main__"} == set(MAY_IMPORT)
    assert "learners.synapse.tabular" in ours(PACKAGE / "learners" / "synapse" / "q_table.py")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    rooms = {room_of(other) for other in ours(MODULES[module])}
    allowed = MAY_IMPORT.get(room_of(module), {"cli"})
    assert rooms - {room_of(module)} <= allowed - {""}, f"{module} imports {sorted(rooms - allowed)}"
    assert room_of(module) in allowed or room_of(module) not in rooms, f"{module} imports its own room"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("learners.")])
def test_a_learner_knows_its_own_familys_kit_and_no_others(module: str) -> None:
    _, family, *_ = module.split(".")
    foreign = {f"learners.{other}" for other in FAMILIES if other != family}
    for other in ours(MODULES[module]):
        assert not other.startswith(tuple(foreign)), f"{module} imports {other}"
        if other.startswith("learners."):  # a kit offers nothing; a learner is nobody's kit
            assert "__all__" not in MODULES[other].read_text(), f"{module} imports the learner {other}"


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_only_at_its_edge(module: str) -> None:
    outside = {name.partition(".")[0] for name in imports_of(MODULES[module])}
    assert not outside & NOWHERE
    assert all(module in EDGES[name] for name in outside & set(EDGES))
    if room_of(module) != "cli":
        assert "click" not in outside


def dynamic_imports(path: Path) -> list[str]:
    """Calls by which a file could import something that the walk over its imports does not see."""
    ways = {"import_module", "__import__", "exec", "eval", "run_module", "load_module", "exec_module", "find_spec"}
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += [name] if name in ways else []
        elif isinstance(node, ast.Attribute) and node.attr == "modules":
            found.append("sys.modules")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_only_the_registry_and_the_package_itself_import_by_name(module: str) -> None:
    # sys.modules: from_module looks there whether somebody else has loaded Flax or Equinox.
    lawful = {
        "registry": {"import_module"},
        "": {"import_module", "find_spec"},
        "envs": {"import_module"},
        "networks.modules": {"sys.modules"},
    }
    assert set(dynamic_imports(MODULES[module])) <= lawful.get(module, set())


def test_a_call_that_imports_by_name_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "sly.py").write_text("import importlib\nx = importlib.import_module('synagents.' + 'cli')\n")
    assert dynamic_imports(tmp_path / "sly.py") == ["import_module"]


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)


def test_what_is_loaded_when_it_runs_obeys_the_rule_as_well(tmp_path: Path) -> None:
    """Whatever the loop and all learners load, in a fresh interpreter: nothing above them."""
    learners = [module for module in MODULES if module.startswith("learners.") and module.count(".") > 1]
    code = f"""
import importlib, sys
for module in ["loop", *{learners!r}]:
    importlib.import_module("synagents." + module)
print(sorted({{name.split(".")[1] for name in sys.modules if name.startswith("synagents.")}}))
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(ast.literal_eval(done.stdout)) <= BELOW - {"envs", "tasks", "networks", "data", "registry"}


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


# How large things may grow


LONG = {"train"}  # flat lists of arguments


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_over_400_lines(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 400


def functions_of(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_over_60_lines_or_nests_deeper_than_three(module: str) -> None:
    for function in functions_of(MODULES[module]):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0
        assert lines <= 60, f"{module}.{function.name} has {lines} lines beside its docstring"
        assert depth(function) <= 3, f"{module}.{function.name} nests {depth(function)} deep"


def depth(function: ast.FunctionDef) -> int:
    """How deep loops, branches, try and with lie in one another; a function within begins anew."""
    blocks = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Match)

    def below(node: ast.AST) -> int:
        deepest = 0
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                continue
            # elif is an If in the else of an If: it lies beside it, not in it
            beside = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
            deepest = max(deepest, below(child) + (isinstance(child, blocks) and not beside))
        return deepest

    return below(function)


def test_any_is_written_at_most_15_times_in_a_thousand_lines() -> None:
    source = "".join(path.read_text() for path in WHERE)
    lines, anys = len(source.splitlines()), len(re.findall(r"\bAny\b", source))  # where it is imported, too
    assert 1000 * anys / lines <= 15, f"{anys} in {lines} lines"
