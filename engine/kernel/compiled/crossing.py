# mypy: ignore-errors

"""How orders meet where more than price and time decides: self-trade prevention, icebergs.

Only takers that have a trait, or that meet icebergs, come here; so it costs the others nothing.
Invariant: an order with a mode of prevention never trades as a taker with one of its own user or
trade group; what `survey_with_care` foresees is what `match_with_care` then does.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    DECREMENT,
    DONE,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    INT64_MAX,
    ORDER_EXPIRED,
    ORDER_PREVENTED,
    PPM,
    SLIPPAGE,
    STP,
    VOLATILITY,
)
from engine.kernel.compiled.accounts import lock
from engine.kernel.compiled.bands import banded_key, pause, reserve_for_pause, volatility_key
from engine.kernel.compiled.events import emit, emit_changed
from engine.kernel.compiled.fees import notional_of, product, sum_of
from engine.kernel.compiled.icebergs import (
    fit_shown,
    offered_lots,
    send_back,
    shown_lots,
    use_shown,
)
from engine.kernel.compiled.layout import (
    BookSidePtr,
    ChunkPtr,
    CorePtr,
    EventPtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    SweepPtr,
    TermsPtr,
    i64,
    u32,
)
from engine.kernel.compiled.levels import best_level, close_level, side_of
from engine.kernel.compiled.list_life import note_fill
from engine.kernel.compiled.matching import (
    fill,
    fit_reserve,
    free_order,
    held_account,
    lower,
)
from engine.kernel.compiled.symbols import TAKER, TRAIT_AMOUNT, TRAIT_ICEBERG, TRAIT_LIST, TRAIT_STP


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_self_trade(core: CorePtr, taker: OrderPtr, maker: OrderPtr) -> cython.bint:
    """Whether the taker has a mode of prevention and the maker is of its user or trade group."""
    if not taker.traits & TRAIT_STP:
        return False
    if taker.user == maker.user:
        return True
    group: i64 = core.users[taker.user].trade_group
    return group != 0 and group == core.users[maker.user].trade_group


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def match_with_care(core: CorePtr, taker_index: u32, worst_key: i64) -> cython.void:
    """As `match`, one meeting at a time."""
    taker: OrderPtr = core.orders + taker_index
    opposite: BookSidePtr = side_of(core, taker.market, not taker.is_bid)
    own_key: i64 = worst_key
    volatile_key: i64 = worst_key
    if core.markets[taker.market].has_bands:
        volatile_key = volatility_key(core, taker)
        worst_key = banded_key(core, taker, worst_key)
    while taker.leaves and opposite.best_key >= worst_key:
        index: u32 = best_level(core, opposite)
        level: LevelPtr = core.levels + index
        if is_self_trade(core, taker, core.orders + level.first):
            prevent(core, taker_index, level)
        else:
            trade_with_first(core, taker_index, level)
        if not level.count:
            close_level(core, opposite, index, opposite.best_key)
    if taker.leaves and worst_key != own_key and opposite.best_key >= own_key:
        stop_at_band(core, taker_index, opposite.best_key < volatile_key)
    if not taker.leaves:
        free_order(core, taker_index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stop_at_band(core: CorePtr, taker_index: u32, is_volatile: cython.bint) -> cython.void:
    """End a taker that only a band keeps from trading on, and pause the market if it must."""
    expire(core, taker_index, VOLATILITY if is_volatile else SLIPPAGE)
    if is_volatile:
        pause(core, core.orders[taker_index].market)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def trade_with_first(core: CorePtr, taker_index: u32, level: LevelPtr) -> cython.void:
    maker_index: u32 = level.first
    lots: i64 = lower(core.orders[taker_index].leaves, shown_lots(core, maker_index))
    fill(core, taker_index, maker_index, lots)
    level.lots -= lots
    refilled: i64 = use_shown(core, maker_index, lots)
    core.events[core.event_count - 1].body[11] = refilled
    leave_first(core, level, refilled)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def leave_first(core: CorePtr, level: LevelPtr, refilled: i64) -> cython.void:
    """Give a level's first order back if it has ended, or send it back with a new tranche."""
    index: u32 = level.first
    if not core.orders[index].leaves:
        drop_first(core, level)
        free_order(core, index)
    elif refilled:
        send_back(core, level)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_first(core: CorePtr, level: LevelPtr) -> cython.void:
    """Take the first order out of its level's queue."""
    first: OrderPtr = core.orders + level.first
    level.first = first.next
    level.count -= 1
    if first.next:
        core.orders[first.next].prev = 0
    else:
        level.last = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def prevent(core: CorePtr, taker_index: u32, level: LevelPtr) -> cython.void:
    """Do what the taker's mode says instead of a trade with the level's first order.

    A taker that ends is left without leaves for `match_with_care` to give back.
    """
    mode: u32 = core.orders[taker_index].traits & TRAIT_STP
    maker_index: u32 = level.first
    if mode == DECREMENT:
        decrement(core, taker_index, level)
        return
    if mode != EXPIRE_TAKER:
        level.lots -= core.orders[maker_index].leaves
        drop_first(core, level)
        expire(core, maker_index, STP)
        free_order(core, maker_index)
    if mode != EXPIRE_MAKER:
        expire(core, taker_index, STP)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def expire(core: CorePtr, index: u32, reason: u32) -> cython.void:
    """End an order where it meets others, without giving it back yet."""
    order: OrderPtr = core.orders + index
    removed_lots: i64 = order.leaves
    lock(core, held_account(core, index), -order.reserved)
    order.leaves = 0
    order.reserved = 0
    emit_changed(core, ORDER_EXPIRED, order, removed_lots, DONE, reason)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def decrement(core: CorePtr, taker_index: u32, level: LevelPtr) -> cython.void:
    """Take off both orders what they would have traded."""
    maker_index: u32 = level.first
    maker: OrderPtr = core.orders + maker_index
    taker: OrderPtr = core.orders + taker_index
    was_shown: i64 = shown_lots(core, maker_index)
    lots: i64 = lower(taker.leaves, was_shown)
    level.lots -= lots
    take_off(core, maker_index, lots, taker.order_id, level.price)
    refilled: i64 = use_shown(core, maker_index, lots)
    if maker.traits & TRAIT_ICEBERG:
        tell_shown(core, was_shown, shown_lots(core, maker_index))
    was_shown = lower(shown_lots(core, taker_index), taker.leaves)
    take_off(core, taker_index, lots, maker.order_id, level.price)
    if taker.traits & TRAIT_ICEBERG:
        fit_shown(core, taker_index)
        if taker.is_listed:
            tell_shown(core, was_shown, shown_lots(core, taker_index))
    leave_first(core, level, refilled)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tell_shown(core: CorePtr, was_shown: i64, shown: i64) -> cython.void:
    """Write into the last event what the book shows of an iceberg before and after it."""
    core.events[core.event_count - 1].body[6] = was_shown
    core.events[core.event_count - 1].body[7] = shown


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_off(core: CorePtr, index: u32, lots: i64, other_id: i64, price: i64) -> cython.void:
    order: OrderPtr = core.orders + index
    order.leaves -= lots
    fit_reserve(core, index)
    if order.traits & TRAIT_LIST and order.leaves:
        note_fill(core, index)
    flags: u32 = order.is_bid
    if not order.leaves:
        flags |= DONE
    event: EventPtr = emit(core, ORDER_PREVENTED, flags, STP, core.markets[order.market].market_id)
    memset(event.body, 0, cython.sizeof(event.body))
    event.body[0] = order.order_id
    event.body[1] = core.users[order.user].user_id
    event.body[2] = order.price
    event.body[3] = lots
    event.body[4] = order.leaves
    event.body[5] = order.reserved
    event.body[8] = other_id
    event.body[9] = price


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def survey_with_care(core: CorePtr, index: u32, worst_key: i64, sweep: SweepPtr) -> cython.void:
    """As `survey`, one meeting at a time: own orders that are removed count for nothing.

    A MARKET order by amount wants as many lots as `sweep.amount` is worth.
    """
    order: OrderPtr = core.orders + index
    side: BookSidePtr = side_of(core, order.market, not order.is_bid)
    sweep.lots = sweep.notional = sweep.quantity = 0
    sweep.events = 0
    sweep.wanted = INT64_MAX if order.traits & TRAIT_AMOUNT else order.leaves
    if core.markets[order.market].has_bands:
        reserve_for_pause(core)
        worst_key = banded_key(core, order, worst_key)
    if order.traits & TRAIT_AMOUNT and order.is_bid:
        sweep.amount = without_fee(core.markets + order.market, core.terms + index, sweep.amount)
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            place -= 1
            if chunk.keys[place] < worst_key or not sweep.wanted:
                return
            survey_level(core, index, core.levels + chunk.levels[place], sweep)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def survey_level(core: CorePtr, taker_index: u32, level: LevelPtr, sweep: SweepPtr) -> cython.void:
    """Look ahead at one level; `sweep.wanted` is 0 if the taker ends there."""
    taker: OrderPtr = core.orders + taker_index
    market: MarketPtr = core.markets + taker.market
    cost: i64 = 0
    if taker.traits & TRAIT_AMOUNT:
        cost = cost_of_lot(market, core.terms + taker_index, taker.is_bid, level.price)
    turn: i64 = 0
    while sweep.wanted and survey_turn(core, taker_index, level, cost, turn, sweep):
        turn += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def survey_turn(
    core: CorePtr, taker_index: u32, level: LevelPtr, cost: i64, turn: i64, sweep: SweepPtr
) -> cython.bint:
    """Go once through a level's queue; whether an order may have another tranche behind it."""
    taker: OrderPtr = core.orders + taker_index
    market: MarketPtr = core.markets + taker.market
    mode: u32 = taker.traits & TRAIT_STP
    has_more: cython.bint = False
    index: u32 = level.first
    while index and sweep.wanted:
        maker_index: u32 = index
        maker: OrderPtr = core.orders + maker_index
        index = maker.next
        lots: i64 = lower(sweep.wanted, offered_lots(core, maker_index, turn))
        if not lots:
            continue
        has_more = has_more or (maker.traits & TRAIT_ICEBERG) != 0
        if cost:
            lots = lower(lots, lots_for_amount(sweep.amount, cost, taker.is_bid))
            if not lots:
                sweep.wanted = 0
                return False
        sweep.events += 2
        is_own: cython.bint = is_self_trade(core, taker, maker)
        if is_own and mode == EXPIRE_MAKER:
            continue
        sweep.quantity += lots
        if is_own and mode != DECREMENT:
            sweep.wanted = 0
            return False
        sweep.wanted -= lots
        if cost:
            sweep.amount = amount_left(sweep.amount, cost, lots)
        if not is_own:
            sweep.lots += lots
            sweep.notional = sum_of(sweep.notional, notional_of(market, level.price, lots))
    return has_more


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def without_fee(market: MarketPtr, terms: TermsPtr, amount: i64) -> i64:
    """Return what a bid may spend on prices alone if it is to spend so much with the fee (rule 6).

    A fee per lot is part of a lot's cost instead. No step leaves 64 bits.
    """
    if not market.is_fee_in_quote or market.is_fee_per_lot:
        return amount
    whole: i64 = PPM + terms.rates[TAKER]
    return amount // whole * PPM + amount % whole * PPM // whole


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cost_of_lot(market: MarketPtr, terms: TermsPtr, is_bid: u32, price: i64) -> i64:
    """Return what one lot takes of an amount; INT64_MAX if that leaves 64 bits."""
    cost: i64 = notional_of(market, price, 1)
    if is_bid and market.is_fee_per_lot:
        cost = sum_of(cost, terms.rates[TAKER])
    return cost if cost > 0 else INT64_MAX


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def lots_for_amount(amount: i64, cost: i64, is_bid: u32) -> i64:
    """Return the most lots that can be bought, or the least to be sold, for an amount."""
    lots: i64 = amount // cost
    if not is_bid and amount % cost:
        lots += 1
    return lots


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amount_left(amount: i64, cost: i64, lots: i64) -> i64:
    used: i64 = product(lots, cost)
    return amount - used if 0 <= used < amount else 0
