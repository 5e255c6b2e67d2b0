"""Worlds as Gymnasium's VectorEnv: every agent of every world is a sub-environment."""

import copy
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, Int, UInt32

from synagents import axes, keys
from synagents.envs.functional import EnvState, FunctionalEnv, Seeds
from synagents.settings import require, require_whole
from synagents.world import World, num_choices, unflat


def _are_choices(values: np.ndarray, choices: int) -> bool:
    """Whether these are whole numbers in 0 .. choices - 1, one each."""
    return values.ndim == 1 and values.dtype.kind in "iub" and values.min() >= 0 and values.max() < choices


class VectorView(VectorEnv):
    """Worlds as a Gymnasium VectorEnv in which every agent of every world is a sub-environment, world by world.

    All sub-environments of a world end together, and begin anew in the step after (`AutoresetMode.NEXT_STEP`): that
    step's actions are ignored and its rewards are 0.
    """

    def __init__(self, world: World, *, num_worlds: int = 1, max_cycles: int = 10_000):
        """Dress worlds that differ only in their luck.

        Args:
            world: the world.
            num_worlds: how many of it, >= 1; there are num_worlds times as many sub-environments as agents.
            max_cycles: rounds after which a life is truncated, >= 1.

        Raises:
            ValueError: if an option is out of range, or the agents' spaces or turns differ.
        """
        require_whole("num_worlds", num_worlds, 1)
        require_whole("max_cycles", max_cycles, 1)
        first, *others = world.groups
        for other in others:
            require(
                (other.obs_space, other.action_space, other.turn) == (first.obs_space, first.action_space, first.turn),
                f"Sub-environments have one space, but {first.name} and {other.name} differ in what they see or do or "
                "when: use parallel_env or functional_env.",
            )
        agents = sum(group.size for group in world.groups)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}
        self.num_worlds, self.num_envs = num_worlds, num_worlds * agents
        self.single_observation_space = copy.deepcopy(first.obs_space)
        self.single_action_space = copy.deepcopy(first.action_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._choices = num_choices(first.action_space)
        self._env, self._seeds = FunctionalEnv(world, max_cycles), Seeds()
        self._env_states: EnvState | None = None

    @property
    def world(self) -> World:
        """The world that is dressed."""
        return self._env.world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New env_states; the same seed, the same env_states. Without a seed, the next ones of the seed before. No options."""
        del options
        super().reset(seed=seed)
        self._seeds.next(seed)
        self._episodes = np.full(self.num_worlds, self._seeds.episode)
        self._ended = np.zeros(self.num_worlds, bool)
        self._env_states = _reset_all(self._env, self._seeds.seed, self._episodes)
        return self._seen(_observe_all(self._env, self._env_states)), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Everybody acts, [num_envs]; back come observations, rewards f64, terminations, truncations and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            ValueError: if there is not one action of its space for each sub-environment.
        """
        if self._env_states is None:
            raise ResetNeeded("Call reset() before step().")
        chosen = np.asarray(actions)
        if chosen.shape != (self.num_envs,) or not _are_choices(chosen, self._choices):
            span = f" from {chosen.min()} to {chosen.max()}" if chosen.size and chosen.dtype.kind in "iuf" else ""
            raise ValueError(
                f"Actions must be {self.num_envs} whole numbers in 0 .. {self._choices - 1}, but are "
                f"{chosen.dtype}{list(chosen.shape)}{span}."
            )
        fresh, seed = self._ended, self._seeds.seed
        acting = chosen.astype(np.uint8).reshape(self.num_worlds, -1)
        self._env_states, seen, *outcome = _step_all(self._env, seed, self._episodes, self._env_states, acting)
        rewards, terminated, truncated, info = jax.tree.map(np.array, outcome)
        if fresh.any():
            self._episodes = self._episodes + fresh
            self._env_states = _replace(fresh, _reset_all(self._env, seed, self._episodes), self._env_states)
            seen = _observe_all(self._env, self._env_states)
            rewards[fresh], terminated[fresh], truncated[fresh] = 0, False, False
        self._ended = terminated | truncated
        agents = self.num_envs // self.num_worlds
        infos: dict[str, Any] = {}
        for name, told in info.items():
            infos |= {name: np.repeat(told, agents), f"_{name}": np.repeat(~fresh, agents)}
        each = (np.repeat(part, agents) for part in (terminated, truncated))
        return self._seen(seen), rewards.reshape(-1).astype(np.float64), *each, infos

    def _seen(self, seen: Array) -> np.ndarray:
        return np.asarray(seen).reshape(self.observation_space.shape).astype(self.observation_space.dtype)


def _flat_obs(env: FunctionalEnv, env_state: EnvState) -> Array:
    seen = env.get_obs(env_state)
    return jnp.concatenate([seen[group.name] for group in env.world.groups])


@jax.jit
def _reset_all(env: FunctionalEnv, seed: UInt32[Array, ""], episodes: Int[Array, "W"]) -> EnvState:
    def one(episode: Array, world: Array) -> EnvState:
        return env.reset(keys.world_key(keys.reset_key(keys.run_key(keys.seed_key(seed), episode)), world))[1]

    return axes.over(one, len(episodes), episodes, jnp.arange(len(episodes)))


@jax.jit
def _observe_all(env: FunctionalEnv, env_states: EnvState) -> Array:
    return axes.over(partial(_flat_obs, env), len(env_states.rounds), env_states)


@jax.jit
def _replace(which: Bool[Array, "W"], new: EnvState, old: EnvState) -> EnvState:
    return jax.tree.map(lambda x, y: jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, old)


@partial(jax.jit, donate_argnames="env_states")
def _step_all(
    env: FunctionalEnv, seed: UInt32[Array, ""], episodes: Int[Array, "W"], env_states: EnvState, actions: Int[Array, "W N"]
) -> tuple[EnvState, Array, Array, Array, Array, dict[str, Array]]:
    groups = env.world.groups

    def one(episode: Array, world: Array, env_state: EnvState, actions: Array) -> tuple:
        key = keys.world_key(keys.round_key(keys.run_key(keys.seed_key(seed), episode), env_state.rounds), world)
        env_state, outcome = env.take_turn(key, env_state, unflat(actions, groups))
        reward = jnp.concatenate([jnp.broadcast_to(outcome.reward[group.name], group.size) for group in groups])
        return env_state, _flat_obs(env, env_state), reward, *outcome[1:]

    return axes.over(one, len(episodes), episodes, jnp.arange(len(episodes)), env_states, actions)
