"""Settings that are known to work, for every task and where needed for one learner on it: the command line's defaults.

Each line was measured; a flag given by hand always wins. Steps are rounds; a decay without a length spans the run.
"""

from typing import Any

_LETTERS = {
    "hidden": (32,),
    "batch_size": 2500,
    "interval": 250,
    "step_size": "exponential:1.5e-3:1.5e-4",
    "steps": 60_000,
}

TASKS: dict[str, dict[str, Any]] = {
    "boundary": {"hidden": (8,), "interval": 0, "step_size": "0.01", "steps": 10_000},
    "digits": {
        "hidden": (32,),
        "batch_size": 1000,
        "interval": 250,
        "step_size": "exponential:5e-3:5e-4",
        "steps": 40_000,
    },
    "idx": _LETTERS,
    "notmnist": _LETTERS,
    "perceptron": {"hidden": (), "interval": 0, "step_size": "0.01", "steps": 10_000},
    "xor": {"hidden": (4,), "interval": 0, "step_size": "0.01", "steps": 10_000},
}


def recipe(task: str, learner: str) -> dict[str, Any]:
    """Recommended values of flags for a learner on a task; empty for a task that has none."""
    return TASKS.get(task, {}) | LEARNERS.get(("", learner), {}) | LEARNERS.get((task, learner), {})


_TRACED_LETTERS = {"batch_size": 1000, "interval": 100, "step_size": "exponential:3e-4:2e-5"}
# Tables that start from nothing move all weights alike while they know little, which hidden units do not survive
# (64-32-10: most runs stay at chance); without a hidden layer they learn.
_FROM_NOTHING = ("actor-critic", "double-q", "expected-sarsa", "policy-gradient", "sarsa")
_ALONE = {"hidden": (), "batch_size": 500, "step_size": "0.002", "steps": 20_000}
LEARNERS: dict[tuple[str, str], dict[str, Any]] = {  # a learner on a task; on any task where that is ""
    ("", "trace"): {"reward": "delta", "batch_change": "reevaluate"},
    ("digits", "trace"): {"step_size": "exponential:1e-3:1e-4", "steps": 20_000},
    ("idx", "trace"): _TRACED_LETTERS,
    ("notmnist", "trace"): _TRACED_LETTERS,
    **{("digits", learner): _ALONE for learner in _FROM_NOTHING},
}
BEST_LEARNER = "repeat-undo"
