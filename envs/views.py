"""A world as others know it: PettingZoo's ParallelEnv, Gymnasium's VectorEnv, JaxMARL's functional environments.

The three are one life told in three ways: `FunctionalEnv.step_env` is the only step, the other two call it compiled.
Episode e of a face that was reset with a seed is run e of `synagents.begin(jax.random.key(seed), ...)`, so the compiled
loop tells the same story too, bit for bit, as long as the same actions are taken (`synagents.keys`).

Train on arrays; dictionaries are for checking, teaching and plugging in: one costs about half a microsecond per agent.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, Int, Key, UInt32
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils import parallel_to_aec, wrappers
from synagents.envs.frame import Frame

from synagents.keys import of_birth, of_refresh, of_round, of_run, of_world
from synagents.settings import nearest, require, require_between, require_whole, settings, static
from synagents.world import Group, Outcome, Tree, World, agent_ids, each_agent, num_choices, turns_of

MAX_KEYED_AGENTS = 256  # a dictionary entry per agent is an argument per agent: thousands take minutes to compile


class Life(NamedTuple):
    """A world that is being lived in."""

    state: Any  # the world's state S
    rounds: Int[Array, ""]  # played so far
    turn: Int[Array, ""]  # whose it is; always 0 where all act at once


@settings
class FunctionalEnv:
    """A world as pure functions, to be jitted, vmapped and scanned; arrays are keyed by group, [n, ...] each.

    Attributes:
        world: the world.
        max_cycles: rounds after which a life is truncated, >= 1.
        keyed: "group", or "agent" for one entry per agent, in worlds of at most 256 agents.
    """

    world: World
    max_cycles: int = 10_000
    keyed: Literal["group", "agent"] = static(default="group")

    def __post_init__(self) -> None:
        require_between("max_cycles", self.max_cycles, 1)
        require(
            getattr(self.world, "candidates", 1) == 1,
            "Agents make one move a step here: candidates are for the compiled loop, synagents.train.",
        )
        require(self.keyed in ("group", "agent"), f"keyed must be group or agent, but is {self.keyed!r}.")

    @property
    def agents(self) -> list[str]:
        """The keys of all dictionaries: names of groups, or of agents in flat order."""
        groups = self.world.groups
        return agent_ids(groups) if self.keyed == "agent" else [group.name for group in groups]

    @property
    def num_agents(self) -> int:
        """How many agents there are, however they are keyed."""
        return sum(group.size for group in self.world.groups)

    def observation_space(self, name: str) -> spaces.Space:
        """What one agent of that name, or of the group of that name, observes."""
        return self._group(name).obs_space

    def action_space(self, name: str) -> spaces.Space:
        """What one agent of that name, or of the group of that name, does."""
        return self._group(name).action_space

    def reset(self, key: Key[Array, ""]) -> tuple[dict[str, Array], Life]:
        """A new life, and what everybody sees at its beginning; ValueError if too many agents have an entry each."""
        require(
            self.keyed == "group" or self.num_agents <= MAX_KEYED_AGENTS,
            f"One dictionary entry per agent takes minutes to compile for {self.num_agents} agents: use keyed='group'.",
        )
        life = Life(self.world.reset(key), jnp.int32(0), jnp.int32(0))
        return self.get_obs(life), life

    def step(
        self, key: Key[Array, ""], life: Life, actions: dict[str, Array]
    ) -> tuple[dict[str, Array], Life, dict[str, Array], dict[str, Array], dict[str, Any]]:
        """`step_env`, and where the life has ended a new one in the same call, as JaxMARL does.

        `info["final_obs"]` is what was seen before the new life began: bootstrap from it where `info["truncated"]`.
        """
        last_obs, life, reward, done, info = self.step_env(key, life, actions)
        life = _where(done["__all__"], lambda key, _: self.reset(key)[1], of_birth(key), life)
        return self.get_obs(life), life, reward, done, info | {"final_obs": last_obs}

    def step_env(
        self, key: Key[Array, ""], life: Life, actions: dict[str, Array]
    ) -> tuple[dict[str, Array], Life, dict[str, Array], dict[str, Array], dict[str, Any]]:
        """One turn: the round of a world where all act at once. ValueError if an action is missing or misshapen.

        Args:
            key: for what the world draws.
            life: the life so far.
            actions: {name: [n]} by group, or {name: []} by agent; those whose turn it is not are ignored. Numbers are
                not checked, since they are not known while this is compiled: keep within the action space.

        Returns:
            obs; the life; {name: reward f32[n]}, zeros before a round's last turn; {name: done bool[n]} and "__all__";
            info: terminated bool[], truncated bool[], and what the world reports, such as the loss f32[].
        """
        self._require_fit(actions)
        life, outcome = self.take_turn(key, life, self._by_group(actions) if self.keyed == "agent" else actions)
        ended = outcome.terminated | outcome.truncated
        sizes = {group.name: group.size for group in self.world.groups}
        reward = {name: jnp.broadcast_to(part, sizes[name]) for name, part in outcome.reward.items()}
        done = {name: jnp.full(size, ended) for name, size in sizes.items()}
        info = outcome.info | {"terminated": outcome.terminated, "truncated": outcome.truncated}
        return self.get_obs(life), life, self._named(reward), self._named(done) | {"__all__": ended}, info

    def get_obs(self, life: Life) -> dict[str, Array]:
        """What everybody sees."""
        turns = turns_of(self.world.groups)
        seen = {name: part for turn in turns for name, part in self.world.observe(life.state, turn).items()}
        return self._named(each_agent(seen, self.world.groups))

    def take_turn(self, key: Key[Array, ""], life: Life, actions: Tree) -> tuple[Life, Outcome]:
        """The step without the clothes: actions by group in, the world's own outcome out."""
        turns = [partial(self._take, turn) for turn in turns_of(self.world.groups)]
        if len(turns) == 1:
            return turns[0](key, life, actions)
        return jax.lax.switch(life.turn, turns, key, life, actions)

    def _take(self, turn: int, key: Key[Array, ""], life: Life, actions: Tree) -> tuple[Life, Outcome]:
        world, state, last = self.world, life.state, turns_of(self.world.groups)[-1]
        if turn == 0 and world.interval:
            due = (life.rounds % world.interval == 0) & (life.rounds > 0)
            state = _where(due, world.refresh, of_refresh(key), state)
        state = world.move(state, {g.name: actions[g.name] for g in world.groups if turn in g.turns}, turn)
        if turn < last:
            nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(lambda: world.settle(key, state)[1]))
            return Life(state, life.rounds, life.turn + 1), nothing
        state, outcome = world.settle(key, state)
        rounds = life.rounds + 1
        outcome = outcome._replace(truncated=outcome.truncated | (rounds >= self.max_cycles))
        return Life(state, rounds, jnp.int32(0)), outcome

    def _require_fit(self, actions: dict[str, Array]) -> None:
        """Names, shapes and types are known while this is compiled, so that checking them costs nothing later."""
        odd = sorted(set(self.agents) ^ set(actions), key=str)
        require(not odd, f"Give one entry to each of {', '.join(self.agents[:3])}, ..., and no other: see {odd[:1]}.")
        for name in self.agents:
            shape = () if self.keyed == "agent" else (self._group(name).size,)
            action, chooses = jnp.asarray(actions[name]), isinstance(self._group(name).action_space, spaces.Discrete)
            require(
                action.shape == shape and jnp.issubdtype(action.dtype, jnp.integer if chooses else jnp.floating),
                f"The actions of {name} must be {'whole numbers' if chooses else 'floats'} of shape {list(shape)}, but "
                f"are {action.dtype}{list(action.shape)}.",
            )

    def _group(self, name: str) -> Group:
        require(name in self.agents, f"There is no {self.keyed} {name!r}: {nearest(name, self.agents[:20])}.")
        wanted = name.rpartition("_")[0] if self.keyed == "agent" else name
        return next(group for group in self.world.groups if group.name == wanted)

    def _named(self, tree: Tree) -> dict[str, Array]:
        if self.keyed == "group":
            return tree
        return {f"{group.name}_{i}": tree[group.name][i] for group in self.world.groups for i in range(group.size)}

    def _by_group(self, actions: dict[str, Array]) -> Tree:
        return {g.name: jnp.stack([actions[f"{g.name}_{i}"] for i in range(g.size)]) for g in self.world.groups}


