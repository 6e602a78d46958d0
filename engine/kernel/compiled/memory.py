# mypy: ignore-errors
"""Where the kernel's memory comes from: pools that grow between commands, never within one.

`reserve_slice` is called before each slice of a batch with the most that slice can use; events,
whose number only a command itself can tell, are reserved by that command before it changes
anything. Invariant: no allocation happens between the first and the last change of a command.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free, realloc

from engine.kernel.codes import REQUEST_WINDOW
from engine.kernel.compiled.layout import (
    AccountPtr,
    AssetPtr,
    BusinessId,
    BusinessIdPtr,
    ChunkPtr,
    CorePtr,
    EventPtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    QuotePtr,
    RememberedPtr,
    TermsPtr,
    UserPtr,
    u8,
    u32,
    u64,
)
from engine.kernel.compiled.symbols import (
    EVENTS_PER_COMMAND,
    POOL_ITEMS_MIN,
    SLICE_COMMANDS,
    TABLE_SLOTS_MIN,
    WINDOW_ITEMS_MIN,
)
from engine.kernel.compiled.tables import mix, reserve_table


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def grown_capacity(capacity: u64, needed: u64) -> u64:
    """Return the capacity to grow to: at least half as much again, so that growth is rare."""
    wanted: u64 = capacity + capacity // 2
    if wanted < POOL_ITEMS_MIN:
        wanted = POOL_ITEMS_MIN
    return wanted if wanted > needed else needed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_events(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for so many more events of this batch. False, nothing changed, if memory ends.

    Beyond them there is always room for what the rest of a slice causes without asking again.
    """
    needed: u64 = core.event_count + extra + SLICE_COMMANDS * EVENTS_PER_COMMAND
    if needed <= core.event_capacity:
        return True
    capacity: u64 = grown_capacity(core.event_capacity, needed)
    memory: cython.p_void = realloc(core.events, capacity * cython.sizeof(core.events[0]))
    if not memory:
        core.is_out_of_memory = 1
        return False
    core.events = cython.cast(EventPtr, memory)
    core.event_capacity = capacity
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_orders(core: CorePtr, extra: u64) -> cython.bint:
    needed: u64 = core.order_top + extra
    if needed <= core.order_capacity:
        return True
    capacity: u64 = grown_capacity(core.order_capacity, needed)
    memory: cython.p_void = realloc(core.orders, capacity * cython.sizeof(core.orders[0]))
    if not memory:
        return False
    core.orders = cython.cast(OrderPtr, memory)
    memory = realloc(core.terms, capacity * cython.sizeof(core.terms[0]))
    if not memory:
        return False
    core.terms = cython.cast(TermsPtr, memory)
    core.order_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_levels(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for new levels, and as many chunks: each new level can split one chunk."""
    needed: u64 = core.level_top + extra
    if needed > core.level_capacity:
        capacity: u64 = grown_capacity(core.level_capacity, needed)
        memory: cython.p_void = realloc(core.levels, capacity * cython.sizeof(core.levels[0]))
        if not memory:
            return False
        core.levels = cython.cast(LevelPtr, memory)
        core.level_capacity = cython.cast(u32, capacity)
    needed = core.chunk_top + extra
    if needed > core.chunk_capacity:
        capacity = grown_capacity(core.chunk_capacity, needed)
        memory = realloc(core.chunks, capacity * cython.sizeof(core.chunks[0]))
        if not memory:
            return False
        core.chunks = cython.cast(ChunkPtr, memory)
        core.chunk_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_accounts(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for new accounts, and for noting every account as touched once."""
    needed: u64 = core.account_top + extra
    if needed <= core.account_capacity:
        return True
    capacity: u64 = grown_capacity(core.account_capacity, needed)
    memory: cython.p_void = realloc(core.accounts, capacity * cython.sizeof(core.accounts[0]))
    if not memory:
        return False
    core.accounts = cython.cast(AccountPtr, memory)
    memory = realloc(core.touched, capacity * cython.sizeof(core.touched[0]))
    if not memory:
        return False
    core.touched = cython.cast(cython.pointer(u32), memory)
    core.account_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_users(core: CorePtr, extra: u64) -> cython.bint:
    needed: u64 = core.user_top + extra
    if needed <= core.user_capacity:
        return True
    capacity: u64 = grown_capacity(core.user_capacity, needed)
    memory: cython.p_void = realloc(core.users, capacity * cython.sizeof(core.users[0]))
    if not memory:
        return False
    core.users = cython.cast(UserPtr, memory)
    core.user_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_markets(core: CorePtr) -> cython.bint:
    """Make room for one more market."""
    if core.market_top < core.market_capacity:
        return True
    capacity: u64 = grown_capacity(core.market_capacity, core.market_top + 1)
    memory: cython.p_void = realloc(core.markets, capacity * cython.sizeof(core.markets[0]))
    if not memory:
        core.is_out_of_memory = 1
        return False
    core.markets = cython.cast(MarketPtr, memory)
    core.market_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_assets(core: CorePtr) -> cython.bint:
    """Make room for one more asset."""
    if core.asset_top < core.asset_capacity:
        return True
    capacity: u64 = grown_capacity(core.asset_capacity, core.asset_top + 1)
    memory: cython.p_void = realloc(core.assets, capacity * cython.sizeof(core.assets[0]))
    if not memory:
        core.is_out_of_memory = 1
        return False
    core.assets = cython.cast(AssetPtr, memory)
    core.asset_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def business_slot(core: CorePtr, low: u64, high: u64) -> BusinessIdPtr:
    """Return the slot that holds a business id, or the free one where it belongs."""
    place: u64 = mix(low ^ mix(high)) & core.business_mask
    slot: BusinessIdPtr = core.business + place
    while slot.first_event_seq and (slot.request_low != low or slot.request_high != high):
        place = (place + 1) & core.business_mask
        slot = core.business + place
    return slot


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_business(core: CorePtr, extra: u64) -> cython.bint:
    size: u64 = core.business_mask + 1 if core.business else 0
    wanted: u64 = size if size else TABLE_SLOTS_MIN
    while (core.business_count + extra) * 2 > wanted:
        wanted *= 2
    if wanted == size:
        return True
    old: BusinessIdPtr = core.business
    memory: cython.p_void = calloc(wanted, cython.sizeof(BusinessId))
    if not memory:
        return False
    core.business = cython.cast(BusinessIdPtr, memory)
    core.business_mask = wanted - 1
    place: u64
    for place in range(size):
        if old[place].first_event_seq:
            business_slot(core, old[place].request_low, old[place].request_high)[0] = old[place]
    free(old)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_quotes(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for the quotes of so many more users in a market."""
    needed: u64 = core.quote_top + extra
    if needed > core.quote_capacity:
        capacity: u64 = grown_capacity(core.quote_capacity, needed)
        memory: cython.p_void = realloc(core.quotes, capacity * cython.sizeof(core.quotes[0]))
        if not memory:
            core.is_out_of_memory = 1
            return False
        core.quotes = cython.cast(QuotePtr, memory)
        core.quote_capacity = cython.cast(u32, capacity)
    if not reserve_table(cython.address(core.quote_table), extra):
        core.is_out_of_memory = 1
        return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_window(core: CorePtr, user: UserPtr) -> cython.bint:
    """Make room for one more remembered request, unless the window has its full size already."""
    if user.window_count < user.window_capacity or user.window_capacity == REQUEST_WINDOW:
        return True
    capacity: u32 = user.window_capacity * 2 if user.window_capacity else WINDOW_ITEMS_MIN
    memory: cython.p_void = realloc(user.window, capacity * cython.sizeof(user.window[0]))
    if not memory:
        core.is_out_of_memory = 1
        return False
    user.window = cython.cast(RememberedPtr, memory)
    user.window_capacity = cython.cast(u8, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_slice(
    core: CorePtr, commands: u64, user_adds: u64, money: u64, legs: u64
) -> cython.bint:
    """Make room for whatever so many commands may store. False if memory ends: nothing changed.

    `legs`: those of drafts, each of which may open an account.
    """
    return (
        reserve_events(core, 0)
        and reserve_orders(core, commands)
        and reserve_levels(core, commands)
        and reserve_accounts(core, commands * 2 + legs)
        and reserve_users(core, user_adds)
        and reserve_business(core, money)
        and reserve_table(cython.address(core.order_table), commands)
        and reserve_table(cython.address(core.text_table), commands)
        and reserve_table(cython.address(core.account_table), commands * 2 + legs)
        and reserve_table(cython.address(core.user_table), user_adds)
    )
