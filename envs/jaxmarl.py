"""A world for JaxMARL's wrappers and training scripts: its environments' members, played by our functional face.

    python -m synagents.envs.jaxmarl ippo_ff_mpe.py ENV_NAME=synapse_v0 "ENV_KWARGS={task: boundary, observation: box}"

runs a script of JaxMARL's as it is; in it `jaxmarl.make` knows our worlds, too. Their scripts have one policy for all
agents, a dictionary entry for each, actions [1] or [], and infos [agents]. The step is ours: JaxMARL's draws a new
episode in every step and throws it away but at an end, and here that is a network, a batch and its loss. Needs
jaxmarl, which nothing else here imports.
"""

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from gymnasium import spaces
from jaxtyping import Array, Key

import synagents.envs
from synagents.envs.functional import EnvState, FunctionalEnv, Named
from synagents.hyperparameters import require
from synagents.world import World

try:
    import jaxmarl.registration
    from jaxmarl.environments import spaces as theirs
    from jaxmarl.environments.multi_agent_env import MultiAgentEnv
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: synagents.envs.jaxmarl needs it (pip install 'synagents[jaxmarl]').") from None


class JaxMARLEnv(MultiAgentEnv):
    """A world as a JaxMARL environment, an entry for each of at most 256 agents.

    Attributes:
        env: the functional face that is played.
        agents: names of all agents, `<group>_<i>`.
        observation_spaces: {agent: JaxMARL's Box}.
        action_spaces: {agent: JaxMARL's Discrete}.
    """

    def __init__(self, world: World, name: str, *, max_cycles: int = 10_000):
        """A world for JaxMARL.

        Args:
            world: whose agents see vectors and choose; `observation="box"` in synapse_v0.
            name: what JaxMARL's scripts call it in files and logs.
            max_cycles: rounds after which an episode ends, >= 1.

        Raises:
            ValueError: if an agent sees no vector or chooses among no few actions, or there are more than 256 agents.
        """
        self.env = FunctionalEnv(world, max_cycles, "agent")
        self.env.require_few()
        super().__init__(self.env.num_agents)
        self._name, self.agents = name, self.env.agents
        self.observation_spaces = {agent: _box(agent, space) for agent, space in self.env.observation_spaces.items()}
        self.action_spaces = {agent: _choice(agent, space) for agent, space in self.env.action_spaces.items()}

    @property
    def name(self) -> str:
        """What JaxMARL's scripts call it."""
        return self._name

    @property
    def agent_classes(self) -> dict[str, list[str]]:
        """All agents are of one kind."""
        return {"agents": self.agents}

    def reset(self, key: Key[Array, ""]) -> tuple[Named, EnvState]:
        """A new episode, and what everybody sees at its beginning."""
        return self.env.reset(key)

    def step(
        self, key: Key[Array, ""], state: EnvState, actions: Named, reset_state: EnvState | None = None
    ) -> tuple[Named, EnvState, Named, Named, Named]:
        """A turn, and where the episode has ended the next one in the same call: a new one, or `reset_state`."""
        if reset_state is None:
            obs, state, reward, done, info = self.env.step(key, state, self._read(actions))
            return obs, state, reward, done, self._infos(info)
        _, state, reward, done, infos = self.step_env(key, state, actions)
        state = jax.tree.map(lambda new, old: jnp.where(done["__all__"], new, old), reset_state, state)
        return self.get_obs(state), state, reward, done, infos

    def step_env(
        self, key: Key[Array, ""], state: EnvState, actions: Named
    ) -> tuple[Named, EnvState, Named, Named, Named]:
        """A turn, which begins no new episode."""
        obs, state, reward, done, info = self.env.step_env(key, state, self._read(actions))
        return obs, state, reward, done, self._infos(info)

    def get_obs(self, state: EnvState) -> Named:
        """What everybody sees."""
        return self.env.get_obs(state)

    def get_avail_actions(self, state: EnvState) -> Named:
        """{agent: bool[A]}: everybody may always do everything."""
        del state
        return {agent: jnp.ones(space.n, bool) for agent, space in self.action_spaces.items()}

    def _read(self, actions: Named) -> Named:
        """PPO's scripts give actions of shape [1], and those that learn action values []."""
        return {agent: jnp.reshape(actions[agent], ()) for agent in self.agents}

    def _infos(self, info: dict[str, Any]) -> Named:
        """Everything a number for each agent, as their scripts store it."""
        return {name: jnp.full(self.num_agents, part) for name, part in info.items() if name != "final_obs"}


def _box(agent: str, space: spaces.Space) -> theirs.Box:
    vector = isinstance(space, spaces.Box) and len(space.shape) == 1
    require(vector, f"JaxMARL's networks see vectors, but {agent} sees {space}: use observation='box'.")
    assert isinstance(space, spaces.Box)
    return theirs.Box(space.low, space.high, space.shape, jnp.dtype(space.dtype))


def _choice(agent: str, space: spaces.Space) -> theirs.Discrete:
    choice = isinstance(space, spaces.Discrete)
    require(choice, f"JaxMARL's scripts choose among a few actions, but those of {agent} lie in {space}.")
    assert isinstance(space, spaces.Discrete)
    return theirs.Discrete(int(space.n))


def make(name: str, *, max_cycles: int = 10_000, **options: Any) -> JaxMARLEnv:
    """A world by its module's name.

    Args:
        name: such as "synapse_v0".
        max_cycles: rounds after which an episode ends, >= 1.
        **options: of the module's `world`; `task` for its task.

    Raises:
        ValueError: if there is no such world, or anything is out of range.
    """
    require(re.fullmatch(r"\w+_v\d+", name) is not None, f"There is no world {name!r}: give a name such as synapse_v0.")
    return JaxMARLEnv(getattr(synagents.envs, name).world(**options), name, max_cycles=max_cycles)


def register() -> None:
    """Let `jaxmarl.make` know our worlds, too: `jaxmarl.make("synapse_v0", task="boundary", observation="box")`."""
    make_theirs = jaxmarl.registration.make

    def make_any(env_id: str, **env_kwargs: Any) -> MultiAgentEnv:
        return (make_theirs if env_id in jaxmarl.registered_envs else make)(env_id, **env_kwargs)

    jaxmarl.make = jaxmarl.registration.make = make_any


if __name__ == "__main__":
    register()
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))  # as Python does for a script
    runpy.run_path(sys.argv[0], run_name="__main__")
