# mypy: ignore-errors
"""The apply loop, the kernel's birth and its end.

Invariant: one command gives at least one event, and a refused one gives exactly one.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    ADD_ASSET,
    ADD_MARKET,
    ADD_USER,
    ADJUST,
    ASSET_ID_MAX,
    CANCEL_ALL,
    CHECKPOINT,
    DEPOSIT,
    HOLD,
    HOUSE_USER_ID,
    INT64_MAX,
    LEGS_MAX,
    MALFORMED,
    MARKET_ID_MAX,
    PLACE,
    PLACE_LEG,
    PLACE_LIST,
    QUOTE,
    RELEASE_HOLD,
    SET_KILL_SWITCH,
    SET_MARKET_BANDS,
    SET_MARKET_FEES,
    SET_MARKET_FILTERS,
    SET_MARKET_LIMITS,
    SET_MARKET_STATE,
    SET_SESSION,
    SET_TRADE_GROUP,
    SET_USER_FEES,
    SET_USER_STATUS,
    SETTLE_HOLD,
    TICK,
    TRANSFER,
    TRANSFER_LEG,
    TRIGGERS_PER_COMMAND_MAX,
    UNKNOWN_MARKET,
)
from engine.kernel.compiled.bands import set_market_bands
from engine.kernel.compiled.bounds import set_market_limits
from engine.kernel.compiled.controls import set_kill_switch, set_user_status
from engine.kernel.compiled.drafts import is_leg, take_leg
from engine.kernel.compiled.events import emit_refused
from engine.kernel.compiled.extras import reserve_extras
from engine.kernel.compiled.forms import has_form, place_form
from engine.kernel.compiled.funds import (
    add_user,
    move_money,
    open_user,
    set_trade_group,
)
from engine.kernel.compiled.holds import end_hold, make_hold, reserve_holds
from engine.kernel.compiled.layout import CommandPtr, CorePtr, FormPtr, MarketPtr, i64, u32, u64
from engine.kernel.compiled.listing import (
    add_asset,
    add_market,
    set_market_fees,
    set_market_filters,
    set_market_state,
)
from engine.kernel.compiled.lists import reserve_lists
from engine.kernel.compiled.lookups import find_market
from engine.kernel.compiled.memory import reserve_quotes, reserve_slice
from engine.kernel.compiled.quoting import note_quote_ids
from engine.kernel.compiled.rates import set_user_fees
from engine.kernel.compiled.requests import apply_cancel_all, apply_order_command
from engine.kernel.compiled.symbols import ASK_COLUMNS, COMMAND_TYPES, POOL_ITEMS_MIN
from engine.kernel.compiled.texts import is_plain_text
from engine.kernel.compiled.timing import apply_timing, reserve_watch
from engine.kernel.compiled.transfers import transfer
from engine.kernel.compiled.triggers import run_due


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_admin(core: CorePtr, command: CommandPtr) -> u32:
    """Apply any command that is not about an order."""
    kind: u32 = command.kind
    if DEPOSIT <= kind <= ADJUST:
        return move_money(core, command)
    if kind == TRANSFER_LEG:
        return take_leg(core, command) if is_plain_text(command.text) else MALFORMED
    if kind == TRANSFER:
        return transfer(core, command)
    if kind == HOLD:
        return make_hold(core, command)
    if kind in (SETTLE_HOLD, RELEASE_HOLD):
        return end_hold(core, command)
    return apply_control(core, command)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_control(core: CorePtr, command: CommandPtr) -> u32:
    """Apply a command that lists something, or says who may do what."""
    kind: u32 = command.kind
    if kind == CANCEL_ALL:
        return apply_cancel_all(core, command)
    if kind == SET_USER_FEES:
        return set_user_fees(core, command)
    if kind == SET_KILL_SWITCH:
        return set_kill_switch(core, command)
    if kind == PLACE_LEG:
        form: u32 = place_form(command)
        return form if form else take_leg(core, command)
    if kind == ADD_USER:
        return add_user(core, command)
    if kind == SET_TRADE_GROUP:
        return set_trade_group(core, command)
    if kind == SET_USER_STATUS:
        return set_user_status(core, command)
    if kind == ADD_ASSET:
        return add_asset(core, command)
    return add_market(core, command) if kind == ADD_MARKET else apply_setting(core, command)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_settable_state(core: CorePtr, state: i64) -> cython.bint:
    return 0 < state < 16 and core.state_matrix[state * ASK_COLUMNS + ASK_COLUMNS - 1] != 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_setting(core: CorePtr, command: CommandPtr) -> u32:
    """Apply a command that sets something of a market."""
    kind: u32 = command.kind
    if kind == SET_MARKET_STATE and not is_settable_state(core, command.quantity):
        return MALFORMED
    index: u32 = find_market(core, command.market_id)
    if not index:
        return UNKNOWN_MARKET
    market: MarketPtr = core.markets + index
    if kind == SET_MARKET_LIMITS:
        return set_market_limits(core, command, market)
    if kind == SET_MARKET_FILTERS:
        return set_market_filters(core, command, market)
    if kind == SET_MARKET_BANDS:
        return set_market_bands(core, command, market)
    if kind == SET_MARKET_FEES:
        return set_market_fees(core, command, market)
    if kind == SET_MARKET_STATE:
        return set_market_state(core, command, market)
    return MALFORMED


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def apply_command(core: CorePtr, command: CommandPtr) -> cython.void:
    reason: u32 = MALFORMED
    core.command_seq += 1
    core.has_run_due = 0
    if core.due_markets and run_due(core, INT64_MAX):
        core.has_run_due = 1
    if (
        command.kind == PLACE or command.kind == PLACE_LEG
    ) and command.order_id > core.last_order_id:
        core.last_order_id = command.order_id
    if command.kind == QUOTE:
        note_quote_ids(core, command)
    if has_form(core, command):
        if PLACE <= command.kind <= QUOTE and command.kind != CANCEL_ALL:
            reason = apply_order_command(core, command)
        elif TICK <= command.kind <= SET_SESSION:
            reason = apply_timing(core, command)
        elif command.kind == PLACE_LIST:
            reason = apply_order_command(core, command)
        else:
            reason = apply_admin(core, command)
    if reason:
        emit_refused(core, command, reason)
    if core.due_markets or core.noted_lists:
        run_due(core, TRIGGERS_PER_COMMAND_MAX)
    if core.draft_count and (reason or not is_leg(command.kind)):
        core.draft_count = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_slice(core: CorePtr, commands: CommandPtr, count: u64) -> u64:
    """Apply commands for which memory is reserved; return how many.

    It stops before a CHECKPOINT, which needs the interpreter, and where memory ends.
    """
    done: u64 = 0
    while done < count:
        command: CommandPtr = commands + done
        if command.kind == CHECKPOINT and has_form(core, command):
            return done
        apply_command(core, command)
        if core.is_out_of_memory:
            return done
        done += 1
    return done


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for(core: CorePtr, commands: CommandPtr, count: u64) -> cython.bint:
    """Make room for whatever these commands may store. False if memory ends: nothing changed."""
    user_adds: u64 = 0
    money: u64 = 0
    transfers: u64 = 0
    quotes: u64 = 0
    holds: u64 = 0
    place: u64
    for place in range(count):
        kind: u32 = commands[place].kind
        quotes += kind == QUOTE
        user_adds += kind == ADD_USER
        money += DEPOSIT <= kind <= ADJUST
        transfers += kind == TRANSFER
        holds += kind == HOLD
    money += transfers + holds
    return reserve_holds(core, holds) and reserve_slice(
        core, count + quotes, user_adds, money, transfers * LEGS_MAX
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_core(core: CorePtr) -> cython.bint:
    """Make an empty kernel with only the house in it. False if memory ends."""
    memset(core, 0, cython.sizeof(core[0]))
    core.hold_top = core.user_fees_top = 1
    core.order_top = core.level_top = core.chunk_top = core.account_top = 1
    core.extra_top = core.watch_top = core.timer_top = core.list_top = 1
    core.user_top = core.market_top = core.asset_top = core.quote_top = 1
    core.market_of_id = cython.cast(
        cython.pointer(u32), calloc(MARKET_ID_MAX + 1, cython.sizeof(u32))
    )
    core.asset_of_id = cython.cast(
        cython.pointer(u32), calloc(ASSET_ID_MAX + 1, cython.sizeof(u32))
    )
    core.forms = cython.cast(FormPtr, calloc(COMMAND_TYPES, cython.sizeof(core.forms[0])))
    if not core.market_of_id or not core.asset_of_id or not core.forms:
        return False
    # A type that no form is set for must have no bit set, its own number included: it is unknown.
    memset(core.forms, 0xFF, COMMAND_TYPES * cython.sizeof(core.forms[0]))
    if not reserve_slice(core, POOL_ITEMS_MIN, POOL_ITEMS_MIN, POOL_ITEMS_MIN, 0):
        return False
    if not (reserve_extras(core, 1) and reserve_watch(core) and reserve_lists(core, 1)):
        return False
    open_user(core, HOUSE_USER_ID, 0)
    return reserve_quotes(core, 0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def close_core(core: CorePtr) -> cython.void:
    """Free everything a kernel owns."""
    index: u32
    for index in range(1, core.user_top):
        free(core.users[index].window)
    for index in range(1, core.market_top):
        free(core.markets[index].sides[0].sections)
        free(core.markets[index].sides[1].sections)
        free(core.markets[index].triggers[0].sections)
        free(core.markets[index].triggers[1].sections)
    free(core.events)
    free(core.orders)
    free(core.terms)
    free(core.levels)
    free(core.chunks)
    free(core.accounts)
    free(core.touched)
    free(core.users)
    free(core.markets)
    free(core.assets)
    free(core.business)
    free(core.holds)
    free(core.user_fees)
    free(core.user_fees_table.slots)
    free(core.hold_table.slots)
    free(core.market_of_id)
    free(core.asset_of_id)
    free(core.forms)
    free(core.order_table.slots)
    free(core.text_table.slots)
    free(core.account_table.slots)
    free(core.user_table.slots)
    free(core.extras)
    free(core.extra_table.slots)
    free(core.watches)
    free(core.watch_table.slots)
    free(core.timers)
    free(core.timer_heap)
    free(core.timer_table.slots)
    free(core.lists)
    free(core.list_table.slots)
    free(core.quotes)
    free(core.quote_table.slots)
