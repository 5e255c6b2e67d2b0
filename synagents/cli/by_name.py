"""Networks and probes by name: what may be set of a network, how it is made to fit a task, which probe is meant.

A parameter `in_shape` or `out_size` of a network's constructor is the task's, and `sizes` is (numbers of a sample,
*hidden, out_size), with a setting `hidden`; all others are settings.
"""

import inspect
import math
from typing import Any

import jax

from synagents import registry
from synagents.cli import flags
from synagents.cli.flags import Flag
from synagents.hyperparameters import Values, nearest, require
from synagents.probes import PROBES, Probe
from synagents.rounds import Keys, groups_shown, play
from synagents.task import Task
from synagents.world import AnyLearner, MemoryLearner, World

SHAPES = ("in_shape", "out_size", "sizes")  # parameters of networks that come from the task
HIDDEN = Flag("hidden", tuple[int, ...], (32,), "units of the hidden layers, each >= 1; none for no hidden layer.")


def network_flags(network: str) -> dict[str, Flag]:
    """What may be set of a network: its constructor's parameters, less those that the task's shapes give."""
    constructor = registry.find("networks", network)
    has_sizes = "sizes" in inspect.signature(constructor).parameters
    return ({"hidden": HIDDEN} if has_sizes else {}) | flags.flags_of(constructor, but=SHAPES)


def is_integer(network: str | None) -> bool:
    """Whether the network of this name, or None for a world's own, is of whole numbers."""
    return network is not None and bool(getattr(registry.find("networks", network), "integer", False))


def make_network(network: str, task: Task, settings: Values) -> Any:
    """The network, with the shapes of a task."""
    constructor = registry.find("networks", network)
    parameters = inspect.signature(constructor).parameters
    settings = dict(settings)
    shapes: Values = {"in_shape": task.in_shape, "out_size": task.out_size}
    if "sizes" in parameters:
        shapes["sizes"] = (math.prod(task.in_shape), *settings.pop("hidden"), task.out_size)
    shapes = {name: shape for name, shape in shapes.items() if name in parameters}
    return registry.called(constructor, network, shapes | settings)


def find_probe(name: str) -> Probe:
    """The probe called `name` or `module:name`; ValueError with the near match where there is none."""
    module, colon, own = name.strip().partition(":")
    if colon:
        probe = registry.imported(module, own)
        require(callable(probe), f"{name} is no function of (world, round): name one.")
        return probe
    there = {registry.kebab(known): probe for known, probe in PROBES.items()}
    require(registry.kebab(module) in there, f"No probe is called {module!r}: {nearest(module, there)}.")
    return there[registry.kebab(module)]


def fitting_probes(world: World, learner: AnyLearner) -> tuple[str, ...]:
    """The names of the probes that make sense of this world's rounds; nothing is computed."""

    def look(probe: Probe) -> Any:
        """What a probe says of the first round."""
        key = jax.random.key(0)
        groups = groups_shown(world, learner)
        state, mind = world.reset(key), learner.init(key, groups)
        memory = learner.begin_world(key, mind, groups) if isinstance(learner, MemoryLearner) else ()
        return probe(world, play(world, learner, Keys(key, key), state, memory, mind, 0)[2].made)

    def fits(probe: Probe) -> bool:
        try:
            jax.eval_shape(lambda: look(probe))
        except ValueError:
            return False
        return True

    return tuple(registry.kebab(name) for name, probe in PROBES.items() if fits(probe))
