"""Spaces of agents: a mapping that makes each one when it is asked for, and whether all agents have the same.

PettingZoo's and EPyMARL's wrappers read `env.observation_spaces[agent]`; a dictionary of a hundred thousand spaces
would take seconds and hundreds of megabytes that nobody uses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from gymnasium import spaces

from synagents.hyperparameters import require
from synagents.world import Group


class LazySpaces(Mapping[str, spaces.Space]):
    """{agent: space}, read only.

    Args:
        names: of all agents, in order.
        space: of the agent of that name, or a ValueError.
    """

    def __init__(self, names: Sequence[str], space: Callable[[str], spaces.Space]):
        self._names, self._space = names, space

    def __getitem__(self, name: str) -> spaces.Space:
        try:
            return self._space(name)
        except ValueError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"LazySpaces({len(self)} agents from {self._names[0]} to {self._names[-1]})"


def require_alike(groups: tuple[Group, ...], whom: str, instead: str) -> None:
    """ValueError unless all agents see and do the same.

    Args:
        groups: of the world.
        whom: who has one space, at the beginning of the sentence.
        instead: what to do where they differ, at its end.
    """
    first, *others = groups
    for other in others:
        require(
            (other.obs_space, other.action_space) == (first.obs_space, first.action_space),
            f"{whom}, but {first.name} and {other.name} differ in what they see or do: {instead}.",
        )
