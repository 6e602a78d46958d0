"""Retries: request windows of order commands, business ids of money, adding a thing again."""

from engine.kernel.limits import REQUEST_WINDOW
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventType,
    Reason,
    RequestReplayed,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    LOT,
    USD,
    Desk,
    cancel,
    market,
    money,
    move,
    request,
)


def open_desk(desk: Desk) -> None:
    desk.open_market()
    for user_id in (ALICE, BOB):
        desk.fund(user_id, USD, 10**12)
        desk.fund(user_id, BTC, 10**12)


def test_a_retry_of_an_order_is_told_the_first_outcome_and_places_nothing(desk: Desk) -> None:
    open_desk(desk)
    first = desk.place(BID, ALICE, 100, 1, request_id=request(7))
    (accepted,) = desk.apply(first)
    (replayed,) = desk.apply(first._replace(order_id=desk.next_id()))
    assert replayed.type is EventType.REQUEST_REPLAYED
    assert replayed.reason is Reason.NONE
    assert replayed.header.market_id == 1
    assert replayed.body == RequestReplayed(
        CommandType.PLACE, ALICE, first.order_id, accepted.header.event_seq, request(7)
    )
    assert desk.queue(BID) == [first.order_id]


def test_a_retry_of_a_refused_order_is_told_that_it_was_refused(desk: Desk) -> None:
    open_desk(desk)
    first = desk.place(BID, ALICE, 100, 10**9, request_id=request(7))
    (refused,) = desk.apply(first)
    assert refused.reason is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 10**14)
    (replayed,) = desk.apply(first)
    assert replayed.type is EventType.REQUEST_REPLAYED
    assert replayed.reason is Reason.INSUFFICIENT_BALANCE
    assert desk.queue(BID) == []


def test_a_request_id_with_other_content_is_refused(desk: Desk) -> None:
    open_desk(desk)
    first = desk.place(BID, ALICE, 100, 1, request_id=request(7))
    desk.apply(first)
    for other in (
        first._replace(price=101),
        first._replace(text=b"named"),
        cancel(ALICE, first.order_id, request_id=request(7)),
    ):
        assert desk.refusal(other) is Reason.REQUEST_ID_REUSED


def test_a_retried_cancel_names_its_order(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 1)
    command = cancel(ALICE, order_id, request_id=request(9))
    (canceled,) = desk.apply(command)
    (replayed,) = desk.apply(command)
    assert replayed.body == RequestReplayed(
        CommandType.CANCEL, ALICE, order_id, canceled.header.event_seq, request(9)
    )


def test_request_ids_are_each_users_own_and_operators_have_theirs(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 1, request_id=request(7))
    desk.rest(BID, BOB, 100, 1, request_id=request(7))
    command = cancel(0, first, flags=CommandFlag.OPERATOR, request_id=request(7))
    (canceled,) = desk.apply(command)
    assert canceled.type is EventType.ORDER_CANCELED
    (replayed,) = desk.apply(command)
    assert replayed.body == RequestReplayed(
        CommandType.CANCEL, 0, first, canceled.header.event_seq, request(7)
    )


def test_the_window_forgets_the_oldest_request_first(desk: Desk) -> None:
    open_desk(desk)
    orders = [
        desk.place(BID, ALICE, 100, 1, request_id=request(number))
        for number in range(1, REQUEST_WINDOW + 1)
    ]
    desk.apply(*orders)
    (event,) = desk.apply(orders[0])
    assert event.type is EventType.REQUEST_REPLAYED
    desk.rest(BID, ALICE, 100, 1, request_id=request(900))
    (event,) = desk.apply(orders[1])
    assert event.type is EventType.REQUEST_REPLAYED
    (event,) = desk.apply(orders[0]._replace(order_id=desk.next_id()))
    assert event.type is EventType.ORDER_ACCEPTED


