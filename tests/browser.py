"""A page in headless Chromium, with a script that uses it and says what it saw."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
browsed = pytest.mark.skipif(CHROMIUM is None, reason="No chromium is installed: the page is not drawn.")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1500,2000"]


def use(page: str, script: str, width: int, folder: Path) -> dict[str, Any]:
    """What a script says of a page by filling its object `said`; whatever the browser complains about fails.

    Args:
        page: as `page_of` makes it.
        script: run when the page has been drawn; the constant `said` is an object to fill, and it may wait for nothing
            but what a page does at once (`await null`).
        width: of the page, in pixels.
        folder: for what the browser writes.
    """
    ending = 'window.top.document.body.setAttribute("data-said", JSON.stringify(said));'
    whole = f"<script>(async () => {{ const said = {{}};\n{script}\n{ending} }})();</script></body>"
    used = page.replace("</body>", whole)
    file = folder / "page.html"  # in a frame, as no window is narrower than 500 pixels
    style = f"width:{width}px; height:2000px; border:0"
    file.write_text(f'<meta charset="utf-8"><body><iframe srcdoc="{escape(used)}" style="{style}"></iframe></body>')
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'user'}", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    found = re.search(r'data-said="([^"]*)"', done.stdout)
    assert found
    return json.loads(unescape(found[1]))  # type: ignore[no-any-return]
