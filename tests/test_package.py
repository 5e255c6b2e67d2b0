"""The package as it is installed: built, unpacked elsewhere, and imported from outside the repository."""

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import synagents
from synagents import registry
from synagents.envs import synapse_v0, unit_v0
from tests.claims import refused

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import sys, synagents
assert not {"jax", "pettingzoo", "matplotlib"} & set(sys.modules), "import synagents is not light"
from synagents.envs import synapse_v0
assert not {"pettingzoo", "matplotlib"} & set(sys.modules), "a world is not light"
print(synapse_v0.__file__)
print(len(synapse_v0.world("digits").groups), synagents.load_table().shape)
"""


def outside(tmp_path: Path, code: str, **environment: str) -> str:
    """What `code` prints in a fresh interpreter whose directory is not the repository."""
    env = {**os.environ, **environment, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the repository stays clean."""
    import shutil

    source, out = tmp_path_factory.mktemp("source") / "synagents", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "runs", "tests"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl"))


def test_the_wheel_imports_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    where, what = outside(tmp_path, PROBE, PYTHONPATH=str(tmp_path / "site")).splitlines()
    assert where == str(tmp_path / "site/synagents/envs/synapse_v0.py")
    assert what == "4 (81, 3)"


def test_the_wheel_holds_the_worlds_the_assets_and_the_types_and_no_top_level_envs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for name in (
        "synagents/envs/synapse_v0.py",
        "synagents/assets/digits.npz",
        "synagents/assets/tables/q-table.json",
        "synagents/assets/DIGITS-LICENSE.txt",
        "synagents/py.typed",
        "synagents/report/live.py",
    ):
        assert name in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"synagents"}


def test_the_installed_package_imports_outside_the_repository(tmp_path: Path) -> None:
    # In a development install this is the editable one.
    assert outside(tmp_path, PROBE).splitlines()[1] == "4 (81, 3)"


def test_the_folder_envs_is_no_package_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", "import envs"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Import the worlds as synagents.envs" in done.stderr.strip().splitlines()[-1]


SUBMODULES = """
import synagents
assert synagents.envs.__name__ == "synagents.envs" and synagents.envs.synapse_v0.world
assert synagents.learners and synagents.tasks and synagents.run
assert synagents.schedules.parse("0.5", 1) == 0.5
for name in synagents.__all__:
    assert getattr(synagents, name) is not None, name

@synagents.settings
class Mine:
    number: float = synagents.static(default=1.0)

print(Mine(2.0).number)
"""


def test_modules_are_there_without_a_second_import_and_settings_is_a_decorator(tmp_path: Path) -> None:
    assert outside(tmp_path, SUBMODULES) == "2.0\n"


def test_every_learner_of_the_folders_is_public() -> None:
    there = registry.offers("learners").values()
    assert {learner.__name__ for learner in there} <= set(dir(synagents))
    assert all(getattr(synagents, learner.__name__) is learner for learner in there)


WORLD = synapse_v0.world("xor", hidden=(2,), interval=0, reward="delta")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: synagents.train(0, WORLD, "trace", 1), "synagents.Trace()"),  # type: ignore[arg-type]
        (lambda: synagents.train(0, WORLD, synagents.Trace, 1), "the class Trace itself: make one"),
        (lambda: synagents.train(0, synapse_v0.functional_env("xor"), synagents.Trace(), 1), "env.world"),  # type: ignore[arg-type]
        (lambda: synagents.train(2**32, WORLD, synagents.Trace(), 1), "seed must be a whole number in 0 .. 4294967295"),
        (lambda: synagents.train(-1, WORLD, synagents.Trace(), 1), "seed must be a whole number in 0 .. 4294967295"),
        (lambda: synagents.train(0, synapse_v0.world("xor"), synagents.Trace(), 1), "reward='delta'"),
        (lambda: synapse_v0.world("xor", hiden=(4,)), "did you mean 'hidden'?"),
        (lambda: replace(WORLD, reward="banana"), "reward must be one of sign, delta, but is 'banana'"),
        (lambda: replace(WORLD, step_size=-1.0), "step_size must lie in [0, inf], but is -1"),
        (lambda: replace(unit_v0.world(), sweeps=-1), "sweeps must be a whole number >= 0"),
        (lambda: unit_v0.world(units="banana"), "units must be one of"),  # type: ignore[arg-type]
    ],
)
def test_wrong_use_from_python_is_refused_in_a_sentence_with_the_right_call(call: Any, told: str) -> None:
    assert told in refused(call)


def test_every_package_folder_is_installed() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "synagents").rglob("__init__.py")}
    assert listed == there | {"synagents.envs"}


def test_the_bundled_digits_are_small() -> None:
    assert (ROOT / "synagents/assets/digits.npz").stat().st_size < 100_000
