"""What a snapshot keeps of a run of rounds: weights, what agents observe and do, traces, the table, of the first world.

What agents do is what they choose in the round that comes next, drawn with that round's own keys; where a new batch is
due just then, they may choose otherwise, and of several candidates it is the first that is tried.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, PyTree, UInt32

from synagents import keys
from synagents.agents.plasticity import Felt
from synagents.loop import Run
from synagents.rounds import act_all
from synagents.run.checkpoints import arrays_of
from synagents.run.snapshots import MOST_CHOICES, MOST_TABLE

# It is called at most 64 times in a run, and making it as fast as can be takes longer than all calls together.
QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}


def of_world(run: Run) -> dict[str, np.ndarray]:
    """Arrays by the names that `synagents.run.snapshots` lists, of the first world of the first run."""
    seen = _program()(replace(run, t=0), jnp.uint32(run.t))  # t is static: one program for all times
    arrays: dict[str, np.ndarray] = {}
    for name, array in arrays_of(seen["weights"]).items():
        arrays[f"weights.{name}"] = np.asarray(array, np.float32)
    for name, own in seen["obs"].items():
        if isinstance(own, Felt):
            arrays[f"trace.{name}"] = np.asarray(own.trace, np.float32)
        elif isinstance(own, jax.Array) and np.issubdtype(own.dtype, np.unsignedinteger) and own.ndim == 1:
            arrays[f"seen.{name}"] = np.asarray(own)
    for group in run.world.groups:
        space = group.action_space
        if isinstance(space, spaces.Discrete) and space.n <= MOST_CHOICES:
            arrays[f"act.{group.name}"] = np.asarray(seen["actions"][group.name], np.uint8)
    table = seen["table"]
    if table is not None and table.size * 4 <= MOST_TABLE:
        arrays["table"] = np.asarray(table, np.float32)
    return arrays


@cache
def _program() -> Callable[[Run, UInt32[Array, ""]], dict[str, PyTree]]:
    """`_seen`, compiled in haste where this version of XLA knows the options that say so."""
    try:
        jax.jit(lambda: 0, compiler_options=QUICKLY)()
    except jax.errors.JaxRuntimeError:  # options of XLA come and go
        return jax.jit(_seen)
    return jax.jit(_seen, compiler_options=QUICKLY)


def _seen(run: Run, t: UInt32[Array, ""]) -> dict[str, PyTree]:
    """The first world's weights, observations and next actions, and the first run's table."""
    fields = run.state._asdict()
    shared = fields.pop("task") if run.shared_task else None
    first = {name: jax.tree.map(lambda array: array[0, 0], own) for name, own in fields.items()}
    if shared is not None:
        first["task"] = jax.tree.map(lambda array: array[0], shared)
    state, mind = type(run.state)(**first), jax.tree.map(lambda array: array[0], run.mind)
    memory = jax.tree.map(lambda array: array[0, 0], run.memory)
    drawn = keys.world_key(keys.action_key(keys.round_key(run.key[0], t)), 0)
    if run.world.candidates > 1:
        drawn = keys.world_key(drawn, 0)  # the first move that is tried
    acted = act_all(run.world, run.learner, drawn, state, memory, mind, t)
    return {
        "weights": run.world.weights(state) or run.learner.weights(mind),
        "obs": acted.obs,
        "actions": acted.actions,
        "table": run.learner.action_values(mind),
    }
