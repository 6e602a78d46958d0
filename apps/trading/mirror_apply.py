"""Loads open orders for the mirror and stores what events made of them, and trades."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import Connection, Cursor

from apps.core.copy_rows import copy_rows
from apps.markets.catalogue import Catalogue
from apps.trading import sql
from apps.trading.orders import OrderBook
from apps.trading.rows import changed_row, history_row, open_row, order_of_row, trade_row
from apps.trading.types import Fill, Order


class StoredOrdersError(RuntimeError):
    """The stored open orders are not those that the events speak of."""


def open_orders_load(
    connection: Connection, catalogue: Catalogue, order_ids: Sequence[int] | None = None
) -> list[Order]:
    """Return the stored open orders with these ids (None: all of them)."""
    if order_ids is None:
        rows = connection.execute(sql.LOAD_OPEN)
    else:
        rows = connection.execute(sql.LOAD_SOME_OPEN, [list(order_ids)])
    return [order_of_row(row, catalogue.markets[row[1]]) for row in rows]


def orders_store(cursor: Cursor, book: OrderBook) -> None:
    """Write what the book noted: new and changed open orders, and those that ended."""
    if book.gone:
        cursor.execute(sql.REMOVE_OPEN, [sorted(book.gone)])
        _expect(cursor.rowcount, len(book.gone), "closed")
    if book.changed:
        rows = [changed_row(book.open[order_id]) for order_id in sorted(book.changed)]
        cursor.execute(sql.CHANGE_OPEN, [list(column) for column in zip(*rows, strict=True)])
        _expect(cursor.rowcount, len(rows), "changed")
    copy_rows(cursor, sql.ADD_OPEN, (open_row(book.open[key]) for key in sorted(book.opened)))
    copy_rows(cursor, sql.ADD_HISTORY, map(history_row, book.closed))


def trades_store(cursor: Cursor, fills: Iterable[Fill]) -> None:
    """Write trades."""
    copy_rows(cursor, sql.ADD_TRADES, map(trade_row, fills))


def _expect(was: int, expected: int, what: str) -> None:
    if was != expected:
        raise StoredOrdersError(f"{was} stored orders were {what}, expected {expected}")
