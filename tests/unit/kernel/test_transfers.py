"""Drafts and transfers (rule 34): legs are held back, and move together or not at all."""

import pytest

from engine.kernel import Limits, load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandType,
    EventType,
    FundsTransferred,
    LegTaken,
    Reason,
    RequestReplayed,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    USD,
    Desk,
    Event,
    kinds,
    money,
    request,
)

HOUSE = 0


def leg(user_id: int, asset_id: int, amount: int, number: int = 1) -> Command:
    return money(CommandType.TRANSFER_LEG, user_id, asset_id, amount, request(number))


def transfer(legs: int, number: int = 1) -> Command:
    return Command(CommandType.TRANSFER, quantity=legs, request_id=request(number))


def send(desk: Desk, *legs: Command, number: int = 1) -> list[Event]:
    """Apply legs and their transfer, and return what the transfer alone caused."""
    events = desk.apply(*legs, transfer(len(legs), number))
    assert kinds(events[: len(legs)]) == ["LEG_TAKEN"] * len(legs)
    return events[len(legs) :]


def open_desk(desk: Desk) -> None:
    desk.open_market(users=(ALICE, BOB, CAROL))
    desk.fund(ALICE, USD, 1_000)
    desk.fund(BOB, BTC, 50)


def test_a_leg_is_held_back_and_says_so(desk: Desk) -> None:
    open_desk(desk)
    before = desk.balances()
    (event,) = desk.apply(leg(ALICE, USD, -10)._replace(text=b"ref"))
    assert event.body == LegTaken(CommandType.TRANSFER_LEG, ALICE, 0, 1, request(1), b"ref")
    assert desk.balances() == before


def test_a_transfer_moves_all_legs_and_conserves_every_asset(desk: Desk) -> None:
    open_desk(desk)
    totals = desk.kernel.totals()
    events = send(
        desk,
        leg(ALICE, USD, -400),
        leg(BOB, USD, 300),
        leg(HOUSE, USD, 100)._replace(text=b"fee"),
        leg(BOB, BTC, -50),
        leg(ALICE, BTC, 50),
    )
    assert kinds(events) == ["FUNDS_TRANSFERRED"] * 5
    assert events[2].body == FundsTransferred(HOUSE, USD, 100, 3, 5, request(1), b"fee")
    assert desk.balance(ALICE, USD) == (600, 0)
    assert desk.balance(BOB, USD) == (300, 0)
    assert desk.balance(HOUSE, USD) == (100, 0)
    assert (desk.balance(ALICE, BTC), desk.balance(BOB, BTC)) == ((50, 0), (0, 0))
    assert desk.kernel.totals() == totals


def test_a_retry_is_told_the_first_outcome_and_moves_nothing(desk: Desk) -> None:
    open_desk(desk)
    legs = (leg(ALICE, USD, -400), leg(BOB, USD, 400))
    first = send(desk, *legs)[0].header.event_seq
    for _ in range(2):
        (event,) = send(desk, *legs)
        assert event.body == RequestReplayed(CommandType.TRANSFER, 0, 0, first, request(1))
    assert desk.balance(BOB, USD) == (400, 0)


def test_the_same_id_with_other_legs_is_refused_for_ever(desk: Desk) -> None:
    open_desk(desk)
    send(desk, leg(ALICE, USD, -400), leg(BOB, USD, 400))
    for other in (
        (leg(ALICE, USD, -401), leg(BOB, USD, 401)),
        (leg(ALICE, USD, -400), leg(CAROL, USD, 400)),
        (leg(BOB, USD, 400), leg(ALICE, USD, -400)),
    ):
        assert send(desk, *other)[0].reason is Reason.REQUEST_ID_REUSED
    assert desk.refusal(money(CommandType.DEPOSIT, BOB, USD, 400, request(1))) is (
        Reason.REQUEST_ID_REUSED
    )
    assert desk.balance(BOB, USD) == (400, 0)


def test_a_refused_transfer_can_be_sent_again_under_its_id(desk: Desk) -> None:
    open_desk(desk)
    legs = (leg(ALICE, USD, -1_001), leg(BOB, USD, 1_001))
    assert send(desk, *legs)[0].reason is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 1)
    assert kinds(send(desk, *legs)) == ["FUNDS_TRANSFERRED"] * 2


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ([leg(ALICE, USD, -5), leg(BOB, USD, 6)], Reason.UNBALANCED),
        ([leg(ALICE, USD, -5), leg(BOB, BTC, 5)], Reason.UNBALANCED),
        ([leg(ALICE, USD, -(2**62))] * 4, Reason.UNBALANCED),  # wraps to zero in 64 bits
        ([leg(ALICE, USD, -5), leg(99, USD, 5)], Reason.UNKNOWN_USER),
        ([leg(ALICE, 9, -5), leg(BOB, 9, 5)], Reason.UNKNOWN_ASSET),
        ([leg(ALICE, USD, 0), leg(BOB, USD, 0)], Reason.INVALID_AMOUNT),
        ([leg(ALICE, USD, -(2**63)), leg(BOB, USD, 5)], Reason.INVALID_AMOUNT),
        ([leg(ALICE, USD, -1_001), leg(BOB, USD, 1_001)], Reason.INSUFFICIENT_BALANCE),
        ([leg(CAROL, USD, -1), leg(BOB, USD, 1)], Reason.INSUFFICIENT_BALANCE),
        (
            [leg(CAROL, USD, -1), leg(CAROL, USD, 1)],  # the result of every leg counts
            Reason.INSUFFICIENT_BALANCE,
        ),
        ([leg(ALICE, USD, INT64_MAX), leg(ALICE, USD, -INT64_MAX)], Reason.OVERFLOW),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_whole(
    desk: Desk, legs: list[Command], reason: Reason
) -> None:
    open_desk(desk)
    before = desk.balances()
    (event,) = send(desk, *legs)
    assert event.reason is reason
    assert desk.balances() == before


