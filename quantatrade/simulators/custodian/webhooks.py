"""The webhooks of the simulated custodian: their bodies, their signatures, and every way to get
them wrong.

A body carries ids only, as the vendor's do. Invariant: without a misbehaviour switch a body is
signed over exactly the bytes that are sent, with 64 lowercase hexadecimal digits of HMAC-SHA256.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from quantatrade.simulators.custodian.store import Document, NewDelivery

ATTEMPTS_MAX: Final = 8
"""The first attempt and the vendor's seven repetitions."""

RETRY_DELAYS_MIN: Final = (1, 5, 10, 30, 60, 120, 240)
DUPLICATES_MAX: Final = 1_000
DELAY_MS_MAX: Final = 3_600_000
OUT_OF_ORDER_S: Final = 1.0

Forged = tuple[bytes, str | None]


def sign(body: bytes, secret: str) -> str:
    """Return the vendor's signature of a body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _with_amount(body: bytes, _secret: str) -> Forged:
    content = json.loads(body) | {"value": 10**12, "valueString": "1000000000000"}
    forged = json.dumps(content, separators=(",", ":")).encode()
    return forged, sign(forged, secrets.token_hex(16))


def _other_transfer(body: bytes, secret: str) -> Forged:
    content = json.loads(body) | {"transfer": secrets.token_hex(16)}
    return json.dumps(content, separators=(",", ":")).encode(), sign(body, secret)


FORGERIES: Final[Mapping[str, Callable[[bytes, str], Forged]]] = {
    "wrong_key": lambda body, _secret: (body, sign(body, secrets.token_hex(16))),
    "missing": lambda body, _secret: (body, None),
    "short": lambda body, secret: (body, sign(body, secret)[:63]),
    "uppercase": lambda body, secret: (body, sign(body, secret).upper()),
    "sha1": lambda body, secret: (
        body,
        hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
    ),
    "sha512": lambda body, secret: (
        body,
        hmac.new(secret.encode(), body, hashlib.sha512).hexdigest(),
    ),
    "reserialised": lambda body, secret: (
        json.dumps(json.loads(body), indent=1, sort_keys=True).encode(),
        sign(body, secret),
    ),
    "truncated": lambda body, secret: (body[:-1], sign(body, secret)),
    "amount": _with_amount,
    "other_transfer": _other_transfer,
}


def webhook_body(document: Document, *, url: str, webhook: str) -> bytes:
    """Return the body that tells of a transfer's present state."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    kind = "transactionRemoved" if document["state"] == "removed" else "transfer"
    content = {
        "id": secrets.token_hex(12),
        "type": kind,
        "wallet": document["wallet"],
        "url": url,
        "hash": document["txid"],
        "coin": document["coin"],
        "transfer": document["id"],
        "state": "new",
        "simulation": False,
        "retries": 0,
        "webhook": webhook,
        "updateAt": now,
        "version": 2,
        "idempotencyKey": secrets.token_hex(16),
    }
    return json.dumps(content, separators=(",", ":")).encode()


def deliveries_of(
    body: bytes, *, secret: str, now: float, plan: Mapping[str, Any], is_first: bool
) -> list[NewDelivery]:
    """Return what is sent for one body under a plan of misbehaviour.

    `is_first`: it tells of the transfer's first state, which `out_of_order` holds back.
    """
    due_at = now + plan.get("delay_ms", 0) / 1000
    if is_first and plan.get("out_of_order"):
        due_at += OUT_OF_ORDER_S
    forged = [
        NewDelivery(*FORGERIES[kind](body, secret), due_at=now, attempts_max=1)
        for kind in plan.get("forge", [])
    ]
    if plan.get("silent"):
        return forged
    true = NewDelivery(body, sign(body, secret), due_at=due_at, attempts_max=ATTEMPTS_MAX)
    return [*forged, *[true] * (1 + plan.get("duplicates", 0))]


def plan_checked(stated: object) -> Document:
    """Return a plan of misbehaviour. ValueError names what is wrong with it."""
    if not isinstance(stated, dict):
        raise ValueError("misbehaviour was not an object")
    known = {"duplicates", "delay_ms", "out_of_order", "silent", "forge", "api_failures"}
    unknown = set(stated) - known
    if unknown:
        raise ValueError(f"misbehaviour had {sorted(unknown)}, expected some of {sorted(known)}")
    for name, most in (
        ("duplicates", DUPLICATES_MAX),
        ("delay_ms", DELAY_MS_MAX),
        ("api_failures", DUPLICATES_MAX),
    ):
        value = stated.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise ValueError(f"{name} was {value!r}, expected 0 to {most}")
    for name in ("out_of_order", "silent"):
        if not isinstance(stated.get(name, False), bool):
            raise ValueError(f"{name} was {stated[name]!r}, expected true or false")
    forge = stated.get("forge", [])
    if not isinstance(forge, list) or not set(forge) <= set(FORGERIES):
        raise ValueError(f"forge was {forge!r}, expected a list of {sorted(FORGERIES)}")
    return dict(stated)
