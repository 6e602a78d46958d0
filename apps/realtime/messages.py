"""What a client may say, read strictly. Anything else is an error with a stable code.

Invariant: nothing from outside gets past this module unchecked in type, length or number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from apps.realtime.limits import RealtimeLimits

CHANNEL_CHARS_MAX: Final = 64
TOKEN_CHARS_MAX: Final = 2_000
ID_CHARS_MAX: Final = 64
PROOF_CHARS_MAX: Final = 128
_KEY_FIELDS: Final = ("key", "timestamp", "signature")
_FIELDS: Final[dict[str, tuple[set[str], ...]]] = {
    "subscribe": ({"channels"},),
    "unsubscribe": ({"channels"},),
    "auth": ({"token"}, set(_KEY_FIELDS)),
    "ping": (set(),),
}


class BadRequestError(Exception):
    """The message is not a request; `code` is stable and `request_id` the client's, if any."""

    def __init__(self, code: str, message: str, request_id: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProof:
    """A login by API key, as stated."""

    key: str
    timestamp: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `id` is the client's own name for it and comes back with the answer.

    An `auth` has a token or a proof.
    """

    op: str
    id: str | int | None = None
    channels: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    proof: KeyProof | None = None


def parse_request(text: str, limits: RealtimeLimits) -> Request:
    """Return the request in a message. BadRequestError says what was wrong."""
    if len(text) > limits.message_chars_max:
        raise BadRequestError(
            "too_long", f"was {len(text)} characters, expected at most {limits.message_chars_max}"
        )
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequestError("not_json", "expected one JSON object") from None
    if not isinstance(stated, dict):
        raise BadRequestError("not_json", "expected one JSON object")
    request_id = _id(stated.pop("id", None))
    op = stated.pop("op", None)
    if not isinstance(op, str) or op not in _FIELDS:
        raise BadRequestError(
            "unknown_op",
            f"op was {str(op)[:40]!r}, expected one of {', '.join(_FIELDS)}",
            request_id,
        )
    if set(stated) not in _FIELDS[op]:
        taken = " or ".join(str(sorted(fields)) for fields in _FIELDS[op])
        raise BadRequestError("bad_fields", f"{op} takes {taken} and id, nothing else", request_id)
    return Request(
        op=op,
        id=request_id,
        channels=_channels(stated.get("channels"), limits, request_id),
        token=_token(stated.get("token"), request_id),
        proof=_proof(stated, request_id),
    )


def _id(value: Any) -> str | int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        if value is None or abs(value) < 2**53:
            return value
    elif isinstance(value, str) and len(value) <= ID_CHARS_MAX:
        return value
    raise BadRequestError("bad_fields", f"id must be text of {ID_CHARS_MAX} or a whole number")


def _channels(value: Any, limits: RealtimeLimits, request_id: str | int | None) -> tuple[str, ...]:
    if value is None:
        return ()
    names = value if isinstance(value, list) else []
    if (
        not 1 <= len(names) <= limits.channels_per_request_max
        or not all(isinstance(name, str) for name in names)
        or any(len(name) > CHANNEL_CHARS_MAX for name in names)
    ):
        raise BadRequestError(
            "bad_fields",
            f"channels must be 1 to {limits.channels_per_request_max} names in a list",
            request_id,
        )
    return tuple(dict.fromkeys(names))


def _token(value: Any, request_id: str | int | None) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value or len(value) > TOKEN_CHARS_MAX:
        raise BadRequestError("bad_fields", "token must be an access token", request_id)
    return value


def _proof(stated: dict[str, Any], request_id: str | int | None) -> KeyProof | None:
    if "key" not in stated:
        return None
    timestamp = stated["timestamp"]
    if isinstance(timestamp, int) and not isinstance(timestamp, bool):
        timestamp = str(timestamp)
    values = (stated["key"], timestamp, stated["signature"])
    if not all(isinstance(value, str) and 0 < len(value) <= PROOF_CHARS_MAX for value in values):
        raise BadRequestError(
            "bad_fields",
            "key and signature must be text, timestamp milliseconds since 1970",
            request_id,
        )
    key, timestamp, signature = values
    return KeyProof(key=key, timestamp=timestamp, signature=signature)
