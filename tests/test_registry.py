import pytest

from synagents import registry
from synagents.learners.synapse.q_table import QTable
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
        ("networks", "transformer", "there are from-module, mlp"),
    ],
)
def test_an_unknown_name_is_told_the_near_match(kind: str, name: str, told: str) -> None:
    assert told in refused(lambda: registry.find(kind, name))
