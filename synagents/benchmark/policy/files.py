"""A submission to the policy track: scores as JSON with a checked schema, beside each run's policy as safetensors.

    {"format": "synagents-policy-scores/1", "track": "policy-v0", "version": of synagents,
     "algorithm": a name, or module:Class,   "settings": {name: text},   "seen": {what agents are told: text},
     "protocol": {"budget": ..., "worlds": ..., "life": ..., "teachers": ..., "exam": ...},
     "runs": [{"seed": k, "agent_steps": n, "policy": file name, "sha256": of the file,
               "scores": {"toys": {"loss": l, "accuracy": a}, task id: {...}, task id and " online": {...}}}]}

Nothing in either file is ever executed or fetched. What cannot be a submission is refused in a sentence: unknown or
missing fields, other types, numbers that are not finite, and policy files that are not beside the scores.
"""

import hashlib
import json
import math
import re
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from synagents.benchmark import suite
from synagents.benchmark.policy.track import (
    MAY_SEE,
    ONLINE,
    TOYS,
    VERSION,
    Entry,
    Protocol,
    Score,
    entry_of,
    toys,
    typed,
)
from synagents.cli import flags
from synagents.hyperparameters import require
from synagents.keys import LARGEST_SEED
from synagents.rounds import groups_shown
from synagents.run import checkpoints
from synagents.run.files import Json, write_whole
from synagents.world import Mind

FORMAT = "synagents-policy-scores/1"
POLICY = "synagents-policy/1"
MOST_BYTES = 10_000_000  # of scores


class PolicyRun(NamedTuple):
    """One seed of a submission."""

    seed: int
    agent_steps: int
    policy: str  # the file beside the scores
    sha256: str
    scores: dict[str, Score]


class Submission(NamedTuple):
    """What a file says."""

    algorithm: str
    settings: dict[str, str]
    seen: dict[str, str]
    protocol: Protocol
    runs: list[PolicyRun]

    def entry(self) -> Entry:
        """The algorithm, made by the settings as they are written; ValueError where they do not fit it."""
        pairs = [f"{name}={text}" for name, text in (self.settings | self.seen).items()]
        return entry_of(self.algorithm, typed(self.algorithm, pairs))


def begun(entry: Entry, protocol: Protocol) -> Submission:
    """A submission without runs."""
    texts = {name: str(flags.plain(value)) for name, value in entry.settings.items()}
    seen = {name: str(flags.plain(value)) for name, value in entry.seen.items()}
    return Submission(entry.name, texts, seen, protocol, [])


def write(path: Path, submission: Submission) -> None:
    """Write all scores, whole or not at all; OSError where the file cannot be written."""
    runs = [
        run._asdict() | {"scores": {name: s._asdict() for name, s in run.scores.items()}} for run in submission.runs
    ]
    whole: Json = {"format": FORMAT, "track": VERSION, "version": version("synagents")} | submission._asdict()
    whole |= {"protocol": asdict(submission.protocol), "runs": runs}
    write_whole(path, json.dumps(whole, indent=1).encode())


def read(path: Path) -> Submission:
    """A submission.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no submission, with the first thing that is wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no submission at {path}: `synagents bench policy --out FILE` makes one.")
    require(path.stat().st_size <= MOST_BYTES, f"{path} is too large for scores: name the JSON file of a submission.")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: name the file that `synagents bench policy --out` wrote.") from error
    return _Reader(path).submission(content)


def keep_policy(scores: Path, seed: int, mind: Mind) -> tuple[str, str]:
    """Write a policy beside its scores; its file's name and checksum."""
    path = scores.with_name(f"{scores.stem}-{seed}.safetensors")
    checkpoints.write_tree(path, mind, POLICY)
    return path.name, checksum(path)


