"""The words of custody, and what this app tells others, as frozen values.

Amounts of the custodian are whole base units of the coin on its network (satoshi, wei); amounts of
the exchange are whole atoms of the asset. A coin's base unit and an asset's atom may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

BUSINESS_ID_BYTES: Final = 16


class DepositState(Enum):
    """How far a deposit has come. `DEPOSIT_STEPS` says what may follow what."""

    SEEN = "seen"
    HELD = "held"
    CONFIRMED = "confirmed"
    CREDITED = "credited"
    DUST = "dust"
    REJECTED = "rejected"
    FROZEN = "frozen"


# CONFIRMED is written before the engine is asked: from there on the credit may have happened, and
# nothing but CREDITED or FROZEN can follow.
DEPOSIT_STEPS: Final[dict[DepositState, frozenset[DepositState]]] = {
    DepositState.SEEN: frozenset(
        {DepositState.HELD, DepositState.CONFIRMED, DepositState.DUST, DepositState.REJECTED}
    ),
    DepositState.HELD: frozenset(
        {DepositState.SEEN, DepositState.CONFIRMED, DepositState.DUST, DepositState.REJECTED}
    ),
    DepositState.CONFIRMED: frozenset({DepositState.CREDITED, DepositState.FROZEN}),
    DepositState.CREDITED: frozenset({DepositState.FROZEN}),
    DepositState.DUST: frozenset({DepositState.REJECTED}),
    DepositState.REJECTED: frozenset(
        {DepositState.SEEN, DepositState.HELD, DepositState.CONFIRMED, DepositState.DUST}
    ),
    DepositState.FROZEN: frozenset(),
}
CREDIT_POSSIBLE: Final = frozenset(
    {DepositState.CONFIRMED, DepositState.CREDITED, DepositState.FROZEN}
)


class InboxState(Enum):
    """What became of a webhook."""

    RECEIVED = "received"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


class CaseKind(Enum):
    """Why a person has to look."""

    WENT_BACK = "went_back"
    AMOUNT_CHANGED = "amount_changed"
    RISK = "risk"
    RISK_AFTER_CREDIT = "risk_after_credit"
    UNKNOWN_ADDRESS = "unknown_address"
    AMOUNTS_DISAGREE = "amounts_disagree"
    ENGINE_REFUSED = "engine_refused"
    WEBHOOK_FAILED = "webhook_failed"


class Source(Enum):
    """Who made us look."""

    WEBHOOK = "webhook"
    POLL = "poll"
    WORKER = "worker"


class CustodyError(Exception):
    """Anything below."""


class CustodianUnavailableError(CustodyError):
    """The custodian did not answer, or not in time, or not sensibly. Trying again is safe."""


class CustodianRefusedError(CustodyError):
    """The custodian answered that it will not do this; `status` is its HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class CustodyNotConfiguredError(CustodyError):
    """No custodian, or no wallet for this coin, is configured."""


class NoSuchNetworkError(CustodyError):
    """The asset cannot be deposited, or not on this network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """An address that the custodian gave out."""

    provider_id: str
    address: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """One input or output of a transfer. `wallet` is empty for strangers' addresses."""

    address: str
    wallet: str
    base_units: int
    token: str
    is_change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTransfer:
    """A transfer as the custodian itself states it, at one moment."""

    transfer_id: str
    coin: str
    wallet: str
    txid: str
    normalized_tx_hash: str
    kind: str
    state: str
    height: int
    confirmations: int
    base_units: int
    entries: tuple[ProviderEntry, ...]
    replaced_by: tuple[str, ...]
    risk_indicators: tuple[str, ...]
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPage:
    """A page of a wallet's transfers, newest first; `next_cursor` None on the last."""

    transfers: tuple[ProviderTransfer, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTerms:
    """How an asset travels: the custodian's coin, its decimals, when a deposit counts."""

    network_id: int
    asset_code: str
    network: str
    coin: str
    token: str
    decimals: int
    min_confirmations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFacts:
    """Where a trader may send an asset."""

    user_id: int
    asset_code: str
    network: str
    address: str
    min_confirmations: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositFacts:
    """A deposit as its owner sees it. `event_seq` is the engine's credit."""

    deposit_id: int
    asset_code: str
    network: str
    address: str
    txid: str
    amount: Decimal
    confirmations: int
    min_confirmations: int
    state: str
    event_seq: int | None
    created_at: datetime
    credited_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a webhook at the door."""

    accepted: bool
    reason: str
    delivery_id: int | None = None
    is_new: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
