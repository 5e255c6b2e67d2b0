"""A learner with memory: every synapse keeps a leaky sum of its own rewarded moves.

m_i <- decay m_i + R (a_i - 1)          P(a_i) ~ exp(sharpness m_i (a_i - 1)),  a_i in {0, 1, 2}
"""

import jax
import jax.numpy as jnp

import synagents


@synagents.settings
class Habit(synagents.MemoryLearner):
    """Do again what went with rewards.

    Attributes:
        decay: what is left of a memory after a round, in [0, 1].
        sharpness: how much a memory decides, >= 0; 0 is uniform.
    """

    decay: float = 0.9
    sharpness: float = 0.3

    def init(self, key, groups):
        return ()  # nothing that all worlds share

    def begin_world(self, key, mind, groups):
        return {group.name: jnp.zeros(group.size) for group in groups}

    def act(self, key, mind, memory, obs, t, turn):
        moves = jnp.array([-1, 0, 1])
        keys = dict(zip(obs, jax.random.split(key, len(obs)), strict=True))
        logits = {name: self.sharpness * memory[name][:, None] * moves for name in obs}
        actions = {name: jax.random.categorical(keys[name], logits[name]).astype(jnp.uint8) for name in obs}
        return actions, memory, ()

    def update(self, key, mind, memory, transition, last_obs, t):
        for name, actions in transition.actions.items():  # [T, W, n], here of one round, T = 1
            moves = (actions[0].astype(jnp.float32) - 1) * transition.reward[name][0][:, None]
            memory = memory | {name: self.decay * memory[name] + moves}
        return mind, memory, {}
