"""What the pages show runs: every block of Python and every `synagents` command, in few rounds.

A comment right above a block, `<!-- long: why -->` or `<!-- network: why -->`, says that it is not run, and why.
"""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import synagents
from synagents import outer
from synagents.cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HAVE_TESTS = {"README.md", "your_first_agent.md"}  # for their Python: test_readme.py and test_tutorial.py
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`(synagents [^`]+)`")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.\.\.|\b\w+:[A-Za-z]")  # or a file of the reader's own
SAVED = re.compile(r"Saved as `(\w+)\.py`")
ROUNDS = 2  # compiling is nearly all that a command takes then


class Block(NamedTuple):
    """What a page shows in a fence."""

    language: str
    text: str
    mark: str  # why it is not run; empty where it is

    @property
    def commands(self) -> list[str]:
        """The commands of a shell's block, each in one line."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    return [Block(found["language"], found["text"], found["mark"] or "") for found in BLOCK.finditer(page.read_text())]


def inline_commands() -> dict[str, str]:
    """Commands in running text that name all they need, and no block shows; each with the first page that has it."""
    shown = {" ".join(shlex.split(line, comments=True)) for page in PAGES for b in blocks(page) for line in b.commands}
    found: dict[str, str] = {}
    for page in PAGES:
        for match in INLINE.finditer(BLOCK.sub("", page.read_text())):
            command = " ".join(match[1].split())
            if not PLACEHOLDER.search(command) and command not in shown and needs_nothing(command):
                found.setdefault(command, page.name)
    return found


def needs_nothing(command: str) -> bool:
    """Whether it runs as it is: groups of commands and what works on a run or a file ask for more."""
    words = command.split()[1:]
    return words[0] in ("train", "tasks", "learners", "networks", "probes")


@pytest.fixture
def in_few_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, in which whatever plays rounds plays few."""

    def few(play: Callable[..., Any]) -> Callable[..., Any]:
        def played(*args: Any, **options: Any) -> Any:
            return play(*args[:-1], min(args[-1], ROUNDS), **options)

        return played

    def preset(*args: Any, **options: Any) -> Any:
        return whole_preset(*args, **options | {"rounds": ROUNDS})

    whole_preset = synagents.preset
    monkeypatch.setattr(synagents, "preset", preset, raising=False)
    for name in ("train", "advance"):
        monkeypatch.setattr(synagents, name, few(getattr(synagents, name)), raising=False)
    monkeypatch.setattr(outer, "advance", few(outer.advance))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    Path("my.txt").write_text("To be, or not to be, that is the question. " * 200)
    yield


def run_command(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    steps = {"train": ROUNDS, "resume": 2 * ROUNDS}.get(words[0])
    if steps and (words[0] == "train" or "--steps" in words):
        words += ["--steps", str(steps)]  # of two the last one counts
    words += ["--step", str(ROUNDS)] if "--step" in words else []
    words += ["--quiet"] if steps else []
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"


def commands_on_the_file_to_save(page: Path) -> list[str]:
    """Of a page that has the reader save its first block of Python; saves it."""
    saved = SAVED.search(page.read_text())
    if not saved:
        return []
    Path(f"{saved[1]}.py").write_text(next(block.text for block in blocks(page) if block.language == "python"))
    found = [" ".join(text.split()) for text in INLINE.findall(page.read_text()) if f"{saved[1]}:" in text]
    assert found, f"{page.name}: nothing plays {saved[1]}.py"
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_that_are_not_run_say_why_and_all_commands_stand_in_blocks_of_sh(page: Path) -> None:
    for block in blocks(page):
        assert not block.mark or re.fullmatch(r"(long|network): .{8,}", block.mark) or block.language == "", block
        assert block.language in ("sh", "python", ""), f"{page.name}: nobody runs {block.language}"
        if not block.language:
            assert "synagents " not in block.text, f"{page.name}: a block without a language is not run"
        if not block.mark:
            others = [line for line in block.commands if not line.startswith("synagents ")]
            assert not others, f"{page.name}: only `synagents` commands are run, mark {others}"
    outside = BLOCK.sub("", page.read_text())
    assert not re.search(r"^ {4,}(synagents|python) ", outside, re.M), f"{page.name}: indented commands are not run"


@pytest.mark.usefixtures("in_few_rounds")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(not block.mark for block in blocks(page))], ids=lambda page: page.name
)
def test_what_a_page_shows_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In order, as a reader would: Python's names last to the end of the page, and so do files."""
    scope: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.mark:
            continue
        if block.language == "python" and page.name not in HAVE_TESTS:
            exec(compile(block.text, page.name, "exec"), scope)
        for line in block.commands:
            run_command(line)
    for line in commands_on_the_file_to_save(page):
        run_command(line)


@pytest.mark.usefixtures("in_few_rounds")
@pytest.mark.parametrize("command", inline_commands())
def test_a_command_in_running_text_runs(command: str) -> None:
    run_command(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    """Where the page is read as it is; the site's build holds its own copies to the same."""
    for target, _, heading in re.findall(r"\]\((?![a-z]+:)([^)\s#]*)(#([^)\s]+))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {target}"
        headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M) if heading else []
        assert not heading or heading in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


def test_every_page_is_in_the_sites_navigation() -> None:
    listed = set(re.findall(r"([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    there = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert listed == there | {"index.md", "contributing.md", "changelog.md"}
