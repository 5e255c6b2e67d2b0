from types import ModuleType

import pytest

from synagents import DecisionTask, Task, registry
from synagents.learners.synapse.q_table import QTable
from synagents.registry import Plays
from synagents.tasks.samples import Samples
from tests.claims import refused


@pytest.mark.parametrize(
    ("python", "public"),
    [
        ("QTable", "q-table"),
        ("RepeatUndo", "repeat-undo"),
        ("MLP", "mlp"),
        ("data_dir", "data-dir"),
        ("LIFNet", "lif-net"),
    ],
)
def test_public_names_are_kebab_case(python: str, public: str) -> None:
    assert registry.kebab(python) == public


def test_a_learner_is_found_by_its_public_name() -> None:
    assert registry.find("learners", "q-table") is QTable


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("learners", "qtable", "No learner is called 'qtable': did you mean 'q-table'?"),
        ("tasks", "notmist", "No task is called 'notmist': did you mean 'notmnist'?"),
        ("benchmark.optimizers", "adamw", "No optimizer is called 'adamw': did you mean 'adam'?"),
        ("networks", "transformer", "there are from-module"),
    ],
)
def test_an_unknown_name_is_told_the_near_match(kind: str, name: str, told: str) -> None:
    assert told in refused(lambda: registry.find(kind, name))


class Life(DecisionTask):
    """A special kind of decisions, for which a third family is made."""


def lifelong() -> Life:
    raise NotImplementedError


def guesses() -> Samples:
    raise NotImplementedError


def scores() -> Task:
    raise NotImplementedError


def test_a_tasks_usual_world_is_made_for_it_and_for_nothing_more_general(monkeypatch: pytest.MonkeyPatch) -> None:
    third = ModuleType("plastic_v0")
    third.PLAYS = (Plays(Life, lifelong, "nobody"),)  # type: ignore[attr-defined]
    there = {**registry.worlds(), "plastic": third}
    monkeypatch.setattr(registry, "worlds", lambda: dict(sorted(there.items())))
    assert registry.players(f"{__name__}:lifelong") == ("plastic", "unit")
    assert registry.players("multiplexer") == ("unit",)
    assert registry.players(f"{__name__}:guesses") == registry.players("digits") == ("synapse", "unit")
    assert registry.players(f"{__name__}:scores") == ("synapse",)


def test_families_of_equal_rank_come_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = {name: ModuleType(name) for name in ("other", "synapse")}
    for module in worlds.values():
        module.PLAYS = (Plays(Task, scores, "nobody"),)  # type: ignore[attr-defined]
    monkeypatch.setattr(registry, "worlds", lambda: worlds)
    assert registry.players("digits") == ("other", "synapse")


def test_a_task_that_no_world_plays_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "worlds", lambda: {})
    assert "No world plays the task xor" in refused(lambda: registry.players("xor"))
