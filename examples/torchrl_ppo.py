"""TorchRL's PPO, with a central critic, trains synapses: prints reward per round and last loss, trained and uniform.

    python examples/torchrl_ppo.py [--steps 5000] [--seed 0]

The three synapses of a linear neuron share one policy and a critic that sees the world's state. Every neuron has a
teacher of its own; an episode has 50 rounds in training and 200 in evaluation. Both figures are means over three
evaluation seeds that were not trained on. What can be learned is to repeat an action after a reward and to undo it
after a punishment. Needs `pip install 'synagents[clients]'`.
"""

import argparse

import torch
from tensordict.nn import InteractionType, TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs.libs.pettingzoo import PettingZooWrapper
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from synagents.envs import synapse_v0

EVALUATION_SEEDS = (1001, 1002, 1003)
SEEN, LOGITS, ACTION = ("synapse", "observation"), ("synapse", "logits"), ("synapse", "action")


def make_env(rounds: int) -> PettingZooWrapper:
    """Two weights and a bias, in one group: TorchRL would make one of each of ours."""
    env = synapse_v0.parallel_env(
        "perceptron", hidden=(), interval=0, step_size=0.02, observation="box", max_cycles=rounds
    )
    return PettingZooWrapper(env, return_state=True, group_map={"synapse": env.possible_agents})


def play(env: PettingZooWrapper, actor: nn.Module | None, seed: int) -> tuple[float, float]:
    """Mean reward per round and loss at the end of one episode; without an actor, actions are uniform."""
    env.set_seed(seed)
    episode = env.rollout(1_000, actor)  # ends where the episode ends
    return episode["next", "synapse", "reward"].mean().item(), episode["next", "state"][-1, -1].item()


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5_000, help="rounds, a multiple of 50")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # a policy this small is several times slower with threads
    torch.manual_seed(args.seed)
    env = make_env(50)
    env.set_seed(args.seed)
    synapses, sight = env.observation_spec[SEEN].shape
    actor = ProbabilisticActor(
        TensorDictModule(MLP(sight, 3, num_cells=[32]), [SEEN], [LOGITS]),
        [LOGITS],
        [ACTION],
        distribution_class=torch.distributions.Categorical,
        default_interaction_type=InteractionType.RANDOM,  # a greedy team comes to rest, which is never rewarded
        return_log_prob=True,
    )
    state_size = env.observation_spec["state"].shape[-1]
    values = nn.Sequential(MLP(state_size, synapses, num_cells=[32]), nn.Unflatten(-1, (synapses, 1)))
    critic = ValueOperator(values, ["state"], [("synapse", "value")])
    ppo = ClipPPOLoss(actor, critic, entropy_coeff=0.1, normalize_advantage=True, normalize_advantage_exclude_dims=(1,))
    ppo.set_keys(**{name: ("synapse", name) for name in ("action", "value", "reward", "done", "terminated")})
    ppo.make_value_estimator(ValueEstimators.GAE, gamma=0.5, lmbda=0.9)
    adam = torch.optim.Adam(ppo.parameters(), lr=2e-2)
    options = {"frames_per_batch": 50, "total_frames": args.steps, "auto_register_policy_transforms": False}
    for rounds in Collector(env, actor, **options):
        for _ in range(4):
            losses = ppo(rounds)  # it estimates advantages by itself
            adam.zero_grad()
            (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
            adam.step()
    env = make_env(200)
    for name, chosen in (("trained", actor), ("uniform", None)):
        reward, loss = torch.tensor([play(env, chosen, seed) for seed in EVALUATION_SEEDS]).mean(dim=0)
        print(f"{name} reward per round {reward:+.3f}, loss at the end {loss:.3f}")


if __name__ == "__main__":
    main()
