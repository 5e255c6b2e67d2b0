"""One small recurrent network chooses for every synapse, each of which remembers its own past.

    h_i <- GRU(x_i, h_i)      a_i ~ softmax(W h_i)      x_i: agent i's last action and the team's last reward, one-hot
    theta <- theta + Adam((R - mean R) grad log pi(a | x, h))      h as it was: gradients reach one round back

The network is the *mind*, shared by all agents of all worlds. What an agent remembers, h_i, is the *memory*: it belongs
to a world, changes when the agents act, begins anew with every new world, and is kept in checkpoints. Run it:

    python examples/recurrent_policy.py       # prints the losses that it and the random policy reach
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces
from jaxtyping import Array, Key

import synagents
from synagents.envs import synapse_v0
from synagents.hyperparameters import settings, static
from synagents.world import Group, Metrics, RoundNumber, Transition, Tree

ADAM = optax.scale_by_adam()


class Mind(NamedTuple):
    """What all agents share."""

    params: dict[str, Array]
    adam: Any
    mean: Array  # running mean of the reward


def gru(params: dict[str, Array], h: Array, x: Array) -> Array:
    """The memory after one more observation, [..., H] (Cho et al. 2014)."""
    reset, update = jnp.split(jax.nn.sigmoid(x @ params["x_gates"] + h @ params["h_gates"] + params["b_gates"]), 2, -1)
    new = jnp.tanh(x @ params["x_new"] + (reset * h) @ params["h_new"] + params["b_new"])
    return update * h + (1 - update) * new


@settings
class RecurrentPolicy(synagents.MemoryLearner):
    """REINFORCE for a GRU that all synapses share; build the world with observation="box".

    Attributes:
        units: numbers H that an agent remembers, >= 1.
        learning_rate: of Adam, >= 0.
        mean_rate: share in [0, 1] of the way that the running mean of the reward moves in an update.
    """

    units: int = static(default=8)
    learning_rate: float = 3e-3
    mean_rate: float = 0.05

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mind:
        """A fresh network; ValueError unless agents see a Box and have Discrete actions."""
        seen, does = groups[0].obs_space, groups[0].action_space
        if not (isinstance(seen, spaces.Box) and isinstance(does, spaces.Discrete)):
            raise ValueError("RecurrentPolicy reads numbers: build the world with observation='box'.")
        d, h = seen.shape[0], self.units
        shapes = {"x_gates": (d, 2 * h), "h_gates": (h, 2 * h), "b_gates": (2 * h,), "x_new": (d, h), "h_new": (h, h),
                  "b_new": (h,), "out": (h, int(does.n))}  # fmt: skip
        keys = jax.random.split(key, len(shapes))
        params = {
            name: jax.random.normal(k, shape, jnp.float32) * shape[0] ** -0.5
            for k, (name, shape) in zip(keys, shapes.items(), strict=True)
        }
        return Mind(params, ADAM.init(params), jnp.float32(0))

    def begin_world(self, key: Key[Array, ""], mind: Mind, groups: tuple[Group, ...]) -> Tree:
        """Nothing remembered, {group: f32[n, H]}."""
        return {group.name: jnp.zeros((group.size, self.units), jnp.float32) for group in groups}

    def act(
        self, key: Key[Array, ""], mind: Mind, memory: Tree, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, Tree, Tree]:
        """Every agent draws from its own softmax; `update` wants the memory as it was before."""
        after = {name: gru(mind.params, memory[name], x) for name, x in obs.items()}
        keys = dict(zip(sorted(obs), jax.random.split(key, len(obs)), strict=True))
        actions = {
            n: jax.random.categorical(keys[n], h @ mind.params["out"]).astype(jnp.uint8) for n, h in after.items()
        }
        return actions, after, memory

    def update(
        self, key: Key[Array, ""], mind: Mind, memory: Tree, transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Mind, Tree, Metrics]:
        """One step along the policy gradient; the memory has changed already, when the agents acted."""
        reward = next(iter(transition.reward.values()))  # f32[T, W], one number for the whole team

        def objective(params: dict[str, Array]) -> Array:
            total = jnp.float32(0)
            for name, x in transition.obs.items():
                logits = gru(params, transition.extras[0][name], x) @ params["out"]
                chosen = jax.nn.one_hot(transition.actions[name], logits.shape[-1], dtype=jnp.float32)
                log_p = jnp.sum(chosen * jax.nn.log_softmax(logits), axis=(-1, -2))
                total += jnp.mean((reward - mind.mean) * log_p)
            return total

        step, adam = ADAM.update(jax.grad(objective)(mind.params), mind.adam)
        params = jax.tree.map(lambda p, s: p + self.learning_rate * s, mind.params, step)
        mean = mind.mean + self.mean_rate * (reward.mean() - mind.mean)
        return Mind(params, adam, mean), memory, {"mean_reward": mean}


def main(rounds: int = 4000) -> dict[str, float]:
    """Train four perceptrons with each policy and return their mean final losses."""
    world = synapse_v0.world("xor", hidden=(4,), step_size=0.02, interval=0, memory=1, observation="box")
    plain = synapse_v0.world("xor", hidden=(4,), step_size=0.02, interval=0, memory=1)
    losses = {}
    for name, where, learner in (("GRU", world, RecurrentPolicy()), ("random", plain, synagents.Uniform())):
        run, _ = synagents.train(0, where, learner, rounds, num_worlds=4)
        losses[name] = float(synagents.evaluate(run, "train")["loss"].mean())
    return losses


if __name__ == "__main__":
    for name, loss in main().items():
        print(f"{name}: loss {loss:.3f}")
