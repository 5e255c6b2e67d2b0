"""A world as PettingZoo's ParallelEnv: one dictionary entry per agent; also agent after agent (AECEnv).

Train on arrays; dictionaries are for checking, teaching and plugging in: one costs about half a microsecond per agent.
"""

import copy
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from jaxtyping import Array, Int, UInt32
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils import parallel_to_aec, wrappers

from synagents import keys
from synagents.envs.functional import EnvState, FunctionalEnv, Seeds
from synagents.envs.render import Renderer
from synagents.envs.spaces import LazySpaces, require_alike
from synagents.hyperparameters import require
from synagents.world import Outcome, Tree, World, agent_ids, num_choices, turns_of

RENDER_MODES = ["human", "rgb_array"]
Names = Literal["group", "agent"]
Entries: TypeAlias = dict[str, Any]  # one entry per agent, or options and infos by name


@jax.jit
def _reset(env: FunctionalEnv, seed: UInt32[Array, ""], episode: Int[Array, ""]) -> EnvState:
    return env.reset(keys.world_key(keys.reset_key(keys.run_key(keys.seed_key(seed), episode)), 0))[1]


@partial(jax.jit, donate_argnames="env_state")
def _step(
    env: FunctionalEnv, seed: UInt32[Array, ""], episode: Int[Array, ""], env_state: EnvState, actions: Tree
) -> tuple[EnvState, Outcome, Tree]:
    """The state after a turn, what came of it, and what everybody sees now."""
    run = keys.run_key(keys.seed_key(seed), episode)
    key = keys.world_key(keys.round_key(run, env_state.rounds), 0)
    env_state, outcome = env.take_turn(key, env_state, actions)
    return env_state, outcome, env.get_obs(env_state)


_observe = jax.jit(FunctionalEnv.get_obs)
_global_state = jax.jit(lambda env, env_state: env.world.global_state(env_state.state))


class _Spaces(NamedTuple):
    """Of one agent."""

    observation: spaces.Space
    action: spaces.Space


