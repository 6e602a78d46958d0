"""What the samples of a soak mean: arithmetic and thresholds, without a clock or a process.

Memory is judged after a warm-up, by growth that is both robust and sustained: the median of the
slopes between all pairs of samples (Theil and Sen), which a burst does not move, or what the
medians of the thirds of the time rise by each, if that is less, which a single step (a cache that
fills, a heap that doubles once) does not move. Invariant: every threshold is named here and
printed with its value, so a verdict can be checked by hand.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

WARM_UP_SHARE: Final = 0.2
WARM_UP_S_MIN: Final = 60.0
WARM_UP_S_MAX: Final = 300.0
MEMORY_WINDOW_S_MIN: Final = 240.0  # less than this, after the warm-up, tells nothing of growth
MEMORY_POINTS_MAX: Final = 200  # of a series; pairs grow with the square
GROWTH_SHARE_MAX: Final = 0.05  # of the median, in ten minutes
GROWTH_BYTES_FLOOR: Final = 4 * 1024 * 1024  # less than this, in ten minutes, is no growth
LAG_P99_S_MAX: Final = 1.0
LAG_MAX_S_MAX: Final = 1.0
TEN_MINUTES_S: Final = 600.0
_MIB: Final = 1024 * 1024

Series = Sequence[tuple[float, float]]
"""(seconds since the start, value), in order of time."""


@dataclass
class Samples:
    """All that was seen."""

    duration_s: float = 0.0
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    mirror_lag_s: list[float] = field(default_factory=list)
    relay_lag_s: list[float] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    unhealthy: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    trades: dict[str, int] = field(default_factory=dict)
    """New trades of each market that was open all the time."""
    proofs: list[str] = field(default_factory=list)
    """The outcome of each `verify all`: empty if it held, else what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One threshold: what was found, what was expected, and whether it holds."""

    name: str
    found: str
    expected: str
    holds: bool


def slope_per_s(series: Series) -> float:
    """Return the median of the slopes between all pairs of points; 0 for fewer than two."""
    slopes = [
        (later - earlier) / (after - before)
        for (before, earlier), (after, later) in combinations(thinned(series), 2)
        if after > before
    ]
    return statistics.median(slopes) if slopes else 0.0


def sustained_slope_per_s(series: Series) -> float:
    """Return the smaller of the rises from the first to the second third, and on to the last."""
    third = len(series) // 3
    if not third:
        return 0.0
    parts = (series[:third], series[third : 2 * third], series[2 * third :])
    (begin, first), (middle, second), (end, last) = (
        (statistics.median(at for at, _ in part), statistics.median(value for _, value in part))
        for part in parts
    )
    return min((second - first) / (middle - begin), (last - second) / (end - middle))


def growth_per_s(series: Series) -> float:
    """Return how fast memory grows, if it goes on growing."""
    return min(slope_per_s(series), sustained_slope_per_s(series))


def thinned(series: Series) -> Series:
    """Return at most MEMORY_POINTS_MAX of the points, evenly chosen."""
    step = -(-len(series) // MEMORY_POINTS_MAX) or 1
    return series[::step]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = -(-share * len(ordered) // 1)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def warm_up_s(duration_s: float) -> float:
    """Return how much of the beginning is not judged for memory."""
    return min(max(duration_s * WARM_UP_SHARE, WARM_UP_S_MIN), WARM_UP_S_MAX)


def judge(samples: Samples) -> list[Finding]:
    """Return every finding, in the order in which they are printed."""
    return [
        *_memory(samples),
        _lag("mirror lag", samples.mirror_lag_s),
        _lag("relay lag", samples.relay_lag_s),
        _none("restarts", [f"{name} {n}" for name, n in samples.restarts.items() if n]),
        _none("sick at a sample", sorted(set(samples.unhealthy))),
        _none("lines of error level", samples.errors),
        _trades(samples.trades),
        _proofs(samples.proofs),
    ]


def _memory(samples: Samples) -> list[Finding]:
    begin_s = warm_up_s(samples.duration_s)
    findings = []
    for name, whole in sorted(samples.memory.items()):
        series = [point for point in whole if point[0] >= begin_s]
        window_s = series[-1][0] - series[0][0] if series else 0.0
        median = statistics.median(value for _, value in series or whole)
        if window_s < MEMORY_WINDOW_S_MIN:
            findings.append(
                Finding(
                    name=f"memory of {name}",
                    found=f"{median / _MIB:.1f} MiB",
                    expected=f"not judged: seen for {window_s:.0f} s of {MEMORY_WINDOW_S_MIN:.0f}",
                    holds=True,
                )
            )
            continue
        growth = growth_per_s(series) * TEN_MINUTES_S
        limit = max(median * GROWTH_SHARE_MAX, GROWTH_BYTES_FLOOR)
        findings.append(
            Finding(
                name=f"memory of {name}",
                found=f"{median / _MIB:.1f} MiB, {growth / _MIB:+.2f} in 10 min",
                expected=f"at most {limit / _MIB:+.2f} in 10 min",
                holds=growth <= limit,
            )
        )
    return findings


def _lag(name: str, seen_s: Sequence[float]) -> Finding:
    p99_s, max_s = percentile(seen_s, 0.99), max(seen_s, default=0.0)
    return Finding(
        name=name,
        found=f"p99 {p99_s:.3f} s, max {max_s:.3f} s, {len(seen_s)} samples",
        expected=f"below {LAG_P99_S_MAX:g} s and {LAG_MAX_S_MAX:g} s",
        holds=bool(seen_s) and p99_s < LAG_P99_S_MAX and max_s < LAG_MAX_S_MAX,
    )


def _none(name: str, found: Sequence[str]) -> Finding:
    shown = "none" if not found else f"{len(found)}: {'; '.join(found[:3])[:200]}"
    return Finding(name=name, found=shown, expected="none", holds=not found)


def _trades(trades: Mapping[str, int]) -> Finding:
    silent = [symbol for symbol, count in trades.items() if not count]
    shown = ", ".join(f"{symbol} {count}" for symbol, count in trades.items())
    return Finding(
        name="trades",
        found=shown or "no market is open",
        expected="some in every open market",
        holds=bool(trades) and not silent,
    )


def _proofs(proofs: Sequence[str]) -> Finding:
    failed = [each for each in proofs if each]
    return Finding(
        name="verify all",
        found=f"held {len(proofs) - len(failed)} of {len(proofs)} times"
        + (f": {failed[0][-200:]}" if failed else ""),
        expected="every time",
        holds=bool(proofs) and not failed,
    )
