"""One random word per agent for almost nothing: an integer hash of the agent's index, keyed anew every round.

    x = i c + k0;   x = f1(x);   x = f2(x + k1)          f1, f2: xor-shift, multiply; k0, k1: 64 bits from threefry

JAX's own generator spends 4 ns on a word, ten times what an agent's look-up costs; this hash is a handful of integer
operations that the compiler fuses into the choice itself. It implements JAX's key interface, so learners call
`jax.random` as always and never know; `tests/test_counter.py` holds it to its statistics. The constants are those of a
low-bias hash found by search (Wellons 2018); the multiplier of the index is Weyl's, 2^32 / golden ratio.
"""

import math

import jax
import jax.numpy as jnp
from jax.extend.random import define_prng_impl
from jaxtyping import Array, Key, UInt32

WEYL = 0x9E3779B1
_HIGH, _LOW = 0x85EBCA6B, 0xC2B2AE35  # arbitrary odd numbers that keep the two halves of a key apart


def _finish(x: UInt32[Array, "..."], salt: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    x = (x ^ (x >> 16)) * jnp.uint32(0x21F0AAAD)
    x = ((x ^ (x >> 15)) + salt) * jnp.uint32(0x735A2D97)
    return x ^ (x >> 15)


def _words(key: UInt32[Array, "2"], shape: tuple[int, ...], stream: int = 0) -> UInt32[Array, "..."]:
    index = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return _finish(index * jnp.uint32(WEYL) + (key[0] ^ jnp.uint32(stream)), key[1] ^ jnp.uint32(_HIGH))


def _random_bits(key: UInt32[Array, "2"], bit_width: int, shape: tuple[int, ...]) -> Array:
    if bit_width == 64:
        high, low = _words(key, shape), _words(key, shape, stream=_LOW)
        return high.astype(jnp.uint64) << 32 | low.astype(jnp.uint64)
    return (_words(key, shape) >> (32 - bit_width)).astype(f"uint{bit_width}")


def _fold_in(key: UInt32[Array, "2"], data: UInt32[Array, ""] | int) -> UInt32[Array, "2"]:
    step = jnp.asarray(data).astype(jnp.uint32) * jnp.uint32(WEYL)
    high = _finish(step + (key[0] ^ jnp.uint32(_HIGH)), key[1])  # for one key a bijection of the data
    low = _finish(step + (key[1] ^ jnp.uint32(_LOW)), key[0] ^ high)
    return jnp.stack([high, low])


def _seed(seed: Array) -> UInt32[Array, "2"]:
    return jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))


def _split(key: UInt32[Array, "2"], shape: tuple[int, ...]) -> UInt32[Array, "*shape 2"]:
    numbers = jax.lax.iota(jnp.uint32, math.prod(shape))
    return jax.vmap(lambda number: _fold_in(key, number))(numbers).reshape(*shape, 2)


COUNTER = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="synagents_counter",
    tag="ctr",
)


def counter_key(key: Key[Array, "*shape"]) -> Key[Array, "*shape"]:
    """The same 64 bits as a key of this generator; what is drawn from it is cheap, and good enough for choosing."""
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=COUNTER)
