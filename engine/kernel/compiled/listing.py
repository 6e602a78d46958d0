# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""Assets and markets: adding them, and a market's filters, fees and state.

Invariant: a market is listed only if one tick for one lot is a whole number of quote atoms.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    ALREADY_EXISTS,
    ASSET_ADDED,
    ASSET_CODE_CHARS_MAX,
    ASSET_ID_MAX,
    AUCTION,
    BY_OPERATOR,
    CAPACITY,
    DECIMALS_MAX,
    DELISTED,
    FEE_IN_QUOTE,
    FEE_PER_LOT,
    HALT,
    HOUSE_USER_ID,
    INT64_MAX,
    INVALID_DECIMALS,
    INVALID_FEE,
    INVALID_FILTER,
    INVALID_MAX_TOTAL,
    INVALID_SYMBOL,
    INVALID_TICK_OR_LOT,
    LIMIT_ONLY,
    MARKET_ADDED,
    MARKET_DELISTED,
    MARKET_FEES_SET,
    MARKET_FILTERS_SET,
    MARKET_ID_MAX,
    MARKET_STATE,
    MARKET_STATE_SET,
    NOTHING_CHANGES,
    OK,
    POST_ONLY,
    SYMBOL_CHARS_MAX,
    TRADING,
    UNKNOWN_ASSET,
    UNKNOWN_MARKET,
)
from engine.kernel.compiled.accounts import find_account, open_account
from engine.kernel.compiled.auction import reserve_for_uncross, uncross
from engine.kernel.compiled.bands import forget_pause
from engine.kernel.compiled.controls import cancel_picked, pick_orders
from engine.kernel.compiled.events import emit_clear, emit_replayed, put_text
from engine.kernel.compiled.fees import product
from engine.kernel.compiled.forms import fingerprint_of
from engine.kernel.compiled.gates import enter_state
from engine.kernel.compiled.layout import (
    AssetPtr,
    CommandPtr,
    CorePtr,
    EventPtr,
    Market,
    MarketPtr,
    Picked,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_asset, find_market
from engine.kernel.compiled.memory import reserve_assets, reserve_markets
from engine.kernel.compiled.rates import is_fee_refused, rebate_refusal
from engine.kernel.compiled.symbols import HOUSE, MAKER, NO_KEY, TAKER
from engine.kernel.compiled.texts import copy_text, is_code_text, is_same_text
from engine.kernel.compiled.timers import reserve_timers
from engine.kernel.compiled.timing import go_on, stand_still


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_again(core: CorePtr, command: CommandPtr, fingerprint: u64, first_event_seq: i64) -> u32:
    """Answer an ADD_* of an id that exists: the same content is a retry, other content an error."""
    if fingerprint != fingerprint_of(command):
        return ALREADY_EXISTS
    emit_replayed(core, command, 0, first_event_seq, OK)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def asset_refusal(core: CorePtr, command: CommandPtr) -> u32:
    if not is_code_text(command.text, ASSET_CODE_CHARS_MAX):
        return INVALID_SYMBOL
    if command.quantity < 0 or command.quantity > DECIMALS_MAX:
        return INVALID_DECIMALS
    if command.amount <= 0:
        return INVALID_MAX_TOTAL
    index: u32
    for index in range(1, core.asset_top):
        if is_same_text(core.assets[index].text, command.text):
            return ALREADY_EXISTS
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_asset(core: CorePtr, command: CommandPtr) -> u32:
    if command.asset_id < 1 or command.asset_id > ASSET_ID_MAX:
        return UNKNOWN_ASSET
    index: u32 = find_asset(core, command.asset_id)
    if index:
        known: AssetPtr = core.assets + index
        return add_again(core, command, known.fingerprint, known.first_event_seq)
    reason: u32 = asset_refusal(core, command)
    if reason or not reserve_assets(core):
        return reason
    event: EventPtr = emit_clear(core, ASSET_ADDED, 0)
    event.body[0] = command.asset_id
    event.body[1] = command.quantity
    event.body[2] = command.amount
    put_text(event, command.text)
    asset: AssetPtr = core.assets + core.asset_top
    asset.asset_id = command.asset_id
    asset.decimals = command.quantity
    asset.max_total = command.amount
    asset.held = asset.deposited = asset.withdrawn = asset.adjusted = 0
    asset.first_event_seq = core.event_seq
    asset.fingerprint = fingerprint_of(command)
    copy_text(asset.text, command.text)
    core.asset_of_id[command.asset_id] = core.asset_top
    core.asset_top += 1
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tick_lot_of(command: CommandPtr, decimals: u32) -> i64:
    """Return the quote atoms of one tick for one lot, 0 if that is no whole number that fits."""
    if command.price <= 0 or command.quantity <= 0:
        return 0
    atoms: i64 = product(command.price, command.quantity)
    unit: i64 = 1
    while decimals:
        unit *= 10
        decimals -= 1
    return atoms // unit if atoms > 0 and atoms % unit == 0 else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def market_refusal(core: CorePtr, command: CommandPtr) -> u32:
    if not is_code_text(command.text, SYMBOL_CHARS_MAX):
        return INVALID_SYMBOL
    base: u32 = find_asset(core, command.asset_id)
    quote: u32 = find_asset(core, command.order_id)
    if not base or not quote or base == quote:
        return UNKNOWN_ASSET
    index: u32
    for index in range(1, core.market_top):
        if is_same_text(core.markets[index].text, command.text):
            return ALREADY_EXISTS
    if not tick_lot_of(command, core.assets[base].decimals):
        return INVALID_TICK_OR_LOT
    if is_fee_refused(command.amount, command.ceiling, (command.flags & FEE_PER_LOT) != 0):
        return INVALID_FEE
    reason: u32 = rebate_refusal(
        core,
        command.market_id,
        command.amount,
        command.ceiling,
        0,
        command.flags != 0,
        (command.flags & FEE_PER_LOT) != 0,
    )
    if reason:
        return reason
    missing: u64 = (not find_account(core, HOUSE_USER_ID, core.assets[base].asset_id)) + (
        not find_account(core, HOUSE_USER_ID, core.assets[quote].asset_id)
    )
    return CAPACITY if core.account_top - 1 + missing > core.accounts_max else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_market(core: CorePtr, command: CommandPtr) -> u32:
    if command.market_id < 1 or command.market_id > MARKET_ID_MAX:
        return UNKNOWN_MARKET
    index: u32 = find_market(core, command.market_id)
    if index:
        known: MarketPtr = core.markets + index
        return add_again(core, command, known.fingerprint, known.first_event_seq)
    reason: u32 = market_refusal(core, command)
    if reason or not reserve_markets(core):
        return reason
    fee_flags: u32 = command.flags
    if fee_flags & FEE_PER_LOT:
        fee_flags |= FEE_IN_QUOTE
    event: EventPtr = emit_clear(core, MARKET_ADDED, command.market_id)
    event.body[0] = command.asset_id
    event.body[1] = command.order_id
    event.body[2] = command.price
    event.body[3] = command.quantity
    event.body[4] = command.amount
    event.body[5] = command.ceiling
    event.body[6] = fee_flags
    put_text(event, command.text)
    open_market(core, command, fee_flags)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_market(core: CorePtr, command: CommandPtr, fee_flags: u32) -> cython.void:
    """Write a new market into the pool, trading, with an empty book and without filters."""
    market: MarketPtr = core.markets + core.market_top
    memset(market, 0, cython.sizeof(Market))
    market.market_id = command.market_id
    market.base_asset_id = command.asset_id
    market.quote_asset_id = cython.cast(u32, command.order_id)
    market.tick_atoms = command.price
    market.lot_atoms = command.quantity
    base: u32 = find_asset(core, command.asset_id)
    market.tick_lot_atoms = tick_lot_of(command, core.assets[base].decimals)
    market.rates[MAKER] = command.amount
    market.rates[TAKER] = command.ceiling
    market.fee_flags = fee_flags
    market.is_fee_in_quote = (fee_flags & FEE_IN_QUOTE) != 0
    market.is_fee_per_lot = (fee_flags & FEE_PER_LOT) != 0
    market.state = TRADING
    market.price_max = INT64_MAX
    market.quantity_max = INT64_MAX
    market.sides[0].best_key = NO_KEY
    market.sides[1].best_key = NO_KEY
    market.triggers[0].best_key = NO_KEY
    market.triggers[1].best_key = NO_KEY
    market.first_event_seq = core.event_seq
    market.fingerprint = fingerprint_of(command)
    copy_text(market.text, command.text)
    market.house_base = open_account(core, HOUSE, market.base_asset_id)
    market.house_quote = open_account(core, HOUSE, market.quote_asset_id)
    core.market_of_id[command.market_id] = core.market_top
    core.market_top += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def upper_bound(bound: i64) -> i64:
    """Return an upper bound as it is compared: 0 means that there is none."""
    return bound if bound else INT64_MAX


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_market_filters(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    filters: i64[5]
    filters[0] = command.price
    filters[1] = command.ceiling
    filters[2] = command.quantity
    filters[3] = command.order_id
    filters[4] = command.amount
    changes: cython.bint = False
    field: u32
    for field in range(5):
        if filters[field] < 0:
            return INVALID_FILTER
        if filters[field] != market.filters[field]:
            changes = True
    if upper_bound(filters[1]) < filters[0] or upper_bound(filters[3]) < filters[2]:
        return INVALID_FILTER
    if not changes:
        return NOTHING_CHANGES
    event: EventPtr = emit_clear(core, MARKET_FILTERS_SET, market.market_id)
    for field in range(5):
        market.filters[field] = event.body[field] = filters[field]
    market.price_min = filters[0]
    market.price_max = upper_bound(filters[1])
    market.quantity_min = filters[2]
    market.quantity_max = upper_bound(filters[3])
    market.notional_min = filters[4]
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_market_fees(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    if is_fee_refused(command.amount, command.ceiling, market.is_fee_per_lot):
        return INVALID_FEE
    reason: u32 = rebate_refusal(
        core,
        market.market_id,
        command.amount,
        command.ceiling,
        0,
        market.is_fee_in_quote,
        market.is_fee_per_lot,
    )
    if reason:
        return reason
    if market.rates[MAKER] == command.amount and market.rates[TAKER] == command.ceiling:
        return NOTHING_CHANGES
    market.rates[MAKER] = command.amount
    market.rates[TAKER] = command.ceiling
    event: EventPtr = emit_clear(core, MARKET_FEES_SET, market.market_id)
    event.body[0] = command.amount
    event.body[1] = command.ceiling
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def meets(state: i64) -> cython.bint:
    """Whether orders meet in this state: `engine.kernel.states.MATCHING`."""
    return state in (TRADING, POST_ONLY, LIMIT_ONLY)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_market_state(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    if market.state == command.quantity:
        return NOTHING_CHANGES
    if market.state == DELISTED:
        return MARKET_DELISTED
    index: u32 = find_market(core, market.market_id)
    old_state: u32 = market.state
    forget_pause(core, market)
    picked: Picked
    picked.market = index
    picked.user = picked.side = picked.is_owner = 0
    if command.quantity == DELISTED and not pick_orders(core, cython.address(picked)):
        return OK
    if command.quantity == HALT:
        stand_still(core, index)
    elif old_state == HALT and not reserve_timers(core, core.extra_top):
        core.is_out_of_memory = 1
        return OK
    if meets(command.quantity) and not reserve_for_uncross(core):
        return OK
    enter_state(market, cython.cast(u32, command.quantity))
    emit_clear(core, MARKET_STATE_SET, market.market_id).body[0] = command.quantity
    if old_state == HALT:
        go_on(core, index)
    if meets(command.quantity) and not meets(old_state):
        uncross(core, index, old_state == AUCTION)
    if command.quantity == DELISTED:
        cancel_picked(core, cython.address(picked), BY_OPERATOR, MARKET_STATE)
    return OK
