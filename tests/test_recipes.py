import pytest

from synagents import recipes, registry, schedules


@pytest.mark.parametrize("task", registry.offers("tasks"))
def test_every_task_has_a_recipe_for_the_best_learner(task: str) -> None:
    recipe = recipes.recipe(task, recipes.BEST_LEARNER)
    assert {"hidden", "interval", "step_size", "steps"} <= set(recipe)
    schedules.require_range("step_size", schedules.parse(recipe["step_size"], recipe["steps"]), 0)
    assert recipes.BEST_LEARNER in registry.offers("learners")


def test_a_task_that_is_unknown_has_an_empty_recipe() -> None:
    assert recipes.recipe("weather", "uniform") == {}
