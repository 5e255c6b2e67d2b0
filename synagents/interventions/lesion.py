"""Lesions: one group of agents is put out of action in mid-run, and the others go on and may make up for it.

freeze    its agents do nothing: their weights stay as they are
random    its agents act uniformly at random
remove    its weights become 0 and stay so

The learner learns from what was done, not from what it chose. (Ablations of units: Morcos et al. 2018.)
"""

from dataclasses import replace
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from synagents.groups import Group, Memory, Mind, Tree
from synagents.hyperparameters import nearest, require, require_choice, settings, static
from synagents.interventions.moment import instead_of
from synagents.loop import Run
from synagents.world import AnyLearner, MemoryLearner, Metrics, Params, RoundNumber, Transition, num_choices

Lesion: TypeAlias = Literal["freeze", "random", "remove"]
LESIONS: tuple[Lesion, ...] = get_args(Lesion)
_RANDOM = 2**31  # of a key: a turn that never comes


@settings
class Lesioned(MemoryLearner):
    """A learner in which one group does otherwise; its mind and memory are those of the learner within.

    Attributes:
        inner: the learner; one without a memory has the memory ().
        instead: the action that the group's agents do; None for a uniform one.
        group: its name.
        choices: how many actions its agents have.
    """

    inner: AnyLearner
    instead: Array | None
    group: str = static()
    choices: int = static()

    def __post_init__(self) -> None:
        for name in ("needs", "sets_weights", "credit", "sees_state"):
            object.__setattr__(self, name, getattr(self.inner, name))

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """As the learner within."""
        return self.inner.init(key, groups)

    def begin_world(self, key: Key[Array, ""], mind: Mind, groups: tuple[Group, ...]) -> Memory:
        """As the learner within."""
        return self.inner.begin_world(key, mind, groups) if isinstance(self.inner, MemoryLearner) else ()

    def act(
        self, key: Key[Array, ""], mind: Mind, memory: Memory, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, Memory, PyTree]:
        """What the learner within chooses, but for one group."""
        if isinstance(self.inner, MemoryLearner):
            chosen, memory, extras = self.inner.act(key, mind, memory, obs, t, turn)
        else:
            chosen, extras = self.inner.act(key, mind, obs, t, turn)
        if self.group in chosen:
            chosen = chosen | {self.group: self._otherwise(key, chosen[self.group])}
        return chosen, memory, extras

    def update(
        self, key: Key[Array, ""], mind: Mind, memory: Memory, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Memory, Metrics]:
        """As the learner within, from what was done."""
        if isinstance(self.inner, MemoryLearner):
            return self.inner.update(key, mind, memory, transition, last_obs, t)
        mind, metrics = self.inner.update(key, mind, transition, last_obs, t)
        return mind, memory, metrics

    def action_values(self, mind: Mind) -> Float[Array, "S A"] | None:
        """As the learner within."""
        return self.inner.action_values(mind)

    def weights(self, mind: Mind) -> Params:
        """As the learner within."""
        return self.inner.weights(mind)

    def _otherwise(self, key: Key[Array, ""], chosen: Array) -> Array:
        if self.instead is not None:
            return jnp.full_like(chosen, self.instead)
        return jax.random.randint(jax.random.fold_in(key, _RANDOM), chosen.shape, 0, self.choices, chosen.dtype)


def lesioned(run: Run, group: str, kind: Lesion) -> Run:
    """The run, to go on with one group out of action; the given run stays as it is.

    The first reward after a removal compares the loss with the one before it.

    Args:
        run: as it stands.
        group: the name of a group.
        kind: "freeze", "random" or "remove".

    Raises:
        ValueError: if there is no such group or lesion, no action of its agents does nothing where they are frozen or
            removed, their actions are no choices where they are random, or its weights are not its world's.
    """
    require_choice("kind", kind, LESIONS)
    there = {own.name: own for own in run.world.groups}
    require(group in there, f"No group is called {group!r}: {nearest(group, there)}.")
    choices = num_choices(there[group].action_space)
    instead = None if kind == "random" else instead_of(run.world)[group]
    state = run.state
    if kind == "remove":
        require(group in getattr(state, "weights", {}), f"The world has no weights of {group}: freeze it instead.")
        state = state._replace(weights=state.weights | {group: jnp.zeros_like(state.weights[group])})
    return replace(run, learner=Lesioned(run.learner, instead, group, choices), state=state)
