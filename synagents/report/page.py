"""Runs as one HTML page that needs nothing else: curves of all, and weights, policy and rewards of each.

What a card says in words is computed here; `assets/report/page.js` draws. The page asks for nothing, not even a font.
(Curves: uPlot 1.6.32, Leon Sorokin, MIT licence, in assets/report beside its licence.)
"""

import html
import importlib.resources
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synagents.hyperparameters import require
from synagents.report.agents import about_agents
from synagents.report.plot import Columns, panels_of
from synagents.run.config import Config, read_config, read_json
from synagents.run.files import Json, check_writable, path_of, write_whole
from synagents.run.reading import read_metrics
from synagents.run.snapshots import read_snapshots

ASSETS = importlib.resources.files("synagents") / "assets" / "report"
FILE = "report.html"
UNITS = {"loss": "loss", "held-out accuracy": "accuracy, 0 to 1", "share of rounds rewarded": "share, 0 to 1"}
GOALS = {"loss": -1, "held-out accuracy": 1, "reward of a life": 1, "objective of a life": -1}  # which way is better
QUESTIONS = {
    "loss": "Is the loss still falling?",
    "held-out accuracy": "Is it still improving?",
    "reward of a life": "Is it still improving?",
    "objective of a life": "Is the objective still falling?",
    "share of rounds rewarded": "How often is the team rewarded?",
    "cosine of joint action and -gradient": "Do the agents go down the gradient?",
}


