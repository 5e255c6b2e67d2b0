"""Every task and network: types of all arrays, in 32 bits and where JAX is told to use 64, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from synagents import DecisionTask, Network, Task
from synagents.envs import synapse_v0, unit_v0
from synagents.hyperparameters import settings
from synagents.registry import offers
from tests.claims import READ_FILES, refused
from tests.test_series import write_ts
from tests.toys import pictures

# One row for each task and network: constructors that need something are given it here.
TABLE = """
import sys
import jax, jax.numpy as jnp, numpy as np
import synagents
from gymnasium import spaces
from synagents.registry import offers
from synagents.tasks.from_gymnasium import from_gymnasium
from synagents.world import DecisionTask

WIDE = {"float64", "int64", "uint64", "complex128"}
KEY = jax.random.key(0)
failed = []

def check(name, tree, like=None):
    leaves = jax.tree.leaves(tree)
    wide = [str(leaf.dtype) for leaf in leaves if str(leaf.dtype) in WIDE]
    if wide:
        failed.append(f"{name}: {wide}")
    if like is not None and [(x.shape, x.dtype) for x in leaves] != [(x.shape, x.dtype) for x in jax.tree.leaves(like)]:
        failed.append(f"{name}: {tree} is not like {like}")

def check_task(name, task):
    state = jax.eval_shape(task.init, KEY)
    check(f"{name}.init", state)
    stimulus = jax.eval_shape(task.stimulus, state)
    check(f"{name}.stimulus", stimulus)
    if isinstance(task, DecisionTask):
        space = task.action_space
        action = jax.ShapeDtypeStruct(space.shape, jnp.int32 if isinstance(space, spaces.Discrete) else jnp.float32)
        after, answer = jax.eval_shape(task.respond, KEY, state, action)
        check(f"{name}.respond", answer, [jax.ShapeDtypeStruct((), kind) for kind in (jnp.float32, bool, bool)])
    else:
        out = jax.ShapeDtypeStruct((stimulus.shape[0], task.out_size), jnp.float32)
        after, loss = jax.eval_shape(task.respond, KEY, state, out)
        check(f"{name}.loss", loss, jax.ShapeDtypeStruct((), jnp.float32))
        check(f"{name}.refresh", jax.eval_shape(task.refresh, KEY, state), state)
        width = task.out_size
        for part in ("train", "held_out"):
            apply = lambda x: jnp.zeros((x.shape[0], width), x.dtype)
            metrics = jax.eval_shape(lambda state: task.evaluate(state, apply, part), state)
            check(f"{name}.evaluate", metrics, {each: jax.ShapeDtypeStruct((), jnp.float32) for each in metrics})
    check(f"{name}.after", after, state)

images, labels = np.arange(48, dtype=np.uint8).reshape(12, 4), np.arange(12) % 3
np.savez(sys.argv[1] + "/notMNIST.npz", images=images, labels=labels)
given = {name: {"data": sys.argv[1], "batch_size": 4} for name in sys.argv[2:]}
for name, make in offers("tasks").items():
    check_task(name, make(**given.get(name, {})))
check_task("arrays", synagents.from_arrays(images, labels, loss="mean-squared-error", batch_size=4))
check_task("values", synagents.from_arrays(images / 9, labels / 3, loss="p-norm:1.5", batch_size=4))
check_task("batches", synagents.from_batches([(images, labels)] * 3, loss="cross-entropy"))
check_task("logistic", offers("tasks")["perceptron"](kind="logistic"))
check_task("pendulum", from_gymnasium("Pendulum-v1"))

def check_network(name, network, size):
    params = jax.eval_shape(network.init, KEY)
    check(f"{name}.init", params, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.float32), params))
    out = jax.eval_shape(network.apply, params, jax.ShapeDtypeStruct((3, size), jnp.float32))
    check(f"{name}.apply", out, jax.ShapeDtypeStruct((3, 2), jnp.float32))

for activation in ("relu", "tanh", "sigmoid", "identity"):
    check_network(activation, synagents.MLP((4, 3, 2), activation), 4)
