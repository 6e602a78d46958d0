"""Orders and trades as rows of their tables, and open orders back from theirs.

Pure. Invariant: the row of an order names it completely: what `order_of_row` reads from a stored
row is the order that wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from apps.core.amounts import decimal_atoms
from apps.core.copy_rows import NULL, boolean, day, instant, numeric, text, time_us
from apps.markets.types import MarketTerms
from apps.trading.types import ClosedOrder, Conditions, Fill, Order
from engine.proto.records import OrderType, Reason, Side, StpMode, TimeInForce

_SIDES: Final = {side.value: side.name for side in Side}
_TYPES: Final = {kind.value: kind.name for kind in OrderType}
_TIFS: Final = {kind.value: kind.name for kind in TimeInForce}
_REASONS: Final = {reason.value: reason.name for reason in Reason}
_STP_MODES: Final = {mode.value: mode.name for mode in StpMode}
_NO_CONDITIONS: Final = (NULL,) * 6 + (_STP_MODES[0], NULL)


def price_text(ticks: int, market: MarketTerms) -> str:
    """Return a price in quote per whole unit of base."""
    return numeric(ticks * market.tick_atoms, market.quote.decimals)


def quantity_text(lots: int, market: MarketTerms) -> str:
    """Return a quantity in units of base."""
    return numeric(lots * market.lot_atoms, market.base.decimals)


def _terms(order: Order) -> tuple[str, ...]:
    market, quote = order.market, order.market.quote.decimals
    has_budget = order.order_type == OrderType.FOK_BUDGET
    fee_asset = order.fee_asset
    return (
        str(order.order_id),
        str(market.market_id),
        str(order.user_id),
        _SIDES[order.is_bid],
        _TYPES[order.order_type],
        _TIFS[order.time_in_force],
        price_text(order.price_ticks, market),
        price_text(0 if has_budget else order.bound, market),
        numeric(order.bound if has_budget else 0, quote),
        quantity_text(order.quantity_lots, market),
        quantity_text(order.executed_lots, market),
        quantity_text(order.removed_lots, market),
        numeric(order.executed_quote_atoms, quote),
        str(fee_asset.asset_id),
        numeric(order.maker_fee_atoms, fee_asset.decimals),
        numeric(order.taker_fee_atoms, fee_asset.decimals),
        text(order.client_order_id),
        str(order.accepted_event_seq),
        instant(order.accepted_us),
        *_conditions(order),
        _or_null(order.triggered_event_seq),
    )


def _conditions(order: Order) -> tuple[str, ...]:
    """Return the columns of what an order has beyond the common."""
    stated, market = order.conditions, order.market
    if not any(stated):
        return _NO_CONDITIONS
    stop, display, quote = stated.stop_price_ticks, stated.display_lots, stated.quote_atoms
    return (
        price_text(stop, market) if stop else NULL,
        _or_null(stated.trailing_bips),
        quantity_text(display, market) if display else NULL,
        instant(stated.expires_us) if stated.expires_us else NULL,
        _or_null(stated.list_id),
        numeric(quote, market.quote.decimals) if quote else NULL,
        _STP_MODES[stated.stp_mode],
        _or_null(stated.session_id),
    )


def _or_null(number: int) -> str:
    return str(number) if number else NULL


def open_row(order: Order) -> tuple[str, ...]:
    """Return the columns of an open order (`sql.OPEN_COLUMNS`)."""
    return (
        *_terms(order),
        quantity_text(order.leaves_lots, order.market),
        numeric(order.reserved_atoms, order.held_asset.decimals),
        str(order.last_event_seq),
        boolean(order.is_parked),
    )


def changed_row(order: Order) -> tuple[int | str | None, ...]:
    """Return what may change in an open order, as `sql.CHANGE_OPEN` takes it."""
    market, fee_decimals = order.market, order.fee_asset.decimals
    return (
        order.order_id,
        price_text(order.price_ticks, market),
        quantity_text(order.quantity_lots, market),
        quantity_text(order.executed_lots, market),
        quantity_text(order.removed_lots, market),
        numeric(order.executed_quote_atoms, market.quote.decimals),
        numeric(order.maker_fee_atoms, fee_decimals),
        numeric(order.taker_fee_atoms, fee_decimals),
        quantity_text(order.leaves_lots, market),
        numeric(order.reserved_atoms, order.held_asset.decimals),
        order.last_event_seq,
        order.is_parked,
        order.triggered_event_seq or None,
    )


def history_row(closed: ClosedOrder) -> tuple[str, ...]:
    """Return the columns of an order that has ended (`sql.HISTORY_COLUMNS`)."""
    return (
        *_terms(closed.order),
        closed.status.name,
        _REASONS[closed.reason],
        boolean(closed.by_operator),
        str(closed.closed_event_seq),
        instant(closed.closed_us),
        day(closed.order.accepted_us),
    )


def trade_row(fill: Fill) -> tuple[str, ...]:
    """Return the columns of a trade (`sql.TRADE_COLUMNS`)."""
    market = fill.market
    quote_atoms = fill.price_ticks * fill.quantity_lots * market.tick_lot_atoms
    maker_asset = market.fee_asset(is_bid=not fill.taker_is_bid)
    taker_asset = market.fee_asset(is_bid=fill.taker_is_bid)
    return (
        str(fill.event_seq),
        str(market.market_id),
        str(fill.trade_id),
        _SIDES[fill.taker_is_bid],
        str(fill.maker_order_id),
        str(fill.taker_order_id),
        str(fill.maker_user_id),
        str(fill.taker_user_id),
        price_text(fill.price_ticks, market),
        quantity_text(fill.quantity_lots, market),
        numeric(quote_atoms, market.quote.decimals),
        numeric(fill.maker_fee_atoms, maker_asset.decimals),
        numeric(fill.taker_fee_atoms, taker_asset.decimals),
        str(maker_asset.asset_id),
        str(taker_asset.asset_id),
        instant(fill.time_us),
        day(fill.time_us),
    )


def order_of_row(row: tuple[Any, ...], market: MarketTerms) -> Order:
    """Return the open order that a stored row (`sql.OPEN_COLUMNS`) names."""
    (order_id, _, user_id, side, order_type, tif, price, ceiling, budget, *numbers) = row
    quantity, executed, removed, quote, _, maker_fee, taker_fee, client_id, seq, at = numbers[:10]
    triggered_event_seq, _, reserved, last_event_seq, is_parked = numbers[18:]
    is_bid = side == Side.BID.name
    fee_decimals = market.fee_asset(is_bid=is_bid).decimals
    return Order(
        order_id=order_id,
        market=market,
        user_id=user_id,
        is_bid=is_bid,
        order_type=OrderType[order_type],
        time_in_force=TimeInForce[tif],
        price_ticks=_ticks(price, market),
        bound=decimal_atoms(budget, market.quote.decimals) or _ticks(ceiling, market),
        quantity_lots=_lots(quantity, market),
        client_order_id=client_id,
        accepted_event_seq=seq,
        accepted_us=time_us(at),
        reserved_atoms=decimal_atoms(reserved, market.held_asset(is_bid=is_bid).decimals),
        last_event_seq=last_event_seq,
        executed_lots=_lots(executed, market),
        removed_lots=_lots(removed, market),
        executed_quote_atoms=decimal_atoms(quote, market.quote.decimals),
        maker_fee_atoms=decimal_atoms(maker_fee, fee_decimals),
        taker_fee_atoms=decimal_atoms(taker_fee, fee_decimals),
        is_parked=is_parked,
        triggered_event_seq=triggered_event_seq or 0,
        conditions=_conditions_of_row(numbers[10:18], market),
    )


def _conditions_of_row(columns: Sequence[Any], market: MarketTerms) -> Conditions:
    stop, trailing_bips, display, expires_at, list_id, quote, stp_mode, session_id = columns
    return Conditions(
        stop_price_ticks=_ticks(stop or Decimal(), market),
        trailing_bips=trailing_bips or 0,
        display_lots=_lots(display or Decimal(), market),
        expires_us=0 if expires_at is None else time_us(expires_at),
        list_id=list_id or 0,
        quote_atoms=decimal_atoms(quote or Decimal(), market.quote.decimals),
        stp_mode=StpMode[stp_mode],
        session_id=session_id or 0,
    )


def _ticks(price: Decimal, market: MarketTerms) -> int:
    return _whole(decimal_atoms(price, market.quote.decimals), market.tick_atoms)


def _lots(quantity: Decimal, market: MarketTerms) -> int:
    return _whole(decimal_atoms(quantity, market.base.decimals), market.lot_atoms)


def _whole(atoms: int, unit: int) -> int:
    units, rest = divmod(atoms, unit)
    if rest:
        raise ValueError(f"{atoms} atoms were stored, expected a multiple of {unit}")
    return units
