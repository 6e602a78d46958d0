"""Withdrawal holds (rule 34): held, then settled or released, each exactly once."""

import pytest

from engine.kernel import Limits, load_kernel
from engine.kernel.interface import HoldView
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandType,
    FundsMoved,
    Reason,
    RequestReplayed,
    UserStatus,
)
from tests.unit.kernel.desk import (
    ALICE,
    BID,
    BOB,
    USD,
    Desk,
    kinds,
    money,
    request,
    set_status,
)

SETTLE = CommandType.SETTLE_HOLD
RELEASE = CommandType.RELEASE_HOLD
ENDS = [(SETTLE, RELEASE, Reason.HOLD_SETTLED), (RELEASE, SETTLE, Reason.HOLD_RELEASED)]


def hold(amount: int = 600, number: int = 1, user_id: int = ALICE) -> Command:
    return money(CommandType.HOLD, user_id, USD, amount, request(number))._replace(text=b"wd-1")


def end(kind: CommandType, number: int = 1, user_id: int = ALICE) -> Command:
    return Command(kind, user_id=user_id, request_id=request(number))


def open_desk(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 1_000)


def test_a_hold_moves_from_available_to_locked(desk: Desk) -> None:
    open_desk(desk)
    (event,) = desk.apply(hold())
    assert event.type.name == "FUNDS_HELD"
    assert event.body == FundsMoved(ALICE, USD, 600, request(1), b"wd-1")
    assert desk.balance(ALICE, USD) == (400, 600)
    assert desk.kernel.holds() == [HoldView(request(1), ALICE, USD, 600, "wd-1")]


