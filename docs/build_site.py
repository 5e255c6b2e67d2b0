"""Build the documentation's site: `python docs/build_site.py` (extra `docs`); it then lies in build/site.

The pages of the repository stay readable where they are. Copies of them go below build/pages, where their links are
made to fit: README.md is the first page, and a file of code that a page links to becomes a page of its own. Zensical
builds the site from there and ends with an error at the first warning.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PAGES, PACKAGE = BUILD / "pages", BUILD / "package"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
HOMES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def home(file: Path) -> Path:
    """Where a file of the repository lies on the site: pages and pictures as in docs/, code below source/."""
    path = file.relative_to(ROOT)
    if path.name in HOMES and len(path.parts) == 1:
        return Path(HOMES[path.name])
    return path.relative_to("docs") if path.parts[0] == "docs" else Path("source", f"{path}.md")


def fitted(page: Path, linked: set[Path]) -> str:
    """The text of a page whose relative links fit the site; whatever it links to is added to `linked`."""

    def fit(match: re.Match[str]) -> str:
        target = (page.parent / match[1]).resolve()
        if not target.is_file() or not target.is_relative_to(ROOT):
            return match[0]  # Zensical says where it is
        linked.add(target)
        return os.path.relpath(home(target), home(page).parent)

    return LINK.sub(fit, page.read_text())


def gather() -> None:
    """Put all pages and pictures below build/pages, and the package as it is installed below build/package."""
    for folder in (PAGES, PACKAGE, BUILD / "site"):
        shutil.rmtree(folder, ignore_errors=True)
    pages = [ROOT / name for name in HOMES] + sorted((ROOT / "docs").rglob("*.md"))
    linked: set[Path] = set()
    texts = {home(page): fitted(page, linked) for page in pages}
    for file in linked - set(pages):
        if file.is_relative_to(ROOT / "docs"):
            continue  # pictures
        name = file.relative_to(ROOT)
        texts[home(file)] = f"# {name}\n\n```{file.suffix.removeprefix('.')}\n{file.read_text()}```\n"
    for path, text in texts.items():
        (PAGES / path).parent.mkdir(parents=True, exist_ok=True)
        (PAGES / path).write_text(text)
    for picture in [*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.svg")]:
        shutil.copy(picture, PAGES)
    only_code = shutil.ignore_patterns("__pycache__", "assets")
    shutil.copytree(ROOT / "synagents", PACKAGE / "synagents", ignore=only_code)
    shutil.copytree(ROOT / "envs", PACKAGE / "synagents" / "envs", ignore=only_code)


def main() -> int:
    """Gather the pages and build them; 0 is a site without a warning."""
    gather()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
