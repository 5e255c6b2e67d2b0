"""The reference paper's own table trains 784-10 on notMNIST: 86 % held out after 100,000 steps, 89 % after 200,000.

    python examples/published_table.py --table synrl_policy.json --data DIR [--steps 200000]

The setting is the paper's (Bhargava et al. 2022, section 3.3): frozen table, batch 5000 kept for 5000 steps, step size
1e-4, epsilon 0.1, a quarter of the images held out.
"""

import argparse
from pathlib import Path

import synagents
from synagents.envs import synapse_v0

INTERVAL = 5_000  # rounds of one batch, and between evaluations


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the authors' table")
    parser.add_argument("--data", type=Path, help="folder with notMNIST")
    parser.add_argument("--steps", type=int, default=200_000, help="rounds, >= 1")
    args = parser.parse_args()

    world = synapse_v0.world(
        "notmnist",
        data=args.data,
        hidden=(),
        batch_size=5_000,
        interval=INTERVAL,
        step_size=1e-4,
        batch_change="compare",
    )
    run = synagents.begin(0, world, synagents.QTable(synagents.load_table(args.table), epsilon=0.1))
    while run.t < args.steps:
        run, _ = synagents.advance(run, min(INTERVAL, args.steps - run.t))
        accuracy = float(synagents.evaluate(run)["accuracy"][0, 0])
        print(f"step {run.t:>7,}  held-out accuracy {accuracy:.1%}", flush=True)


if __name__ == "__main__":
    main()
