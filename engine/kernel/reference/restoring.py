"""From the canonical state back to the reference kernel's objects.

What is not in the state is derived from it: which accounts moved since the last checkpoint is known
only by asset, and what they counted for then only as a sum. Both are enough, because a checkpoint
uses nothing else: so all accounts of such an asset count as touched, and the sums are spread over
them. Invariant: the state of the restored exchange is, byte for byte, the one it was made from.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import SESSION_CLOSED, TIMER_DEADMAN, TIMER_MARKET, TIMER_SESSION, WAIT_DUE
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import (
    NO_BANDS,
    Account,
    Asset,
    Bands,
    Bounds,
    Extra,
    Filters,
    Market,
    Order,
    Remembered,
    User,
)
from engine.kernel.reference.timers import Watch, arm, arm_expiry
from engine.kernel.state import (
    AccountRow,
    AssetRow,
    BandRow,
    BusinessRow,
    HoldRow,
    KillRow,
    ListRow,
    MarketLimitsRow,
    MarketRow,
    OrderRow,
    PackedState,
    StateError,
    TermsRow,
    UserFeesRow,
    UserRow,
    WatchRow,
    WindowRow,
)
from engine.proto.records import COMMAND, HOUSE_USER_ID, LEGS_MAX

_DIGEST_MODULUS: Final = 2**128


def restore(x: Exchange, state: PackedState) -> None:
    """Fill an empty exchange. StateError names what does not fit together."""
    try:
        touched = [row.asset_id for row in state.rows(b"ASST") if _restore_asset(x, row)]
        _restore_users(x, state)
        for account in state.rows(b"ACCT"):
            _restore_account(x, account)
        for market in state.rows(b"MRKT"):
            _restore_market(x, market)
        _restore_orders(x, state)
        _restore_times(x, state)
        for group in state.rows(b"TGRP"):
            x.users[group.user_id].trade_group = group.group_id
        for mode in state.rows(b"STPM"):
            x.orders[mode.order_id].stp = mode.mode
        for quote in state.rows(b"QUOT"):
            key = x.users[quote.user_id].user_id, x.markets[quote.market_id].market_id
            x.quotes[key] = quote.bid_order_id, quote.ask_order_id
        _restore_controls(x, state)
        for band in state.rows(b"BAND"):
            _restore_bands(x, band)
    except KeyError as error:
        raise StateError(f"state names {error.args[0]!r}, which is not in it") from error
    business: BusinessRow
    for business in state.rows(b"BSNS"):
        x.business[business.request_id] = business
    x.draft.extend(COMMAND.unpack(row.record) for row in state.rows(b"DRFT"))
    if len(x.draft) > LEGS_MAX:
        raise StateError(f"{len(x.draft)} legs are held back, at most {LEGS_MAX} can be")
    head = state.head
    x.command_seq, x.event_seq = head.command_seq, head.event_seq
    x.time_us, x.last_order_id = head.time_us, head.last_order_id
    x.digest, x.row_count = int.from_bytes(head.digest, "little"), head.row_count
    _restore_checkpoint(x, set(touched))


def _restore_controls(x: Exchange, state: PackedState) -> None:
    """Holds, users' own fees and kill switches."""
    hold: HoldRow
    for hold in state.rows(b"HOLD"):
        if (hold.user_id, hold.asset_id) not in x.accounts:
            raise KeyError((hold.user_id, hold.asset_id))
        x.holds[hold.request_id] = hold
    limits: MarketLimitsRow
    for limits in state.rows(b"MLIM"):
        x.markets[limits.market_id].bounds = Bounds(*limits[1:])
    fees: UserFeesRow
    for fees in state.rows(b"UFEE"):
        if fees.market_id and fees.market_id not in x.markets:
            raise KeyError(fees.market_id)
        rates = fees.maker_fee, fees.taker_fee
        x.user_fees[fees.user_id, fees.market_id] = rates
        x.users[fees.user_id].fees[fees.market_id] = rates
    killed: KillRow
    for killed in state.rows(b"KILL"):
        if killed.user_id:
            x.users[killed.user_id].set_killed(is_killed=True)
        elif killed.market_id:
            x.markets[killed.market_id].set_killed(is_killed=True)
        else:
            x.is_killed = True