def test_a_request_that_is_refused_before_its_content_is_not_remembered(desk: Desk) -> None:
    open_desk(desk)
    malformed = desk.place(BID, ALICE, 100, 1, request_id=request(7))._replace(spare=1)
    assert desk.refusal(malformed) is Reason.MALFORMED
    desk.rest(BID, ALICE, 100, 1, request_id=request(7))


def test_a_command_without_a_request_id_is_never_a_retry(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(ASK, ALICE, 100, 2)
    flags = CommandFlag.REQUEUE
    for _ in range(2):
        (event,) = desk.apply(move(ALICE, order_id, 100, flags=flags))
        assert event.type is EventType.ORDER_MOVED


def test_a_deposit_is_booked_once_for_ever(desk: Desk) -> None:
    desk.open_market()
    command = money(CommandType.DEPOSIT, ALICE, USD, 500, request(1))
    (booked,) = desk.apply(command)
    for number in range(2, 400):
        desk.apply(money(CommandType.DEPOSIT, BOB, USD, 1, request(number)))
    (replayed,) = desk.apply(command)
    assert replayed.body == RequestReplayed(
        CommandType.DEPOSIT, ALICE, 0, booked.header.event_seq, request(1)
    )
    assert desk.balance(ALICE, USD) == (500, 0)


def test_a_business_id_belongs_to_one_content_over_all_users_and_kinds(desk: Desk) -> None:
    desk.open_market()
    command = money(CommandType.DEPOSIT, ALICE, USD, 500, request(1))
    desk.apply(command)
    for other in (
        command._replace(user_id=BOB),
        command._replace(amount=501),
        command._replace(type=CommandType.WITHDRAW),
        command._replace(text=b"note"),
    ):
        assert desk.refusal(other) is Reason.REQUEST_ID_REUSED


def test_a_refused_money_command_can_be_sent_again(desk: Desk) -> None:
    desk.open_market()
    command = money(CommandType.WITHDRAW, ALICE, USD, 5, request(1))
    assert desk.refusal(command) is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 5)
    (event,) = desk.apply(command)
    assert event.type is EventType.FUNDS_WITHDRAWN


def test_adding_the_same_again_is_a_retry_and_other_content_an_error(desk: Desk) -> None:
    desk.open_market()
    asset = Command(CommandType.ADD_ASSET, asset_id=9, quantity=2, amount=10, text=b"NEW")
    listing = market(market_id=9)._replace(text=b"NEWUSD")
    user = Command(CommandType.ADD_USER, user_id=9)
    for command in (asset, listing, user):
        (added,) = desk.apply(command)
        (replayed,) = desk.apply(command)
        assert replayed.type is EventType.REQUEST_REPLAYED
        assert replayed.body == RequestReplayed(
            command.type, command.user_id, 0, added.header.event_seq, bytes(16)
        )
    desk.apply(Command(CommandType.SET_MARKET_FEES, market_id=9, amount=1, ceiling=1))
    (replayed,) = desk.apply(listing)
    assert replayed.type is EventType.REQUEST_REPLAYED
    assert desk.refusal(asset._replace(amount=11)) is Reason.ALREADY_EXISTS
    assert desk.refusal(asset._replace(asset_id=8)) is Reason.ALREADY_EXISTS
    assert desk.refusal(listing._replace(quantity=LOT * 10)) is Reason.ALREADY_EXISTS
    assert desk.refusal(listing._replace(market_id=8)) is Reason.ALREADY_EXISTS


def test_the_highest_order_id_seen_is_kept_whatever_became_of_the_order(desk: Desk) -> None:
    open_desk(desk)
    for order_id, spare in ((500, 0), (400, 0), (600, 1)):
        desk.apply(desk.place(BID, ALICE, 100, 1, order_id=order_id)._replace(spare=spare))
    assert desk.kernel.last_order_id == 600
    desk.apply(cancel(ALICE, 700))
    assert desk.kernel.last_order_id == 600
