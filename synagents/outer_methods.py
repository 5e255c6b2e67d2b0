"""What the outer loop makes smaller, and how: objectives of a life, and methods that improve theta by them.

    gradient    theta <- theta - Adam(clipped mean over lives of d objective(life) / d theta)
    evolution   theta <- theta - Adam(g),  g = 1 / (P deviation) sum_p rank(objective(theta + deviation z_p)) z_p

theta is all that does not change within a life: the network's slow weights, and what the rule knows. `synagents.outer`
lives the lives. (Backpropagation through time: Werbos 1990; through plasticity: Miconi, Clune & Stanley 2018.)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from synagents import keys
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.schedules import Schedule, at, require_range
from synagents.world import Mind, Params, State

if TYPE_CHECKING:  # loaded by those who evolve
    from evosax.algorithms import Open_ES


class Life(NamedTuple):
    """What a life was."""

    reward: Float[Array, "T"]  # of the team
    info: dict[str, Float[Array, "T"]]  # what the world reports
    end: State
    seen: PyTree  # what was asked to be recorded after every round, [T, ...]


class Theta(NamedTuple):
    """What is improved between lives."""

    slow: Params  # the network's weights
    mind: Mind  # what the rule knows


class Lived(NamedTuple):
    """What the lives of an update came to."""

    objective: Float[Array, ""]  # the mean over lives
    reward: Float[Array, ""]  # of a life, the mean over lives


class Objective(ABC):
    """What is to become smaller: write `class Mine(Objective)` with `@synagents.settings` above it."""

    @abstractmethod
    def __call__(self, life: Life) -> Float[Array, ""]:
        """Of one life."""


@settings
class Earned(Objective):
    """Minus what was earned: for lives whose reward is itself a function of theta, such as a log-likelihood."""

    def __call__(self, life: Life) -> Float[Array, ""]:
        """Of one life."""
        return -jnp.sum(life.reward)


@settings
class AdvantageActorCritic(Objective):
    """The objective of a network that decides and forecasts: policy gradient with its own forecast as the baseline.

        mean over t of  -log p(a_t) stop(R_t - v_t) + critic (R_t - v_t)^2 + concentration sum_a p_t(a)^2
        R_t = r_t + discount R_{t+1}

    The gradient goes through the whole life, but not through the advantage. (Mnih et al. 2016; the last term, which
    keeps the network from deciding too soon, is that of Miconi, Rawal, Clune & Stanley 2019.)

    Attributes:
        discount: of later rewards, in [0, 1].
        critic: weight of the forecast's error, >= 0.
        concentration: weight of the last term, >= 0.
        scale: what rewards are multiplied with, > 0.
    """

    discount: float = 0.9
    critic: float = 0.1
    concentration: float = 0.1
    scale: float = 1.0

    def __post_init__(self) -> None:
        require_between("discount", self.discount, 0, 1)
        require_between("critic", self.critic, 0)
        require_between("concentration", self.concentration, 0)
        require_between("scale", self.scale, 0, above=True)

    def __call__(self, life: Life) -> Float[Array, ""]:
        """Of one life."""

        def earlier(later: Array, reward: Array) -> tuple[Array, Array]:
            here = reward + self.discount * later
            return here, here

        _, returns = jax.lax.scan(earlier, jnp.zeros_like(life.reward[0]), self.scale * life.reward, reverse=True)
        advantage = returns - life.info["value"]
        chosen = life.info["log_probability"] * jax.lax.stop_gradient(advantage)
        concentrated = self.concentration * life.info["concentration"]
        return jnp.mean(self.critic * advantage**2 - chosen + concentrated)


class Method(ABC):
    """How theta is improved: write `class Mine(Method)` with `@synagents.settings` above it."""

    @property
    def tries(self) -> int:
        """How often an update lives its lives, each time with another theta."""
        return 1

    @abstractmethod
    def init(self, theta: Theta) -> PyTree:
        """What the method remembers before the first update."""

    @abstractmethod
    def step(
        self, key: Key[Array, ""], theta: Theta, memory: PyTree, live: Callable[[Theta], Lived]
    ) -> tuple[Theta, PyTree, Lived]:
        """One update.

        Args:
            key: for what is drawn.
            theta: as it stands.
            memory: what the method remembers.
            live: lives the update's lives with any theta: the same lives every time it is called.
        """


def _adam(learning_rate: Schedule) -> optax.GradientTransformation:
    """Adam, whose time is the update."""
    return optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(lambda update: -at(learning_rate, update)))


@settings
class Ascend(Method):
    """The gradient through whole lives, and Adam.

    Attributes:
        learning_rate: of Adam, >= 0; a number or a schedule over updates.
        clip: the gradient's largest length, > 0.
    """

    learning_rate: Schedule = 2e-3
    clip: float = 2.0

    def __post_init__(self) -> None:
        require_range("learning_rate", self.learning_rate, 0)
        require_between("clip", self.clip, 0, above=True)

    def init(self, theta: Theta) -> PyTree:
        """Adam's moments."""
        return self._optimizer.init(theta)

    def step(
        self, key: Key[Array, ""], theta: Theta, memory: PyTree, live: Callable[[Theta], Lived]
    ) -> tuple[Theta, PyTree, Lived]:
        """One step down the gradient."""
        del key

        def objective(theta: Theta) -> tuple[Array, Lived]:
            lived = live(theta)
            return lived.objective, lived

        gradient, lived = jax.grad(objective, has_aux=True)(theta)
        step, memory = self._optimizer.update(gradient, memory, theta)
        return optax.apply_updates(theta, step), memory, lived

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.clip), _adam(self.learning_rate))


