"""The reference kernel's face: `apply`, the queries, and its rows for the state hash.

Invariant: one command gives at least one event, and a refused one gives exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from engine.kernel.forms import FORMS
from engine.kernel.interface import (
    AssetView,
    BalanceView,
    HoldView,
    LevelView,
    MarketView,
    OrderView,
    TotalsView,
    UserView,
)
from engine.kernel.limits import DEFAULT_LIMITS, TRIGGERS_PER_COMMAND_MAX, Limits
from engine.kernel.reference.admin import apply_admin
from engine.kernel.reference.amending import apply_amend
from engine.kernel.reference.book import BookSide
from engine.kernel.reference.changing import apply_change, apply_move
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.drafts import LEG_TYPES
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.lists import apply_place_list
from engine.kernel.reference.model import Asset, Market, Order
from engine.kernel.reference.placing import apply_place, apply_place_leg
from engine.kernel.reference.quoting import apply_quote
from engine.kernel.reference.replacing import apply_replace
from engine.kernel.reference.restoring import restore
from engine.kernel.reference.rows import head_row, state_sections
from engine.kernel.reference.timers import event_bound, next_timer_us
from engine.kernel.reference.timing import apply_timing
from engine.kernel.reference.triggers import run_due
from engine.kernel.state import HOLD_IS_OPEN, HeadRow, PackedState, hash_state
from engine.proto.records import (
    COMMAND,
    HOUSE_USER_ID,
    INT64_MAX,
    RECORD_BYTES,
    CommandType,
    EventType,
    Reason,
)


def _refuse_unknown(_x: Exchange, _fields: Fields) -> int:
    return Reason.MALFORMED


_ORDER_HANDLERS: Final[dict[int, Callable[[Exchange, Fields], int]]] = {
    CommandType.AMEND: apply_amend,
    CommandType.REPLACE: apply_replace,
    CommandType.QUOTE: apply_quote,
}


def _handler_of(kind: int) -> Callable[[Exchange, Fields], int]:
    if kind == CommandType.PLACE:
        return apply_place
    if kind == CommandType.PLACE_LEG:
        return apply_place_leg
    if kind == CommandType.MOVE:
        return apply_move
    if kind in _ORDER_HANDLERS:
        return _ORDER_HANDLERS[kind]
    if kind in (CommandType.CANCEL, CommandType.REDUCE):
        return apply_change
    if kind in (CommandType.TICK, CommandType.SET_DEADMAN, CommandType.SET_SESSION):
        return apply_timing
    if kind == CommandType.PLACE_LIST:
        return apply_place_list
    return apply_admin if kind in FORMS else _refuse_unknown


_APPLY: Final = tuple(_handler_of(kind) for kind in range(256))  # by the byte of the type


class ReferenceKernel:
    """See `engine.kernel.interface.Kernel`, which this class implements."""

    name = "reference"

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._x = Exchange(limits)

    @property
    def command_seq(self) -> int:
        return self._x.command_seq

    @property
    def event_seq(self) -> int:
        return self._x.event_seq

    @property
    def time_us(self) -> int:
        return self._x.time_us

    @property
    def last_order_id(self) -> int:
        return self._x.last_order_id

    @property
    def needs_checkpoint(self) -> bool:
        return bool(self._x.touched)

    @property
    def next_timer_us(self) -> int:
        return next_timer_us(self._x)

    @property
    def event_bound(self) -> int:
        return event_bound(self._x)

    @property
    def open_order_count(self) -> int:
        return len(self._x.orders)

    @property
    def user_count(self) -> int:
        return len(self._x.users)

    @property
    def account_count(self) -> int:
        return len(self._x.accounts)

    def apply(self, commands: bytes | bytearray | memoryview, time_us: int) -> bytes:
        x = self._x
        size = len(commands)
        if size % RECORD_BYTES:
            raise ValueError(f"commands were {size} bytes, expected a multiple of {RECORD_BYTES}")
        if not x.time_us <= time_us <= INT64_MAX:
            raise AssertionError(f"time_us was {time_us}, expected at least {x.time_us}")
        if x.out:
            raise MemoryError("memory ended within an earlier batch, which is half applied")
        x.time_us = time_us
        due, draft = x.due, x.draft
        for fields in COMMAND.iter_unpack(commands) if size else ():
            x.command_seq += 1
            if due and run_due(x, INT64_MAX):
                x.due_run_at = x.command_seq
            reason = _APPLY[fields[0]](x, fields)
            if draft and (reason or fields[0] not in LEG_TYPES):
                draft.clear()
            if reason:
                x.emit(
                    EventType.REFUSED,
                    fields[6],
                    0,
                    reason,
                    fields[0],
                    fields[8],
                    fields[9],
                    fields[15],
                    fields[16],
                )
            if due or x.noted:
                run_due(x, TRIGGERS_PER_COMMAND_MAX)
        events = b"".join(x.out)
        x.out.clear()
        return events

    def assets(self) -> list[AssetView]:
        return [
            AssetView(asset_id, _ascii(asset.text), asset.decimals, asset.max_total_atoms)
            for asset_id, asset in sorted(self._x.assets.items())
        ]

    def markets(self) -> list[MarketView]:
        return [_market_view(market) for _, market in sorted(self._x.markets.items())]

    def users(self) -> Iterator[UserView]:
        for user_id in sorted(self._x.users):
            yield UserView(user_id, self._x.users[user_id].status)

    def balances(self, user_id: int) -> list[BalanceView]:
        accounts = self._x.accounts
        held = [(user_id, asset_id) for asset_id in sorted(self._x.assets)]
        return [
            BalanceView(*key, accounts[key].available, accounts[key].locked)
            for key in held
            if key in accounts
        ]

    def all_balances(self) -> Iterator[BalanceView]:
        for key, account in sorted(self._x.accounts.items(), key=lambda item: item[0]):
            if account.available or account.locked:
                yield BalanceView(*key, account.available, account.locked)

    def order(self, market_id: int, order_id: int) -> OrderView | None:
        order = self._x.orders.get(order_id)
        if order is None or order.market.market_id != market_id:
            return None
        return _order_view(order)

    def open_orders(self, user_id: int = HOUSE_USER_ID, market_id: int = 0) -> Iterator[OrderView]:
        for key, market in sorted(self._x.markets.items()):
            if market_id and key != market_id:
                continue
            for side in (market.bids, market.asks):
                for order in side.orders_within(0):
                    if not user_id or order.user.user_id == user_id:
                        yield _order_view(order)
            for _, order in sorted(market.parked.items()):
                if not user_id or order.user.user_id == user_id:
                    yield _order_view(order)

    def book(self, market_id: int, depth: int) -> tuple[list[LevelView], list[LevelView]] | None:
        market = self._x.markets.get(market_id)
        if market is None:
            return None
        return _levels(market.bids, depth), _levels(market.asks, depth)

    def holds(self) -> list[HoldView]:
        return [
            HoldView(key, hold.user_id, hold.asset_id, hold.amount_atoms, _ascii(hold.text))
            for key, hold in sorted(self._x.holds.items())
            if hold.state == HOLD_IS_OPEN
        ]

    def totals(self) -> list[TotalsView]:
        held = dict.fromkeys(self._x.assets, 0)
        for account in self._x.accounts.values():
            held[account.asset_id] += account.available + account.locked
        return [_totals_view(asset, held[key]) for key, asset in sorted(self._x.assets.items())]

    def state_hash(self) -> bytes:
        return hash_state(self)

    def load_state(self, state: PackedState) -> None:
        if self._x.command_seq:
            raise ValueError(f"kernel was at command {self._x.command_seq}, expected an empty one")
        restore(self._x, state)

    def head_row(self) -> HeadRow:
        return head_row(self._x)

    def state_sections(self) -> Iterator[tuple[int, Iterable[tuple[int | bytes, ...]]]]:
        return state_sections(self._x)


def _ascii(text: bytes) -> str:
    return text.rstrip(b"\0").decode("ascii")


def _market_view(market: Market) -> MarketView:
    return MarketView(
        market.market_id,
        _ascii(market.text),
        market.base.asset_id,
        market.quote.asset_id,
        market.tick_atoms,
        market.lot_atoms,
        market.tick_lot_atoms,
        *market.rates,
        market.fee_flags,
        market.state,
        *market.filters,
        market.last_price_ticks,
        market.last_trade_id,
    )


def _order_view(order: Order) -> OrderView:
    extra = order.extra
    return OrderView(
        order.order_id,
        order.user.user_id,
        order.market.market_id,
        int(order.is_bid),
        order.order_type,
        order.price,
        order.quantity,
        order.leaves,
        order.reserved,
        order.ceiling,
        _ascii(order.text),
        0 if extra and extra.wait else order.shown,
        *((extra.wait, extra.stop_price, extra.delta_bips) if extra else (0, 0, 0)),
        *((extra.expire_time_us, extra.list_id) if extra else (0, 0)),
    )


def _totals_view(asset: Asset, held: int) -> TotalsView:
    return TotalsView(
        asset.asset_id,
        held,
        asset.deposited_atoms,
        asset.withdrawn_atoms,
        asset.adjusted_atoms,
    )


def _levels(side: BookSide, depth: int) -> list[LevelView]:
    levels: list[LevelView] = []
    for price in side.prices_best_first():
        if len(levels) >= depth:
            break
        orders = side.levels[price].values()
        levels.append(LevelView(price, sum(order.shown for order in orders), len(orders)))
    return levels
