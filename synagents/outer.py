"""The second loop, and the last: lives are lived, and what does not change within a life is improved between lives.

    life(world, learner, mind, key) -> Life                     rounds as in `synagents.loop`, from birth to the end
    begin -> Teaching;   advance(Teaching, updates) -> (Teaching, Progress), as often as you like
    update:   theta <- method(theta, mean over lives of objective(life))                   theta = (world.slow, mind)

A life is a pure function of theta and its key, so `Ascend` differentiates through all of its rounds and `Evolve` tries
neighbours of theta. What happens in a round is computed again on the way back (`jax.checkpoint`), so memory holds one
state per round and life. (Backpropagation through time, Werbos 1990; through plasticity: Miconi, Clune & Stanley 2018.)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree, UInt32

from synagents import axes, keys
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.loop import check_pair
from synagents.rounds import Keys, play
from synagents.world import AnyLearner, Memory, MemoryLearner, Metrics, Mind, Params, RoundNumber, State, World

if TYPE_CHECKING:  # loaded by those who evolve
    from evosax.algorithms import Open_ES


class Life(NamedTuple):
    """What a life was."""

    reward: Float[Array, "T"]  # of the team
    info: dict[str, Float[Array, "T"]]  # what the world reports
    end: State


class Objective(ABC):
    """What is to become smaller: write `class Mine(Objective)` with `@synagents.settings` above it."""

    @abstractmethod
    def __call__(self, life: Life) -> Float[Array, ""]:
        """Of one life."""


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


def life(world: World, learner: AnyLearner, mind: Mind, key: Key[Array, ""]) -> Life:
    """A life, from a birth to as many rounds as the world's batches, or episodes, are long.

    Args:
        world: whose `interval` says how long a life is.
        learner: who acts.
        mind: what it knows.
        key: of the life: the same as `keys.run_key(seed, episode)` of a face, and so the same life.
    """
    state = world.reset(keys.world_key(keys.reset_key(key), 0))
    memory: Memory = ()
    if isinstance(learner, MemoryLearner):
        memory = learner.begin_world(keys.world_key(keys.reset_key(key), 0), mind, world.groups)

    def draw(t: RoundNumber) -> Keys:
        moment = keys.round_key(key, t)
        return Keys(keys.world_key(moment, 0), keys.world_key(keys.action_key(moment), 0))

    @jax.checkpoint
    def one(
        now: tuple[State, Memory], moment: tuple[RoundNumber, Keys]
    ) -> tuple[tuple[State, Memory], tuple[Array, Metrics]]:
        t, drawn = moment
        state, memory, played = play(world, learner, drawn, *now, mind, t)
        outcome = played.made.outcome
        reward = jnp.mean(jnp.stack([jnp.mean(part) for part in outcome.reward.values()]))
        return (state, memory), (reward, outcome.info)

    times = jnp.arange(world.interval, dtype=jnp.uint32)
    # All keys are drawn at once: what a round would draw for itself is drawn again on the way back.
    (state, _), (reward, info) = jax.lax.scan(one, (state, memory), (times, jax.vmap(draw)(times)))
    return Life(reward, info, state)


class Theta(NamedTuple):
    """What is improved between lives."""

    slow: Params  # the network's weights
    mind: Mind  # what the rule knows


class Lived(NamedTuple):
    """What the lives of an update came to."""

    objective: Float[Array, ""]  # the mean over lives
    reward: Float[Array, ""]  # of a life, the mean over lives


class Method(ABC):
    """How theta is improved: write `class Mine(Method)` with `@synagents.settings` above it."""

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


@settings
class Ascend(Method):
    """The gradient through whole lives.

    Attributes:
        optimizer: what makes steps of gradients (optax).
    """

    optimizer: optax.GradientTransformation = static()

    def init(self, theta: Theta) -> PyTree:
        """The optimizer's."""
        return self.optimizer.init(theta)

    def step(
        self, key: Key[Array, ""], theta: Theta, memory: PyTree, live: Callable[[Theta], Lived]
    ) -> tuple[Theta, PyTree, Lived]:
        """One step of the optimizer."""
        del key

        def objective(theta: Theta) -> tuple[Array, Lived]:
            lived = live(theta)
            return lived.objective, lived

        gradient, lived = jax.grad(objective, has_aux=True)(theta)
        step, memory = self.optimizer.update(gradient, memory, theta)
        return optax.apply_updates(theta, step), memory, lived


@settings
class Evolve(Method):
    """An evolution strategy of mirrored pairs, which needs no gradient (by evosax).

        g = 1 / (P deviation) sum_p rank(objective(theta + deviation z_p)) z_p

    All of a population live the same lives. Ranks are centred, in [-1/2, 1/2]. (Salimans, Ho, Chen, Sidor & Sutskever
    2017; mirrored pairs: Brockhoff et al. 2010.)

    Attributes:
        optimizer: what makes steps of g (optax).
        population: P, an even number >= 2.
        deviation: of what is tried, > 0.
    """

    optimizer: optax.GradientTransformation = static()
    population: int = static(default=32)
    deviation: float = static(default=0.05)

    def __post_init__(self) -> None:
        require_whole("population", self.population, 2)
        require(self.population % 2 == 0, f"population must be even, but is {self.population}.")
        require_between("deviation", self.deviation, 0, above=True)

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
        return Open_ES(self.population, theta, optimizer=self.optimizer, std_schedule=constant)


