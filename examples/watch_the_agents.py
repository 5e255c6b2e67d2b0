"""Watch what synapses do: with the repeat/undo rule the joint action of the team leans towards minus the gradient.

    python examples/watch_the_agents.py

Prints the alignment (cosine of joint action and negative gradient) of the rule and of uniform actions, and the share of
agents at rest, by a probe written here: a probe is one function of the world and a round.
"""

import jax.numpy as jnp
from jax import Array

import synagents
from synagents.envs import synapse_v0
from synagents.probes import Round, alignment

ROUNDS = 4_000


def at_rest(world: synagents.World, seen: Round) -> Array:
    """Share of all agents that leave their weight alone in this round."""
    chosen = jnp.concatenate([seen.actions[group.name] for group in world.groups])
    return jnp.mean(chosen == 1)


def main() -> None:
    """Train both, and print."""
    world = synapse_v0.world("digits", hidden=(32,), batch_size=1000, interval=250, step_size=5e-3)
    for learner in (synagents.RepeatUndo(), synagents.Uniform()):
        run, history = synagents.train(0, world, learner, ROUNDS, probes=(alignment, at_rest), probe_interval=10)
        cosines, rest = history.probes["alignment"], history.probes["at_rest"].mean()
        error = cosines.std() / cosines.size**0.5
        print(
            f"{type(learner).__name__:<11} alignment {cosines.mean():+.4f} +- {1.96 * error:.4f}, at rest {rest:.0%}, "
            f"held-out accuracy {synagents.evaluate(run)['accuracy'].mean():.1%}"
        )


if __name__ == "__main__":
    main()
