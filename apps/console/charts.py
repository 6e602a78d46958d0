"""Bar charts as plain numbers for an inline SVG: no script, no library.

Pure. Invariant: heights are proportional to values, zero has no bar, and every bar says its exact
value in its tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.core.readonly.display import amount_text
from apps.core.readonly.pages import Shown

HEIGHT: Final = 40.0
SLOT: Final = 1.0  # one bar and the gap beside it; the picture is as wide as there are slots
BAR: Final = 0.72
LEAST: Final = 0.6  # of the height: a value above zero can be seen


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle from the bottom, and its tooltip."""

    x: str
    y: str
    width: str
    height: str
    title: str
    series: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its headline and the words at the ends of its axis."""

    title: str
    figure: Shown
    note: str
    width: str
    bars: Sequence[Bar]
    ends: tuple[str, str]
    peak: str
    legend: Sequence[str] = ()

    @property
    def height(self) -> str:
        """Of the picture, in its own units."""
        return f"{HEIGHT:g}"


def bar_chart(
    title: str,
    labels: Sequence[str],
    values: Sequence[Sequence[Decimal | int]],
    *,
    unit: str,
    figure: Shown,
    note: str,
    ends: tuple[str, str],
    legend: Sequence[str] = (),
) -> Chart:
    """Return a chart of one or more series, one value per label; bars of a label are neighbours."""
    assert all(len(series) == len(labels) for series in values), "each series has every label"
    most = max((value for series in values for value in series), default=0)
    share = BAR / len(values)
    bars = []
    for place, label in enumerate(labels):
        for number, series in enumerate(values):
            value = series[place]
            if not value:
                continue
            height = max(LEAST, float(Decimal(value) / Decimal(most)) * HEIGHT)
            name = f" {legend[number].lower()}" if legend else ""
            bars.append(
                Bar(
                    x=f"{place * SLOT + (SLOT - BAR) / 2 + number * share:.3f}",
                    y=f"{HEIGHT - height:.2f}",
                    width=f"{share:.3f}",
                    height=f"{height:.2f}",
                    title=f"{label}: {_text(value)} {unit}".rstrip() + name,
                    series=number,
                )
            )
    peak = f"peak {_text(most)} {unit}".rstrip() if most else ""
    width = f"{len(labels) * SLOT:g}"
    return Chart(title, figure, note, width, bars, ends, peak, legend)


def _text(value: Decimal | int) -> str:
    return amount_text(Decimal(value))
