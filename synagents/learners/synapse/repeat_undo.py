"""Repeat what helped, undo what hurt: a stochastic, state-dependent rule that needs no learning.

    after R = +1:  pi(a) = repeat [a = a_last] + (1 - repeat) / 3
    after R = -1:  a = -a_last, if a_last was a move; uniform, if it was null
    at birth:      uniform

An agent whose null action was punished draws afresh: otherwise a team of nulls would be stuck for ever (an equal loss
counts as worse, and undoing null is null). A greedy table cannot express this rule, since its exploration is the same
in every state. The rule is ours; what the agents see is that of Bhargava et al. 2022.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from synagents.agents.codes import NUM_ACTIONS, all_codes, last_action, last_reward
from synagents.agents.histories import require_codes
from synagents.hyperparameters import require_between, settings
from synagents.learners.choice import require_nudges, sample
from synagents.world import Group, Learner, Metrics, RoundNumber, Transition, Tree

__all__ = ["RepeatUndo"]


@settings
class RepeatUndo(Learner):
    """The repeat/undo rule as a policy over history codes.

    Attributes:
        repeat: probability in [0, 1] of repeating a rewarded action outright rather than drawing a uniform one.
    """

    repeat: float = 0.5

    def __post_init__(self) -> None:
        require_between("repeat", self.repeat, 0, 1)

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Float[Array, "S A"]:
        """The rule written out as a policy, one row per history."""
        del key
        histories = require_nudges(groups, "RepeatUndo")
        memory = require_codes(groups, "RepeatUndo")
        codes, last = all_codes(memory), last_action(all_codes(memory), memory)
        uniform = jnp.full((histories, NUM_ACTIONS), 1 / NUM_ACTIONS, jnp.float32)
        repeat = self.repeat * jax.nn.one_hot(last, NUM_ACTIONS, dtype=jnp.float32) + (1 - self.repeat) * uniform
        undo = jnp.where((last == 1)[:, None], uniform, jax.nn.one_hot(2 - last, NUM_ACTIONS, dtype=jnp.float32))
        return jnp.select([(last_reward(codes) == digit)[:, None] for digit in (0, 2)], [undo, repeat], uniform)

    def act(
        self, key: Key[Array, ""], mind: Float[Array, "S A"], obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, tuple[()]]:
        """Draw every agent's action from its history's row."""
        del t, turn
        return sample(key, mind, obs), ()

    def update(
        self, key: Key[Array, ""], mind: Float[Array, "S A"], transition: Transition, last_obs: Tree, t: RoundNumber
    ) -> tuple[Float[Array, "S A"], Metrics]:
        """Nothing is learned: the rule is fixed."""
        del key, transition, last_obs, t
        return mind, {}
