"""The faces of a world: its constructors for PettingZoo, Gymnasium and JaxMARL's style, from the one that builds it.

A world's module offers them under the names that these libraries' users expect:

    faces = Faces(world, "synapse_v0")
    parallel_env, vector_env = faces.parallel_env, faces.vector_env
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from synagents.hyperparameters import require_whole
from synagents.world import World

if TYPE_CHECKING:  # each face loads its library when it is asked for
    from pettingzoo import AECEnv

    from synagents.envs.functional import FunctionalEnv
    from synagents.envs.parallel import ParallelView
    from synagents.envs.vector import VectorView


class Faces:
    """All constructors of a world's faces.

    Attributes:
        world: the builder, `world(task, **options)`.
        name: of the environment, such as "synapse_v0".
    """

    def __init__(self, world: Callable[..., World], name: str):
        self.world, self.name = world, name

    def parallel_env(
        self,
        task: Any = None,
        *,
        max_cycles: int = 10_000,
        render_mode: Literal["human", "rgb_array"] | None = None,
        names: Literal["group", "agent"] = "group",
        **options: Any,
    ) -> "ParallelView":
        """The world as a PettingZoo ParallelEnv; in worlds with turns one step is one turn.

        Args:
            task: as in `world`; None for its default.
            max_cycles: rounds after which an episode is truncated, >= 1.
            render_mode: "rgb_array", "human", or None for no pictures.
            names: of agents: "group", `<group>_<i>`, or "agent", agent_0 .. agent_{N-1}, where all have the same
                spaces: clients that make a policy for each group of names then make one for all.
            **options: every other keyword of `world`.

        Raises:
            ValueError: if anything is out of range, there is no task or option of that name, or actions are no small
                whole numbers.
        """
        from synagents.envs.parallel import ParallelView

        world = self._built(task, options)
        return ParallelView(world, self.name, max_cycles=max_cycles, render_mode=render_mode, names=names)

    def raw_env(self, task: Any = None, **options: Any) -> "AECEnv":
        """The world as a PettingZoo AECEnv, agent after agent; every keyword of `parallel_env`."""
        from synagents.envs.parallel import agent_after_agent

        return agent_after_agent(self.parallel_env(task, **options))

    def env(self, task: Any = None, **options: Any) -> "AECEnv":
        """`raw_env` with PettingZoo's usual wrappers, which refuse actions out of bounds and calls out of order."""
        from synagents.envs.parallel import agent_after_agent

        return agent_after_agent(self.parallel_env(task, **options), wrapped=True)

    def vector_env(
        self, task: Any = None, *, num_envs: int = 1, max_cycles: int = 10_000, **options: Any
    ) -> "VectorView":
        """The world as a Gymnasium VectorEnv, where all agents have one space and act at once.

        Args:
            task: as in `world`; None for its default.
            num_envs: worlds W, >= 1. The environment's own attribute `num_envs` counts sub-environments, which are the
                agents of all worlds: W times the agents of one.
            max_cycles: rounds after which an episode is truncated, >= 1.
            **options: every other keyword of `world`.

        Raises:
            ValueError: if anything is out of range, or agents differ in what they see or do or when.
        """
        from synagents.envs.vector import VectorView

        require_whole("num_envs", num_envs, 1)
        return VectorView(self._built(task, options), num_worlds=num_envs, max_cycles=max_cycles)

    def functional_env(
        self,
        task: Any = None,
        *,
        max_cycles: int = 10_000,
        keyed: Literal["group", "agent"] = "group",
        **options: Any,
    ) -> "FunctionalEnv":
        """The world as pure functions in the style of JaxMARL: `reset(key)`, `step(key, state, actions)`.

        Args:
            task: as in `world`; None for its default.
            max_cycles: rounds after which an episode is truncated, >= 1.
            keyed: what dictionaries are keyed by: "group", [n, ...] each, or "agent" in worlds of at most 256.
            **options: every other keyword of `world`.

        Raises:
            ValueError: if anything is out of range, or there is no task or option of that name.
        """
        from synagents.envs.functional import FunctionalEnv

        return FunctionalEnv(self._built(task, options), max_cycles, keyed)

    def _built(self, task: Any, options: dict[str, Any]) -> World:
        if task is None:
            task = inspect.signature(self.world).parameters["task"].default
        return self.world(task, **options)