class ParallelView(ParallelEnv):
    """A world as a PettingZoo ParallelEnv: one entry per agent, new dictionaries every step.

    All agents end together. In worlds with turns one call is one turn: everybody gives an action, those of agents whose
    turn it is not are ignored, `infos[agent]["active"]` says whether the agent's turn is the next one, and rewards come
    with a round's last turn. `state()` is the world's global state for central critics, outside what agents may see.
    """

    def __init__(
        self,
        world: World,
        name: str,
        *,
        max_cycles: int = 10_000,
        render_mode: Literal["human", "rgb_array"] | None = None,
        names: Names = "group",
    ):
        """A world with one entry per agent.

        Args:
            world: the world.
            name: of the environment, such as "synapse_v0".
            max_cycles: rounds after which an episode is truncated, >= 1.
            render_mode: "rgb_array", "human", or None for no pictures.
            names: of agents: "group", `<group>_<i>`, or "agent", agent_0 .. agent_{N-1} in the same order, where all
                agents have the same spaces. Clients that make one policy for each name before the last underscore
                (TorchRL, BenchMARL, AgileRL) then share one among all.

        Raises:
            ValueError: if an option is out of range, actions are neither single numbers nor Discrete, or agents that
                are to have one name differ in their spaces.
        """
        self._env = FunctionalEnv(world, max_cycles)
        require(
            render_mode is None or render_mode in RENDER_MODES,
            f"render_mode must be human, rgb_array or None, but is {render_mode!r}.",
        )
        self.metadata = {"name": name, "render_modes": RENDER_MODES, "render_fps": 10, "is_parallelizable": True}
        self.render_mode = render_mode
        require(names in get_args(Names), f"names must be one of {', '.join(get_args(Names))}, but is {names!r}.")
        self._names = names
        if names == "agent":
            require_alike(world.groups, "Agents that are called alike have the same spaces", "use names='group'")
            self.possible_agents = [f"agent_{i}" for i in range(sum(group.size for group in world.groups))]
        else:
            self.possible_agents = agent_ids(world.groups)
        self.agents: list[str] = []
        for group in world.groups:
            space = group.action_space
            few = num_choices(space) <= 256 if isinstance(space, spaces.Discrete) else space.shape == ()
            require(
                few,
                f"Dictionaries hold numbers, and Discrete actions of at most 256, but {group.name} has {space}: use "
                "functional_env.",
            )
        self._spaces: dict[str, _Spaces] = {}
        self._filled: dict[Any, Entries] = {}
        self._seeds = Seeds()
        self._np_random: np.random.Generator | None = None
        self._np_random_seed: int | None = None
        self._env_state: EnvState | None = None
        self._turn = 0
        self._renderer = Renderer(world.groups) if render_mode else None

    @property
    def max_cycles(self) -> int:
        """Rounds after which an episode is truncated; may be set at any time."""
        return self._env.max_cycles

    @max_cycles.setter
    def max_cycles(self, rounds: int) -> None:
        self._env = replace(self._env, max_cycles=rounds)

    @property
    def world(self) -> World:
        """The world that is played."""
        return self._env.world

    @property
    def np_random(self) -> np.random.Generator:
        """For wrappers that draw, such as SuperSuit's frame_skip: seeded by `reset(seed)`. Nothing in here uses it."""
        if self._np_random is None:  # made when asked for: it takes as long as a reset, and hardly anybody asks
            self._np_random, _ = seeding.np_random(self._np_random_seed)
        return self._np_random

    def observation_space(self, agent: str) -> spaces.Space:
        """What this agent observes; always the same object, with a seed of its own."""
        return self._space(agent).observation

    def action_space(self, agent: str) -> spaces.Space:
        """What this agent does; always the same object, with a seed of its own."""
        return self._space(agent).action

    @property
    def observation_spaces(self) -> LazySpaces:
        """{agent: what it observes}; a space is made when it is asked for."""
        return LazySpaces(self.possible_agents, self.observation_space)

    @property
    def action_spaces(self) -> LazySpaces:
        """{agent: what it does}; a space is made when it is asked for."""
        return LazySpaces(self.possible_agents, self.action_space)

    @cached_property
    def state_space(self) -> spaces.Box:
        """Of `state()`: any real numbers."""
        size = jax.eval_shape(lambda: self.world.global_state(self.world.reset(jax.random.key(0)))).shape
        return spaces.Box(-np.inf, np.inf, size, np.float32)

    def unravel(self, agent: str) -> tuple[str, tuple[int, ...]]:
        """The array in which an agent sits, and its index there: "layer0_weight_33" -> ("layer0_weight", (1, 1))."""
        name, _, number = agent.rpartition("_")
        index = int(number) if number.isdecimal() and str(int(number)) == number else -1
        for group in self.world.groups:
            if name == (group.name if self._names == "group" else "agent") and 0 <= index < group.size:
                return group.name, tuple(int(place) for place in np.unravel_index(index, group.shape))
            index -= group.size * (self._names == "agent")  # agents are counted through all groups
        raise ValueError(
            f"There is no agent {agent!r}: they are called {self.possible_agents[0]} to {self.possible_agents[-1]}."
        )

    def reset(self, seed: int | None = None, options: Entries | None = None) -> tuple[Entries, dict[str, Entries]]:
        """A new episode: of a new seed the first one, and without a seed the next one.

        Args:
            seed: a whole number in 0 .. 2^32 - 1; the same seed begins the same episodes.
            options: PettingZoo's interface has them; there are none, and whatever is given changes nothing.

        Returns:
            {agent: what it sees}, {agent: infos}.

        Raises:
            ValueError: if there is no such seed.
        """
        del options
        self._seeds.next(seed)
        if seed is not None:
            self._np_random, self._np_random_seed = None, int(seed)
        self._env_state = _reset(self._env, self._seeds.seed, self._seeds.episode)
        self.agents = self.possible_agents[:]
        self._turn = 0
        if self._renderer:
            self._renderer.restart()
        return self._seen(_observe(self._env, self._env_state)), self._infos()

    def step(
        self, actions: Entries
    ) -> tuple[Entries, dict[str, float], dict[str, bool], dict[str, bool], dict[str, Entries]]:
        """Everybody acts, {agent: action}; back come observations, rewards, terminations, truncations and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or when the episode has ended.
            ValueError: if an agent is missing or unknown, or an action is none of its space.
        """
        if not self.agents:
            begun = self._env_state is not None
            raise ResetNeeded("This episode has ended: call reset()." if begun else "Call reset() before step().")
        chosen = self._read(actions)
        seed, episode = self._seeds.seed, self._seeds.episode
        self._env_state, outcome, seen = _step(self._env, seed, episode, self._env_state, chosen)
        turn, turns = self._turn, len(turns_of(self.world.groups))
        self._turn = (turn + 1) % turns
        reward, terminated, truncated, info = jax.device_get(outcome)
        answer = (
            self._seen(seen),
            self._rewards(reward),
            self._same_for_all(bool(terminated)),
            self._same_for_all(bool(truncated)),
            self._infos(),
        )
        if terminated or truncated:
            self.agents = []
        if self._renderer:
            acted = {group.name: chosen[group.name] for group in self.world.groups if turn in group.turns}
            self._renderer.note(acted, info if turn == turns - 1 else None)
            if self.render_mode == "human":
                self.render()
        return answer

    def state(self) -> np.ndarray:
        """The world's global state, f32[D]: in `synapse_v0` all weights, the last rewards and the present loss."""
        if self._env_state is None:
            raise ResetNeeded("Call reset() before state().")
        return np.array(_global_state(self._env, self._env_state))

    def render(self) -> np.ndarray | None:
        """A picture, uint8[height, width, 3], or a window's content (`synagents.envs.render` says what it shows)."""
        if self._renderer is None or self._env_state is None:
            raise ResetNeeded("Make the environment with a render_mode and call reset() before render().")
        arrays = self.world.pictures(self._env_state.state)
        return self._renderer.plot(str(self), arrays, show=self.render_mode == "human")

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._renderer:
            self._renderer.close()

    def _space(self, agent: str) -> "_Spaces":
        if agent not in self._spaces:  # made when asked for: a hundred thousand agents have many spaces
            name, _ = self.unravel(agent)
            group = next(group for group in self.world.groups if group.name == name)
            self._spaces[agent] = _Spaces(copy.deepcopy(group.obs_space), copy.deepcopy(group.action_space))
        return self._spaces[agent]

    def _seen(self, seen: Tree) -> Entries:
        """Arrays by group to entries by agent: NumPy scalars, or rows of arrays that nobody else holds."""
        values: list[np.ndarray] = []
        for group in self.world.groups:
            values.append(np.asarray(seen[group.name]).astype(group.obs_space.dtype))
        return self._each(chain(*values))

    def _same_for_all(self, value: Any) -> Entries:
        kind = (type(value), value)
        if kind not in self._filled:
            while len(self._filled) > 4:  # rewards may have any value
                self._filled.pop(next(iter(self._filled)))
            self._filled[kind] = dict.fromkeys(self.possible_agents, value)
        return self._filled[kind].copy()  # ten times faster than filling one

    def _each(self, values: Iterable[Any]) -> Entries:
        entries = self._same_for_all(None)
        entries.update(zip(self.possible_agents, values, strict=True))
        return entries

    def _rewards(self, reward: Tree) -> dict[str, float]:
        groups = self.world.groups
        parts = [reward[group.name] for group in groups]
        if all(part.ndim == 0 and part == parts[0] for part in parts):
            return self._same_for_all(float(parts[0]))
        each = (part.tolist() if part.ndim else [float(part)] * g.size for g, part in zip(groups, parts, strict=True))
        return self._each(chain(*each))

    def _infos(self) -> dict[str, Entries]:
        groups = self.world.groups
        if len(turns_of(groups)) == 1:
            return self._each([{} for _ in self.possible_agents])
        active = chain(*([self._turn in group.turns] * group.size for group in groups))
        return self._each({"active": now} for now in active)

    def _read(self, actions: Entries) -> dict[str, np.ndarray]:
        """Everybody's action, by group; ValueError if they are not what the agents can do."""
        if list(actions) != self.agents:
            actions = self._in_order(actions)
        tree, chosen = {}, iter(actions.values())
        for group in self.world.groups:
            part = list(islice(chosen, group.size))
            try:
                tree[group.name] = _numbers(part, group.action_space)
            except (TypeError, ValueError, OverflowError):
                raise self._blame(actions) from None
        return tree

    def _in_order(self, actions: Entries) -> Entries:
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ValueError(f"Every agent needs an action, but {len(missing)} have none; the first is {missing[0]}.")
        if len(actions) != len(self.agents):
            unknown = next(iter(actions.keys() - set(self.agents)))
            raise ValueError(f"There is no agent {unknown!r}: give one action to each agent in env.agents.")
        return {agent: actions[agent] for agent in self.agents}

    def _blame(self, actions: Entries) -> ValueError:
        bad = next(agent for agent in self.agents if not _fits(actions[agent], self.action_space(agent)))
        space, given = self.action_space(bad), " ".join(repr(actions[bad]).split())  # an array's has several lines
        wanted = f"a whole number in 0 .. {space.n - 1}" if isinstance(space, spaces.Discrete) else "a finite number"
        return ValueError(f"The action of {bad} must be {wanted}, but is {given}.")


