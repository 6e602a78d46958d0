"""Assets, markets, users, money and checkpoints of the reference kernel.

A handler returns a reason before it has changed anything, or changes everything and returns NONE.
Invariant: per asset, the sum over all accounts is deposits - withdrawals + adjustments.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import AUCTION, HALT
from engine.kernel.reference.auction import uncross
from engine.kernel.reference.bands import forget_pause, set_market_bands
from engine.kernel.reference.bounds import set_market_limits
from engine.kernel.reference.checks import (
    ADMIN_FORMS,
    Fields,
    fingerprint,
    is_asset_code,
    is_symbol,
)
from engine.kernel.reference.controls import (
    apply_cancel_all,
    cancel_orders,
    set_kill_switch,
    set_user_status,
)
from engine.kernel.reference.drafts import take_leg
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.holds import apply_hold, end_hold
from engine.kernel.reference.model import Asset, Filters, Market, User
from engine.kernel.reference.rates import fee_refusal, rebate_refusal, set_user_fees
from engine.kernel.reference.timing import go_on, stand_still
from engine.kernel.reference.transfers import apply_transfer
from engine.kernel.state import BusinessRow
from engine.kernel.states import MATCHING
from engine.proto.records import (
    ASSET_ID_MAX,
    DECIMALS_MAX,
    HOUSE_USER_ID,
    INT64_MAX,
    MARKET_ID_MAX,
    NO_REQUEST_ID,
    USER_ID_MAX,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    MarketState,
    Reason,
)

_OK: Final = int(Reason.NONE)
_DIGEST_MODULUS: Final = 2**128
_FEE_FLAGS: Final = CommandFlag.FEE_IN_QUOTE | CommandFlag.FEE_PER_LOT


def apply_admin(x: Exchange, fields: Fields) -> int:
    """Apply any command that is not about an order."""
    kind = fields[0]
    return ADMIN_FORMS[kind](fields) or _HANDLERS[kind](x, fields)


def _add_again(x: Exchange, fields: Fields, known: Asset | Market) -> int:
    """Answer an ADD_* of an id that exists: the same content is a retry, other content an error."""
    if known.fingerprint != fingerprint(fields):
        return Reason.ALREADY_EXISTS
    x.emit_replayed(fields, known.first_event_seq)
    return _OK


def _add_asset(x: Exchange, fields: Fields) -> int:
    asset_id, decimals, max_total, code = fields[7], fields[11], fields[12], fields[16]
    if not 1 <= asset_id <= ASSET_ID_MAX:
        return Reason.UNKNOWN_ASSET
    if asset_id in x.assets:
        return _add_again(x, fields, x.assets[asset_id])
    if not is_asset_code(code):
        return Reason.INVALID_SYMBOL
    if not 0 <= decimals <= DECIMALS_MAX:
        return Reason.INVALID_DECIMALS
    if max_total <= 0:
        return Reason.INVALID_MAX_TOTAL
    if any(asset.text == code for asset in x.assets.values()):
        return Reason.ALREADY_EXISTS
    asset = Asset(asset_id, decimals, max_total, code)
    asset.fingerprint = fingerprint(fields)
    x.assets[asset_id] = asset
    x.emit(EventType.ASSET_ADDED, 0, 0, _OK, asset_id, decimals, max_total, code)
    asset.first_event_seq = x.event_seq
    return _OK


def _add_market(x: Exchange, fields: Fields) -> int:
    market_id, symbol = fields[6], fields[16]
    if not 1 <= market_id <= MARKET_ID_MAX:
        return Reason.UNKNOWN_MARKET
    if market_id in x.markets:
        return _add_again(x, fields, x.markets[market_id])
    reason = _market_refusal(x, fields)
    if reason:
        return reason
    base, quote = x.assets[fields[7]], x.assets[fields[9]]
    if x.lacks_room_for_accounts(HOUSE_USER_ID, base.asset_id, quote.asset_id):
        return Reason.CAPACITY
    tick, lot, rates, flags = fields[10], fields[11], (fields[12], fields[13]), fields[4]
    if flags & CommandFlag.FEE_PER_LOT:
        flags = int(_FEE_FLAGS)
    market = Market(market_id, base, quote, tick, lot, rates, flags, symbol)
    market.fingerprint = fingerprint(fields)
    market.house_base = x.open_account(HOUSE_USER_ID, base.asset_id)
    market.house_quote = x.open_account(HOUSE_USER_ID, quote.asset_id)
    x.markets[market_id] = market
    x.emit(
        EventType.MARKET_ADDED,
        market_id,
        0,
        _OK,
        base.asset_id,
        quote.asset_id,
        tick,
        lot,
        *rates,
        flags,
        symbol,
    )
    market.first_event_seq = x.event_seq
    return _OK


def _market_refusal(x: Exchange, fields: Fields) -> int:
    base_id, quote_id, tick, lot, symbol = fields[7], fields[9], fields[10], fields[11], fields[16]
    if not is_symbol(symbol):
        return Reason.INVALID_SYMBOL
    base = x.assets.get(base_id)
    if base is None or quote_id not in x.assets or base_id == quote_id:
        return Reason.UNKNOWN_ASSET
    if any(market.text == symbol for market in x.markets.values()):
        return Reason.ALREADY_EXISTS
    if tick <= 0 or lot <= 0 or tick * lot > INT64_MAX or tick * lot % 10**base.decimals:
        return Reason.INVALID_TICK_OR_LOT
    is_fee_per_lot, rates = bool(fields[4] & CommandFlag.FEE_PER_LOT), (fields[12], fields[13])
    flags = bool(fields[4] & _FEE_FLAGS), is_fee_per_lot
    return fee_refusal(rates, is_fee_per_lot=is_fee_per_lot) or rebate_refusal(
        x, [rates], fields[6], flags
    )


def _set_market_filters(x: Exchange, fields: Fields) -> int:
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    filters = Filters(fields[10], fields[13], fields[11], fields[9], fields[12])
    if (
        min(filters) < 0
        or 0 < filters.max_price_ticks < filters.min_price_ticks
        or 0 < filters.max_quantity_lots < filters.min_quantity_lots
    ):
        return Reason.INVALID_FILTER
    if filters == market.filters:
        return Reason.NOTHING_CHANGES
    market.set_filters(filters)
    x.emit(EventType.MARKET_FILTERS_SET, market.market_id, 0, _OK, *filters)
    return _OK


def _set_market_fees(x: Exchange, fields: Fields) -> int:
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    rates = (fields[12], fields[13])
    flags = market.is_fee_in_quote, market.is_fee_per_lot
    reason = fee_refusal(rates, is_fee_per_lot=market.is_fee_per_lot) or rebate_refusal(
        x, [rates], market.market_id, flags
    )
    if reason:
        return reason
    if rates == market.rates:
        return Reason.NOTHING_CHANGES
    market.rates = rates
    x.emit(EventType.MARKET_FEES_SET, market.market_id, 0, _OK, *rates)
    return _OK


def _set_market_state(x: Exchange, fields: Fields) -> int:
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    if market.state == fields[11]:
        return Reason.NOTHING_CHANGES
    if market.state == MarketState.DELISTED:
        return Reason.MARKET_DELISTED
    old_state = market.state
    forget_pause(x, market)
    if fields[11] == HALT:
        stand_still(x, market)
    market.set_state(fields[11])
    x.emit(EventType.MARKET_STATE_SET, market.market_id, 0, _OK, market.state)
    if old_state == HALT:
        go_on(x, market)
    if market.state in MATCHING and old_state not in MATCHING:
        uncross(x, market, was_auction=old_state == AUCTION)
    if market.state == MarketState.DELISTED:
        cancel_orders(
            x, lambda order: order.market is market, Reason.MARKET_STATE, EventFlag.OPERATOR
        )
    return _OK


def _add_user(x: Exchange, fields: Fields) -> int:
    user_id = fields[8]
    if not 1 <= user_id <= USER_ID_MAX:
        return Reason.UNKNOWN_USER
    known = x.users.get(user_id)
    if known:
        x.emit_replayed(fields, known.first_event_seq)
        return _OK
    if len(x.users) >= x.limits.users_max:
        return Reason.CAPACITY
    user = User(user_id, x.event_seq + 1)
    x.users[user_id] = user
    x.emit(EventType.USER_ADDED, 0, 0, _OK, user_id, user.status)
    return _OK


def _set_trade_group(x: Exchange, fields: Fields) -> int:
    user, group_id = x.users.get(fields[8]), fields[11]
    if user is None:
        return Reason.UNKNOWN_USER
    if group_id < 0:
        return Reason.INVALID_QUANTITY
    if user.trade_group == group_id:
        return Reason.NOTHING_CHANGES
    user.trade_group = group_id
    x.emit(EventType.TRADE_GROUP_SET, 0, 0, _OK, user.user_id, group_id)
    return _OK


def _money(x: Exchange, fields: Fields) -> int:
    """Apply DEPOSIT, WITHDRAW or ADJUST: once for ever per request id."""
    kind, asset_id, user_id, amount, request_id, text = (
        fields[0],
        fields[7],
        fields[8],
        fields[12],
        fields[15],
        fields[16],
    )
    if request_id == NO_REQUEST_ID:
        return Reason.REQUEST_ID_REQUIRED
    if x.find_user(user_id) is None:
        return Reason.UNKNOWN_USER
    content = fingerprint(fields)
    seen = x.business.get(request_id)
    if seen:
        if seen.fingerprint != content:
            return Reason.REQUEST_ID_REUSED
        x.emit_replayed(fields, seen.first_event_seq)
        return _OK
    asset = x.assets.get(asset_id)
    if asset is None:
        return Reason.UNKNOWN_ASSET
    reason = _amount_refusal(x, asset, kind, user_id, amount)
    if reason:
        return reason
    if x.lacks_room_for_accounts(user_id, asset_id) or (
        len(x.business) >= x.limits.business_ids_max
    ):
        return Reason.CAPACITY
    account = x.open_account(user_id, asset_id)
    account.credit(-amount if kind == CommandType.WITHDRAW else amount)
    event = _book_total(asset, kind, amount)
    x.emit(event, 0, 0, _OK, user_id, asset_id, amount, request_id, text)
    x.business[request_id] = BusinessRow(request_id, content, x.event_seq)
    return _OK


def _amount_refusal(x: Exchange, asset: Asset, kind: int, user_id: int, amount: int) -> int:
    if amount == 0 or amount < -INT64_MAX or (amount < 0 and kind != CommandType.ADJUST):
        return Reason.INVALID_AMOUNT
    change = -amount if kind == CommandType.WITHDRAW else amount
    if asset.supply_atoms + change > asset.max_total_atoms:
        return Reason.MAX_TOTAL_EXCEEDED
    account = x.accounts.get((user_id, asset.asset_id))
    if change < 0 and -change > (account.available if account else 0):
        return Reason.INSUFFICIENT_BALANCE
    total = {
        CommandType.DEPOSIT: asset.deposited_atoms,
        CommandType.WITHDRAW: asset.withdrawn_atoms,
        CommandType.ADJUST: asset.adjusted_atoms,
    }[CommandType(kind)]
    return Reason.OVERFLOW if abs(total + amount) > INT64_MAX else _OK


def _book_total(asset: Asset, kind: int, amount: int) -> EventType:
    """Add to the asset's running total of this kind; return the event that tells of it."""
    if kind == CommandType.DEPOSIT:
        asset.deposited_atoms += amount
        return EventType.FUNDS_DEPOSITED
    if kind == CommandType.WITHDRAW:
        asset.withdrawn_atoms += amount
        return EventType.FUNDS_WITHDRAWN
    asset.adjusted_atoms += amount
    return EventType.FUNDS_ADJUSTED


