"""A world as pure functions in the style of JaxMARL's environments: `reset(key)`, `step(key, state, actions)`.

`FunctionalEnv.take_turn` is the only step of all faces: `synagents.envs.parallel` and `.vector` call it compiled.
Episode e of a face that was reset with a seed is run e of `synagents.begin(seed, ...)`: as long as the same actions are
taken, the compiled loop computes the same rewards and weights, bit for bit (`synagents.keys`).
"""

import numbers
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Int, Key

from synagents import keys
from synagents.envs.spaces import LazySpaces
from synagents.hyperparameters import nearest, require, require_whole, settings, static
from synagents.schedules import is_due
from synagents.world import (
    Group,
    Outcome,
    State,
    Tree,
    World,
    agent_ids,
    each_agent,
    observe_all,
    turns_of,
)

Named: TypeAlias = dict[str, Array]  # one entry per group, or per agent
MAX_KEYED_AGENTS = 256  # a dictionary entry per agent is an argument per agent: thousands take minutes to compile


class EnvState(NamedTuple):
    """The state of an environment: a world, and how far its episode has come."""

    state: State  # the world's state S
    rounds: Int[Array, ""]  # played so far in this episode
    turn: Int[Array, ""]  # whose it is; always 0 where all act at once


@settings
class FunctionalEnv:
    """A world as pure functions, to be jitted, vmapped and scanned; arrays are keyed by group, [n, ...] each.

    Attributes:
        world: the world.
        max_cycles: rounds after which an episode is truncated, >= 1.
        keyed: "group", or "agent" for one entry per agent, in worlds of at most 256 agents.
    """

    world: World
    max_cycles: int = 10_000
    keyed: Literal["group", "agent"] = static(default="group")

    def __post_init__(self) -> None:
        require(
            isinstance(self.world, World),
            f"An environment is made of a world such as `synapse_v0.world(...)` gives, but this is {self.world!r:.60}: "
            "`functional_env` of the world's module builds both.",
        )
        if self.max_cycles is None or isinstance(self.max_cycles, numbers.Number | str | list | tuple | dict):
            require_whole("max_cycles", self.max_cycles, 1, 2**31 - 1)  # anything else is JAX's, while it compiles
        require(
            self.world.candidates == 1,
            "Agents make one move a step here: candidates are for the compiled loop, synagents.train.",
        )

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

    @property
    def observation_spaces(self) -> LazySpaces:
        """{name: what one agent of that name, or of that group, observes}."""
        return LazySpaces(self.agents, self.observation_space)

    @property
    def action_spaces(self) -> LazySpaces:
        """{name: what one agent of that name, or of that group, does}."""
        return LazySpaces(self.agents, self.action_space)

    def reset(self, key: Key[Array, ""]) -> tuple[Named, EnvState]:
        """A new episode, and what everybody sees at its beginning.

        Args:
            key: for what the world draws; whatever JAX's default generator is, keys of one seed begin the same episode.

        Raises:
            ValueError: if too many agents have an entry each, or this is no key.
        """
        self.require_few()
        env_state = EnvState(self.world.reset(_own_key(key)), jnp.int32(0), jnp.int32(0))
        return self.get_obs(env_state), env_state

    def step(
        self, key: Key[Array, ""], env_state: EnvState, actions: Named
    ) -> tuple[Named, EnvState, Named, Named, dict[str, Any]]:
        """`step_env`, and where the episode has ended a new one in the same call, as JaxMARL does.

        `info["final_obs"]` is what was seen before the new episode began: bootstrap from it where `info["truncated"]`.
        """
        key = _own_key(key)
        last_obs, env_state, reward, done, info = self.step_env(key, env_state, actions)
        env_state = _where(done["__all__"], lambda key, _: self.reset(key)[1], keys.reset_key(key), env_state)
        return self.get_obs(env_state), env_state, reward, done, info | {"final_obs": last_obs}

    def step_env(
        self, key: Key[Array, ""], env_state: EnvState, actions: Named
    ) -> tuple[Named, EnvState, Named, Named, dict[str, Any]]:
        """One turn: the round of a world where all act at once. ValueError if an action is missing or misshapen.

        Args:
            key: for what the world draws.
            env_state: the episode so far.
            actions: {name: [n]} by group, or {name: []} by agent; those whose turn it is not are ignored. Numbers are
                not checked, since they are not known while this is compiled: keep within the action space.

        Returns:
            obs; the state; {name: reward f32[n]}, zeros before a round's last turn; {name: done bool[n]} and "__all__";
            info: terminated bool[], truncated bool[], and what the world reports, such as the loss f32[].
        """
        self._require_fit(actions)
        by_group = self._by_group(actions) if self.keyed == "agent" else actions
        env_state, outcome = self.take_turn(_own_key(key), env_state, by_group)
        ended = outcome.terminated | outcome.truncated
        sizes = {group.name: group.size for group in self.world.groups}
        reward = {name: jnp.broadcast_to(part, sizes[name]) for name, part in outcome.reward.items()}
        done = {name: jnp.full(size, ended) for name, size in sizes.items()}
        info = outcome.info | {"terminated": outcome.terminated, "truncated": outcome.truncated}
        return self.get_obs(env_state), env_state, self._named(reward), self._named(done) | {"__all__": ended}, info

    def require_few(self) -> None:
        """ValueError if too many agents have an entry each; `reset` asks so, too."""
        require(
            self.keyed == "group" or self.num_agents <= MAX_KEYED_AGENTS,
            f"One dictionary entry per agent takes minutes to compile for {self.num_agents} agents: use keyed='group'.",
        )

    def get_obs(self, env_state: EnvState) -> Named:
        """What everybody sees."""
        return self._named(each_agent(observe_all(self.world, env_state.state), self.world.groups))

    def take_turn(self, key: Key[Array, ""], env_state: EnvState, actions: Tree) -> tuple[EnvState, Outcome]:
        """One turn, for callers that have actions by group and want the world's own outcome; nothing is checked.

        Args:
            key: for what the world draws.
            env_state: the episode so far.
            actions: {group: [n]}; groups whose turn it is not are ignored.

        Returns:
            The state after it; and the outcome, truncated after `max_cycles` rounds: zeros before a round's last turn.
        """
        turns = [partial(self._take, turn) for turn in turns_of(self.world.groups)]
        if len(turns) == 1:
            return turns[0](key, env_state, actions)
        return jax.lax.switch(env_state.turn, turns, key, env_state, actions)

    def _take(self, turn: int, key: Key[Array, ""], env_state: EnvState, actions: Tree) -> tuple[EnvState, Outcome]:
        world, state, last = self.world, env_state.state, turns_of(self.world.groups)[-1]
        if turn == 0 and world.interval:
            state = _where(is_due(env_state.rounds, world.interval), world.refresh, keys.refresh_key(key), state)
        acting = {g.name: actions[g.name] for g in world.groups if turn in g.turns}
        state = world.move(state, acting, env_state.rounds, turn)
        if turn < last:
            nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(lambda: world.resolve(key, state)[1]))
            return EnvState(state, env_state.rounds, env_state.turn + 1), nothing
        state, outcome = world.resolve(key, state)
        rounds = env_state.rounds + 1
        outcome = outcome._replace(truncated=outcome.truncated | (rounds >= self.max_cycles))
        return EnvState(state, rounds, jnp.int32(0)), outcome

    def _require_fit(self, actions: Named) -> None:
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

    def _named(self, tree: Tree) -> Named:
        if self.keyed == "group":
            return tree
        return {f"{group.name}_{i}": tree[group.name][i] for group in self.world.groups for i in range(group.size)}

    def _by_group(self, actions: Named) -> Tree:
        return {g.name: jnp.stack([actions[f"{g.name}_{i}"] for i in range(g.size)]) for g in self.world.groups}


