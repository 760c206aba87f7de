"""One line of the bench table: measured, baseline, ratio, target, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def show(
    what: str,
    measured: float,
    unit: str,
    *,
    against: str = "",
    baseline: float | None = None,
    target: str = "",
) -> None:
    """Print a figure; the ratio is measured / baseline."""
    parts = [f"{what:<46} measured {measured:>9,.2f} {unit}"]
    if baseline is not None:
        ratio = measured / baseline if baseline else float("inf")
        parts.append(f"baseline {baseline:>9,.2f} {unit} ({against})")
        parts.append(f"ratio {ratio:.2f}")
    if target:
        parts.append(f"target {target}")
    print("\n" + "   ".join(parts), end="")


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of 100 do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def median_of_rounds(rounds: Sequence[Sequence[float]], percent: int) -> float:
    """The middle round's percentile: one disturbed round does not decide."""
    return statistics.median(percentile(values, percent) for values in rounds)
