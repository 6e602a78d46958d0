"""Request ids from outside are used only when harmless."""

from __future__ import annotations

import re

import pytest

from apps.core.request_ids import REQUEST_ID_CHARS_MAX, request_id_accept


@pytest.mark.parametrize("stated", ["12345678", "a" * REQUEST_ID_CHARS_MAX, "A.b_c-9.0"])
def test_a_sane_id_is_kept(stated: str) -> None:
    assert request_id_accept(stated) == stated


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "",
        "1234567",
        "a" * (REQUEST_ID_CHARS_MAX + 1),
        "has space",
        "line\nbreak1",
        "12345678\n",
        '{"json": 1}',
        "ünïcödé-id",
    ],
)
def test_anything_else_is_replaced_by_a_random_id(stated: str | None) -> None:
    first, second = request_id_accept(stated), request_id_accept(stated)
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second
