"""How orders meet: priority, prices, each order type, moves, reductions and cancels."""

from engine.kernel.interface import LevelView
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    OrderAccepted,
    OrderChanged,
    OrderType,
    Reason,
    TimeInForce,
    Trade,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    LOT,
    MARKET,
    UNIT,
    USD,
    Desk,
    Event,
    cancel,
    force_cancel,
    kinds,
    move,
    reduce,
)

RICH_USD = 10**12
RICH_BTC = 10**12


def open_desk(desk: Desk) -> None:
    """Three rich traders in a market without fees."""
    desk.open_market(users=(ALICE, BOB, CAROL))
    for user_id in (ALICE, BOB, CAROL):
        desk.fund(user_id, USD, RICH_USD)
        desk.fund(user_id, BTC, RICH_BTC)


def trades(events: list[Event]) -> list[tuple[int, int, int]]:
    """(maker order id, price, lots) of each fill."""
    return [
        (event.body.maker_order_id, event.body.price_ticks, event.body.quantity_lots)
        for event in events
        if isinstance(event.body, Trade)
    ]


def test_an_accepted_order_is_told_with_all_its_terms(desk: Desk) -> None:
    open_desk(desk)
    (event,) = desk.apply(desk.place(BID, ALICE, 100, 7, ceiling=110, text=b"mine:1"))
    assert event.header.flags == EventFlag.BID
    assert event.header.market_id == MARKET
    assert event.body == OrderAccepted(
        order_id=desk.queue(BID)[0],
        user_id=ALICE,
        price_ticks=100,
        quantity_lots=7,
        bound=110,
        reserved_atoms=7 * 110 * UNIT,
        terms=OrderType.LIMIT | TimeInForce.GTC << 8,
        text=b"mine:1",
    )


def test_the_best_price_trades_first_and_at_one_price_the_oldest(desk: Desk) -> None:
    open_desk(desk)
    late_best = desk.rest(ASK, ALICE, 102, 1)
    first = desk.rest(ASK, ALICE, 103, 2)
    second = desk.rest(ASK, BOB, 103, 2)
    best = desk.rest(ASK, BOB, 101, 1)
    events = desk.apply(desk.place(BID, CAROL, 103, 5))
    assert trades(events) == [
        (best, 101, 1),
        (late_best, 102, 1),
        (first, 103, 2),
        (second, 103, 1),
    ]
    assert desk.queue(ASK) == [second]


def test_bids_are_hit_from_the_highest_price_down(desk: Desk) -> None:
    open_desk(desk)
    low = desk.rest(BID, ALICE, 98, 1)
    high = desk.rest(BID, BOB, 99, 1)
    events = desk.apply(desk.place(ASK, CAROL, 98, 2))
    assert trades(events) == [(high, 99, 1), (low, 98, 1)]


def test_a_trade_is_at_the_makers_price_and_the_taker_keeps_the_difference(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 5)
    desk.apply(desk.place(BID, ALICE, 105, 5))
    assert desk.balance(ALICE, USD) == (RICH_USD - 5 * 100 * UNIT, 0)
    assert desk.balance(BOB, USD) == (RICH_USD + 5 * 100 * UNIT, 0)
    assert desk.balance(ALICE, BTC) == (RICH_BTC + 5 * LOT, 0)


def test_a_trade_states_both_sides(desk: Desk) -> None:
    open_desk(desk)
    maker = desk.rest(ASK, BOB, 100, 5)
    taker = desk.place(BID, ALICE, 101, 8)
    event = desk.apply(taker)[1]
    assert event.header.flags == EventFlag.BID | EventFlag.MAKER_DONE
    assert event.body == Trade(
        trade_id=1,
        maker_order_id=maker,
        taker_order_id=taker.order_id,
        maker_user_id=BOB,
        taker_user_id=ALICE,
        price_ticks=100,
        quantity_lots=5,
        maker_fee_atoms=0,
        taker_fee_atoms=0,
        maker_reserved_atoms=0,
        taker_reserved_atoms=3 * 101 * UNIT,
    )
    (view,) = desk.kernel.markets()
    assert (view.last_price_ticks, view.last_trade_id) == (100, 1)


