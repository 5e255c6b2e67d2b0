"""The package as it is installed: built, unpacked elsewhere, and imported from outside the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
        "synagents/assets/q_table.json",
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


def test_every_package_folder_is_installed() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "synagents").rglob("__init__.py")}
    assert listed == there | {"synagents.envs"}


def test_the_bundled_digits_are_small() -> None:
    assert (ROOT / "synagents/assets/digits.npz").stat().st_size < 100_000
