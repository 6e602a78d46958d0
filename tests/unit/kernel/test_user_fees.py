"""Users' own fees and rebates (rule 2): whose rates an order pays, and who may be paid."""

import pytest

from engine.kernel import Limits, load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandFlag,
    CommandType,
    Reason,
    Trade,
    UserFeesSet,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    MARKET,
    USD,
    Desk,
    kinds,
    market,
    money,
    request,
)

IN_QUOTE = CommandFlag.FEE_IN_QUOTE
PER_LOT = CommandFlag.FEE_PER_LOT
HOUSE = 0


def own_fees(user_id: int, maker: int, taker: int, market_id: int = MARKET) -> Command:
    return Command(
        CommandType.SET_USER_FEES,
        user_id=user_id,
        market_id=market_id,
        quantity=1,
        amount=maker,
        ceiling=taker,
    )


def market_fees(maker: int, taker: int) -> Command:
    return Command(CommandType.SET_MARKET_FEES, market_id=MARKET, amount=maker, ceiling=taker)


def reset(user_id: int, market_id: int = MARKET) -> Command:
    return Command(CommandType.SET_USER_FEES, user_id=user_id, market_id=market_id)


def open_desk(desk: Desk, *, maker: int = 1_000, taker: int = 2_000, flags: int = IN_QUOTE) -> None:
    desk.open_market(maker=maker, taker=taker, flags=flags, users=(ALICE, BOB, CAROL))
    for user_id in (ALICE, BOB, CAROL):
        desk.fund(user_id, USD, 10**9)
        desk.fund(user_id, BTC, 10**9)


def trade(desk: Desk, lots: int = 10, price: int = 100) -> Trade:
    """BOB sells to ALICE's resting bid."""
    desk.rest(BID, ALICE, price, lots)
    return take(desk, lots, price)


def take(desk: Desk, lots: int, price: int = 100) -> Trade:
    events = desk.apply(desk.place(ASK, BOB, price, lots))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE"]
    body = events[1].body
    assert isinstance(body, Trade)
    return body


def test_a_users_own_fees_count_instead_of_the_markets(desk: Desk) -> None:
    open_desk(desk)
    assert trade(desk)[7:9] == (100, 200)  # of 100,000 atoms
    (event,) = desk.apply(own_fees(ALICE, 500, 900))
    assert event.body == UserFeesSet(ALICE, 500, 900, 1)
    assert event.header.market_id == MARKET
    assert trade(desk)[7:9] == (50, 200)
    desk.apply(own_fees(BOB, 0, 30))
    assert trade(desk)[7:9] == (50, 3)
    (event,) = desk.apply(reset(ALICE))
    assert event.body == UserFeesSet(ALICE, 0, 0, 0)
    assert trade(desk)[7:9] == (100, 3)


