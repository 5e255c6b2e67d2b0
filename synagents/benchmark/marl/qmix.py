"""QMIX: the team's value grows with each group's, by weights that a central critic makes of the global state.

    m_g = sum over i in group g of d(s_i, a_i) / sqrt(n_g)
    Q = |w2(x)| . elu(|W1(x)| m + b1(x)) + b2(x) + mean_i v(s_i),   x the global state

As no weight of the mixture is negative, what is best for each agent is best for the team, whatever x says; so agents
act without it. Where agents are thousands it mixes groups, one for each array of weights in the network, within which
values add up as in `vdn`. The groups and their scale are ours. (Rashid et al. 2018; the rest is `deep_q`.)
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from synagents.benchmark.marl.deep_q import DeepQ
from synagents.benchmark.marl.networks import Net, Seen, outputs, perceptron, state_size
from synagents.groups import GLOBAL
from synagents.hyperparameters import require_whole, settings, static
from synagents.world import Group

__all__ = ["QMIX"]


class Mixer(NamedTuple):
    """Networks that make the weights of the mixture, of the global state."""

    first: Net  # W1
    first_bias: Net  # b1
    second: Net  # w2
    second_bias: Net  # b2
    membership: Float[Array, "N G"]  # 1 / sqrt(n_g) where an agent is in a group, else 0; never learned


@settings
class QMIX(DeepQ):
    """Monotonic value factorisation over groups, with shared parameters.

    Attributes:
        mixed: hidden units of the mixture, >= 1.
    """

    sees_state: ClassVar[bool] = True

    mixed: int = static(default=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("mixed", self.mixed, 1)

    def mixing(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> Mixer:
        """Networks of the global state, and who is in which group."""
        inputs, agents = state_size(groups), sorted((g.name, g.size) for g in groups if g.name != GLOBAL)
        count, hidden = len(agents), self.hidden
        sizes = np.array([size for _, size in agents])
        member = np.repeat(np.eye(count, dtype=np.float32) / np.sqrt(sizes), sizes, axis=0)
        first, first_bias, second, second_bias = jax.random.split(key, 4)
        return Mixer(
            perceptron(first, (inputs, *hidden, count * self.mixed)),
            perceptron(first_bias, (inputs, self.mixed)),
            perceptron(second, (inputs, *hidden, self.mixed)),
            perceptron(second_bias, (inputs, *hidden, 1)),
            jnp.asarray(member, jnp.float32),
        )

    def team(
        self, mixer: Mixer, level: Float[Array, "*rows N"], difference: Float[Array, "*rows N"], seen: Seen
    ) -> Float[Array, "*rows 1"]:
        """Q of the team."""
        m = difference @ jax.lax.stop_gradient(mixer.membership)
        first = jnp.abs(outputs(mixer.first, seen.state)).reshape(*m.shape, self.mixed)
        hidden = jax.nn.elu(jnp.einsum("...g,...gh->...h", m, first) + outputs(mixer.first_bias, seen.state))
        second = jnp.abs(outputs(mixer.second, seen.state))
        total = jnp.sum(hidden * second, axis=-1, keepdims=True) + outputs(mixer.second_bias, seen.state)
        return total + level.mean(axis=-1, keepdims=True)
