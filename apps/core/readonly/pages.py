"""What a record page is made of, as plain values for the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from django.utils.safestring import SafeString

Shown = SafeString | str


@dataclass(frozen=True, slots=True)
class Fact:
    """One named value. `note` explains it in a few words."""

    label: str
    value: Shown
    note: str = ""


@dataclass(frozen=True, slots=True)
class FactSection:
    """Facts under a heading."""

    title: str
    facts: Sequence[Fact]
    note: str = ""
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and whether it holds numbers (which stand on the right)."""

    title: str
    is_numeric: bool = False


@dataclass(frozen=True, slots=True)
class TableSection:
    """Rows under a heading; `footer` rows are sums. `note` stands below the table."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Shown]]
    footer: Sequence[Sequence[Shown]] = field(default_factory=tuple)
    note: Shown = ""
    empty: str = "Nothing here."
    is_narrow: bool = False
    is_half: bool = False
    kind: ClassVar[str] = "table"

    @property
    def aligned_rows(self) -> list[list[tuple[Shown, bool]]]:
        """Each row as pairs of a cell and whether its column holds numbers."""
        return self._aligned(self.rows)

    @property
    def aligned_footer(self) -> list[list[tuple[Shown, bool]]]:
        """The sums, in the same form."""
        return self._aligned(self.footer)

    def _aligned(self, rows: Sequence[Sequence[Shown]]) -> list[list[tuple[Shown, bool]]]:
        numeric = [column.is_numeric for column in self.columns]
        return [list(zip(row, numeric, strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class Moment:
    """One step in the life of something: when, what, and what it means."""

    at: Shown
    title: Shown
    facts: Sequence[Fact]
    source: Shown = ""
    tone: str = "quiet"


@dataclass(frozen=True, slots=True)
class TimelineSection:
    """A life from its beginning, oldest moment first."""

    title: str
    moments: Sequence[Moment]
    note: str = ""
    empty: str = "Nothing here."
    kind: ClassVar[str] = "timeline"


@dataclass(frozen=True, slots=True)
class Banner:
    """What a page says before all else. A page with `is_awaited` loads itself again until then."""

    title: str
    text: Shown
    tone: str
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A button that leads to the form of an action."""

    label: str
    url: str
    tone: str = "quiet"


Section = FactSection | TableSection | TimelineSection
