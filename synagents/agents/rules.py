"""What all rules of plastic synapses share: an action is a function of what a synapse feels, the same for all.

    action_ij = f(pre_i, post_j, trace_ij, eligibility_ij, modulator, threshold_j)

Within a life a rule does not change; what it knows, such as a rate, is improved between lives (`synagents.outer`).
"""

from abc import abstractmethod
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.plasticity import Felt
from synagents.hyperparameters import require, require_between, settings, static
from synagents.world import Group, Learner, Metrics, Mind, RoundNumber, Transition, Tree

_GIVEN_BY = {
    "trace": "alpha='synapse' or 'shared'",
    "modulator": "modulator='scalar'",
    "eligibility": "eligibility=True",
    "threshold": "threshold=True",
}


class Rule(Learner):
    """A rule; a subclass writes `change`, and `init` where it knows something."""

    acts: ClassVar[bool] = True
    """Whether it ever changes a trace."""

    feels: ClassVar[tuple[str, ...]] = ()
    """What it needs of the world beside pre, post and trace: "modulator", "eligibility", "threshold"."""

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """Nothing, unless a subclass says more; ValueError where agents do not feel what the rule needs."""
        del key
        for group in groups:
            require(
                group.obs_space.shape == (len(Felt._fields),) and len(group.shape) == 2,
                f"{type(self).__name__} is a rule of plastic synapses with traces, but {group.name} sees "
                f"{group.obs_space}: play it in synagents.envs.plastic_v0 with a task of lives, such as cue.",
            )
            needed = (*(("trace",) if self.acts else ()), *self.feels)
            missing = [_GIVEN_BY[name] for name in needed if name not in group.about]
            require(not missing, f"{type(self).__name__} needs a world that is built with {' and '.join(missing)}.")
        return {}

    @abstractmethod
    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """What the synapses add to their traces."""

    def act(self, key: Key[Array, ""], mind: Mind, obs: Tree, t: RoundNumber, turn: int) -> tuple[Tree, tuple[()]]:
        """Every synapse follows the rule."""
        del key, t, turn
        return {name: self.change(mind, Felt(*felt)).reshape(-1) for name, felt in obs.items()}, ()

    def update(
        self, key: Key[Array, ""], mind: Mind, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Metrics]:
        """Nothing is learned within a life."""
        del key, transition, last_obs, t
        return mind, {}


@settings
class RatedRule(Rule):
    """A rule that knows one rate, the same for all synapses; a subclass writes `direction`.

    Attributes:
        eta: the rate, before the first life where it is learned, in [-1, 1].
        learned_eta: whether the outer loop improves it.
    """

    eta: float = 0.1
    learned_eta: bool = static(default=True)

    def __post_init__(self) -> None:
        require_between("eta", self.eta, -1, 1)
        require(isinstance(self.learned_eta, bool), f"learned_eta must be True or False, but is {self.learned_eta!r}.")

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """The rate, where it is learned."""
        known = {"eta": jnp.asarray(self.eta, jnp.float32)} if self.learned_eta else {}
        return super().init(key, groups) | known

    def rate(self, mind: Mind) -> Float[Array, ""]:
        """As it is now."""
        return mind["eta"] if self.learned_eta else jnp.asarray(self.eta, jnp.float32)

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """The rate times the direction."""
        return self.rate(mind) * self.direction(felt)

    @abstractmethod
    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """What the synapses would add to their traces at a rate of 1."""


class ModulatedRule(Rule):
    """A rule whose rate is the modulator, which the network makes in every round; a subclass writes `direction`."""

    feels: ClassVar[tuple[str, ...]] = ("modulator",)

    def change(self, mind: Mind, felt: Felt) -> Float[Array, "n m"]:
        """The modulator times the direction."""
        del mind
        return felt.modulator * self.direction(felt)

    @abstractmethod
    def direction(self, felt: Felt) -> Float[Array, "n m"]:
        """What the synapses would add to their traces at a modulator of 1."""
