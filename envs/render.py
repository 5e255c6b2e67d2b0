"""A picture of an episode: every weight, what its synapse did last, and the loss so far.

Blue and red are negative and positive weights; orange moved up, violet moved down, white rested. Where actions name
levels, or are any numbers, violet is low and orange is high.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from synagents.world import Params

MOST_ARRAYS = 4  # a picture shows the largest ones
COLOURS = ["#5e3c99", "#f7f7f7", "#e66101"]


class Renderer:
    """Collects what a picture shows and plots it; needs matplotlib, the package's extra `plot`.

    Args:
        actions: the space of an agent's action.
    """

    def __init__(self, actions: spaces.Space) -> None:
        self._figure: Any = None
        self._space = actions
        self.restart()

    def restart(self) -> None:
        """A new episode: nobody has acted, and no loss is known."""
        self._losses: list[float] = []
        self._actions: dict[str, np.ndarray] = {}

    def note(self, info: dict[str, Any], actions: dict[str, np.ndarray]) -> None:
        """Remember a round: what the world reports of it, and what all agents did, {group: uint8[n]}."""
        self._losses.append(float(info["loss"]))
        self._actions = actions

    def plot(self, title: str, weights: Params, *, show: bool) -> UInt8[np.ndarray, "height width 3"] | None:
        """The picture as an array, or `show` it in a window.

        Raises:
            ModuleNotFoundError: without matplotlib.
            RuntimeError: if a window is wanted where there is no screen.
        """
        if self._figure is None:
            self._figure = _window() if show else _canvas()
        figure = self._figure
        figure.clear()
        largest = sorted(weights, key=lambda name: -weights[name].size)[:MOST_ARRAYS]
        names = [name for name in weights if name in largest]
        grid = figure.add_gridspec(3, max(len(names), 1), height_ratios=[3, 3, 2])
        for column, name in enumerate(names):
            image = _as_image(np.asarray(weights[name]))
            moved = self._actions.get(name, np.full(image.size, self._rest)).reshape(image.shape)
            extreme = float(np.abs(image).max()) or 1.0
            above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
            _plot_image(above, image, f"{name}, +-{extreme:.2g}", "RdBu_r", (-extreme, extreme))
            _plot_image(below, moved, "last actions", *self._colours(moved))
        curve = figure.add_subplot(grid[2, :])
        curve.plot(np.arange(1, len(self._losses) + 1), self._losses, color="black", linewidth=0.8)
        curve.set_xlabel("round", fontsize=8)
        curve.set_ylabel("loss", fontsize=8)
        curve.tick_params(labelsize=7)
        figure.suptitle(title, fontsize=10)
        figure.canvas.draw()
        if show:
            figure.canvas.flush_events()
            return None
        return np.asarray(figure.canvas.buffer_rgba())[:, :, :3].copy()

    @property
    def _rest(self) -> float:
        """An action in the middle, for agents that have not acted."""
        return (float(self._space.n) - 1) / 2 if isinstance(self._space, spaces.Discrete) else 0.0

    def _colours(self, moved: np.ndarray) -> tuple[Any, tuple[float, float]]:
        """The colours of actions, low to high, and the numbers of the first and the last."""
        from matplotlib.colors import ListedColormap

        if not isinstance(self._space, spaces.Discrete):
            extreme = float(np.abs(moved).max()) or 1.0
            return "PuOr_r", (-extreme, extreme)
        count = int(self._space.n)
        return ListedColormap(COLOURS) if count == len(COLOURS) else "PuOr_r", (0, count - 1)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._figure is not None and self._figure.canvas.manager is not None:
            import matplotlib.pyplot

            matplotlib.pyplot.close(self._figure)
        self._figure = None


def _plot_image(axis: Any, image: np.ndarray, title: str, colours: Any, span: tuple[float, float]) -> None:
    axis.imshow(image, cmap=colours, vmin=span[0], vmax=span[1], aspect="auto", interpolation="nearest")
    axis.set_title(title, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])


def _as_image(array: np.ndarray) -> np.ndarray:
    return array.reshape(array.shape[0], -1) if array.ndim > 1 else array.reshape(1, -1)


def _canvas() -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _window() -> Any:
    import matplotlib.pyplot
    from matplotlib.backends import BackendFilter, backend_registry

    if matplotlib.pyplot.get_backend().lower() not in backend_registry.list_builtin(BackendFilter.INTERACTIVE):
        raise RuntimeError("There is no screen for render_mode='human': use render_mode='rgb_array'.")
    figure = matplotlib.pyplot.figure(figsize=(6.4, 5.6), layout="constrained")
    figure.show()
    return figure
