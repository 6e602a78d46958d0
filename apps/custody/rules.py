"""What a transfer means for a deposit. Pure: no database, no clock, no network.

Invariant: a credit is called for only by a transfer that the custodian itself states as received,
confirmed often enough, not replaced, and free of risk indicators; what cannot be told apart is
counted once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from apps.custody.types import BUSINESS_ID_BYTES, DepositState, ProviderTransfer

RECEIVE: Final = "receive"
CONFIRMED: Final = "confirmed"
PENDING_STATES: Final = frozenset({"initialized", "pendingApproval", "signed", "unconfirmed"})
GONE_STATES: Final = frozenset({"failed", "rejected", "removed", "replaced"})
ATOMS_MAX: Final = 2**63 - 1
_SEPARATOR: Final = b"\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What one address got in a transfer; `index` counts outputs of the same address and token."""

    address: str
    address_key: str
    token: str
    index: int
    base_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The state that a transfer calls for, and why."""

    state: DepositState
    reason: str


def address_key(address: str) -> str:
    """Return the form in which addresses are compared: the case of hexadecimal ones is a checksum.

    All others differ where their letters' case differs.
    """
    return address.lower() if address[:2] in ("0x", "0X") else address


def business_id(*, coin: str, tx_hash: str, address: str, token: str, index: int) -> bytes:
    """Return the identity of one output in the world; the same output has it for ever."""
    parts = (coin, tx_hash, address_key(address), token, str(index))
    content = _SEPARATOR.join(part.encode() for part in parts)
    return hashlib.blake2b(
        content, digest_size=BUSINESS_ID_BYTES, person=b"custody.deposit"
    ).digest()


def split_base_units(
    base_units: int, *, coin_decimals: int, asset_decimals: int
) -> tuple[int, int]:
    """Return (whole atoms, base units that are left below one atom), exactly.

    OverflowError beyond what the engine can count.
    """
    if asset_decimals >= coin_decimals:
        atoms, dust = base_units * 10 ** (asset_decimals - coin_decimals), 0
    else:
        atoms, dust = divmod(base_units, 10 ** (coin_decimals - asset_decimals))
    if atoms > ATOMS_MAX:
        raise OverflowError(f"amount was {atoms} atoms, expected at most {ATOMS_MAX}")
    return atoms, dust


def outputs_of(transfer: ProviderTransfer) -> list[Output]:
    """Return the outputs to the transfer's own wallet, change left out.

    Equal addresses are numbered in the order of their amounts, so the numbers do not depend on the
    order in which the custodian lists the entries.
    """
    grouped: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for entry in transfer.entries:
        if entry.base_units > 0 and entry.wallet == transfer.wallet and not entry.is_change:
            key = (address_key(entry.address), entry.token)
            grouped[key].append((entry.base_units, entry.address))
    return [
        Output(address=address, address_key=key, token=token, index=index, base_units=amount)
        for (key, token), found in sorted(grouped.items())
        for index, (amount, address) in enumerate(sorted(found))
    ]


def amounts_disagree(transfer: ProviderTransfer, outputs: list[Output]) -> str | None:
    """Return what is wrong if the outputs are more than the transfer says it brought, else None.

    Tokens have amounts of their own, of which the transfer's sum says nothing.
    """
    total = sum(output.base_units for output in outputs if not output.token)
    if total > abs(transfer.base_units):
        return f"outputs were {total} base units, expected at most {transfer.base_units}"
    return None


def transfer_verdict(transfer: ProviderTransfer, *, min_confirmations: int) -> Verdict:
    """Return what the transfer calls for, before anything about a single output is known."""
    if transfer.state in GONE_STATES or transfer.replaced_by:
        state = transfer.state if transfer.state in GONE_STATES else "replaced"
        return Verdict(state=DepositState.REJECTED, reason=f"the transfer is {state}")
    if transfer.kind != RECEIVE:
        return Verdict(
            state=DepositState.HELD, reason=f"type was {transfer.kind!r}, expected {RECEIVE!r}"
        )
    if transfer.risk_indicators:
        named = ", ".join(transfer.risk_indicators)
        return Verdict(state=DepositState.HELD, reason=f"risk indicators: {named}"[:255])
    if transfer.state == CONFIRMED and transfer.confirmations >= min_confirmations:
        return Verdict(state=DepositState.CONFIRMED, reason="")
    if transfer.state == CONFIRMED or transfer.state in PENDING_STATES:
        return Verdict(
            state=DepositState.SEEN,
            reason=f"{transfer.confirmations} of {min_confirmations} confirmations",
        )
    return Verdict(
        state=DepositState.HELD, reason=f"state was {transfer.state!r}, which is not known"[:255]
    )


def went_back(transfer: ProviderTransfer) -> str | None:
    """Return why a transfer that was confirmed is so no more; None if it still is."""
    if transfer.replaced_by:
        return "the transfer is replaced"
    if transfer.state != CONFIRMED or transfer.kind != RECEIVE:
        return f"the transfer is {transfer.state} ({transfer.kind})"
    return None