def _where(due: Bool[Array, ""], change: Callable[[Key[Array, ""], Any], Any], key: Key[Array, ""], state: Any) -> Any:
    """`change(key, state)` where it is due: a loop of no or one turn; a branch would copy the batch every round."""

    def turn(i: Int[Array, ""], state: Any) -> Any:
        # Adding i, which is 0, ties the draw to the loop: else the compiler would draw outside of it, every round.
        words = jax.random.key_data(key) + i.astype(jnp.uint32)
        return change(jax.random.wrap_key_data(words, impl=jax.random.key_impl(key)), state)

    return jax.lax.fori_loop(0, due.astype(jnp.int32), turn, state)


@jax.jit
def _reset(env: FunctionalEnv, seed: UInt32[Array, ""], episode: Int[Array, ""], world: Int[Array, ""]) -> Life:
    return env.reset(of_world(of_birth(of_run(jax.random.key(seed), episode)), world))[1]


@partial(jax.jit, donate_argnames="life")
def _step(
    env: FunctionalEnv, seed: UInt32[Array, ""], episode: Int[Array, ""], life: Life, actions: Tree
) -> tuple[Life, Outcome, Tree]:
    """The life after a turn, what came of it, and what everybody sees now."""
    key = of_world(of_round(of_run(jax.random.key(seed), episode), life.rounds), 0)
    life, outcome = env.take_turn(key, life, actions)
    return life, outcome, env.get_obs(life)


