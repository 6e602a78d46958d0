"""What a transfer means for a deposit, without any server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.custody.migrations import __name__ as migrations_package
from apps.custody.rules import (
    ATOMS_MAX,
    address_key,
    amounts_disagree,
    business_id,
    outputs_of,
    split_base_units,
    transfer_verdict,
    went_back,
)
from apps.custody.types import (
    DEPOSIT_STEPS,
    DepositState,
    ProviderEntry,
    ProviderTransfer,
)

WALLET = "w" * 32


def entry(address: str, amount: int, *, wallet: str = WALLET, token: str = "") -> ProviderEntry:
    return ProviderEntry(
        address=address, wallet=wallet, base_units=amount, token=token, is_change=False
    )


def transfer(*entries: ProviderEntry, **changes: object) -> ProviderTransfer:
    made = ProviderTransfer(
        transfer_id="t" * 32,
        coin="btc",
        wallet=WALLET,
        txid="AB",
        normalized_tx_hash="ab",
        kind="receive",
        state="confirmed",
        height=1,
        confirmations=3,
        base_units=sum(each.base_units for each in entries if each.base_units > 0),
        entries=entries,
        replaced_by=(),
        risk_indicators=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, DepositState.CONFIRMED),
        ({"confirmations": 2}, DepositState.SEEN),
        ({"state": "unconfirmed"}, DepositState.SEEN),
        ({"state": "initialized"}, DepositState.SEEN),
        ({"state": "pendingApproval"}, DepositState.SEEN),
        ({"state": "signed"}, DepositState.SEEN),
        ({"state": "removed"}, DepositState.REJECTED),
        ({"state": "replaced"}, DepositState.REJECTED),
        ({"state": "failed"}, DepositState.REJECTED),
        ({"state": "rejected"}, DepositState.REJECTED),
        ({"replaced_by": ("other",)}, DepositState.REJECTED),
        ({"kind": "send"}, DepositState.HELD),
        ({"risk_indicators": ("sanctioned",)}, DepositState.HELD),
        ({"risk_indicators": ("sanctioned",), "state": "removed"}, DepositState.REJECTED),
        ({"state": "Confirmed"}, DepositState.HELD),
        ({"state": "somethingNew"}, DepositState.HELD),
    ],
)
def test_only_a_clean_confirmed_receipt_is_to_be_credited(
    changes: dict[str, object], state: DepositState
) -> None:
    found = transfer_verdict(transfer(entry("a", 1), **changes), min_confirmations=3)
    assert found.state is state


@pytest.mark.parametrize(
    ("base_units", "coin_decimals", "asset_decimals", "expected"),
    [
        (150_000_000, 8, 8, (150_000_000, 0)),
        (1_123_456_789_123_456_789, 18, 8, (112_345_678, 9_123_456_789)),
        (1_000_000, 6, 8, (100_000_000, 0)),
        (9_999_999_999, 18, 8, (0, 9_999_999_999)),
        (ATOMS_MAX, 0, 0, (ATOMS_MAX, 0)),
    ],
)
def test_base_units_become_whole_atoms_and_the_rest_is_dust(
    base_units: int, coin_decimals: int, asset_decimals: int, expected: tuple[int, int]
) -> None:
    assert (
        split_base_units(base_units, coin_decimals=coin_decimals, asset_decimals=asset_decimals)
        == expected
    )


def test_more_than_the_engine_can_count_is_refused() -> None:
    with pytest.raises(OverflowError, match="expected at most 9223372036854775807"):
        split_base_units(ATOMS_MAX + 1, coin_decimals=8, asset_decimals=8)


@given(st.integers(1, 10**30), st.integers(8, 30), st.integers(0, 8))
def test_atoms_and_dust_are_exactly_what_arrived(
    base_units: int, coin_decimals: int, asset_decimals: int
) -> None:
    unit = 10 ** (coin_decimals - asset_decimals)
    if base_units // unit > ATOMS_MAX:
        return
    atoms, dust = split_base_units(
        base_units, coin_decimals=coin_decimals, asset_decimals=asset_decimals
    )
    assert atoms * unit + dust == base_units
    assert 0 <= dust < unit


def test_each_output_has_an_identity_of_its_own_that_never_changes() -> None:
    place = {"coin": "btc", "tx_hash": "ab", "address": "bc1q", "token": "", "index": 0}
    first = business_id(**place)  # type: ignore[arg-type]
    assert first.hex() == "3c518c6938786f29da462ce0eedfafc7"
    others = [
        business_id(**(place | change))  # type: ignore[arg-type]
        for change in (
            {"coin": "ltc"},
            {"tx_hash": "ac"},
            {"address": "bc1p"},
            {"token": "usdt"},
            {"index": 1},
        )
    ]
    assert len({first, *others}) == 6


def test_the_case_of_a_hexadecimal_address_is_a_checksum_and_of_others_is_not() -> None:
    assert address_key("0xAbC") == address_key("0xabc")
    assert address_key("1AbC") != address_key("1abc")


def test_outputs_of_equal_addresses_are_counted_each_whatever_their_order() -> None:
    """Trap 39: only the first output of a multi-output deposit was credited."""
    entries = [
        entry("stranger", -60, wallet=""),
        entry("a", 30),
        entry("b", 10),
        entry("a", 20),
        entry("stranger", 5, wallet=""),
    ]
    expected = [("a", 0, 20), ("a", 1, 30), ("b", 0, 10)]
    for order in (entries, entries[::-1]):
        found = outputs_of(transfer(*order))
        assert [(each.address, each.index, each.base_units) for each in found] == expected


def test_outputs_beyond_what_the_transfer_brought_are_held() -> None:
    honest = transfer(entry("a", 30), entry("b", 10))
    assert amounts_disagree(honest, outputs_of(honest)) is None
    lying = replace(honest, base_units=39)
    assert amounts_disagree(lying, outputs_of(lying)) == (
        "outputs were 40 base units, expected at most 39"
    )


def test_a_transfer_that_is_confirmed_no_more_went_back() -> None:
    assert went_back(transfer(entry("a", 1))) is None
    for state in ("removed", "replaced", "failed", "rejected", "unconfirmed"):
        assert went_back(transfer(entry("a", 1), state=state)) is not None
    assert went_back(transfer(entry("a", 1), replaced_by=("x",))) == "the transfer is replaced"


def test_database_and_code_know_the_same_steps() -> None:
    """Trap 16: the enum in the database drifts from the enum in code."""
    from importlib import import_module

    stated = import_module(f"{migrations_package}.0002_rights").STEPS
    coded = {(before.value, to.value) for before, after in DEPOSIT_STEPS.items() for to in after}
    assert set(stated) == coded


def test_nothing_follows_the_possibility_of_a_credit_but_credited_or_frozen() -> None:
    assert DEPOSIT_STEPS[DepositState.CONFIRMED] == {DepositState.CREDITED, DepositState.FROZEN}
    assert DEPOSIT_STEPS[DepositState.CREDITED] == {DepositState.FROZEN}
    assert DEPOSIT_STEPS[DepositState.FROZEN] == frozenset()
