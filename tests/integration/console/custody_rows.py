"""One row of each kind that custody knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.custody.models import (
    AssetNetwork,
    Case,
    Deposit,
    DepositAddress,
    DepositStep,
    PollCursor,
    Transfer,
    Webhook,
)
from apps.custody.types import CaseKind, DepositState, InboxState, Source


def custody_rows(user_id: int, number: int = 1) -> None:
    """Write a deposit that waits, with all that belongs to it."""
    network = AssetNetwork.objects.get(asset_code="BTC")
    place: dict[str, Any] = {"coin": "btc", "wallet": "w"}
    with transaction.atomic():
        address, _ = DepositAddress.objects.get_or_create(
            user_id=user_id, network=network, address="bc1q", address_key="bc1q", **place
        )
        transfer = Transfer.objects.create(
            transfer_id=f"t{number}", txid="ab", kind="receive", state="unconfirmed",
            confirmations=0, height=1, risk_indicators=[], is_settled=False, **place,
        )  # fmt: skip
        deposit = Deposit.objects.create(
            transfer=transfer, address=address, user_id=user_id, business_id=b"%16d" % number,
            coin="btc", normalized_tx_hash="ab", address_key="bc1q", entry_index=number,
            base_units=Decimal(8), dust_base_units=Decimal(0), amount_atoms=8,
            amount=Decimal("0.00000008"), asset_id=1, confirmations=0,
            state=DepositState.SEEN.value,
        )  # fmt: skip
        DepositStep.objects.create(
            deposit=deposit, number=1, to_state=DepositState.SEEN.value, source=Source.POLL.value
        )
        Case.objects.create(
            kind=CaseKind.RISK.value, subject=f"t{number}", deposit=deposit, user_id=user_id,
            detail="mixer",
        )  # fmt: skip
        Webhook.objects.create(
            digest=b"%32d" % number, body=b"{}", kind="transfer", transfer_id=f"t{number}",
            state=InboxState.DONE.value, address="127.0.0.1", request_id="r", **place,
        )  # fmt: skip
        PollCursor.objects.get_or_create(**place)
