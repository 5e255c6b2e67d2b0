"""What an intervention found, as JSON can say it: rows by group or by step, and closing numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from synagents.interventions.alignment import LayerAlignment
from synagents.interventions.credit import Credit
from synagents.interventions.follow import Followed
from synagents.interventions.shapley import Shapley

Number: TypeAlias = float | int | None  # None where there is none
Told: TypeAlias = dict[str, Number]


def of_credit(found: Credit) -> tuple[dict[str, Told], Told]:
    """Rows and closing numbers: sums over agents, and how far the first order is from them."""
    rows = {name: _group(found, name) for name in found.contribution}
    error = found.first_order_total - found.total
    closing = {
        "loss": found.loss,
        "sum": found.total,
        "first_order": found.first_order_total,
        "error": error,
        "relative_error": abs(error / found.total) if found.total else math.nan,
        "team": found.team,
        "together": found.team - found.total,
    }
    return rows, {name: _finite(number) for name, number in closing.items()}


def _group(found: Credit, name: str) -> Told:
    worth, changed = found.contribution[name], found.changed[name]
    row: Told = {
        "agents": len(worth),
        "changed": int(changed.sum()),
        "helped": _finite(float((worth[changed] > 0).mean())) if changed.any() else None,
        "sum": float(worth.sum()),
    }
    if found.first_order:
        row["first_order"] = float(found.first_order[name].sum())
    if found.belief:
        row["belief_correlation"] = correlation(found.belief[name][changed], worth[changed])
    return row


def correlation(values: np.ndarray, others: np.ndarray) -> float | None:
    """Pearson's, in [-1, 1]; None where either does not vary."""
    if len(values) < 2 or not (np.ptp(values) > 0 and np.ptp(others) > 0):
        return None
    return float(np.corrcoef(values, others)[0, 1])


def of_shapley(found: Shapley) -> tuple[dict[str, Told], Told]:
    """Rows and closing numbers: values with their 95 % intervals, alone, last, and of the whole team."""
    rows: dict[str, Told] = {
        name: {
            "value": value,
            "low": value - found.half[name],
            "high": value + found.half[name],
            "alone": found.alone[name],
            "last": found.last[name],
        }
        for name, value in found.value.items()
    }
    return rows, {"team": found.team, "orders": found.orders, "exact": found.exact}


def of_alignment(found: Mapping[str, LayerAlignment]) -> tuple[dict[str, Told], Told]:
    """Rows: alignments with their 95 % intervals, ceiling and floor; no closing numbers."""
    rows: dict[str, Told] = {
        name: {
            "alignment": own.alignment.value,
            "low": own.alignment.low,
            "high": own.alignment.high,
            "ceiling": own.ceiling,
            "floor": own.floor,
        }
        for name, own in found.items()
    }
    return rows, {}


def of_followed(found: Followed) -> tuple[dict[str, Told], Told]:
    """Rows by step: held-out accuracy of each run, or loss where there are no classes; no closing numbers."""
    score = "accuracy" if all("accuracy" in own for own in found.metrics.values()) else "loss"
    rows: dict[str, Told] = {
        str(step): {f"{name}_{score}": float(own[score][place]) for name, own in found.metrics.items()}
        for place, step in enumerate(found.steps)
    }
    return rows, {}


def as_text(rows: Mapping[str, Told], closing: Told, first: str) -> str:
    """The rows as a table, and a line for each closing number."""
    columns = list(next(iter(rows.values())))
    cells = [[first, *columns]] + [[name, *(_shown(row[column]) for column in columns)] for name, row in rows.items()]
    return "\n".join([*_aligned(cells), *(f"{name}: {_shown(number)}" for name, number in closing.items())])


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]


def _shown(number: Number) -> str:
    if number is None:
        return "-"
    if isinstance(number, bool):
        return "yes" if number else "no"
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