_observe = jax.jit(FunctionalEnv.get_obs)
_overview = jax.jit(lambda env, life: env.world.overview(life.state))


class ParallelView(ParallelEnv):
    """A world as a PettingZoo ParallelEnv: one entry per agent `<group>_<i>`, new dictionaries every step.

    Nobody dies early: all agents end together. In worlds with turns one call is one turn: everybody gives an action,
    those whose turn it is not are ignored, `infos[agent]["active"]` tells whose it is next, and rewards come with a
    round's last turn. `state()` is the world's overview for central critics, outside what agents may see.
    """

    def __init__(
        self,
        world: World,
        name: str,
        *,
        max_cycles: int = 10_000,
        render_mode: Literal["human", "rgb_array"] | None = None,
    ):
        """Dress a world.

        Args:
            world: the world.
            name: of the environment, such as "synapse_v0".
            max_cycles: rounds after which a life is truncated, >= 1.
            render_mode: "rgb_array", "human", or None for no pictures.

        Raises:
            ValueError: if an option is out of range, or actions are not Discrete.
        """
        require_whole("max_cycles", max_cycles, 1)
        modes = ["human", "rgb_array"]
        require(
            render_mode is None or render_mode in modes,
            f"render_mode must be human, rgb_array or None, but is {render_mode!r}.",
        )
        self.metadata = {"name": name, "render_modes": modes, "render_fps": 10, "is_parallelizable": True}
        self.render_mode = render_mode
        self.possible_agents = agent_ids(world.groups)
        self.agents: list[str] = []
        self._env = FunctionalEnv(world, max_cycles)
        for group in world.groups:
            few = isinstance(group.action_space, spaces.Discrete) and num_choices(group.action_space) <= 256
            require(
                few,
                f"Dictionaries hold Discrete actions of at most 256, but {group.name} has {group.action_space}: use "
                "functional_env.",
            )
        self._spaces: dict[tuple[str, str], spaces.Space] = {}
        self._filled: dict[Any, dict[str, Any]] = {}
        self._seeds, self._life, self._frame = _Seeds(), None, Frame() if render_mode else None

    @property
    def max_cycles(self) -> int:
        """Rounds after which a life is truncated; may be set at any time."""
        return self._env.max_cycles

    @max_cycles.setter
    def max_cycles(self, rounds: int) -> None:
        require_whole("max_cycles", rounds, 1)
        self._env = replace(self._env, max_cycles=rounds)

    @property
    def world(self) -> World:
        """The world that is dressed."""
        return self._env.world

    def observation_space(self, agent: str) -> spaces.Space:
        """What this agent observes; always the same object, with a seed of its own."""
        return self._space(agent, "obs_space")

    def action_space(self, agent: str) -> spaces.Space:
        """What this agent does; always the same object, with a seed of its own."""
        return self._space(agent, "action_space")

    @cached_property
    def state_space(self) -> spaces.Box:
        """Of `state()`: any real numbers."""
        size = jax.eval_shape(lambda: self.world.overview(self.world.reset(jax.random.key(0)))).shape
        return spaces.Box(-np.inf, np.inf, size, np.float32)

    def unravel(self, agent: str) -> tuple[str, tuple[int, ...]]:
        """The array in which an agent sits, and its index there: "layer0_weight_33" -> ("layer0_weight", (1, 1))."""
        name, _, index = agent.rpartition("_")
        group = next((group for group in self.world.groups if group.name == name), None)
        require(
            group is not None and index.isdecimal() and int(index) < group.size and str(int(index)) == index,
            f"There is no agent {agent!r}: they are called {self.possible_agents[0]} to {self.possible_agents[-1]}.",
        )
        assert group
        return name, tuple(int(place) for place in np.unravel_index(int(index), group.shape))

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """A new life; the same seed, the same life. Without a seed, the next one of the seed before. No options."""
        del options
        self._seeds.next(seed)
        self._life = _reset(self._env, self._seeds.seed, self._seeds.episode, np.uint32(0))
        self.agents = self.possible_agents[:]
        self._turn = 0
        if self._frame:
            self._frame.restart()
        return self._seen(_observe(self._env, self._life)), self._infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Everybody acts, {agent: action}; back come observations, rewards, terminations, truncations and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or when the life has ended.
            ValueError: if an agent is missing or unknown, or an action is none of its space.
        """
        if not self.agents:
            begun = self._life is not None
            raise ResetNeeded("This life has ended: call reset()." if begun else "Call reset() before step().")
        chosen = self._read(actions)
        self._life, outcome, seen = _step(self._env, self._seeds.seed, self._seeds.episode, self._life, chosen)
        self._turn = (self._turn + 1) % len(turns_of(self.world.groups))
        reward, terminated, truncated, info = jax.device_get(outcome)
        told = (
            self._seen(seen),
            self._rewards(reward),
            self._same_for_all(bool(terminated)),
            self._same_for_all(bool(truncated)),
            self._infos(),
        )
        if terminated or truncated:
            self.agents = []
        if self._frame:
            self._frame.note(info, chosen)
            if self.render_mode == "human":
                self.render()
        return told

    def state(self) -> np.ndarray:
        """The world's overview, f32[D]; in `synapse_v0` all weights, the team's last rewards and the present loss."""
        if self._life is None:
            raise ResetNeeded("Call reset() before state().")
        return np.array(_overview(self._env, self._life))

    def render(self) -> np.ndarray | None:
        """A picture of weights, last actions and the loss so far: uint8[height, width, 3], or a window's content."""
        if self._frame is None or self._life is None:
            raise ResetNeeded("Make the environment with a render_mode and call reset() before render().")
        return self._frame.draw(self.metadata["name"], self._life.state, show=self.render_mode == "human")

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._frame:
            self._frame.close()

    def _space(self, agent: str, kind: Literal["obs_space", "action_space"]) -> spaces.Space:
        if (agent, kind) not in self._spaces:  # made when asked for: a hundred thousand agents have many spaces
            name, _ = self.unravel(agent)
            group = next(group for group in self.world.groups if group.name == name)
            self._spaces[agent, kind] = copy.deepcopy(getattr(group, kind))
        return self._spaces[agent, kind]

    def _seen(self, seen: Tree) -> dict[str, Any]:
        """Arrays by group to entries by agent: NumPy scalars, or rows of arrays that nobody else holds."""
        values: list[np.ndarray] = []
        for group in self.world.groups:
            values.append(np.asarray(seen[group.name]).astype(group.obs_space.dtype))
        return self._each(chain(*values))

    def _same_for_all(self, value: Any) -> dict[str, Any]:
        kind = (type(value), value)
        if kind not in self._filled:
            while len(self._filled) > 4:  # rewards may have any value
                self._filled.pop(next(iter(self._filled)))
            self._filled[kind] = dict.fromkeys(self.possible_agents, value)
        return self._filled[kind].copy()  # ten times faster than filling one

    def _each(self, values: Iterable[Any]) -> dict[str, Any]:
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

    def _infos(self) -> dict[str, dict[str, Any]]:
        groups = self.world.groups
        if len(turns_of(groups)) == 1:
            return self._each([{} for _ in self.possible_agents])
        active = chain(*([self._turn in group.turns] * group.size for group in groups))
        return self._each({"active": now} for now in active)

    def _read(self, actions: dict[str, Any]) -> dict[str, np.ndarray]:
        """Everybody's action, by group; ValueError if they are not what the agents can do."""
        if list(actions) != self.agents:
            actions = self._in_order(actions)
        try:
            # bytes() takes whole numbers from 0 to 255 and nothing else: fast, and strict about types.
            chosen = np.frombuffer(bytes(actions.values()), np.uint8)
        except (TypeError, ValueError, OverflowError):
            raise self._blame(actions) from None
        tree, start = {}, 0
        for group in self.world.groups:
            tree[group.name] = chosen[start : start + group.size]
            start += group.size
            if tree[group.name].max() >= num_choices(group.action_space):
                raise self._blame(actions)
        return tree

    def _in_order(self, actions: dict[str, Any]) -> dict[str, Any]:
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            raise ValueError(f"Every agent needs an action, but {len(missing)} have none; the first is {missing[0]}.")
        if len(actions) != len(self.agents):
            unknown = next(iter(actions.keys() - set(self.agents)))
            raise ValueError(f"There is no agent {unknown!r}: give one action to each agent in env.agents.")
        return {agent: actions[agent] for agent in self.agents}

    def _blame(self, actions: dict[str, Any]) -> ValueError:
        bad = next(agent for agent in self.agents if not self.action_space(agent).contains(actions[agent]))
        choices = num_choices(self.action_space(bad))
        told = " ".join(repr(actions[bad]).split())  # an array's has several lines
        return ValueError(f"The action of {bad} must be a whole number in 0 .. {choices - 1}, but is {told}.")


