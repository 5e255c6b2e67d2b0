"""A convolutional network in Equinox learns digits without a gradient: 84 % held out, random agents 16 %.

    python examples/own_network.py

The network is any module, and the task any arrays: here 1,797 images and their classes. Prints the held-out
accuracy of the repeat/undo rule and of uniform actions.
"""

import equinox as eqx
import jax
from jax import Array

import synagents
from synagents.data import load_digits
from synagents.envs import synapse_v0

STEPS = 4_000


class Convolution(eqx.Module):
    """Eight 3x3 filters and a linear layer: 1,370 weights, and as many agents."""

    conv: eqx.nn.Conv2d
    out: eqx.nn.Linear

    def __init__(self, key: Array) -> None:
        """Draw the weights."""
        conv_key, out_key = jax.random.split(key)
        self.conv = eqx.nn.Conv2d(1, 8, 3, stride=2, padding=1, key=conv_key)
        self.out = eqx.nn.Linear(8 * 4 * 4, 10, key=out_key)

    def __call__(self, image: Array) -> Array:
        """The logits of one image."""
        return self.out(jax.nn.relu(self.conv(image)).ravel())


def main() -> None:
    """Train both, and tell."""
    digits = load_digits()
    task = synagents.from_arrays(digits.images / digits.scale, digits.labels, loss="cross-entropy", batch_size=300)
    network = synagents.from_module(Convolution, (1, 8, 8))
    step_size = synagents.Exponential(1e-2, 1e-3, STEPS)
    world = synapse_v0.world(task, network=network, interval=500, step_size=step_size)
    for learner in (synagents.RepeatUndo(), synagents.Uniform()):
        run, _ = synagents.train(jax.random.key(0), world, learner, STEPS)
        accuracy = float(synagents.evaluate(run)["accuracy"][0, 0])
        print(f"{type(learner).__name__:<11} {STEPS} rounds, held-out accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()