def _checkpoint(x: Exchange, _fields: Fields) -> int:
    """Bring the digest up to date with the accounts touched since the last checkpoint."""
    for account in x.touched:
        asset = x.assets[account.asset_id]
        total, row_hash = account.available + account.locked, account.row_hash()
        asset.held_atoms += total - account.checkpoint_total
        x.row_count += bool(row_hash) - bool(account.checkpoint_hash)
        x.digest = (x.digest + row_hash - account.checkpoint_hash) % _DIGEST_MODULUS
        account.checkpoint_total, account.checkpoint_hash = total, row_hash
    for asset_id in sorted({account.asset_id for account in x.touched}):
        asset = x.assets[asset_id]
        x.emit(
            EventType.CHECKPOINT_ASSET,
            0,
            0,
            _OK,
            asset_id,
            asset.held_atoms,
            asset.deposited_atoms,
            asset.withdrawn_atoms,
            asset.adjusted_atoms,
        )
    x.touched.clear()
    x.emit(EventType.CHECKPOINT, 0, 0, _OK, x.digest.to_bytes(16, "little"), x.row_count)
    return _OK


_HANDLERS: Final = {
    CommandType.ADD_ASSET: _add_asset,
    CommandType.ADD_MARKET: _add_market,
    CommandType.SET_MARKET_FILTERS: _set_market_filters,
    CommandType.SET_MARKET_FEES: _set_market_fees,
    CommandType.SET_MARKET_LIMITS: set_market_limits,
    CommandType.SET_USER_FEES: set_user_fees,
    CommandType.SET_MARKET_STATE: _set_market_state,
    CommandType.SET_MARKET_BANDS: set_market_bands,
    CommandType.ADD_USER: _add_user,
    CommandType.SET_USER_STATUS: set_user_status,
    CommandType.SET_TRADE_GROUP: _set_trade_group,
    CommandType.DEPOSIT: _money,
    CommandType.WITHDRAW: _money,
    CommandType.ADJUST: _money,
    CommandType.TRANSFER_LEG: take_leg,
    CommandType.TRANSFER: apply_transfer,
    CommandType.HOLD: apply_hold,
    CommandType.SETTLE_HOLD: end_hold,
    CommandType.RELEASE_HOLD: end_hold,
    CommandType.SET_KILL_SWITCH: set_kill_switch,
    CommandType.CANCEL_ALL: apply_cancel_all,
    CommandType.CHECKPOINT: _checkpoint,
}
