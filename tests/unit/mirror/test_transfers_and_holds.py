"""Transfers, holds for withdrawals and rebates, as the events of the engine state them."""

from __future__ import annotations

import pytest

from apps.ledger.postings import trade_posting
from apps.ledger.types import Leg, TransactionKind
from apps.markets.catalogue import Catalogue
from apps.mirror.derivation import Derivation, unfinished_at_end, unpacked
from apps.mirror.errors import PoisonEventError
from apps.trading.orders import OrderBook
from engine.proto.records import (
    BODY_STRUCTS,
    EventFlag,
    EventHeader,
    EventType,
    FundsMoved,
    FundsTransferred,
    Trade,
)
from tests.engine_events import BTC, USDT, EngineScript
from tests.unit.mirror.stream import Tail
from tests.unit.mirror.test_amounts_and_rows import MARKET

ID = b"\x0b" * 16
HEX = ID.hex()


def derived_after(tail: Tail, script: EngineScript) -> Derivation:
    """What the events after the script's mean."""
    derivation = Derivation(Catalogue(), OrderBook())
    derivation.apply_all(unpacked(script.events))
    derivation.drain()
    derivation.apply_all(unpacked(tail.events[len(script.events) :]))
    return derivation


@pytest.fixture(scope="module")
def script() -> EngineScript:
    """Markets and two funded users."""
    return EngineScript().prepare(users=2)


def moved(amount: int, user_id: int = 1) -> FundsMoved:
    """A body about 'amount' atoms of BTC."""
    return FundsMoved(user_id, BTC, amount, ID, b"")


def leg(number: int, count: int, user_id: int, asset_id: int, amount: int) -> FundsTransferred:
    """One leg of a transfer."""
    return FundsTransferred(user_id, asset_id, amount, number, count, ID, b"")


def changes(derivation: Derivation) -> dict[tuple[int, int], tuple[int, int]]:
    """(total, locked) differences by (user, asset)."""
    return {
        key: (change.total, change.locked) for key, change in derivation.balances.accounts.items()
    }


def test_a_hold_moves_from_available_to_locked_and_stays_the_users(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_HELD, moved(500), market_id=0)
    derivation = derived_after(tail, script)
    (posting,) = derivation.postings
    assert (posting.transaction_id, posting.kind) == (
        f"funds:{HEX}",
        TransactionKind.WITHDRAWAL_HOLD,
    )
    assert posting.legs == (
        Leg("customer_funds", 1, BTC, 500),
        Leg("withdrawal_hold", 1, BTC, -500),
    )
    assert changes(derivation) == {(1, BTC): (0, 500)}
    assert derivation.balances.flows == {}


def test_a_settled_hold_is_a_withdrawal_and_a_released_one_is_free_again(
    script: EngineScript,
) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_HELD, moved(500), market_id=0)
    tail.add(EventType.HOLD_SETTLED, moved(500), market_id=0)
    settled = derived_after(tail, script)
    assert settled.postings[1].transaction_id == f"settled:{HEX}"
    assert settled.postings[1].kind is TransactionKind.WITHDRAWAL
    assert settled.postings[1].legs == (
        Leg("withdrawal_hold", 1, BTC, 500),
        Leg("custody", None, BTC, -500),
    )
    assert changes(settled) == {(1, BTC): (-500, 0)}
    assert settled.balances.flows[BTC].withdrawn == 500
    tail = Tail(script)
    tail.add(EventType.FUNDS_HELD, moved(500), market_id=0)
    tail.add(EventType.HOLD_RELEASED, moved(500), market_id=0)
    released = derived_after(tail, script)
    assert released.postings[1].transaction_id == f"released:{HEX}"
    assert released.postings[1].kind is TransactionKind.HOLD_RELEASE
    assert changes(released) == {(1, BTC): (0, 0)}
    assert released.balances.flows == {}


def test_the_house_can_hold_its_own_funds(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_HELD, moved(500, user_id=0), market_id=0)
    assert derived_after(tail, script).postings[0].legs == (
        Leg("house_funds", 0, BTC, 500),
        Leg("withdrawal_hold", 0, BTC, -500),
    )


