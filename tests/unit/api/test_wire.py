"""Decimal strings and cursors: what is read, what is refused, what is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.api.errors import ApiError
from apps.api.fields import DecimalStringField, decimal_parse, decimal_text
from apps.api.pagination import LIMIT_DEFAULT, PageRequest, cursor_text, page_body, page_request


class OneAmount(serializers.Serializer[Any]):
    amount = DecimalStringField()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("0.125", "0.125"),
        ("10", "10"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
    ],
)
def test_plain_decimals_are_read_exactly(text: str, value: str) -> None:
    assert decimal_parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "", " 1", "1 ", "+1", "-1", "1e3", "1E-3", ".5", "5.", "01", "1,5", "NaN", "Infinity",
        "0x10", "1_000", "٣", "0.1234567890123456789", "1" * 39, "1\n",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a decimal string"):
        decimal_parse(text)


@pytest.mark.parametrize("number", [1, 0.1, True, None, ["1"], {"a": 1}])
def test_json_numbers_are_refused(number: object) -> None:
    reader = OneAmount(data={"amount": number})
    assert not reader.is_valid()
    assert set(reader.errors) == {"amount"}


@given(st.decimals(min_value=0, max_value=10**18, allow_nan=False, places=18))
def test_what_is_written_is_read_as_the_same_value(value: Decimal) -> None:
    assert decimal_parse(decimal_text(value)) == value


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1.50", None, "1.5"),
        ("1E+3", None, "1000"),
        ("0E-18", None, "0"),
        ("-0.10", None, "-0.1"),
        ("1.5", 8, "1.50000000"),
        ("2", 0, "2"),
    ],
)
def test_decimals_are_written_in_plain_notation(value: str, places: int | None, text: str) -> None:
    assert decimal_text(Decimal(value), places) == text


def test_writing_never_loses_a_digit() -> None:
    with pytest.raises(ValueError, match="expected at most 2 decimals"):
        decimal_text(Decimal("0.125"), 2)


def asked(query: str) -> PageRequest:
    return page_request(Request(APIRequestFactory().get(f"/x?{query}")))


def test_a_page_is_asked_for_by_limit_and_cursor() -> None:
    assert asked("") == PageRequest(limit=LIMIT_DEFAULT, before=None)
    assert asked(f"limit=3&cursor={cursor_text(17)}") == PageRequest(limit=3, before=17)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=-1",
        "limit=1e2",
        "cursor=x",
        "cursor=%00",
        "cursor=" + "a" * 99,
    ],
)
def test_a_page_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(ApiError) as raised:
        asked(query)
    assert raised.value.code == "invalid_request"
    assert set(raised.value.details["fields"]) == {query.partition("=")[0]}


def test_a_list_is_read_to_its_end_by_its_cursors() -> None:
    rows = list(range(10, 0, -1))
    seen: list[int] = []
    page = asked("limit=4")
    while True:
        found = [row for row in rows if page.before is None or row < page.before]
        body = page_body(
            found[: page.limit + 1], page, key=lambda row: row, show=lambda row: {"id": row}
        )
        seen += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        page = asked(f"limit=4&cursor={body['next_cursor']}")
    assert seen == rows
