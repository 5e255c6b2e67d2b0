"""The paper's loop, slow and plain: every synapse keeps two short lists, every line is a line of the paper.

    w_i <- w_i + eps a_i      R_t = +1 if L_t < L_{t-1} else -1      Q[s, a] += alpha (R + gamma max Q[s'] - Q[s, a])

Bhargava, Rezaei, Lankarany 2022, section 2, and the authors' code SynRL v6. Here actions are -1, 0, +1, everything is
float32, and nothing is clever: what is compiled must agree with this.
"""

from collections.abc import Callable, Iterable

import numpy as np

Weights = dict[str, np.ndarray]
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda h: np.maximum(h, 0),
    "tanh": np.tanh,
    "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
    "identity": lambda h: h,
}


class Oracle:
    """One network in training on the batch (x, target); target is int[B] classes or f32[B, C] values."""

    def __init__(
        self,
        weights: Weights,
        x: np.ndarray,
        target: np.ndarray,
        *,
        step_size: Callable[[int], float],
        memory: int = 2,
        activation: str = "relu",
        loss: str = "cross-entropy",
        delta: bool = False,
    ) -> None:
        self.weights = {name: np.array(weight, np.float32) for name, weight in weights.items()}
        self.x, self.target = x, target
        self.step_size, self.activation, self.loss_name, self.delta = step_size, activation, loss, delta
        self.t = 0
        self.last_actions = {name: [[0] * memory for _ in range(weight.size)] for name, weight in weights.items()}
        self.last_rewards = [0] * memory
        self.last_loss = self.loss()
        self.fall = np.float32(0)  # of the loss in the last round

    def observe(self) -> dict[str, list[int]]:
        """Every synapse's history as a number in base 3, oldest action first, newest reward last."""
        codes = {}
        for name, agents in self.last_actions.items():
            codes[name] = [base3(actions + self.last_rewards) for actions in agents]
        return codes

    def step(self, actions: dict[str, list[int]]) -> np.float32:
        """Everybody acts, the loss is taken, the team is rewarded."""
        eps = np.float32(self.step_size(self.t))
        for name, weight in self.weights.items():
            gain = np.float32(2 if name.endswith("bias") else 1)
            for i, action in enumerate(actions[name]):
                weight.flat[i] += gain * eps * np.float32(action)
                self.last_actions[name][i] = [*self.last_actions[name][i][1:], action]
        self.t += 1
        loss = self.loss()
        self.fall, self.last_loss = self.last_loss - loss, loss
        sign = 1 if self.fall > 0 else -1
        self.last_rewards = [*self.last_rewards[1:], sign]
        return self.fall if self.delta else np.float32(sign)

    def new_batch(self, x: np.ndarray, target: np.ndarray, *, reevaluate: bool) -> None:
        """Another batch; the original then compares its loss with the old batch's."""
        self.x, self.target = x, target
        if reevaluate:
            self.last_loss = self.loss()

    def loss(self) -> np.float32:
        """The loss of the present weights on the batch in use."""
        out = forward(self.weights, self.x, self.activation)
        if self.loss_name == "cross-entropy":
            total = np.float32(0)
            for row, label in zip(out, self.target, strict=True):
                total += np.log(np.exp(row - row.max()).sum()) + row.max() - row[label]
            return np.float32(total / len(out))
        wanted = self.target if self.target.ndim == 2 else np.eye(out.shape[1], dtype=np.float32)[self.target]
        error = np.abs(out - wanted)
        if self.loss_name == "mean-squared-error":
            return np.float32((error**2).mean())
        p = np.float32(self.loss_name.partition(":")[2] or 2)
        return np.float32((error**p).sum() ** (1 / p) / len(out))


def forward(weights: Weights, x: np.ndarray, activation: str) -> np.ndarray:
    """Layer by layer, the last one linear."""
    layers, x = len(weights) // 2, x.reshape(len(x), -1)
    for layer in range(layers):
        x = x @ weights[f"layer{layer}_weight"] + weights[f"layer{layer}_bias"]
        if layer < layers - 1:
            x = ACTIVATIONS[activation](x)
    return x


def base3(values: list[int]) -> int:
    """The number with the digits value + 1, most significant first."""
    number = 0
    for value in values:
        number = 3 * number + value + 1
    return number


def learn_in_place(
    table: np.ndarray, hits: Iterable[tuple[int, int, float, int]], *, alpha: float, gamma: float, hold: bool = False
) -> np.ndarray:
    """The table after each agent's (s, a, R, s') in turn; `hold` bootstraps on the table as it was before the first."""
    table = np.array(table, np.float32)
    worth = table.max(axis=1)
    for s, a, reward, later in hits:
        best = worth[later] if hold else table[later].max()
        table[s, a] += np.float32(alpha) * (np.float32(reward) + np.float32(gamma) * best - table[s, a])
    return table
