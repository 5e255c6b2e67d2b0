"""PPO in one file trains the synapses' policy on toys: prints trained against uniform, on unseen toys and real digits.

    python examples/ppo.py [--updates 100] [--rounds 3000] [--seed 0]

All synapses share one actor-critic, which sees what one synapse sees. It learns in sixteen networks of 42 synapses that
are trained for 500 rounds, each with a teacher of its own. Frozen, it then trains networks that it has never seen: more
such toys, and 64-10 on digits. Figures are means over three episodes on seeds not trained on.
Letters of shapes: T rounds, W worlds, N agents of a world, D numbers that an agent sees.
"""

import argparse
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from synagents import Exponential, Policy
from synagents.envs import synapse_v0
from synagents.envs.functional import EnvState, FunctionalEnv

WORLDS, ROUNDS, EPISODE, UNSEEN = 16, 32, 500, 3
GAMMA, LAMBDA = 0.5, 0.5  # an action shows in the very next rewards; what comes later is mostly the others' doing
CLIP, EPOCHS, MINIBATCHES, VALUE_WEIGHT, ADAM = 0.2, 4, 4, 0.5, optax.adam(1e-2)
ENTROPY_WEIGHT = 0.03  # with 0.01 agents learn to rest: a sign pays small steps like large ones, and they fail less
Params = tuple[Array, Array, Array, Array]


class Sample(NamedTuple):
    """What PPO learns from: one agent in one round, without any axes."""

    obs: Array  # f32[D]
    action: Array  # one-hot f32[3]
    log_prob: Array  # f32[] of the action, under the policy that took it
    value: Array  # f32[] that was expected
    advantage: Array  # f32[]


def together(env: FunctionalEnv, tree: dict[str, Array]) -> Array:
    """{group: [W, n, ...]} -> [W, N, ...]."""
    return jnp.concatenate([tree[name] for name in env.agents], axis=1)


def apart(env: FunctionalEnv, values: Array) -> dict[str, Array]:
    """[W, N] -> {group: [W, n]}."""
    edges = np.cumsum([group.size for group in env.world.groups])[:-1]
    return dict(zip(env.agents, jnp.split(values, edges, axis=1), strict=True))


def actor_critic(params: Params, obs: Array) -> tuple[Array, Array]:
    """Log-probabilities [..., 3] and value [...] of observations [..., D]: one hidden layer."""
    w, b, v, c = params
    out = jnp.tanh(obs @ w + b) @ v + c
    return jax.nn.log_softmax(out[..., :3]), out[..., 3]


def loss_of(params: Params, batch: Sample) -> Array:
    """Minus PPO's clipped objective over a minibatch."""
    log_probs, value = actor_critic(params, batch.obs)
    ratio = jnp.exp((log_probs * batch.action).sum(-1) - batch.log_prob)
    gain = (batch.advantage - batch.advantage.mean()) / batch.advantage.std()
    policy = jnp.minimum(ratio * gain, jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * gain).mean()
    entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
    return VALUE_WEIGHT * ((value - batch.value - batch.advantage) ** 2).mean() - policy - ENTROPY_WEIGHT * entropy


