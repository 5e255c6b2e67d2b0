"""Any control problem of Gymnasium's own, played on the host, step by step, inside the compiled loop.

    state = (seed, actions so far)        respond(state, action) = the last step of that game, played from its beginning

Said so, stepping is a pure function, whatever lives inside the environment: it may be asked twice, vmapped, or gone on
with in another process. The host keeps the games in hand and plays one from its beginning only if it has to. A step
costs a tenth of a millisecond and more; what is compiled (`control`) costs a hundredth of that. (LunarLander: Klimov
2016; Towers et al. 2024, arXiv 2407.17032.)
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled
from jax.experimental.buffer_callback import buffer_callback
from jaxtyping import Array, Float, Integer, Key, UInt32

from synagents.settings import require, require_whole, settings, static
from synagents.world import Answer, DecisionTask

__all__ = ["lunar_lander"]

MOST_GAMES = 256  # kept in hand


class Game(NamedTuple):
    """A game, from its beginning."""

    seed: UInt32[Array, ""]
    actions: Array  # uint8[limit] or f32[limit, numbers]: what was done, zeros where nothing was yet
    steps: Integer[Array, ""]  # played so far
    seen: Float[Array, "D"]  # the present observation


@settings
class Hosted(DecisionTask):
    """An environment of Gymnasium's as a task of decisions; build it by `lunar_lander` or `from_gymnasium`.

    Attributes:
        name: its id, such as "LunarLander-v3".
        limit: steps after which an episode is truncated.
        in_shape: of an observation.
        action_space: Discrete, or a Box whose actions are cut to its bounds.
    """

    name: str = static()
    limit: int = static()
    in_shape: tuple[int, ...] = static()
    action_space: spaces.Space = static()

    @property
    def evaluation_episodes(self) -> int:
        """Held-out games; few, since each step is played on the host."""
        return 4

    def init(self, key: Key[Array, ""]) -> Game:
        """A new game."""
        seed = jax.random.bits(key)
        numbers = self.action_space.shape or ()
        kind = jnp.uint8 if isinstance(self.action_space, spaces.Discrete) else jnp.float32
        seen = _on_host(self._begin, jax.ShapeDtypeStruct(self.in_shape, jnp.float32))(seed)
        return Game(seed, jnp.zeros((self.limit, *numbers), kind), jnp.int32(0), seen)

    def stimulus(self, state: Game) -> Float[Array, "D"]:
        """The present observation."""
        return state.seen

    def respond(self, key: Key[Array, ""], state: Game, action: Array) -> tuple[Game, Answer]:
        """One step, and a new game where that was the last."""
        if isinstance(self.action_space, spaces.Box):
            action = jnp.clip(action, self.action_space.low, self.action_space.high)
        actions = state.actions.at[state.steps].set(action.astype(state.actions.dtype))
        following, steps = jax.random.bits(key), state.steps + 1
        number, flag = jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct((), bool)
        play = _on_host(self._play, (jax.ShapeDtypeStruct(self.in_shape, jnp.float32), number, flag))
        seen, reward, terminated = play(state.seed, actions, steps, following)
        truncated = steps >= self.limit
        ended = terminated | truncated
        after = Game(
            jnp.where(ended, following, state.seed),
            jnp.where(ended, jnp.zeros_like(actions), actions),
            jnp.where(ended, 0, steps),
            seen,
        )
        return after, Answer(reward, terminated, truncated)

    def _begin(self, seeds: np.ndarray) -> tuple[np.ndarray, ...]:
        host = _Host.of(self.name)
        return (np.stack([host.begin(int(seed)) for seed in seeds]),)

    def _play(self, seeds: np.ndarray, actions: np.ndarray, steps: np.ndarray, following: np.ndarray) -> tuple:
        """What the last action brought to each of B games; seen is the next game's beginning where one has ended."""
        host, seen, rewards, ends = _Host.of(self.name), [], [], []
        for seed, done, count, next_seed in zip(seeds, actions, steps, following, strict=True):
            last, reward, terminated = host.play(int(seed), done[:count])
            seen.append(host.begin(int(next_seed)) if terminated or count >= self.limit else last)
            rewards.append(reward)
            ends.append(terminated)
        return np.stack(seen), np.array(rewards), np.array(ends)


