"""The record codes as plain ints, for the modules through which every command passes.

Reading a member of an enumeration takes CPython longer than comparing it, and joining two flags
longer than a whole match; these names cost nothing. The compiled kernel gets the same names as C
constants, made from this module when it is built. Invariant: each is its member's value.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.limits import (
    ASSET_CODE_CHARS_MAX,
    FEE_PER_LOT_MAX,
    ICEBERG_TRANCHES_MAX,
    PAUSE_US_MAX,
    REQUEST_WINDOW,
    SYMBOL_CHARS_MAX,
    TIMEOUT_MS_MAX,
    TRAILING_DELTA_BIPS_MAX,
    TRIGGERS_PER_COMMAND_MAX,
)
from engine.proto.records import (
    ASSET_ID_MAX,
    CLIENT_ORDER_ID_CHARS_MAX,
    DECIMALS_MAX,
    HOUSE_USER_ID,
    INT64_MAX,
    LEGS_MAX,
    MARKET_ID_MAX,
    PPM,
    RECORD_BYTES,
    TEXT_BYTES,
    USER_ID_MAX,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    ListType,
    MarketState,
    OrderType,
    Reason,
    SessionState,
    Side,
    StpMode,
    TimeInForce,
    UserStatus,
)

__all__ = [
    "ASSET_CODE_CHARS_MAX",
    "ASSET_ID_MAX",
    "CLIENT_ORDER_ID_CHARS_MAX",
    "DECIMALS_MAX",
    "FEE_PER_LOT_MAX",
    "HOUSE_USER_ID",
    "ICEBERG_TRANCHES_MAX",
    "INT64_MAX",
    "LEGS_MAX",
    "MARKET_ID_MAX",
    "PAUSE_US_MAX",
    "PPM",
    "RECORD_BYTES",
    "REQUEST_WINDOW",
    "SYMBOL_CHARS_MAX",
    "TEXT_BYTES",
    "TIMEOUT_MS_MAX",
    "TRAILING_DELTA_BIPS_MAX",
    "TRIGGERS_PER_COMMAND_MAX",
    "USER_ID_MAX",
]

BIPS: Final = 10_000
# Why an open order is not in the book (0: it is).
WAIT_STOP: Final = 1  # for its stop price
WAIT_TRAIL: Final = 2  # it follows the price
WAIT_DUE: Final = 3  # it was triggered and has not run yet
WAIT_LIST: Final = 4  # for the working leg of its list

PARKED_EVENTS: Final = 4  # what a parked order can cause besides its end

# Kinds of timers, in the order in which those due at the same time fire.
TIMER_GTD: Final = 0  # id: the order's
TIMER_DEADMAN: Final = 4  # id: the user's
TIMER_MARKET: Final = 5  # id: the market's
TIMER_SESSION: Final = 6  # id: the user's

ADD_ASSET: Final = int(CommandType.ADD_ASSET)
ADD_MARKET: Final = int(CommandType.ADD_MARKET)
SET_MARKET_FILTERS: Final = int(CommandType.SET_MARKET_FILTERS)
SET_MARKET_FEES: Final = int(CommandType.SET_MARKET_FEES)
SET_MARKET_STATE: Final = int(CommandType.SET_MARKET_STATE)
ADD_USER: Final = int(CommandType.ADD_USER)
SET_USER_STATUS: Final = int(CommandType.SET_USER_STATUS)
SET_USER_FEES: Final = int(CommandType.SET_USER_FEES)
SET_MARKET_LIMITS: Final = int(CommandType.SET_MARKET_LIMITS)
DEPOSIT: Final = int(CommandType.DEPOSIT)
WITHDRAW: Final = int(CommandType.WITHDRAW)
ADJUST: Final = int(CommandType.ADJUST)
TRANSFER_LEG: Final = int(CommandType.TRANSFER_LEG)
TRANSFER: Final = int(CommandType.TRANSFER)
HOLD: Final = int(CommandType.HOLD)
SETTLE_HOLD: Final = int(CommandType.SETTLE_HOLD)
RELEASE_HOLD: Final = int(CommandType.RELEASE_HOLD)
SET_KILL_SWITCH: Final = int(CommandType.SET_KILL_SWITCH)
SET_TRADE_GROUP: Final = int(CommandType.SET_TRADE_GROUP)
PLACE: Final = int(CommandType.PLACE)
CANCEL: Final = int(CommandType.CANCEL)
REDUCE: Final = int(CommandType.REDUCE)
MOVE: Final = int(CommandType.MOVE)
CANCEL_ALL: Final = int(CommandType.CANCEL_ALL)
AMEND: Final = int(CommandType.AMEND)
REPLACE: Final = int(CommandType.REPLACE)
QUOTE: Final = int(CommandType.QUOTE)
PLACE_LEG: Final = int(CommandType.PLACE_LEG)
PLACE_LIST: Final = int(CommandType.PLACE_LIST)
CHECKPOINT: Final = int(CommandType.CHECKPOINT)
SET_RATE_LIMIT: Final = int(CommandType.SET_RATE_LIMIT)
SET_MARKET_BANDS: Final = int(CommandType.SET_MARKET_BANDS)
TICK: Final = int(CommandType.TICK)
SET_DEADMAN: Final = int(CommandType.SET_DEADMAN)
SET_SESSION: Final = int(CommandType.SET_SESSION)

FEE_IN_QUOTE: Final = int(CommandFlag.FEE_IN_QUOTE)
FEE_PER_LOT: Final = int(CommandFlag.FEE_PER_LOT)
OPERATOR: Final = int(CommandFlag.OPERATOR)
REQUEUE: Final = int(CommandFlag.REQUEUE)
CANCEL_RESTING: Final = int(CommandFlag.CANCEL_RESTING)
ICEBERG: Final = int(CommandFlag.ICEBERG)
ALLOW_FAILURE: Final = int(CommandFlag.ALLOW_FAILURE)
ONLY_NEW: Final = int(CommandFlag.ONLY_NEW)
ONLY_PARTIALLY_FILLED: Final = int(CommandFlag.ONLY_PARTIALLY_FILLED)
IN_SESSION: Final = int(CommandFlag.IN_SESSION)

ASK: Final = int(Side.ASK)
BID: Final = int(Side.BID)

LIMIT: Final = int(OrderType.LIMIT)
MARKET: Final = int(OrderType.MARKET)
LIMIT_MAKER: Final = int(OrderType.LIMIT_MAKER)
FOK_BUDGET: Final = int(OrderType.FOK_BUDGET)
STOP_LOSS: Final = int(OrderType.STOP_LOSS)
STOP_LOSS_LIMIT: Final = int(OrderType.STOP_LOSS_LIMIT)
TAKE_PROFIT: Final = int(OrderType.TAKE_PROFIT)
TAKE_PROFIT_LIMIT: Final = int(OrderType.TAKE_PROFIT_LIMIT)

GTC: Final = int(TimeInForce.GTC)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)
GTD: Final = int(TimeInForce.GTD)

OCO: Final = int(ListType.OCO)
OTO: Final = int(ListType.OTO)
OTOCO: Final = int(ListType.OTOCO)

SESSION_OPEN: Final = int(SessionState.OPEN)
SESSION_CLOSED: Final = int(SessionState.CLOSED)
SESSION_ENDED: Final = int(SessionState.ENDED)

NO_STP: Final = int(StpMode.NONE)
EXPIRE_TAKER: Final = int(StpMode.EXPIRE_TAKER)
EXPIRE_MAKER: Final = int(StpMode.EXPIRE_MAKER)
EXPIRE_BOTH: Final = int(StpMode.EXPIRE_BOTH)
DECREMENT: Final = int(StpMode.DECREMENT)

TRADING: Final = int(MarketState.TRADING)
CANCEL_ONLY: Final = int(MarketState.CANCEL_ONLY)
HALT: Final = int(MarketState.HALT)
POST_ONLY: Final = int(MarketState.POST_ONLY)
LIMIT_ONLY: Final = int(MarketState.LIMIT_ONLY)
AUCTION: Final = int(MarketState.AUCTION)
CLOSED: Final = int(MarketState.CLOSED)
DELISTED: Final = int(MarketState.DELISTED)

ACTIVE: Final = int(UserStatus.ACTIVE)
SUSPENDED: Final = int(UserStatus.SUSPENDED)

ASSET_ADDED: Final = int(EventType.ASSET_ADDED)
MARKET_ADDED: Final = int(EventType.MARKET_ADDED)
MARKET_FILTERS_SET: Final = int(EventType.MARKET_FILTERS_SET)
MARKET_FEES_SET: Final = int(EventType.MARKET_FEES_SET)
MARKET_STATE_SET: Final = int(EventType.MARKET_STATE_SET)
USER_ADDED: Final = int(EventType.USER_ADDED)
USER_STATUS_SET: Final = int(EventType.USER_STATUS_SET)
USER_FEES_SET: Final = int(EventType.USER_FEES_SET)
MARKET_LIMITS_SET: Final = int(EventType.MARKET_LIMITS_SET)
FUNDS_DEPOSITED: Final = int(EventType.FUNDS_DEPOSITED)
FUNDS_WITHDRAWN: Final = int(EventType.FUNDS_WITHDRAWN)
FUNDS_ADJUSTED: Final = int(EventType.FUNDS_ADJUSTED)
FUNDS_TRANSFERRED: Final = int(EventType.FUNDS_TRANSFERRED)
FUNDS_HELD: Final = int(EventType.FUNDS_HELD)
HOLD_SETTLED_EVENT: Final = int(EventType.HOLD_SETTLED)
HOLD_RELEASED_EVENT: Final = int(EventType.HOLD_RELEASED)
KILL_SWITCH_SET: Final = int(EventType.KILL_SWITCH_SET)
RATE_LIMIT_SET: Final = int(EventType.RATE_LIMIT_SET)
TRADE_GROUP_SET: Final = int(EventType.TRADE_GROUP_SET)
ORDER_ACCEPTED: Final = int(EventType.ORDER_ACCEPTED)
ORDER_CANCELED: Final = int(EventType.ORDER_CANCELED)
ORDER_REDUCED: Final = int(EventType.ORDER_REDUCED)
ORDER_MOVED: Final = int(EventType.ORDER_MOVED)
ORDER_EXPIRED: Final = int(EventType.ORDER_EXPIRED)
TRADE: Final = int(EventType.TRADE)
ORDER_TERMS: Final = int(EventType.ORDER_TERMS)
ORDER_TRIGGERED: Final = int(EventType.ORDER_TRIGGERED)
REFUSED: Final = int(EventType.REFUSED)
REQUEST_REPLAYED: Final = int(EventType.REQUEST_REPLAYED)
CHECKPOINT_ASSET: Final = int(EventType.CHECKPOINT_ASSET)
CHECKPOINT_MADE: Final = int(EventType.CHECKPOINT)
LEG_TAKEN: Final = int(EventType.LEG_TAKEN)
CANCEL_ALL_DONE: Final = int(EventType.CANCEL_ALL_DONE)
ORDER_AMENDED: Final = int(EventType.ORDER_AMENDED)
ORDER_PREVENTED: Final = int(EventType.ORDER_PREVENTED)
MARKET_UNCROSSED: Final = int(EventType.MARKET_UNCROSSED)
MARKET_BANDS_SET: Final = int(EventType.MARKET_BANDS_SET)
LIST_ACCEPTED: Final = int(EventType.LIST_ACCEPTED)
LIST_ENDED: Final = int(EventType.LIST_ENDED)
DEADMAN_SET: Final = int(EventType.DEADMAN_SET)
SESSION_SET: Final = int(EventType.SESSION_SET)

DONE: Final = int(EventFlag.DONE)
MAKER_DONE: Final = int(EventFlag.MAKER_DONE)
PARKED: Final = int(EventFlag.PARKED)
IN_AUCTION: Final = int(EventFlag.AUCTION)
BY_OPERATOR: Final = int(EventFlag.OPERATOR)

OK: Final = int(Reason.NONE)
MALFORMED: Final = int(Reason.MALFORMED)
UNKNOWN_ASSET: Final = int(Reason.UNKNOWN_ASSET)
UNKNOWN_MARKET: Final = int(Reason.UNKNOWN_MARKET)
UNKNOWN_USER: Final = int(Reason.UNKNOWN_USER)
UNKNOWN_ORDER: Final = int(Reason.UNKNOWN_ORDER)
ALREADY_EXISTS: Final = int(Reason.ALREADY_EXISTS)
NOTHING_CHANGES: Final = int(Reason.NOTHING_CHANGES)
INVALID_DECIMALS: Final = int(Reason.INVALID_DECIMALS)
INVALID_MAX_TOTAL: Final = int(Reason.INVALID_MAX_TOTAL)
INVALID_SYMBOL: Final = int(Reason.INVALID_SYMBOL)
INVALID_TICK_OR_LOT: Final = int(Reason.INVALID_TICK_OR_LOT)
INVALID_FEE: Final = int(Reason.INVALID_FEE)
INVALID_FILTER: Final = int(Reason.INVALID_FILTER)
INVALID_AMOUNT: Final = int(Reason.INVALID_AMOUNT)
INVALID_PRICE: Final = int(Reason.INVALID_PRICE)
INVALID_QUANTITY: Final = int(Reason.INVALID_QUANTITY)
PRICE_FILTER: Final = int(Reason.PRICE_FILTER)
LOT_SIZE: Final = int(Reason.LOT_SIZE)
NOTIONAL: Final = int(Reason.NOTIONAL)
OVERFLOW: Final = int(Reason.OVERFLOW)
INSUFFICIENT_BALANCE: Final = int(Reason.INSUFFICIENT_BALANCE)
MAX_TOTAL_EXCEEDED: Final = int(Reason.MAX_TOTAL_EXCEEDED)
WOULD_TAKE: Final = int(Reason.WOULD_TAKE)
PRICE_ABOVE_CEILING: Final = int(Reason.PRICE_ABOVE_CEILING)
MARKET_NOT_TRADING: Final = int(Reason.MARKET_NOT_TRADING)
USER_SUSPENDED: Final = int(Reason.USER_SUSPENDED)
DUPLICATE_CLIENT_ORDER_ID: Final = int(Reason.DUPLICATE_CLIENT_ORDER_ID)
REQUEST_ID_REUSED: Final = int(Reason.REQUEST_ID_REUSED)
REQUEST_ID_REQUIRED: Final = int(Reason.REQUEST_ID_REQUIRED)
DUPLICATE_ORDER_ID: Final = int(Reason.DUPLICATE_ORDER_ID)
CAPACITY: Final = int(Reason.CAPACITY)
TIME_IN_FORCE: Final = int(Reason.TIME_IN_FORCE)
BUDGET: Final = int(Reason.BUDGET)
KILL_SWITCH: Final = int(Reason.KILL_SWITCH)
MASS_CANCEL: Final = int(Reason.MASS_CANCEL)
USER_STATUS: Final = int(Reason.USER_STATUS)
MARKET_STATE: Final = int(Reason.MARKET_STATE)
MARKET_POST_ONLY: Final = int(Reason.MARKET_POST_ONLY)
MARKET_LIMIT_ONLY: Final = int(Reason.MARKET_LIMIT_ONLY)
MARKET_IN_AUCTION: Final = int(Reason.MARKET_IN_AUCTION)
MARKET_CLOSED: Final = int(Reason.MARKET_CLOSED)
MARKET_DELISTED: Final = int(Reason.MARKET_DELISTED)
MARKET_LOT_SIZE: Final = int(Reason.MARKET_LOT_SIZE)
MAX_NUM_ORDERS: Final = int(Reason.MAX_NUM_ORDERS)
MAX_NUM_ALGO_ORDERS: Final = int(Reason.MAX_NUM_ALGO_ORDERS)
MAX_POSITION: Final = int(Reason.MAX_POSITION)
RATE_LIMIT: Final = int(Reason.RATE_LIMIT)
NO_DRAFT: Final = int(Reason.NO_DRAFT)
UNBALANCED: Final = int(Reason.UNBALANCED)
UNKNOWN_HOLD: Final = int(Reason.UNKNOWN_HOLD)
HOLD_SETTLED: Final = int(Reason.HOLD_SETTLED)
HOLD_RELEASED: Final = int(Reason.HOLD_RELEASED)
REBATE: Final = int(Reason.REBATE)
STP: Final = int(Reason.STP)
PERCENT_PRICE: Final = int(Reason.PERCENT_PRICE)
SLIPPAGE: Final = int(Reason.SLIPPAGE)
VOLATILITY: Final = int(Reason.VOLATILITY)
INVALID_ICEBERG: Final = int(Reason.INVALID_ICEBERG)
QUOTE_REPLACED: Final = int(Reason.QUOTE_REPLACED)
CANCEL_RESTRICTED: Final = int(Reason.CANCEL_RESTRICTED)
INVALID_BAND: Final = int(Reason.INVALID_BAND)
WOULD_TRIGGER: Final = int(Reason.WOULD_TRIGGER)
INVALID_STOP_PRICE: Final = int(Reason.INVALID_STOP_PRICE)
INVALID_TRAILING_DELTA: Final = int(Reason.INVALID_TRAILING_DELTA)
INVALID_EXPIRE_TIME: Final = int(Reason.INVALID_EXPIRE_TIME)
ORDER_IS_PARKED: Final = int(Reason.ORDER_IS_PARKED)
GTD_REACHED: Final = int(Reason.GTD)
DEADMAN_FIRED: Final = int(Reason.DEADMAN)
SESSION_OVER: Final = int(Reason.SESSION)
LIST_PARTNER: Final = int(Reason.LIST)
INVALID_TIMEOUT: Final = int(Reason.INVALID_TIMEOUT)
INVALID_LIST: Final = int(Reason.INVALID_LIST)
ORDER_IN_LIST: Final = int(Reason.ORDER_IN_LIST)
UNKNOWN_SESSION: Final = int(Reason.UNKNOWN_SESSION)
