"""A run's report in a browser while the run goes on: a server for this machine alone, which reads and never writes.

    GET /        the report, and a script that asks for /stamp four times a second
    GET /stamp   a text that is another one whenever the run's files are
    GET /data    what the report draws, as the files stand now; asked for when the stamp has changed

Nothing else is answered: no path is ever looked up on the disk. Requests that name another host than this machine are
refused, so that no page from elsewhere can read a run by a name that it lets point here (DNS rebinding).
"""

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from synagents.report.page import data_of, json_of, page_of
from synagents.run.config import CONFIG, read_config
from synagents.run.files import RunError, path_of
from synagents.run.snapshots import FOLDER

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
FILES = (CONFIG, "metrics.csv", "summary.json", "lives.csv")  # beside the snapshots
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Watched:
    """A run that may be going on; the data of its report are made once for every state of its files."""

    def __init__(self, directory: str | Path):
        """Args: the directory; FileNotFoundError or RunError where it holds no run of this version."""
        self.path = path_of(directory)
        read_config(self.path)
        self._lock = threading.Lock()  # several pages may ask at once
        self._made: tuple[str, bytes] | None = None  # the stamp, and the data that it stands for

    def stamp(self) -> str:
        """When its files were changed last, and how large they are."""
        files = [*(self.path / name for name in FILES), *sorted((self.path / FOLDER).glob("step-*.safetensors"))[-1:]]
        found = []
        for file in files:
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            found.append(f"{file.name} {status.st_mtime_ns} {status.st_size}")
        return "\n".join(found)

    def data(self) -> bytes:
        """What the report draws, as JSON; errors as `write_report`."""
        with self._lock:
            stamp = self.stamp()
            if self._made is None or self._made[0] != stamp:
                self._made = stamp, json_of(data_of([self.path])).encode()
            return self._made[1]

    def page(self, command: str) -> bytes:
        """The report, with the script that follows the run; errors as `write_report`."""
        return page_of([self.path], command, watched=True).encode()


def server_of(directory: str | Path, port: int | None = None) -> ThreadingHTTPServer:
    """A server of a run's report on 127.0.0.1; `serve_forever` begins to answer.

    Args:
        directory: of the run, which may be going on.
        port: in 1 .. 65535; None for one that is free, which `server_address` names.

    Raises:
        FileNotFoundError: if the directory holds no run.
        RunError: if a config.json cannot be understood.
        ValueError: if the port cannot be had.
    """
    watched = Watched(directory)
    command = f"synagents watch {watched.path}" + (f" --port {port}" if port else "")

    class Handler(_Handler):
        run, made_by = watched, command

    try:
        return ThreadingHTTPServer((HOST, port or 0), Handler)
    except OSError as error:
        raise ValueError(f"Port {port} cannot be had ({error.strerror}): name another one with --port.") from error


class _Handler(BaseHTTPRequestHandler):
    """Answers the three paths."""

    run: Watched
    made_by: str

    def do_GET(self) -> None:
        """Answer, or refuse in a sentence."""
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in NAMES:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"This server answers this machine alone.\n")
            return
        answers = {
            "/": ("text/html", lambda: self.run.page(self.made_by)),
            "/stamp": ("text/plain", lambda: self.run.stamp().encode()),
            "/data": ("application/json", self.run.data),
        }
        if self.path not in answers:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here but /, /stamp and /data.\n")
            return
        kind, make = answers[self.path]
        try:
            content = make()
        except (RunError, OSError, ValueError) as error:  # the run was removed or damaged while it was watched
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error}\n".encode())
            return
        self._answer(HTTPStatus.OK, kind, content)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except ConnectionError:  # the page was closed meanwhile
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""
