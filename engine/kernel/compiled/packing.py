# mypy: ignore-errors
"""The compiled kernel's big sections of the canonical state, packed as `engine.kernel.state` says.

Users, requests, accounts, orders and business ids come by the million: each row is written word by
word here, and read back in the same order by `restoring`, instead of passing through Python.
Invariant: nothing here changes the kernel.
"""

import cython
from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free, malloc

from engine.kernel import state
from engine.kernel.codes import RECORD_BYTES, REQUEST_WINDOW
from engine.kernel.compiled.layout import (
    AccountPtr,
    BookSidePtr,
    BusinessIdPtr,
    ChunkPtr,
    CorePtr,
    ExtraPtr,
    HoldPtr,
    OrderListPtr,
    OrderPtr,
    RememberedPtr,
    TermsPtr,
    UserPtr,
    WatchPtr,
    WordPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import side_of
from engine.kernel.compiled.rows import market_indices
from engine.kernel.compiled.symbols import (
    ACCOUNT_WORDS,
    BUSINESS_WORDS,
    HOLD_WORDS,
    LIST_WORDS,
    MAKER,
    ORDER_WORDS,
    TAKER,
    TERMS_WORDS,
    USER_FEES_WORDS,
    USER_WORDS,
    WATCH_WORDS,
    WINDOW_WORDS,
    WORD_BYTES,
    sort_by_request_id,
    sort_by_two_ids,
)

for section, words in (
    (b"USER", USER_WORDS),
    (b"WNDW", WINDOW_WORDS),
    (b"ACCT", ACCOUNT_WORDS),
    (b"ORDR", ORDER_WORDS),
    (b"BSNS", BUSINESS_WORDS),
    (b"XTRA", TERMS_WORDS),
    (b"WTCH", WATCH_WORDS),
    (b"LIST", LIST_WORDS),
    (b"HOLD", HOLD_WORDS),
    (b"UFEE", USER_FEES_WORDS),
):
    size = next(each.layout.size for each in state.SECTIONS if each.tag == section)
    assert size == words * WORD_BYTES, f"rows of {section!r} are not packed as stated"


@cython.cfunc
def empty_rows(count: u64, words: u64) -> bytes:
    """Return room for so many rows, to be written before anybody sees it."""
    return PyBytes_FromStringAndSize(cython.NULL, count * words * WORD_BYTES)


@cython.cfunc
@cython.inline
def words_of(packed: bytes) -> WordPtr:
    return cython.cast(WordPtr, PyBytes_AS_STRING(packed))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def users_by_id(core: CorePtr) -> WordPtr:
    """Return pairs (user id, index) by user id, the house first; to be freed. NULL: no memory."""
    count: u64 = core.user_top - 1
    pairs: WordPtr = cython.cast(WordPtr, malloc(count * 2 * WORD_BYTES))
    if pairs:
        index: u32
        for index in range(1, core.user_top):
            pairs[2 * (index - 1)] = core.users[index].user_id
            pairs[2 * (index - 1) + 1] = index
        sort_by_two_ids(pairs, count, 2 * WORD_BYTES)
    return pairs


@cython.cfunc
def user_bytes(core: CorePtr) -> bytes:
    packed = empty_rows(core.user_top - 1, USER_WORDS)
    words: WordPtr = words_of(packed)
    index: u32
    for index in range(1, core.user_top):
        user: UserPtr = core.users + index
        words[0] = user.user_id
        words[1] = user.status
        words[2] = user.first_event_seq
        words[3] = user.window_count
        words += USER_WORDS
    sort_by_two_ids(words_of(packed), core.user_top - 1, USER_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def window_row_count(core: CorePtr) -> u64:
    count: u64 = 0
    index: u32
    for index in range(1, core.user_top):
        count += core.users[index].window_count
    return count


@cython.cfunc
def window_bytes(core: CorePtr) -> bytes:
    """Return all remembered requests: by user id, each user's oldest first."""
    packed = empty_rows(window_row_count(core), WINDOW_WORDS)
    words: WordPtr = words_of(packed)
    pairs: WordPtr = users_by_id(core)
    if not pairs:
        raise MemoryError("no memory to sort the users")
    place: u32
    for place in range(core.user_top - 1):
        words = pack_window(core.users + pairs[2 * place + 1], words)
    free(pairs)
    return packed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_window(user: UserPtr, words: WordPtr) -> WordPtr:
    age: u32
    for age in range(user.window_count):
        entry: RememberedPtr = user.window + (user.window_start + age) % REQUEST_WINDOW
        words[0] = cython.cast(i64, entry.request_low)
        words[1] = cython.cast(i64, entry.request_high)
        words[2] = cython.cast(i64, entry.fingerprint)
        words[3] = entry.order_id
        words[4] = entry.first_event_seq
        words[5] = entry.reason
        words += WINDOW_WORDS
    return words


@cython.cfunc
def account_bytes(core: CorePtr) -> bytes:
    """Return all accounts by user and asset id."""
    packed = empty_rows(core.account_top - 1, ACCOUNT_WORDS)
    words: WordPtr = words_of(packed)
    index: u32
    for index in range(1, core.account_top):
        account: AccountPtr = core.accounts + index
        words[0] = account.user_id
        words[1] = account.asset_id
        words[2] = account.available
        words[3] = account.locked
        words += ACCOUNT_WORDS
    sort_by_two_ids(words_of(packed), core.account_top - 1, ACCOUNT_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def order_bytes(core: CorePtr) -> bytes:
    """Return all orders: by market, bids best first then asks best first, in queue order."""
    packed = empty_rows(core.order_table.count - core.parked_count, ORDER_WORDS)
    words: WordPtr = words_of(packed)
    for index in market_indices(core):
        market: u32 = index
        words = pack_side(core, side_of(core, market, 1), words)
        words = pack_side(core, side_of(core, market, 0), words)
    return packed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_side(core: CorePtr, side: BookSidePtr, words: WordPtr) -> WordPtr:
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            place -= 1
            index: u32 = core.levels[chunk.levels[place]].first
            while index:
                pack_order(core, index, words)
                words += ORDER_WORDS
                index = core.orders[index].next
    return words


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_order(core: CorePtr, index: u32, words: WordPtr) -> cython.void:
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    words[0] = order.order_id
    words[1] = core.users[order.user].user_id
    words[2] = core.markets[order.market].market_id
    words[3] = order.is_bid
    words[4] = order.order_type
    words[5] = order.price
    words[6] = terms.quantity
    words[7] = order.leaves
    words[8] = order.reserved
    words[9] = order.ceiling
    words[10] = terms.rates[MAKER]
    words[11] = terms.rates[TAKER]
    words[12] = terms.cumulative[MAKER]
    words[13] = terms.cumulative[TAKER]
    words[14] = terms.charged[MAKER]
    words[15] = terms.charged[TAKER]
    word: u32
    for word in range(5):
        words[16 + word] = cython.cast(i64, terms.text[word])


@cython.cfunc
def business_bytes(core: CorePtr) -> bytes:
    """Return all remembered money commands by request id."""
    packed = empty_rows(core.business_count, BUSINESS_WORDS)
    words: WordPtr = words_of(packed)
    place: u64
    for place in range(core.business_mask + 1):
        slot: BusinessIdPtr = core.business + place
        if slot.first_event_seq:
            words[0] = cython.cast(i64, slot.request_low)
            words[1] = cython.cast(i64, slot.request_high)
            words[2] = cython.cast(i64, slot.fingerprint)
            words[3] = slot.first_event_seq
            words += BUSINESS_WORDS
    sort_by_request_id(words_of(packed), core.business_count, BUSINESS_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def draft_bytes(core: CorePtr) -> bytes:
    """Return the legs that are held back, as they came."""
    return PyBytes_FromStringAndSize(
        cython.cast(cython.p_char, core.draft), core.draft_count * RECORD_BYTES
    )


@cython.cfunc
def parked_bytes(core: CorePtr) -> bytes:
    """Return the orders that are not in the book, by order id."""
    packed = empty_rows(core.parked_count, ORDER_WORDS)
    words: WordPtr = words_of(packed)
    place: u32
    for place in range(1, core.extra_top):
        if core.extras[place].order and core.extras[place].wait:
            pack_order(core, core.extras[place].order, words)
            words += ORDER_WORDS
    sort_by_two_ids(words_of(packed), core.parked_count, ORDER_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def terms_bytes(core: CorePtr) -> bytes:
    """Return what orders have beyond the common, by order id."""
    packed = empty_rows(core.extra_table.count, TERMS_WORDS)
    words: WordPtr = words_of(packed)
    place: u32
    for place in range(1, core.extra_top):
        extra: ExtraPtr = core.extras + place
        if not extra.order:
            continue
        words[0] = core.orders[extra.order].order_id
        words[1] = extra.time_in_force
        words[2] = extra.wait
        words[3] = extra.stop
        words[4] = extra.delta
        words[5] = extra.extreme
        words[6] = extra.sequence
        words[7] = extra.expire
        words[8] = extra.session_id
        words[9] = extra.list_id
        words[10] = extra.display
        words[11] = extra.shown
        words += TERMS_WORDS
    sort_by_two_ids(words_of(packed), core.extra_table.count, TERMS_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def watch_bytes(core: CorePtr) -> bytes:
    """Return dead-man switches and sessions by user id."""
    packed = empty_rows(core.watch_table.count, WATCH_WORDS)
    words: WordPtr = words_of(packed)
    place: u32
    for place in range(1, core.watch_top):
        watch: WatchPtr = core.watches + place
        if not watch.user_id:
            continue
        words[0] = watch.user_id
        words[1] = watch.timeout_ms
        words[2] = watch.due
        words[3] = watch.session_id
        words[4] = watch.session_state
        words[5] = watch.grace_ms
        words[6] = watch.session_due
        words += WATCH_WORDS
    sort_by_two_ids(words_of(packed), core.watch_table.count, WATCH_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def hold_bytes(core: CorePtr) -> bytes:
    """Return all holds that were ever made by request id."""
    packed = empty_rows(core.hold_top - 1, HOLD_WORDS)
    words: WordPtr = words_of(packed)
    index: u32
    word: u32
    for index in range(1, core.hold_top):
        hold: HoldPtr = core.holds + index
        words[0] = cython.cast(i64, hold.request_low)
        words[1] = cython.cast(i64, hold.request_high)
        words[2] = hold.user_id
        words[3] = hold.asset_id
        words[4] = hold.amount
        words[5] = hold.state
        words[6] = hold.last_event_seq
        for word in range(5):
            words[7 + word] = cython.cast(i64, hold.text[word])
        words += HOLD_WORDS
    sort_by_request_id(words_of(packed), core.hold_top - 1, HOLD_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def user_fees_bytes(core: CorePtr) -> bytes:
    """Return users' own fees by user and market id."""
    packed = empty_rows(core.user_fees_top - 1, USER_FEES_WORDS)
    words: WordPtr = words_of(packed)
    index: u32
    for index in range(1, core.user_fees_top):
        words[0] = core.user_fees[index].user_id
        words[1] = core.user_fees[index].market_id
        words[2] = core.user_fees[index].rates[MAKER]
        words[3] = core.user_fees[index].rates[TAKER]
        words += USER_FEES_WORDS
    sort_by_two_ids(words_of(packed), core.user_fees_top - 1, USER_FEES_WORDS * WORD_BYTES)
    return packed


@cython.cfunc
def list_bytes(core: CorePtr) -> bytes:
    """Return order lists by list id."""
    packed = empty_rows(core.list_table.count, LIST_WORDS)
    words: WordPtr = words_of(packed)
    place: u32
    word: u32
    for place in range(1, core.list_top):
        each: OrderListPtr = core.lists + place
        if not each.list_id:
            continue
        words[0] = each.list_id
        words[1] = core.users[each.user].user_id
        words[2] = core.markets[each.market].market_id
        words[3] = each.list_type
        words[4] = each.leg_count
        for word in range(3):
            words[5 + word] = each.legs[word]
        words[8] = each.is_active
        words[9] = each.is_loose
        for word in range(5):
            words[10 + word] = cython.cast(i64, each.text[word])
        words += LIST_WORDS
    sort_by_two_ids(words_of(packed), core.list_table.count, LIST_WORDS * WORD_BYTES)
    return packed
