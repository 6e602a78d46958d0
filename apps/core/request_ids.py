"""Request ids: one name for a request through edge, web, workers and logs.

Invariant: an id that came from outside is used only if it is harmless in a header and in a log
line; anything else is replaced, never repaired.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

REQUEST_ID_HEADER: Final = "X-Request-ID"
REQUEST_ID_CHARS_MAX: Final = 64
_SANE: Final = re.compile(rf"[A-Za-z0-9._-]{{8,{REQUEST_ID_CHARS_MAX}}}")


def request_id_accept(stated: str | None) -> str:
    """Return `stated` if it is 8 to 64 of [A-Za-z0-9._-], else a new random id."""
    if stated is not None and _SANE.fullmatch(stated):
        return stated
    return uuid.uuid4().hex
