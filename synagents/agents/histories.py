"""What a synapse sees of its past: its evidence, then its last actions and the team's last rewards, in three forms.

    discrete          one number: the evidence's buckets in base 9, then the code of the rounds
    multi-discrete    those buckets and digits, one by one
    box               the evidence in standard errors, then every digit as a one-hot

The rounds are coded by `synagents.agents.codes`, the evidence is kept by `synagents.agents.evidence`.
"""

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Integer

from synagents.agents import codes, evidence
from synagents.agents.evidence import Evidence
from synagents.groups import Group, Tree, require_discrete
from synagents.hyperparameters import require

Form: TypeAlias = Literal["discrete", "multi-discrete", "box"]


class Histories(NamedTuple):
    """What a synapse's observations are made of: `Group.about` of synapse worlds."""

    memory: int  # rounds n whose actions and rewards are seen
    decays: int = 0  # traces D that are seen before them
    actions: int = codes.NUM_ACTIONS  # A that an agent chooses from

    @property
    def size(self) -> int:
        """How many there are in the discrete form: 9^D (3 A)^n."""
        return evidence.NUM_BUCKETS**self.decays * codes.num_codes(self.memory, self.actions)

    @property
    def bases(self) -> list[int]:
        """How many values each digit has: of the evidence, of actions, of rewards."""
        return [evidence.NUM_BUCKETS] * self.decays + [self.actions] * self.memory + [3] * self.memory

    def space(self, form: Form, features: bool = False) -> spaces.Space:
        """Of one agent's observation, with the four numbers of `codes.places` after it or not."""
        if form == "discrete":
            return spaces.Discrete(self.size)
        if form == "multi-discrete":
            return spaces.MultiDiscrete(self.bases)
        hot = (self.actions + 3) * self.memory
        low = [-evidence.LARGEST] * self.decays + [0] * hot
        high = [evidence.LARGEST] * self.decays + [1] * hot
        if features:
            low, high = [*low, 0, 0, 0, -np.inf], [*high, 1, 1, 1, np.inf]
        return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))

    def show(self, form: Form, actions: Tree, rewards: Integer[Array, ""], known: Evidence | tuple[()]) -> Tree:
        """What every agent sees.

        Args:
            form: of the observations.
            actions: {group: [n]} their last actions, base A.
            rewards: the team's last rewards, base 3.
            known: the evidence, of D decays.

        Returns:
            {group: [n]} codes, or {group: [n, ...]} digits or numbers.
        """
        see = {"discrete": codes.encode, "multi-discrete": codes.digits, "box": codes.one_hots}[form]
        seen = {name: see(own, rewards, self.memory, self.actions) for name, own in actions.items() if self.memory}
        if not isinstance(known, Evidence):
            return seen
        shown = evidence.show(known, form)
        if not self.memory:
            return shown
        if form == "discrete":
            base, dtype = codes.num_codes(self.memory, self.actions), codes.smallest_dtype(self.size)
            return {name: shown[name].astype(dtype) * dtype.type(base) + own for name, own in seen.items()}
        return {name: jnp.concatenate([shown[name], own], axis=1) for name, own in seen.items()}


def require_codes(groups: tuple[Group, ...], learner: str) -> int:
    """The memory n of agents that see the code of a history; ValueError if they see anything else."""
    histories, _ = require_discrete(groups, learner)
    require(
        all(not group.about.decays for group in groups if isinstance(group.about, Histories)),
        f"{learner} is a rule about actions and rewards, but these agents see evidence: build the world with "
        "history='codes'.",
    )
    return codes.memory_of(histories)


def mirrored(groups: tuple[Group, ...], learner: str) -> Integer[np.ndarray, "S"]:
    """For every history the one in which all actions were opposite, and the evidence says the opposite.

    The opposite of action a of A is A - 1 - a.

    ValueError where the groups do not say what their observations are made of.
    """
    about = groups[0].about
    require(
        isinstance(about, Histories),
        f"{learner} must know what agents see, and these do not say: let Group.about be histories.Histories.",
    )
    bases = about.bases
    flipped = [True] * (about.decays + about.memory) + [False] * about.memory
    digits = np.stack(np.unravel_index(np.arange(np.prod(bases)), bases))
    mirror = [base - 1 - digit if flip else digit for base, digit, flip in zip(bases, digits, flipped, strict=True)]
    return np.ravel_multi_index(mirror, bases).astype(np.int32)
