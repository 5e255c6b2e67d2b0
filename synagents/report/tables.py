"""A table of scores, in Markdown or as HTML: rows in groups, each group under its title."""

import html
from typing import NamedTuple


class Table(NamedTuple):
    """Cells are plain text; one that stands between double stars, as in Markdown, is bold."""

    head: list[str]
    groups: list[tuple[str, list[list[str]]]]  # a title, and rows as long as the head

    def markdown(self) -> str:
        """The table for a page in Markdown, or for a terminal."""
        rows = [_row(self.head), "|" + "---|" * len(self.head)]
        for title, own in self.groups:
            rows.append(_row([f"*{title}*", *[""] * (len(self.head) - 1)]))
            rows += map(_row, own)
        return "\n".join(rows)

    def html(self) -> str:
        """The table for a page in HTML, in a frame that can be scrolled; what it says is escaped."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.head)
        rows = []
        for title, own in self.groups:
            rows.append(f'<tr><th colspan="{len(self.head)}">{html.escape(title)}</th></tr>')
            rows += ["<tr>" + "".join(map(_cell, row)) + "</tr>" for row in own]
        body = "\n".join(rows)
        return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    bold = text.startswith("**") and text.endswith("**")
    said = html.escape(text.strip("*") if bold else text)
    return f"<td><strong>{said}</strong></td>" if bold else f"<td>{said}</td>"
