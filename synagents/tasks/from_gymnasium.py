"""Any control problem of Gymnasium's own, played step by step by Python inside the compiled loop.

    state = (seed, actions so far)        respond(state, action) = the last step of that episode, played from its start

Because the state is the seed plus the list of actions, stepping is pure: it can be repeated, vmapped, or resumed in
another process, although the environment itself can do none of these. The environments of recent episodes are kept, and
an episode is played again from its start only where its environment is not among them. A step costs a tenth of a
millisecond and more; a compiled one (`control`) costs a hundredth of that. (LunarLander: Klimov 2016; Towers et al.
2024, arXiv 2407.17032.)
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

from synagents.hyperparameters import require, require_whole, settings, static
from synagents.world import Answer, DecisionTask

__all__ = ["lunar_lander"]

MOST_KEPT = 256  # episodes whose environments are kept


class Episode(NamedTuple):
    """An episode, from its start."""

    seed: UInt32[Array, ""]
    actions: Array  # uint8[limit] or f32[limit, numbers]: what was done, zeros where nothing was yet
    steps: Integer[Array, ""]  # played so far
    seen: Float[Array, "D"]  # the present observation


@settings
class GymnasiumTask(DecisionTask):
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
        """Held-out episodes; few, since each step is played by Python."""
        return 4

    def init(self, key: Key[Array, ""]) -> Episode:
        """A new episode."""
        seed = jax.random.bits(key, (), jnp.uint32)
        numbers = self.action_space.shape or ()
        kind = jnp.uint8 if isinstance(self.action_space, spaces.Discrete) else jnp.float32
        seen = _on_host(self._begin, jax.ShapeDtypeStruct(self.in_shape, jnp.float32))(seed)
        return Episode(seed, jnp.zeros((self.limit, *numbers), kind), jnp.int32(0), seen)

    def stimulus(self, state: Episode) -> Float[Array, "D"]:
        """The present observation."""
        return state.seen

    def respond(self, key: Key[Array, ""], state: Episode, action: Array) -> tuple[Episode, Answer]:
        """One step, and a new episode where that was the last."""
        if isinstance(self.action_space, spaces.Box):
            action = jnp.clip(action, self.action_space.low, self.action_space.high)
        actions = state.actions.at[state.steps].set(action.astype(state.actions.dtype))
        following, steps = jax.random.bits(key, (), jnp.uint32), state.steps + 1
        number, flag = jax.ShapeDtypeStruct((), jnp.float32), jax.ShapeDtypeStruct((), bool)
        play = _on_host(self._play, (jax.ShapeDtypeStruct(self.in_shape, jnp.float32), number, flag))
        seen, reward, terminated = play(state.seed, actions, steps, following)
        truncated = steps >= self.limit
        ended = terminated | truncated
        after = Episode(
            jnp.where(ended, following, state.seed),
            jnp.where(ended, jnp.zeros_like(actions), actions),
            jnp.where(ended, 0, steps),
            seen,
        )
        return after, Answer(reward, terminated, truncated)

    def _begin(self, seeds: np.ndarray) -> tuple[np.ndarray, ...]:
        kept = _Kept.of(self.name)
        return (np.stack([kept.begin(int(seed)) for seed in seeds]),)

    def _play(self, seeds: np.ndarray, actions: np.ndarray, steps: np.ndarray, following: np.ndarray) -> tuple:
        """What the last action brought in each of B episodes; where one has ended, `seen` is the next one's start."""
        kept, seen, rewards, ends = _Kept.of(self.name), [], [], []
        for seed, done, count, next_seed in zip(seeds, actions, steps, following, strict=True):
            last, reward, terminated = kept.play(int(seed), done[:count])
            seen.append(kept.begin(int(next_seed)) if terminated or count >= self.limit else last)
            rewards.append(reward)
            ends.append(terminated)
        return np.stack(seen), np.array(rewards), np.array(ends)