def load_policy(scores: Path, submission: Submission, run: PolicyRun) -> Mind:
    """The mind of a run.

    Args:
        scores: the submission's file, beside which the policy lies.
        submission: what it says.
        run: one of its runs.

    Raises:
        FileNotFoundError: if the policy is not there.
        ValueError: if it is another one than was scored.
        CheckpointError: if it is not the mind of this algorithm.
    """
    path, entry = scores.with_name(run.policy), submission.entry()
    if not path.is_file():
        raise FileNotFoundError(f"There is no policy at {path}: put the file beside {scores.name}.")
    require(checksum(path) == run.sha256, f"{path} is not the policy that was scored: its checksum differs.")
    groups = groups_shown(toys(entry), entry.algorithm)
    like = jax.eval_shape(lambda: entry.algorithm.init(jax.random.key(0), groups))
    return checkpoints.read_tree(path, like, POLICY)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Reader(NamedTuple):
    """Takes JSON apart, and says in a sentence where it is not what it should be."""

    path: Path

    def submission(self, content: Any) -> Submission:
        """All of a file."""
        names = ("format", "track", "version", *Submission._fields)
        content = self.mapping("the submission", content, names)
        for name, wanted in (("format", FORMAT), ("track", VERSION)):
            self.check(content[name] == wanted, f"{name} is {content[name]!r:.60} and not {wanted!r}")
        self.check(isinstance(content["runs"], list) and bool(content["runs"]), "it has no runs")
        protocol = self.mapping("protocol", content["protocol"], [each.name for each in fields(Protocol)])
        whole = {name: self.whole(f"protocol.{name}", number) for name, number in protocol.items()}
        runs = [self.run(run) for run in content["runs"]]
        self.check(len({run.seed for run in runs}) == len(runs), "two of its runs have the same seed")
        self.check(len({tuple(run.scores) for run in runs}) == 1, "its runs were not scored on the same tasks")
        seen = self.texts("seen", content["seen"])
        self.check(set(seen) <= set(MAY_SEE), f"agents may be told {', '.join(MAY_SEE)} and nothing else")
        algorithm, settings = self.text("algorithm", content["algorithm"]), self.texts("settings", content["settings"])
        return Submission(algorithm, settings, seen, Protocol(**whole), runs)

    def run(self, content: Any) -> PolicyRun:
        """One seed's policy and what it scored."""
        content = self.mapping("a run", content, PolicyRun._fields)
        scores = self.mapping("scores", content["scores"])
        self.check(TOYS in scores, f"a run has no score on {TOYS}")
        tasks = {own.id for own in suite.TASKS.values()}
        for place in scores:
            self.check(place == TOYS or place.removesuffix(ONLINE) in tasks, f"there is no task {place!r:.60}")
        policy, digest = self.text("policy", content["policy"]), self.text("sha256", content["sha256"])
        self.check(Path(policy).name == policy, f"the policy {policy!r:.60} is not a file beside the scores")
        self.check(bool(re.fullmatch("[0-9a-f]{64}", digest)), "sha256 is no checksum")
        seed = self.whole("seed", content["seed"])
        steps = self.whole("agent_steps", content["agent_steps"])
        return PolicyRun(seed, steps, policy, digest, {task: self.score(one) for task, one in scores.items()})

    def score(self, content: Any) -> Score:
        """Two finite numbers, the accuracy in [0, 1]."""
        content = self.mapping("a score", content, Score._fields)
        for name, number in content.items():
            real = isinstance(number, int | float) and not isinstance(number, bool)
            self.check(real and math.isfinite(number), f"the {name} {number!r:.60} is no finite number")
        self.check(0 <= content["accuracy"] <= 1, f"the accuracy {content['accuracy']} is not in [0, 1]")
        return Score(float(content["loss"]), float(content["accuracy"]))

    def mapping(self, what: str, content: Any, names: Any = None) -> dict[str, Any]:
        """An object with exactly these fields, where they are given."""
        self.check(isinstance(content, dict), f"{what} is no JSON object")
        odd = sorted(set(content) ^ set(names)) if names is not None else []
        self.check(not odd, f"{what} {'lacks' if odd and odd[0] not in content else 'has a field'} {odd[:1]}")
        return content

    def texts(self, what: str, content: Any) -> dict[str, str]:
        """An object whose fields are texts."""
        return {name: self.text(f"{what}.{name}", text) for name, text in self.mapping(what, content).items()}

    def text(self, what: str, content: Any) -> str:
        """A short text that is not empty."""
        self.check(isinstance(content, str) and 0 < len(content) < 300, f"{what} is no text")
        return content

    def whole(self, what: str, content: Any) -> int:
        """A whole number that a seed may be."""
        self.check(type(content) is int and 0 <= content <= LARGEST_SEED, f"{what} is no whole number")
        return content

    def check(self, holds: bool, sentence: str) -> None:
        """ValueError with the sentence where it does not hold."""
        require(holds, f"{self.path} is no submission to the track {VERSION}: {sentence}.")
