"""Which random key is whose: every draw of a life is folded from the seed's key, the run, the time and the world.

    run k: fold(seed, k)      round t: fold(run, t)      world w in it: fold(round, w)

Nothing is chained, so what happens at round t does not depend on how a life is cut into calls, and the same life can be
told by the compiled loop and by every face of a world. Worlds that are to see the same stimuli (`repeats` in a row)
draw with the key of one world; what their agents draw with stays their own.
"""

import jax
from jaxtyping import Array, Int, Key

_BIRTH = 2**32 - 1  # stands for a round (reset) and for a world (the learner's own key) that never come
_LUCK, _REFRESH = 2**32 - 2, 2**32 - 3  # likewise: purposes of a key that are no worlds

Number = int | Int[Array, ""]


def of_run(seed: Key[Array, ""], run: Number) -> Key[Array, ""]:
    """The key of one of many independent runs, or of one of a face's episodes."""
    return jax.random.fold_in(seed, run)


def of_birth(run: Key[Array, ""]) -> Key[Array, ""]:
    """The key of a run's reset: a round's that never comes."""
    return jax.random.fold_in(run, _BIRTH)


def of_round(run: Key[Array, ""], t: Number) -> Key[Array, ""]:
    """The key of round t."""
    return jax.random.fold_in(run, t)


def of_world(moment: Key[Array, ""], world: Number) -> Key[Array, ""]:
    """What one world draws with in a round or at its birth."""
    return jax.random.fold_in(moment, world)


def of_refresh(world: Key[Array, ""]) -> Key[Array, ""]:
    """What a world draws a new batch with, from its key in the round that begins with it."""
    return jax.random.fold_in(world, _REFRESH)


def of_luck(moment: Key[Array, ""]) -> Key[Array, ""]:
    """What the agents draw with in a round."""
    return jax.random.fold_in(moment, _LUCK)


def of_learner(moment: Key[Array, ""]) -> Key[Array, ""]:
    """What the learner draws with at its birth, or for an update that ends with a round."""
    return jax.random.fold_in(moment, _BIRTH)