def agent_after_agent(view: ParallelView, *, wrapped: bool = False) -> AECEnv:
    """The view as a PettingZoo AECEnv; `wrapped` tells actions out of bounds and calls out of order.

    Every agent's turn costs a look at all agents, so this is for hundreds of agents and not for thousands.
    """
    cycle = parallel_to_aec(view)
    return wrappers.OrderEnforcingWrapper(wrappers.AssertOutOfBoundsWrapper(cycle)) if wrapped else cycle


class _Seeds:
    """Which life comes next: the first of a new seed, or the next of the old one."""

    def __init__(self) -> None:
        self.seed: np.uint32 | None = None
        self.episode = np.uint32(0)

    def next(self, seed: int | None) -> None:
        """Go on; without any seed so far, to a life that nobody has lived."""
        if seed is None and self.seed is not None:
            self.episode += np.uint32(1)
            return
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        require_whole("seed", seed, 0, 2**32 - 1)
        self.seed, self.episode = np.uint32(seed), np.uint32(0)


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
        self._env, self._seeds = FunctionalEnv(world, max_cycles), _Seeds()
        self._lives: Life | None = None

    @property
    def world(self) -> World:
        """The world that is dressed."""
        return self._env.world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New lives; the same seed, the same lives. Without a seed, the next ones of the seed before. No options."""
        del options
        super().reset(seed=seed)
        self._seeds.next(seed)
        self._episodes = np.full(self.num_worlds, self._seeds.episode)
        self._ended = np.zeros(self.num_worlds, bool)
        self._lives = _reset_all(self._env, self._seeds.seed, self._episodes)
        return self._seen(_observe_all(self._env, self._lives)), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Everybody acts, [num_envs]; back come observations, rewards f64, terminations, truncations and infos.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            ValueError: if there is not one action of its space for each sub-environment.
        """
        if self._lives is None:
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
        self._lives, seen, *outcome = _step_all(self._env, seed, self._episodes, self._lives, acting)
        rewards, terminated, truncated, info = jax.tree.map(np.array, outcome)
        if fresh.any():
            self._episodes = self._episodes + fresh
            self._lives = _replace(fresh, _reset_all(self._env, seed, self._episodes), self._lives)
            seen = _observe_all(self._env, self._lives)
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


