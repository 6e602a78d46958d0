# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""From the canonical state back to the compiled kernel's memory.

What is not in the state is derived from it, as `engine.kernel.reference.restoring` explains: all
accounts of an asset that was touched since the last checkpoint count as touched, and what they
counted for then is spread over them so that the sums are right. Invariant: the rows that `rows`
and `packing` give afterwards are, byte for byte, those that were read.
"""

import cython
from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython.cimports.libc.stdlib import malloc
from cython.cimports.libc.string import memcpy, memset

from engine.kernel import state
from engine.kernel.codes import (
    ACTIVE,
    ASSET_ID_MAX,
    FEE_IN_QUOTE,
    FEE_PER_LOT,
    HOUSE_USER_ID,
    REQUEST_WINDOW,
    SESSION_CLOSED,
    TEXT_BYTES,
    TIMER_DEADMAN,
    TIMER_SESSION,
    WAIT_DUE,
    WAIT_STOP,
    WAIT_TRAIL,
)
from engine.kernel.compiled.accounts import find_account, open_account, touch
from engine.kernel.compiled.blake2 import add_to_sum, sum_as_int
from engine.kernel.compiled.checkpoint import DIGEST_MODULUS, WORD_MASK, counts, hash_account
from engine.kernel.compiled.extras import (
    arm_expiry,
    extra_of,
    find_watch,
    reserve_extras,
    take_extra,
)
from engine.kernel.compiled.funds import open_user
from engine.kernel.compiled.gates import enter_state
from engine.kernel.compiled.icebergs import begin_iceberg
from engine.kernel.compiled.layout import (
    AccountPtr,
    AssetPtr,
    BookSidePtr,
    BusinessIdPtr,
    CorePtr,
    ExtraPtr,
    Market,
    MarketPtr,
    OrderListPtr,
    OrderPtr,
    RememberedPtr,
    TermsPtr,
    UserPtr,
    WatchPtr,
    WordPtr,
    i64,
    u8,
    u32,
    u64,
)
from engine.kernel.compiled.levels import enqueue, reserve_section, side_of
from engine.kernel.compiled.list_life import find_list
from engine.kernel.compiled.listing import upper_bound
from engine.kernel.compiled.lists import reserve_lists, take_list
from engine.kernel.compiled.lookups import find_asset, find_market, find_order, find_user
from engine.kernel.compiled.memory import (
    business_slot,
    reserve_accounts,
    reserve_assets,
    reserve_business,
    reserve_levels,
    reserve_markets,
    reserve_orders,
    reserve_users,
)
from engine.kernel.compiled.parking import (
    count_parked,
    follow_price,
    is_rising,
    make_due,
    wait_for_stop,
)
from engine.kernel.compiled.symbols import (
    ACCOUNT_WORDS,
    BUSINESS_WORDS,
    GATE_SUSPENDED,
    HOUSE,
    LIST_WORDS,
    MAKER,
    NO_KEY,
    ORDER_WORDS,
    TAKER,
    TERMS_WORDS,
    TRAIT_EXTRA,
    TRAIT_LIST,
    USER_WORDS,
    WATCH_WORDS,
    WINDOW_ITEMS_MIN,
    WINDOW_WORDS,
    WORD_BYTES,
)
from engine.kernel.compiled.tables import insert, reserve_table
from engine.kernel.compiled.texts import has_text, text_key
from engine.kernel.compiled.timers import arm_timer, timer_key
from engine.kernel.compiled.timing import reserve_watch, take_watch


@cython.cfunc
def row_count_of(packed: bytes, words: u64) -> u64:
    return PyBytes_GET_SIZE(packed) // (words * WORD_BYTES)


@cython.cfunc
def rows_at(packed: bytes) -> WordPtr:
    return cython.cast(WordPtr, PyBytes_AS_STRING(packed))


@cython.cfunc
def refuse_row(name: object, place: u64) -> object:
    return state.StateError(f"row {place + 1} of {name} does not fit what stands before it")


@cython.cfunc
def copy_bytes(target: cython.pointer(u64), text: bytes) -> cython.void:
    memcpy(target, PyBytes_AS_STRING(text), TEXT_BYTES)


@cython.cfunc
def restore_asset(core: CorePtr, row: object) -> cython.bint:
    """Add an asset; return whether an account of it was touched since the last checkpoint."""
    if not reserve_assets(core):
        raise MemoryError("no memory for one more asset")
    if not 0 < row.asset_id <= ASSET_ID_MAX or find_asset(core, row.asset_id):
        raise refuse_row("assets", core.asset_top - 1)
    asset: AssetPtr = core.assets + core.asset_top
    asset.asset_id = row.asset_id
    asset.decimals = row.decimals
    asset.max_total = row.max_total_atoms
    asset.first_event_seq = row.first_event_seq
    asset.fingerprint = row.fingerprint
    asset.held = row.held_atoms
    asset.deposited = row.deposited_atoms
    asset.withdrawn = row.withdrawn_atoms
    asset.adjusted = row.adjusted_atoms
    copy_bytes(asset.text, row.text)
    core.asset_of_id[asset.asset_id] = core.asset_top
    core.asset_top += 1
    return row.touched != 0


@cython.cfunc
def restore_users(core: CorePtr, packed: bytes, windows: bytes) -> object:
    count: u64 = row_count_of(packed, USER_WORDS)
    left: u64 = row_count_of(windows, WINDOW_WORDS)
    words: WordPtr = rows_at(packed)
    window: WordPtr = rows_at(windows)
    if not reserve_users(core, count) or not reserve_table(cython.address(core.user_table), count):
        raise MemoryError(f"no memory for {count} users")
    place: u64
    for place in range(count):
        index: u32 = restore_user(core, words)
        if not index or cython.cast(u64, words[3]) > left or words[3] > REQUEST_WINDOW:
            raise refuse_row("users", place)
        if not restore_window(core.users + index, window, cython.cast(u32, words[3])):
            raise MemoryError("no memory for remembered requests")
        window += words[3] * WINDOW_WORDS
        left -= words[3]
        words += USER_WORDS
    if left:
        raise state.StateError(f"{left} remembered requests are nobody's")
    return None


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def restore_user(core: CorePtr, words: WordPtr) -> u32:
    """Add a user and return the index, 0 if he is there already; the house always is."""
    index: u32 = HOUSE
    if words[0] != HOUSE_USER_ID:
        if find_user(core, words[0]):
            return 0
        index = core.user_top
        open_user(core, words[0], words[2])
        insert(cython.address(core.user_table), cython.cast(u64, words[0]), index)
    core.users[index].status = cython.cast(u8, words[1])
    if words[1] != ACTIVE:
        core.users[index].gate |= GATE_SUSPENDED
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def restore_window(user: UserPtr, words: WordPtr, count: u32) -> cython.bint:
    if not count:
        return True
    capacity: u32 = WINDOW_ITEMS_MIN
    while capacity < count:
        capacity *= 2
    user.window = cython.cast(RememberedPtr, malloc(capacity * cython.sizeof(user.window[0])))
    if not user.window:
        return False
    user.window_capacity = cython.cast(u8, capacity)
    user.window_count = cython.cast(u8, count)
    age: u32
    for age in range(count):
        entry: RememberedPtr = user.window + age
        entry.request_low = cython.cast(u64, words[0])
        entry.request_high = cython.cast(u64, words[1])
        entry.fingerprint = cython.cast(u64, words[2])
        entry.order_id = words[3]
        entry.first_event_seq = words[4]
        entry.reason = words[5]
        words += WINDOW_WORDS
    return True


@cython.cfunc
def restore_accounts(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, ACCOUNT_WORDS)
    words: WordPtr = rows_at(packed)
    table_room: cython.bint = reserve_table(cython.address(core.account_table), count)
    if not table_room or not reserve_accounts(core, count):
        raise MemoryError(f"no memory for {count} accounts")
    place: u64
    for place in range(count):
        user: u32 = HOUSE if words[0] == HOUSE_USER_ID else find_user(core, words[0])
        if not user or not find_asset(core, words[1]):
            raise refuse_row("accounts", place)
        account: AccountPtr = core.accounts + open_account(core, user, cython.cast(u32, words[1]))
        account.available = words[2]
        account.locked = words[3]
        words += ACCOUNT_WORDS
    if core.account_top - 1 != count:
        raise state.StateError(f"{count} rows of accounts name {core.account_top - 1} accounts")
    return None


@cython.cfunc
def restore_market(core: CorePtr, row: object) -> object:
    """Add a market with an empty book."""
    if not reserve_markets(core):
        raise MemoryError("no memory for one more market")
    market: MarketPtr = core.markets + core.market_top
    memset(market, 0, cython.sizeof(Market))
    market.market_id = row.market_id
    market.base_asset_id = row.base_asset_id
    market.quote_asset_id = row.quote_asset_id
    market.house_base = find_account(core, HOUSE_USER_ID, market.base_asset_id)
    market.house_quote = find_account(core, HOUSE_USER_ID, market.quote_asset_id)
    is_new: cython.bint = row.market_id <= 0xFFFF and not find_market(core, market.market_id)
    if not is_new or not market.house_base or not market.house_quote:
        raise refuse_row("markets", core.market_top - 1)
    market.tick_atoms = row.tick_atoms
    market.lot_atoms = row.lot_atoms
    market.tick_lot_atoms = row.tick_lot_atoms
    market.rates[MAKER] = row.maker_fee
    market.rates[TAKER] = row.taker_fee
    market.fee_flags = row.fee_flags
    market.is_fee_in_quote = (market.fee_flags & FEE_IN_QUOTE) != 0
    market.is_fee_per_lot = (market.fee_flags & FEE_PER_LOT) != 0
    enter_state(market, row.state)
    market.filters[0] = market.price_min = row.min_price_ticks
    market.filters[1] = row.max_price_ticks
    market.price_max = upper_bound(market.filters[1])
    market.filters[2] = market.quantity_min = row.min_quantity_lots
    market.filters[3] = row.max_quantity_lots
    market.quantity_max = upper_bound(market.filters[3])
    market.filters[4] = market.notional_min = row.min_notional_atoms
    market.last_price = row.last_price_ticks
    market.last_trade_id = row.last_trade_id
    market.first_event_seq = row.first_event_seq
    market.fingerprint = row.fingerprint
    market.sides[0].best_key = NO_KEY
    market.sides[1].best_key = NO_KEY
    market.triggers[0].best_key = NO_KEY
    market.triggers[1].best_key = NO_KEY
    copy_bytes(market.text, row.text)
    core.market_of_id[market.market_id] = core.market_top
    core.market_top += 1
    return None


@cython.cfunc
def restore_orders(core: CorePtr, packed: bytes, is_parked: cython.bint) -> object:
    count: u64 = row_count_of(packed, ORDER_WORDS)
    words: WordPtr = rows_at(packed)
    if not (
        reserve_orders(core, count)
        and reserve_levels(core, count)
        and reserve_table(cython.address(core.order_table), count)
        and reserve_table(cython.address(core.text_table), count)
    ):
        raise MemoryError(f"no memory for {count} orders")
    place: u64
    for place in range(count):
        if not restore_order(core, words, is_parked):
            raise refuse_row("orders", place)
        words += ORDER_WORDS
    return None


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def restore_order(core: CorePtr, words: WordPtr, is_parked: cython.bint) -> cython.bint:
    """Put an order at the back of its level, unless it is parked.

    False: it names something that is not there.
    """
    user: u32 = find_user(core, words[1])
    market: u32 = find_market(core, cython.cast(u32, words[2]))
    if not user or not market or find_order(core, words[0]):
        return False
    index: u32 = core.order_top
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    memset(order, 0, cython.sizeof(order[0]))
    order.order_id = words[0]
    order.user = user
    order.market = market
    order.is_bid = words[3] != 0
    order.order_type = cython.cast(u8, words[4])
    order.price = words[5]
    order.leaves = words[7]
    order.reserved = words[8]
    order.ceiling = words[9]
    order.is_listed = 1
    terms.quantity = words[6]
    terms.rates[MAKER] = words[10]
    terms.rates[TAKER] = words[11]
    terms.cumulative[MAKER] = words[12]
    terms.cumulative[TAKER] = words[13]
    terms.charged[MAKER] = words[14]
    terms.charged[TAKER] = words[15]
    word: u32
    for word in range(5):
        terms.text[word] = cython.cast(u64, words[16 + word])
    terms.base_account = find_account(core, words[1], core.markets[market].base_asset_id)
    terms.quote_account = find_account(core, words[1], core.markets[market].quote_asset_id)
    if not terms.base_account or not terms.quote_account:
        return False
    if not reserve_section(core, side_of(core, market, order.is_bid)):
        return False
    core.order_top += 1
    insert(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
    if has_text(terms.text):
        insert(cython.address(core.text_table), text_key(user, terms.text), index)
    if not is_parked:
        enqueue(core, index)
    return True


@cython.cfunc
def restore_groups(core: CorePtr, state_: object) -> object:
    for place, row in enumerate(state_.rows(b"TGRP")):
        index: u32 = find_user(core, row.user_id)
        if not index:
            raise refuse_row("trade groups", place)
        core.users[index].trade_group = row.group_id
    return None


@cython.cfunc
def restore_modes(core: CorePtr, state_: object) -> object:
    for place, row in enumerate(state_.rows(b"STPM")):
        index: u32 = find_order(core, row.order_id)
        if not index:
            raise refuse_row("self-trade prevention modes", place)
        core.orders[index].traits |= cython.cast(u8, row.mode)
    return None


@cython.cfunc
def restore_business(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, BUSINESS_WORDS)
    words: WordPtr = rows_at(packed)
    if not reserve_business(core, count):
        raise MemoryError(f"no memory for {count} business ids")
    place: u64
    for place in range(count):
        slot: BusinessIdPtr = business_slot(
            core, cython.cast(u64, words[0]), cython.cast(u64, words[1])
        )
        if slot.first_event_seq or not words[3]:
            raise refuse_row("business ids", place)
        slot.request_low = cython.cast(u64, words[0])
        slot.request_high = cython.cast(u64, words[1])
        slot.fingerprint = cython.cast(u64, words[2])
        slot.first_event_seq = words[3]
        core.business_count += 1
        words += BUSINESS_WORDS
    return None


@cython.cfunc
def restore_terms(core: CorePtr, packed: bytes, parked_count: u64) -> object:
    count: u64 = row_count_of(packed, TERMS_WORDS)
    words: WordPtr = rows_at(packed)
    if not reserve_extras(core, count):
        raise MemoryError(f"no memory for the terms of {count} orders")
    place: u64
    for place in range(count):
        index: u32 = find_order(core, words[0])
        if not index or core.orders[index].traits & TRAIT_EXTRA:
            raise refuse_row("order terms", place)
        extra: ExtraPtr = take_extra(core, index)
        extra.time_in_force = cython.cast(u8, words[1])
        extra.wait = cython.cast(u8, words[2])
        extra.stop = words[3]
        extra.delta = cython.cast(u32, words[4])
        extra.extreme = words[5]
        extra.sequence = words[6]
        extra.expire = words[7]
        extra.session_id = words[8]
        extra.list_id = words[9]
        if extra.list_id:
            core.orders[index].traits |= TRAIT_LIST
        if words[10]:
            begin_iceberg(core, index, words[10])
            extra.shown = words[11]
        if (extra.wait != 0) != (core.orders[index].level == 0):
            raise refuse_row("order terms", place)
        if extra.wait and not restore_wait(core, index):
            raise MemoryError(f"no memory for {count} parked orders")
        arm_expiry(core, index)
        words += TERMS_WORDS
    if core.parked_count != parked_count:
        raise state.StateError(
            f"{core.parked_count} orders wait by their terms, expected {parked_count}"
        )
    return None


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def restore_wait(core: CorePtr, index: u32) -> cython.bint:
    """Put a parked order where it waits. False: memory ended."""
    order: OrderPtr = core.orders + index
    extra: ExtraPtr = extra_of(core, index)
    count_parked(core, index)
    if extra.wait == WAIT_TRAIL:
        follow_price(core, index, extra.extreme)
    elif extra.wait == WAIT_DUE:
        make_due(core, index, extra.extreme)
    elif extra.wait == WAIT_STOP:
        rising: u32 = is_rising(order.order_type, order.is_bid)
        side: BookSidePtr = cython.address(core.markets[order.market].triggers[rising])
        if not reserve_section(core, side):
            return False
        wait_for_stop(core, index)
    return True


@cython.cfunc
def restore_lists(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, LIST_WORDS)
    words: WordPtr = rows_at(packed)
    if not reserve_lists(core, count + 1):
        raise MemoryError(f"no memory for {count} lists")
    place: u64
    word: u32
    for place in range(count):
        user: u32 = find_user(core, words[1])
        market: u32 = find_market(core, cython.cast(u32, words[2]))
        if not user or not market or find_list(core, words[0]):
            raise refuse_row("order lists", place)
        each: OrderListPtr = take_list(core, words[0])
        each.user = user
        each.market = market
        each.list_type = cython.cast(u8, words[3])
        each.leg_count = cython.cast(u8, words[4])
        for word in range(3):
            each.legs[word] = words[5 + word]
        each.is_active = words[8] != 0
        each.is_loose = words[9] != 0
        for word in range(5):
            each.text[word] = cython.cast(u64, words[10 + word])
        words += LIST_WORDS
    extra: u32
    for extra in range(1, core.extra_top):
        list_id = core.extras[extra].list_id if core.extras[extra].order else 0
        if list_id and not find_list(core, list_id):
            raise state.StateError(f"an order is of list {list_id}, which is not there")
    return None


@cython.cfunc
def restore_watches(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, WATCH_WORDS)
    words: WordPtr = rows_at(packed)
    place: u64
    for place in range(count):
        if not reserve_watch(core):
            raise MemoryError(f"no memory for {count} watches")
        if not find_user(core, words[0]) or find_watch(core, words[0]):
            raise refuse_row("watches", place)
        watch: WatchPtr = core.watches + take_watch(core, words[0])
        watch.timeout_ms = words[1]
        watch.due = words[2]
        watch.session_id = words[3]
        watch.session_state = cython.cast(u32, words[4])
        watch.grace_ms = words[5]
        watch.session_due = words[6]
        if watch.timeout_ms:
            arm_timer(core, watch.due, timer_key(TIMER_DEADMAN, words[0]))
        if watch.session_state == SESSION_CLOSED:
            arm_timer(core, watch.session_due, timer_key(TIMER_SESSION, words[0]))
        words += WATCH_WORDS
    return None


@cython.cfunc
def refit_checkpoint(core: CorePtr, digest: object, rows: object, touched: set) -> object:
    """Set what each account counted for at the last checkpoint. StateError if it cannot be."""
    first_of_asset = {}
    untouched: u64[2]
    untouched[0] = untouched[1] = 0
    row_count: i64 = 0
    index: u32
    for index in range(1, core.account_top):
        account: AccountPtr = core.accounts + index
        if account.asset_id in touched:
            touch(core, index)
            first_of_asset.setdefault(account.asset_id, index)
            continue
        account.checkpoint_total = account.available + account.locked
        hash_account(account)
        add_to_sum(untouched, account.checkpoint_hash_low, account.checkpoint_hash_high)
        row_count += counts(account)
    digest = (digest - sum_as_int(untouched)) % DIGEST_MODULUS
    rows -= row_count
    if not 0 <= rows <= core.touched_count or (digest != 0) != (rows != 0):
        raise state.StateError(
            f"the balance digest does not fit: {rows} rows of {core.touched_count} are left"
        )
    for asset_id, first in first_of_asset.items():
        asset: AssetPtr = core.assets + core.asset_of_id[cython.cast(u32, asset_id)]
        core.accounts[cython.cast(u32, first)].checkpoint_total = asset.held
    place: u32
    for place in range(cython.cast(u32, rows)):
        last: cython.bint = place + 1 == rows
        summand = (digest - place) % DIGEST_MODULUS if last else 1
        set_checkpoint_hash(core.accounts + core.touched[place], summand)
    return None


@cython.cfunc
def set_checkpoint_hash(account: AccountPtr, summand: object) -> cython.void:
    account.checkpoint_hash_low = summand & WORD_MASK
    account.checkpoint_hash_high = summand >> 64
