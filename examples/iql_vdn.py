"""Deep independent Q-learning and VDN in one file: prints reward rates and last losses, trained against uniform.

    python examples/iql_vdn.py [--mixing none|sum] [--rounds 3000] [--seed 0]

All 22 synapses of a network 2-4-2 share one Q network. `none` is independent Q-learning (Tan 1993): every synapse has a
TD error of its own, as if it alone had earned the team's reward. `sum` is VDN (Sunehag et al. 2018): one TD error for
the sum of the team's values. Eight networks are trained side by side; every episode, the training of one network, has a
teacher of its own. Both are compared with uniform actions, on the same sixteen episodes, none of them trained on.

Letters of shapes: C rounds in the buffer, W worlds, N agents of a world, D numbers that an agent sees, B samples.
"""

import argparse
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from synagents.envs import synapse_v0
from synagents.envs.functional import EnvState, FunctionalEnv

WORLDS, CAPACITY, BATCH, EPISODE = 8, 2000, 32, 500
GAMMA, LEARNING_RATE, TARGET_EVERY = 0.85, 2e-3, 100
EPSILON = 0.1  # also in evaluation: a greedy team that comes back to a history it had stays in that cycle
UNSEEN = 16  # episodes of the evaluation
Params = tuple[Array, Array, Array, Array]


class Moment(NamedTuple):
    """A round of one world; the replay buffer has axes [C, W] in front."""

    obs: Array  # f32[N, D]
    action: Array  # int32[N]
    reward: Array  # f32[] of the team
    later: Array  # f32[N, D] what was seen next, also where an episode was truncated


def together(env: FunctionalEnv, tree: dict[str, Array]) -> Array:
    """{group: [n, ...]} -> [N, ...]."""
    return jnp.concatenate([tree[group.name] for group in env.world.groups])


def apart(env: FunctionalEnv, values: Array) -> dict[str, Array]:
    """[N, ...] -> {group: [n, ...]}."""
    tree = {}
    for group in env.world.groups:
        tree[group.name], values = values[: group.size], values[group.size :]
    return tree


def q_values(params: Params, obs: Array) -> Array:
    """Q [..., 3] of observations [..., D]: one hidden layer."""
    w, b, v, c = params
    return jax.nn.relu(obs @ w + b) @ v + c


@partial(jax.vmap, in_axes=(None, 0, None, None, 0, 0))
def play(
    env: FunctionalEnv, key: Array, params: Params, epsilon: Array | float, obs: Array, env_state: EnvState
) -> tuple[Array, EnvState, Moment, Array]:
    """One epsilon-greedy round of a world: what is seen now, the state, what to remember, and the loss."""
    explore_key, action_key, step_key = jax.random.split(key, 3)
    explores = jax.random.uniform(explore_key, obs.shape[:1]) < epsilon
    action = jnp.where(explores, jax.random.randint(action_key, obs.shape[:1], 0, 3), q_values(params, obs).argmax(-1))
    seen, env_state, reward, _, info = env.step(step_key, env_state, apart(env, action))
    moment = Moment(obs, action, together(env, reward)[0], together(env, info["final_obs"]))
    return together(env, seen), env_state, moment, info["loss"]


def begin(env: FunctionalEnv, key: Array, worlds: int) -> tuple[Array, EnvState]:
    """What is seen [W, N, D] at the beginning of so many episodes, and their states."""
    seen, env_states = jax.vmap(env.reset)(jax.random.split(key, worlds))
    return jax.vmap(partial(together, env))(seen), env_states


def loss_of(params: Params, target: Params, batch: Moment, mixing: Array) -> Array:
    """The mean square of B moments' TD errors: of each agent, or of the team."""
    taken = jnp.take_along_axis(q_values(params, batch.obs), batch.action[..., None], axis=-1)[..., 0]
    gain = GAMMA * q_values(target, batch.later).max(-1) - taken  # [B, N]
    gain = jnp.where(mixing, gain.sum(-1, keepdims=True), gain)
    return ((batch.reward[:, None] + gain) ** 2).mean()


