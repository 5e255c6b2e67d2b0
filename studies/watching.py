"""What `synagents watch` costs a run, and how far it is behind: pairs of the same run, watched and not.

    python studies/watching.py [--pairs 5] [--task digits] [--steps N] [--every 0.25] [--start-over]

In each pair the run is played twice, each time in a process of its own, in an order that changes from pair to pair. The
watched one has a `synagents watch` beside it, which is asked what the page asks: whether anything has changed every
0.25 seconds (`--every`), and then for the data. Cost: seconds between the first and the last look, watched against not,
and processor seconds likewise, so that a machine with cores to spare does not hide it. Delay: from a look's row and
snapshot being written to the data that have it. Finished pairs are kept in studies/results/watching.jsonl.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from threading import Event, Thread
from typing import Any

from common import RESULTS, Cells, interval

CONFIG = "config.json"


def play(task: str, steps: int | None, directory: str) -> None:
    """Play the run and print when it looked, and what it took: what the child process does."""
    import synagents

    class Clock(synagents.Callback):
        def __init__(self) -> None:
            self.looks: dict[int, float] = {}
            self.processor: list[float] = []

        def on_look(self, step: int, rows: list[dict[str, float]]) -> None:
            self.looks[step] = time.time()
            self.processor.append(time.process_time())

    clock = Clock()
    spec = synagents.preset(task, rounds=steps or None)
    synagents.fit(spec, directory, callbacks=[clock], tell=lambda line: None)
    print(json.dumps({"looks": clock.looks, "processor": clock.processor[-1] - clock.processor[0]}))


def asked(port: int, path: str) -> bytes:
    """What the server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    content = connection.getresponse().read()
    connection.close()
    return content


def follow(port: int, every: float, ended: Event, seen: dict[int, float]) -> None:
    """Ask as the page does, and note when each step was there first."""
    stamp = b""
    while not ended.wait(every):
        now = asked(port, "/stamp")
        if now == stamp:
            continue
        data, stamp = json.loads(asked(port, "/data")), now
        lines = data["panels"][0]["lines"] if data["panels"] else []
        for step in lines[0]["x"] if lines else []:
            seen.setdefault(step, time.time())


def one(task: str, steps: int | None, every: float | None) -> dict[str, Any]:
    """The run once, watched where `every` says how often.

    Returns:
        "seconds" and "processor": seconds between the first look and the last; of a watched run also "delays", seconds
        of every look, and "server": processor seconds of the server in all.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        call = [sys.executable, __file__, "--task", task, "--play", str(directory)]
        run = subprocess.Popen([*call, *(["--steps", str(steps)] if steps else [])], stdout=subprocess.PIPE, text=True)
        seen: dict[int, float] = {}
        server = Watcher(directory, every, seen) if every else None
        told = json.loads(run.communicate()[0])
        looks = {int(step): at for step, at in told["looks"].items()}
        row: dict[str, Any] = {"seconds": max(looks.values()) - min(looks.values()), "processor": told["processor"]}
        if server:
            row["server"] = server.stop()
            begun = min(seen.values(), default=0)  # looks from before the server answered are nobody's delay
            row["delays"] = [seen[step] - at for step, at in looks.items() if step in seen and at > begun]
    return row


class Watcher:
    """A `synagents watch` and somebody who asks it, from the moment that the run has a directory."""

    def __init__(self, directory: Path, every: float, seen: dict[int, float]):
        while not (directory / CONFIG).is_file():
            time.sleep(0.02)
        command = [sys.executable, "-m", "synagents", "watch", str(directory)]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._server.stdout
        port = int(self._server.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        self._every, self._ended = every, Event()
        self._asks = Thread(target=follow, args=(port, every, self._ended, seen))
        self._asks.start()

    def stop(self) -> float:
        """Ask a last time, end the server; its processor seconds."""
        time.sleep(4 * self._every)
        self._ended.set()
        self._asks.join()
        self._server.terminate()
        used = os.wait4(self._server.pid, 0)[2]
        return used.ru_utime + used.ru_stime


def pairs(task: str, steps: int | None, every: float, count: int, cells: Cells) -> list[dict[str, Any]]:
    """All pairs, those that are kept among them."""
    rows = []
    for number in range(count):
        key = f"{task} {steps} {every:g} {number}"
        if key not in cells:
            order = (every, None) if number % 2 else (None, every)
            played = {bool(how): one(task, steps, how) for how in order}
            cells.add({"key": key, "alone": played[False], "watched": played[True]})
        rows.append(cells[key])
        print(f"pair {number + 1}: {costs(rows[-1:], 'seconds')[0]:+.1%} seconds", file=sys.stderr)
    return rows


def costs(rows: Sequence[dict[str, Any]], what: str) -> list[float]:
    """By how much more the watched run took, as a share, pair by pair."""
    return [row["watched"][what] / row["alone"][what] - 1 for row in rows]


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """The figures, with their spread over pairs."""
    lines = []
    for what in ("seconds", "processor"):
        own = costs(rows, what)
        half = f" +- {interval(own):.1%} (95 %, Student's t)" if len(own) > 1 else ""
        spread = f"median {median(own):+.1%}, {min(own):+.1%} to {max(own):+.1%}"
        lines.append(f"{what} of the run, watched against alone: mean {mean(own):+.1%}{half}; {spread}")
    delays = [delay for row in rows for delay in row["watched"]["delays"]]
    late = sum(delay > 1 for delay in delays) / max(len(delays), 1)
    if delays:
        span = f"median {median(delays):.2f} s, longest {max(delays):.2f} s, {late:.1%} over 1 s"
        lines.append(f"delay of {len(delays):,} looks: {span}")
    shares = [row["watched"]["server"] / row["watched"]["seconds"] for row in rows]
    lines.append(f"the server takes {mean(shares):.1%} of a processor while the run goes on")
    return "\n".join(lines)


def main() -> None:
    """Play what is missing, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--task", default="digits")
    parser.add_argument("--steps", type=int, help="of a run; the preset's if it is not given")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between questions")
    parser.add_argument("--start-over", action="store_true", help="forget the pairs that are kept")
    parser.add_argument("--play", metavar="DIRECTORY", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.play:
        play(given.task, given.steps, given.play)
        return
    file = RESULTS / "watching.jsonl"
    if given.start_over:
        file.unlink(missing_ok=True)
    print(summary(pairs(given.task, given.steps, given.every, given.pairs, Cells(file))))


if __name__ == "__main__":
    main()
