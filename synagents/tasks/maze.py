"""A grid maze whose reward lies in another cell in every life, unseen: it must be found, and then found again.

    cells    size x size, walls around it and at every place whose row and column are even; the centre is free
    life     the reward in a random free cell, the agent in the centre; `length` rounds of up, down, left, right
    R        10 where the agent arrives at the reward, from which it is put into another free cell at random; else 0

What is seen: the 3 x 3 cells around the agent (1 for a wall), 1, the share of the life that is over, the last reward,
the last action as a one-hot (zeros at first). A step into a wall goes nowhere. (Miconi, Rawal, Clune & Stanley 2019,
arXiv 2002.10585; their input has one more number, which is always 0, and before the first action shows "up".)
"""

from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Key

from synagents.counter import counter_key
from synagents.hyperparameters import require, require_whole, settings, static
from synagents.world import Answer, LifeTask

__all__ = ["maze"]

REWARD = 10.0
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])  # up, down, left, right


class MazeLife(NamedTuple):
    """How a life stands; a cell is its number among the free ones."""

    at: Integer[Array, ""]
    goal: Integer[Array, ""]
    t: Integer[Array, ""]  # rounds before this one
    reward: Float[Array, ""]  # the last one
    action: Integer[Array, ""]  # the last one, -1 at first


@settings
class Maze(LifeTask):
    """The maze; build it by `maze`.

    Attributes:
        size: rows and columns, walls included.
        length: rounds of a life.
    """

    size: int = static(default=9)
    length: int = static(default=100)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The cells around, 1, time, reward and action."""
        return (16,)

    @property
    def action_space(self) -> spaces.Discrete:
        """Up, down, left, right."""
        return spaces.Discrete(4)

    @cached_property
    def levels(self) -> dict[str, float]:
        """Expected rewards of a life: at random, and of somebody who knows where the reward is."""
        return {"random": _random(self), "omniscient": _omniscient(self)}

    def init(self, key: Key[Array, ""]) -> MazeLife:
        """A new life."""
        centre, zero = jnp.int32(self._centre), jnp.int32(0)
        return MazeLife(centre, self._elsewhere(key, centre), zero, jnp.float32(0), jnp.int32(-1))

    def stimulus(self, state: MazeLife) -> Float[Array, "16"]:
        """What is seen in this round."""
        past = jnp.stack([jnp.float32(1), (state.t / self.length).astype(jnp.float32), state.reward])
        action = (state.action == jnp.arange(4, dtype=jnp.int32)).astype(jnp.float32)
        return jnp.concatenate([jnp.asarray(self._around)[state.at], past, action])

    def respond(self, key: Key[Array, ""], state: MazeLife, action: Integer[Array, ""]) -> tuple[MazeLife, Answer]:
        """A step, the reward where it is found, and a new life where this one is over."""
        at = jnp.asarray(self._steps)[state.at, action]
        found = at == state.goal
        reward = jnp.where(found, jnp.float32(REWARD), jnp.float32(0))
        put_key, life_key = jax.random.split(key)
        at, t = jnp.where(found, self._elsewhere(put_key, state.goal), at), state.t + 1
        ended = t == self.length
        after = MazeLife(at, state.goal, t, reward, action.astype(jnp.int32))
        after = jax.tree.map(lambda new, old: jnp.where(ended, new, old), self.init(life_key), after)
        return after, Answer(reward, ended, jnp.bool_(False))

    @cached_property
    def ground(self) -> Bool[np.ndarray, "size size"]:
        """Walls are where no agent can be."""
        walls = np.ones((self.size, self.size), bool)
        walls[1:-1, 1:-1] = False
        walls[2:-1:2, 2:-1:2] = True
        walls[self.size // 2, self.size // 2] = False
        return walls

    def position(self, state: MazeLife) -> Float[Array, "2"]:
        """Row and column of the agent."""
        return jnp.asarray(self.cells, jnp.float32)[state.at]

    @cached_property
    def cells(self) -> Integer[np.ndarray, "free 2"]:
        """Row and column of every free cell."""
        return np.argwhere(~self.ground)

    @cached_property
    def _number(self) -> Integer[np.ndarray, "size size"]:
        """The number of every free cell, -1 for walls."""
        number = np.full(self.ground.shape, -1)
        number[~self.ground] = np.arange(len(self.cells))
        return number

    @cached_property
    def _centre(self) -> int:
        return int(self._number[self.size // 2, self.size // 2])

    @cached_property
    def _steps(self) -> Integer[np.ndarray, "free 4"]:
        """The cell that every action leads to."""
        ahead = self._number[tuple(np.moveaxis(self.cells[:, None] + MOVES, -1, 0))]
        return np.where(ahead >= 0, ahead, np.arange(len(self.cells))[:, None]).astype(np.int32)

    @cached_property
    def _around(self) -> Float[np.ndarray, "free 9"]:
        """The walls around every cell, row by row."""
        patches = [self.ground[row - 1 : row + 2, column - 1 : column + 2] for row, column in self.cells]
        return np.array(patches, np.float32).reshape(len(self.cells), 9)

    def _elsewhere(self, key: Key[Array, ""], cell: Integer[Array, ""]) -> Integer[Array, ""]:
        """Any other cell."""
        other = jax.random.randint(counter_key(key), (), 0, len(self.cells) - 1, jnp.int32)
        return other + (other >= cell)


def _random(task: Maze) -> float:
    """By the chances of being anywhere, round by round, for every place of the reward."""
    free = len(task.cells)
    goals = np.delete(np.arange(free), task._centre)
    step = np.zeros((free, free))  # [from, to]
    np.add.at(step, (np.arange(free)[:, None], task._steps), 1 / 4)
    at = np.zeros((len(goals), free))
    at[:, task._centre] = 1
    found = 0.0
    for _ in range(task.length):
        at = at @ step
        arrived = at[np.arange(len(goals)), goals]
        found += arrived.mean()
        at[np.arange(len(goals)), goals] = 0
        at += (arrived / (free - 1))[:, None] * (np.arange(free) != goals[:, None])
    return REWARD * found


def _omniscient(task: Maze) -> float:
    """By the rounds that the shortest way takes from anywhere."""
    free = len(task.cells)
    distance = np.where(np.eye(free, dtype=bool), 0, free)
    for _ in range(free):
        distance = np.minimum(distance, 1 + distance[task._steps].min(axis=1))
    found = []
    for goal in np.delete(np.arange(free), task._centre):
        again = np.bincount(np.delete(distance[:, goal], goal), minlength=task.length + 1) / (free - 1)
        arrives = np.zeros(task.length + 1)  # the chance of arriving after so many rounds
        arrives[distance[task._centre, goal] : distance[task._centre, goal] + 1] = 1
        for t in range(task.length):
            arrives[t + 1 :] += arrives[t] * again[1 : task.length - t + 1]
        found.append(arrives.sum())
    return REWARD * float(np.mean(found))


def maze(*, size: int = 9, length: int = 100) -> Maze:
    """Find an unseen reward in a grid maze, again and again; it lies elsewhere in every life.

    Args:
        size: rows and columns, walls included, an odd number >= 5.
        length: rounds of a life, >= 1.
    """
    require_whole("size", size, 5)
    require_whole("length", length, 1)
    require(size % 2 == 1, f"A maze has a centre, so its size must be odd, but is {size}.")
    return Maze(size, length)
