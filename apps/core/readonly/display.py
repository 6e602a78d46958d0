"""How values look in the console: amounts, instants, states, identities.

Invariant: what is shown is exact. Trailing zeros are dropped, digits never; instants are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from apps.core.readonly.pages import Operation

NOTHING: Final = mark_safe('<span class="qt-none">&ndash;</span>')
GOOD: Final = "good"
BAD: Final = "bad"
WARN: Final = "warn"
QUIET: Final = "quiet"


def amount_text(value: Decimal) -> str:
    """Return the number with thousands separators and without trailing zeros."""
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def amount(value: Decimal | None, unit: str | None = None) -> SafeString:
    """Return an amount with its unit, set so that units and digits align in a column."""
    if value is None:
        return NOTHING
    kind = "qt-amount qt-zero" if value == 0 else "qt-amount"
    return format_html(
        '<span class="{}">{}<span class="qt-unit">{}</span></span>',
        kind,
        amount_text(value),
        unit or "",
    )


def number(value: int | None) -> SafeString:
    """Return a count or a sequence number with thousands separators."""
    if value is None:
        return NOTHING
    return format_html('<span class="qt-number">{}</span>', f"{value:,}")


def number_with_unit(value: int, unit: str) -> SafeString:
    """Return a measured number with its unit."""
    return format_html(
        '<span class="qt-number">{}<span class="qt-unit">{}</span></span>', f"{value:,}", unit
    )


def identity(value: object) -> SafeString:
    """Return an id in fixed-width type."""
    return format_html('<span class="qt-id">{}</span>', value)


def right(value: object) -> SafeString:
    """Return text set as numbers are: fixed width, on the right."""
    return format_html('<span class="qt-number">{}</span>', value)


def instant(value: datetime | None) -> SafeString:
    """Return a time in UTC to the millisecond; the microseconds are in the tooltip."""
    if value is None:
        return NOTHING
    utc = value.astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03d}"
    return format_html(
        '<time class="qt-time" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S.%f}",
        shown,
    )


def pill(text: str, tone: str = QUIET) -> SafeString:
    """Return a word in a coloured pill; the tone is GOOD, BAD, WARN or QUIET."""
    return format_html('<span class="qt-pill qt-pill-{}">{}</span>', tone, text)


def side(stored: str) -> SafeString:
    """Return Buy or Sell for the stored BID or ASK."""
    if stored == "BID":
        return mark_safe('<span class="qt-side qt-buy">Buy</span>')
    return mark_safe('<span class="qt-side qt-sell">Sell</span>')


def words(stored: str) -> str:
    """Return a stored enum name for people: LIMIT_MAKER gives 'Limit maker'."""
    return stored.replace("_", " ").capitalize()


def hexadecimal(value: bytes | memoryview | None) -> SafeString:
    """Return bytes as hexadecimal digits in full."""
    digits = bytes(value or b"").hex()
    return format_html('<span class="qt-hex">{}</span>', digits) if digits else NOTHING


def age_text(seconds: float) -> str:
    """Return a duration for people, in its two largest units at most."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for unit_s, unit, smaller_s, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit_s:
            rest = whole % unit_s // smaller_s
            return (
                f"{whole // unit_s} {unit} {rest} {smaller}"
                if rest
                else f"{whole // unit_s} {unit}"
            )
    return f"{whole} s"


def record_url(model: str, key: object) -> str | None:
    """Return the console's page of one record ('ledger_transaction'); None if there is none."""
    try:
        return reverse(f"admin:{model}_change", args=[key])
    except NoReverseMatch:
        return None


def list_url(model: str, **filters: object) -> str | None:
    """Return the console's list of a model with filters applied."""
    try:
        url = reverse(f"admin:{model}_changelist")
    except NoReverseMatch:
        return None
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{url}?{query}" if query else url


def link(url: str | None, text: object) -> SafeString:
    """Return a link, or the bare text where there is nowhere to go."""
    if url is None:
        return format_html("{}", text)
    return format_html('<a class="qt-link" href="{}">{}</a>', url, text)


def record_link(model: str, key: object, text: object | None = None) -> SafeString:
    """Return a link to one record, named by its key unless `text` is given."""
    if key is None:
        return NOTHING
    return link(record_url(model, key), identity(key) if text is None else text)


def buttons(operations: Sequence[Operation]) -> SafeString:
    """Return small buttons for a row of a list."""
    return format_html_join(
        " ",
        '<a class="qt-button qt-button-small qt-button-{}" data-qt-operation href="{}">{}</a>',
        ((operation.tone, operation.url, operation.label) for operation in operations),
    )
