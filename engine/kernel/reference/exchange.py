"""The reference kernel's whole state in one object, and the one way events leave it.

Invariant: `event_seq` rises by one with each event put on `out`, and nothing else writes to `out`.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from engine.kernel.codes import (
    OK,
    ORDER_ACCEPTED,
    ORDER_TERMS,
    PARKED,
    REQUEST_REPLAYED,
)
from engine.kernel.limits import Limits
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.icebergs import fit_shown
from engine.kernel.reference.model import Account, Asset, Market, Order, OrderList, User
from engine.kernel.reference.timers import Watch
from engine.kernel.state import BusinessRow, HoldRow
from engine.proto.records import (
    BODY_STRUCTS,
    EVENT_HEADER,
    HOUSE_USER_ID,
)

_PACK: Final = {
    int(kind): Struct(EVENT_HEADER.format + body.format.removeprefix("<")).pack
    for kind, (body, _) in BODY_STRUCTS.items()
}
_PACK_ACCEPTED: Final = _PACK[ORDER_ACCEPTED]
_PACK_CHANGED: Final = Struct(EVENT_HEADER.format + "6q48x").pack  # of what shows all it leaves


class Exchange:
    __slots__ = (
        "accounts",
        "assets",
        "business",
        "command_seq",
        "digest",
        "draft",
        "due",
        "due_run_at",
        "event_seq",
        "holds",
        "house",
        "is_killed",
        "last_order_id",
        "limits",
        "lists",
        "markets",
        "noted",
        "open_texts",
        "orders",
        "out",
        "quotes",
        "row_count",
        "time_us",
        "timers",
        "touched",
        "user_fees",
        "users",
        "watches",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.command_seq = 0
        self.event_seq = 0
        self.time_us = 0
        self.last_order_id = 0
        self.digest = 0
        self.row_count = 0
        self.assets: dict[int, Asset] = {}
        self.markets: dict[int, Market] = {}
        self.house = User(HOUSE_USER_ID, 0)
        self.users: dict[int, User] = {}
        self.user_fees: dict[tuple[int, int], tuple[int, int]] = {}  # by user and market id
        self.accounts: dict[tuple[int, int], Account] = {}
        self.touched: set[Account] = set()
        self.orders: dict[int, Order] = {}
        self.open_texts: set[tuple[int, bytes]] = set()
        self.business: dict[bytes, BusinessRow] = {}
        self.draft: list[Fields] = []
        self.due_run_at = 0  # the last command before which due orders ran
        self.lists: dict[int, OrderList] = {}
        self.noted: set[int] = set()  # ids of lists to be settled behind the command
        self.due: dict[int, Order] = {}
        self.timers: list[tuple[int, int, int]] = []
        self.watches: dict[int, Watch] = {}
        self.quotes: dict[tuple[int, int], tuple[int, int]] = {}  # (bid, ask) by (user, market)
        self.holds: dict[bytes, HoldRow] = {}
        self.is_killed = False
        self.out: list[bytes] = []

    def set_killed(self, *, is_killed: bool) -> None:
        self.is_killed = is_killed

    def emit(self, kind: int, market_id: int, flags: int, reason: int, *body: int | bytes) -> None:
        """Append one event."""
        self.event_seq += 1
        self.out.append(
            _PACK[kind](
                self.event_seq,
                self.command_seq,
                self.time_us,
                kind,
                flags,
                reason,
                market_id,
                *body,
            )
        )

    def new_list(self, *content: Any) -> OrderList:
        """Take in an order list."""
        made = OrderList(*content)
        self.lists[made.list_id] = made
        return made

    def emit_accepted(self, order: Order, bound: int, terms: int) -> None:
        """Append an ORDER_ACCEPTED, behind an ORDER_TERMS if there is more to say.

        For `bound` and `terms` see `records.OrderAccepted`.
        """
        if order.stp or order.extra or order.quote_atoms:
            self.emit_terms(order)
        self.event_seq += 1
        self.out.append(
            _PACK_ACCEPTED(
                self.event_seq,
                self.command_seq,
                self.time_us,
                ORDER_ACCEPTED,
                order.is_bid | (PARKED if order.extra and order.extra.wait else 0),
                OK,
                order.market.market_id,
                order.order_id,
                order.user.user_id,
                order.price,
                order.quantity,
                bound,
                order.reserved,
                terms,
                order.text,
            )
        )

    def emit_terms(self, order: Order) -> None:
        """Append an ORDER_TERMS, which comes directly before its ORDER_ACCEPTED."""
        extra = order.extra
        self.emit(
            ORDER_TERMS,
            order.market.market_id,
            order.is_bid,
            OK,
            order.order_id,
            order.user.user_id,
            extra.stop_price if extra else 0,
            extra.delta_bips if extra else 0,
            extra.display_lots if extra else 0,
            extra.expire_time_us if extra else 0,
            extra.list_id if extra else 0,
            order.quote_atoms,
            order.stp,
            extra.session_id if extra else 0,
        )

    def emit_changed(
        self, kind: int, order: Order, removed_lots: int, flags: int, reason: int = 0
    ) -> None:
        """Append an ORDER_CANCELED, _REDUCED, _MOVED or _EXPIRED about the order as it is now."""
        if order.extra and order.order_id in self.orders and order.is_iceberg:
            self._emit_changed_iceberg(kind, order, removed_lots, flags | order.is_bid, reason)
            return
        self.event_seq += 1
        self.out.append(
            _PACK_CHANGED(
                self.event_seq,
                self.command_seq,
                self.time_us,
                kind,
                flags | order.is_bid,
                reason,
                order.market.market_id,
                order.order_id,
                order.user.user_id,
                order.price,
                removed_lots,
                order.leaves,
                order.reserved,
            )
        )

    def _emit_changed_iceberg(
        self, kind: int, order: Order, removed_lots: int, flags: int, reason: int
    ) -> None:
        was_shown = min(order.shown, order.leaves + removed_lots)
        fit_shown(order)
        self.emit(
            kind,
            order.market.market_id,
            flags,
            reason,
            order.order_id,
            order.user.user_id,
            order.price,
            removed_lots,
            order.leaves,
            order.reserved,
            was_shown,
            order.shown,
        )

    def emit_replayed(self, fields: Fields, first_event_seq: int) -> None:
        """Append the answer to a command without an order that was executed before."""
        self.emit(
            REQUEST_REPLAYED,
            fields[6],
            0,
            OK,
            fields[0],
            fields[8],
            0,
            first_event_seq,
            fields[15],
        )

    def find_user(self, user_id: int) -> User | None:
        """Return a trader or the house."""
        return self.users.get(user_id) if user_id != HOUSE_USER_ID else self.house

    def open_account(self, user_id: int, asset_id: int) -> Account:
        """Return the account, opening it if this is the first use."""
        account = self.accounts.get((user_id, asset_id))
        if account is None:
            account = Account(user_id, asset_id, self.touched)
            self.accounts[user_id, asset_id] = account
        return account

    def open_accounts(self, market: Market, user_id: int) -> tuple[Account, Account]:
        """Return a user's (base, quote) of a market, and keep them there for his next order."""
        base = self.open_account(user_id, market.base.asset_id)
        quote = self.open_account(user_id, market.quote.asset_id)
        market.accounts[user_id] = base, quote
        return base, quote

    def lacks_room_for_accounts(self, user_id: int, *asset_ids: int) -> bool:
        """Whether opening those of these accounts that are missing would pass the limit."""
        if len(self.accounts) + len(asset_ids) <= self.limits.accounts_max:
            return False
        missing = sum((user_id, asset_id) not in self.accounts for asset_id in asset_ids)
        return len(self.accounts) + missing > self.limits.accounts_max
