"""Short lives of a few agents, written down, for learners to learn from."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from synagents.world import Transition


def lived(
    obs: Any, actions: Any, reward: Any, *, terminated: Any = False, truncated: Any = False, name: str = "g"
) -> Transition:
    """T rounds of W worlds of n agents: obs and actions [T, W, n], reward [T, W] or [T, W, n]."""
    obs, actions, reward = np.asarray(obs, np.uint8), np.asarray(actions, np.uint8), np.asarray(reward, np.float32)
    flags = [jnp.broadcast_to(jnp.asarray(flag), obs.shape[:2]) for flag in (terminated, truncated)]
    return Transition(
        {name: jnp.asarray(obs)}, {name: jnp.asarray(actions)}, {0: ()}, {name: jnp.asarray(reward)}, *flags
    )


class Rounds(NamedTuple):
    """Some rounds of some worlds at random, with codes below 12."""

    obs: np.ndarray  # [T, W, n]
    actions: np.ndarray  # [T, W, n]
    reward: np.ndarray  # [T, W], -1 or +1
    terminated: np.ndarray  # [T, W], one in four
    last: np.ndarray  # [W, n]

    def transition(self) -> Transition:
        """As the loop hands them to a learner."""
        return lived(self.obs, self.actions, self.reward, terminated=self.terminated)

    def last_obs(self) -> dict[str, Any]:
        """What came after them."""
        return {"g": jnp.asarray(self.last, jnp.uint8)}

    def later(self) -> np.ndarray:
        """The history that followed each, [T, W, n]."""
        return np.concatenate([self.obs[1:], self.last[None]])


def rounds_at_random(rounds: int, worlds: int, agents: int, seed: int = 3) -> Rounds:
    """Some rounds that never happened."""
    rng = np.random.default_rng(seed)
    shape = (rounds, worlds, agents)
    return Rounds(
        obs=rng.integers(0, 12, shape),
        actions=rng.integers(0, 3, shape),
        reward=rng.choice([-1.0, 1.0], shape[:2]),
        terminated=rng.random(shape[:2]) < 0.25,
        last=rng.integers(0, 12, shape[1:]),
    )
