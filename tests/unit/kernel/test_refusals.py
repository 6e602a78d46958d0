"""Every reason to refuse a command, and that a refusal changes nothing but says what it was."""

from typing import Any

import pytest

from engine.kernel import Limits, load_kernel
from engine.kernel.forms import FORMS
from engine.proto.records import (
    INT64_MAX,
    USER_ID_MAX,
    Command,
    CommandFlag,
    CommandType,
    MarketState,
    OrderType,
    Reason,
    Refused,
    TimeInForce,
    UserStatus,
    pack_command,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    LOT,
    UNIT,
    USD,
    Desk,
    cancel,
    filters,
    force_cancel,
    kinds,
    market,
    money,
    move,
    read_events,
    reduce,
    request,
    set_state,
    set_status,
)

EXTREMES = (0, -1, -(2**63))


def open_desk(desk: Desk) -> None:
    desk.open_market()
    for user_id in (ALICE, BOB):
        desk.fund(user_id, USD, 10**12)
        desk.fund(user_id, BTC, 10**12)


def test_a_refusal_repeats_what_was_refused(desk: Desk) -> None:
    open_desk(desk)
    command = desk.place(BID, CAROL, 100, 1, request_id=request(5), text=b"c-1")
    (event,) = desk.apply(command)
    assert event.reason is Reason.UNKNOWN_USER
    assert event.header.market_id == 1
    assert event.body == Refused(CommandType.PLACE, CAROL, command.order_id, request(5), b"c-1")


@pytest.mark.parametrize(
    "change",
    [
        {"type": 0},
        {"type": 4 * 16},
        {"type": 255},
        {"side": 2},
        {"order_type": 0},
        {"order_type": 5},
        {"time_in_force": 0},
        {"time_in_force": 5},
        {"flags": 1},
        {"stp": 5},
        {"asset_id": 1},
        {"spare": 1},
        {"amount": 1},
        {"ceiling": 101, "side": ASK},
        {"text": b"with space"},
        {"text": b"\xff"},
        {"text": b"a\0b"},
        {"text": b"x" * 37},
        {"order_type": OrderType.MARKET, "price": 0},
        {"order_type": OrderType.MARKET, "time_in_force": 0},
        {"order_type": OrderType.LIMIT_MAKER},
        {"order_type": OrderType.LIMIT_MAKER, "time_in_force": 0, "ceiling": 100},
        {"order_type": OrderType.FOK_BUDGET, "time_in_force": 0, "amount": 1},
        {"order_type": OrderType.FOK_BUDGET, "price": 0, "amount": 1},
    ],
)
def test_a_place_that_is_not_formed_is_malformed(desk: Desk, change: dict[str, Any]) -> None:
    open_desk(desk)
    assert desk.refusal(desk.place(BID, ALICE, 100, 1)._replace(**change)) is Reason.MALFORMED


def test_a_type_without_a_form_is_malformed(desk: Desk) -> None:
    for kind in set(range(256)) - set(FORMS):
        assert desk.refusal(Command(kind)) is Reason.MALFORMED


def test_a_client_order_id_of_36_plain_characters_is_formed(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, ALICE, 100, 1, text=b"azAZ09-_.:/" + b"x" * 25)


@pytest.mark.parametrize("field", ["side", "asset_id", "quantity", "amount", "ceiling", "spare"])
def test_a_field_that_a_command_does_not_use_must_be_zero(desk: Desk, field: str) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    spoil: dict[str, Any] = {field: 1}
    spoilt = move(ALICE, order_id, 99)._replace(**spoil)
    assert desk.refusal(spoilt) is Reason.MALFORMED


@pytest.mark.parametrize("flags", [1, 2, 4, 16, 0x8000])
def test_a_flag_that_a_command_does_not_know_is_malformed(desk: Desk, flags: int) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    assert desk.refusal(move(ALICE, order_id, 99, flags=flags)) is Reason.MALFORMED
    assert desk.refusal(cancel(0, order_id, flags=flags | 8)) is Reason.MALFORMED


