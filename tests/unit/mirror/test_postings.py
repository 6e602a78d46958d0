"""What events mean in double entry, in numbers."""

from __future__ import annotations

from apps.ledger.balances import BalanceChanges
from apps.ledger.postings import funds_posting, trade_posting
from apps.ledger.types import Leg, Posting, TransactionKind
from apps.markets.types import MarketTerms
from engine.proto.records import EventFlag, EventHeader, EventType, FundsMoved, Trade
from tests.unit.mirror.test_amounts_and_rows import MARKET

MAKER, TAKER = 11, 22
FEES_IN_QUOTE = MARKET._replace(fee_in_quote=True)


def header(kind: EventType, flags: int = 0) -> EventHeader:
    """An event header of market 1."""
    return EventHeader(40, 30, 1_767_225_600_000_000, kind, flags, 0, 1)


def funds(kind: EventType, amount: int, user_id: int = 7) -> Posting:
    """The posting of a movement of 'amount' atoms of asset 1."""
    return funds_posting(header(kind), FundsMoved(user_id, 1, amount, b"\x0a" * 16, b"ref"))


def trade(flags: int, market: MarketTerms, taker: int = TAKER) -> Posting:
    """100 lots (1,000,000 base atoms) at 50 ticks (5,000 quote atoms); fees 30 and 70."""
    body = Trade(6, 1, 2, MAKER, taker, 50, 100, 30, 70, 0, 0)
    return trade_posting(header(EventType.TRADE, flags), body, market)


def test_a_deposit_debits_custody_and_credits_customer_funds() -> None:
    assert funds(EventType.FUNDS_DEPOSITED, 500) == Posting(
        transaction_id="funds:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        kind=TransactionKind.DEPOSIT,
        event_seq=40,
        time_us=1_767_225_600_000_000,
        legs=(Leg("custody", None, 1, 500), Leg("customer_funds", 7, 1, -500)),
    )


def test_a_withdrawal_is_the_reverse() -> None:
    posting = funds(EventType.FUNDS_WITHDRAWN, 500)
    assert posting.kind is TransactionKind.WITHDRAWAL
    assert posting.legs == (Leg("customer_funds", 7, 1, 500), Leg("custody", None, 1, -500))


def test_an_adjustment_goes_against_adjustments_either_way() -> None:
    up = funds(EventType.FUNDS_ADJUSTED, 9)
    down = funds(EventType.FUNDS_ADJUSTED, -9)
    assert up.legs == (Leg("adjustments", None, 1, 9), Leg("customer_funds", 7, 1, -9))
    assert down.legs == (Leg("customer_funds", 7, 1, 9), Leg("adjustments", None, 1, -9))


def test_what_the_house_pays_in_is_its_own_and_no_customers() -> None:
    posting = funds(EventType.FUNDS_DEPOSITED, 500, user_id=0)
    assert posting.legs == (Leg("custody", None, 1, 500), Leg("house_funds", 0, 1, -500))


def test_a_trade_takes_each_fee_from_what_its_payer_receives() -> None:
    assert trade(EventFlag.BID, MARKET).legs == (
        Leg("customer_funds", MAKER, 1, 1_000_000),
        Leg("customer_funds", TAKER, 1, -999_930),
        Leg("fee_revenue", 0, 1, -70),
        Leg("customer_funds", TAKER, 2, 5_000),
        Leg("customer_funds", MAKER, 2, -4_970),
        Leg("fee_revenue", 0, 2, -30),
    )


def test_a_selling_taker_pays_in_quote_and_the_buying_maker_in_base() -> None:
    assert trade(0, MARKET).legs == (
        Leg("customer_funds", TAKER, 1, 1_000_000),
        Leg("customer_funds", MAKER, 1, -999_970),
        Leg("fee_revenue", 0, 1, -30),
        Leg("customer_funds", MAKER, 2, 5_000),
        Leg("customer_funds", TAKER, 2, -4_930),
        Leg("fee_revenue", 0, 2, -70),
    )


def test_fees_in_quote_come_out_of_quote_on_both_sides() -> None:
    expected = (
        Leg("customer_funds", MAKER, 1, 1_000_000),
        Leg("customer_funds", TAKER, 1, -1_000_000),
        Leg("customer_funds", TAKER, 2, 5_070),
        Leg("customer_funds", MAKER, 2, -4_970),
        Leg("fee_revenue", 0, 2, -70),
        Leg("fee_revenue", 0, 2, -30),
    )
    assert trade(EventFlag.BID, FEES_IN_QUOTE).legs == expected
    per_lot = MARKET._replace(fee_per_lot=True)
    assert trade(EventFlag.BID, per_lot).legs == expected


def test_a_trade_with_oneself_is_booked_and_costs_the_fees_only() -> None:
    posting = trade(EventFlag.BID, MARKET, taker=MAKER)
    changes = BalanceChanges()
    changes.post(posting)
    totals = {key: change.total for key, change in changes.accounts.items()}
    assert totals == {(MAKER, 1): -70, (0, 1): 70, (MAKER, 2): -30, (0, 2): 30}


def test_the_transaction_id_of_a_trade_names_market_and_trade() -> None:
    assert trade(EventFlag.BID, MARKET).transaction_id == "trade:1:6"


def test_every_posting_sums_to_zero_per_asset_and_has_no_empty_leg() -> None:
    postings = [
        *(trade(flags, market) for flags in (0, 1) for market in (MARKET, FEES_IN_QUOTE)),
        funds(EventType.FUNDS_DEPOSITED, 1),
        funds(EventType.FUNDS_WITHDRAWN, 1),
        funds(EventType.FUNDS_ADJUSTED, -1),
    ]
    for posting in postings:
        for asset_id in (1, 2):
            assert sum(leg.atoms for leg in posting.legs if leg.asset_id == asset_id) == 0
        assert all(leg.atoms for leg in posting.legs)


def test_a_fee_that_takes_all_that_is_received_leaves_no_empty_leg() -> None:
    body = Trade(6, 1, 2, MAKER, TAKER, 50, 100, 0, 1_000_000, 0, 0)
    posting = trade_posting(header(EventType.TRADE, EventFlag.BID), body, MARKET)
    assert posting.legs == (
        Leg("customer_funds", MAKER, 1, 1_000_000),
        Leg("fee_revenue", 0, 1, -1_000_000),
        Leg("customer_funds", TAKER, 2, 5_000),
        Leg("customer_funds", MAKER, 2, -5_000),
    )
