"""A `VectorView` for Stable-Baselines3: every agent of every world is an environment, and one policy acts for them all.

SB3's VecEnv is not Gymnasium's: it wants a new episode's first observation in the step that ends the old one, whose
last observation is then `infos[i]["terminal_observation"]`. Needs stable-baselines3, which nothing else here imports.
"""

from typing import Any

import numpy as np

from synagents.envs.vector import VectorView
from synagents.hyperparameters import require

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: synagents.envs.sb3 needs it (pip install stable-baselines3).") from None


class SB3VecEnv(VecEnv):
    """Worlds for SB3's algorithms. All agents share one view: attributes and methods are the view's, given to each."""

    def __init__(self, view: VectorView):
        self.view = view
        super().__init__(view.num_envs, view.single_observation_space, view.single_action_space)

    def reset(self) -> np.ndarray:
        """What all see at the start of new episodes: those of the seed given to `seed` before, or the next ones.

        Raises:
            ValueError: if `set_options` was called with options, of which there are none.
        """
        require(not any(self._options), "Worlds have no options for SB3 to reset them with: leave set_options alone.")
        seen, _ = self.view.reset(seed=self._seeds[0])
        self._reset_seeds()
        return seen

    def step_async(self, actions: np.ndarray) -> None:
        """Note everybody's actions, [num_envs]."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """What all see, rewards f32, dones, and an info each, with the loss; ValueError if some end before others."""
        seen, rewards, terminated, truncated, info = self.view.step(self._actions)
        info = {name: values for name, values in info.items() if not name.startswith("_")}
        info["TimeLimit.truncated"], dones = truncated & ~terminated, terminated | truncated
        if dones.any():
            require(bool(dones.all()), "Some worlds end before others, which SB3 has no way to see: use num_envs=1.")
            info["terminal_observation"] = seen
            seen, *_ = self.view.step(np.zeros_like(self._actions))  # new episodes begin, and nobody acts
        infos = [dict(zip(info, values, strict=True)) for values in zip(*info.values(), strict=True)]
        return seen, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Close the view."""
        self.view.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The view's attribute, once for each agent asked for."""
        return [getattr(self.view, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set the view's attribute; ValueError if for some agents only."""
        require(indices is None, f"All agents share one view: set {attr_name} for all of them, without indices.")
        setattr(self.view, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """What the view's method answers when called once, once for each agent asked for."""
        answer = getattr(self.view, method_name)(*args, **kwargs)
        return [answer for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Whether the view is such a wrapper, once for each agent asked for."""
        return [isinstance(self.view, wrapper_class) for _ in self._get_indices(indices)]
