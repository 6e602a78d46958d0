# mypy: ignore-errors
"""How orders meet in the compiled kernel: fills, sweeps, and the end of an order.

Invariant: a trade is at the maker's price, makers in price-time priority; what leaves one account
arrives in others (trader or house) within the same fill.
"""

import cython

from engine.kernel.codes import AUCTION, DONE, MAKER_DONE, PARKED, TRADE
from engine.kernel.compiled.accounts import credit, lock, spend
from engine.kernel.compiled.crossing import match_with_care, survey_with_care
from engine.kernel.compiled.events import emit, emit_changed
from engine.kernel.compiled.extras import drop_extra
from engine.kernel.compiled.fees import capped_hold, due_fee, hold_price, notional_of, sum_of
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
    u64,
)
from engine.kernel.compiled.levels import best_level, close_level, dequeue, key_of, side_of
from engine.kernel.compiled.list_life import note_fill
from engine.kernel.compiled.parking import note_price, unpark
from engine.kernel.compiled.symbols import MAKER, NO_KEY, TAKER, TRAIT_EXTRA, TRAIT_LIST
from engine.kernel.compiled.tables import remove
from engine.kernel.compiled.texts import has_text, text_key


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def limit_key(order: OrderPtr) -> i64:
    """Return the lowest key on the opposite side that the order may hit (no price: any)."""
    return key_of(not order.is_bid, order.price) if order.price else NO_KEY + 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_crossing(core: CorePtr, order: OrderPtr) -> cython.bint:
    """Whether it would meet something within its price; in an auction nothing meets."""
    market: MarketPtr = core.markets + order.market
    return market.sides[not order.is_bid].best_key >= limit_key(order) and market.state != AUCTION


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def free_order(core: CorePtr, index: u32) -> cython.void:
    """Give back an order that has ended and is in no level, and free its ids."""
    order: OrderPtr = core.orders + index
    if order.traits & TRAIT_EXTRA:
        drop_extra(core, index)
    if order.is_listed:
        terms: TermsPtr = core.terms + index
        remove(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
        if has_text(terms.text):
            remove(cython.address(core.text_table), text_key(order.user, terms.text), index)
    order.next = core.order_free
    core.order_free = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def note_legs(core: CorePtr, taker_index: u32, maker_index: u32) -> cython.void:
    """Note of those of two orders that are legs of a list that they have traded."""
    if core.orders[taker_index].traits & TRAIT_LIST:
        note_fill(core, taker_index)
    if core.orders[maker_index].traits & TRAIT_LIST:
        note_fill(core, maker_index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def take_out(core: CorePtr, index: u32) -> u32:
    """Take an open order away from where it rests or waits; return the flags of its next event."""
    if core.orders[index].traits & TRAIT_EXTRA and unpark(core, index):
        return PARKED
    dequeue(core, index)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_order(core: CorePtr, index: u32, kind: u32, flags: u32, reason: u32) -> cython.void:
    """End an order that is no longer in the book: return its reserve, say so, free its ids."""
    order: OrderPtr = core.orders + index
    removed_lots: i64 = order.leaves
    lock(core, held_account(core, index), -order.reserved)
    order.leaves = 0
    order.reserved = 0
    emit_changed(core, kind, order, removed_lots, flags | DONE, reason)
    free_order(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fit_reserve(core: CorePtr, index: u32) -> cython.void:
    """Return what an order need not hold any more, now that it has fewer lots to trade."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    reserve: i64 = order.reserved
    if not order.is_bid:
        reserve = order.leaves * market.lot_atoms
    elif not order.leaves:
        reserve = 0
    elif hold_price(order):
        reserve = capped_hold(market, order, core.terms + index, reserve)
    lock(core, held_account(core, index), reserve - order.reserved)
    order.reserved = reserve


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def held_account(core: CorePtr, index: u32) -> u32:
    """Return the account in which an order's reserve is locked."""
    terms: TermsPtr = core.terms + index
    return terms.quote_account if core.orders[index].is_bid else terms.base_account


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def settle_bid(core: CorePtr, index: u32, role: u32, notional: i64, lots: i64) -> i64:
    """Pay for a bid's fill out of its reserve, release what it needs no more, return its fee."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    market: MarketPtr = core.markets + order.market
    received: i64 = lots * market.lot_atoms
    cost: i64 = notional
    fee: i64
    if market.is_fee_in_quote:
        must_keep: i64 = order.leaves * hold_price(order) * market.tick_lot_atoms
        fee = due_fee(
            core, market, terms, role, notional, lots, order.reserved - notional - must_keep
        )
        cost += fee
        credit(core, market.house_quote, fee)
        credit(core, terms.base_account, received)
    else:
        fee = due_fee(core, market, terms, role, received, lots, received)
        credit(core, market.house_base, fee)
        credit(core, terms.base_account, received - fee)
    left: i64 = order.reserved - cost
    reserve: i64 = left
    if not order.leaves:
        reserve = 0
    elif hold_price(order):
        reserve = capped_hold(market, order, terms, left)
    spend(core, terms.quote_account, cost)
    lock(core, terms.quote_account, reserve - left)
    order.reserved = reserve
    return fee


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def settle_ask(core: CorePtr, index: u32, role: u32, notional: i64, lots: i64) -> i64:
    """Deliver an ask's lots out of its reserve, credit the proceeds, return its fee."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    market: MarketPtr = core.markets + order.market
    delivered: i64 = lots * market.lot_atoms
    fee: i64 = due_fee(core, market, terms, role, notional, lots, notional)
    spend(core, terms.base_account, delivered)
    order.reserved -= delivered
    credit(core, terms.quote_account, notional - fee)
    credit(core, market.house_quote, fee)
    return fee


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fill(core: CorePtr, taker_index: u32, maker_index: u32, lots: i64) -> cython.void:
    """Trade one maker's lots at its price."""
    fill_at(core, taker_index, maker_index, lots, core.orders[maker_index].price, TAKER)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def fill_at(
    core: CorePtr, taker_index: u32, maker_index: u32, lots: i64, price: i64, taker_role: u32
) -> cython.void:
    """Trade lots at a price: move the money, then say so in a TRADE.

    The taker pays first: his fee may pay the maker's rebate.
    """
    taker: OrderPtr = core.orders + taker_index
    maker: OrderPtr = core.orders + maker_index
    market: MarketPtr = core.markets + taker.market
    notional: i64 = lots * price * market.tick_lot_atoms
    taker_fee: i64
    maker_fee: i64
    taker.leaves -= lots
    maker.leaves -= lots
    if (taker.traits | maker.traits) & TRAIT_LIST:
        note_legs(core, taker_index, maker_index)
    if taker.is_bid:
        taker_fee = settle_bid(core, taker_index, taker_role, notional, lots)
        maker_fee = settle_ask(core, maker_index, MAKER, notional, lots)
    else:
        taker_fee = settle_ask(core, taker_index, taker_role, notional, lots)
        maker_fee = settle_bid(core, maker_index, MAKER, notional, lots)
    market.last_trade_id += 1
    if market.parked_count and price != market.last_price:
        note_price(core, taker.market, price)
    market.last_price = price
    flags: u32 = taker.is_bid
    if not taker.leaves:
        flags |= DONE
    if not maker.leaves:
        flags |= MAKER_DONE
    event: EventPtr = emit(core, TRADE, flags, 0, market.market_id)
    event.body[0] = market.last_trade_id
    event.body[1] = maker.order_id
    event.body[2] = taker.order_id
    event.body[3] = core.users[maker.user].user_id
    event.body[4] = core.users[taker.user].user_id
    event.body[5] = price
    event.body[6] = lots
    event.body[7] = maker_fee
    event.body[8] = taker_fee
    event.body[9] = maker.reserved
    event.body[10] = taker.reserved
    event.body[11] = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_level(core: CorePtr, taker_index: u32, level: LevelPtr) -> cython.void:
    """Trade with a level's orders, first to last, until it or the taker has nothing left."""
    taker: OrderPtr = core.orders + taker_index
    while taker.leaves and level.first:
        maker_index: u32 = level.first
        maker: OrderPtr = core.orders + maker_index
        lots: i64 = lower(taker.leaves, maker.leaves)
        fill(core, taker_index, maker_index, lots)
        level.lots -= lots
        if not maker.leaves:
            level.first = maker.next
            level.count -= 1
            if maker.next:
                core.orders[maker.next].prev = 0
            else:
                level.last = 0
            free_order(core, maker_index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def match(core: CorePtr, taker_index: u32) -> cython.void:
    """Trade until the taker has ended (it is then given back) or nothing is within its price."""
    taker: OrderPtr = core.orders + taker_index
    opposite: BookSidePtr = side_of(core, taker.market, not taker.is_bid)
    worst_key: i64 = limit_key(taker)
    if taker.traits or core.markets[taker.market].cares:
        match_with_care(core, taker_index, worst_key)
        return
    while taker.leaves and opposite.best_key >= worst_key:
        index: u32 = best_level(core, opposite)
        take_level(core, taker_index, core.levels + index)
        if not core.levels[index].count:
            close_level(core, opposite, index, opposite.best_key)
    if not taker.leaves:
        free_order(core, taker_index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def survey(core: CorePtr, index: u32, sweep: SweepPtr) -> cython.void:
    """Look ahead at what an order would take, best level first; change nothing."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    side: BookSidePtr = side_of(core, order.market, not order.is_bid)
    worst_key: i64 = limit_key(order)
    if order.traits or market.cares:
        survey_with_care(core, index, worst_key, sweep)
        return
    sweep.lots = sweep.notional = 0
    sweep.events = 0
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            place -= 1
            if chunk.keys[place] < worst_key or sweep.lots == order.leaves:
                return
            level: LevelPtr = core.levels + chunk.levels[place]
            lots: i64 = lower(order.leaves - sweep.lots, level.lots)
            sweep.lots += lots
            sweep.events += level.count
            sweep.notional = sum_of(sweep.notional, notional_of(market, level.price, lots))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def lower(first: i64, second: i64) -> i64:
    return first if first < second else second
