"""What the algorithms share: the team's rewards, advantages and returns of a rollout, and descent in minibatches.

    reward      r = (R - mean R) / std R                        world by world, over the T rounds of a rollout
    advantage   A[t] = d[t] + gamma lambda A[t+1],  d = r + gamma V' - V      (GAE, Schulman et al. 2016)
    return      G[t] = r + gamma ((1 - lambda) V' + lambda G[t+1])            (Sutton & Barto 2018, chapter 12)

All agents get one number, the fall of a loss, whose size differs a thousandfold between the worlds of a batch and from
the beginning of a life to its end. So each world's rewards are measured in their own spread, from their own mean. The
measure is ours; everything else is as in the papers.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from synagents.hyperparameters import require, require_between, require_whole
from synagents.world import LearnerBase, Mind, RewardKind, Transition

GRADED = RewardKind(graded=True, same_batch=True)  # what deep learners need of rewards: as policy gradients do
TINY = 1e-8


class SharedPolicy(LearnerBase):
    """A learner whose agents act by one policy, which may be a table; derive it together with a kind of learner."""

    rollout_length: ClassVar[int] = 100  # rounds that are learned from at once on the policy track

    def policy_table(self, mind: Mind) -> Float[Array, "S A"] | None:
        """pi(a | s) after every history; by default None: the policy is not a function of a code alone."""
        del mind
        return None

    def carried(self, learned: Any, fresh: Any) -> Mind:
        """A mind in worlds of another size: the networks that have the same shape there, and all else fresh.

        A central critic and a mixer read the whole of one world and stay with it; so does what the optimizer remembers.

        Args:
            learned: the mind elsewhere, with its networks in `trained.params`.
            fresh: what `init` makes here.
        """
        before, now = learned.trained.params, fresh.trained.params
        pairs = zip(before, now, strict=True)
        params = type(now)(*(old if _shapes(old) == _shapes(new) else new for old, new in pairs))
        return fresh._replace(trained=fresh.trained._replace(params=params))


def _shapes(tree: PyTree) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(tree)]


def require_settings(
    learner: LearnerBase,
    *,
    shares: Sequence[str],
    above: Sequence[str],
    whole: Sequence[str],
    least: Sequence[str] = (),
) -> None:
    """That `shares` are in [0, 1], `above` > 0, `whole` >= 1 and whole, `least` >= 0; ValueError for the first not."""
    for name in shares:
        require_between(name, getattr(learner, name), 0, 1)
    for name in above:
        require_between(name, getattr(learner, name), 0, above=True)
    for name in least:
        require_between(name, getattr(learner, name), 0)
    for name in whole:
        require_whole(name, getattr(learner, name), 1)


class Trained(NamedTuple):
    """Parameters, and what their optimizer remembers."""

    params: PyTree
    optimizer: PyTree


def adam(learning_rate: float | Array) -> optax.GradientTransformation:
    """Adam with gradients of a norm of at most 0.5 (Kingma & Ba 2015; the norm: Schulman et al. 2017's code)."""
    return optax.chain(optax.clip_by_global_norm(0.5), optax.scale_by_adam(eps=1e-5), optax.scale(-learning_rate))


def team_rewards(transition: Transition) -> Float[Array, "T W"]:
    """The team's rewards in standard deviations from their mean, world by world; ValueError for one round."""
    require(
        len(transition.terminated) > 1,
        "Deep learners measure rewards in the spread of a rollout, and one round has none: play with a rollout_length "
        "such as 100.",
    )
    parts = [reward.mean(axis=tuple(range(2, reward.ndim))) for reward in transition.reward.values()]
    reward = jnp.stack(parts).mean(axis=0)
    centred = reward - reward.mean(axis=0)
    return centred / (jnp.sqrt(jnp.mean(centred**2, axis=0)) + TINY)


def going_on(transition: Transition, like: Float[Array, "T W *n"]) -> Float[Array, "T W *n"]:
    """0 where an episode ended in the round, else 1, in the shape of `like`."""
    return jnp.broadcast_to(~transition.terminated[..., None], like.shape).astype(jnp.float32)


def advantages(
    reward: Float[Array, "T W *n"],
    value: Float[Array, "T W *n"],
    last: Float[Array, "W *n"],
    goes_on: Float[Array, "T W *n"],
    gamma: float,
    trace: float,
) -> Float[Array, "T W *n"]:
    """Generalised advantage estimates.

    Args:
        reward: of each round.
        value: of what was seen before it.
        last: of what is seen after the last round.
        goes_on: 0 where an episode ended in the round, else 1.
        gamma: discount in [0, 1].
        trace: lambda in [0, 1].
    """
    later = jnp.concatenate([value[1:], last[None]])
    surprise = reward + gamma * goes_on * later - value

    def back(after: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        advantage = now[0] + gamma * trace * now[1] * after
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(last), (surprise, goes_on), reverse=True)[1]


def lambda_returns(
    reward: Float[Array, "T W 1"],
    later: Float[Array, "T W *n"],
    goes_on: Float[Array, "T W *n"],
    gamma: float,
    trace: float,
) -> Float[Array, "T W *n"]:
    """Returns that trust a value after the last round, and a share lambda less in every round before.

    Args:
        reward: of each round.
        later: what is expected of what is seen after it.
        goes_on: 0 where an episode ended in the round, else 1.
        gamma: discount in [0, 1].
        trace: lambda in [0, 1].
    """

    def back(after: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        reward, later, goes_on = now
        gain = reward + gamma * goes_on * ((1 - trace) * later + trace * after)
        return gain, gain

    return jax.lax.scan(back, later[-1], (reward, later, goes_on), reverse=True)[1]


def by_round(rows: PyTree) -> PyTree:
    """Every round of every world as a row: [T W, ...] from [T, W, ...]."""
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), rows)


def descend(
    key: Key[Array, ""],
    trained: Trained,
    loss: Callable[[PyTree, PyTree], Float[Array, ""]],
    rows: PyTree,
    rule: optax.GradientTransformation,
    *,
    epochs: int,
    minibatches: int,
) -> Trained:
    """Several passes over the rows of a rollout, in minibatches drawn anew in each.

    Args:
        key: for the order of rows.
        trained: what is improved.
        loss: of parameters and a minibatch of rows.
        rows: a tree of arrays [R, ...]: what minibatches are drawn of.
        rule: makes a step of a gradient.
        epochs: passes, >= 1.
        minibatches: >= 1; rows that are left over wait for the next pass.
    """
    count = len(jax.tree.leaves(rows)[0])
    parts = min(minibatches, count)
    size = count // parts

    def one(trained: Trained, chosen: Array) -> tuple[Trained, None]:
        batch = rows if parts == 1 else jax.tree.map(lambda x: x[chosen], rows)
        gradient = jax.grad(loss)(trained.params, batch)
        step, optimizer = rule.update(gradient, trained.optimizer, trained.params)
        return Trained(optax.apply_updates(trained.params, step), optimizer), None

    orders = jax.vmap(lambda k: jax.random.permutation(k, count))(jax.random.split(key, epochs))
    return jax.lax.scan(one, trained, orders[:, : parts * size].reshape(-1, size))[0]
