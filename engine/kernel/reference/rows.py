"""The reference kernel's state as rows for the canonical form (see `engine.kernel.state`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import Extra, Market, Order, OrderList, User
from engine.kernel.reference.timers import Watch
from engine.kernel.state import (
    AccountRow,
    AssetRow,
    BandRow,
    DraftRow,
    HeadRow,
    KillRow,
    ListRow,
    MarketLimitsRow,
    MarketRow,
    OrderRow,
    QuoteRow,
    StpRow,
    TermsRow,
    TradeGroupRow,
    UserFeesRow,
    UserRow,
    WatchRow,
)
from engine.proto.records import COMMAND


def head_row(x: Exchange) -> HeadRow:
    return HeadRow(
        x.command_seq,
        x.event_seq,
        x.time_us,
        x.last_order_id,
        x.row_count,
        x.digest.to_bytes(16, "little"),
    )


def state_sections(x: Exchange) -> Iterator[tuple[int, Iterable[tuple[int | bytes, ...]]]]:
    users = [x.house, *(user for _, user in sorted(x.users.items()))]
    touched = {account.asset_id for account in x.touched}
    yield len(x.assets), _asset_rows(x, touched)
    yield len(x.markets), (_market_row(market) for _, market in sorted(x.markets.items()))
    yield len(users), (_user_row(user) for user in users)
    yield (
        sum(len(user.window) for user in users),
        (remembered for user in users for remembered in user.window),
    )
    yield (
        len(x.accounts),
        (
            AccountRow(*key, account.available, account.locked)
            for key, account in sorted(x.accounts.items(), key=lambda item: item[0])
        ),
    )
    parked = [order for _, order in sorted(x.orders.items()) if order.extra and order.extra.wait]
    yield len(x.orders) - len(parked), (_order_row(order) for order in _orders(x))
    yield len(x.business), (row for _, row in sorted(x.business.items()))
    groups = [TradeGroupRow(user.user_id, user.trade_group) for user in users if user.trade_group]
    yield len(groups), groups
    modes = [StpRow(key, order.stp) for key, order in sorted(x.orders.items()) if order.stp]
    yield len(modes), modes
    yield len(x.quotes), (QuoteRow(*key, *ids) for key, ids in sorted(x.quotes.items()))
    yield len(x.draft), (DraftRow(COMMAND.pack(*leg)) for leg in x.draft)
    yield len(parked), map(_order_row, parked)
    terms = [_terms_row(order, order.extra) for _, order in sorted(x.orders.items()) if order.extra]
    yield len(terms), terms
    yield len(x.watches), (_watch_row(*item) for item in sorted(x.watches.items()))
    yield len(x.holds), (row for _, row in sorted(x.holds.items()))
    killed = [KillRow(0, 0)] if x.is_killed else []
    killed += [KillRow(0, key) for key, each in sorted(x.markets.items()) if each.is_killed]
    killed += [KillRow(user.user_id, 0) for user in users if user.is_killed]
    yield len(killed), killed
    bounds = [(key, each.bounds) for key, each in sorted(x.markets.items()) if any(each.bounds)]
    yield len(bounds), (MarketLimitsRow(key, *each) for key, each in bounds)
    yield (
        len(x.user_fees),
        (UserFeesRow(*key, *rates) for key, rates in sorted(x.user_fees.items())),
    )
    yield len(x.lists), (_list_row(each) for _, each in sorted(x.lists.items()))
    banded = [
        each for _, each in sorted(x.markets.items()) if any(each.bands) or each.pause_until_us
    ]
    yield len(banded), map(_band_row, banded)


def _asset_rows(x: Exchange, touched: set[int]) -> Iterator[AssetRow]:
    for asset_id, asset in sorted(x.assets.items()):
        yield AssetRow(
            asset_id,
            asset.decimals,
            asset.max_total_atoms,
            asset.first_event_seq,
            asset.fingerprint,
            asset.held_atoms,
            asset.deposited_atoms,
            asset.withdrawn_atoms,
            asset.adjusted_atoms,
            int(asset_id in touched),
            asset.text,
        )


def _band_row(market: Market) -> BandRow:
    return BandRow(
        market.market_id, *market.bands, market.pause_until_us, market.state_before_pause
    )


def _market_row(market: Market) -> MarketRow:
    return MarketRow(
        market.market_id,
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
        market.first_event_seq,
        market.fingerprint,
        market.text,
    )


def _user_row(user: User) -> UserRow:
    return UserRow(user.user_id, user.status, user.first_event_seq, len(user.window))


def _terms_row(order: Order, extra: Extra) -> TermsRow:
    return TermsRow(
        order.order_id,
        extra.time_in_force,
        extra.wait,
        extra.stop_price,
        extra.delta_bips,
        extra.extreme,
        extra.sequence,
        extra.expire_time_us,
        extra.session_id,
        extra.list_id,
        extra.display_lots,
        extra.shown_lots,
    )


def _watch_row(user_id: int, watch: Watch) -> WatchRow:
    return WatchRow(
        user_id,
        watch.timeout_ms,
        watch.due,
        watch.session_id,
        watch.session_state,
        watch.grace_ms,
        watch.session_due,
    )


def _list_row(each: OrderList) -> ListRow:
    return ListRow(
        each.list_id,
        each.user.user_id,
        each.market.market_id,
        each.list_type,
        len(each.legs),
        each.legs[0],
        each.legs[1],
        each.legs[2] if len(each.legs) > 2 else 0,
        int(each.is_active),
        int(each.is_loose),
        each.text,
    )


def _orders(x: Exchange) -> Iterator[Order]:
    for _, market in sorted(x.markets.items()):
        yield from market.bids.orders_within(0)
        yield from market.asks.orders_within(0)


def _order_row(order: Order) -> OrderRow:
    return OrderRow(
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
        order.rates[0],
        order.rates[1],
        order.cumulative[0],
        order.cumulative[1],
        order.charged[0],
        order.charged[1],
        order.text,
    )
