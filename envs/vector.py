"""Worlds as Gymnasium's VectorEnv: every agent of every world is a sub-environment."""

import copy
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, UInt32

from synagents import axes, keys
from synagents.envs.functional import EnvState, FunctionalEnv, Seeds
from synagents.envs.spaces import require_alike
from synagents.hyperparameters import require, require_whole
from synagents.world import World, num_choices, unflat


class VectorView(VectorEnv):
    """Worlds as a Gymnasium VectorEnv in which every agent of every world is a sub-environment, world by world.

    All sub-environments of a world end together, and begin anew in the step after (`AutoresetMode.NEXT_STEP`): that
    step's actions are ignored and its rewards are 0.

    Attributes:
        num_worlds: worlds W.
        num_envs: sub-environments: W times the agents of one world.
    """

    def __init__(self, world: World, *, num_worlds: int = 1, max_cycles: int = 10_000):
        """Worlds that differ only in what they draw.

        Args:
            world: the world.
            num_worlds: how many of it, >= 1; there are num_worlds times as many sub-environments as agents.
            max_cycles: rounds after which an episode is truncated, >= 1.

        Raises:
            ValueError: if an option is out of range, the agents' spaces or turns differ, or actions are neither single
                numbers nor Discrete.
        """
        require_whole("num_worlds", num_worlds, 1)
        self._env, self._seeds = FunctionalEnv(world, max_cycles), Seeds((num_worlds,))
        require_alike(world.groups, "Sub-environments have one space", "use parallel_env or functional_env")
        first = world.groups[0]
        for other in world.groups:
            require(
                other.turn == first.turn,
                f"Sub-environments act at once, but {first.name} and {other.name} differ in when they act: use "
                "parallel_env or functional_env.",
            )
        space = first.action_space
        self._choices = num_choices(space) if space.shape != () or isinstance(space, spaces.Discrete) else None
        agents = sum(group.size for group in world.groups)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}
        self.num_worlds, self.num_envs = num_worlds, num_worlds * agents
        self.single_observation_space = copy.deepcopy(first.obs_space)
        self.single_action_space = copy.deepcopy(first.action_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._env_states: EnvState | None = None
        self._ended = np.zeros(num_worlds, bool)

    @property
    def world(self) -> World:
        """The world that is played."""
        return self._env.world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New episodes: of a new seed the first ones, and without a seed the next ones.

        Args:
            seed: of all worlds, a whole number in 0 .. 2^32 - 1; each world draws what is its own from it.
            options: {"reset_mask": bool[num_envs]} begins new episodes in some worlds only, as in Gymnasium's own
                vector environments; its entries are the same for all agents of a world. There are no other options.

        Returns:
            What all sub-environments see, also those that go on; and no infos.

        Raises:
            ValueError: if there is no such seed, option or mask.
            gymnasium.error.ResetNeeded: if the first reset is one of some worlds only.
            gymnasium.error.ClosedEnvironmentError: after `close()`.
        """
        self._require_open()
        which = self._masked(options or {})
        self._seeds.next(seed, which)
        super().reset(seed=None if seed is None else int(seed))  # for wrappers that draw
        begun = _reset_all(self._env, self._seeds.seed, self._seeds.episode)
        self._env_states = begun if which.all() else _replace(which, begun, self._env_states)
        self._ended = self._ended & ~which
        return self._seen(_observe_all(self._env, self._env_states)), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Everybody acts, [num_envs]; back come observations, rewards f64, terminations, truncations and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close()`.
            ValueError: if there is not one action of its space for each sub-environment.
        """
        self._require_open()
        if self._env_states is None:
            raise ResetNeeded("Call reset() before step().")
        acting, fresh = self._read(actions), self._ended
        self._env_states, seen, *outcome = _step_all(
            self._env, self._seeds.seed, self._seeds.episode, self._env_states, acting
        )
        rewards, terminated, truncated, info = jax.tree.map(np.array, outcome)
        if fresh.any():
            self._seeds.next(None, fresh)
            begun = _reset_all(self._env, self._seeds.seed, self._seeds.episode)
            self._env_states = _replace(fresh, begun, self._env_states)
            seen = _observe_all(self._env, self._env_states)
            rewards[fresh], terminated[fresh], truncated[fresh] = 0, False, False
        self._ended = terminated | truncated
        agents = self.num_envs // self.num_worlds
        infos: dict[str, Any] = {}
        for name, values in info.items():
            infos |= {name: np.repeat(values, agents), f"_{name}": np.repeat(~fresh, agents)}
        each = (np.repeat(part, agents) for part in (terminated, truncated))
        return self._seen(seen), rewards.reshape(-1).astype(np.float64), *each, infos

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("This environment is closed: make another one.")

    def _masked(self, options: dict[str, Any]) -> Bool[np.ndarray, "W"]:
        """Which worlds begin a new episode."""
        for name in options:
            require(name == "reset_mask", f"A reset has no option {name!r}: the only one is reset_mask.")
        if not options:
            return np.ones(self.num_worlds, bool)
        if self._env_states is None:
            raise ResetNeeded("Call reset() without a reset_mask first: no world has begun yet.")
        mask = options["reset_mask"]
        require(
            isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (self.num_envs,),
            f"reset_mask must be a NumPy array bool[{self.num_envs}], an entry for each agent, but is {_kind(mask)}.",
        )
        by_world = mask.reshape(self.num_worlds, -1)
        which = by_world.any(axis=1)
        require(bool(which.any()), "reset_mask names no world: make the entries of one world's agents True.")
        require(
            bool((by_world == which[:, None]).all()),
            f"All {by_world.shape[1]} agents of a world begin anew together, but reset_mask names only some of world "
            f"{int(np.argmax((by_world != which[:, None]).any(axis=1)))}: repeat one entry for all agents of a world.",
        )
        return which

    def _read(self, actions: Any) -> np.ndarray:
        """Everybody's action, by world, [W, N]; ValueError if they are not what the agents can do."""
        chosen = np.asarray(actions)
        if self._choices is None:
            real = chosen.shape == (self.num_envs,) and chosen.dtype.kind in "fiu" and np.isfinite(chosen).all()
            require(bool(real), f"Actions must be {self.num_envs} finite numbers, but are {_kind(chosen)}.")
            return chosen.astype(np.float32).reshape(self.num_worlds, -1)
        right = chosen.shape == (self.num_envs,) and chosen.dtype.kind in "iub"
        if not (right and chosen.min() >= 0 and chosen.max() < self._choices):
            span = f" from {chosen.min()} to {chosen.max()}" if chosen.size and chosen.dtype.kind in "iuf" else ""
            raise ValueError(
                f"Actions must be {self.num_envs} whole numbers in 0 .. {self._choices - 1}, but are "
                f"{_kind(chosen)}{span}."
            )
        return chosen.astype(np.uint8).reshape(self.num_worlds, -1)

    def _seen(self, seen: Array) -> np.ndarray:
        return np.asarray(seen).reshape(self.observation_space.shape).astype(self.observation_space.dtype)


def _kind(value: Any) -> str:
    """What somebody gave instead of an array, for an error."""
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _flat_obs(env: FunctionalEnv, env_state: EnvState) -> Array:
    seen = env.get_obs(env_state)
    return jnp.concatenate([seen[group.name] for group in env.world.groups])


@jax.jit
def _reset_all(env: FunctionalEnv, seeds: UInt32[Array, "W"], episodes: UInt32[Array, "W"]) -> EnvState:
    def one(seed: Array, episode: Array, world: Array) -> EnvState:
        return env.reset(keys.world_key(keys.reset_key(keys.run_key(keys.seed_key(seed), episode)), world))[1]

    return axes.over(one, len(seeds), seeds, episodes, jnp.arange(len(seeds)))


@jax.jit
def _observe_all(env: FunctionalEnv, env_states: EnvState) -> Array:
    return axes.over(partial(_flat_obs, env), len(env_states.rounds), env_states)


@jax.jit
def _replace(which: Bool[Array, "W"], new: EnvState, old: EnvState) -> EnvState:
    return jax.tree.map(lambda x, y: jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, old)


@partial(jax.jit, donate_argnames="env_states")
def _step_all(
    env: FunctionalEnv,
    seeds: UInt32[Array, "W"],
    episodes: UInt32[Array, "W"],
    env_states: EnvState,
    actions: Array,  # [W, N]
) -> tuple[EnvState, Array, Array, Array, Array, dict[str, Array]]:
    groups = env.world.groups

    def one(seed: Array, episode: Array, world: Array, env_state: EnvState, actions: Array) -> tuple:
        key = keys.world_key(keys.round_key(keys.run_key(keys.seed_key(seed), episode), env_state.rounds), world)
        env_state, outcome = env.take_turn(key, env_state, unflat(actions, groups))
        reward = jnp.concatenate([jnp.broadcast_to(outcome.reward[group.name], group.size) for group in groups])
        return env_state, _flat_obs(env, env_state), reward, *outcome[1:]

    return axes.over(one, len(seeds), seeds, episodes, jnp.arange(len(seeds)), env_states, actions)
