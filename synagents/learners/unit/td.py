"""TD(lambda): what a decision was worth where rewards follow later, told by a critic and remembered in traces.

    delta_t = r_t + gamma V(s_{t+1}) - V(s_t)        e_t = gamma lambda e_{t-1} + pre_t (x) post_t
    theta <- theta + rate Adam(delta_t e_t)          and so for the critic, with its own traces

V is 0 where an episode has ended; where a time limit has cut it, delta is; traces start anew with an episode. A step
is learned from when its successor is known, which is in the round after, so nothing is computed twice. Without a critic
V is 0 everywhere, and this is REINFORCE with eligibility traces. (Sutton & Barto 2018, chapter 13; the order of things
within a step is that of the code of Chung 2020, arXiv 2010.07893 and 2010.09770.)
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from synagents.agents.units import Fired, Layer, Synapses, layers_of, potential
from synagents.hyperparameters import require, require_between, settings, static
from synagents.learners.unit.layers import (
    Baseline,
    Factors,
    Rates,
    UnitLearnerState,
    by_layer,
    climb,
    credit,
    fire_each,
    named_weights,
    new_state,
    require_rates,
    stimulus,
    team_reward,
)
from synagents.world import Group, Learner, Params, RoundNumber, Transition, Tree

Traces = dict[str, Synapses]
# Of a key, the critic's weights and a stimulus: the value, and the direction in which the weights raise it.
Look = Callable[[Key[Array, ""], UnitLearnerState, Float[Array, "D"]], tuple[Float[Array, ""], Traces]]
Uphill = Callable[[Float[Array, ""], Traces], Traces]  # of delta and the traces: the direction to climb


class Past(NamedTuple):
    """The step before, which is learned from in the next, and what is remembered of its episode."""

    traces: Traces
    critic: UnitLearnerState | None
    critic_traces: Traces | None
    reward: Float[Array, ""]
    value: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    is_there: Bool[Array, ""]  # not before the first step


@settings
class UnitLearner(Learner):
    """What learners of layered units share: their settings, their weights, and how they learn along a rule's factors.

    Attributes:
        learning_rate: of Adam, >= 0: one for all layers, or one each from the input on; numbers or schedules.
        baseline: none, average (a running mean of the reward) or leave-one-out (needs worlds that see the same).
        temperature: of the output units, > 0; where they are Gaussian, their variance.
        gamma: discount of later rewards, in [0, 1], where there are traces or a critic (`td`).
        trace_decay: decay lambda of eligibility traces, in [0, 1]; with neither traces nor a critic each decision is
            paid its own reward, as in a bandit.
        critic_rate: learning rates of a critic with as many hidden units, as above; none for no critic.
        critic_trace_decay: decay lambda of the critic's traces, in [0, 1].
    """

    hidden_kinds: ClassVar[tuple[str, ...]] = ("sign", "bit")
    """Kinds of hidden units that the rule knows."""

    learning_rate: Rates = (0.03,)
    baseline: Baseline = static(default="average")
    temperature: float = 1.0
    gamma: float = 0.98
    trace_decay: float = static(default=0.0)
    critic_rate: Rates = ()
    critic_trace_decay: float = static(default=0.0)

    def __post_init__(self) -> None:
        require_rates(self.learning_rate)
        if self.critic_rate:
            require_rates(self.critic_rate)
        require_between("temperature", self.temperature, 0, above=True)
        for name in ("gamma", "trace_decay", "critic_trace_decay"):
            require_between(name, getattr(self, name), 0, 1)

    @property
    def looks_ahead(self) -> bool:
        """Whether it learns from what comes later, rather than from each decision's own reward."""
        return bool(self.critic_rate) or self.trace_decay > 0

    def init(self, key: Key[Array, ""], groups: tuple[Group, ...]) -> UnitLearnerState:
        """Random weights; ValueError where the units are of another kind or the layers are recurrent."""
        return self.new_state(key, layers_of(groups, type(self).__name__, hidden=self.hidden_kinds))

    def new_state(self, key: Key[Array, ""], layers: tuple[Layer, ...]) -> UnitLearnerState:
        """A new state, with a critic of the same hidden layers where it is to have one."""
        mind = new_state(key, layers, self.learning_rate)
        if not self.looks_ahead:
            return mind
        critic = None
        if self.critic_rate:
            widths = [layer.width for layer in layers[:-1]] + [1]
            chain = zip(layers, widths, [layers[0].fans[0], *widths], strict=False)
            judges = tuple(Layer(layer.name, "gaussian", width, layer.sources, (fan,)) for layer, width, fan in chain)
            critic = new_state(jax.random.fold_in(key, len(layers)), judges, self.critic_rate)
        blank = jax.tree.map(jnp.zeros_like, (mind.weights, critic and critic.weights))
        never, nothing = jnp.bool_(False), jnp.float32(0)
        return replace(mind, past=Past(blank[0], critic, blank[1], nothing, nothing, never, never, never))

    def act(
        self, key: Key[Array, ""], mind: UnitLearnerState, obs: Tree, t: RoundNumber, turn: int
    ) -> tuple[Tree, dict[str, Fired]]:
        """Fire or not, as the potentials make likely."""
        del t, turn
        return fire_each(key, mind, obs, self.temperature)

    def weights(self, mind: UnitLearnerState) -> Params:
        """The network's: {"hidden0.weight": f32[D, n], "hidden0.bias": f32[n], ...}."""
        return named_weights(mind)

    def learn(
        self,
        key: Key[Array, ""],
        mind: UnitLearnerState,
        factors: Sequence[Factors],
        transition: Transition,
        t: RoundNumber,
        *,
        look: Look | None = None,
        uphill: Uphill | None = None,
    ) -> UnitLearnerState:
        """The mind after one update along its rule's factors.

        Args:
            key: for what the critic draws, if it does.
            mind: what it knows.
            factors: pre and post of every layer for this round's decisions.
            transition: the round.
            t: rounds played before it.
            look: how the critic values a stimulus; None for a network of softplus units and its gradient.
            uphill: the direction to climb for delta and the traces; None for their product.

        Raises:
            ValueError: if a learner that looks ahead sees more than one world or round at a time.
        """
        reward = team_reward(transition)
        if not self.looks_ahead:
            return credit(mind, factors, self.baseline, self.learning_rate, transition, t)
        require(
            reward.shape == (1, 1),
            f"Traces are kept for one world, step by step, but there are {reward.shape[1]} worlds and "
            f"{reward.shape[0]} rounds: use 1 world and rollout_length 1, and runs for more seeds.",
        )
        past: Past = mind.past
        critic, value, raises = past.critic, jnp.float32(0), None
        if critic is not None:
            value, raises = (look or look_through)(key, critic, stimulus(mind, transition)[0, 0])
        delta = past.reward + self.gamma * jnp.where(past.terminated, jnp.float32(0), value) - past.value
        delta = jnp.where(past.is_there & ~past.truncated, delta, jnp.float32(0))

        direction = uphill(delta, past.traces) if uphill else _times(delta, past.traces)
        mind = climb(mind, direction, self.learning_rate, reward, t)
        begins = past.terminated | past.truncated
        keep, critic_keep = (
            jnp.where(begins, jnp.float32(0), self.gamma * decay)
            for decay in (self.trace_decay, self.critic_trace_decay)
        )
        now = by_layer(mind, [Synapses(jnp.outer(pre[0, 0], post[0, 0]), post[0, 0]) for pre, post in factors])
        critic_traces = past.critic_traces
        if critic is not None:
            critic = climb(critic, _times(delta, critic_traces), self.critic_rate, reward, t)
            critic_traces = _remember(critic_keep, critic_traces, raises)
        ended = (transition.terminated[0, 0], transition.truncated[0, 0], jnp.bool_(True))
        traces = _remember(keep, past.traces, now)
        return replace(mind, past=Past(traces, critic, critic_traces, reward[0, 0], value, *ended))


def look_through(
    key: Key[Array, ""], critic: UnitLearnerState, x: Float[Array, "D"]
) -> tuple[Float[Array, ""], Traces]:
    """The value by a deterministic network of softplus units, and its gradient."""
    del key

    def value(weights: dict[str, Synapses]) -> Float[Array, ""]:
        h = x
        for layer in critic.layers[:-1]:
            h = jax.nn.softplus(potential(weights[layer.name], h))
        return potential(weights[critic.layers[-1].name], h)[0]

    return jax.value_and_grad(value)(critic.weights)


def _times(delta: Float[Array, ""], traces: Any) -> Traces:
    return jax.tree.map(lambda e: delta * e, traces)


def _remember(keep: Float[Array, ""], traces: Any, now: Any) -> Traces:
    return jax.tree.map(lambda e, score: keep * e + score, traces, now)
