"""Pages of lists, newest first, by a cursor.

`?limit=` (1 to 500, default 100) and `?cursor=` (from `next_cursor` of the page before). A cursor
is the key of the last row shown, so rows that come in meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rest_framework.request import Request

from apps.api.errors import ApiError, ErrorCode

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
CURSOR_CHARS_MAX: Final = 64
KEY_MAX: Final = 2**63 - 1
_VERSION: Final = b"1:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Ask for `limit` rows with keys below `before`; all if it is None."""

    limit: int
    before: int | None


def page_request(request: Request) -> PageRequest:
    """Read `limit` and `cursor`. ApiError invalid_request if they are not valid."""
    return PageRequest(
        limit=_limit(request.query_params.get("limit")),
        before=_before(request.query_params.get("cursor")),
    )


def page_body(
    rows: Sequence[T],
    page: PageRequest,
    *,
    key: Callable[[T], int],
    show: Callable[[T], dict[str, Any]],
) -> dict[str, Any]:
    """Return the JSON of a page. Fetch `page.limit + 1` rows: the extra one tells of a next."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return {
        "items": [show(row) for row in shown],
        "next_cursor": cursor_text(key(shown[-1])) if more else None,
    }


def cursor_text(key: int) -> str:
    """Return the cursor that continues after the row with this key."""
    return base64.urlsafe_b64encode(_VERSION + str(key).encode()).decode().rstrip("=")


def _limit(stated: str | None) -> int:
    if stated is None:
        return LIMIT_DEFAULT
    if not (stated.isascii() and stated.isdecimal() and len(stated) < 6):
        raise _invalid("limit", f"was {stated[:32]!r}, expected 1 to {LIMIT_MAX}")
    limit = int(stated)
    if not 1 <= limit <= LIMIT_MAX:
        raise _invalid("limit", f"was {limit}, expected 1 to {LIMIT_MAX}")
    return limit


def _before(stated: str | None) -> int | None:
    if not stated:
        return None
    problem = _invalid("cursor", "was not a cursor that this list gave")
    if len(stated) > CURSOR_CHARS_MAX:
        raise problem
    try:
        text = base64.urlsafe_b64decode(stated + "=" * (-len(stated) % 4))
    except (binascii.Error, ValueError) as error:
        raise problem from error
    number = text.removeprefix(_VERSION)
    if not text.startswith(_VERSION) or not number.isdigit() or int(number) > KEY_MAX:
        raise problem
    return int(number)


def _invalid(field: str, problem: str) -> ApiError:
    return ApiError(
        ErrorCode.INVALID_REQUEST, "The request is not valid.", details={"fields": {field: problem}}
    )
