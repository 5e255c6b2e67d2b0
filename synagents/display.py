"""Objects as notebooks show them: a small table, in HTML."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers with a point are shown to four digits."""
    lines = [_line("th", head)] if head else []
    return "<table>" + "".join([*lines, *(_line("td", row) for row in rows)]) + "</table>"


def _line(tag: str, cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in cells) + "</tr>"


def _text(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
