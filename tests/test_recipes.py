import pytest

from synagents import registry, schedules
from synagents.cli import build as experiment
from synagents.cli import presets as recipes


@pytest.mark.parametrize("task", registry.offers("tasks"))
def test_every_task_has_a_recipe_for_its_usual_learner(task: str) -> None:
    learner = experiment.usual_learner(task)
    recipe = recipes.recipe(task, learner)
    assert {"hidden", "steps"} <= set(recipe)
    experiment.world_of(task, learner)  # they fit
    if "step_size" in recipe:
        schedules.require_range("step_size", schedules.parse(recipe["step_size"], recipe["steps"]), 0)


def test_a_task_that_is_unknown_has_an_empty_recipe() -> None:
    assert recipes.recipe("weather", "uniform") == {}
