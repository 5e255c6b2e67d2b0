"""A round that is about to be played, and its loss when some agents act otherwise while all else is equal.

    loss(C) = loss of the round in which the agents in C do `instead` and all others do what they chose

All else is the weights, the batch, what everyone remembers, and the random numbers that everyone draws. Agents of later
turns see what was changed and may answer it: this is the causal effect, by common random numbers (Pearl 2009).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, PyTree, UInt32

from synagents import keys
from synagents.agents.codes import NUM_ACTIONS
from synagents.agents.histories import Histories
from synagents.groups import Memory, Mind, State, Tree
from synagents.hyperparameters import require, require_whole
from synagents.loop import Run
from synagents.rounds import Acted, Keys, act_all, per_world
from synagents.schedules import is_due
from synagents.world import AnyLearner, World

LEAVE = 1  # what nudged weights do when they stay


class Moment(NamedTuple):
    """One world before a round: all that the round depends on.

    Attributes:
        world: the world.
        learner: the learner.
        key: for what the world draws and what the agents draw.
        state: the world's state S, with a new batch where one is due.
        memory: what the learner keeps in this world, M.
        mind: what the learner knows, L.
        t: rounds played before.
    """

    world: World
    learner: AnyLearner
    key: Keys
    state: State
    memory: Memory
    mind: Mind
    t: UInt32[Array, ""]


def moment_of(run: Run, index: int = 0, number: int = 0) -> Moment:
    """The round that a run plays next.

    Args:
        run: as it stands.
        index: of the run, in 0 .. K - 1.
        number: of the world, in 0 .. W - 1.

    Raises:
        ValueError: if there is no such run or world, or a round has several candidates, so that none is *the* move.
    """
    require_whole("index", index, 0, run.num_runs - 1)
    require_whole("number", number, 0, run.num_worlds - 1)
    require(
        run.world.candidates == 1,
        "A round of several candidates makes the best of several moves: replay a world with candidates=1.",
    )
    now = keys.round_key(run.key[index], run.t)
    own = Keys(
        per_world(run, now, repeats=run.world.repeats).reshape(-1)[number],
        per_world(run, keys.action_key(now)).reshape(-1)[number],
    )
    fields = {name: jax.tree.map(lambda x: x[index], part) for name, part in run.state._asdict().items()}
    drawn = per_world(run, now, repeats=run.world.repeats).reshape(-1)[0] if run.shared_task else own.world
    shared = ("task",) if run.shared_task else ()
    first = {name: part if name in shared else jax.tree.map(lambda x: x[number], part) for name, part in fields.items()}
    state = type(run.state)(**first)
    if run.world.interval and bool(is_due(jnp.uint32(run.t), run.world.interval)):
        state = run.world.refresh(keys.refresh_key(drawn), state)
    memory = jax.tree.map(lambda x: x[index, number], run.memory)
    mind = jax.tree.map(lambda x: x[index], run.mind)
    # As arrays, numbers of the world have the 32 bits that they have in the loop, also where 64 are allowed.
    return jax.tree.map(jnp.asarray, Moment(run.world, run.learner, own, state, memory, mind, jnp.uint32(run.t)))


def acted(moment: Moment) -> Acted:
    """What the agents see and choose."""
    return _act(moment, {}, {})


def act_otherwise(moment: Moment, instead: Tree, changed: Tree) -> Acted:
    """The round up to where the world resolves it, with some agents acting otherwise.

    Args:
        moment: the round.
        instead: {group: [] or [n]} what changed agents do.
        changed: {group: bool[] or bool[n]} whether an agent does so.
    """
    return _act(moment, instead, changed)


def _act(moment: Moment, instead: Tree, changed: Tree) -> Acted:
    def change(chosen: Tree) -> Tree:
        return {
            name: jnp.where(changed[name], instead[name].astype(own.dtype), own) if name in changed else own
            for name, own in chosen.items()
        }

    lived = moment.state, moment.memory, moment.mind, moment.t
    return act_all(moment.world, moment.learner, moment.key.action, *lived, change)


def loss_of(moment: Moment, moved: State) -> Float[Array, ""]:
    """The loss of the round, f64[] where 64 bits are allowed.

    One agent of thousands changes a loss by less than 32 bits resolve. Where the loss is a function of the weights, all
    of it is computed with 64 bits; elsewhere the world resolves the round, with those that it has.
    """
    world = moment.world
    if has_loss(world):
        return world.loss(precise(world.weights(moved)), precise(moved.task))
    return precise(world.resolve(moment.key.world, moved)[1].info["loss"])


def has_loss(world: World) -> bool:
    """Whether the world's loss is a function of its weights."""
    return type(world).loss is not World.loss


def precise(tree: PyTree) -> PyTree:
    """Real numbers with 64 bits where they are allowed; all else as it is."""
    wide = jax.dtypes.canonicalize_dtype(np.float64)
    return jax.tree.map(lambda x: x.astype(wide) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def loss_when(moment: Moment, instead: Tree, changed: dict[str, Bool[Array, "*n"]]) -> Float[Array, ""]:
    """The loss of the round with some agents acting otherwise; arguments as `act_otherwise`."""
    return loss_of(moment, act_otherwise(moment, instead, changed).moved)


def instead_of(world: World, action: float | None = None) -> Tree:
    """What agents do instead of what they chose, {group: []}.

    Args:
        world: the world.
        action: of its agents; None for doing nothing, where there is such an action: nudged weights stay.

    Raises:
        ValueError: if no action does nothing, or some group has no such action.
    """
    if action is None:
        nudged = all(isinstance(g.about, Histories) and g.about.actions == NUM_ACTIONS for g in world.groups)
        require(nudged, "No action of these agents does nothing: say which they do instead (--instead).")
        action = LEAVE
    for group in world.groups:
        space = group.action_space
        number = np.asarray(action, space.dtype)
        fits = float(number) == action and space.contains(
            np.full(space.shape, number) if isinstance(space, spaces.Box) else number
        )
        require(fits, f"Agents of {group.name} have no action {action:g}, only those of {space}: name another one.")
    return {group.name: jnp.asarray(action) for group in world.groups}