def _fits(action: Any, space: spaces.Space) -> bool:
    try:
        return len(_numbers([action], space)) == 1
    except (TypeError, ValueError, OverflowError):
        return False


def _numbers(actions: list[Any], space: spaces.Space) -> np.ndarray:
    """A group's actions as an array; any error if they do not lie in the space."""
    if isinstance(space, spaces.Discrete):
        # bytes() takes whole numbers from 0 to 255 and nothing else: fast, and strict about types.
        chosen = np.frombuffer(bytes(actions), np.uint8)
        require(int(chosen.max()) < space.n, "An action is out of range.")
        return chosen
    chosen = np.array(actions)
    real = chosen.shape == (len(actions),) and chosen.dtype.kind in "fiu"
    require(real and bool(np.isfinite(chosen).all()), "An action is no finite number.")
    return chosen.astype(np.float32)


def agent_after_agent(view: ParallelView, *, wrapped: bool = False) -> AECEnv:
    """The view as a PettingZoo AECEnv; `wrapped` refuses actions out of bounds and calls out of order.

    Every agent's turn costs a look at all agents, so this is for hundreds of agents and not for thousands.
    """
    cycle = parallel_to_aec(view)
    return wrappers.OrderEnforcingWrapper(wrappers.AssertOutOfBoundsWrapper(cycle)) if wrapped else cycle