@partial(jax.jit, static_argnames="updates")
def train(env: FunctionalEnv, key: Array, updates: int) -> Params:
    """The actor-critic after so many updates from T rounds of W worlds."""

    def one_update(carry: tuple, key: Array) -> tuple[tuple, None]:
        (params, optimizer, obs, env_states), (play_key, shuffle_key) = carry, jax.random.split(key)

        def one_round(carry: tuple[Array, EnvState], key: Array) -> tuple[tuple[Array, EnvState], tuple]:
            obs, env_states = carry
            keys = jax.random.split(key, 1 + WORLDS)
            log_probs, value = actor_critic(params, obs)
            action = jax.random.categorical(keys[0], log_probs)  # [W, N]
            seen, env_states, reward, done, info = jax.vmap(env.step)(keys[1:], env_states, apart(env, action))
            # Episodes are truncated and never terminated, so that the last value is bootstrapped like any other.
            later = actor_critic(params, together(env, info["final_obs"]))[1]
            error = together(env, reward) + GAMMA * later - value
            taken = jax.nn.one_hot(action, 3)
            sample = (obs, taken, (log_probs * taken).sum(-1), value)
            return (together(env, seen), env_states), (sample, (error, done["__all__"][:, None]))

        def back(advantage: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            return 2 * (now[0] + GAMMA * LAMBDA * ~now[1] * advantage,)  # error and done

        round_keys = jax.random.split(play_key, ROUNDS)
        (obs, env_states), (samples, errors) = jax.lax.scan(one_round, (obs, env_states), round_keys)
        _, advantage = jax.lax.scan(back, jnp.zeros(obs.shape[:2]), errors, reverse=True)
        samples = Sample._make((*samples, advantage))
        samples = jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:]), samples)  # [T W N, ...]

        def one_minibatch(carry: tuple, rows: Array) -> tuple[tuple, None]:
            params, optimizer = carry
            batch = jax.tree.map(lambda x: x[rows], samples)
            change, optimizer = ADAM.update(jax.grad(loss_of)(params, batch), optimizer)
            return (optax.apply_updates(params, change), optimizer), None

        rows = jnp.tile(jnp.arange(samples.value.size), (EPOCHS, 1))
        rows = jax.random.permutation(shuffle_key, rows, axis=1, independent=True).reshape(EPOCHS * MINIBATCHES, -1)
        (params, optimizer), _ = jax.lax.scan(one_minibatch, (params, optimizer), rows)
        return (params, optimizer, obs, env_states), None

    init_key, reset_key, key = jax.random.split(key, 3)
    params = (jax.random.normal(init_key, (12, 32)) / 12**0.5, jnp.zeros(32), jnp.zeros((32, 4)), jnp.zeros(4))
    seen, env_states = jax.vmap(env.reset)(jax.random.split(reset_key, WORLDS))
    start = (params, ADAM.init(params), together(env, seen), env_states)
    return jax.lax.scan(one_update, start, jax.random.split(key, updates))[0][0]


@partial(jax.jit, static_argnames="rounds")
def evaluate(env: FunctionalEnv, key: Array, params: Params, rounds: int) -> tuple[Array, Array, Array]:
    """Share of rounds rewarded, held-out loss and accuracy, f32[]: means of unseen episodes; nothing is learned."""

    def one_round(env_states: EnvState, key: Array) -> tuple[EnvState, Array]:
        log_probs, _ = actor_critic(params, together(env, jax.vmap(env.get_obs)(env_states)))
        keys = jax.random.split(key, 1 + UNSEEN)
        actions = apart(env, jax.random.categorical(keys[0], log_probs))
        _, env_states, reward, _, _ = jax.vmap(env.step_env)(keys[1:], env_states, actions)
        return env_states, together(env, reward) > 0

    keys = jax.random.split(key, 1 + UNSEEN)
    env_states, rewarded = jax.lax.scan(one_round, jax.vmap(env.reset)(keys[1:])[1], jax.random.split(keys[0], rounds))
    # The weights are the world's here, so that it asks no policy to evaluate them.
    unasked = Policy(lambda key: (), lambda key, memory, seen, turn: (seen, memory))
    held_out = jax.vmap(lambda state: env.world.evaluate(key, state, unasked, "held_out"))(env_states.state)
    return rewarded.mean(), held_out["loss"].mean(), held_out["accuracy"].mean()


def main() -> None:
    """Train on toys, evaluate on others and on digits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=100, help="of 32 rounds of sixteen toys")
    parser.add_argument("--rounds", type=int, default=3000, help="on digits")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()
    toys = synapse_v0.functional_env(
        "boundary", hidden=(8,), interval=0, step_size=0.01, observation="box", max_cycles=EPISODE
    )
    fading = Exponential(5e-3, 5e-4, args.rounds)
    digits = synapse_v0.functional_env(
        "digits", hidden=(), batch_size=500, interval=250, step_size=fading, observation="box"
    )
    trained = train(toys, jax.random.key(args.seed), args.updates)
    for task, env, rounds in (("toys", toys, EPISODE), ("digits", digits, args.rounds)):
        for name, params in (("trained", trained), ("uniform", jax.tree.map(jnp.zeros_like, trained))):  # equal logits
            rewarded, loss, accuracy = evaluate(env, jax.random.key(1000), params, rounds)
            figures = f"{rewarded:.1%} of rounds rewarded, held-out loss {loss:.3f}, accuracy {accuracy:.1%}"
            print(f"{name} on {task}: {figures}")


if __name__ == "__main__":
    main()
