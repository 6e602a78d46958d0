"""BitGo's HTTP interface, as far as deposits need it.

Facts: https://developers.bitgo.com (addresses, transfers). Invariant: amounts are read from
`valueString` alone, since `value` may be rounded; an answer that does not have the documented form
is an error and never half believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from apps.custody.types import (
    CustodianRefusedError,
    CustodianUnavailableError,
    ProviderAddress,
    ProviderEntry,
    ProviderTransfer,
    TransferPage,
)

CONNECT_TIMEOUT_S: Final = 3.0
ANSWER_TIMEOUT_S: Final = 8.0
ANSWER_BYTES_MAX: Final = 8 << 20
CONNECTIONS_MAX: Final = 8
PAGE_SIZE: Final = 100
ENTRIES_MAX: Final = 5_000
TEXT_CHARS_MAX: Final = 255
ERROR_CHARS_MAX: Final = 200
_AMOUNT: Final = re.compile(r"-?[0-9]{1,78}")
_TRY_AGAIN: Final = frozenset({408, 425, 429})


class BitGoProvider:
    """One account at BitGo, or at something that speaks like it. Safe to share between threads."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    def address_create(self, *, coin: str, wallet: str, label: str) -> ProviderAddress:
        """Make a new address."""
        answer = self._ask("POST", coin, wallet, "address", json={"label": label})
        return _address(_object(answer))

    def transfer_get(self, *, coin: str, wallet: str, transfer_id: str) -> ProviderTransfer | None:
        """Return a transfer as it is now, None if the wallet has none of this id."""
        try:
            answer = self._ask("GET", coin, wallet, "transfer", transfer_id)
        except CustodianRefusedError as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                return None
            raise
        return transfer_of(_object(answer))

    def transfers_list(
        self, *, coin: str, wallet: str, since: datetime | None, cursor: str | None
    ) -> TransferPage:
        """Return a page of the wallet's incoming transfers, newest first."""
        params = {"limit": str(PAGE_SIZE), "type": "receive"}
        if since is not None:
            params["dateGte"] = since.astimezone(UTC).isoformat(timespec="milliseconds")
        if cursor is not None:
            params["prevId"] = cursor
        answer = _object(self._ask("GET", coin, wallet, "transfer", params=params))
        following = answer.get("nextBatchPrevId")
        return TransferPage(
            transfers=tuple(transfer_of(_object(each)) for each in _list(answer, "transfers")),
            next_cursor=None if following is None else str(following),
        )

    def _ask(
        self,
        method: str,
        coin: str,
        wallet: str,
        *place: str,
        json: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON of an answer."""
        path = "/".join(quote(each, safe="") for each in (coin, "wallet", wallet, *place))
        try:
            with self._client.stream(
                method, f"/api/v2/{path}", json=json, params=params
            ) as response:
                content = _read(response)
        except httpx.HTTPError as error:
            raise CustodianUnavailableError(
                f"the custodian did not answer: {type(error).__name__}"
            ) from error
        status = response.status_code
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _TRY_AGAIN:
            raise CustodianUnavailableError(f"the custodian answered {status}")
        if status >= httpx.codes.MULTIPLE_CHOICES:
            words = content.decode("utf-8", "replace")[:ERROR_CHARS_MAX]
            raise CustodianRefusedError(status, f"the custodian answered {status}: {words}")
        try:
            return httpx.Response(status, content=content).json()
        except ValueError as error:
            raise CustodianUnavailableError("the custodian's answer was not JSON") from error


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise CustodianUnavailableError(
                f"the custodian's answer was longer than {ANSWER_BYTES_MAX} bytes"
            )
    return bytes(content)


def transfer_of(content: Mapping[str, Any]) -> ProviderTransfer:
    """Return a transfer from the custodian's JSON. CustodianUnavailableError if it is malformed."""
    entries = _list(content, "entries")
    if len(entries) > ENTRIES_MAX:
        raise CustodianUnavailableError(f"a transfer had {len(entries)} entries")
    txid = _text(content, "txid", default="")
    return ProviderTransfer(
        transfer_id=_text(content, "id"),
        coin=_text(content, "coin"),
        wallet=_text(content, "wallet"),
        txid=txid,
        normalized_tx_hash=_text(content, "normalizedTxHash", default="") or txid,
        kind=_text(content, "type"),
        state=_text(content, "state"),
        height=_whole(content, "height"),
        confirmations=max(_whole(content, "confirmations"), 0),
        base_units=_amount(content),
        entries=tuple(_entry(_object(each)) for each in entries),
        replaced_by=tuple(str(each) for each in _list(content, "replacedBy")),
        risk_indicators=tuple(
            str(each)[:TEXT_CHARS_MAX] for each in _list(content, "riskIndicators")
        ),
        made_at=_moment(content),
    )


def _entry(content: Mapping[str, Any]) -> ProviderEntry:
    return ProviderEntry(
        address=_text(content, "address", default=""),
        wallet=_text(content, "wallet", default=""),
        base_units=_amount(content),
        token=_text(content, "token", default=""),
        is_change=content.get("isChange") is True,
    )


def _address(content: Mapping[str, Any]) -> ProviderAddress:
    return ProviderAddress(
        provider_id=_text(content, "id"),
        address=_text(content, "address"),
        label=_text(content, "label", default=""),
    )


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed("answer", value, "an object")
    return value


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed(name, value, "a list")
    return value


def _text(content: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    value = content.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX or (not value and default is None):
        raise _malformed(name, value, "a text")
    return value


def _whole(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**53:
        raise _malformed(name, value, "a whole number")
    return value


def _amount(content: Mapping[str, Any]) -> int:
    value = content.get("valueString")
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise _malformed("valueString", value, "whole base units")
    return int(value)


def _moment(content: Mapping[str, Any]) -> datetime | None:
    value = content.get("date")
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise _malformed("date", value, "ISO 8601") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _malformed(name: str, value: Any, expected: str) -> CustodianUnavailableError:
    return CustodianUnavailableError(
        f"the custodian's {name} was {str(value)[:80]!r}, expected {expected}"
    )