def test_an_operators_cancel_must_not_name_a_user(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    assert desk.refusal(cancel(ALICE, order_id, flags=CommandFlag.OPERATOR)) is Reason.MALFORMED


@pytest.mark.parametrize("user_id", [0, -1, CAROL, USER_ID_MAX, USER_ID_MAX + 1, -(2**63)])
def test_a_user_who_was_not_added_is_unknown(desk: Desk, user_id: int) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    for command in (
        desk.place(BID, user_id, 100, 1),
        cancel(user_id, order_id),
        reduce(user_id, order_id, 1),
        move(user_id, order_id, 99),
    ):
        assert desk.refusal(command) is Reason.UNKNOWN_USER


def test_a_market_that_was_not_added_is_unknown(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    for market_id in (0, 2, 65_535, 65_536, 2**32 - 1):
        for command in (
            desk.place(BID, ALICE, 100, 1),
            cancel(ALICE, order_id),
            reduce(ALICE, order_id, 1),
            move(ALICE, order_id, 99),
        ):
            assert desk.refusal(command._replace(market_id=market_id)) is Reason.UNKNOWN_MARKET


def test_a_suspended_user_can_cancel_and_reduce_but_not_place_or_move(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 5)
    desk.apply(set_status(ALICE, UserStatus.SUSPENDED))
    assert desk.refusal(desk.place(BID, ALICE, 100, 1)) is Reason.USER_SUSPENDED
    assert desk.refusal(move(ALICE, order_id, 99)) is Reason.USER_SUSPENDED
    assert kinds(desk.apply(reduce(ALICE, order_id, 1))) == ["ORDER_REDUCED"]
    assert kinds(desk.apply(cancel(ALICE, order_id))) == ["ORDER_CANCELED"]
    desk.apply(set_status(ALICE, UserStatus.ACTIVE))
    desk.rest(BID, ALICE, 100, 1)


@pytest.mark.parametrize("state", [MarketState.CANCEL_ONLY, MarketState.HALT])
def test_a_halted_market_takes_cancels_and_reductions_only(desk: Desk, state: MarketState) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 5)
    other_id = desk.rest(BID, ALICE, 100, 5)
    desk.apply(set_state(state))
    assert desk.refusal(desk.place(BID, ALICE, 100, 1)) is Reason.MARKET_NOT_TRADING
    assert desk.refusal(move(ALICE, order_id, 99)) is Reason.MARKET_NOT_TRADING
    assert kinds(desk.apply(reduce(ALICE, order_id, 1))) == ["ORDER_REDUCED"]
    assert kinds(desk.apply(cancel(ALICE, order_id))) == ["ORDER_CANCELED"]
    assert kinds(desk.apply(force_cancel(other_id))) == ["ORDER_CANCELED"]
    desk.apply(set_state(MarketState.TRADING))
    desk.rest(BID, ALICE, 100, 1)


def test_unknown_finished_foreign_and_misplaced_orders_are_told_apart_to_nobody(
    desk: Desk,
) -> None:
    open_desk(desk)
    desk.apply(market(market_id=2)._replace(text=b"OTHER"))
    order_id = desk.rest(BID, ALICE, 100, 1)
    finished = desk.rest(BID, ALICE, 100, 1)
    desk.apply(cancel(ALICE, finished))
    for user_id, named, market_id in (
        (BOB, order_id, 1),
        (ALICE, finished, 1),
        (ALICE, 10**9, 1),
        (ALICE, -1, 1),
        (ALICE, 0, 1),
        (ALICE, order_id, 2),
    ):
        for command in (
            cancel(user_id, named),
            reduce(user_id, named, 1),
            move(user_id, named, 99),
        ):
            refused = desk.refusal(command._replace(market_id=market_id))
            assert refused is Reason.UNKNOWN_ORDER


def test_an_order_id_that_is_open_or_not_positive_is_refused(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    for again in (order_id, *EXTREMES):
        command = desk.place(BID, BOB, 100, 1, order_id=again)
        assert desk.refusal(command) is Reason.DUPLICATE_ORDER_ID


def test_a_duplicate_order_id_does_not_trade_first(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(ASK, ALICE, 100, 1)
    command = desk.place(BID, BOB, 100, 1, order_id=order_id)
    assert desk.refusal(command) is Reason.DUPLICATE_ORDER_ID


@pytest.mark.parametrize("lots", EXTREMES)
def test_a_quantity_must_be_positive(desk: Desk, lots: int) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    assert desk.refusal(desk.place(BID, ALICE, 100, lots)) is Reason.INVALID_QUANTITY
    assert desk.refusal(desk.market_order(ASK, ALICE, lots)) is Reason.INVALID_QUANTITY
    assert desk.refusal(reduce(ALICE, order_id, lots)) is Reason.INVALID_QUANTITY


@pytest.mark.parametrize("price", EXTREMES)
def test_a_price_must_be_positive(desk: Desk, price: int) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    assert desk.refusal(desk.place(BID, ALICE, price, 1)) is Reason.INVALID_PRICE
    assert desk.refusal(desk.post_only(ASK, ALICE, price, 1)) is Reason.INVALID_PRICE
    assert desk.refusal(move(ALICE, order_id, price)) is Reason.INVALID_PRICE


@pytest.mark.parametrize("ceiling", [99, -1, -(2**63)])
def test_a_ceiling_below_the_price_is_invalid(desk: Desk, ceiling: int) -> None:
    open_desk(desk)
    refused = desk.refusal(desk.place(BID, ALICE, 100, 1, ceiling=ceiling))
    assert refused is Reason.INVALID_PRICE


@pytest.mark.parametrize("budget", EXTREMES)
def test_a_budget_must_be_positive(desk: Desk, budget: int) -> None:
    open_desk(desk)
    assert desk.refusal(desk.budget_order(BID, ALICE, 1, budget)) is Reason.INVALID_AMOUNT


def test_filters_hold_on_both_sides_of_each_bound(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(
        filters(price_min=90, price_max=110, lots_min=2, lots_max=9, notional_min=200 * UNIT)
    )
    for price, lots, reason in (
        (89, 5, Reason.PRICE_FILTER),
        (111, 5, Reason.PRICE_FILTER),
        (100, 1, Reason.LOT_SIZE),
        (100, 10, Reason.LOT_SIZE),
        (99, 2, Reason.NOTIONAL),
    ):
        assert desk.refusal(desk.place(BID, ALICE, price, lots)) is reason
    for price, lots in ((90, 9), (110, 2), (100, 2)):
        desk.rest(BID, ALICE, price, lots)
    order_id = desk.queue(BID)[0]
    assert desk.refusal(move(ALICE, order_id, 111)) is Reason.PRICE_FILTER
    assert desk.refusal(move(ALICE, order_id, 89)) is Reason.PRICE_FILTER


def test_the_notional_filter_reads_the_budget_and_spares_market_orders(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(filters(notional_min=1_000))
    assert desk.refusal(desk.budget_order(BID, ALICE, 1, 999)) is Reason.NOTIONAL
    assert kinds(desk.apply(desk.budget_order(BID, ALICE, 1, 1_000)))[0] == "ORDER_ACCEPTED"
    assert kinds(desk.apply(desk.market_order(ASK, ALICE, 1)))[0] == "ORDER_ACCEPTED"


@pytest.mark.parametrize(
    ("price", "lots"),
    [(INT64_MAX, 2), (2**62, 2), (INT64_MAX // UNIT + 1, 1), (1, INT64_MAX), (1, 2**62)],
)
def test_a_product_that_leaves_64_bits_is_refused(desk: Desk, price: int, lots: int) -> None:
    open_desk(desk)
    for side in (BID, ASK):
        assert desk.refusal(desk.place(side, ALICE, price, lots)) is Reason.OVERFLOW


def test_the_largest_product_that_fits_lacks_only_the_money(desk: Desk) -> None:
    open_desk(desk)
    command = desk.place(BID, ALICE, INT64_MAX // UNIT, 1)
    assert desk.refusal(command) is Reason.INSUFFICIENT_BALANCE


def test_a_hold_that_only_its_fee_takes_beyond_64_bits_is_refused(desk: Desk) -> None:
    desk.open_market(taker=1, flags=CommandFlag.FEE_IN_QUOTE)
    command = desk.place(BID, ALICE, INT64_MAX // UNIT, 1)
    assert desk.refusal(command) is Reason.OVERFLOW
    assert desk.refusal(desk.budget_order(BID, ALICE, 1, INT64_MAX)) is Reason.OVERFLOW


def test_a_ceiling_or_a_move_that_leaves_64_bits_is_refused(desk: Desk) -> None:
    open_desk(desk)
    refused = desk.refusal(desk.place(BID, ALICE, 100, 1, ceiling=INT64_MAX))
    assert refused is Reason.OVERFLOW
    for side, price in ((BID, 100), (ASK, 200)):
        order_id = desk.rest(side, ALICE, price, 3)
        assert desk.refusal(move(ALICE, order_id, INT64_MAX // 2)) is Reason.OVERFLOW


def test_a_client_order_id_is_free_again_once_its_order_has_ended(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 1, text=b"one")
    refused = desk.refusal(desk.place(ASK, ALICE, 200, 1, text=b"one"))
    assert refused is Reason.DUPLICATE_CLIENT_ORDER_ID
    desk.rest(BID, BOB, 100, 1, text=b"one")
    desk.apply(cancel(ALICE, first))
    desk.rest(BID, ALICE, 100, 1, text=b"one")


def test_a_client_order_id_is_compared_over_all_markets(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(market(market_id=2)._replace(text=b"OTHER"))
    desk.rest(BID, ALICE, 100, 1, text=b"one")
    command = desk.place(BID, ALICE, 100, 1, text=b"one")._replace(market_id=2)
    assert desk.refusal(command) is Reason.DUPLICATE_CLIENT_ORDER_ID


def test_an_order_without_an_account_lacks_the_balance(desk: Desk) -> None:
    desk.open_market()
    assert desk.refusal(desk.place(BID, ALICE, 1, 1)) is Reason.INSUFFICIENT_BALANCE
    assert desk.refusal(desk.place(ASK, ALICE, 1, 1)) is Reason.INSUFFICIENT_BALANCE
    assert desk.kernel.balances(ALICE) == []


def test_an_ask_must_have_every_lot_available(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, BTC, 3 * LOT - 1)
    assert desk.refusal(desk.place(ASK, ALICE, 100, 3)) is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, BTC, 1)
    desk.rest(ASK, ALICE, 100, 3)
    assert desk.refusal(desk.place(ASK, ALICE, 100, 1)) is Reason.INSUFFICIENT_BALANCE


def test_the_first_reason_in_the_stated_order_is_told(desk: Desk) -> None:
    """A command wrong in every way loses its faults one by one, in the order of the checks."""
    open_desk(desk)
    desk.apply(
        filters(price_min=50, lots_min=2, notional_min=10**6),
        set_state(MarketState.HALT),
        set_status(ALICE, UserStatus.SUSPENDED),
    )
    command = desk.place(BID, CAROL, 0, 0, order_id=0, ceiling=-1)._replace(market_id=9, spare=1)
    steps: list[tuple[dict[str, Any], Reason]] = [
        ({}, Reason.MALFORMED),
        ({"spare": 0}, Reason.UNKNOWN_USER),
        ({"user_id": ALICE}, Reason.UNKNOWN_MARKET),
        ({"market_id": 1}, Reason.USER_SUSPENDED),
        ({"user_id": BOB}, Reason.MARKET_NOT_TRADING),
    ]
    for change, reason in steps:
        command = command._replace(**change)
        assert desk.refusal(command) is reason
    desk.apply(set_state(MarketState.TRADING))
    steps = [
        ({}, Reason.DUPLICATE_ORDER_ID),
        ({"order_id": 900}, Reason.INVALID_QUANTITY),
        ({"quantity": 1}, Reason.INVALID_PRICE),
        ({"price": 49}, Reason.INVALID_PRICE),
        ({"ceiling": 0}, Reason.PRICE_FILTER),
        ({"price": 50}, Reason.LOT_SIZE),
        ({"quantity": 2, "ceiling": INT64_MAX}, Reason.OVERFLOW),
        ({"ceiling": 0}, Reason.NOTIONAL),
    ]
    for change, reason in steps:
        command = command._replace(**change)
        assert desk.refusal(command) is reason


def test_capacity_is_refused_at_the_stated_limits(kernel_name: str) -> None:
    limits = Limits(open_orders_max=2, accounts_max=5, users_max=2, business_ids_max=3)
    desk = Desk(load_kernel(kernel_name, limits))
    desk.open_market()
    assert desk.refusal(Command(CommandType.ADD_USER, user_id=99)) is Reason.CAPACITY
    desk.fund(ALICE, BTC, 10 * LOT)
    desk.rest(ASK, ALICE, 100, 1)
    desk.fund(BOB, USD, 10**9)
    assert desk.kernel.account_count == 5
    assert desk.refusal(desk.place(BID, BOB, 50, 1)) is Reason.CAPACITY
    assert desk.refusal(desk.deposit(BOB, BTC, 1)) is Reason.CAPACITY
    desk.rest(ASK, ALICE, 100, 1)
    assert desk.refusal(desk.place(ASK, ALICE, 100, 1)) is Reason.CAPACITY
    desk.fund(ALICE, USD, 1)
    assert desk.refusal(desk.deposit(ALICE, USD, 1)) is Reason.CAPACITY


def test_a_money_command_is_checked_in_the_stated_order(desk: Desk) -> None:
    desk.open_market()
    steps: list[tuple[dict[str, Any], Reason]] = [
        ({"text": b"no good"}, Reason.MALFORMED),
        ({"text": b""}, Reason.REQUEST_ID_REQUIRED),
        ({"request_id": request(1)}, Reason.UNKNOWN_USER),
        ({"user_id": ALICE}, Reason.UNKNOWN_ASSET),
        ({"asset_id": USD}, Reason.INVALID_AMOUNT),
    ]
    command = money(CommandType.DEPOSIT, CAROL, 77, 0, bytes(16))
    for change, reason in steps:
        command = command._replace(**change)
        assert desk.refusal(command) is reason


@pytest.mark.parametrize("kind", [CommandType.DEPOSIT, CommandType.WITHDRAW])
@pytest.mark.parametrize("amount", [0, -1, -(2**63)])
def test_a_deposit_or_withdrawal_must_be_positive(
    desk: Desk, kind: CommandType, amount: int
) -> None:
    open_desk(desk)
    assert desk.refusal(money(kind, ALICE, USD, amount, request(1))) is Reason.INVALID_AMOUNT


@pytest.mark.parametrize("amount", [0, -(2**63)])
def test_an_adjustment_must_not_be_zero_nor_the_lowest_number(desk: Desk, amount: int) -> None:
    open_desk(desk)
    command = money(CommandType.ADJUST, ALICE, USD, amount, request(1))
    assert desk.refusal(command) is Reason.INVALID_AMOUNT


def test_what_is_locked_cannot_be_withdrawn_or_adjusted_away(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 1_000 * UNIT)
    desk.rest(BID, ALICE, 100, 9)
    for kind, amount in (
        (CommandType.WITHDRAW, 100 * UNIT + 1),
        (CommandType.ADJUST, -100 * UNIT - 1),
        (CommandType.ADJUST, -INT64_MAX),
    ):
        command = money(kind, ALICE, USD, amount, request(1))
        assert desk.refusal(command) is Reason.INSUFFICIENT_BALANCE
    (event,) = desk.apply(money(CommandType.WITHDRAW, ALICE, USD, 100 * UNIT, request(1)))
    assert event.type.name == "FUNDS_WITHDRAWN"
    assert desk.balance(ALICE, USD) == (0, 900 * UNIT)


def test_a_credit_beyond_the_assets_greatest_total_is_refused(desk: Desk) -> None:
    desk.open_market()
    desk.apply(Command(CommandType.ADD_ASSET, asset_id=3, quantity=0, amount=1_000, text=b"CAP"))
    desk.fund(ALICE, 3, 600)
    for kind in (CommandType.DEPOSIT, CommandType.ADJUST):
        command = money(kind, BOB, 3, 401, request(1))
        assert desk.refusal(command) is Reason.MAX_TOTAL_EXCEEDED
    desk.fund(BOB, 3, 400)
    desk.apply(money(CommandType.WITHDRAW, ALICE, 3, 1, request(2)))
    desk.fund(BOB, 3, 1)
    assert desk.refusal(desk.deposit(BOB, 3, INT64_MAX)) is Reason.MAX_TOTAL_EXCEEDED


def test_a_running_total_that_would_leave_64_bits_is_refused(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, INT64_MAX)
    desk.apply(money(CommandType.WITHDRAW, ALICE, USD, INT64_MAX, request(1)))
    assert desk.refusal(desk.deposit(ALICE, USD, 1)) is Reason.OVERFLOW
    desk.apply(money(CommandType.ADJUST, ALICE, USD, INT64_MAX, request(2)))
    command = money(CommandType.WITHDRAW, ALICE, USD, 1, request(3))
    assert desk.refusal(command) is Reason.OVERFLOW
    desk.apply(money(CommandType.ADJUST, ALICE, USD, -INT64_MAX, request(4)))
    assert desk.balance(ALICE, USD) == (0, 0)


def test_a_length_that_is_not_whole_records_is_an_error_and_changes_nothing(
    desk: Desk,
) -> None:
    desk.open_market()
    before = desk.kernel.state_hash()
    for size in (1, 127, 129):
        with pytest.raises(ValueError, match="expected a multiple of 128"):
            desk.kernel.apply(bytes(size), 10**9)
    assert desk.kernel.state_hash() == before


def test_time_never_goes_back(desk: Desk) -> None:
    desk.kernel.apply(b"", 100)
    with pytest.raises(AssertionError, match="time_us was 99, expected at least 100"):
        desk.kernel.apply(b"", 99)
    desk.kernel.apply(b"", 100)
    assert desk.kernel.time_us == 100


def test_any_bytes_object_is_taken_wherever_it_lies_in_memory(desk: Desk) -> None:
    desk.open_market()
    record = pack_command(Command(CommandType.ADD_USER, user_id=50))
    askew = memoryview(b"xyz" + record)[3:]
    forms: list[bytes | bytearray | memoryview] = [
        record,
        bytearray(record),
        memoryview(record),
        askew,
    ]
    for index, packed in enumerate(forms):
        (event,) = read_events(desk.kernel.apply(packed, 10**6 + index))
        assert event.type.name == ("REQUEST_REPLAYED" if index else "USER_ADDED")


def test_limit_orders_know_three_times_in_force(desk: Desk) -> None:
    open_desk(desk)
    for tif in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
        events = desk.apply(desk.place(BID, ALICE, 1, 1, time_in_force=tif))
        assert kinds(events)[0] == "ORDER_ACCEPTED"
