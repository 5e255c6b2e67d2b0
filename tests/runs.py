"""A small run, and ways to play and stop it, for all tests of runs on disk."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synagents.envs import synapse_v0
from synagents.learners.synapse.q_table import QTable
from synagents.loop import Run
from synagents.probes import action_mix
from synagents.run.files import RunError
from synagents.run.fit import Look, fit
from synagents.run.spec import RunSpec
from tests.claims import one_sentence

WORLD = synapse_v0.world("xor", hidden=(2,), interval=0, step_size=0.05)
LEARNER = QTable(adaptive=True, alpha=0.1, rate="per-step")
ROUNDS = 12
SPEC = RunSpec(WORLD, LEARNER, ROUNDS, seed=3)

CROWD = RunSpec(  # runs and worlds side by side, several rounds an update, something recorded
    WORLD, LEARNER, ROUNDS, seed=3, num_runs=2, num_worlds=2, shared_task=True, rollout_length=2, probes=(action_mix,),
    probe_interval=4, about={"task": "$x", "learner": "y"},
)  # fmt: skip


class Killed(BaseException):
    """What no `except` of ours catches, as nothing catches kill -9."""


def play(directory: Path, spec: RunSpec | int = SPEC, **options: Any) -> tuple[Run, dict[str, Any]]:
    """Go on with the run in a directory; a checkpoint at every look, unless `options` say otherwise."""
    spec = replace(SPEC, rounds=spec) if isinstance(spec, int) else spec
    return fit(spec, directory, **{"checkpoint_seconds": 0, "tell": lambda line: None, **options})


def result(directory: Path) -> tuple[bytes, bytes, str, float]:
    """All that a run leaves which may not depend on how often it was stopped."""
    summary = json.loads((directory / "summary.json").read_text())
    metrics, table = (directory / "metrics.csv").read_bytes(), json.loads((directory / "table.json").read_text())
    return metrics, json.dumps(table).encode(), summary["weights_sha256"], summary["loss"]


def at(step: int, what: type[BaseException] | Callable[[], object]) -> Callable[[Look], None]:
    """Something that happens at a step."""

    def watch(look: Look) -> None:
        if look.step == step:
            if isinstance(what, type):
                raise what
            what()

    return watch


def refused(call: Callable[[], Any], kind: type[Exception] = RunError) -> str:
    with pytest.raises(kind) as error:
        call()
    return one_sentence(str(error.value).replace(".csv", "").replace(".json", "").replace(".safetensors", ""))


def damage(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 4
    file.write_bytes(body)


def in_a_shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project, with PYTHON in its environment; a pipe fails where any part of it does."""
    root = Path(__file__).resolve().parents[1]
    call = ["bash", "-c", f"set -o pipefail; {command}"]
    return subprocess.run(
        call, cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": sys.executable, **env}
    )
