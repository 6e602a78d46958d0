"""Personal data on console pages: shown masked, and whole only to whom the role allows.

Invariant: lists mask for everybody; a record's page asks `sees_personal_data` of its viewer.
"""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest

PERMISSION: Final = "accounts.view_personal_data"
ENDS_CHARS: Final = 6
_EMAIL: Final = re.compile(r"([\w.+-])[\w.+-]*@([\w-]+\.[\w.-]+|localhost)")


def masked(text: str) -> str:
    """Return `text` in which of each e-mail address the first letter and the host are left."""
    return _EMAIL.sub(r"\1***@\2", text)


def sees_personal_data(request: HttpRequest) -> bool:
    """Tell whether the viewer may see e-mail addresses whole."""
    return bool(request.user.has_perm(PERMISSION))


def shortened(text: str) -> str:
    """Return the ends of an address of coins: enough to compare with one that is at hand."""
    if len(text) <= 2 * ENDS_CHARS + 1:
        return text
    return f"{text[:ENDS_CHARS]}…{text[-ENDS_CHARS:]}"


def coin_address(request: HttpRequest, address: str) -> str:
    """Return an address of coins as the viewer may see it."""
    return address if sees_personal_data(request) else shortened(address)


def personal(request: HttpRequest, text: str) -> str:
    """Return `text` as the viewer may see it."""
    return text if sees_personal_data(request) else masked(text)