def _restore_asset(x: Exchange, row: AssetRow) -> bool:
    """Return whether an account of it was touched since the last checkpoint."""
    asset = Asset(row.asset_id, row.decimals, row.max_total_atoms, row.text)
    asset.first_event_seq, asset.fingerprint = row.first_event_seq, row.fingerprint
    asset.held_atoms = row.held_atoms
    asset.deposited_atoms = row.deposited_atoms
    asset.withdrawn_atoms = row.withdrawn_atoms
    asset.adjusted_atoms = row.adjusted_atoms
    x.assets[row.asset_id] = asset
    return bool(row.touched)


def _restore_users(x: Exchange, state: PackedState) -> None:
    windows = state.rows(b"WNDW")
    row: UserRow
    for row in state.rows(b"USER"):
        user = x.house
        if row.user_id != HOUSE_USER_ID:
            user = x.users[row.user_id] = User(row.user_id, row.first_event_seq)
        user.set_status(row.status)
        for _ in range(row.window_rows):
            window: WindowRow | None = next(windows, None)
            if window is None:
                raise StateError(f"user {row.user_id} remembers more requests than there are")
            user.window.append(Remembered(*window))
    if next(windows, None) is not None:
        raise StateError("there are more remembered requests than users remember")


def _restore_account(x: Exchange, row: AccountRow) -> None:
    if x.find_user(row.user_id) is None or row.asset_id not in x.assets:
        raise KeyError((row.user_id, row.asset_id))
    account = x.open_account(row.user_id, row.asset_id)
    account.available, account.locked = row.available_atoms, row.locked_atoms


def _restore_market(x: Exchange, row: MarketRow) -> None:
    market = Market(
        row.market_id,
        x.assets[row.base_asset_id],
        x.assets[row.quote_asset_id],
        row.tick_atoms,
        row.lot_atoms,
        (row.maker_fee, row.taker_fee),
        row.fee_flags,
        row.text,
    )
    market.first_event_seq, market.fingerprint = row.first_event_seq, row.fingerprint
    market.set_state(row.state)
    market.set_filters(Filters(*row[10:15]))
    market.last_price_ticks, market.last_trade_id = row.last_price_ticks, row.last_trade_id
    market.house_base = x.accounts[HOUSE_USER_ID, row.base_asset_id]
    market.house_quote = x.accounts[HOUSE_USER_ID, row.quote_asset_id]
    x.markets[row.market_id] = market


def _restore_orders(x: Exchange, state: PackedState) -> None:
    for order in state.rows(b"ORDR"):
        _restore_order(x, order, is_parked=False)
    for order in state.rows(b"PRKD"):
        _restore_order(x, order, is_parked=True)


def _restore_times(x: Exchange, state: PackedState) -> None:
    for terms in state.rows(b"XTRA"):
        _restore_terms(x, terms)
    for market in x.markets.values():
        if any(order.extra is None for order in market.parked.values()):
            raise StateError("an order is parked without a word why")
    for watch in state.rows(b"WTCH"):
        _restore_watch(x, watch)
    for row in state.rows(b"LIST"):
        _restore_list(x, row)
    for order in x.orders.values():
        if order.extra and order.extra.list_id and order.extra.list_id not in x.lists:
            raise StateError(f"order {order.order_id} is of a list that is not there")


def _restore_bands(x: Exchange, row: BandRow) -> None:
    market = x.markets[row.market_id]
    market.bands = Bands(*row[1:9]) if any(row[1:9]) else NO_BANDS
    market.pause_until_us, market.state_before_pause = row.pause_until_us, row.state_before_pause
    if market.pause_until_us:
        arm(x, market.pause_until_us, TIMER_MARKET, market.market_id)


