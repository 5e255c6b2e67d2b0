"""What the agents of a plastic world cost: a life's gradient, beside a loop that was written by hand for one network.

    python studies/life_gradient.py [--turns N]

Synapses as agents observe factors and act by a rule from elsewhere. That must cost nothing: the compiler should see the
loop that somebody would write who knows of no agents, such as `by_hand` below. Both play the same lives (cues, noise of
decisions), and the script stops unless their gradients agree to three digits. Prints milliseconds per gradient of 30
lives, the median over turns in which both are timed one after the other, and the median of their ratio.
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import ratio, repeated, take_turns
from jaxtyping import Array, Float, Key

from synagents import keys, outer, registry
from synagents.counter import counter_key
from synagents.envs import plastic_v0
from synagents.outer_methods import AdvantageActorCritic, Ascend, Theta
from synagents.tasks.cue import Cue, cue

LIVES = 30
SIZES: dict[str, dict[str, int]] = {
    "reduced cue": {"bits": 6, "length": 40, "units": 20},
    "middle cue": {"bits": 20, "length": 60, "units": 64},
}
OURS, HAND = "agents", "by hand"
Weights = dict[str, Float[Array, "..."]]
Lives = tuple[Array, Array, Array, Array]  # of every round and life: the cue's signs and GO, GO, what is right, noise


def drawn(task: Cue, key: Key[Array, ""]) -> Lives:
    """What is drawn in a life, whoever lives it."""
    state = task.init(jax.random.split(keys.world_key(keys.reset_key(key), 0))[1])

    def one(state: Any, t: Array) -> tuple[Any, Lives]:
        decide, respond = jax.random.split(counter_key(keys.world_key(keys.round_key(key, t), 0)))
        seen, go = task.stimulus(state)[: task.bits + 1], task.stimulus(state)[task.bits]
        yes = task.respond(respond, state, jnp.int32(1))
        right = jnp.where(yes[1].reward > 0, 1, 0)
        return yes[0], (seen, go, right, jax.random.gumbel(decide, (2,)))

    return jax.lax.scan(one, state, jnp.arange(task.length, dtype=jnp.uint32))[1]


def by_hand(task: Cue, retroactive: bool, weights: Weights, lives: Lives) -> Float[Array, ""]:
    """The objective of lives, [T, B, ...]: a network, its traces, its decisions and what they earn, in one loop."""
    w, rounds, batch = weights, task.length, lives[0].shape[1]

    @jax.checkpoint
    def one(now: tuple[Array, ...], given: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        before, trace, eligibility, reward, action = now
        t, (signs, go, right, noise) = given
        one, time = jnp.ones((batch, 1)), jnp.full((batch, 1), t / rounds)
        seen = jnp.concatenate([signs, one, time, reward[:, None], action], axis=1)
        recurrent = w["recurrent_weight"] + w["alpha"] * trace
        sent = seen @ w["input_weight"] + w["input_bias"] + jnp.einsum("bi,bij->bj", before, recurrent)
        after = jnp.tanh(sent)
        logits = after @ w["readout_weight"] + w["readout_bias"]
        value = (after @ w["value_weight"] + w["value_bias"])[:, 0]
        modulator = jnp.tanh(after @ w["modulator_weight"] + w["modulator_bias"])[:, :, None]
        product = before[:, :, None] * after[:, None]
        if retroactive:
            trace = jnp.clip(trace + modulator * eligibility, -1, 1)
            eligibility = (1 - w["eligibility_rate"]) * eligibility + w["eligibility_rate"] * product
        else:
            trace = jnp.clip(trace + modulator * product, -1, 1)
        log_p, chosen = jax.nn.log_softmax(logits), jnp.argmax(logits + noise, axis=1)
        reward = jnp.where(go > 0, jnp.where(chosen == right, 1.0, -1.0), 0.0)
        said = jnp.take_along_axis(log_p, chosen[:, None], axis=1)[:, 0]
        now = after, trace, eligibility, reward, jax.nn.one_hot(chosen, 2)
        return now, (reward, said, value, jnp.sum(jnp.exp(2 * log_p), axis=1))

    units = len(w["recurrent_weight"])
    traces = jnp.zeros((batch, units, units))
    begun = jnp.zeros((batch, units)), traces, traces if retroactive else (), jnp.zeros(batch), jnp.zeros((batch, 2))
    _, (reward, said, value, concentration) = jax.lax.scan(one, begun, (jnp.arange(rounds), lives))

    def earlier(later: Array, here: Array) -> tuple[Array, Array]:
        here = here + 0.9 * later
        return here, here

    advantage = jax.lax.scan(earlier, jnp.zeros(batch), reward, reverse=True)[1] - value
    return jnp.mean(0.1 * advantage**2 - said * jax.lax.stop_gradient(advantage) + 0.1 * concentration)


def variants(rule: str, size: dict[str, int]) -> dict[str, Callable[[], Any]]:
    """The gradient in both ways, after a look at whether they agree."""
    task = cue(bits=size["bits"], length=size["length"])
    world = plastic_v0.world(task, units=size["units"], **plastic_v0.settings_for(rule))
    run = outer.begin(0, world, registry.find("learners", rule)(), AdvantageActorCritic(), Ascend(), lives=LIVES)
    theta: Theta = jax.tree.map(lambda leaf: leaf[0], run.theta)
    life_keys = jax.random.split(jax.random.key(1), LIVES)

    def objective(slow: Weights) -> Float[Array, ""]:
        playing = world.with_slow(slow)
        lived = jax.vmap(partial(outer.live, playing, run.learner, theta.mind))(life_keys)
        return jnp.mean(jax.vmap(run.objective)(lived))

    def hand_objective(slow: Weights) -> Float[Array, ""]:
        lives = jax.tree.map(partial(jnp.swapaxes, axis1=0, axis2=1), jax.vmap(partial(drawn, task))(life_keys))
        return by_hand(task, rule == "retroactive", slow, lives)

    both = {OURS: jax.jit(jax.grad(objective)), HAND: jax.jit(jax.grad(hand_objective))}
    ours, hand = (each(theta.slow) for each in both.values())
    for name, expected in hand.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-3, atol=1e-5, err_msg=name)
    return {name: partial(_waited_for, each, theta.slow) for name, each in both.items()}


def _waited_for(gradient: Callable[[Weights], Weights], slow: Weights) -> None:
    jax.block_until_ready(gradient(slow))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    print(f"| lives | rule | {OURS}, ms | {HAND}, ms | ratio |\n|---|---|---|---|---|")
    for name, size in SIZES.items():
        for rule in ("neuromodulated", "retroactive"):
            steps = {variant: repeated(play) for variant, play in variants(rule, size).items()}
            seconds = take_turns(steps, turns, seconds=0.5, least=5)
            ours, hand = (1e3 * median(seconds[variant]) for variant in (OURS, HAND))
            print(f"| {name} | `{rule}` | {ours:.2f} | {hand:.2f} | {ratio(seconds, OURS, HAND):.2f} |", flush=True)


if __name__ == "__main__":
    main()