def test_the_remainder_of_a_limit_order_rests_at_its_own_price(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.apply(desk.place(BID, ALICE, 101, 10))
    assert desk.kernel.book(MARKET, 5) == ([LevelView(101, 7, 1)], [])
    assert desk.balance(ALICE, USD)[1] == 7 * 101 * UNIT


def test_a_user_may_trade_with_himself(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 100, 3)
    desk.apply(desk.place(BID, ALICE, 100, 3))
    assert desk.balance(ALICE, USD) == (RICH_USD, 0)
    assert desk.balance(ALICE, BTC) == (RICH_BTC, 0)


def test_proceeds_are_usable_by_the_very_next_command_of_the_batch(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 100 * UNIT)
    desk.fund(BOB, BTC, LOT)
    events = desk.apply(
        desk.place(ASK, BOB, 100, 1),
        desk.place(BID, ALICE, 100, 1),
        desk.place(BID, BOB, 100, 1),
        desk.place(ASK, ALICE, 100, 1),
    )
    assert kinds(events) == [
        "ORDER_ACCEPTED",
        "ORDER_ACCEPTED",
        "TRADE",
        "ORDER_ACCEPTED",
        "ORDER_ACCEPTED",
        "TRADE",
    ]


def test_an_ioc_order_expires_what_it_cannot_trade(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 102, 3)
    ioc = desk.place(BID, ALICE, 101, 5, time_in_force=TimeInForce.IOC)
    events = desk.apply(ioc)
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_EXPIRED"]
    assert events[-1].reason is Reason.TIME_IN_FORCE
    assert events[-1].header.flags == EventFlag.BID | EventFlag.DONE
    assert events[-1].body == OrderChanged(ioc.order_id, ALICE, 101, 2, 0, 0)
    assert desk.balance(ALICE, USD)[1] == 0


def test_a_fok_order_that_can_be_filled_whole_trades(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 101, 3)
    fok = desk.place(BID, ALICE, 101, 6, time_in_force=TimeInForce.FOK)
    assert kinds(desk.apply(fok)) == ["ORDER_ACCEPTED", "TRADE", "TRADE"]


def test_a_fok_order_one_lot_too_large_trades_nothing(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 101, 3)
    desk.rest(ASK, BOB, 102, 9)
    fok = desk.place(BID, ALICE, 101, 7, time_in_force=TimeInForce.FOK)
    events = desk.apply(fok)
    assert kinds(events) == ["ORDER_ACCEPTED", "ORDER_EXPIRED"]
    assert events[-1].reason is Reason.TIME_IN_FORCE
    assert events[-1].body == OrderChanged(fok.order_id, ALICE, 101, 7, 0, 0)
    assert desk.balance(ALICE, USD) == (RICH_USD, 0)


def test_a_market_order_on_an_empty_book_expires(desk: Desk) -> None:
    open_desk(desk)
    for side in (BID, ASK):
        events = desk.apply(desk.market_order(side, ALICE, 5))
        assert kinds(events) == ["ORDER_ACCEPTED", "ORDER_EXPIRED"]
        assert events[-1].reason is Reason.TIME_IN_FORCE
    assert desk.kernel.open_order_count == 0


def test_a_market_bid_holds_exactly_the_cost_of_its_sweep(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(Command(CommandType.ADD_USER, user_id=14))
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 110, 3)
    cost = (3 * 100 + 2 * 110) * UNIT
    desk.fund(14, USD, cost - 1)
    assert desk.refusal(desk.market_order(BID, 14, 5)) is Reason.INSUFFICIENT_BALANCE
    desk.fund(14, USD, 1)
    events = desk.apply(desk.market_order(BID, 14, 5))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "TRADE"]
    assert isinstance(events[0].body, OrderAccepted)
    assert events[0].body.reserved_atoms == cost
    assert desk.balance(14, USD) == (0, 0)
    assert desk.balance(14, BTC) == (5 * LOT, 0)


def test_a_market_order_takes_what_there_is_and_expires_the_rest(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, BOB, 100, 3)
    events = desk.apply(desk.market_order(ASK, ALICE, 5))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_EXPIRED"]
    assert desk.balance(ALICE, BTC) == (RICH_BTC - 3 * LOT, 0)


