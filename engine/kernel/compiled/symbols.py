"""Constants of the compiled kernel's own, and the four operations that only C has.

The build makes C constants of the numbers; the functions are the compiler's overflow-checking
arithmetic and the C library's sorting (`externs.pxd`) and stand here for readers and linters only.
"""

from __future__ import annotations

from typing import Any, Final

from engine.kernel import state, states
from engine.proto.records import CommandType

MAKER: Final = 0
TAKER: Final = 1
HOUSE: Final = 1  # the house's index in the pool of users
NO_KEY: Final = -(2**63)  # below the key of every price
LOW_HALF: Final = 2**32 - 1  # the lower bits of a word
TOO_MUCH: Final = -1  # a product or sum of atoms that leaves int64

COMMAND_TYPES: Final = max(CommandType) + 1
# Bits of a gate (`gates`): what the usual order must be asked before it may pass.
GATE_STATE: Final = 1  # the market is not TRADING
GATE_KILLED: Final = 2
GATE_SUSPENDED: Final = 4  # the user
GATE_LIMITS: Final = 16  # the market has bounds of SET_MARKET_LIMITS
GATE_FEES: Final = 8  # the user has fees of his own somewhere

# Places in a market's `bounds`, in the order of MARKET_LIMITS_SET.
BOUND_MIN_LOTS: Final = 0
BOUND_MAX_LOTS: Final = 1
BOUND_MAX_NOTIONAL: Final = 2
BOUND_MAX_ORDERS: Final = 3
BOUND_MAX_ALGOS: Final = 4
BOUND_MAX_POSITION: Final = 5
BOUND_TO_MARKET: Final = 6
BOUNDS: Final = 7

HOLD_OPEN: Final = state.HOLD_IS_OPEN
HOLD_TAKEN_OUT: Final = state.HOLD_IS_SETTLED
HOLD_GIVEN_BACK: Final = state.HOLD_IS_RELEASED

ASK_COLUMNS: Final = states.ASK_COLUMNS
ASK_LIMIT: Final = int(states.Ask.LIMIT)
ASK_LIMIT_IOC: Final = int(states.Ask.LIMIT_IOC)
ASK_LIMIT_FOK: Final = int(states.Ask.LIMIT_FOK)
ASK_LIMIT_MAKER: Final = int(states.Ask.LIMIT_MAKER)
ASK_MARKET: Final = int(states.Ask.MARKET)
ASK_FOK_BUDGET: Final = int(states.Ask.FOK_BUDGET)
ASK_STOP_MARKET: Final = int(states.Ask.STOP_MARKET)
ASK_STOP_LIMIT: Final = int(states.Ask.STOP_LIMIT)
ASK_MOVE: Final = int(states.Ask.MOVE)
ASK_CANCEL: Final = int(states.Ask.CANCEL)

SLICE_COMMANDS: Final = 1024  # memory is reserved for so many commands at a time
SHORT_SLICE_COMMANDS: Final = 256  # up to here the interpreter lock is kept
EVENTS_PER_COMMAND: Final = 8  # at most, those about the orders that it meets aside
SLIPPAGE_BAND: Final = 5  # the place of the slippage allowance in them
BANDS: Final = 8  # numbers that make a market's bands
TRAIT_STP: Final = 7  # bits of an order's traits: its StpMode
TRAIT_AMOUNT: Final = 16  # a MARKET order by amount
TRAIT_LIST: Final = 128  # it is a leg of a list
LIST_LEGS_MAX: Final = 3
LIST_EVENTS_MAX: Final = 32  # of placing or settling one list, trades aside
LIST_WORDS: Final = 15
TRAIT_EXTRA: Final = 32  # it has an Extra
TRAIT_ICEBERG: Final = 64  # and displays a part of its lots only
CHUNK_LEVELS: Final = 128  # the size of `layout.Chunk`
CHUNK_LEVELS_MERGED: Final = 64  # neighbours with so many levels together are joined
SECTIONS_MIN: Final = 4
POOL_ITEMS_MIN: Final = 1024
TABLE_SLOTS_MIN: Final = 1024  # a power of two
WINDOW_ITEMS_MIN: Final = 4  # doubled until it is REQUEST_WINDOW

# 64-bit words in a packed row of the canonical state (`engine.kernel.state`).
USER_WORDS: Final = 4
WINDOW_WORDS: Final = 6
ACCOUNT_WORDS: Final = 4
ORDER_WORDS: Final = 21
BUSINESS_WORDS: Final = 4
TERMS_WORDS: Final = 12
WATCH_WORDS: Final = 7
HOLD_WORDS: Final = 12
USER_FEES_WORDS: Final = 4
WORD_BYTES: Final = 8

TIMER_KIND_SHIFT: Final = 61  # ids are below: order ids have 63 bits, and kind 0 has four numbers
US_PER_MS: Final = 1_000


def add_overflows(first: int, second: int, result: Any) -> bool:
    """Put first + second into `result`; whether that left int64."""
    raise NotImplementedError


def multiply_overflows(first: int, second: int, result: Any) -> bool:
    """Put first x second into `result`; whether that left int64."""
    raise NotImplementedError


def sort_by_two_ids(rows: Any, count: int, row_bytes: int) -> None:
    """Sort packed rows by their first two words."""
    raise NotImplementedError


def sort_by_request_id(rows: Any, count: int, row_bytes: int) -> None:
    """Sort packed rows by their first sixteen bytes."""
    raise NotImplementedError