@settings
class Teaching:
    """Teaching that can go on: everything a later call of `advance` needs.

    Attributes:
        world: the world; its own `slow` is not used.
        learner: the rule.
        objective: of a life.
        method: how theta is improved.
        key: one key per run, key[K]; never changes.
        theta: what is improved, axes [K, ...].
        memory: the method's, axes [K, ...].
        updates: made so far.
        lives: lives per update.
        num_runs: K independent runs.
    """

    world: World
    learner: AnyLearner
    objective: Objective
    method: Method
    key: Key[Array, "K"]
    theta: Theta
    memory: PyTree
    updates: int = static()
    lives: int = static()
    num_runs: int = static()


class Progress(NamedTuple):
    """What happened, update by update."""

    reward: Float[Array, "K updates"]  # of a life, mean over the lives of an update
    objective: Float[Array, "K updates"]
    change: Float[Array, "K updates"]  # of theta, its length


def begin(
    key: int | Key[Array, ""],
    world: World,
    learner: AnyLearner,
    objective: Objective,
    method: Method,
    *,
    lives: int = 30,
    num_runs: int = 1,
) -> Teaching:
    """Fresh networks and rules, nothing lived yet.

    Args:
        key: random key of the whole experiment, or its seed in 0 .. 2^32 - 1.
        world: the world, whose lives are `world.interval` rounds long.
        learner: the rule.
        objective: what is to become smaller, of one life.
        method: how theta is improved, such as `Ascend(optax.adam(2e-3))`.
        lives: lives per update, >= 1.
        num_runs: independent runs, >= 1.

    Raises:
        ValueError: if a number is out of range, the rule does not fit the world, or a life has no end.
    """
    check_pair(world, learner)
    require_whole("lives", lives, 1)
    require_whole("num_runs", num_runs, 1)
    require(world.interval > 0, "Lives of this world have no end: give it an interval, or a task that has a length.")
    run_keys = jax.vmap(keys.run_key, (None, 0))(keys.seed_key(key), jnp.arange(num_runs))

    def one(key: Key[Array, ""]) -> tuple[Theta, PyTree]:
        birth = keys.reset_key(key)
        slow = world.weights(world.reset(keys.world_key(birth, 0)))
        theta = Theta(slow, learner.init(keys.learner_key(birth), world.groups))
        return theta, method.init(theta)

    theta, memory = jax.jit(partial(axes.over, one, num_runs))(run_keys)
    return Teaching(world, learner, objective, method, run_keys, theta, memory, 0, lives, num_runs)


def advance(run: Teaching, updates: int) -> tuple[Teaching, Progress]:
    """Make more updates.

    Args:
        run: where to go on from; it stays valid.
        updates: how many, >= 1.

    Raises:
        ValueError: if the number is out of range.
        FloatingPointError: if the objective or theta is not finite; the sentence says from which update on.
    """
    require_whole("updates", updates, 1)
    theta, memory, progress = _advance(replace(run, updates=0), jnp.uint32(run.updates), updates)
    bad = ~np.isfinite(np.asarray(progress.objective + progress.change)).all(axis=0)
    if bad.any():
        raise FloatingPointError(
            f"The objective or its gradient is not finite from update {run.updates + int(np.argmax(bad)) + 1} on: "
            "lower the step size."
        )
    return replace(run, theta=theta, memory=memory, updates=run.updates + updates), progress


@partial(jax.jit, static_argnums=2)
def _advance(run: Teaching, start: UInt32[Array, ""], updates: int) -> tuple[Theta, PyTree, Progress]:
    def one_run(key: Key[Array, ""], theta: Theta, memory: PyTree) -> tuple[Theta, PyTree, Progress]:
        def update(now: tuple[Theta, PyTree], u: Array) -> tuple[tuple[Theta, PyTree], Progress]:
            drawn = keys.round_key(key, u)
            life_keys = jax.vmap(keys.world_key, (None, 0))(drawn, jnp.arange(run.lives))
            theta, memory, lived = run.method.step(keys.learner_key(drawn), *now, partial(_live, run, life_keys))
            change = optax.tree.norm(jax.tree.map(jnp.subtract, theta, now[0]))
            return (theta, memory), Progress(lived.reward, lived.objective, change)

        times = start + jnp.arange(updates, dtype=jnp.uint32)
        (theta, memory), progress = jax.lax.scan(update, (theta, memory), times)
        return theta, memory, progress

    return axes.over(one_run, run.num_runs, run.key, run.theta, run.memory)


def _live(run: Teaching, life_keys: Key[Array, "lives"], theta: Theta) -> Lived:
    """An update's lives."""
    world = replace(run.world, slow=theta.slow)

    def one(key: Key[Array, ""]) -> Lived:
        lived = life(world, run.learner, theta.mind, key)
        return Lived(run.objective(lived), lived.reward.sum())

    return jax.tree.map(jnp.mean, jax.vmap(one)(life_keys))