def _on_host(function: Callable[..., tuple[np.ndarray, ...]], shapes: Any) -> Callable[..., Any]:
    """`function` of NumPy arrays with an axis B in front, called once for all that is vmapped.

    A pure callback would first copy its arguments to JAX's own device, and wait for it for ever if that is one that has
    no thread to spare; buffers are read where they are.
    """

    def call(_: Any, out: Any, *arguments: Any) -> None:
        ours = [np.asarray(argument) for argument in arguments]
        axes = ours[0].shape  # the first argument is one number per game
        results = function(*[each.reshape(-1, *each.shape[len(axes) :]) for each in ours])
        for place, result in zip(jax.tree.leaves(out), results, strict=True):
            np.asarray(place)[...] = result.reshape(place.shape)

    return buffer_callback(call, shapes, vmap_method="broadcast_all")


class _Host:
    """The games of one kind that are in hand, by seed."""

    hosts: dict[str, "_Host"] = {}  # noqa: RUF012 - one for all tasks of a name

    def __init__(self, name: str):
        self.name = name
        self.games: OrderedDict[int, tuple[Any, list[Any], Any]] = OrderedDict()
        self.spare: list[Any] = []

    @classmethod
    def of(cls, name: str) -> "_Host":
        return cls.hosts.setdefault(name, cls(name))

    def begin(self, seed: int) -> np.ndarray:
        return self._fresh(seed)[2][0]

    def play(self, seed: int, actions: np.ndarray) -> tuple[np.ndarray, np.float32, np.bool_]:
        game, done, last = self.games.get(seed) or self._fresh(seed)
        if len(done) > len(actions) or not np.array_equal(done, actions[: len(done)]):
            game, done, last = self._fresh(seed)
        for action in actions[len(done) :]:
            is_number = isinstance(game.action_space, spaces.Discrete)
            seen, reward, terminated, _, _ = game.step(int(action) if is_number else np.asarray(action))
            last = np.asarray(seen, np.float32), np.float32(reward), np.bool_(terminated)
            done.append(action)
        self.games[seed] = game, done, last
        self.games.move_to_end(seed)
        return last

    def _fresh(self, seed: int) -> tuple[Any, list[Any], Any]:
        if seed in self.games:
            self.spare.append(self.games.pop(seed)[0])
        while len(self.games) >= MOST_GAMES:
            self.spare.append(self.games.popitem(last=False)[1][0])
        game = self.spare.pop() if self.spare else gymnasium.make(self.name).unwrapped
        seen, _ = game.reset(seed=seed)
        self.games[seed] = game, [], (np.asarray(seen, np.float32), np.float32(0), np.bool_(False))
        return self.games[seed]


def lunar_lander(*, limit: int = 1000) -> Hosted:
    """Land a spacecraft by four choices of thrust: Gymnasium's LunarLander-v3, played on the host (needs Box2D).

    Args:
        limit: steps after which an episode is truncated, >= 1.
    """
    return from_gymnasium("LunarLander-v3", limit=limit)


def from_gymnasium(name: str, *, limit: int | None = None) -> Hosted:
    """Any single-agent environment of Gymnasium with flat observations as a task of decisions.

    Args:
        name: its id, such as "CartPole-v1".
        limit: steps after which an episode is truncated, >= 1; None for the environment's own.

    Raises:
        ValueError: if there is no such environment, or it needs what is not installed, or its spaces do not fit.
    """
    try:
        env = gymnasium.make(name)
    except (gymnasium.error.Error, DependencyNotInstalled) as error:
        told = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
        raise ValueError(
            f"Gymnasium cannot make {name} ({told}): name another, or install what it asks for."
        ) from error
    limit = limit or (env.spec.max_episode_steps if env.spec else None) or 1000
    require_whole("limit", limit, 1)
    seen, done = env.observation_space, env.action_space
    require(
        isinstance(seen, spaces.Box) and len(seen.shape) == 1 and isinstance(done, spaces.Discrete | spaces.Box),
        f"{name} sees {seen} and does {done}, but units see a flat Box and choose from a Discrete or a Box.",
    )
    return Hosted(name, limit, tuple(seen.shape or ()), done)
