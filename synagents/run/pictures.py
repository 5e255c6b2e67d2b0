"""What a snapshot keeps of a run: weights, what agents observe and do, traces, the table, of the first world; a life.

What agents do is what they choose in the round that comes next, drawn with that round's own keys; where a new batch is
due just then, they may choose otherwise, and of several candidates it is the first that is tried.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, PyTree, UInt32

from synagents import keys
from synagents.agents.plasticity import Felt
from synagents.loop import Run
from synagents.outer import Life, Moments, OuterRun, replay
from synagents.rounds import act_all
from synagents.run.checkpoints import arrays_of
from synagents.run.snapshots import MOST_CHOICES, MOST_LIFE, MOST_TABLE

# It is called at most 64 times in a run, and making it as fast as can be takes longer than all calls together.
QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
R = TypeVar("R", Run, OuterRun)


def of_world(run: Run) -> dict[str, np.ndarray]:
    """Arrays by the names that `synagents.run.snapshots` lists, of the first world of the first run."""
    seen = in_haste(_seen)(replace(run, t=0), jnp.uint32(run.t))  # t is static: one program for all times
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


def of_life(run: OuterRun) -> dict[str, np.ndarray]:
    """The first of the fresh lives in which the first run is judged, by the names of `synagents.run.snapshots`."""
    life = in_haste(_lived)(replace(run, t=0), jnp.uint32(0))
    moments: Moments = life.seen
    arrays = {f"life-activity.{name}": np.asarray(own, np.float32) for name, own in moments.activity.items()}
    arrays |= {f"life-trace.{name}": np.asarray(own, np.float32) for name, own in moments.traces.items()}
    ground = run.world.task.ground
    if ground is not None:
        arrays["life.map"] = _way(ground, np.asarray(moments.position))
    length = len(life.reward)
    room = sum(array.size for array in arrays.values()) / MOST_LIFE  # a byte for every number
    rounds = np.unique(np.linspace(0, length - 1, max(2, int(length / max(room, 1)))).round().astype(np.int32))
    arrays = {name: array[rounds] for name, array in arrays.items()}
    arrays |= {f"life-number.{name}": np.asarray(own, np.float32) for name, own in moments.numbers.items()}
    return arrays | {"life.rounds": rounds + 1, "life.reward": np.asarray(life.reward, np.float32)}


def _way(ground: Bool[np.ndarray, "rows columns"], way: Float[np.ndarray, "T 2"]) -> np.ndarray:
    """The map after every round, i8[T, rows, columns]: -1 walls, 1 where the agent is."""
    shown = np.repeat(-ground.astype(np.int8)[None], len(way), axis=0)
    row, column = np.round(way).astype(int).T
    shown[np.arange(len(way)), row, column] = 1
    return shown


@cache
def in_haste(look: Callable[[R, UInt32[Array, ""]], PyTree]) -> Callable[[R, UInt32[Array, ""]], PyTree]:
    """A look at a run, compiled in haste where this version of XLA knows the options that say so."""
    try:
        jax.jit(lambda: 0, compiler_options=QUICKLY)()
    except jax.errors.JaxRuntimeError:  # options of XLA come and go
        return jax.jit(look)
    return jax.jit(look, compiler_options=QUICKLY)


def _lived(run: OuterRun, number: UInt32[Array, ""]) -> Life:
    return replay(run, 0, number)


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