def test_fees_for_every_market_give_way_to_those_for_one(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(own_fees(ALICE, 300, 700, market_id=0))
    assert trade(desk).maker_fee_atoms == 30
    desk.apply(own_fees(ALICE, 400, 700))
    assert trade(desk).maker_fee_atoms == 40
    desk.apply(reset(ALICE))
    assert trade(desk).maker_fee_atoms == 30
    desk.apply(reset(ALICE, market_id=0))
    assert trade(desk).maker_fee_atoms == 100


def test_fees_in_ppm_for_every_market_leave_a_market_with_fees_per_lot_alone(desk: Desk) -> None:
    open_desk(desk, maker=7, taker=19, flags=PER_LOT)
    desk.apply(own_fees(ALICE, 300, 700, market_id=0))
    assert trade(desk)[7:9] == (70, 190)
    desk.apply(own_fees(ALICE, 3, 700))
    assert trade(desk)[7:9] == (30, 190)


def test_the_fees_of_an_order_freeze_at_its_acceptance(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, ALICE, 100, 10)
    desk.apply(own_fees(ALICE, 10_000, 10_000))
    assert take(desk, 5).maker_fee_atoms == 50
    desk.apply(reset(ALICE))
    assert take(desk, 5).maker_fee_atoms == 50


def test_a_bid_holds_with_its_owners_own_rates(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(own_fees(ALICE, 0, 50_000))
    desk.rest(BID, ALICE, 100, 10)
    assert desk.balance(ALICE, USD) == (10**9 - 105_000, 105_000)
    take(desk, 10)
    assert desk.balance(ALICE, USD) == (10**9 - 100_000, 0)


def test_a_rebate_is_paid_out_of_what_the_taker_pays(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(own_fees(ALICE, -1_500, 2_000))
    bid = trade(desk)
    assert bid[7:9] == (-150, 200)
    assert desk.balance(ALICE, USD) == (10**9 - 100_000 + 150, 0)
    assert desk.balance(HOUSE, USD) == (50, 0)
    desk.rest(ASK, ALICE, 100, 10)
    events = desk.apply(desk.place(BID, BOB, 100, 10))
    ask = events[1].body
    assert isinstance(ask, Trade)
    assert ask[7:9] == (-150, 200)
    assert desk.balance(HOUSE, USD) == (100, 0)
    total = desk.kernel.totals()[1]
    assert total.held_atoms == total.deposited_atoms


def test_many_small_fills_are_paid_what_one_large_fill_is(desk: Desk) -> None:
    """Rounded toward zero, on the cumulative amount: 100 fills of 33 atoms at 70,000 ppm."""
    open_desk(desk, maker=-70_000, taker=90_000)
    small = 33 * 70_000 // 1_000_000
    assert small == 2
    desk.apply(Command(CommandType.ADD_USER, user_id=77))
    desk.rest(BID, ALICE, 33, 1)
    desk.rest(BID, ALICE, 32, 100)
    take(desk, 1, 33)
    paid = [take(desk, 1, 32).maker_fee_atoms for _ in range(100)]
    assert sum(paid) == -(32 * 100 * 100 * 70_000 // 1_000_000)
    assert set(paid) == {-224}


def test_rebates_round_toward_zero_and_never_add_up_to_more_than_is_due(desk: Desk) -> None:
    desk.open_market(maker=-3_333, taker=9_999, flags=IN_QUOTE, tick=10**4)
    desk.fund(ALICE, USD, 10**9)
    desk.fund(BOB, BTC, 10**9)
    desk.rest(BID, ALICE, 100, 50)  # one lot is worth 100 atoms: 0.3333 of one is due
    paid = [take(desk, 1).maker_fee_atoms for _ in range(50)]
    running = [-sum(paid[: count + 1]) for count in range(50)]
    assert running == [100 * count * 3_333 // 1_000_000 for count in range(1, 51)]
    assert set(paid) == {0, -1}


@pytest.mark.parametrize(
    ("maker", "taker", "reason"),
    [
        (-2_000, 2_000, None),
        (-2_001, 5_000, Reason.REBATE),  # the market's own taker fee is the lowest
        (-1_501, 1_500, Reason.REBATE),  # his own is
        (-1_500, 1_500, None),
        (-1_000_001, 2_000, Reason.INVALID_FEE),
        (1_000_001, 2_000, Reason.INVALID_FEE),
        (0, 1_000_001, Reason.INVALID_FEE),
        (0, -1, Reason.INVALID_FEE),
        (1_000_000, 1_000_000, None),
    ],
)
def test_a_rebate_is_at_most_the_lowest_taker_fee(
    desk: Desk, maker: int, taker: int, reason: Reason | None
) -> None:
    open_desk(desk)
    command = own_fees(ALICE, maker, taker)
    if reason is None:
        assert kinds(desk.apply(command)) == ["USER_FEES_SET"]
    else:
        assert desk.refusal(command) is reason


def test_whoever_lowers_a_taker_fee_is_held_to_the_rebates_that_exist(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(own_fees(ALICE, -1_500, 2_000))
    assert desk.refusal(own_fees(BOB, 0, 1_499)) is Reason.REBATE
    assert desk.refusal(own_fees(BOB, 0, 1_499, market_id=0)) is Reason.REBATE
    assert desk.refusal(market_fees(0, 1_499)) is Reason.REBATE
    assert kinds(desk.apply(own_fees(BOB, 0, 1_500), own_fees(CAROL, 0, 1_500, market_id=0))) == [
        "USER_FEES_SET",
        "USER_FEES_SET",
    ]
    assert desk.refusal(own_fees(ALICE, -1_501, 2_000)) is Reason.REBATE
    desk.apply(own_fees(ALICE, -1_000, 2_000))  # what it replaces does not count
    assert kinds(desk.apply(own_fees(BOB, 0, 1_000))) == ["USER_FEES_SET"]


def test_rebates_exist_only_where_fees_are_in_quote(desk: Desk) -> None:
    open_desk(desk, flags=0)
    assert desk.refusal(own_fees(ALICE, -1, 2_000)) is Reason.REBATE
    assert desk.refusal(market_fees(-1, 2_000)) is Reason.REBATE
    assert desk.refusal(own_fees(ALICE, -1, 2_000, market_id=0)) is Reason.REBATE
    other = market(market_id=5, maker=-1, taker=10)._replace(text=b"OTHER")
    assert desk.refusal(other) is Reason.REBATE
    assert kinds(desk.apply(other._replace(flags=IN_QUOTE))) == ["MARKET_ADDED"]
    cheap = own_fees(ALICE, 0, 0, market_id=0)
    assert desk.refusal(cheap) is Reason.REBATE  # below the rebate of the other market
    desk.apply(cheap._replace(ceiling=1))
    third = other._replace(market_id=6, text=b"THIRD", flags=IN_QUOTE, amount=-2)
    assert desk.refusal(third) is Reason.REBATE


def test_a_market_with_fees_per_lot_pays_rebates_per_lot(desk: Desk) -> None:
    open_desk(desk, maker=-7, taker=19, flags=PER_LOT)
    assert trade(desk)[7:9] == (-70, 190)
    assert desk.balance(HOUSE, USD) == (120, 0)


def test_a_rebate_is_at_most_what_the_house_has_and_the_rest_stays_due(desk: Desk) -> None:
    """The taker's own rate fell after the maker's had frozen; the house had spent its fees."""
    open_desk(desk)
    desk.apply(own_fees(ALICE, -2_000, 2_000))
    desk.rest(BID, ALICE, 100, 20)
    desk.apply(own_fees(ALICE, 0, 2_000), own_fees(BOB, 0, 500))
    assert take(desk, 10)[7:9] == (-50, 50)  # 200 are due, the house has BOB's 50
    assert desk.balance(HOUSE, USD) == (0, 0)
    desk.apply(money(CommandType.DEPOSIT, HOUSE, USD, 1_000, request(9)))
    assert take(desk, 10)[7:9] == (-350, 50)  # the 150 that were left, and 200 more
    assert desk.balance(HOUSE, USD) == (700, 0)


def test_fees_that_cannot_be_set_are_refused(desk: Desk) -> None:
    open_desk(desk)
    command = own_fees(ALICE, 5, 6)
    assert desk.refusal(command._replace(user_id=99)) is Reason.UNKNOWN_USER
    assert desk.refusal(command._replace(user_id=HOUSE)) is Reason.UNKNOWN_USER
    assert desk.refusal(command._replace(market_id=9)) is Reason.UNKNOWN_MARKET
    for is_set in (0, 2, -1, 2**32 + 1):
        assert desk.refusal(command._replace(quantity=is_set)) is Reason.MALFORMED
    assert desk.refusal(reset(ALICE)) is Reason.NOTHING_CHANGES
    desk.apply(command)
    assert desk.refusal(command) is Reason.NOTHING_CHANGES
    for extreme in (INT64_MAX, -(2**63)):
        assert desk.refusal(command._replace(amount=extreme)) is Reason.INVALID_FEE


def test_own_fees_survive_a_restart(desk: Desk, kernel_name: str) -> None:
    open_desk(desk)
    desk.apply(own_fees(ALICE, -500, 900), own_fees(CAROL, 1, 901, 0), own_fees(BOB, 0, 800))
    desk.apply(reset(BOB))
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    commands = (desk.place(BID, ALICE, 100, 10), desk.place(ASK, CAROL, 100, 10))
    (_, _, first), (_, _, second) = desk.apply(*commands), other.apply(*commands)
    assert first.body == second.body
    assert isinstance(first.body, Trade)
    assert first.body[7:9] == (-50, 91)


def test_own_fees_are_limited_in_number(kernel_name: str) -> None:
    desk = Desk(load_kernel(kernel_name, Limits(user_fees_max=2)))
    open_desk(desk)
    desk.apply(own_fees(ALICE, 1, 2), own_fees(BOB, 1, 2))
    assert desk.refusal(own_fees(CAROL, 1, 2)) is Reason.CAPACITY
    assert kinds(desk.apply(own_fees(BOB, 1, 3))) == ["USER_FEES_SET"]
    desk.apply(reset(ALICE))
    assert kinds(desk.apply(own_fees(CAROL, 1, 2))) == ["USER_FEES_SET"]
