"""Every kind of event is told in words, and every field of it is shown."""

from __future__ import annotations

from apps.markets.catalogue import MARKET_FACTS, Catalogue
from apps.mirror.event_words import body_fields, event_summary, header_fields
from engine.proto.records import (
    BODY_STRUCTS,
    RECORD_BYTES,
    CancelAllDone,
    DeadmanSet,
    EventBody,
    EventHeader,
    EventType,
    FundsTransferred,
    KillSwitchSet,
    LegTaken,
    ListSet,
    ListType,
    MarketBandsSet,
    MarketLimitsSet,
    MarketUncrossed,
    OrderAccepted,
    OrderPrevented,
    OrderTerms,
    RateLimitSet,
    Refused,
    SessionSet,
    SessionState,
    StpMode,
    Trade,
    TradeGroupSet,
    UserFeesSet,
    unpack_event,
)
from tests.integration.console.exchange_day import exchange_day

START_US = 1_790_000_000_000_000


def the_day() -> tuple[list[tuple[EventHeader, EventBody]], Catalogue]:
    events = bytes(exchange_day(START_US, rounds=3).events)
    decoded = [unpack_event(events, at) for at in range(0, len(events), RECORD_BYTES)]
    catalogue = Catalogue()
    for header, body in decoded:
        if isinstance(body, MARKET_FACTS):
            catalogue.apply(header, body)
    return decoded, catalogue


def test_summaries_say_what_happened_in_units_of_the_market() -> None:
    events, catalogue = the_day()
    words: dict[EventType, str] = {}
    for header, body in events:
        words.setdefault(EventType(header.type), event_summary(header, body, catalogue))
    assert words == {
        EventType.ASSET_ADDED: "BTC",
        EventType.MARKET_ADDED: "BTCUSDT",
        EventType.MARKET_FILTERS_SET: "new bounds",
        EventType.USER_ADDED: "account 1001 · Active",
        EventType.FUNDS_DEPOSITED: "2,500,000 USDT · account 1001 · opening-deposit",
        EventType.CHECKPOINT_ASSET: "120 BTC held",
        EventType.CHECKPOINT: words[EventType.CHECKPOINT],
        EventType.ORDER_ACCEPTED: (
            "Sell · 0.4 BTC at 60,100 USDT · Limit GTC · order 1 · account 1001"
        ),
        EventType.TRADE: "0.15 BTC at 60,100 USDT · taker buys · trade 1",
        EventType.ORDER_REDUCED: "Buy · order 16 · 0.075 BTC left",
        EventType.ORDER_MOVED: "Buy · order 16 · 0.075 BTC left",
        EventType.ORDER_CANCELED: "Buy · order 16 · ended",
        EventType.REFUSED: "Place · Insufficient balance · order 18 · account 1003",
        EventType.ORDER_EXPIRED: "Buy · order 19 · ended · Time in force",
        EventType.FUNDS_WITHDRAWN: "1,234.56789012 USDT · account 1001 · bank-transfer-17",
        EventType.FUNDS_ADJUSTED: "-0.00000005 ETH · account 1002 · dust-correction",
        EventType.MARKET_STATE_SET: "Halt",
        EventType.USER_STATUS_SET: "account 1003 · Suspended",
    }
    assert words[EventType.CHECKPOINT].startswith("9 accounts · digest ")


def test_every_field_of_every_record_is_shown() -> None:
    events, catalogue = the_day()
    for header, body in events:
        assert [field.name for field in body_fields(header, body, catalogue)] == list(body._fields)


def test_fields_of_a_trade_are_shown_as_recorded_and_as_meant() -> None:
    events, catalogue = the_day()
    header, body = next(event for event in events if isinstance(event[1], Trade))
    shown = {f.name: (f.value, f.meaning) for f in body_fields(header, body, catalogue)}
    assert shown["price_ticks"] == ("6,010,000", "60,100 USDT")
    assert shown["quantity_lots"] == ("1,500", "0.15 BTC")
    assert shown["maker_fee_atoms"] == ("901,500,000", "9.015 USDT")
    assert shown["taker_fee_atoms"] == ("22,500", "0.000225 BTC")
    assert shown["maker_reserved_atoms"] == ("25,000,000", "0.25 BTC")
    assert shown["maker_order_id"] == ("1", "")
    assert [f.meaning for f in header_fields(header)] == ["Bid, Done", "None"]


def test_an_order_of_a_market_nobody_knows_is_shown_in_ticks_and_lots() -> None:
    header = EventHeader(9, 8, START_US, EventType.ORDER_ACCEPTED, 0, 0, 77)
    body = OrderAccepted(5, 1001, 300, 40, 0, 40, 0x0101, b"mine")
    assert event_summary(header, body, Catalogue()) == (
        "Sell · 40 lots at 300 ticks · Limit GTC · order 5 · account 1001"
    )
    fields = {f.name: f for f in body_fields(header, body, Catalogue())}
    assert fields["price_ticks"] == ("price_ticks", "300", "")
    assert fields["terms"].meaning == "Limit GTC"
    assert fields["text"].value == "mine"


