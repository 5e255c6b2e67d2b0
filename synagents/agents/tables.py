"""A table that says what its rows stand for, so that no learner takes one that means something else.

    values[s, a]   of action a after history s;   histories: what s is made of;   credit: whose reward it says

Two tables of one shape may mean different things: 81 rows are two rounds of actions and rewards, and they are a trace
and one round. Values of agents who were credited alone (Q-learning as published: discounted rewards) are on another
scale than values of a team's deviations (`learners.synapse.team`), and neither can be learned further as the other.
"""

from html import escape

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from synagents.agents.codes import NUM_ACTIONS
from synagents.agents.histories import Histories
from synagents.display import html_table
from synagents.groups import Group
from synagents.hyperparameters import require, settings, static
from synagents.world import Credit

MOST_SHOWN = 100  # rows that a notebook shows


@settings
class Table:
    """Action values for every history.

    Attributes:
        values: f32[S, A], S = 9^traces (3 A)^rounds in the order of observations ("discrete").
        histories: rounds and traces that a history is made of, and A.
        credit: "agent", discounted rewards of single agents, or "team", what a deviation adds to the team's surprise.
    """

    values: Float[Array | np.ndarray, "S A"]
    histories: Histories = static()
    credit: Credit = static()

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, A)."""
        return np.shape(self.values)

    def _repr_html_(self) -> str:
        """What a notebook shows: at most MOST_SHOWN rows."""
        size, actions = self.shape
        rows = [(s, *map(float, row)) for s, row in enumerate(np.asarray(self.values)[:MOST_SHOWN])]
        said = f"<p>{size} histories of {described(self.histories)}, credit: {escape(self.credit)}</p>"
        return said + html_table(("history", *(f"action {a}" for a in range(actions))), rows)


def described(histories: Histories) -> str:
    """What agents see, in words: "2 rounds", "1 trace and 1 round", "2 rounds of 4 actions"."""
    parts = [f"{histories.decays} trace" + "s" * (histories.decays > 1)] if histories.decays else []
    parts += [f"{histories.memory} round" + "s" * (histories.memory > 1)] if histories.memory else []
    return " and ".join(parts) + (f" of {histories.actions} actions" if histories.actions != NUM_ACTIONS else "")


def begin_values(
    table: Table | Float[Array | np.ndarray, "S A"] | None,
    groups: tuple[Group, ...],
    shape: tuple[int, int],
    credit: Credit,
) -> Float[Array, "S A"]:
    """The values a learner begins with.

    Args:
        table: to start from; a bare array is taken to mean what these agents see; None is all zeros.
        groups: of the world.
        shape: (S, A) of these agents.
        credit: of the learner's own values.

    Raises:
        ValueError: if the table has another shape or kind, or its rows are other histories than these agents see.
    """
    if table is None:
        return jnp.zeros(shape, jnp.float32)
    if isinstance(table, Table):
        seen = next((group.about for group in groups if isinstance(group.about, Histories)), table.histories)
        require(
            table.histories == seen,
            f"The table's rows are histories of {described(table.histories)}, but these agents see "
            f"{described(seen)}: choose the world's history and memory as it was learned, or another table.",
        )
        require(
            table.credit == credit,
            f"The table's values credit the {table.credit}, and this learner's the {credit}: start from zeros, or from "
            "a table that this learner has learned.",
        )
        table = table.values
    try:
        with np.errstate(over="ignore"):  # a number too large for 32 bits is no warning where its shape is refused
            start = jnp.asarray(table, jnp.float32)
    except (TypeError, ValueError) as error:
        raise ValueError("The table must be an array of numbers, such as `load_table` gives.") from error
    require(
        start.shape == shape,
        f"The table has shape {start.shape}, but these agents have {shape[0]} histories and {shape[1]} actions: "
        "use a table learned with the same history and memory.",
    )
    return start