def test_a_budget_bid_trades_at_its_budget_and_not_one_atom_below(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 110, 3)
    cost = (3 * 100 + 2 * 110) * UNIT
    events = desk.apply(desk.budget_order(BID, ALICE, 5, cost - 1))
    assert kinds(events) == ["ORDER_ACCEPTED", "ORDER_EXPIRED"]
    assert events[-1].reason is Reason.BUDGET
    assert kinds(desk.apply(desk.budget_order(BID, ALICE, 5, cost))) == [
        "ORDER_ACCEPTED",
        "TRADE",
        "TRADE",
    ]
    assert desk.balance(ALICE, USD) == (RICH_USD - cost, 0)


def test_a_budget_ask_trades_for_its_budget_and_not_one_atom_above(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, BOB, 100, 3)
    desk.rest(BID, BOB, 90, 3)
    proceeds = (3 * 100 + 2 * 90) * UNIT
    events = desk.apply(desk.budget_order(ASK, ALICE, 5, proceeds + 1))
    assert kinds(events) == ["ORDER_ACCEPTED", "ORDER_EXPIRED"]
    assert events[-1].reason is Reason.BUDGET
    assert kinds(desk.apply(desk.budget_order(ASK, ALICE, 5, proceeds)))[1:] == ["TRADE", "TRADE"]


def test_a_budget_order_beyond_the_books_volume_expires(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 1, 3)
    events = desk.apply(desk.budget_order(BID, ALICE, 4, 10**6))
    assert [event.reason for event in events] == [Reason.NONE, Reason.BUDGET]
    assert desk.balance(ALICE, USD) == (RICH_USD, 0)


