"""Files of scores as one HTML page that needs nothing else, with its pictures beside it as SVG and PNG.

    DIR/index.html    DIR/suite-profiles.svg, .png    DIR/suite-profiles-dark.svg, .png    ...

The page holds all pictures, light and dark, and asks for nothing. Every picture says in its metadata by which command
it was made.
"""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from synagents.hyperparameters import require
from synagents.report import board as boards
from synagents.report.board import Board
from synagents.report.board_pictures import Picture, pictures
from synagents.report.page import asset, filled
from synagents.report.plot import ground, save_figure
from synagents.report.tables import Table
from synagents.run.files import check_writable, path_of, write_whole

FILE = "index.html"
NOTE = (
    "Lines stand beside those that are told the same. Intervals are 95 % bootstrap intervals, runs resampled within "
    "each task; that of a line of a single run cannot say what another run would give, and is not drawn. Scores are "
    "those of the last look, never the best."
)


def write_page(
    files: Sequence[Path], out: str | Path, command: str, *, tasks: Sequence[str] = (), against: str | None = None
) -> Path:
    """Write the page and its pictures.

    Args:
        files: of scores, of the first track and of the policy track.
        out: the folder to write into; it is made where its own folder is there.
        command: what the page and the pictures say they were made by.
        tasks: of the benchmark, and "toys"; none for all.
        against: the line that others are set against; None for the reference.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: if one of the files is not there.
        ValueError: if one holds no scores, a task or line is unknown, matplotlib is missing, or the folder cannot be
            written.
    """
    folder = path_of(out)
    require(not folder.is_file(), f"{folder} is a file: name a folder for the page and its pictures.")
    require(folder.parent.is_dir(), f"There is no folder {folder.parent}: make it first, or name another place.")
    there = boards.read(files, tasks)
    if against is not None:
        boards.require_line(there, against)
    with ground(dark=False):  # a missing matplotlib is told before a folder is made
        folder.mkdir(exist_ok=True)
    page = check_writable(folder / FILE)
    sections = [_board(board, against, folder, command) for board in there]
    parts = {
        "@TITLE@": "Scores of multi-agent learning",
        "@STYLE@": asset("page.css"),
        "@NOTE@": NOTE,
        "@BOARDS@": "\n".join(sections),
        "@COMMAND@": html.escape(command),
    }
    write_whole(page, filled(asset("board.html"), parts).encode())
    return page


def _board(board: Board, against: str | None, folder: Path, command: str) -> str:
    """The sections of one board, whose pictures are written on the way."""
    other = board.reference(against)
    estimates = {"means": board.means(), "ranks": board.ranks(), "improvements": board.improvements(other)}
    tables = [
        (f"Over all tasks: {board.scale}, mean rank, and chance against {other}", _summary(board, other, estimates))
    ]
    cards = [f"<h2 class=wide>{html.escape(board.title)}</h2>"]
    if left := [line for line in board.runs if line not in board.whole]:
        said = f"Not in what is over all tasks, since they have not played all: {', '.join(left)}."
        cards.append(f"<p class='wide quiet'>{html.escape(said)}</p>")
    cards += [_card(title, table.html()) for title, table in [*tables, *board.tables]]
    for picture in pictures(board, other, estimates):
        light, dark = (_drawn(picture, board, folder, command, dark=dark) for dark in (False, True))
        cards.append(_card(picture.title, _embedded(light, dark, picture), picture.text))
    return "\n".join(cards)


def _summary(board: Board, against: str, estimates: dict[str, dict[str, boards.Estimate]]) -> Table:
    """A row for each line: the statistics over all tasks, where it has played them all, the best rank first."""
    table = Table(["line", "tasks", "interquartile mean", "mean rank", f"P(better than {against})"], [])
    columns = [estimates[name] for name in ("means", "ranks", "improvements")]
    for title, those in board.groups.items():
        ranked = [line for line in estimates["ranks"] if line in those]
        rows = []
        for line in [*ranked, *(line for line in those if line not in ranked)]:
            tasks = f"{len(board.runs[line])} of {len(board.tasks)}"
            rows.append([line, tasks, *(str(column.get(line, "")) for column in columns)])
        table.groups.append((title, rows))
    return table


def _drawn(picture: Picture, board: Board, folder: Path, command: str, *, dark: bool) -> Path:
    """Write a picture as PNG and as SVG; the path of the SVG."""
    name = f"{board.name}-{picture.name}{'-dark' if dark else ''}"
    with ground(dark=dark):
        figure = picture.draw(dark)
        save_figure(figure, folder / f"{name}.png", command)
        return save_figure(figure, folder / f"{name}.svg", command)


def _embedded(light: Path, dark: Path, picture: Picture) -> str:
    sources = [f"data:image/svg+xml;base64,{base64.b64encode(_shortened(file)).decode()}" for file in (dark, light)]
    said = html.escape(picture.title)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{sources[0]}">'
        f'<img src="{sources[1]}" alt="{said}"></picture>'
        f'<p class="quiet">For a talk: <code>{light.stem}</code> and <code>{dark.stem}</code>, .svg and .png.</p>'
    )


def _shortened(file: Path) -> bytes:
    """An SVG whose paths have two digits after the point, a hundredth of a point: half of the bytes."""
    cut = re.compile(rb"(\.\d\d)\d+")
    return re.sub(rb' d="[^"]*"', lambda path: cut.sub(rb"\1", path[0]), file.read_bytes())


def _card(title: str, inside: str, text: str = "") -> str:
    said = f"<p>{html.escape(text)}</p>" if text else ""
    return f"<section class=wide><h3>{html.escape(title)}</h3>{said}{inside}</section>"
