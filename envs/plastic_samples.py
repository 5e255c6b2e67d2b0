"""The plastic world for tasks of samples: every weight of a perceptron is an agent that sees its unit being shaken.

    felt = (pre_bi, z_bj, (loss_b - loss'_b) / sigma)     w_ij <- w_ij + action_ij     the team is paid L_t - L_{t+1}

A round ends with two passes of the batch, a clean and a noisy one (`synagents.networks.perturbation`), which are what
is felt in the next. A new batch comes into play with the passes at the end of the round that begins with it; in that
round agents still act on what they felt of the last batch, with the weights as they are. So no pass is made in vain,
clients of faces, who choose before a batch is drawn, act as the loop does, and T rounds of B samples cost 2 B (1 + T)
sample evaluations.
`synagents.envs.plastic_v0` has the data sheet.
"""

import math
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Float, Key

from synagents import keys, registry
from synagents.agents.perturbation import Perturbed, space
from synagents.hyperparameters import require, require_between, require_whole, settings, static
from synagents.networks.mlp import MLP, Activation
from synagents.networks.perturbation import require_apart, two_passes
from synagents.task import require_fit
from synagents.tasks.samples import sample_losses
from synagents.world import (
    Group,
    Metrics,
    Outcome,
    Params,
    Part,
    Policy,
    RewardKind,
    RoundNumber,
    Task,
    TaskState,
    Tree,
    World,
    flat,
    forward,
)


class PerturbedState(NamedTuple):
    """A network in training and what its synapses feel of the last two passes."""

    weights: Params
    inputs: tuple[Float[Array, "B n"], ...]  # of every layer in the clean pass
    noise: tuple[Float[Array, "B m"], ...]  # z of every unit, layer by layer
    modulator: Float[Array, "B"]  # the fall of each sample's loss by the noise, in units of sigma
    loss: Float[Array, ""]  # of the clean pass
    task: TaskState  # the task's own state: the batch that the next passes are of


