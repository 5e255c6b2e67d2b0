"""BenchMARL's IPPO trains the synapses' policy: prints reward per round and last loss, trained and uniform.

    python examples/benchmarl_ippo.py [--iterations 12] [--algorithm ippo] [--seed 0]

`SynagentsClass` is all that BenchMARL needs to know of our worlds; `register` makes "synagents/perceptron" one of its
tasks for its own files and command line. The three synapses of a linear neuron share one policy. Every neuron has a
teacher of its own; an episode has 50 rounds in training and 200 in evaluation. Both figures are means over three
evaluation seeds that were not trained on. It needs an environment of its own: docs/clients.md.
"""

import argparse
from collections.abc import Callable
from typing import Any

import benchmarl.environments
import torch
from benchmarl.algorithms import algorithm_config_registry
from benchmarl.environments import PettingZooClass, Task
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torch import nn
from torchrl.envs import EnvBase, PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type

from synagents.envs import synapse_v0

EVALUATION_SEEDS = (1001, 1002, 1003)
WORLD = {"task": "perceptron", "hidden": (), "interval": 0, "step_size": 0.02, "observation": "box", "max_cycles": 50}


class SynagentsClass(PettingZooClass):
    """A world; `config` holds the keywords of `synapse_v0.parallel_env`."""

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        """What makes the environment; `names="agent"` makes one group, and so one policy, of all agents."""
        del num_envs, continuous_actions
        return lambda: PettingZooWrapper(
            synapse_v0.parallel_env(**self.config, names="agent"),
            return_state=True,
            categorical_actions=True,
            seed=seed,
            device=device,
        )

    def supports_discrete_actions(self) -> bool:
        """Down, leave, up."""
        return True

    def supports_continuous_actions(self) -> bool:
        """None."""
        return False

    def has_render(self, env: EnvBase) -> bool:
        """Not while it trains."""
        return False

    @staticmethod
    def env_name() -> str:
        """The first half of a task's name."""
        return "synagents"


class SynagentsTask(Task):
    """The tasks that `register` knows by name."""

    PERCEPTRON = None

    @staticmethod
    def associated_class() -> type[SynagentsClass]:
        """What a task is made of."""
        return SynagentsClass


def register() -> None:
    """Let BenchMARL find our tasks by name."""
    benchmarl.environments.tasks.append(SynagentsTask)
    for task in SynagentsTask:
        benchmarl.environments.task_config_registry[f"{SynagentsClass.env_name()}/{task.name.lower()}"] = task


def play(env: EnvBase, policy: nn.Module | None, seed: int) -> tuple[float, float]:
    """Mean reward per round and loss at the end of one episode; without a policy, actions are uniform."""
    env.set_seed(seed)
    with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):  # a greedy team comes to rest
        episode = env.rollout(1_000, policy)  # ends where the episode ends
    return episode["next", "agent", "reward"].mean().item(), episode["next", "state"][-1, -1].item()


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=12, help="of 400 rounds each")
    parser.add_argument("--algorithm", default="ippo", help="of BenchMARL's: ippo, mappo, iql, vdn, ...")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # a policy this small is several times slower with threads
    register()
    config = ExperimentConfig.get_from_yaml()
    config.lr, config.gamma = 2e-2, 0.5  # an action is paid for in the rounds right after it
    config.max_n_frames, config.max_n_iters = None, args.iterations
    config.on_policy_collected_frames_per_batch, config.on_policy_n_envs_per_worker = 400, 1
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 16, 400
    config.off_policy_collected_frames_per_batch, config.off_policy_n_envs_per_worker = 400, 1
    config.off_policy_n_optimizer_steps, config.off_policy_train_batch_size = 64, 128
    config.evaluation, config.render, config.loggers, config.create_json = False, False, [], False
    algorithm = algorithm_config_registry[args.algorithm].get_from_yaml()
    if args.algorithm in ("ippo", "mappo"):
        algorithm.entropy_coef = 0.1
    experiment = Experiment(
        task=benchmarl.environments.task_config_registry["synagents/perceptron"].get_task(dict(WORLD)),
        algorithm_config=algorithm,
        model_config=MlpConfig(num_cells=[32], layer_class=nn.Linear, activation_class=nn.Tanh),
        seed=args.seed,
        config=config,
    )
    experiment.run()
    env = SynagentsClass("PERCEPTRON", WORLD | {"max_cycles": 200}).get_env_fun(1, False, 0, "cpu")()
    for name, policy in (("trained", experiment.policy), ("uniform", None)):
        reward, loss = torch.tensor([play(env, policy, seed) for seed in EVALUATION_SEEDS]).mean(dim=0)
        print(f"{name} reward per round {reward:+.3f}, loss at the end {loss:.3f}")


if __name__ == "__main__":
    main()
