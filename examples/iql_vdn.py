"""Deep independent Q-learning and VDN in one file: prints reward rates and last losses, trained against uniform.

    python examples/iql_vdn.py [--mixing none|sum] [--rounds 3000] [--seed 0]

All 22 synapses of a network 2-4-2 share one Q network. `none` is independent Q-learning (Tan 1993): every synapse has a
TD error of its own, as if it alone had earned the team's reward. `sum` is VDN (Sunehag et al. 2018): one TD error for
the sum of the team's values. Eight networks are played side by side; every life has a teacher of its own. Uniform
actions are the control, on the same sixteen lives, none of them trained on.

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
from synagents.envs.views import FunctionalEnv, Life

WORLDS, CAPACITY, BATCH, LIFETIME = 8, 2000, 32, 500
GAMMA, LEARNING_RATE, TARGET_EVERY = 0.85, 2e-3, 100
EXPLORE = 0.1  # also when judged: a team without luck comes back to the histories it had, and is stuck in a cycle
UNSEEN = 16  # lives to be judged by
Params = tuple[Array, Array, Array, Array]


class Moment(NamedTuple):
    """A round of one world; the replay buffer has axes [C, W] in front."""

    obs: Array  # f32[N, D]
    action: Array  # int32[N]
    reward: Array  # f32[] of the team
    later: Array  # f32[N, D] what was seen next; also where a life was cut, for it was not over


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
    env: FunctionalEnv, key: Array, params: Params, explore: Array, obs: Array, life: Life
) -> tuple[Array, Life, Moment, Array]:
    """One epsilon-greedy round of a world: what is seen now, the life, what to remember, and the loss."""
    luck_key, draw_key, step_key = jax.random.split(key, 3)
    lucky = jax.random.uniform(luck_key, len(obs)) < explore
    action = jnp.where(lucky, jax.random.randint(draw_key, len(obs), 0, 3), q_values(params, obs).argmax(-1))
    seen, life, reward, _, info = env.step(step_key, life, apart(env, action))
    moment = Moment(obs, action, together(env, reward)[0], together(env, info["final_obs"]))
    return together(env, seen), life, moment, info["loss"]


def begin(env: FunctionalEnv, key: Array, worlds: int) -> tuple[Array, Life]:
    """What is seen [W, N, D] at the beginning of so many lives, and the lives."""
    seen, lives = jax.vmap(env.reset)(jax.random.split(key, worlds))
    return jax.vmap(partial(together, env))(seen), lives


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
    obs, lives = begin(env, begin_key, WORLDS)
    action, reward = jnp.zeros(obs.shape[:2], jnp.int32), jnp.zeros(WORLDS)
    replay = jax.tree.map(lambda x: jnp.zeros((CAPACITY, *x.shape), x.dtype), Moment(obs, action, reward, obs))

    def one_round(carry: tuple, now: tuple[Array, Array]) -> tuple[tuple, None]:
        params, target, optimizer, obs, lives, replay = carry
        t, key = now
        play_key, when_key, where_key = jax.random.split(key, 3)
        explore = jnp.maximum(EXPLORE, 1 - 2 * t / rounds)
        obs, lives, moments, _ = play(env, jax.random.split(play_key, WORLDS), params, explore, obs, lives)
        replay = jax.tree.map(lambda old, new: old.at[t % CAPACITY].set(new), replay, moments)
        when = jax.random.randint(when_key, BATCH, 0, jnp.minimum(t + 1, CAPACITY))
        where = jax.random.randint(where_key, BATCH, 0, WORLDS)
        slopes = jax.grad(loss_of)(params, target, jax.tree.map(lambda x: x[when, where], replay), mixing)
        updates, optimizer = adam.update(slopes, optimizer)
        params = optax.apply_updates(params, updates)
        target = jax.tree.map(lambda old, new: jnp.where(t % TARGET_EVERY == 0, new, old), target, params)
        return (params, target, optimizer, obs, lives, replay), None

    start = (params, params, adam.init(params), obs, lives, replay)
    (params, *_), _ = jax.lax.scan(one_round, start, (jnp.arange(rounds), jax.random.split(key, rounds)))
    return params


@jax.jit
def judge(env: FunctionalEnv, params: Params, explore: float) -> tuple[Array, Array]:
    """The share of rounds rewarded and the loss at the end, means over whole lives that nobody was trained on."""

    def one_round(carry: tuple[Array, Life], key: Array) -> tuple[tuple[Array, Life], tuple[Array, Array]]:
        obs, lives, moments, loss = play(env, jax.random.split(key, UNSEEN), params, explore, *carry)
        return (obs, lives), (moments.reward > 0, loss)

    begin_key, key = jax.random.split(jax.random.key(1000))
    _, (rewarded, loss) = jax.lax.scan(one_round, begin(env, begin_key, UNSEEN), jax.random.split(key, LIFETIME))
    return rewarded.mean(), loss[-1].mean()


def main() -> None:
    """Train with either mixing, or with both, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixing", choices=["none", "sum"], help="of TD errors; without it, one after the other")
    parser.add_argument("--rounds", type=int, default=3000, help="of eight worlds")
    parser.add_argument("--seed", type=int, default=0, help="of the training, below 1000")
    args = parser.parse_args()

    env = synapse_v0.functional_env(
        "boundary", hidden=(4,), interval=0, step_size=0.01, observation="box", max_cycles=LIFETIME
    )
    tell = "{:<12}{:.1%} of rounds rewarded, loss at the end {:.3f}".format
    for name in [args.mixing] if args.mixing else ["none", "sum"]:
        params = train(env, jax.random.key(args.seed), jnp.array(name == "sum"), args.rounds)
        print(tell(f"mixing {name}", *judge(env, params, EXPLORE)))
    print(tell("uniform", *judge(env, params, 1.0)))


if __name__ == "__main__":
    main()
