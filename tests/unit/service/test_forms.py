"""What the client's messages say is what its records say, field by field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.client import OrderTicket
from engine.proto import engine_pb2 as pb
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    ListType,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
    unpack_command,
)
from engine.service import forms
from engine.service.commands import packed, together
from engine.service.errors import InvalidCallError

REQUEST = bytes(range(16))
PLAIN = OrderTicket(side=Side.BID, quantity_lots=5, price_ticks=9, client_order_id="mine")
TICKETS = (
    PLAIN,
    replace(PLAIN, ceiling_ticks=11),
    replace(PLAIN, display_lots=2, stp=StpMode.DECREMENT),
    replace(PLAIN, time_in_force=TimeInForce.GTD, expire_time_us=10**15, in_session=True),
    replace(PLAIN, order_type=OrderType.FOK_BUDGET, budget_atoms=77, price_ticks=0),
    replace(PLAIN, order_type=OrderType.MARKET, quote_atoms=77, quantity_lots=0),
    replace(
        PLAIN, order_type=OrderType.STOP_LOSS_LIMIT, stop_price_ticks=8, trailing_delta_bips=500
    ),
)


@pytest.mark.parametrize("ticket", TICKETS)
def test_a_call_makes_the_record_that_the_stream_would_carry(ticket: OrderTicket) -> None:
    message = ticket.message(user_id=7, market_id=3, request_id=REQUEST)
    assert forms.place(message) == ticket.command(user_id=7, market_id=3, request_id=REQUEST)


def test_fields_that_share_a_place_cannot_be_given_together() -> None:
    for wrong in (
        replace(PLAIN, budget_atoms=1, quote_atoms=1),
        replace(PLAIN, stop_price_ticks=1, quote_atoms=1),
        replace(PLAIN, ceiling_ticks=1, display_lots=1),
    ):
        with pytest.raises(ValueError, match="2 of the fields were given of which an order has"):
            wrong.command(user_id=1, market_id=1, request_id=bytes(16))
        with pytest.raises(InvalidCallError, match="were given, expected at most one of them"):
            forms.place(wrong.message())


def test_a_replacement_is_a_leg_and_what_takes_it() -> None:
    request = pb.ReplaceRequest(
        order_id=55,
        order=PLAIN.message(user_id=7, market_id=3, request_id=REQUEST),
        allow_failure=True,
        only_new=True,
    )
    leg, taker = forms.replace(request)
    own = PLAIN.command(user_id=7, market_id=3, request_id=bytes(16))
    assert leg == own._replace(type=CommandType.PLACE_LEG)
    assert taker == Command(
        CommandType.REPLACE,
        flags=CommandFlag.ALLOW_FAILURE | CommandFlag.ONLY_NEW,
        market_id=3,
        user_id=7,
        order_id=55,
        quantity=1,
        request_id=REQUEST,
    )


def test_a_list_is_its_legs_and_what_takes_them() -> None:
    request = pb.PlaceListRequest(
        user_id=7,
        market_id=3,
        list_type=ListType.OCO,
        legs=[ticket.message() for ticket in TICKETS[:2]],
        client_list_id="list",
        request_id=REQUEST,
    )
    *legs, taker = forms.place_list(request)
    assert [(leg.type, leg.user_id, leg.market_id, leg.text) for leg in legs] == [
        (CommandType.PLACE_LEG, 7, 3, b"mine")
    ] * 2
    assert taker == Command(
        CommandType.PLACE_LIST,
        order_type=ListType.OCO,
        market_id=3,
        user_id=7,
        quantity=2,
        request_id=REQUEST,
        text=b"list",
    )
    for leg in (PLAIN.message(user_id=8), PLAIN.message(market_id=4)):
        with pytest.raises(InvalidCallError, match=r"of a leg was [48], expected [37] or 0"):
            forms.place_list(pb.PlaceListRequest(user_id=7, market_id=3, legs=[leg]))
    with pytest.raises(InvalidCallError, match="a leg had a request id"):
        forms.place_list(pb.PlaceListRequest(legs=[PLAIN.message(request_id=REQUEST)]))
    for count in (0, 9):
        with pytest.raises(InvalidCallError, match=rf"legs were {count}, expected 1\.\.8"):
            forms.place_list(pb.PlaceListRequest(legs=[PLAIN.message()] * count))


def test_a_transfer_is_its_legs_and_what_takes_them_with_one_id() -> None:
    legs = [pb.TransferLeg(user_id=user, asset_id=2, amount_atoms=4 - user) for user in (1, 7)]
    *taken, taker = forms.transfer(pb.TransferRequest(business_id=REQUEST, legs=legs))
    assert [(leg.user_id, leg.asset_id, leg.amount, leg.request_id) for leg in taken] == [
        (1, 2, 3, REQUEST),
        (7, 2, -3, REQUEST),
    ]
    assert taker == Command(CommandType.TRANSFER, quantity=2, request_id=REQUEST)
    with pytest.raises(InvalidCallError, match="a transfer had no business id"):
        forms.transfer(pb.TransferRequest(legs=legs))


def test_every_new_order_gets_an_id_and_a_quote_gets_two() -> None:
    quote = forms.quote(pb.QuoteRequest(user_id=7, market_id=3, bid_price_ticks=4))
    legs = forms.replace(pb.ReplaceRequest(order_id=5, order=PLAIN.message(user_id=7)))
    batch = together([quote, *legs, quote, forms.place(PLAIN.message())])
    assert batch.assign_order_ids(100) == 106
    assert [unpack_command(memoryview(batch.commands), at * 128).order_id for at in range(5)] == [
        100, 102, 5, 103, 105,
    ]  # fmt: skip
    again = packed(bytes(together([quote, quote]).commands))
    assert again.assign_order_ids(1) == 5
