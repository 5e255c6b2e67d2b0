"""What the agents of a run do at its snapshots: which actions, how undecided they are, how many act as one.

share of A = mean_i [a_i = A]         entropy = -sum_A share log2 share, of a group, in bits
changed    = mean_i [a_i != a_i at the snapshot before]
team size  = (tr C)^2 / tr(C^2) over the last WINDOW snapshots (`synagents.probes.many_rounds.team_size`)
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Integer

from synagents.probes.many_rounds import team_size
from synagents.report.panels import line, panel
from synagents.run.config import Config
from synagents.run.files import Json
from synagents.run.snapshots import MOST, Snapshot

WINDOW = 16  # snapshots in which the joint action is looked at
MOST_LINES = 9  # of arrays in one panel
ACTIONS = ("down", "leave", "up")  # of synapses that nudge their weights


def behaviour(config: Config, snapshots: list[Snapshot]) -> list[Json]:
    """Panels of what agents do, and of how their weights and traces are spread; those that the snapshots can fill."""
    return [
        *_actions([s for s in snapshots if s.of("act")], action_names(config, snapshots)),
        *_spread(snapshots, "weights", "How are the weights of each layer spread?", "weight"),
        *_spread(snapshots, "trace", "How are the traces of each layer spread?", "trace, in units of weights"),
    ]


def action_names(config: Config, snapshots: list[Snapshot]) -> tuple[str, ...]:
    """What the actions of a run's agents are called; where config.json does not say, as many as were seen."""
    moves = config["built"].get("world.moves")
    if moves == "nudge":
        return ACTIONS
    acted = [act for snapshot in snapshots for name, act in snapshot.arrays.items() if name.startswith("act.")]
    seen = max((int(act.max(initial=0)) for act in acted), default=0)
    return tuple(f"{'level' if moves == 'set' else 'action'} {a}" for a in range(max(seen, 1) + 1))


def shares(actions: Integer[np.ndarray, "n"], choices: int) -> np.ndarray:
    """The share of agents that chose each action, f64[choices], in [0, 1]."""
    return np.bincount(actions, minlength=choices) / max(actions.size, 1)


def entropy(share: np.ndarray) -> float:
    """Of shares that add to 1, in bits."""
    there = share[share > 0]
    return float(-(there * np.log2(there)).sum())


def _actions(snapshots: list[Snapshot], names: tuple[str, ...]) -> list[Json]:
    if not snapshots:
        return []
    steps = [snapshot.step for snapshot in snapshots]
    acts = {
        name: np.array([snapshot.arrays[f"act.{name}"] for snapshot in snapshots])
        for name in list(snapshots[-1].of("act"))[:MOST_LINES]
    }
    choices = len(names)
    all_agents = np.concatenate([rows.reshape(len(rows), -1) for rows in acts.values()], axis=1)
    by_action = np.array([shares(row, choices) for row in all_agents])
    last = ", ".join(f"{share:.0%} {name}" for share, name in zip(by_action[-1], names, strict=True))
    mixed = [line(name, steps, by_action[:, a]) for a, name in enumerate(names[:MOST_LINES])]
    undecided = {name: np.array([entropy(shares(row, choices)) for row in rows]) for name, rows in acts.items()}
    most = np.log2(choices)
    panels = [
        panel("What do the agents choose?", f"At the last snapshot {last}.", mixed, "step", "share of agents, 0 to 1"),
        panel(
            "How undecided is each layer?",
            f"Entropy of what its agents choose: 0 where all do the same, {most:.3g} where they choose at random.",
            [line(name, steps, values) for name, values in undecided.items()],
            "step",
            "entropy, bits",
        ),
    ]
    if len(steps) > 1:
        changed = [line(name, steps[1:], (rows[1:] != rows[:-1]).mean(axis=1)) for name, rows in acts.items()]
        panels.append(
            panel(
                "How many agents choose otherwise than at the snapshot before?",
                f"Agents that choose among {choices} actions at random do so in {1 - 1 / choices:.0%} of cases.",
                changed,
                "step",
                "share of agents, 0 to 1",
            )
        )
    return panels + _teams(snapshots, all_agents.shape[1])


def _teams(snapshots: list[Snapshot], agents: int) -> list[Json]:
    """The effective team size over windows of snapshots, beside the number of agents."""
    if len(snapshots) < WINDOW:
        return []
    steps = [snapshot.step for snapshot in snapshots]
    sizes = np.array([_team(tuple(snapshots[end - WINDOW : end])) for end in range(WINDOW, len(steps) + 1)])
    verdict = (
        f"In the last {WINDOW} snapshots the joint action of {agents:,} agents had about {sizes[-1]:,.0f} independent "
        f"directions: {agents:,} would be agents that choose independently of each other, 1 a team that acts as one."
    )
    lines = [line("team", steps[WINDOW - 1 :], sizes), line("all agents", steps[WINDOW - 1 :], 0 * sizes + agents)]
    return [panel("Do the agents act as one?", verdict, lines, "step", "independent directions")]


@lru_cache(maxsize=2 * MOST)
def _team(window: tuple[Snapshot, ...]) -> float:
    """The effective team size over some snapshots; kept, since who follows a run asks again at every look."""
    acts = [[act.ravel() for name, act in one.arrays.items() if name.startswith("act.")] for one in window]
    return team_size(np.array([np.concatenate(own[:MOST_LINES]) for own in acts]))


@lru_cache(maxsize=2 * MOST)
def _quantiles(snapshot: Snapshot, kind: str) -> dict[str, Float[np.ndarray, "3"]]:
    """5 %, median and 95 % of every array of a kind; kept likewise."""
    return {name: np.quantile(own, (0.05, 0.5, 0.95)) for name, own in snapshot.of(kind).items()}


def _spread(snapshots: list[Snapshot], kind: str, title: str, unit: str) -> list[Json]:
    """Medians of each array, and bands from the 5 % to the 95 % quantile."""
    names = list(snapshots[-1].of(kind))[:MOST_LINES] if snapshots else []
    if not names:
        return []
    seen = [_quantiles(snapshot, kind) for snapshot in snapshots]
    lines = []
    for name in names:
        low, median, high = np.array([moment[name] for moment in seen]).T
        lines.append(line(name, [snapshot.step for snapshot in snapshots], median, low, high))
    said = "Lines are medians, bands go from the 5 % to the 95 % quantile."
    return [panel(title, said, lines, "step", unit)]
