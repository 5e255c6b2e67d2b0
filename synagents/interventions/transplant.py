"""Policy transplant: a table of action values that one run learned, put into another run's world, and frozen.

What it does there it knows from elsewhere: whether a policy is about its task, or about being an agent in a team.
(Bhargava et al. 2022 learn their table on toys and train large networks with it.)
"""

from dataclasses import replace
from typing import Any

from synagents.agents.tables import Table
from synagents.hyperparameters import require
from synagents.learners.uniform import Uniform
from synagents.loop import Run, begin
from synagents.world import AnyLearner


def transplanted(run: Run, table: Table, seed: int) -> dict[str, Run]:
    """Three runs of one world from their beginning, with the same networks and batches.

    Args:
        run: whose world and learner it is.
        table: of another run (`synagents.run.tables.tables_of`).
        seed: of all three, in 0 .. 2^32 - 1.

    Returns:
        "transplant", which acts by the table and learns nothing; "own", which begins as this run did; "random", whose
        agents act uniformly.

    Raises:
        ValueError: if the learner has no table that can be frozen, or the table's rows mean something else here.
    """
    own: Any = run.learner
    require(
        hasattr(own, "table") and hasattr(own, "adaptive"),
        f"{type(own).__name__} has no table that can be given and frozen: transplant into a run of team-q or q-table.",
    )
    learners: dict[str, AnyLearner] = {
        "transplant": replace(own, table=table, adaptive=False),
        "own": own,
        "random": Uniform(),
    }
    return {
        name: begin(
            seed,
            run.world,
            learner,
            num_worlds=run.num_worlds,
            num_runs=run.num_runs,
            shared_task=run.shared_task,
        )
        for name, learner in learners.items()
    }