def _restore_order(x: Exchange, row: OrderRow, *, is_parked: bool) -> None:
    market, user = x.markets[row.market_id], x.users[row.user_id]
    order = Order(
        market,
        user,
        row.order_id,
        row.order_type,
        bool(row.is_bid),
        row.price_ticks,
        row.quantity_lots,
        row.ceiling_ticks,
        row.text,
    )
    order.leaves, order.reserved = row.leaves_lots, row.reserved_atoms
    order.rates = row.maker_rate, row.taker_rate
    order.cumulative = [row.maker_cumulative, row.taker_cumulative]
    order.charged = [row.maker_charged, row.taker_charged]
    order.base = x.accounts[row.user_id, market.base.asset_id]
    order.quote = x.accounts[row.user_id, market.quote.asset_id]
    if is_parked:
        market.parked[order.order_id] = order
    else:
        order.side.add(order)
    x.orders[row.order_id] = order
    if row.text.rstrip(b"\0"):
        x.open_texts.add((row.user_id, row.text))


def _restore_terms(x: Exchange, row: TermsRow) -> None:
    order = x.orders[row.order_id]
    extra = order.extra = Extra(row.time_in_force)
    extra.wait = row.wait
    extra.stop_price, extra.delta_bips = row.stop_price_ticks, row.delta_bips
    extra.extreme, extra.sequence = row.extreme_ticks, row.sequence
    extra.expire_time_us, extra.session_id = row.expire_time_us, row.session_id
    extra.list_id = row.list_id
    extra.display_lots, extra.shown_lots = row.display_lots, row.shown_lots
    if (extra.wait != 0) != (order.order_id in order.market.parked):
        raise StateError(f"order {row.order_id} waits in one section and rests in another")
    if extra.wait == WAIT_DUE:
        x.due[order.order_id] = order
    arm_expiry(x, order)


def _restore_list(x: Exchange, row: ListRow) -> None:
    user, market = x.users[row.user_id], x.markets[row.market_id]
    legs = list(row[5 : 5 + row.leg_count])
    each = x.new_list(row.list_id, user, market, row.list_type, legs, row.text)
    each.is_active, each.is_loose = bool(row.is_active), bool(row.is_loose)


def _restore_watch(x: Exchange, row: WatchRow) -> None:
    if row.user_id not in x.users:
        raise KeyError(row.user_id)
    watch = x.watches[row.user_id] = Watch()
    watch.timeout_ms, watch.due = row.timeout_ms, row.due_time_us
    watch.session_id, watch.session_state = row.session_id, row.session_state
    watch.grace_ms, watch.session_due = row.grace_ms, row.session_due_time_us
    if watch.timeout_ms:
        arm(x, watch.due, TIMER_DEADMAN, row.user_id)
    if watch.session_state == SESSION_CLOSED:
        arm(x, watch.session_due, TIMER_SESSION, row.user_id)


def _restore_checkpoint(x: Exchange, touched: set[int]) -> None:
    digest, rows = x.digest, x.row_count
    pending: list[Account] = []
    held = {asset_id: x.assets[asset_id].held_atoms for asset_id in touched}
    for account in x.accounts.values():
        if account.asset_id in touched:
            account.checkpoint_total = held.pop(account.asset_id, 0)
            pending.append(account)
        else:
            account.checkpoint_total = account.available + account.locked
            account.checkpoint_hash = account.row_hash()
            digest = (digest - account.checkpoint_hash) % _DIGEST_MODULUS
            rows -= bool(account.checkpoint_hash)
    if not 0 <= rows <= len(pending) or (digest != 0) != (rows != 0):
        raise StateError(f"the balance digest does not fit: {rows} rows of {len(pending)} are left")
    x.touched.update(pending)
    for account in pending[: max(rows - 1, 0)]:
        account.checkpoint_hash = 1
    if rows:
        pending[rows - 1].checkpoint_hash = (digest - (rows - 1)) % _DIGEST_MODULUS
