"""What the console shows is exact, whatever it drops for the eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.readonly import display


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0.000", "0"),
        ("1.500000000000000000", "1.5"),
        ("1200", "1,200"),
        ("-1234567.000000010000000000", "-1,234,567.00000001"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("100.0", "100"),
    ],
)
def test_an_amount_loses_trailing_zeros_and_no_digit(value: str, text: str) -> None:
    assert display.amount_text(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**18)))
def test_an_amount_can_be_read_back_exactly(value: Decimal) -> None:
    assert Decimal(display.amount_text(value).replace(",", "")) == value


def test_a_time_is_shown_in_utc_to_the_millisecond() -> None:
    tokyo = timezone(timedelta(hours=9))
    shown = display.instant(datetime(2026, 3, 1, 8, 59, 59, 999_499, tokyo))
    assert ">2026-02-28 23:59:59.999<" in shown
    assert 'title="2026-02-28 23:59:59.999499 UTC"' in shown
    assert display.instant(None) == display.NOTHING
    assert ">2026-01-01 00:00:00.000<" in display.instant(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 ms"),
        (0.25, "250 ms"),
        (3.14, "3.1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert display.age_text(seconds) == text


def test_text_from_outside_is_escaped_in_every_form() -> None:
    evil = '"><script>alert(1)</script>'
    shown = [
        display.amount(Decimal(1), evil),
        display.identity(evil),
        display.right(evil),
        display.pill(evil, display.GOOD),
        display.link("/x", evil),
        display.link(None, evil),
    ]
    assert all("<script>" not in text for text in shown)
