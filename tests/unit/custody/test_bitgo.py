"""The custodian's answers are read whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from apps.custody.bitgo import transfer_of
from apps.custody.types import CustodianUnavailableError

TRANSFER: dict[str, Any] = {
    "id": "5f0c", "coin": "btc", "wallet": "w1", "txid": "AB", "normalizedTxHash": "ab",
    "height": 812345, "date": "2026-01-02T03:04:05.678Z", "confirmations": 3, "type": "receive",
    "value": 1.0e22, "valueString": "10000000000000000000001", "feeString": "10",
    "state": "confirmed", "sequenceId": "", "replaces": [], "replacedBy": [], "riskIndicators": [],
    "entries": [
        {"address": "s", "value": -1.0e22, "valueString": "-10000000000000000000001"},
        {"address": "a", "wallet": "w1", "valueString": "10000000000000000000001", "token": "t"},
    ],
}  # fmt: skip


def test_amounts_come_from_the_string_and_not_from_the_rounded_number() -> None:
    read = transfer_of(TRANSFER)
    assert read.base_units == 10_000_000_000_000_000_000_001
    assert [each.base_units for each in read.entries] == [-read.base_units, read.base_units]
    assert (read.entries[1].wallet, read.entries[1].token) == ("w1", "t")
    assert read.made_at is not None
    assert read.made_at.isoformat() == "2026-01-02T03:04:05.678000+00:00"


def test_without_a_normalized_hash_the_transaction_id_stands() -> None:
    assert transfer_of({**TRANSFER, "normalizedTxHash": None}).normalized_tx_hash == "AB"


@pytest.mark.parametrize(
    "changes",
    [
        {"valueString": 5},
        {"valueString": "1e5"},
        {"valueString": "1.5"},
        {"valueString": "9" * 79},
        {"valueString": None},
        {"valueString": "\u0661"},
        {"id": ""},
        {"state": None},
        {"confirmations": "3"},
        {"confirmations": True},
        {"entries": {}},
        {"entries": ["a"]},
        {"entries": [{"address": "a"}]},
        {"coin": ["btc"]},
        {"date": "yesterday"},
    ],
)
def test_an_answer_of_another_form_is_not_believed_in_part(changes: dict[str, Any]) -> None:
    with pytest.raises(CustodianUnavailableError, match="expected"):
        transfer_of({**TRANSFER, **changes})