def test_a_post_only_order_at_the_best_opposite_price_would_take(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    assert desk.refusal(desk.post_only(BID, ALICE, 100, 1)) is Reason.WOULD_TAKE
    assert kinds(desk.apply(desk.post_only(BID, ALICE, 99, 1))) == ["ORDER_ACCEPTED"]
    assert desk.refusal(desk.post_only(ASK, ALICE, 99, 1)) is Reason.WOULD_TAKE


def test_a_cancel_returns_the_reserve_and_says_what_was_left(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 5)
    (event,) = desk.apply(cancel(ALICE, order_id))
    assert event.header.flags == EventFlag.BID | EventFlag.DONE
    assert event.body == OrderChanged(order_id, ALICE, 100, 5, 0, 0)
    assert desk.balance(ALICE, USD) == (RICH_USD, 0)
    assert desk.kernel.order(MARKET, order_id) is None


def test_an_operator_cancels_anybodys_order_and_the_event_says_so(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(ASK, ALICE, 100, 5)
    (event,) = desk.apply(force_cancel(order_id))
    assert event.header.flags == EventFlag.OPERATOR | EventFlag.DONE
    assert event.body == OrderChanged(order_id, ALICE, 100, 5, 0, 0)
    assert desk.balance(ALICE, BTC) == (RICH_BTC, 0)


def test_a_reduction_keeps_the_place_in_the_queue(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(ASK, ALICE, 100, 5)
    second = desk.rest(ASK, BOB, 100, 5)
    (event,) = desk.apply(reduce(ALICE, first, 2))
    assert event.header.flags == 0
    assert event.body == OrderChanged(first, ALICE, 100, 2, 3, 3 * LOT)
    assert desk.queue(ASK) == [first, second]
    assert desk.kernel.book(MARKET, 1) == ([], [LevelView(100, 8, 2)])
    assert desk.balance(ALICE, BTC) == (RICH_BTC - 3 * LOT, 3 * LOT)


def test_a_reduction_by_all_or_more_ends_the_order(desk: Desk) -> None:
    open_desk(desk)
    for lots in (5, 9):
        order_id = desk.rest(BID, ALICE, 100, 5)
        (event,) = desk.apply(reduce(ALICE, order_id, lots))
        assert event.header.flags == EventFlag.BID | EventFlag.DONE
        assert event.body == OrderChanged(order_id, ALICE, 100, 5, 0, 0)
    assert desk.balance(ALICE, USD) == (RICH_USD, 0)


def test_a_moved_order_goes_to_the_back_of_its_new_level(desk: Desk) -> None:
    open_desk(desk)
    moved = desk.rest(BID, ALICE, 100, 5)
    other = desk.rest(BID, BOB, 99, 5)
    (event,) = desk.apply(move(ALICE, moved, 99))
    assert event.header.flags == EventFlag.BID
    assert event.body == OrderChanged(moved, ALICE, 99, 0, 5, 5 * 99 * UNIT)
    assert desk.queue(BID) == [other, moved]
    assert desk.balance(ALICE, USD) == (RICH_USD - 5 * 99 * UNIT, 5 * 99 * UNIT)


def test_a_move_across_the_book_trades_as_a_taker(desk: Desk) -> None:
    open_desk(desk)
    maker = desk.rest(ASK, BOB, 105, 2)
    moved = desk.rest(BID, ALICE, 100, 5)
    events = desk.apply(move(ALICE, moved, 107))
    assert kinds(events) == ["ORDER_MOVED", "TRADE"]
    assert trades(events) == [(maker, 105, 2)]
    assert desk.kernel.book(MARKET, 5) == ([LevelView(107, 3, 1)], [])
    assert desk.balance(ALICE, USD) == (
        RICH_USD - (2 * 105 + 3 * 107) * UNIT,
        3 * 107 * UNIT,
    )


def test_a_move_that_fills_the_order_frees_its_ids(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 105, 5)
    moved = desk.rest(BID, ALICE, 100, 5, text=b"again")
    desk.apply(move(ALICE, moved, 105))
    assert desk.kernel.open_order_count == 0
    desk.rest(BID, ALICE, 90, 1, order_id=moved, text=b"again")


def test_a_move_to_the_same_price_needs_the_requeue_flag(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 5)
    second = desk.rest(BID, BOB, 100, 5)
    assert desk.refusal(move(ALICE, first, 100)) is Reason.NOTHING_CHANGES
    assert desk.queue(BID) == [first, second]
    desk.apply(move(ALICE, first, 100, flags=CommandFlag.REQUEUE))
    assert desk.queue(BID) == [second, first]


def test_a_move_without_a_ceiling_must_find_the_extra_hold(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 5 * 100 * UNIT + 4)
    first = desk.rest(BID, ALICE, 100, 5)
    assert desk.refusal(move(ALICE, first, 101)) is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 5 * UNIT - 4)
    desk.apply(move(ALICE, first, 101))
    assert desk.balance(ALICE, USD) == (0, 5 * 101 * UNIT)


def test_a_move_up_to_the_ceiling_needs_no_funds_and_no_further(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 5 * 110 * UNIT)
    order_id = desk.rest(BID, ALICE, 100, 5, ceiling=110)
    (event,) = desk.apply(move(ALICE, order_id, 110))
    assert event.body == OrderChanged(order_id, ALICE, 110, 0, 5, 5 * 110 * UNIT)
    assert desk.refusal(move(ALICE, order_id, 111)) is Reason.PRICE_ABOVE_CEILING
    assert desk.balance(ALICE, USD) == (0, 5 * 110 * UNIT)


def test_a_refused_move_of_a_post_only_order_leaves_its_priority(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 105, 2)
    post_only = desk.post_only(BID, ALICE, 100, 5)
    desk.apply(post_only)
    behind = desk.rest(BID, BOB, 100, 5)
    assert desk.refusal(move(ALICE, post_only.order_id, 105)) is Reason.WOULD_TAKE
    assert desk.queue(BID) == [post_only.order_id, behind]
    assert kinds(desk.apply(move(ALICE, post_only.order_id, 104))) == ["ORDER_MOVED"]


def test_many_levels_keep_their_order_through_inserts_and_removals(desk: Desk) -> None:
    """More levels than one chunk of the compiled book holds, opened and closed out of order."""
    open_desk(desk)
    prices = [1 + (step * 7_919) % 1_009 for step in range(1_009)]
    ids = {price: desk.next_id() for price in prices}
    desk.apply(*(desk.place(BID, ALICE, price, 1, order_id=ids[price]) for price in prices))
    book = desk.kernel.book(MARKET, 10**6)
    assert book is not None
    assert [level.price_ticks for level in book[0]] == list(range(1_009, 0, -1))
    gone = {price for price in prices if price % 5}
    desk.apply(*(cancel(ALICE, ids[price]) for price in prices if price in gone))
    left = sorted(set(prices) - gone, reverse=True)
    assert desk.queue(BID) == [ids[price] for price in left]
    events = desk.apply(desk.market_order(ASK, BOB, len(left)))
    assert [price for _, price, _ in trades(events)] == left