def test_all_legs_of_a_transfer_are_one_transaction(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(1, 4, 1, BTC, -70), market_id=0)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(2, 4, 2, BTC, 70), market_id=0)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(3, 4, 2, USDT, -9), market_id=0)
    last = tail.add(EventType.FUNDS_TRANSFERRED, leg(4, 4, 0, USDT, 9), market_id=0)
    derivation = derived_after(tail, script)
    (posting,) = derivation.postings
    assert (posting.transaction_id, posting.kind, posting.event_seq) == (
        f"funds:{HEX}",
        TransactionKind.TRANSFER,
        last,
    )
    assert posting.legs == (
        Leg("customer_funds", 1, BTC, 70),
        Leg("customer_funds", 2, BTC, -70),
        Leg("customer_funds", 2, USDT, 9),
        Leg("house_funds", 0, USDT, -9),
    )
    assert changes(derivation) == {
        (1, BTC): (-70, 0), (2, BTC): (70, 0), (2, USDT): (-9, 0), (0, USDT): (9, 0),
    }  # fmt: skip
    assert derivation.balances.flows == {}
    assert derivation.unfinished == []


def test_a_transfer_that_is_cut_changes_nothing_until_its_last_leg_is_there(
    script: EngineScript,
) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(1, 3, 1, BTC, -70), market_id=0)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(2, 3, 2, BTC, 30), market_id=0)
    first = derived_after(tail, script)
    assert first.postings == []
    assert changes(first) == {}
    carried = unfinished_at_end(unpacked(tail.events))
    assert carried == first.unfinished
    assert len(carried) == 2
    at = len(tail.events)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(3, 3, 2, BTC, 40), market_id=0)
    second = Derivation(first.catalogue, OrderBook(), unfinished=carried)
    second.apply_all(unpacked(tail.events[at:]))
    assert [len(posting.legs) for posting in second.postings] == [3]
    assert changes(second) == {(1, BTC): (-70, 0), (2, BTC): (70, 0)}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (leg(3, 3, 2, BTC, 70), "leg 3 came after 1 legs"),
        (leg(2, 2, 2, BTC, 70)._replace(request_id=bytes(16)), "leg 2 came after 1 legs"),
        (moved(70), "an event of type 10 followed FundsTransferred"),
    ],
)
def test_a_transfer_with_another_event_in_its_middle_is_poison(
    script: EngineScript, second: FundsTransferred | FundsMoved, words: str
) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(1, 2, 1, BTC, -70), market_id=0)
    kind = (
        EventType.FUNDS_DEPOSITED if isinstance(second, FundsMoved) else EventType.FUNDS_TRANSFERRED
    )
    tail.add(kind, second, market_id=0)
    with pytest.raises(PoisonEventError, match=words):
        derived_after(tail, script)


def test_a_leg_that_nothing_began_is_poison(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.FUNDS_TRANSFERRED, leg(2, 2, 1, BTC, -70), market_id=0)
    with pytest.raises(PoisonEventError, match="leg 2 came after 0 legs"):
        derived_after(tail, script)


def test_a_rebate_is_an_expense_of_the_house_and_the_makers_gain() -> None:
    body = Trade(6, 1, 2, 11, 22, 50, 100, -30, 70, 0, 0)
    header = EventHeader(40, 30, 1_767_225_600_000_000, EventType.TRADE, EventFlag.BID, 0, 1)
    posting = trade_posting(header, body, MARKET._replace(fee_in_quote=True))
    assert posting.legs == (
        Leg("customer_funds", 11, 1, 1_000_000),
        Leg("customer_funds", 22, 1, -1_000_000),
        Leg("customer_funds", 22, 2, 5_070),
        Leg("customer_funds", 11, 2, -5_030),
        Leg("fee_revenue", 0, 2, -70),
        Leg("rebates", 0, 2, 30),
    )
    assert sum(each.atoms for each in posting.legs) == 0


def test_every_type_of_event_has_a_rule_in_the_books() -> None:
    assert set(Derivation.RULES) == {body for _, body in BODY_STRUCTS.values()}
    assert len(BODY_STRUCTS) == len(EventType)
