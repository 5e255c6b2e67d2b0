"""Stable-Baselines3's PPO trains the synapses' policy: prints reward per round and last loss, trained and uniform.

    python examples/sb3_ppo.py [--steps 300000] [--seed 0]

All synapses of eight small networks share one policy; an episode is 500 rounds of one network, with a teacher of its
own. Both figures are means over three evaluation seeds of eight networks each, none of them trained on. What can be
learned is to repeat an action after a reward and to undo it after a punishment. It needs
`pip install 'synagents[clients]'`.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from stable_baselines3 import PPO

from synagents.envs import synapse_v0
from synagents.envs.sb3 import SB3VecEnv

EVALUATION_SEEDS = (1001, 1002, 1003)


def make_env() -> SB3VecEnv:
    """Eight networks 2-4-2 with 22 synapses each: 176 environments."""
    view = synapse_v0.vector_env(
        "boundary", hidden=(4,), interval=0, step_size=0.01, observation="box", num_envs=8, max_cycles=500
    )
    return SB3VecEnv(view)


def play(env: SB3VecEnv, choose: Callable[[np.ndarray], np.ndarray], seed: int) -> tuple[float, float]:
    """Mean reward per round and loss at the end of one episode."""
    env.seed(seed)
    seen, rewards, done = env.reset(), [], False
    while not done:
        seen, reward, dones, infos = env.step(choose(seen))
        rewards.append(reward.mean())
        done = dones.all()
    return float(np.mean(rewards)), float(np.mean([info["loss"] for info in infos]))


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300_000, help="of single synapses; a round has 176")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # a policy this small is several times slower with threads
    env, rng = make_env(), np.random.default_rng(args.seed)
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=2e-2,
        n_steps=32,
        batch_size=1408,  # a quarter of 32 rounds of 176 synapses
        n_epochs=4,
        gamma=0.5,  # an action is paid for in the rounds right after it
        gae_lambda=0.5,
        ent_coef=0.03,
        policy_kwargs={"net_arch": [32]},
        seed=args.seed,
        device="cpu",
    )
    model.learn(args.steps)
    for name, choose in (
        ("trained", lambda seen: model.predict(seen)[0]),  # drawn from the policy, as in training
        ("uniform", lambda seen: rng.integers(3, size=len(seen))),
    ):
        reward, loss = np.mean([play(env, choose, seed) for seed in EVALUATION_SEEDS], axis=0)
        print(f"{name} reward per round {reward:+.3f}, loss at the end {loss:.3f}")


if __name__ == "__main__":
    main()
