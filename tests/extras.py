"""Libraries that only some tests need: an extra of their own, which may be missing unless it is required."""

import importlib
import os

import pytest

CLIENTS = ("torch", "stable_baselines3", "supersuit", "torchrl")


def require_clients() -> None:
    """Skip the tests that call this where clients are missing; with SYNAGENTS_REQUIRE_CLIENTS=1, fail."""
    for name in CLIENTS:
        if os.environ.get("SYNAGENTS_REQUIRE_CLIENTS") == "1":
            importlib.import_module(name)
        else:
            pytest.importorskip(name, reason="needs the extra clients: pip install -e '.[clients]'")