def _fleet(function: Callable, *args: Any) -> Any:
    """`function` of one world's arguments, applied to W; one world goes without the axis, which is faster."""
    if len(args[0]) > 1:
        return jax.vmap(function)(*args)
    return jax.tree.map(lambda x: x[None], function(*jax.tree.map(lambda x: x[0], args)))


def _flat_obs(env: FunctionalEnv, life: Life) -> Array:
    seen = env.get_obs(life)
    return jnp.concatenate([seen[group.name] for group in env.world.groups])


@jax.jit
def _reset_all(env: FunctionalEnv, seed: UInt32[Array, ""], episodes: Int[Array, "W"]) -> Life:
    worlds = jnp.arange(len(episodes))
    return _fleet(lambda episode, world: _reset(env, seed, episode, world), episodes, worlds)


@jax.jit
def _observe_all(env: FunctionalEnv, lives: Life) -> Array:
    return _fleet(lambda _, life: _flat_obs(env, life), lives.rounds, lives)


@jax.jit
def _replace(which: Bool[Array, "W"], new: Life, old: Life) -> Life:
    return jax.tree.map(lambda x, y: jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y), new, old)


@partial(jax.jit, donate_argnames="lives")
def _step_all(
    env: FunctionalEnv, seed: UInt32[Array, ""], episodes: Int[Array, "W"], lives: Life, actions: Int[Array, "W N"]
) -> tuple[Life, Array, Array, Array, Array, dict[str, Array]]:
    groups = env.world.groups
    edges = np.cumsum([group.size for group in groups])[:-1]

    def one(episode: Array, world: Array, life: Life, actions: Array) -> tuple:
        key = of_world(of_round(of_run(jax.random.key(seed), episode), life.rounds), world)
        parts = jnp.split(actions, edges)
        life, outcome = env.take_turn(key, life, {g.name: part for g, part in zip(groups, parts, strict=True)})
        reward = jnp.concatenate([jnp.broadcast_to(outcome.reward[group.name], group.size) for group in groups])
        return life, _flat_obs(env, life), reward, *outcome[1:]

    return _fleet(one, episodes, jnp.arange(len(episodes)), lives, actions)
