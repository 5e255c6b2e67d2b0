import contextlib
import ctypes
import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jax
import pytest

from synagents import data

# Most of the tests' time is compilation of tiny programs, here and in the processes that tests start: XLA makes them
# three times as fast with its older emitters, in one part and without optimizing. `XLA_FLAGS=
# JAX_DISABLE_MOST_OPTIMIZATIONS=0 python -m pytest` compiles as users do, and takes twice as long.
QUICKLY = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ.setdefault("XLA_FLAGS", QUICKLY)
jax.config.update("jax_disable_most_optimizations", os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1")

# A night's work: `python -m pytest tests/test_properties.py --hypothesis-profile=nightly`
hypothesis.settings.register_profile("nightly", max_examples=800)

PLAYED = itertools.count(1)  # tests of this process
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"  # the planning material, where it lies by the checkout


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts its background jobs with Ctrl-C ignored, and whatever the tests start would ignore it, too.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # What one process or an earlier session has compiled is not compiled again.
    cache = getattr(config, "cache", None)
    if cache is not None:
        jax.config.update("jax_compilation_cache_dir", str(cache.mkdir("jax")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
        # A file half written by another process is no failure: JAX compiles anew.
        config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache")


@pytest.fixture(autouse=True)
def _forget_modules_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Tests import files from folders of their own; the next test's file of the same name is another one.
    before, own = set(sys.modules), (tmp_path_factory.getbasetemp(), Path(__file__).with_name("stranger"))
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and "." not in name and any(Path(file).is_relative_to(folder) for folder in own):
            del sys.modules[name]


def drop_compiled_programs() -> None:
    # What they leave goes back to the system only when it is told to, where the C library can (glibc).
    jax.clear_caches()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="module", autouse=True)
def _drop_a_files_programs() -> Iterator[None]:
    # Compiled programs pile up to several GB in a process that runs all files; few are used by more than one.
    yield
    drop_compiled_programs()


@pytest.fixture(autouse=True)
def _drop_a_long_files_programs() -> Iterator[None]:
    yield
    if next(PLAYED) % 40 == 0:
        drop_compiled_programs()


@pytest.fixture
def optimized() -> Iterator[None]:
    """For the few tests whose programs run for longer than they are compiled."""
    quickly = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", quickly)


@pytest.fixture(scope="session")
def notmnist_folder() -> Path:
    for place in (os.environ.get("SYNAGENTS_DATA"), BESIDE):
        try:
            if place:
                data.load_notmnist(place)
                return Path(place)
        except data.DataNotFound:
            continue
    pytest.skip("notMNIST not found: set SYNAGENTS_DATA to a folder that holds it")


@pytest.fixture(scope="session")
def published_table() -> Path:
    places = [Path(place) / "synrl_policy.json" for place in (os.environ.get("SYNAGENTS_DATA"), BESIDE) if place]
    for file in places:
        if file.is_file():
            return file
    pytest.skip(f"the authors' table is not in {' or '.join(str(file) for file in places)}")
