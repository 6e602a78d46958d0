# mypy: ignore-errors
"""Who may do what in which market now: users' status, kill switches and market states.

A plain user in a plain market has gates of zero, which is all that the usual order is asked.
Invariant: a gate is zero if and only if nothing here would refuse or do anything.
"""

import cython

from engine.kernel.codes import (
    AMEND,
    FOK,
    FOK_BUDGET,
    IOC,
    KILL_SWITCH,
    LIMIT_MAKER,
    MARKET,
    MOVE,
    OK,
    QUOTE,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRADING,
    UNKNOWN_MARKET,
    USER_SUSPENDED,
)
from engine.kernel.compiled.layout import CommandPtr, CorePtr, MarketPtr, u8, u32
from engine.kernel.compiled.symbols import (
    ASK_CANCEL,
    ASK_COLUMNS,
    ASK_FOK_BUDGET,
    ASK_LIMIT,
    ASK_LIMIT_FOK,
    ASK_LIMIT_IOC,
    ASK_LIMIT_MAKER,
    ASK_MARKET,
    ASK_MOVE,
    ASK_STOP_LIMIT,
    ASK_STOP_MARKET,
    GATE_KILLED,
    GATE_STATE,
    GATE_SUSPENDED,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def ask_of(command: CommandPtr) -> u32:
    """Return the column of a command that enters or changes an order."""
    if command.kind in (MOVE, AMEND):
        return ASK_MOVE
    if command.order_type == LIMIT_MAKER or command.kind == QUOTE:
        return ASK_LIMIT_MAKER
    if command.order_type == MARKET:
        return ASK_MARKET
    if command.order_type == FOK_BUDGET:
        return ASK_FOK_BUDGET
    if command.order_type in (STOP_LOSS, TAKE_PROFIT):
        return ASK_STOP_MARKET
    if command.order_type in (STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT):
        return ASK_STOP_LIMIT
    if command.time_in_force == IOC:
        return ASK_LIMIT_IOC
    return ASK_LIMIT_FOK if command.time_in_force == FOK else ASK_LIMIT


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def state_refusal(core: CorePtr, market: MarketPtr, ask: u32) -> u32:
    """Return why the market's state does not let this in, OK if it does."""
    return core.state_matrix[market.state * ASK_COLUMNS + ask]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gated_refusal(core: CorePtr, command: CommandPtr, user: u32, market: u32) -> u32:
    """As `entry_refusal`, where at least one gate is not zero."""
    if core.users[user].gate & GATE_SUSPENDED:
        return USER_SUSPENDED
    if (core.users[user].gate | core.markets[market].gate | core.gate) & GATE_KILLED:
        return KILL_SWITCH
    return state_refusal(core, core.markets + market, ask_of(command))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def entry_refusal(core: CorePtr, command: CommandPtr, user: u32, market: u32) -> u32:
    """Whether this user may not do this in this market now."""
    if not market:
        return UNKNOWN_MARKET
    if core.users[user].gate | core.markets[market].gate | core.gate:
        return gated_refusal(core, command, user, market)
    return OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def owner_refusal(core: CorePtr, market: MarketPtr) -> u32:
    """Whether an order's owner may not cancel or reduce it in this market now."""
    return state_refusal(core, market, ASK_CANCEL) if market.gate else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def enter_state(market: MarketPtr, state: u32) -> cython.void:
    """Give a market its state, and the gate that belongs to it."""
    market.state = cython.cast(u8, state)
    market.gate &= ~GATE_STATE
    if state != TRADING:
        market.gate |= GATE_STATE