def test_codes_that_nobody_knows_are_shown_as_numbers() -> None:
    header = EventHeader(9, 8, START_US, EventType.REFUSED, 0, 999, 0)
    body = Refused(250, 1, 0, bytes(16), b"\xff\x00")
    assert event_summary(header, body, Catalogue()) == "unknown (250) · unknown (999) · account 1"
    assert body_fields(header, body, Catalogue())[-1].value == "\\xff"


NO_ID = bytes(16)
NEW: dict[EventType, tuple[EventBody, str]] = {
    EventType.FUNDS_TRANSFERRED: (
        FundsTransferred(1001, 1, -5 * 10**7, 2, 3, NO_ID, b""),
        "-0.5 BTC · account 1001 · leg 2 of 3",
    ),
    EventType.ORDER_TERMS: (
        OrderTerms(7, 1001, 6_010_000, 0, 10, START_US, 0, 0, StpMode.DECREMENT, 0),
        "order 7 · account 1001",
    ),
    EventType.ORDER_PREVENTED: (
        OrderPrevented(7, 1001, 6_010_000, 10, 1_500, 0, 0, 0, 8, 6_010_000),
        "Sell · order 7 · 0.15 BTC left",
    ),
    EventType.LEG_TAKEN: (LegTaken(28, 1001, 0, 2, NO_ID, b""), "Place leg · leg 2"),
    EventType.LIST_ACCEPTED: (
        ListSet(7, 1001, ListType.OCO, 2, 7, 8, 0, b""), "Oco · orders 7, 8",
    ),
    EventType.CANCEL_ALL_DONE: (CancelAllDone(0, 0, 1_200), "1,200 orders canceled"),
    EventType.DEADMAN_SET: (DeadmanSet(1001, 5_000, START_US), "5,000 ms · account 1001"),
    EventType.SESSION_SET: (
        SessionSet(1001, 4, SessionState.CLOSED, 10, START_US),
        "session 4 · Closed · account 1001",
    ),
    EventType.KILL_SWITCH_SET: (KillSwitchSet(1001, 1), "on · account 1001"),
    EventType.RATE_LIMIT_SET: (
        RateLimitSet(1001, 50, 10_000_000), "50 unfilled orders in 10 s · account 1001",
    ),
    EventType.TRADE_GROUP_SET: (TradeGroupSet(1001, 9), "group 9 · account 1001"),
    EventType.USER_FEES_SET: (
        UserFeesSet(1001, -100, 500, 1), "maker -100 · taker 500 · account 1001",
    ),
    EventType.MARKET_LIMITS_SET: (MarketLimitsSet(1, 2, 3, 4, 5, 6, 1), "new limits"),
    EventType.MARKET_BANDS_SET: (MarketBandsSet(1, 2, 3, 4, 5, 6, 7, 8), "new limits"),
    EventType.MARKET_UNCROSSED: (
        MarketUncrossed(6_010_000, 1_500, 0, 6_010_000), "0.15 BTC at 60,100 USDT",
    ),
}  # fmt: skip


def test_rules_lists_transfers_and_auctions_are_told_too() -> None:
    _, catalogue = the_day()
    told = {}
    for kind, (body, _) in NEW.items():
        header = EventHeader(9, 8, START_US, kind, 0, 0, 1)
        told[kind] = event_summary(header, body, catalogue)
        fields = body_fields(header, body, catalogue)
        assert [field.name for field in fields] == list(body._fields)
    assert told == {kind: words for kind, (_, words) in NEW.items()}


def test_no_body_of_an_event_is_without_words() -> None:
    events, _ = the_day()
    of_the_day = {type(body) for _, body in events}
    others = {type(body) for body, _ in NEW.values()}
    missing = {body for _, body in BODY_STRUCTS.values()} - of_the_day - others
    assert {each.__name__ for each in missing} == {"RequestReplayed", "MarketFeesSet"}


def test_fields_of_a_limit_order_with_conditions_have_meanings() -> None:
    _, catalogue = the_day()
    body, _ = NEW[EventType.ORDER_TERMS]
    header = EventHeader(9, 8, START_US, EventType.ORDER_TERMS, 0, 0, 1)
    shown = {f.name: f.meaning for f in body_fields(header, body, catalogue)}
    assert shown["stop_price_ticks"] == "60,100 USDT"
    assert shown["display_lots"] == "0.001 BTC"
    assert shown["stp"] == "Decrement"
    assert shown["expire_time_us"].endswith(" UTC")
