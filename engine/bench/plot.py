"""Latency distributions as an SVG file: percentile against time, both on logarithmic scales.

Invariant: the picture holds what the histograms hold and nothing else; no program is needed to make
it, and any browser shows it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from engine.bench.histogram import Histogram

NAMESPACE: Final = "http://www.w3.org/2000/svg"
WIDTH: Final = 900
HEIGHT: Final = 480
LEFT: Final = 80
RIGHT: Final = 200
TOP: Final = 40
BOTTOM: Final = 60
NINES_MAX: Final = 5.0  # 99.999 %
COLOURS: Final = ("#1f6feb", "#d1572a", "#2f9e44", "#9c36b5", "#a47c00")
_TICKS: Final = (
    (50.0, "50 %"),
    (90.0, "90 %"),
    (99.0, "99 %"),
    (99.9, "99.9 %"),
    (99.99, "99.99 %"),
)
_UNITS: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def _nines(percent: float) -> float:
    """0 at 0 %, 1 at 90 %, 2 at 99 %."""
    return min(-math.log10(max(1 - percent / 100, 1e-9)), NINES_MAX)


def _time_text(nanoseconds: float) -> str:
    size, unit = next(each for each in _UNITS if nanoseconds >= each[0] or each[0] == 1.0)
    return f"{nanoseconds / size:.0f} {unit}"


def latency_svg(title: str, histograms: dict[str, Histogram]) -> str:
    """The picture. Histograms are in nanoseconds."""
    curves = {name: each.curve() for name, each in histograms.items() if each.count}
    decades = [math.log10(max(value, 1)) for curve in curves.values() for _, value in curve]
    low, high = math.floor(min(decades, default=0)), math.ceil(max(decades, default=1))
    high = max(high, low + 1)
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x_of(percent: float) -> float:
        return LEFT + plot_width * _nines(percent) / NINES_MAX

    def y_of(nanoseconds: float) -> float:
        part = (math.log10(max(nanoseconds, 1)) - low) / (high - low)
        return TOP + plot_height * (1 - part)

    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="13">',
        "<style>text { font-family: sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
    ]
    for percent, text in _TICKS:
        x = x_of(percent)
        parts.append(_line(x, TOP, x, TOP + plot_height))
        parts.append(_text(x, HEIGHT - BOTTOM + 20, text, "middle"))
    for decade in range(low, high + 1):
        y = y_of(10.0**decade)
        parts.append(_line(LEFT, y, LEFT + plot_width, y))
        parts.append(_text(LEFT - 8, y + 4, _time_text(10.0**decade), "end"))
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x_of(percent):.1f},{y_of(value):.1f}" for percent, value in curve)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y = TOP + 16 + 20 * number
        parts.append(
            f'<rect x="{WIDTH - RIGHT + 14}" y="{y - 9}" width="12" height="4" fill="{colour}"/>'
        )
        parts.append(_text(WIDTH - RIGHT + 32, y - 3, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def write_plot(path: Path, title: str, histograms: dict[str, Histogram]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(latency_svg(title, histograms), encoding="utf-8")
