"""An optimizer of somebody else's minimises what the agents' world measures: prints the loss before and after.

    python examples/outside_optimizer.py [--generations 200] [--seed 0]

`world.loss(weights, state.task)` is the loss of any weights on the batch in use, a pure function to `jit`, `vmap` and
differentiate. Here evosax's SNES and CMA-ES train a network 2-8-2 whose 42 weights would be the agents. The control
draws as many networks with the strategies' first deviation and keeps the best. Needs `pip install 'synagents[evolve]'`.
"""

import argparse
from typing import Any

import jax
from evosax.algorithms import CMA_ES, SNES
from jax.flatten_util import ravel_pytree

from synagents.envs import synapse_v0
from synagents.world import Params

POPULATION, DEVIATION = 16, 0.3
world = synapse_v0.world("boundary", hidden=(8,), interval=0)


def minimise(key: jax.Array, strategy: Any, weights: Params, batch: Any, generations: int) -> jax.Array:
    """The loss of the mean after so many generations."""
    es = strategy(POPULATION, weights)
    params = es.default_params.replace(std_init=DEVIATION)

    def generation(state: Any, key: jax.Array) -> tuple[Any, None]:
        ask, tell = jax.random.split(key)
        population, state = es.ask(ask, state, params)
        losses = jax.vmap(world.loss, (0, None))(population, batch)
        return es.tell(tell, population, losses, state, params)[0], None

    state, _ = jax.lax.scan(generation, es.init(key, weights, params), jax.random.split(key, generations))
    return world.loss(es.get_mean(state), batch)


def main() -> None:
    """Minimise, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=200, help=f"of {POPULATION} networks each")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    key = jax.random.key(args.seed)
    state = world.reset(key)
    weights = world.weights(state)
    print(f"untrained loss {world.loss(weights, state.task):.3f}")
    for strategy in (SNES, CMA_ES):
        print(f"{strategy.__name__} loss {minimise(key, strategy, weights, state.task, args.generations):.3f}")

    start, unravel = ravel_pytree(weights)

    def guess(key: jax.Array) -> jax.Array:
        return world.loss(unravel(start + DEVIATION * jax.random.normal(key, start.shape)), state.task)

    print(f"best guess loss {jax.lax.map(guess, jax.random.split(key, POPULATION * args.generations)).min():.3f}")


if __name__ == "__main__":
    main()
