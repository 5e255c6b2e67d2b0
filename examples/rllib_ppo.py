"""RLlib's PPO (new API stack) trains synapses: prints reward per round and last loss, trained and uniform.

    python examples/rllib_ppo.py [--steps 6000] [--seed 0]

The three synapses of a linear neuron share one policy; a neuron has a teacher of its own. Both figures are means over
three evaluation seeds, none of them trained on, of 200 rounds each. What can be learned is to repeat an action after a
reward and to undo it after a punishment. Needs an environment of its own, since ray pins Gymnasium (docs/clients.md).
"""

import argparse
from collections.abc import Callable

import numpy as np
import ray
import torch
from pettingzoo import ParallelEnv
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from synagents.envs import synapse_v0

EVALUATION_SEEDS = (1001, 1002, 1003)
BATCH = 200  # rounds between updates


def make_env(rounds: int) -> ParallelEnv:
    """Two weights and a bias."""
    return synapse_v0.parallel_env(
        "perceptron", hidden=(), interval=0, step_size=0.02, observation="box", max_cycles=rounds
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
    parser.add_argument("--steps", type=int, default=6_000, help="rounds, a multiple of 200")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # a policy this small is several times slower with threads
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    register_env("neuron", lambda _: ParallelPettingZooEnv(make_env(50)))
    config = (
        PPOConfig()
        .environment("neuron")
        .env_runners(num_env_runners=0)
        .multi_agent(policies={"synapse"}, policy_mapping_fn=lambda agent, episode, **_: "synapse")
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[32], vf_share_layers=False))
        .training(
            lr=1e-2,
            train_batch_size_per_learner=BATCH,
            minibatch_size=50,  # in rounds, not in synapses' steps
            num_epochs=4,
            gamma=0.5,
            lambda_=0.9,
            entropy_coeff=0.1,
            clip_param=0.2,
        )
        .debugging(seed=args.seed)
    )
    ppo = config.build_algo()
    for _ in range(args.steps // BATCH):
        ppo.train()
    module, rng = ppo.get_module("synapse"), np.random.default_rng(args.seed)

    def drawn(seen: np.ndarray) -> np.ndarray:
        logits = module.forward_inference({"obs": torch.from_numpy(seen)})["action_dist_inputs"]
        return torch.distributions.Categorical(logits=logits).sample().numpy()

    env = make_env(200)
    for name, choose in (("trained", drawn), ("uniform", lambda seen: rng.integers(3, size=len(seen)))):
        reward, loss = np.mean([play(env, choose, seed) for seed in EVALUATION_SEEDS], axis=0)
        print(f"{name} reward per round {reward:+.3f}, loss at the end {loss:.3f}")
    ppo.stop()


if __name__ == "__main__":
    main()
