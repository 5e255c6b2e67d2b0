"""manifest.json: the SHA-256 of every file of a run, and the versions of every process that worked on it."""

from pathlib import Path

from synagents.run.config import FORMAT, as_json, read_json
from synagents.run.files import Json, write_whole
from synagents.run.log import Log, Mark, fits_mark, is_mark, mark_of

MANIFEST = "manifest.json"


class Manifest:
    """What is known of a run's files; a damaged manifest is made anew.

    Attributes:
        directory: of the run.
        files: {path within the directory: mark} of every file that was written.
        sessions: one record for each process that worked on the run: {"from_step", "versions"}.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        content = read_json(directory / MANIFEST) or {}
        files, sessions = content.get("files"), content.get("sessions")
        marks = files.items() if isinstance(files, dict) else ()
        self.files: dict[str, Mark] = {name: mark for name, mark in marks if is_mark(mark)}
        self.sessions: list[Json] = sessions if isinstance(sessions, list) else []

    def note(self, file: Path) -> None:
        """Keep the mark of a file that was just written."""
        self.files[file.relative_to(self.directory).as_posix()] = mark_of(file.read_bytes())

    def write(self, *logs: Log) -> None:
        """Write the manifest, with the logs as they are and without files that are gone."""
        marks = {log.path.name: log.mark for log in logs}
        files = {name: mark for name, mark in self.files.items() if (self.directory / name).is_file()}
        content = {"format": FORMAT, "sessions": self.sessions, "files": dict(sorted((files | marks).items()))}
        write_whole(self.directory / MANIFEST, as_json(content))

    def damaged(self) -> list[str]:
        """The files that are not as they were written; config.json is left out, as it is compared word by word."""
        return [
            name
            for name, mark in self.files.items()
            if name != "config.json" and not fits_mark(self.directory / name, mark)
        ]
