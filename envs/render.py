"""A picture of an episode: what the world shows of itself, what every agent did last, and how it has gone so far.

Of a network in training these are its weights and the loss of every round; of units their activity, and of plastic
synapses their traces (`World.pictures`). Where a world says what episodes return, the curve is of returns. Blue and red
are negative and positive numbers; orange moved up or fired, violet moved down or was silent, white rested. Where
actions name levels, or are any numbers, violet is low and orange is high.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from synagents.world import Group, Metrics, Params

MOST_ARRAYS = 4  # a picture shows the largest ones
COLOURS = ["#5e3c99", "#f7f7f7", "#e66101"]


class Renderer:
    """Collects what a picture shows and plots it; needs matplotlib, the package's extra `plot`.

    Args:
        groups: of the world.
    """

    def __init__(self, groups: tuple[Group, ...]) -> None:
        self._figure: Any = None
        self._groups = {group.name: group for group in groups}
        self._returns: list[float] = []
        self.restart()

    def restart(self) -> None:
        """A new episode: nobody has acted, and no loss is known; returns of earlier episodes stay."""
        self._losses: list[float] = []
        self._actions: dict[str, np.ndarray] = {}
        self._pays_returns = False

    def note(self, actions: dict[str, np.ndarray], info: Metrics | None) -> None:
        """Remember a turn.

        Args:
            actions: of the groups that acted in it, {group: [n]}.
            info: what the world reports of the round, if this was its last turn.
        """
        self._actions = self._actions | actions
        if info is None:
            return
        self._pays_returns = "returns" in info
        if not self._pays_returns:
            self._losses.append(float(info["loss"]))
        elif info["episodes"]:
            self._returns.append(float(info["returns"]))

    def plot(self, title: str, arrays: Params, *, show: bool) -> UInt8[np.ndarray, "height width 3"] | None:
        """The picture as an array, or `show` it in a window.

        Args:
            title: over the picture.
            arrays: {name: f32[...]}; what a group did last stands below the array of its name.
            show: whether in a window.

        Raises:
            ModuleNotFoundError: without matplotlib.
            RuntimeError: if a window is wanted where there is no screen.
        """
        if self._figure is None:
            self._figure = _window() if show else _canvas()
        figure = self._figure
        figure.clear()
        largest = sorted(arrays, key=lambda name: -arrays[name].size)[:MOST_ARRAYS]
        names = [name for name in arrays if name in largest]
        grid = figure.add_gridspec(3, max(len(names), 1), height_ratios=[3, 3, 2])
        for column, name in enumerate(names):
            image = _as_image(np.asarray(arrays[name]))
            extreme = float(np.abs(image).max()) or 1.0
            above = figure.add_subplot(grid[0, column])
            _plot_image(above, image, f"{name}, +-{extreme:.2g}", "RdBu_r", (-extreme, extreme))
            if name in self._groups:
                self._plot_actions(figure.add_subplot(grid[1, column]), self._groups[name])
        self._plot_curve(figure.add_subplot(grid[2, :]))
        figure.suptitle(title, fontsize=10)
        figure.canvas.draw()
        if show:
            figure.canvas.flush_events()
            return None
        return np.asarray(figure.canvas.buffer_rgba())[:, :, :3].copy()

    def _plot_actions(self, axis: Any, group: Group) -> None:
        space = group.action_space
        middle = (float(space.n) - 1) / 2 if isinstance(space, spaces.Discrete) else 0.0  # of those that have not acted
        acted = self._actions.get(group.name, np.full(group.size, middle))
        _plot_image(axis, _as_image(acted.reshape(group.shape)), "last actions", *_colours(space, acted))

    def _plot_curve(self, axis: Any) -> None:
        values, when, what = self._losses, "round", "loss"
        if self._pays_returns or self._returns:
            values, when, what = self._returns, "episode", "return"
        axis.plot(np.arange(1, len(values) + 1), values, color="black", linewidth=0.8)
        axis.set_xlabel(when, fontsize=8)
        axis.set_ylabel(what, fontsize=8)
        axis.tick_params(labelsize=7)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._figure is not None and self._figure.canvas.manager is not None:
            import matplotlib.pyplot

            matplotlib.pyplot.close(self._figure)
        self._figure = None


def _colours(space: spaces.Space, acted: np.ndarray) -> tuple[Any, tuple[float, float]]:
    """The colours of actions, low to high, and the numbers of the first and the last."""
    from matplotlib.colors import ListedColormap

    if not isinstance(space, spaces.Discrete):
        extreme = float(np.abs(acted).max()) or 1.0
        return "PuOr_r", (-extreme, extreme)
    count = int(space.n)
    return ListedColormap(COLOURS) if count == len(COLOURS) else "PuOr_r", (0, count - 1)


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