import equinox as eqx, flax.linen as nn
from flax import nnx
check_network("equinox", synagents.from_module(lambda key: eqx.nn.MLP(4, 2, 3, 1, key=key), (4,)), 4)
check_network("linen", synagents.from_module(nn.Dense(2), (4,)), 4)
check_network("nnx", synagents.from_module(lambda key: nnx.Linear(4, 2, rngs=nnx.Rngs(key)), (4,)), 4)
print("\\n".join(failed) or "all alike")
"""


@pytest.mark.parametrize("x64", ["0", "1"])
def test_no_task_or_network_is_wider_than_32_bits_or_changes_its_types(tmp_path: Path, x64: str) -> None:
    write_ts(tmp_path, "JapaneseVowels", 8)
    done = subprocess.run(
        [sys.executable, "-c", TABLE, str(tmp_path), *READ_FILES],
        env=os.environ | {"JAX_ENABLE_X64": x64},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "all alike", done.stdout + done.stderr


def test_a_task_without_arrays_and_a_network_start_no_device_when_they_are_made() -> None:
    code = (
        "import sys\n"
        "import synagents\n"
        "from synagents.registry import offers\n"
        "from jax._src import xla_bridge\n"
        "arrays = ('characters', 'chirp', 'digits', 'scalar-regression', 'text')\n"  # tasks that hold some
        "for name, make in offers('tasks').items():\n"
        "    if name not in (*arrays, *sys.argv[1:]):\n"
        "        make()\n"
        "synagents.MLP((4, 2))\n"
        "print(xla_bridge.backends_are_initialized())"
    )
    words = [sys.executable, "-c", code, *READ_FILES]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "False", done.stdout + done.stderr


def test_every_task_derives_from_the_contract() -> None:
    for name, make in offers("tasks").items():
        if name not in READ_FILES:
            assert isinstance(make(), Task | DecisionTask), name


# What a stranger may forget


@settings
class Forgetful(Task):
    """Says nothing of its shapes."""

    def init(self, key: Any) -> Any:
        return ()

    def stimulus(self, state: Any) -> Any:
        return jnp.zeros((2, 3), jnp.float32)

    def respond(self, key: Any, state: Any, out: Any) -> Any:
        return state, jnp.mean(out)

    def refresh(self, key: Any, state: Any) -> Any:
        return state

    def evaluate(self, state: Any, apply_fn: Any, part: Any) -> Any:
        return {"loss": jnp.float32(0)}


@settings
class ForgetfulOfOutputs(Forgetful):
    """Says the shape of a sample alone."""

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (3,)


@settings
class Undecided(DecisionTask):
    """Does not say what may be done."""

    def init(self, key: Any) -> Any:
        return ()

    def stimulus(self, state: Any) -> Any:
        return jnp.zeros(3, jnp.float32)

    def respond(self, key: Any, state: Any, action: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: synapse_v0.world(Forgetful()), "Forgetful does not say its in_shape"),
        (lambda: synapse_v0.world(ForgetfulOfOutputs()), "ForgetfulOfOutputs does not say its out_size"),
        (lambda: unit_v0.world(Undecided()), "Undecided does not say its action_space"),
        (lambda: synapse_v0.world(Undecided()), "is no task that answers outputs with a loss"),  # type: ignore[arg-type]
        (lambda: unit_v0.world(Forgetful()), "asks for no decisions"),  # type: ignore[arg-type]
    ],
)
def test_what_a_task_forgot_to_say_is_named(make: Any, said: str) -> None:
    assert said in refused(make)


class HalfANetwork(Network):
    """Cannot be made."""

    def apply(self, params: Any, x: Any) -> Any:
        return x


@settings
class Listed(Network):
    """Makes a list instead of a dict of arrays."""

    def init(self, key: Any) -> Any:
        return [jnp.zeros(3, jnp.float32)]

    def apply(self, params: Any, x: Any) -> Any:
        return x @ params["weight"]


def test_what_a_network_forgot_is_named() -> None:
    with pytest.raises(TypeError, match=r"HalfANetwork.*init"):  # Python's own sentence
        HalfANetwork()  # type: ignore[abstract]
    task = pictures()
    for network in (Listed(), "mlp", jax.nn.relu):
        said = refused(lambda network=network: synapse_v0.world(task, network=network))
        assert "network" in said
