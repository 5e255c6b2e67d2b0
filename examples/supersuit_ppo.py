"""SB3's PPO through SuperSuit trains the synapses' policy: prints reward per round and last loss, trained and uniform.

    python examples/supersuit_ppo.py [--steps 200000] [--seed 0]

All synapses of four small networks share one policy; an episode is 500 rounds of one network, with a teacher of its
own. Both figures are means over three evaluation seeds, none of them trained on. What can be learned is to repeat an
action after a reward and to undo it after a punishment. Needs `pip install 'synagents[clients]'`.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from pettingzoo import ParallelEnv
from stable_baselines3 import PPO
from supersuit import concat_vec_envs_v1, pettingzoo_env_to_vec_env_v1

from synagents.envs import synapse_v0

EVALUATION_SEEDS = (1001, 1002, 1003)


def make_env() -> ParallelEnv:
    """A network 2-4-2: 22 synapses."""
    return synapse_v0.parallel_env(
        "boundary", hidden=(4,), interval=0, step_size=0.01, observation="box", max_cycles=500
    )


def play(env: ParallelEnv, choose: Callable[[np.ndarray], np.ndarray], seed: int) -> tuple[float, float]:
    """Mean reward per round and loss at the end of one episode."""
    seen, _ = env.reset(seed=seed)
    total = 0.0
    while env.agents:
        actions = choose(np.stack(list(seen.values())))
        seen, rewards, *_ = env.step(dict(zip(seen, actions, strict=True)))
        total += np.mean(list(rewards.values()))
    return total / env.max_cycles, env.state()[-1]


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000, help="of single synapses; a round has 88")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # a policy this small is several times slower with threads
    env, rng = make_env(), np.random.default_rng(args.seed)
    copies = concat_vec_envs_v1(pettingzoo_env_to_vec_env_v1(make_env()), 4, base_class="stable_baselines3")
    copies.venv.reset(seed=args.seed)  # SuperSuit's own seed() fails, and copies that were never seeded draw their own
    torch.manual_seed(args.seed)
    model = PPO(
        "MlpPolicy",
        copies,
        learning_rate=2e-2,
        n_steps=64,
        batch_size=1408,  # a quarter of 64 rounds of 88 synapses
        n_epochs=4,
        gamma=0.5,  # an action is paid for in the rounds right after it
        gae_lambda=0.5,
        ent_coef=0.03,
        policy_kwargs={"net_arch": [32]},
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