@settings
class PerturbedWorld(World):
    """The plastic world of a perceptron on a task of samples; `plastic_v0.world` builds it from names.

    Attributes:
        network: whose weights and biases are the agents.
        task: hands out the batches; its state has a field `target` with an answer for each sample.
        noise: sigma, standard deviation of what is added to a unit's input, > 0.
        interval: rounds a batch is kept; 0 = for ever.
    """

    network: MLP
    task: Task
    noise: float = 1e-2
    interval: int = static(default=10)

    def __post_init__(self) -> None:
        require_between("noise", self.noise, 0, above=True)
        require_whole("interval", self.interval, 0)
        require(
            isinstance(self.network, MLP),
            f"Noise is added to the units of an MLP, but this network is {self.network!r:.60}: use synagents.MLP.",
        )
        require_apart(self.network)
        require(
            isinstance(self.task, Task),
            f"Each sample has a loss of its own here, but this {type(self.task).__name__} answers no outputs with a "
            "loss: play digits, or derive your own class from synagents.Task.",
        )
        require_fit(self.network, self.task)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """One group per array of weights or biases, layer by layer."""
        key = keys.seed_key(0)
        seen = space(jax.eval_shape(lambda: self.task.stimulus(self.task.init(key))).shape[0])
        change = spaces.Box(-np.inf, np.inf, (), np.float32)
        groups = []
        for layer, (fan_in, fan_out) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True)):
            groups.append(Group(f"layer{layer}_weight", (fan_in, fan_out), seen, change))
            groups.append(Group(f"layer{layer}_bias", (fan_out,), seen, change))
        return tuple(groups)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The network's."""
        return self.network.sizes

    @cached_property
    def reward_kind(self) -> RewardKind:
        """Graded; of one batch if it never changes."""
        return RewardKind(graded=True, same_batch=self.interval == 0)

    def reset(self, key: Key[Array, ""], task_state: TaskState = None) -> PerturbedState:
        """A new network that has been felt on a first batch, or on the given one."""
        own = keys.reset_keys(key)
        task_state = self.task.init(own.task) if task_state is None else task_state
        return self._felt(own.loss, self.network.init(own.network), task_state)

    def observe(self, state: PerturbedState, turn: int) -> Tree:
        """What the synapses feel of every sample, as factors: {group: Perturbed}."""
        del turn
        felt: dict[str, Any] = {}
        modulator = state.modulator[:, None]
        for layer, (pre, noise) in enumerate(zip(state.inputs, state.noise, strict=True)):
            felt[f"layer{layer}_weight"] = Perturbed(pre[:, :, None], noise[:, None], modulator[:, None])
            felt[f"layer{layer}_bias"] = Perturbed(jnp.ones_like(modulator), noise, modulator)
        return felt

    def move(self, state: PerturbedState, actions: Tree, t: RoundNumber, turn: int) -> PerturbedState:
        """The weights after the synapses have acted."""
        del t, turn
        weights = {name: weight + actions[name].reshape(weight.shape) for name, weight in state.weights.items()}
        return state._replace(weights=weights)

    def resolve(self, key: Key[Array, ""], state: PerturbedState) -> tuple[PerturbedState, Outcome]:
        """The two passes; the team is paid by how much the loss of the clean one fell."""
        after = self._felt(key, state.weights, state.task)
        never, reward = jnp.bool_(False), state.loss - after.loss
        return after, Outcome({name: reward for name in state.weights}, never, never, {"loss": after.loss})

    def refresh(self, key: Key[Array, ""], state: PerturbedState) -> PerturbedState:
        """A new batch for the next passes."""
        return state._replace(task=self.task.refresh(keys.refresh_keys(key).batch, state.task))

    def evaluate(self, key: Key[Array, ""], state: PerturbedState, policy: Policy, part: Part) -> Metrics:
        """The task's metrics over a whole part of the data, without noise."""
        del key, policy
        return self.task.evaluate(state.task, lambda x: self.network.apply(state.weights, x), part)

    def global_state(self, state: PerturbedState) -> Float[Array, "D"]:
        """All weights in flat order and the present loss."""
        return jnp.append(flat(state.weights, self.groups), state.loss)

    def weights(self, state: PerturbedState) -> Params:
        """The network's."""
        return state.weights

    def loss(self, weights: Params, task_state: TaskState) -> Float[Array, ""]:
        """The loss of any weights on the batch in use."""
        return forward(self.network, self.task, weights, task_state, keys.seed_key(0))[1]

    def _felt(self, key: Key[Array, ""], weights: Params, task_state: TaskState) -> PerturbedState:
        """The state with two new passes of these weights."""
        drawn, answer = jax.random.split(key)
        seen = two_passes(drawn, self.network, weights, self.task.stimulus(task_state), self.noise)
        clean, noisy = (sample_losses(self.task, task_state, out) for out in (seen.clean, seen.noisy))
        task_state, loss = self.task.respond(answer, task_state, seen.clean)
        modulator = ((clean - noisy) / self.noise).astype(jnp.float32)
        return PerturbedState(weights, seen.inputs, seen.noise, modulator, loss.astype(jnp.float32), task_state)


def world(
    task: str | Task = "digits",
    *,
    hidden: tuple[int, ...] = (32,),
    activation: Activation = "relu",
    init_scale: float = 0.1,
    noise: float = 1e-2,
    interval: int = 10,
    **task_options: Any,
) -> PerturbedWorld:
    """A multilayer perceptron of plastic synapses on a task of samples.

    Args:
        task: a task's name ("digits", "notmnist", ...), or a task object whose state has a field `target`.
        hidden: units of the hidden layers, each >= 1; none for a perceptron.
        activation: of the hidden units: relu, tanh, sigmoid or identity.
        init_scale: half-width of the uniform initial weights, >= 0.
        noise: sigma, standard deviation of what is added to a unit's input, > 0.
        interval: rounds a batch is kept, >= 0; 0 = for ever.
        **task_options: fields of the named task, such as `batch_size=100`.

    Raises:
        ValueError: if anything is out of range, or there is no task or option of that name.
    """
    require(
        isinstance(hidden, tuple | list), f"hidden must be a tuple of layer sizes such as (32,), but is {hidden!r}."
    )
    chosen = registry.make_task(task, task_options, world)
    made = PerturbedWorld(
        MLP((math.prod(chosen.in_shape), *hidden, chosen.out_size), activation, init_scale), chosen, noise, interval
    )
    jax.eval_shape(made.reset, keys.seed_key(0))  # refuses a task without answers for each sample
    return made
