"""Small things to try a large idea on."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from synagents import data
from synagents.hyperparameters import settings
from synagents.networks.quantized import Quantized
from synagents.tasks.datasets import from_dataset
from synagents.tasks.samples import Samples
from synagents.world import Group, Metrics, Outcome, World


def pictures(*, batch_size: int = 16, loss: str = "cross-entropy") -> Samples:
    """48 pictures of 2x3 pixels in three classes, a brighter one for every class; 36 to train on."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 3
    pixels = np.float32(0.2 * rng.random((48, 2, 3)) + 0.25 * labels[:, None, None])
    return from_dataset(data.from_arrays("toy", pixels, labels), batch_size=batch_size, loss=loss)


OBSERVATIONS = ["discrete", "multi-discrete", "box"]
# What agents of synapse_v0 may see, and what they are paid.
MODES: list[dict[str, Any]] = [{"observation": name} for name in OBSERVATIONS]
MODES += [{"observation": "box", "features": True}, {"memory": 1}, {"memory": 4, "reward": "delta"}]
MODES += [{"moves": "set", "step_size": None, "network": Quantized((6, 3), weight_bits=2)}]
MODES += [{"history": "trace"}, {"history": "trace", "observation": "box", "memory": 1, "history_decay": (0.9, 0.99)}]


def small(**options: Any) -> dict[str, Any]:
    """Arguments of a synapse world of 21 agents whose batch is redrawn every third round."""
    return {"task": pictures(), "hidden": (), "step_size": 0.01, "interval": 3} | options


def group(size: int, *, name: str = "g", histories: int = 81, actions: int = 3) -> Group:
    """Agents with Discrete spaces."""
    return Group(name, (size,), spaces.Discrete(histories), spaces.Discrete(actions))


class RelayState(NamedTuple):
    """What a relay remembers."""

    signal: Any  # how many of the first turn's agents fired
    answer: Any  # how many of the second's
    left: Any  # rounds until this episode ends by itself
    task: Any = ()


@settings
class Relay(World):
    """Two agents fire or not, three others see how many did and are paid one by one for firing as often.

    A life ends by itself after three or four rounds, as its key decides.
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        first = Group("callers", (2,), spaces.Discrete(1), spaces.Discrete(2))
        return first, Group("hearers", (3,), spaces.Discrete(3), spaces.Discrete(2), turn=1)

    def reset(self, key: Any, task_state: Any = None) -> RelayState:
        return RelayState(jnp.int32(0), jnp.int32(0), 3 + jax.random.bernoulli(key).astype(jnp.int32))

    def observe(self, state: RelayState, turn: int) -> dict[str, Any]:
        if turn == 0:
            return {"callers": jnp.zeros(2, jnp.uint8)}
        return {"hearers": jnp.full(3, state.signal, jnp.uint8)}

    def move(self, state: RelayState, actions: dict[str, Any], t: Any, turn: int) -> RelayState:
        (fired,) = actions.values()
        total = fired.astype(jnp.int32).sum(dtype=jnp.int32)
        return state._replace(signal=total) if turn == 0 else state._replace(answer=total)

    def resolve(self, key: Any, state: RelayState) -> tuple[RelayState, Outcome]:
        state = state._replace(left=state.left - 1)
        right = (state.signal == state.answer).astype(jnp.float32)
        reward = {"callers": right, "hearers": right * jnp.arange(3, dtype=jnp.float32)}
        return state, Outcome(reward, state.left == 0, jnp.bool_(False), {"loss": 1 - right})

    def evaluate(self, key: Any, state: RelayState, policy: Any, part: Any) -> Metrics:
        return {"loss": jnp.float32(0)}

    def global_state(self, state: RelayState) -> Any:
        return jnp.stack([state.signal, state.answer]).astype(jnp.float32)


class MatrixState(NamedTuple):
    """What was done last."""

    actions: Any
    task: Any = ()


@settings
class MatrixGame(World):
    """Two agents who see nothing are paid by a matrix of what both do, for ever.

    Attributes:
        payoff: f32[A, A] of the first agent's action and the second's.
    """

    payoff: Any

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group("pair", (2,), spaces.Discrete(1), spaces.Discrete(len(self.payoff))),)

    def reset(self, key: Any, task_state: Any = None) -> MatrixState:
        return MatrixState(jnp.zeros(2, jnp.uint8))

    def observe(self, state: MatrixState, turn: int) -> dict[str, Any]:
        return {"pair": jnp.zeros(2, jnp.uint8)}

    def move(self, state: MatrixState, actions: dict[str, Any], t: Any, turn: int) -> MatrixState:
        return state._replace(actions=actions["pair"])

    def resolve(self, key: Any, state: MatrixState) -> tuple[MatrixState, Outcome]:
        reward = jnp.asarray(self.payoff)[state.actions[0], state.actions[1]]
        never = jnp.bool_(False)
        return state, Outcome({"pair": reward}, never, never, {"loss": -reward})

    def evaluate(self, key: Any, state: MatrixState, policy: Any, part: Any) -> Metrics:
        return {"loss": jnp.float32(0)}

    def global_state(self, state: MatrixState) -> Any:
        return jnp.ones(1, jnp.float32)
