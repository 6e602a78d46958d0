# mypy: ignore-errors
"""Whose fees an order pays: the market's, or its user's own; and where a maker may be paid.

A rebate is a negative maker fee. Invariant: it exists only where fees are in quote, and is at most
the lowest taker fee that anybody pays in that market, so that no trade pays out more than it takes.
"""

import cython
from cython.cimports.libc.stdlib import realloc

from engine.kernel.codes import (
    CAPACITY,
    FEE_PER_LOT_MAX,
    INVALID_FEE,
    MALFORMED,
    NOTHING_CHANGES,
    OK,
    PPM,
    REBATE,
    UNKNOWN_MARKET,
    UNKNOWN_USER,
    USER_FEES_SET,
)
from engine.kernel.compiled.accounts import account_key
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    MarketPtr,
    TermsPtr,
    UserFeesPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_market, find_user
from engine.kernel.compiled.memory import grown_capacity
from engine.kernel.compiled.symbols import GATE_FEES, MAKER, TAKER
from engine.kernel.compiled.tables import find, insert, remove, reserve_table


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_fees(core: CorePtr, user_id: i64, market_id: u32) -> u32:
    """Return a user's own fees in a market (0: in every one), 0 if he has none there."""
    if not core.user_fees_table.slots:
        return 0
    return find(cython.address(core.user_fees_table), account_key(user_id, market_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_own_rates(core: CorePtr, user: u32, market: MarketPtr, terms: TermsPtr) -> cython.void:
    """Give an order its user's own rates where he has some."""
    user_id: i64 = core.users[user].user_id
    index: u32 = find_fees(core, user_id, market.market_id)
    if not index and not market.is_fee_per_lot:
        index = find_fees(core, user_id, 0)
    if index:
        terms.rates[MAKER] = core.user_fees[index].rates[MAKER]
        terms.rates[TAKER] = core.user_fees[index].rates[TAKER]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_fee_refused(maker_fee: i64, taker_fee: i64, is_fee_per_lot: cython.bint) -> cython.bint:
    """Whether rates are out of range."""
    fee_max: i64 = FEE_PER_LOT_MAX if is_fee_per_lot else PPM
    return maker_fee < -fee_max or maker_fee > fee_max or taker_fee < 0 or taker_fee > fee_max


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def rebate_refusal(
    core: CorePtr,
    market_id: u32,
    maker_fee: i64,
    taker_fee: i64,
    without: u32,
    is_fee_in_quote: cython.bint,
    is_fee_per_lot: cython.bint,
) -> u32:
    """Whether a market with these rates and its users' own would pay a maker too much.

    `without`: a user's own fees that do not count, for they are about to be replaced.
    """
    lowest_maker: i64 = maker_fee
    lowest_taker: i64 = taker_fee
    index: u32
    for index in range(1, core.user_fees_top):
        own: UserFeesPtr = core.user_fees + index
        if index == without:
            continue
        is_here: cython.bint = own.market_id == market_id
        if is_here and own.rates[MAKER] < lowest_maker:
            lowest_maker = own.rates[MAKER]
        is_taker_here: cython.bint = is_here or (own.market_id == 0 and not is_fee_per_lot)
        if is_taker_here and own.rates[TAKER] < lowest_taker:
            lowest_taker = own.rates[TAKER]
    if lowest_maker >= 0:
        return OK
    return OK if is_fee_in_quote and -lowest_maker <= lowest_taker else REBATE


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def least(first: i64, second: i64) -> i64:
    return first if first < second else second


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def own_fees_refusal(core: CorePtr, command: CommandPtr, old: u32) -> u32:
    """Whether these fees of a user cannot be, in their market or in every one."""
    index: u32 = find_market(core, command.market_id)
    is_per_lot: cython.bint = index and core.markets[index].is_fee_per_lot
    if is_fee_refused(command.amount, command.ceiling, is_per_lot):
        return INVALID_FEE
    if not index and command.amount < 0:
        return REBATE
    first: u32 = index if index else 1
    last: u32 = index + 1 if index else core.market_top
    place: u32
    for place in range(first, last):
        market: MarketPtr = core.markets + place
        if not index and market.is_fee_per_lot:
            continue
        reason: u32 = rebate_refusal(
            core,
            market.market_id,
            least(market.rates[MAKER], command.amount if index else 0),
            least(market.rates[TAKER], command.ceiling),
            old,
            market.is_fee_in_quote,
            market.is_fee_per_lot,
        )
        if reason:
            return reason
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def user_fees_refusal(core: CorePtr, command: CommandPtr) -> u32:
    if command.quantity < 0 or command.quantity > 1:
        return MALFORMED
    if not command.quantity and (command.amount or command.ceiling):
        return MALFORMED
    if not find_user(core, command.user_id):
        return UNKNOWN_USER
    if command.market_id and not find_market(core, command.market_id):
        return UNKNOWN_MARKET
    old: u32 = find_fees(core, command.user_id, command.market_id)
    if not command.quantity:
        return OK if old else NOTHING_CHANGES
    reason: u32 = own_fees_refusal(core, command, old)
    if reason:
        return reason
    if not old:
        return CAPACITY if core.user_fees_top - 1 >= core.user_fees_max else OK
    own: UserFeesPtr = core.user_fees + old
    is_same: cython.bint = (
        own.rates[MAKER] == command.amount and own.rates[TAKER] == command.ceiling
    )
    return NOTHING_CHANGES if is_same else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_user_fees(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for so many more users' own fees. False, with nothing changed, if memory ends."""
    needed: u64 = core.user_fees_top + extra
    if needed > core.user_fees_capacity:
        capacity: u64 = grown_capacity(core.user_fees_capacity, needed)
        size: u64 = capacity * cython.sizeof(core.user_fees[0])
        memory: cython.p_void = realloc(core.user_fees, size)
        if not memory:
            return False
        core.user_fees = cython.cast(UserFeesPtr, memory)
        core.user_fees_capacity = cython.cast(u32, capacity)
    return reserve_table(cython.address(core.user_fees_table), extra)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_user_fees(core: CorePtr, command: CommandPtr) -> u32:
    """Give a user fees of his own in a market or in all, or take them away."""
    reason: u32 = user_fees_refusal(core, command)
    if reason:
        return reason
    if not reserve_user_fees(core, 1):
        core.is_out_of_memory = 1
        return OK
    if command.quantity:
        put_fees(core, command.user_id, command.market_id, command.amount, command.ceiling)
    else:
        drop_fees(core, find_fees(core, command.user_id, command.market_id))
    event: EventPtr = emit_clear(core, USER_FEES_SET, command.market_id)
    event.body[0] = command.user_id
    event.body[1] = command.amount
    event.body[2] = command.ceiling
    event.body[3] = command.quantity
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_fees(
    core: CorePtr, user_id: i64, market_id: u32, maker_fee: i64, taker_fee: i64
) -> cython.void:
    index: u32 = find_fees(core, user_id, market_id)
    if not index:
        index = core.user_fees_top
        core.user_fees_top += 1
        insert(cython.address(core.user_fees_table), account_key(user_id, market_id), index)
        core.users[find_user(core, user_id)].gate |= GATE_FEES
    own: UserFeesPtr = core.user_fees + index
    own.user_id = user_id
    own.market_id = market_id
    own.rates[MAKER] = maker_fee
    own.rates[TAKER] = taker_fee


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_fees(core: CorePtr, index: u32) -> cython.void:
    """Take a user's own fees away; the last ones take their place."""
    own: UserFeesPtr = core.user_fees + index
    user_id: i64 = own.user_id
    remove(cython.address(core.user_fees_table), account_key(user_id, own.market_id), index)
    core.user_fees_top -= 1
    last: UserFeesPtr = core.user_fees + core.user_fees_top
    if own != last:
        key: u64 = account_key(last.user_id, last.market_id)
        remove(cython.address(core.user_fees_table), key, core.user_fees_top)
        insert(cython.address(core.user_fees_table), key, index)
        own[0] = last[0]
    place: u32
    for place in range(1, core.user_fees_top):
        if core.user_fees[place].user_id == user_id:
            return
    core.users[find_user(core, user_id)].gate &= ~GATE_FEES