def _on_host(function: Callable[..., tuple[np.ndarray, ...]], shapes: Any) -> Callable[..., Any]:
    """`function` of NumPy arrays with an axis B in front, called once for all that is vmapped.

    Buffers are read where they are. A pure callback would first copy its arguments to JAX's device, and would wait for
    ever where all threads of that device are taken.
    """

    def call(_: Any, out: Any, *arguments: Any) -> None:
        ours = [np.asarray(argument) for argument in arguments]
        axes = ours[0].shape  # the first argument is one number per episode
        results = function(*[each.reshape(-1, *each.shape[len(axes) :]) for each in ours])
        for place, result in zip(jax.tree.leaves(out), results, strict=True):
            np.asarray(place)[...] = result.reshape(place.shape)

    return buffer_callback(call, shapes, vmap_method="broadcast_all")


Last = tuple[np.ndarray, np.float32, np.bool_]  # observation, reward, whether the episode terminated


class _Play:
    """An environment in the middle of an episode."""

    def __init__(self, env: gymnasium.Env, seed: int):
        self.env = env
        self.actions: list[np.ndarray] = []
        seen, _ = env.reset(seed=seed)
        self.last: Last = np.asarray(seen, np.float32), np.float32(0), np.bool_(False)

    def step(self, action: np.ndarray) -> None:
        space = self.env.action_space
        chosen = int(space.start + action) if isinstance(space, spaces.Discrete) else np.asarray(action)
        seen, reward, terminated, _, _ = self.env.step(chosen)
        self.last = np.asarray(seen, np.float32), np.float32(reward), np.bool_(terminated)
        self.actions.append(action)


class _Kept:
    """The environments of one name that are kept, by the seed of their episode."""

    by_name: dict[str, "_Kept"] = {}  # noqa: RUF012 - one for all tasks of a name

    def __init__(self, name: str):
        self.name = name
        self.plays: OrderedDict[int, _Play] = OrderedDict()
        self.spare: list[gymnasium.Env] = []

    @classmethod
    def of(cls, name: str) -> "_Kept":
        return cls.by_name.setdefault(name, cls(name))

    def begin(self, seed: int) -> np.ndarray:
        return self._fresh(seed).last[0]

    def play(self, seed: int, actions: np.ndarray) -> Last:
        """The last step of an episode; played from its start where what was done so far differs."""
        play = self.plays.get(seed)
        if play is None or (play.actions and not np.array_equal(play.actions, actions[: len(play.actions)])):
            play = self._fresh(seed)
        for action in actions[len(play.actions) :]:
            play.step(action)
        self.plays.move_to_end(seed)
        return play.last

    def _fresh(self, seed: int) -> _Play:
        if seed in self.plays:
            self.spare.append(self.plays.pop(seed).env)
        while len(self.plays) >= MOST_KEPT:
            self.spare.append(self.plays.popitem(last=False)[1].env)
        env = self.spare.pop() if self.spare else gymnasium.make(self.name).unwrapped
        self.plays[seed] = _Play(env, seed)
        return self.plays[seed]


def lunar_lander(*, limit: int = 1000) -> GymnasiumTask:
    """Land a spacecraft by four choices of thrust: Gymnasium's LunarLander-v3, played by Python (needs Box2D).

    Args:
        limit: steps after which an episode is truncated, >= 1.
    """
    return from_gymnasium("LunarLander-v3", limit=limit)


def from_gymnasium(name: str, *, limit: int | None = None) -> GymnasiumTask:
    """Any single-agent environment of Gymnasium with flat observations as a task of decisions.

    Args:
        name: its id, such as "CartPole-v1".
        limit: steps after which an episode is truncated, >= 1; None for the environment's own.

    Raises:
        ValueError: if there is no such environment, or it needs what is not installed, or its spaces do not fit.
    """
    try:
        env = gymnasium.make(name)
    except (gymnasium.error.Error, DependencyNotInstalled, ImportError) as error:
        why = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
        raise ValueError(f"Gymnasium cannot make {name} ({why}): name another, or install what it asks for.") from error
    env.close()
    if limit is None:
        limit = (env.spec.max_episode_steps if env.spec else None) or 1000
    require_whole("limit", limit, 1)
    seen, done = env.observation_space, env.action_space
    require(
        isinstance(seen, spaces.Box) and len(seen.shape) == 1 and isinstance(done, spaces.Discrete | spaces.Box),
        f"{name} sees {seen} and does {done}, but units see a flat Box and choose from a Discrete or a Box.",
    )
    return GymnasiumTask(name, limit, tuple(seen.shape or ()), done)
