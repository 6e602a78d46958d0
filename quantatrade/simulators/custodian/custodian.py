"""The simulated custodian itself: what each call does, in the vendor's shapes.

Amounts are strings of base units throughout. Invariant: a transfer is announced only by webhooks
that carry ids; one with risk indicators is never announced, as with the real vendor.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from quantatrade.simulators.custodian.store import Document, Store
from quantatrade.simulators.custodian.webhooks import deliveries_of, plan_checked, webhook_body

STATES: Final = (
    "initialized", "pendingApproval", "signed", "unconfirmed", "confirmed", "failed", "rejected",
    "removed", "replaced",
)  # fmt: skip
CONFIRMATIONS_DEFAULT: Final = 64
CONFIRM_AFTER_MS_DEFAULT: Final = 300
OUTPUTS_MAX: Final = 1_000
LABEL_CHARS_MAX: Final = 250
PAGE_DEFAULT: Final = 25
PAGE_MAX: Final = 250
_COIN: Final = re.compile(r"[a-z0-9:._-]{1,64}")
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,77}")
_ACCOUNT_COINS: Final = frozenset({"eth", "usdt", "usdc"})
_JSON_SAFE_MAX: Final = 2**53 - 1


class RefusedError(Exception):
    """The vendor's error answer: status, name and words."""

    def __init__(self, status: int, name: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.body = {"error": words, "name": name, "requestId": secrets.token_hex(12)}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the custodian and its customer agreed on."""

    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_url: str
    wallet: str


class Custodian:
    """One customer's account with one wallet per coin. Safe to share between threads."""

    def __init__(self, store: Store, terms: Terms) -> None:
        self._store = store
        self._terms = terms
        self._webhook = hashlib.blake2b(terms.wallet.encode(), digest_size=12).hexdigest()

    # the vendor's interface

    def address_create(self, coin: str, wallet: str, body: Document) -> Document:
        """`POST /api/v2/{coin}/wallet/{walletId}/address`."""
        self._require_wallet(coin, wallet)
        label = body.get("label", "")
        if not isinstance(label, str) or len(label) > LABEL_CHARS_MAX:
            raise RefusedError(400, "Invalid", f"label must be up to {LABEL_CHARS_MAX} characters")
        id_, address = secrets.token_hex(16), _new_address(coin)
        number = self._store.address_add(
            id_=id_, coin=coin, wallet=wallet, address=address, label=label
        )
        return _address(coin, wallet, id_, address, label, number)

    def transfer(self, coin: str, wallet: str, id_: str) -> Document:
        """`GET /api/v2/{coin}/wallet/{walletId}/transfer/{transferId}`."""
        self._require_wallet(coin, wallet)
        found = self._store.transfer(id_)
        if found is None or found[0]["coin"] != coin:
            raise RefusedError(404, "TransferNotFound", "transfer not found")
        return found[0]

    def transfers(self, coin: str, wallet: str, query: dict[str, str]) -> Document:
        """`GET /api/v2/{coin}/wallet/{walletId}/transfer?dateGte=&limit=&prevId=`."""
        self._require_wallet(coin, wallet)
        limit = _integer(query.get("limit"), "limit", 1, PAGE_MAX, PAGE_DEFAULT)
        before = _integer(query.get("prevId"), "prevId", 1, 2**62, 0) or None
        rows = self._store.transfers(
            coin, wallet, since=_date(query.get("dateGte", "")), before=before, limit=limit
        )
        kind = query.get("type")
        page: Document = {
            "coin": coin,
            "transfers": [each for _, each in rows if kind in (None, each["type"])],
        }
        if len(rows) == limit:
            page["nextBatchPrevId"] = str(rows[-1][0])
        return page

    def require_token(self, authorization: str) -> None:
        """Refuse a call whose bearer token is not the customer's."""
        if not secrets.compare_digest(
            authorization.encode("latin-1", "replace"), f"Bearer {self._terms.token}".encode()
        ):
            raise RefusedError(401, "Unauthorized", "unauthorized")

    def fail_on_request(self) -> None:
        """Answer 503 as often as the switch `api_failures` says."""
        if self._store.switch_count_down("api_failures"):
            raise RefusedError(503, "ServiceUnavailable", "simulated outage")

    def _require_wallet(self, coin: str, wallet: str) -> None:
        if not _COIN.fullmatch(coin) or wallet != self._terms.wallet:
            raise RefusedError(404, "WalletNotFound", "wallet not found")

    # simulation

    def simulate_transfer(self, body: Document) -> Document:
        """`POST /simulate/transfers`: let coins arrive."""
        try:
            document, plan, confirms_at = self._planned(body)
        except ValueError as error:
            raise RefusedError(400, "Invalid", str(error)) from error
        announced = document | ({"state": "unconfirmed"} if confirms_at else {})
        announcements = self._announcements(announced, plan, is_first=confirms_at is not None)
        self._store.transfer_add(
            document | ({"state": "unconfirmed", "confirmations": 0} if confirms_at else {}),
            plan=plan | {"confirmations": document["confirmations"]},
            confirms_at=confirms_at,
            deliveries=announcements,
        )
        return self.transfer(document["coin"], document["wallet"], document["id"])

    def simulate_change(self, id_: str, body: Document) -> Document:
        """`POST /simulate/transfers/{id}`: let a transfer's fate take a turn."""
        found = self._store.transfer(id_)
        if found is None:
            raise RefusedError(404, "TransferNotFound", "transfer not found")
        document, plan = found
        try:
            plan = plan | plan_checked(body.pop("misbehave", {}))
            changes = _changes(body)
        except ValueError as error:
            raise RefusedError(400, "Invalid", str(error)) from error
        document = document | changes
        self._store.transfer_change(
            document, deliveries=self._announcements(document, plan, is_first=False)
        )
        return document

    def simulate_misbehaviour(self, body: Document) -> Document:
        """`POST /simulate/misbehaviour`: how everything goes wrong from now on; `{}` stops it."""
        try:
            switches = plan_checked(body)
        except ValueError as error:
            raise RefusedError(400, "Invalid", str(error)) from error
        self._store.switches_set(switches)
        return switches

    def deliveries(self, transfer: str) -> Document:
        """`GET /simulate/transfers/{id}/webhooks`: what became of a transfer's webhooks."""
        rows = self._store.delivery_statuses(transfer)
        return {
            "webhooks": [
                {"attempts": attempts, "status": status, "due": bool(due)}
                for attempts, status, due in rows
            ]
        }

    def confirm_due(self, now: float) -> int:
        """Confirm the transfers whose time has come; returns how many."""
        due = self._store.due_confirmations(now)
        for document, plan in due:
            confirmed = document | {
                "state": "confirmed",
                "confirmations": plan["confirmations"],
            }
            announcements = self._announcements(confirmed, plan, is_first=False)
            self._store.transfer_change(confirmed, deliveries=announcements)
        return len(due)

    def _announcements(self, document: Document, plan: Document, *, is_first: bool) -> list[Any]:
        if document["riskIndicators"]:
            return []
        body = webhook_body(document, url=self._terms.webhook_url, webhook=self._webhook)
        return deliveries_of(
            body,
            secret=self._terms.webhook_secret,
            now=time.time(),
            plan=plan,
            is_first=is_first,
        )

    def _planned(self, body: Document) -> tuple[Document, Document, float | None]:
        """Return the transfer's final document, its plan, and when it is to be confirmed."""
        plan = self._store.switches() | plan_checked(body.get("misbehave", {}))
        plan.pop("api_failures", None)
        coin = body.get("coin", "")
        if not isinstance(coin, str) or not _COIN.fullmatch(coin):
            raise ValueError(f"coin was {coin!r}, expected 1 to 64 of [a-z0-9:._-]")
        outputs = _outputs(body)
        after_ms = _whole(body, "confirm_after_ms", CONFIRM_AFTER_MS_DEFAULT)
        changes = _changes(
            {name: body[name] for name in ("state", "confirmations", "riskIndicators", "type")
             if name in body}
        )  # fmt: skip
        confirms_at = time.time() + after_ms / 1000 if after_ms and "state" not in body else None
        return self._document(coin, outputs, body) | changes, plan, confirms_at

    def _document(self, coin: str, outputs: list[Document], body: Document) -> Document:
        number = self._store.next_number()
        txid = body.get("txid") or secrets.token_hex(32)
        if not isinstance(txid, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", txid):
            raise ValueError(f"txid was {txid!r}, expected 1 to 128 of [A-Za-z0-9_-]")
        wallet = self._terms.wallet
        total = sum(int(each["amount"]) for each in outputs)
        received = [
            _entry(each["address"], int(each["amount"]), wallet, each.get("token", ""))
            for each in outputs
        ]
        return {
            "id": secrets.token_hex(16),
            "coin": coin,
            "wallet": wallet,
            "txid": txid,
            "normalizedTxHash": txid.lower(),
            "height": 800_000 + number,
            "date": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "confirmations": CONFIRMATIONS_DEFAULT,
            "type": "receive",
            "value": total if total <= _JSON_SAFE_MAX else float(total),
            "valueString": str(total),
            "feeString": "0",
            "state": "confirmed",
            "sequenceId": "",
            "replaces": [],
            "replacedBy": [],
            "riskIndicators": [],
            "entries": [_entry(_new_address(coin), -total, None, ""), *received],
        }


def _address(coin: str, wallet: str, id_: str, address: str, label: str, number: int) -> Document:
    return {
        "id": id_, "address": address, "chain": 0, "index": number, "coin": coin,
        "wallet": wallet, "label": label,
    }  # fmt: skip


def _new_address(coin: str) -> str:
    if coin in _ACCOUNT_COINS:
        return f"0x{secrets.token_hex(20)}"
    if coin == "btc":
        return f"bc1q{secrets.token_hex(19)}"
    return f"{re.sub('[^a-z0-9]', '', coin)[:16]}1{secrets.token_hex(20)}"


def _entry(address: str, amount: int, wallet: str | None, token: str) -> Document:
    entry: Document = {
        "address": address,
        "value": amount if abs(amount) <= _JSON_SAFE_MAX else float(amount),
        "valueString": str(amount),
        "isChange": False,
    }
    if wallet is not None:
        entry["wallet"] = wallet
    if token:
        entry["token"] = token
    return entry


def _outputs(body: Document) -> list[Document]:
    outputs = body.get("outputs") or [
        {"address": body.get("address", ""), "amount": body.get("amount", "")}
    ]
    if not isinstance(outputs, list) or len(outputs) > OUTPUTS_MAX:
        raise ValueError(f"outputs must be a list of up to {OUTPUTS_MAX}")
    for each in outputs:
        if not isinstance(each, dict) or not isinstance(each.get("address"), str):
            raise ValueError("each output needs an address and an amount")
        amount = each.get("amount")
        if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
            raise ValueError(f"amount was {amount!r}, expected base units as a string of digits")
    return outputs


def _changes(body: Document) -> Document:
    known = {"state", "confirmations", "riskIndicators", "type", "replacedBy", "entries"}
    unknown = set(body) - known
    if unknown:
        raise ValueError(f"the body had {sorted(unknown)}, expected some of {sorted(known)}")
    if body.get("state", "confirmed") not in STATES:
        raise ValueError(f"state was {body['state']!r}, expected one of {', '.join(STATES)}")
    if body.get("type", "receive") not in ("receive", "send"):
        raise ValueError(f"type was {body['type']!r}, expected receive or send")
    for name in ("riskIndicators", "replacedBy", "entries"):
        if not isinstance(body.get(name, []), list):
            raise ValueError(f"{name} was {body[name]!r}, expected a list")
    if "confirmations" in body:
        _whole(body, "confirmations", 0)
    return dict(body)


def _whole(body: Document, name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError(f"{name} was {value!r}, expected 0 to 10^9")
    return value


def _integer(text: str | None, name: str, least: int, most: int, default: int) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise RefusedError(400, "Invalid", f"{name} was {text!r}, expected {least} to {most}")
    return int(text)


def _date(text: str) -> str:
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        raise RefusedError(400, "Invalid", f"dateGte was {text!r}, expected ISO 8601") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