def test_settling_takes_it_out_as_a_withdrawal(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(hold())
    (event,) = desk.apply(end(SETTLE))
    assert event.type.name == "HOLD_SETTLED"
    assert event.body == FundsMoved(ALICE, USD, 600, request(1), b"wd-1")
    assert desk.balance(ALICE, USD) == (400, 0)
    assert desk.kernel.holds() == []
    total = desk.kernel.totals()[1]
    assert (total.held_atoms, total.deposited_atoms, total.withdrawn_atoms) == (400, 1_000, 600)


def test_releasing_gives_it_back(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(hold())
    (event,) = desk.apply(end(RELEASE))
    assert event.type.name == "HOLD_RELEASED"
    assert desk.balance(ALICE, USD) == (1_000, 0)
    assert desk.kernel.totals()[1].withdrawn_atoms == 0


@pytest.mark.parametrize(("first", "second", "reason"), ENDS)
def test_a_hold_ends_once_and_the_other_end_is_refused(
    desk: Desk, first: CommandType, second: CommandType, reason: Reason
) -> None:
    open_desk(desk)
    desk.apply(hold())
    (ended,) = desk.apply(end(first))
    balance = desk.balance(ALICE, USD)
    for _ in range(2):
        (again,) = desk.apply(end(first))
        assert again.body == RequestReplayed(first, ALICE, 0, ended.header.event_seq, request(1))
        assert desk.refusal(end(second)) is reason
    assert desk.balance(ALICE, USD) == balance


def test_a_retried_hold_is_told_the_first_outcome_even_when_it_has_ended(desk: Desk) -> None:
    open_desk(desk)
    (held,) = desk.apply(hold())
    for kind in (RELEASE, RELEASE):
        (again,) = desk.apply(hold())
        first = RequestReplayed(CommandType.HOLD, ALICE, 0, held.header.event_seq, request(1))
        assert again.body == first
        desk.apply(end(kind))
    assert desk.balance(ALICE, USD) == (1_000, 0)


def test_the_same_id_with_other_content_is_refused(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(hold())
    assert desk.refusal(hold(601)) is Reason.REQUEST_ID_REUSED
    deposit = money(CommandType.DEPOSIT, ALICE, USD, 600, request(1))
    assert desk.refusal(deposit) is Reason.REQUEST_ID_REUSED
    desk.apply(deposit._replace(request_id=request(2)))
    assert desk.refusal(hold(number=2)) is Reason.REQUEST_ID_REUSED
    assert desk.refusal(end(SETTLE, 2)) is Reason.UNKNOWN_HOLD


def test_what_is_locked_can_be_neither_held_nor_withdrawn_nor_traded(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, ALICE, 3, 1)
    assert desk.refusal(hold(701)) is Reason.INSUFFICIENT_BALANCE
    desk.apply(hold(700))
    assert desk.balance(ALICE, USD) == (0, 1_000)
    withdraw = money(CommandType.WITHDRAW, ALICE, USD, 1, request(9))
    assert desk.refusal(withdraw) is Reason.INSUFFICIENT_BALANCE
    assert desk.refusal(desk.place(BID, ALICE, 1, 1)) is Reason.INSUFFICIENT_BALANCE
    assert desk.refusal(hold(1, 2)) is Reason.INSUFFICIENT_BALANCE


@pytest.mark.parametrize("amount", [0, -1, -(2**63)])
def test_a_hold_is_of_something(desk: Desk, amount: int) -> None:
    open_desk(desk)
    assert desk.refusal(hold(amount)) is Reason.INVALID_AMOUNT


def test_a_hold_names_what_is_there(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(hold()._replace(asset_id=9)) is Reason.UNKNOWN_ASSET
    assert desk.refusal(hold(user_id=99)) is Reason.UNKNOWN_USER
    assert desk.refusal(hold(user_id=BOB)) is Reason.INSUFFICIENT_BALANCE
    assert desk.refusal(hold()._replace(text=b"two words")) is Reason.MALFORMED
    assert desk.refusal(hold(number=0)) is Reason.REQUEST_ID_REQUIRED
    assert desk.refusal(end(SETTLE, 0)) is Reason.REQUEST_ID_REQUIRED
    assert desk.refusal(end(SETTLE)) is Reason.UNKNOWN_HOLD
    desk.apply(hold())
    assert desk.refusal(end(SETTLE, user_id=BOB)) is Reason.UNKNOWN_HOLD
    assert desk.refusal(end(SETTLE, user_id=99)) is Reason.UNKNOWN_USER
    assert desk.refusal(end(RELEASE)._replace(amount=1)) is Reason.MALFORMED


def test_a_suspended_users_withdrawal_goes_on(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(set_status(ALICE, UserStatus.SUSPENDED))
    assert kinds(desk.apply(hold(), end(SETTLE))) == ["FUNDS_HELD", "HOLD_SETTLED"]


def test_what_all_withdrawals_add_up_to_stays_within_int64(desk: Desk) -> None:
    open_desk(desk)
    there = INT64_MAX - 1_000
    desk.apply(money(CommandType.ADJUST, ALICE, USD, there, request(11)))
    desk.apply(money(CommandType.WITHDRAW, ALICE, USD, there, request(12)))
    desk.fund(ALICE, USD, 1)
    desk.apply(hold(1_001))
    assert desk.refusal(end(SETTLE)) is Reason.OVERFLOW
    desk.apply(end(RELEASE), hold(1_000, 2))
    assert kinds(desk.apply(end(SETTLE, 2))) == ["HOLD_SETTLED"]
    assert desk.kernel.totals()[1].withdrawn_atoms == INT64_MAX


def test_holds_survive_a_restart_open_and_ended(desk: Desk, kernel_name: str) -> None:
    open_desk(desk)
    desk.apply(hold(100, 1), hold(200, 2), hold(300, 3), end(SETTLE, 2), end(RELEASE, 3))
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    assert other.kernel.holds() == desk.kernel.holds()
    assert other.refusal(end(RELEASE, 2)) is Reason.HOLD_SETTLED
    assert other.refusal(end(SETTLE, 3)) is Reason.HOLD_RELEASED
    assert kinds(other.apply(end(SETTLE, 1))) == ["HOLD_SETTLED"]
    assert other.balance(ALICE, USD) == (700, 0)


def test_holds_count_as_business_ids(kernel_name: str) -> None:
    desk = Desk(load_kernel(kernel_name, Limits(business_ids_max=2)))
    open_desk(desk)
    desk.apply(hold(1))
    assert desk.refusal(hold(1, 2)) is Reason.CAPACITY
