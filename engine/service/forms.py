"""From the requests of OrderService to command records.

Several fields of a request share one field of the record. Invariant: a request that fills two of
them is refused, never sent on with one of them lost.
"""

from __future__ import annotations

from engine.proto import engine_pb2 as pb
from engine.proto.records import (
    LEGS_MAX,
    NO_REQUEST_ID,
    Command,
    CommandFlag,
    CommandType,
)
from engine.service.commands import request_id
from engine.service.errors import InvalidCallError


def place(request: pb.PlaceRequest) -> Command:
    """PLACE."""
    return _order(CommandType.PLACE, request)._replace(
        market_id=request.market_id,
        user_id=request.user_id,
        request_id=request_id(request.request_id),
    )


def _order(kind: CommandType, request: pb.PlaceRequest) -> Command:
    amount = _one_of(request, "budget_atoms", "quote_atoms", "stop_price_ticks")
    ceiling = _one_of(request, "ceiling_ticks", "display_lots")
    flags = CommandFlag(0)
    if request.display_lots:
        flags |= CommandFlag.ICEBERG
    if request.in_session:
        flags |= CommandFlag.IN_SESSION
    return Command(
        kind,
        side=request.side,
        order_type=request.order_type,
        time_in_force=request.time_in_force,
        flags=int(flags),
        stp=request.stp,
        asset_id=request.trailing_delta_bips,
        price=request.price_ticks,
        quantity=request.quantity_lots,
        amount=amount,
        ceiling=ceiling,
        spare=request.expire_time_us,
        text=request.client_order_id.encode(),
    )


def _one_of(request: pb.PlaceRequest, *names: str) -> int:
    """The value of these fields that is not zero. InvalidCallError if there are two."""
    given = {name: getattr(request, name) for name in names if getattr(request, name)}
    if len(given) > 1:
        raise InvalidCallError(f"{' and '.join(given)} were given, expected at most one of them")
    return next(iter(given.values()), 0)


def _leg(request: pb.PlaceRequest, user_id: int, market_id: int) -> Command:
    """PLACE_LEG. What the legs have in common is stated by the command that takes them."""
    for name, value, common in (
        ("user id", request.user_id, user_id),
        ("market id", request.market_id, market_id),
    ):
        if value not in (0, common):
            raise InvalidCallError(f"{name} of a leg was {value}, expected {common} or 0")
    if request.request_id:
        raise InvalidCallError("a leg had a request id, expected one of the whole command")
    leg = _order(CommandType.PLACE_LEG, request)
    return leg._replace(user_id=user_id, market_id=market_id)


def _restrictions(*, only_new: bool, only_partially_filled: bool) -> int:
    flags = CommandFlag(0)
    if only_new:
        flags |= CommandFlag.ONLY_NEW
    if only_partially_filled:
        flags |= CommandFlag.ONLY_PARTIALLY_FILLED
    return int(flags)


def cancel(request: pb.CancelRequest) -> Command:
    """CANCEL."""
    return Command(
        CommandType.CANCEL,
        flags=_restrictions(
            only_new=request.only_new, only_partially_filled=request.only_partially_filled
        ),
        market_id=request.market_id,
        user_id=request.user_id,
        order_id=request.order_id,
        request_id=request_id(request.request_id),
    )


def replace(request: pb.ReplaceRequest) -> list[Command]:
    """PLACE_LEG and the REPLACE that takes it."""
    order = request.order
    new = pb.PlaceRequest()
    new.CopyFrom(order)
    new.request_id = b""
    flags = _restrictions(
        only_new=request.only_new, only_partially_filled=request.only_partially_filled
    )
    if request.allow_failure:
        flags |= CommandFlag.ALLOW_FAILURE
    return [
        _leg(new, order.user_id, order.market_id),
        Command(
            CommandType.REPLACE,
            flags=flags,
            market_id=order.market_id,
            user_id=order.user_id,
            order_id=request.order_id,
            quantity=1,
            request_id=request_id(order.request_id),
        ),
    ]


def place_list(request: pb.PlaceListRequest) -> list[Command]:
    """PLACE_LEG for each leg and the PLACE_LIST that takes them."""
    count = len(request.legs)
    if not 1 <= count <= LEGS_MAX:
        raise InvalidCallError(f"legs were {count}, expected 1..{LEGS_MAX}")
    return [
        *(_leg(leg, request.user_id, request.market_id) for leg in request.legs),
        Command(
            CommandType.PLACE_LIST,
            order_type=request.list_type,
            market_id=request.market_id,
            user_id=request.user_id,
            quantity=count,
            request_id=request_id(request.request_id),
            text=request.client_list_id.encode(),
        ),
    ]


def quote(request: pb.QuoteRequest) -> Command:
    """QUOTE."""
    return Command(
        CommandType.QUOTE,
        stp=request.stp,
        market_id=request.market_id,
        user_id=request.user_id,
        price=request.bid_price_ticks,
        quantity=request.bid_quantity_lots,
        ceiling=request.ask_price_ticks,
        amount=request.ask_quantity_lots,
        request_id=request_id(request.request_id),
    )


def transfer(request: pb.TransferRequest) -> list[Command]:
    """TRANSFER_LEG for each leg and the TRANSFER that takes them, all with one business id."""
    count, business_id = len(request.legs), request_id(request.business_id)
    if not 1 <= count <= LEGS_MAX:
        raise InvalidCallError(f"legs were {count}, expected 1..{LEGS_MAX}")
    if business_id == NO_REQUEST_ID:
        raise InvalidCallError("a transfer had no business id, expected 16 bytes")
    return [
        *(
            Command(
                CommandType.TRANSFER_LEG,
                user_id=leg.user_id,
                asset_id=leg.asset_id,
                amount=leg.amount_atoms,
                request_id=business_id,
                text=leg.reference.encode(),
            )
            for leg in request.legs
        ),
        Command(CommandType.TRANSFER, quantity=count, request_id=business_id),
    ]
