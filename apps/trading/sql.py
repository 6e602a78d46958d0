"""Statements about orders and trades that the mirror and `verify` run."""

from __future__ import annotations

from typing import Final

_TERMS: Final = """order_id, market_id, user_id, side, order_type, time_in_force,
    price, ceiling_price, budget, quantity, executed_quantity, removed_quantity, executed_quote,
    fee_asset_id, maker_fee, taker_fee, client_order_id, accepted_event_seq, accepted_at,
    stop_price, trailing_bips, display_quantity, expires_at, list_id, quote_amount, stp_mode,
    session_id, triggered_event_seq"""
_OPEN: Final = f"{_TERMS}, leaves_quantity, reserved, last_event_seq, is_parked"
_HISTORY: Final = f"{_TERMS}, status, reason, by_operator, closed_event_seq, closed_at, day"
_TRADE: Final = """event_seq, market_id, trade_id, taker_side, maker_order_id, taker_order_id,
    maker_user_id, taker_user_id, price, quantity, quote_quantity, maker_fee, taker_fee,
    maker_fee_asset_id, taker_fee_asset_id, executed_at, day"""

OPEN_COLUMNS: Final = tuple(_OPEN.replace(",", " ").split())
HISTORY_COLUMNS: Final = tuple(_HISTORY.replace(",", " ").split())
TRADE_COLUMNS: Final = tuple(_TRADE.replace(",", " ").split())

ADD_OPEN: Final = f"COPY trading_openorder ({_OPEN}) FROM STDIN"
ADD_HISTORY: Final = f"COPY trading_orderhistory ({_HISTORY}) FROM STDIN"
ADD_TRADES: Final = f"COPY trading_trade ({_TRADE}) FROM STDIN"

LOAD_OPEN: Final = f"SELECT {_OPEN} FROM trading_openorder"  # noqa: S608 - constants only
LOAD_SOME_OPEN: Final = f"{LOAD_OPEN} WHERE order_id = ANY(%s)"

CHANGE_OPEN: Final = """
UPDATE trading_openorder AS stored
   SET price = now.price, quantity = now.quantity, executed_quantity = now.executed_quantity,
       removed_quantity = now.removed_quantity, executed_quote = now.executed_quote,
       maker_fee = now.maker_fee, taker_fee = now.taker_fee,
       leaves_quantity = now.leaves_quantity, reserved = now.reserved,
       last_event_seq = now.last_event_seq, is_parked = now.is_parked,
       triggered_event_seq = now.triggered_event_seq
  FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
              %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
              %s::bigint[], %s::boolean[], %s::bigint[])
       AS now(order_id, price, quantity, executed_quantity, removed_quantity, executed_quote,
              maker_fee, taker_fee, leaves_quantity, reserved, last_event_seq, is_parked,
              triggered_event_seq)
 WHERE stored.order_id = now.order_id
"""

REMOVE_OPEN: Final = "DELETE FROM trading_openorder WHERE order_id = ANY(%s)"

DUMP_OPEN: Final = f"""
COPY (SELECT {_OPEN} FROM trading_openorder ORDER BY order_id) TO STDOUT
"""  # noqa: S608 - constants only
DUMP_HISTORY: Final = f"""
COPY (SELECT {_HISTORY} FROM trading_orderhistory ORDER BY closed_event_seq, order_id) TO STDOUT
"""  # noqa: S608 - constants only
DUMP_TRADES: Final = f"""
COPY (SELECT {_TRADE} FROM trading_trade ORDER BY event_seq) TO STDOUT
"""  # noqa: S608 - constants only
