"""A probe: how many agents move."""

import jax.numpy as jnp


def restless(world, seen):
    """Share of all synapses that moved."""
    return jnp.mean(jnp.concatenate([actions != 1 for actions in seen.actions.values()]))