@partial(jax.jit, static_argnames="rounds")
def train(env: FunctionalEnv, key: Array, mixing: Array, rounds: int) -> Params:
    """The Q network after so many rounds of W worlds, and a step of Adam after each."""
    init_key, begin_key, key = jax.random.split(key, 3)
    params = (jax.random.normal(init_key, (12, 32)) / 12**0.5, jnp.zeros(32), jnp.zeros((32, 3)), jnp.zeros(3))
    adam = optax.adam(optax.linear_schedule(LEARNING_RATE, 0.0, rounds))
    obs, env_states = begin(env, begin_key, WORLDS)
    action, reward = jnp.zeros(obs.shape[:2], jnp.int32), jnp.zeros(WORLDS)
    replay = jax.tree.map(lambda x: jnp.zeros((CAPACITY, *x.shape), x.dtype), Moment(obs, action, reward, obs))

    def one_round(carry: tuple, now: tuple[Array, Array]) -> tuple[tuple, None]:
        params, target, optimizer, obs, env_states, replay = carry
        t, key = now
        play_key, when_key, where_key = jax.random.split(key, 3)
        epsilon = jnp.maximum(EPSILON, 1 - 2 * t / rounds)
        obs, env_states, moments, _ = play(env, jax.random.split(play_key, WORLDS), params, epsilon, obs, env_states)
        replay = jax.tree.map(lambda old, new: old.at[t % CAPACITY].set(new), replay, moments)
        when = jax.random.randint(when_key, (BATCH,), 0, jnp.minimum(t + 1, CAPACITY))
        where = jax.random.randint(where_key, (BATCH,), 0, WORLDS)
        slopes = jax.grad(loss_of)(params, target, jax.tree.map(lambda x: x[when, where], replay), mixing)
        updates, optimizer = adam.update(slopes, optimizer)
        params = optax.apply_updates(params, updates)
        target = jax.tree.map(lambda old, new: jnp.where(t % TARGET_EVERY == 0, new, old), target, params)
        return (params, target, optimizer, obs, env_states, replay), None

    start = (params, params, adam.init(params), obs, env_states, replay)
    return jax.lax.scan(one_round, start, (jnp.arange(rounds), jax.random.split(key, rounds)))[0][0]


@jax.jit
def evaluate(env: FunctionalEnv, params: Params, epsilon: float) -> tuple[Array, Array]:
    """The share of rounds rewarded and the loss at the end, means over whole episodes that nobody was trained on."""

    def one_round(carry: tuple[Array, EnvState], key: Array) -> tuple[tuple[Array, EnvState], tuple[Array, Array]]:
        obs, env_states, moments, loss = play(env, jax.random.split(key, UNSEEN), params, epsilon, *carry)
        return (obs, env_states), (moments.reward > 0, loss)

    begin_key, key = jax.random.split(jax.random.key(1000))
    _, (rewarded, loss) = jax.lax.scan(one_round, begin(env, begin_key, UNSEEN), jax.random.split(key, EPISODE))
    return rewarded.mean(), loss[-1].mean()


def main() -> None:
    """Train with either mixing, or with both, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixing", choices=["none", "sum"], help="of TD errors; without it, one after the other")
    parser.add_argument("--rounds", type=int, default=3000, help="of eight worlds")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    env = synapse_v0.functional_env(
        "boundary", hidden=(4,), interval=0, step_size=0.01, observation="box", max_cycles=EPISODE
    )
    line = "{:<12}{:.1%} of rounds rewarded, loss at the end {:.3f}".format
    for name in [args.mixing] if args.mixing else ["none", "sum"]:
        params = train(env, jax.random.key(args.seed), jnp.array(name == "sum"), args.rounds)
        print(line(f"mixing {name}", *evaluate(env, params, EPSILON)))
    print(line("uniform", *evaluate(env, params, 1.0)))


if __name__ == "__main__":
    main()
