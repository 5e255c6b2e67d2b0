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
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from synagents import team as teams
from synagents.settings import require, require_between
from synagents.team import Baseline, Factors, Rates, Team, by_layer, climb, require_rates
from synagents.units import Layer, Synapses, Temperature, potential
from synagents.world import Transition

Traces = dict[str, Synapses]
# Of a key, the critic's weights and a stimulus: the value, and the direction in which the weights raise it.
Look = Callable[[Key[Array, ""], Team, Float[Array, "D"]], tuple[Float[Array, ""], Traces]]
Uphill = Callable[[Float[Array, ""], Traces], Traces]  # of delta and the traces: the direction to climb


class Student(Protocol):
    """A learner, as far as it matters here what it learns from: its settings of these names."""

    @property
    def learning_rate(self) -> Rates:
        """Of the units that decide."""

    @property
    def baseline(self) -> Baseline:
        """Where rewards come at once."""

    @property
    def temperature(self) -> Temperature:
        """Of the output units."""

    @property
    def gamma(self) -> float | Float[Array, ""]:
        """Discount of later rewards, in [0, 1]."""

    @property
    def trace(self) -> float:
        """Decay lambda of the traces, in [0, 1]."""

    @property
    def critic_rate(self) -> Rates:
        """Of the critic; none where there is no critic."""

    @property
    def critic_trace(self) -> float:
        """Decay lambda of the critic's traces, in [0, 1]."""


class Past(NamedTuple):
    """The step before, which is learned from in the next, and what is remembered of its episode."""

    traces: Traces
    critic: Team | None
    critic_traces: Traces | None
    reward: Float[Array, ""]
    value: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    is_there: Bool[Array, ""]  # not before the first step


def require_student(student: Student) -> None:
    """Raise ValueError unless all settings of a student are in range."""
    require_rates(student.learning_rate)
    if student.critic_rate:
        require_rates(student.critic_rate)
    require_between("temperature", student.temperature, 0, above=True)
    for name in ("gamma", "trace", "critic_trace"):
        require_between(name, getattr(student, name), 0, 1)


def looks_ahead(student: Student) -> bool:
    """Whether it learns from what comes later, rather than from each decision's own reward."""
    return bool(student.critic_rate) or student.trace > 0


def gather(key: Key[Array, ""], layers: tuple[Layer, ...], student: Student) -> Team:
    """A new team, with a critic of the same hidden layers where it is to have one."""
    team = teams.gather(key, layers, student.learning_rate)
    if not looks_ahead(student):
        return team
    critic = None
    if student.critic_rate:
        widths = [layer.width for layer in layers[:-1]] + [1]
        chain = zip(layers, widths, [layers[0].fans[0], *widths], strict=False)
        judges = tuple(Layer(layer.name, "gaussian", width, layer.sources, (fan,)) for layer, width, fan in chain)
        critic = teams.gather(jax.random.fold_in(key, len(layers)), judges, student.critic_rate)
    blank = jax.tree.map(jnp.zeros_like, (team.weights, critic and critic.weights))
    never, nothing = jnp.bool_(False), jnp.float32(0)
    return replace(team, past=Past(blank[0], critic, blank[1], nothing, nothing, never, never, never))


def learn(
    student: Student,
    key: Key[Array, ""],
    team: Team,
    factors: Sequence[Factors],
    transition: Transition,
    *,
    look: Look | None = None,
    uphill: Uphill | None = None,
) -> Team:
    """The team after one update along its rule's factors.

    Args:
        student: the learner's settings.
        key: for what the critic draws, if it does.
        team: what it knows.
        factors: pre and post of every layer for this round's decisions.
        transition: the round.
        look: the critic's eyes; None for those of a network of softplus units that errors are sent down through.
        uphill: the direction to climb for delta and the traces; None for their product.

    Raises:
        ValueError: if a learner that looks ahead sees more than one world or round at a time.
    """
    reward = teams.team_reward(transition)
    if not looks_ahead(student):
        return teams.credit(team, factors, student.baseline, student.learning_rate, transition)
    require(
        reward.shape == (1, 1),
        f"Traces are kept for one world, step by step, but there are {reward.shape[1]} worlds and {reward.shape[0]} "
        "rounds: use 1 world and horizon 1, and runs for more seeds.",
    )
    past: Past = team.past
    critic, value, raises = past.critic, jnp.float32(0), None
    if critic is not None:
        value, raises = (look or look_through)(key, critic, teams.stimulus(team, transition)[0, 0])
    delta = past.reward + student.gamma * jnp.where(past.terminated, 0.0, value) - past.value
    delta = jnp.where(past.is_there & ~past.truncated, delta, 0.0)

    team = climb(
        team, uphill(delta, past.traces) if uphill else _times(delta, past.traces), student.learning_rate, reward
    )
    begins = past.terminated | past.truncated
    keep, critic_keep = (
        jnp.where(begins, 0.0, student.gamma * decay) for decay in (student.trace, student.critic_trace)
    )
    now = by_layer(team, [Synapses(jnp.outer(pre[0, 0], post[0, 0]), post[0, 0]) for pre, post in factors])
    critic_traces = past.critic_traces
    if critic is not None:
        critic = climb(critic, _times(delta, critic_traces), student.critic_rate, reward)
        critic_traces = _remember(critic_keep, critic_traces, raises)
    ended = (transition.terminated[0, 0], transition.truncated[0, 0], jnp.bool_(True))
    traces = _remember(keep, past.traces, now)
    return replace(team, past=Past(traces, critic, critic_traces, reward[0, 0], value, *ended))


def look_through(key: Key[Array, ""], critic: Team, x: Float[Array, "D"]) -> tuple[Float[Array, ""], Traces]:
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