@settings
class Evolve(Method):
    """An evolution strategy of mirrored pairs, which needs no gradient (by evosax), and Adam.

    All of a population live the same lives. Ranks are centred, in [-1/2, 1/2]. (Salimans, Ho, Chen, Sidor & Sutskever
    2017; mirrored pairs: Brockhoff et al. 2010.)

    Attributes:
        learning_rate: of Adam, >= 0; a number or a schedule over updates.
        population: P, an even number >= 2.
        deviation: of what is tried, > 0.
    """

    learning_rate: Schedule = 1e-2
    population: int = static(default=32)
    deviation: float = static(default=0.05)

    def __post_init__(self) -> None:
        require_range("learning_rate", self.learning_rate, 0)
        require_whole("population", self.population, 2)
        require(self.population % 2 == 0, f"population must be even, but is {self.population}.")
        require_between("deviation", self.deviation, 0, above=True)

    @property
    def tries(self) -> int:
        """Everybody's of a population."""
        return self.population

    def init(self, theta: Theta) -> PyTree:
        """The strategy's."""
        strategy = self._strategy(theta)
        return strategy.init(keys.seed_key(0), theta, strategy.default_params)

    def step(
        self, key: Key[Array, ""], theta: Theta, memory: PyTree, live: Callable[[Theta], Lived]
    ) -> tuple[Theta, PyTree, Lived]:
        """One generation; what it came to is the mean over all that were tried."""
        strategy = self._strategy(theta)
        params = strategy.default_params
        tried, memory = strategy.ask(key, memory, params)
        lived = jax.vmap(live)(tried)
        memory, _ = strategy.tell(key, tried, lived.objective, memory, params)
        return strategy.get_mean(memory), memory, jax.tree.map(jnp.mean, lived)

    def _strategy(self, theta: Theta) -> "Open_ES":
        try:
            from evosax.algorithms import Open_ES
        except ImportError:
            raise ValueError("Evolution needs evosax: pip install 'synagents[evolve]'.") from None
        constant = optax.constant_schedule(self.deviation)
        return Open_ES(self.population, theta, optimizer=_adam(self.learning_rate), std_schedule=constant)


METHODS: dict[str, type[Method]] = {"ascend": Ascend, "evolve": Evolve}
"""By name, the usual one first."""
