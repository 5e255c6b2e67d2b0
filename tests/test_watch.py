import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from synagents.report.watch import Watched, server_of
from tests.claims import one_sentence
from tests.runs import SPEC, play

CHROMIUM = shutil.which("chromium")
BROWSE = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1440,900"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    play(tmp_path / "run")
    return tmp_path / "run"


@contextmanager
def watching(directory: Path) -> Iterator[int]:
    """A server at work; its port."""
    with server_of(directory) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_the_page_follows_and_the_data_are_the_runs_own(run: Path) -> None:
    with watching(run) as port:
        status, page = ask(port, "/")
        assert status == 200 and b'fetch(path, { cache: "no-store" })' in page and b"synagents watch" in page
        data = json.loads(ask(port, "/data")[1])
        assert [one["name"] for one in data["runs"]] == ["run"] and data["panels"][0]["lines"]


@pytest.mark.parametrize(
    "path", ["/config.json", "/metrics.csv", "/../run/config.json", "//etc/passwd", "/data?x", "/%2e%2e/", "/stamp/"]
)
def test_no_other_path_is_answered(run: Path, path: str) -> None:
    with watching(run) as port:
        assert ask(port, path) == (404, b"There is nothing here but /, /stamp and /data.\n")


def test_only_this_machine_is_answered_and_nothing_can_be_sent(run: Path) -> None:
    with server_of(run) as server:
        assert server.server_address[0] == "127.0.0.1"
    with watching(run) as port:
        assert (
            ask(port, "/data", host="elsewhere.example")[0]
            == ask(port, "/", host="127.0.0.1.evil.example:80")[0]
            == 403
        )
        assert ask(port, "/stamp", host="localhost:9999")[0] == 200  # a tunnel has another port
        assert ask(port, "/data", method="POST")[0] == ask(port, "/", method="DELETE")[0] == 501


def test_watching_writes_nothing(run: Path) -> None:
    def files() -> dict[Path, tuple[int, int]]:
        return {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in run.rglob("*")}

    before = files()
    with watching(run) as port:
        for path in ("/", "/stamp", "/data"):
            assert ask(port, path)[0] == 200
    assert files() == before


def test_the_stamp_changes_when_the_run_goes_on_and_the_data_with_it(run: Path) -> None:
    with watching(run) as port:
        stamp, data = ask(port, "/stamp")[1], ask(port, "/data")[1]
        assert (stamp, data) == (ask(port, "/stamp")[1], ask(port, "/data")[1])
        play(run, replace(SPEC, rounds=20))
        assert ask(port, "/stamp")[1] != stamp
        assert "step 20 of 20" in json.loads(ask(port, "/data")[1])["runs"][0]["status"]


def test_a_run_without_rows_is_shown_and_one_that_was_removed_is_told_in_a_sentence(run: Path) -> None:
    for file in ("metrics.csv", "summary.json"):
        (run / file).unlink()
    with watching(run) as port:
        assert "step 0 of 12" in json.loads(ask(port, "/data")[1])["runs"][0]["status"]
        shutil.rmtree(run)
        status, said = ask(port, "/data")
        assert status == 503 and one_sentence(said.decode().strip())


def test_a_directory_without_a_run_and_a_port_that_is_taken_are_refused_in_a_sentence(run: Path) -> None:
    with pytest.raises(FileNotFoundError):
        server_of(run.parent)
    with watching(run) as port, pytest.raises(ValueError) as refused:
        server_of(run, port)
    assert str(port) in one_sentence(str(refused.value))


@pytest.mark.skipif(CHROMIUM is None, reason="No chromium is installed: the page is not drawn.")
def test_chromium_has_what_the_run_wrote_within_a_second_and_does_not_complain(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    made = Watched.data

    def data(self: Watched) -> bytes:
        content = made(self)
        asked.append(time.monotonic())
        return content

    monkeypatch.setattr(Watched, "data", data)
    flags = [*BROWSE, f"--user-data-dir={tmp_path / 'user'}", "--remote-debugging-port=0"]
    with watching(run) as port, (tmp_path / "said").open("w") as said:
        browser = subprocess.Popen([str(CHROMIUM), *flags, f"http://127.0.0.1:{port}/"], stderr=said, stdout=said)
        try:
            assert waited(lambda: len(asked) == 1)
            with (run / "metrics.csv").open("a") as file:
                file.write(",".join(["13", *(run / "metrics.csv").read_text().splitlines()[-1].split(",")[1:]]) + "\n")
            written = time.monotonic()
            assert waited(lambda: len(asked) > 1) and asked[1] - written < 1
            time.sleep(0.5)  # it draws
        finally:
            browser.terminate()
            browser.wait(30)
    assert "CONSOLE" not in (tmp_path / "said").read_text()


def waited(happened: object, seconds: float = 60) -> bool:
    """Whether something happens within some seconds."""
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(happened())