def write_report(directories: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the report of some runs, which may be going on.

    Args:
        directories: of the runs, one or more; the seeds of one directory are a band around their mean.
        out: the file to write; None for report.html in the first directory.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: if a directory holds no run.
        RunError: if a config.json or its rows cannot be understood.
        ValueError: if no directory is named, or the file cannot be written.
    """
    require(len(directories) > 0, "A report is of one run or more: name a directory that `synagents train` wrote.")
    paths = [path_of(directory) for directory in directories]
    for path in paths:
        read_config(path)  # refuses what is no run before a file is tried
    file = check_writable(out if out is not None else paths[0] / FILE)
    named = " ".join([str(path) for path in paths] + ([f"--out {file}"] if out is not None else []))
    write_whole(file, page_of(paths, f"synagents report {named}").encode())
    return file


def page_of(paths: Sequence[Path], command: str, *, watched: bool = False) -> str:
    """The report as text, with the script that follows a run where it is watched; errors as `write_report`."""
    data = data_of(paths)
    names = [run["name"] for run in data["runs"]]
    title = f"Report of {names[0]}" if len(names) == 1 else f"Report of {len(names)} runs"
    parts = {
        "@TITLE@": html.escape(title),
        "@STYLE@": asset("uPlot.min.css") + asset("page.css"),
        "@COMMAND@": html.escape(command),
        "@LICENSE@": asset("uPlot.LICENSE.txt"),
        "@LIBRARY@": asset("uPlot.iife.min.js"),
        "@SCRIPT@": asset("page.js"),
        "@FOLLOW@": f"<script>{asset('watch.js')}</script>" if watched else "",
        "@DATA@": json_of(data).replace("<", "\\u003c"),
    }
    return filled(asset("page.html"), parts)


def data_of(paths: Sequence[Path]) -> Json:
    """What the report draws; errors as `write_report`."""
    configs, columns = [read_config(path) for path in paths], [read_metrics(path) for path in paths]
    summaries = [read_json(path / "summary.json") for path in paths]
    runs = [_run(*one, len(paths)) for one in zip(paths, configs, columns, summaries, strict=True)]
    names = [run["name"] for run in runs]
    return {"runs": runs, "panels": _panels(names, columns), "comparison": _comparison(names, configs, summaries)}


def json_of(data: Json) -> str:
    """The data as text; numbers that are not finite are null."""
    return json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))


def filled(template: str, parts: Mapping[str, str]) -> str:
    """A template with every mark, such as @TITLE@, replaced; what is put in is not looked at again."""
    return re.sub("@[A-Z]+@", lambda mark: parts[mark[0]], template)


def asset(name: str) -> str:
    """A file of the page that the package carries."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _finite(value: Any) -> Any:
    """What JSON can say: numbers that are not finite are null."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, np.ndarray):
        return _finite(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def _run(path: Path, config: Config, columns: Columns, summary: Json | None, runs: int) -> Json:
    """All that the page says of one run."""
    step = int(columns["step"][-1]) if columns else 0
    asked = config["rounds"]
    status = "finished" if summary and summary.get("steps") == asked else "not finished: it goes on or was interrupted"
    settings = {name: value for name, value in config.items() if name not in ("settings", "built", "format", "data")}
    listed = {**settings, **config.get("settings", {}), **{f"data: {k}": v for k, v in config.get("data", {}).items()}}
    numbers = [(name, value) for name, value in (summary or {}).items() if isinstance(value, int | float | str)]
    return {
        "name": path.name or str(path),
        "status": f"step {step:,} of {asked:,}, {status}",
        "command": _command(path, config),
        "settings": [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in listed.items()],
        "numbers": [[name.replace("_", " "), value] for name, value in numbers],
        **about_agents(config, read_snapshots(path), _lives(path), share=runs),
    }


def _command(path: Path, config: Config) -> str:
    """What was typed, as far as config.json knows it; settings stand in the table below it."""
    if "settings" not in config:
        return "begun from objects in Python"
    named = [config["task"], "--learner", config["learner"], "--steps", config["rounds"], "--seed", config["seed"]]
    return " ".join(map(str, ["synagents train", *named, "--out", path]))


def _lives(path: Path) -> np.ndarray | None:
    """lives.csv as f64[rows, 4]: round, run, before and after; None where there is none."""
    file = path / "lives.csv"
    return np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2) if file.is_file() else None


def _panels(names: list[str], columns: list[Columns]) -> list[Json]:
    """The curves of all runs, by title: means over seeds, and the band from the lowest to the highest."""
    there = [panels_of(own) if own else {} for own in columns]
    made = []
    for title in dict.fromkeys(title for own in there for title in own):
        lines, verdicts = [], []
        for run, (name, own, panels) in enumerate(zip(names, columns, there, strict=True)):
            curves = [(label, _band(own, column)) for label, column in panels.get(title, {}).items()]
            many = {"run": run} if len(names) > 1 else {}  # a click in a legend hides all of a run
            lines += [{"label": f"{name}: {label}" if many else label, **many, **band} for label, band in curves]
            verdicts.append(_trend(title, curves[-1][1]["mean"]) if curves else "This run has no such rows.")
        units = UNITS.get(title, title)
        made.append(
            {"title": QUESTIONS.get(title, title), "verdicts": verdicts, "lines": lines, "x": "step", "y": units}
        )
    return made


def _band(columns: Columns, name: str) -> dict[str, np.ndarray]:
    """Mean, lowest and highest over the seeds of a directory, at every step."""
    steps = np.unique(columns["step"])
    runs = np.unique(columns["run"])
    values = np.array([columns[name][columns["run"] == run][: len(steps)] for run in runs if name in columns])
    return {"x": steps, "mean": values.mean(axis=0), "low": values.min(axis=0), "high": values.max(axis=0)}


def _trend(title: str, mean: np.ndarray) -> str:
    """Whether a curve still changes: the last quarter's two halves, beside the scatter within them."""
    last = mean[-max(len(mean) // 4, 2) :]
    last = last[np.isfinite(last)]
    half = len(last) // 2
    if half < 3:
        return "There are too few looks yet to say."
    first, second = last[:half], last[-half:]
    change = float(second.mean() - first.mean())
    error = float(np.sqrt(first.var(ddof=1) / half + second.var(ddof=1) / half))
    within = "within two standard errors of" if abs(change) <= 2 * error else "with a standard error of"
    changed = f"in the last quarter the {title} changed by {change:+.3g}, {within} {error:.2g}."
    if title not in GOALS:
        return changed[0].upper() + changed[1:]
    better = change * GOALS[title] > 0
    said = "No, it is level" if abs(change) <= 2 * error else "Yes" if better else "No, it gets worse"
    return f"{said}: {changed}"


def _comparison(names: list[str], configs: list[Config], summaries: list[Json | None]) -> Json:
    """One row for each run."""
    head = ["run", "task", "learner", "seed", "runs", "steps", "score", "score is"]
    rows = []
    for name, config, summary in zip(names, configs, summaries, strict=True):
        said, ended = (config.get(key, "-") for key in ("task", "learner", "seed", "num_runs", "rounds")), summary or {}
        rows.append([name, *said, ended.get("score", "not finished"), ended.get("score_name", "-")])
    return {"head": head, "rows": rows}
