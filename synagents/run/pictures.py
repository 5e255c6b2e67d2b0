"""What a snapshot keeps of a run of rounds: weights, what agents observe, traces and the table, of the first world."""

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import PyTree

from synagents.agents.plasticity import Felt
from synagents.loop import Run
from synagents.run.checkpoints import arrays_of
from synagents.run.snapshots import MOST_TABLE


def of_world(run: Run) -> dict[str, np.ndarray]:
    """Arrays by the names that `synagents.run.snapshots` lists, of the first world of the first run."""
    seen: dict[str, PyTree] = _seen(replace(run, t=0))  # t is static: one program for all times
    arrays: dict[str, np.ndarray] = {}
    for name, array in arrays_of(seen["weights"]).items():
        arrays[f"weights.{name}"] = np.asarray(array, np.float32)
    for name, own in seen["obs"].items():
        if isinstance(own, Felt):
            arrays[f"trace.{name}"] = np.asarray(own.trace, np.float32)
        elif np.issubdtype(own.dtype, np.unsignedinteger) and own.ndim == 1:
            arrays[f"seen.{name}"] = np.asarray(own)
    table = seen["table"]
    if table is not None and table.size * 4 <= MOST_TABLE:
        arrays["table"] = np.asarray(table, np.float32)
    return arrays


@jax.jit
def _seen(run: Run) -> dict[str, PyTree]:
    """The first world's weights and observations, and the first run's table."""
    fields = run.state._asdict()
    shared = fields.pop("task") if run.shared_task else None
    first = {name: jax.tree.map(lambda array: array[0, 0], own) for name, own in fields.items()}
    if shared is not None:
        first["task"] = jax.tree.map(lambda array: array[0], shared)
    state, mind = type(run.state)(**first), jax.tree.map(lambda array: array[0], run.mind)
    return {
        "weights": run.world.weights(state) or run.learner.weights(mind),
        "obs": run.world.observe(state, 0),
        "table": run.learner.action_values(mind),
    }