def _where(due: Bool[Array, ""], change: Callable[[Key[Array, ""], Any], Any], key: Key[Array, ""], state: Any) -> Any:
    """`change(key, state)` where it is due: a loop of no or one turn; a branch would copy the batch every round."""

    def turn(i: Int[Array, ""], state: Any) -> Any:
        # Adding i, which is 0, ties the draw to the loop: else the compiler would draw outside of it, every round.
        words = jax.random.key_data(key) + i.astype(jnp.uint32)
        return change(jax.random.wrap_key_data(words, impl=jax.random.key_impl(key)), state)

    return jax.lax.fori_loop(0, due.astype(jnp.int32), turn, state)


def _own_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The same seed's key of our generator: JAX's default may be another, and `jax.random.PRNGKey` names none."""
    if isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.ndim == 1:
        key = jax.random.wrap_key_data(key[:2], impl=keys.GENERATOR)
    return keys.seed_key(key)


class Seeds:
    """Which episode a face plays: the first of a new seed, or without a seed the one after the last.

    Attributes:
        seed: uint32[*shape], one for each world.
        episode: uint32[*shape], counted from 0 for each seed.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.seed = np.zeros(shape, np.uint32)
        self.episode = np.zeros(shape, np.uint32)
        self._begun = False

    def next(self, seed: int | None, which: Bool[np.ndarray, "*W"] | Literal[True] = True) -> None:
        """The next episode of the worlds that `which` names; the first seed of all is random unless it is given.

        Raises:
            ValueError: if the seed is not a whole number in 0 .. 2^32 - 1.
        """
        if seed is None and self._begun:
            self.episode = self.episode + np.asarray(which, np.uint32)
            return
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        require_whole("seed", seed, 0, keys.LARGEST_SEED)
        # New arrays every time: a compiled step may still read the old ones.
        self.seed = np.where(which, np.uint32(seed), self.seed)
        self.episode = np.where(which, np.uint32(0), self.episode)
        self._begun = True