def test_all_that_is_available_can_be_moved_and_what_is_locked_cannot(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, ALICE, 4, 1)
    assert desk.balance(ALICE, USD) == (600, 400)
    legs = (leg(ALICE, USD, -601), leg(BOB, USD, 601))
    assert send(desk, *legs)[0].reason is Reason.INSUFFICIENT_BALANCE
    send(desk, leg(ALICE, USD, -600, 2), leg(BOB, USD, 600, 2), number=2)
    assert desk.balance(ALICE, USD) == (0, 400)


def test_eight_legs_are_the_most_and_the_ninth_drops_the_draft(desk: Desk) -> None:
    open_desk(desk)
    pair = [leg(ALICE, USD, -1), leg(BOB, USD, 1)]
    assert kinds(send(desk, *pair * 4)) == ["FUNDS_TRANSFERRED"] * 8
    events = desk.apply(*[each._replace(request_id=request(2)) for each in (pair * 5)[:9]])
    assert events[-1].reason is Reason.CAPACITY
    assert desk.refusal(transfer(8, 2)) is Reason.NO_DRAFT


@pytest.mark.parametrize("legs", [0, 1, 3, -1, 2**32 + 2, INT64_MAX])
def test_a_transfer_states_how_many_legs_it_takes(desk: Desk, legs: int) -> None:
    open_desk(desk)
    desk.apply(leg(ALICE, USD, -5), leg(BOB, USD, 5))
    assert desk.refusal(transfer(legs)) is Reason.NO_DRAFT
    assert desk.refusal(transfer(2)) is Reason.NO_DRAFT  # the first one dropped them


def test_any_other_command_drops_the_draft_without_a_word(desk: Desk) -> None:
    open_desk(desk)
    others = [
        Command(CommandType.CHECKPOINT),
        Command(255),
        Command(CommandType.ADD_USER, user_id=77),
        desk.place(ASK, ALICE, 100, 1),
    ]
    for number, other in enumerate(others, start=1):
        desk.apply(leg(ALICE, USD, -5, number), leg(BOB, USD, 5, number))
        desk.apply(other)
        assert desk.refusal(transfer(2, number)) is Reason.NO_DRAFT


def test_a_leg_of_another_request_begins_a_draft_of_its_own(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(leg(ALICE, USD, -7, 1))
    send(desk, leg(ALICE, USD, -5, 2), leg(BOB, USD, 5, 2), number=2)
    assert desk.balance(ALICE, USD) == (995, 0)


def test_a_malformed_leg_drops_the_draft(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(leg(ALICE, USD, -5))
    assert desk.refusal(leg(BOB, USD, 5)._replace(text=b"two words")) is Reason.MALFORMED
    assert desk.refusal(transfer(1)) is Reason.NO_DRAFT


def test_a_leg_of_an_order_is_checked_as_a_place_and_raises_the_last_order_id(desk: Desk) -> None:
    open_desk(desk)
    place = desk.place(BID, ALICE, 100, 1)._replace(order_id=500, type=CommandType.PLACE_LEG)
    (event,) = desk.apply(place)
    assert event.body == LegTaken(CommandType.PLACE_LEG, ALICE, 500, 1, bytes(16), b"")
    assert event.header.market_id == 1
    assert desk.kernel.last_order_id == 500
    assert desk.kernel.open_order_count == 0
    assert desk.refusal(place._replace(time_in_force=9)) is Reason.MALFORMED
    assert desk.refusal(place._replace(text=b"two words")) is Reason.MALFORMED


def test_a_transfer_needs_an_id(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(leg(ALICE, USD, -5, 0), leg(BOB, USD, 5, 0))
    assert desk.refusal(transfer(2, 0)) is Reason.REQUEST_ID_REQUIRED


def test_a_draft_survives_a_restart(desk: Desk, kernel_name: str) -> None:
    open_desk(desk)
    desk.apply(leg(ALICE, USD, -5), leg(BOB, USD, 5))
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    events = other.apply(transfer(2))
    assert kinds(events) == ["FUNDS_TRANSFERRED"] * 2
    assert other.balance(BOB, USD) == (5, 0)


def test_a_transfer_stays_within_the_limits_of_accounts_and_ids(kernel_name: str) -> None:
    """ALICE and BOB use the fifth account; one for CAROL is one too many."""
    desk = Desk(load_kernel(kernel_name, Limits(accounts_max=5, business_ids_max=4)))
    open_desk(desk)
    assert desk.kernel.account_count == 4
    events = send(desk, leg(ALICE, USD, -3), leg(BOB, USD, 2), leg(CAROL, USD, 1))
    assert events[0].reason is Reason.CAPACITY
    assert kinds(send(desk, leg(ALICE, USD, -3), leg(BOB, USD, 3))) == ["FUNDS_TRANSFERRED"] * 2
    send(desk, leg(ALICE, USD, -3, 2), leg(BOB, USD, 3, 2), number=2)
    events = send(desk, leg(ALICE, USD, -3, 3), leg(BOB, USD, 3, 3), number=3)
    assert events[0].type is EventType.REFUSED
    assert events[0].reason is Reason.CAPACITY
