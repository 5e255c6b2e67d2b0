"""Counterfactual credit: by how much the loss of one round is lower because of what each agent did, all else equal.

    c_i = L(a_1 .. b_i .. a_N) - L(a_1 .. a_i .. a_N)            b_i: what agent i does instead; c_i > 0 helped
    f_i = dL/dw_i (w_i | b_i  -  w_i | a_i)                      its first order, by the slope after the move
    q_i = Q[s_i, a_i] - Q[s_i, b_i]                              what the agent's own table says of the same choice

c is the difference reward (Wolpert & Tumer 2002), which multi-agent learners estimate (COMA, Foerster et al. 2018) and
is computed here: every agent's round is played again, in chunks side by side. The sum of c differs from what the whole
team gained by what agents do together, the higher orders.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from synagents.groups import Tree, unflat
from synagents.hyperparameters import require_whole
from synagents.interventions.moment import (
    Moment,
    act_otherwise,
    acted,
    has_loss,
    instead_of,
    loss_when,
    moment_of,
    precise,
)
from synagents.loop import Run
from synagents.world import World

CHUNK = 64  # agents side by side: the weights of so many networks lie in the cache


class Credit(NamedTuple):
    """What every agent's action was worth, in units of the loss.

    Attributes:
        contribution: {group: f64[n]} the loss had the agent done otherwise, less the loss; > 0 helped.
        first_order: {group: f64[n]} the same by the gradient; empty where there is none.
        belief: {group: f32[n]} what the table says, in units of its values; empty where there is none.
        changed: {group: bool[n]} whether the agent chose anything else than `instead`; others contribute 0.
        loss: of the round as it is played.
        loss_otherwise: of the round had all agents done otherwise.
    """

    contribution: dict[str, np.ndarray]
    first_order: dict[str, np.ndarray]
    belief: dict[str, np.ndarray]
    changed: dict[str, np.ndarray]
    loss: float
    loss_otherwise: float

    @property
    def total(self) -> float:
        """The sum of all contributions."""
        return float(sum(own.sum() for own in self.contribution.values()))

    @property
    def first_order_total(self) -> float:
        """The sum of all first-order estimates; nan where there are none."""
        return float(sum(own.sum() for own in self.first_order.values())) if self.first_order else float("nan")

    @property
    def team(self) -> float:
        """What the whole team's move was worth."""
        return self.loss_otherwise - self.loss


def credit(run: Run, *, instead: float | None = None, index: int = 0, number: int = 0, chunk: int = CHUNK) -> Credit:
    """The marginal contribution of every agent in the round that a run plays next; the run itself goes nowhere.

    Args:
        run: as it stands.
        instead: the action that an agent is compared with; None for doing nothing.
        index: of the run, in 0 .. K - 1.
        number: of the world, in 0 .. W - 1.
        chunk: agents that are replayed side by side, >= 1; more memory, and not always faster.

    Raises:
        ValueError: if there is no such run, world or action, or a round has several candidates.
    """
    require_whole("chunk", chunk, 1)
    moment, other = moment_of(run, index, number), instead_of(run.world, instead)
    groups = run.world.groups
    chosen = jax.jit(acted)(moment)
    with jax.enable_x64(True):  # one agent's part is below the resolution of 32 bits
        losses, ends, slopes = _losses(moment, other, chunk)
        by_group = unflat(losses, groups)
    loss, loss_otherwise = (float(end) for end in ends)
    return Credit(
        {name: np.asarray(own) - loss for name, own in by_group.items()},
        {name: np.asarray(own).reshape(-1) for name, own in slopes.items()},
        _belief(run.world, moment, chosen.obs, chosen.actions, other),
        {name: np.asarray(own != other[name]) for name, own in chosen.actions.items()},
        loss,
        loss_otherwise,
    )


@partial(jax.jit, static_argnums=2)
def _losses(moment: Moment, instead: Tree, chunk: int) -> tuple[Float[Array, "N"], tuple[Array, Array], Tree]:
    """The loss with each agent acting otherwise; with none and with all of them; and the first order."""
    groups = moment.world.groups
    everyone = jnp.arange(sum(group.size for group in groups), dtype=jnp.int32)

    def without(agent: Int[Array, ""]) -> Float[Array, ""]:
        return loss_when(moment, instead, unflat(everyone == agent, groups))

    losses = jax.lax.map(without, everyone, batch_size=chunk)
    none, every = ({group.name: jnp.bool_(yes) for group in groups} for yes in (False, True))
    ends = loss_when(moment, instead, none), loss_when(moment, instead, every)
    return losses, ends, _first_order(moment, instead, none, every)


def _first_order(moment: Moment, instead: Tree, none: Tree, every: Tree) -> Tree:
    """The slope of the loss times the change of each weight; empty where weights have no slope."""
    world = moment.world
    if not has_loss(world):
        return {}
    made, other = (precise(world.weights(act_otherwise(moment, instead, who).moved)) for who in (none, every))
    if any(jnp.issubdtype(own.dtype, jnp.integer) for own in made.values()):
        return {}
    slope = jax.grad(world.loss)(made, precise(moment.state.task))
    return {name: slope[name] * (other[name] - own) for name, own in made.items()}


def _belief(world: World, moment: Moment, obs: Tree, actions: Tree, instead: Tree) -> dict[str, np.ndarray]:
    table = moment.learner.action_values(moment.mind)
    coded = all(
        isinstance(own, jax.Array) and jnp.issubdtype(own.dtype, jnp.integer) and own.ndim == 1 for own in obs.values()
    )
    if table is None or not coded:
        return {}
    values = np.asarray(table)
    names = [group.name for group in world.groups]
    rows = {name: np.asarray(obs[name]) for name in names}
    return {
        name: values[rows[name], np.asarray(actions[name])] - values[rows[name], int(instead[name])] for name in names
    }
