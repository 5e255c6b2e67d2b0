"""What JaxMARL's `ippo_ff_mpe.py` learns in our world, as it is: the row of docs/clients.md.

    python studies/jaxmarl_learns.py --scripts JaxMARL/baselines     # where synagents[jaxmarl] is installed

Its `make_train` trains with the settings that the page names; its network then acts on episodes of other seeds, beside
uniform actions on the same ones.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from agents_curve import SCRIPT, script_asked

from synagents.envs import jaxmarl as adapter

OPTIONS: dict[str, Any] = {"task": "boundary", "hidden": (4,), "interval": 0, "step_size": 0.01, "observation": "box"}
CYCLES, EPISODES, UNSEEN = 500, 24, 1000
SETTINGS = SCRIPT | {
    "ENV_NAME": "synapse_v0", "ENV_KWARGS": OPTIONS | {"max_cycles": CYCLES}, "NUM_ENVS": 8, "NUM_STEPS": 100,
    "TOTAL_TIMESTEPS": 80_000, "LR": 0.005, "GAMMA": 0.5, "GAE_LAMBDA": 0.5, "ENT_COEF": 0.03,
}  # fmt: skip


def main() -> None:
    """Train, then tell."""
    script = script_asked(__doc__)
    started = time.perf_counter()
    trained = jax.jit(script.make_train(dict(SETTINGS)))(jax.random.PRNGKey(0))
    params = jax.block_until_ready(trained)["runner_state"][0].params
    print(f"trained in {time.perf_counter() - started:.0f} s, compiling included")
    network = script.ActorCritic(3, activation=SETTINGS["ACTIVATION"])

    def learned(key: Any, obs: Any) -> Any:
        return network.apply(params, obs)[0].sample(seed=key)

    def uniform(key: Any, obs: Any) -> Any:
        return jax.random.randint(key, obs.shape[:1], 0, 3)

    for name, policy in (("trained", learned), ("uniform", uniform)):
        reward, loss = (np.asarray(each) for each in played(policy))
        error = reward.std(ddof=1) / np.sqrt(EPISODES)
        print(f"{name}: reward {reward.mean():+.3f} (standard error {error:.3f}), last loss {loss.mean():.3f}")


def played(policy: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The mean reward and the last loss of each unseen episode, f32[EPISODES] each."""
    env = adapter.make("synapse_v0", max_cycles=CYCLES + 1, **OPTIONS)

    def episode(key: Any) -> tuple[Any, Any]:
        obs, state = env.reset(key)

        def turn(carry: Any, number: Any) -> tuple[Any, tuple[Any, Any]]:
            obs, state = carry
            chosen = policy(jax.random.fold_in(key, number), jnp.stack([obs[agent] for agent in env.agents]))
            obs, state, reward, _, info = env.step_env(key, state, dict(zip(env.agents, chosen, strict=True)))
            return (obs, state), (reward[env.agents[0]], info["loss"][0])

        _, (rewards, losses) = jax.lax.scan(turn, (obs, state), jnp.arange(CYCLES))
        return rewards.mean(), losses[-1]

    return jax.jit(jax.vmap(episode))(jax.random.split(jax.random.PRNGKey(UNSEEN), EPISODES))


if __name__ == "__main__":
    main()
