"""Layouts of the engine's command and event records, and the codes inside them.

A command and an event are 128 bytes each, little-endian, without padding of the compiler's choice.
Invariant: this module is the single statement of the layout; kernels, journal, stream, mirror and
clients derive theirs from it. Fields a record does not use are zero, and a command with a non-zero
unused field is refused, so that a field can be given a meaning later without ambiguity.

Units: `*_ticks` are multiples of a market's tick, `*_lots` of its lot, `*_atoms` of an asset's
smallest unit, `*_ppm` parts per million, `time_us` microseconds since the Unix epoch as stamped by
the sequencer.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from engine.proto.bodies import (
    AssetAdded,
    CancelAllDone,
    Checkpoint,
    CheckpointAsset,
    DeadmanSet,
    EventBody,
    FundsMoved,
    FundsTransferred,
    KillSwitchSet,
    LegTaken,
    ListSet,
    MarketAdded,
    MarketBandsSet,
    MarketFeesSet,
    MarketFiltersSet,
    MarketLimitsSet,
    MarketStateSet,
    MarketUncrossed,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    RateLimitSet,
    Refused,
    RequestReplayed,
    SessionSet,
    Trade,
    TradeGroupSet,
    UserFeesSet,
    UserSet,
)

# fmt: off
__all__ = [  # the bodies are imported from here as well
    "AssetAdded", "CancelAllDone", "Checkpoint", "CheckpointAsset", "DeadmanSet", "EventBody",
    "FundsMoved", "FundsTransferred", "KillSwitchSet", "LegTaken", "ListSet", "MarketAdded",
    "MarketBandsSet", "MarketFeesSet", "MarketFiltersSet", "MarketLimitsSet", "MarketStateSet",
    "MarketUncrossed", "OrderAccepted", "OrderChanged", "OrderPrevented", "OrderTerms",
    "RateLimitSet", "Refused", "RequestReplayed", "SessionSet", "Trade", "TradeGroupSet",
    "UserFeesSet", "UserSet",
]
# fmt: on

INT64_MAX: Final = 2**63 - 1
RECORD_BYTES: Final = 128
TEXT_BYTES: Final = 40
CLIENT_ORDER_ID_CHARS_MAX: Final = 36
HOUSE_USER_ID: Final = 0  # the engine account that collects fees; traders are 1 and above
USER_ID_MAX: Final = 2**47 - 1
ASSET_ID_MAX: Final = 65_535
MARKET_ID_MAX: Final = 65_535
DECIMALS_MAX: Final = 18
PPM: Final = 1_000_000
NO_REQUEST_ID: Final = bytes(16)
LEGS_MAX: Final = 8  # of one draft


class CommandType(IntEnum):
    """What a command asks for. Values are journaled: never reuse one."""

    ADD_ASSET = 1
    ADD_MARKET = 2
    SET_MARKET_FILTERS = 3
    SET_MARKET_FEES = 4
    SET_MARKET_STATE = 5
    ADD_USER = 6
    SET_USER_STATUS = 7
    SET_USER_FEES = 8
    SET_MARKET_LIMITS = 9
    DEPOSIT = 10
    WITHDRAW = 11
    ADJUST = 12
    TRANSFER_LEG = 13
    TRANSFER = 14
    HOLD = 15
    SETTLE_HOLD = 16
    RELEASE_HOLD = 17
    SET_TRADE_GROUP = 18
    SET_KILL_SWITCH = 19
    PLACE = 20
    CANCEL = 21
    REDUCE = 22
    MOVE = 23
    AMEND = 24
    REPLACE = 25
    CANCEL_ALL = 26
    QUOTE = 27
    PLACE_LEG = 28
    PLACE_LIST = 29
    CHECKPOINT = 30
    TICK = 31
    SET_DEADMAN = 32
    SET_SESSION = 33
    SET_RATE_LIMIT = 35
    SET_MARKET_BANDS = 34


class EventType(IntEnum):
    """What happened. Past facts; values are journaled: never reuse one."""

    ASSET_ADDED = 1
    MARKET_ADDED = 2
    MARKET_FILTERS_SET = 3
    MARKET_FEES_SET = 4
    MARKET_STATE_SET = 5
    USER_ADDED = 6
    USER_STATUS_SET = 7
    USER_FEES_SET = 8
    MARKET_LIMITS_SET = 9
    FUNDS_DEPOSITED = 10
    FUNDS_WITHDRAWN = 11
    FUNDS_ADJUSTED = 12
    FUNDS_TRANSFERRED = 13
    FUNDS_HELD = 14
    HOLD_SETTLED = 15
    HOLD_RELEASED = 16
    TRADE_GROUP_SET = 17
    KILL_SWITCH_SET = 18
    RATE_LIMIT_SET = 19
    ORDER_ACCEPTED = 20
    ORDER_CANCELED = 21
    ORDER_REDUCED = 22
    ORDER_MOVED = 23
    ORDER_EXPIRED = 24
    TRADE = 25
    ORDER_TERMS = 26
    ORDER_TRIGGERED = 27
    REFUSED = 28
    REQUEST_REPLAYED = 29
    CHECKPOINT_ASSET = 30
    CHECKPOINT = 31
    LEG_TAKEN = 32
    ORDER_AMENDED = 33
    ORDER_PREVENTED = 34
    MARKET_UNCROSSED = 35
    LIST_ACCEPTED = 36
    LIST_ENDED = 37
    DEADMAN_SET = 38
    MARKET_BANDS_SET = 39
    SESSION_SET = 40
    CANCEL_ALL_DONE = 41


class Side(IntEnum):
    """Of an order: ASK sells the base asset, BID buys it."""

    ASK = 0
    BID = 1


class OrderType(IntEnum):
    """How an order meets the book.

    The last four are parked until the last price reaches their stop price, and are then MARKET
    orders or, `_LIMIT`, LIMIT orders. STOP_LOSS waits for a price that is worse for its owner (up
    for a bid, down for an ask), TAKE_PROFIT for a better one.
    """

    LIMIT = 1
    MARKET = 2
    LIMIT_MAKER = 3
    FOK_BUDGET = 4
    STOP_LOSS = 5
    STOP_LOSS_LIMIT = 6
    TAKE_PROFIT = 7
    TAKE_PROFIT_LIMIT = 8


class TimeInForce(IntEnum):
    """How long the remainder of an order lives. Types without a limit price carry NONE."""

    NONE = 0
    GTC = 1
    IOC = 2
    FOK = 3
    GTD = 4  # until a stated time


class StpMode(IntEnum):
    """Self-trade prevention: what happens where an order would trade with one of its own user or
    trade group. The mode of the taker decides, in an auction that of the later order."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class MarketState(IntEnum):
    """What a market lets in; which command in which state: `engine.kernel.states`."""

    TRADING = 1
    CANCEL_ONLY = 2
    HALT = 3  # as CANCEL_ONLY; timers and triggers stand still
    POST_ONLY = 4
    LIMIT_ONLY = 5
    AUCTION = 6  # orders rest without matching until the state is left
    CLOSED = 7  # operators only
    DELISTED = 8  # for ever: nothing rests any more, balances remain


class ListType(IntEnum):
    """How the legs of a PLACE_LIST belong together."""

    OCO = 1  # one cancels the other: a LIMIT_MAKER leg, then a stop leg
    OTO = 2  # one triggers the other: a working leg, then a pending leg
    OTOCO = 3  # one triggers an OCO: a working leg, then the two legs of an OCO


class SessionState(IntEnum):
    """Of a user's session at the engine's clients."""

    OPEN = 1
    CLOSED = 2  # its grace time runs
    ENDED = 3  # SESSION_SET only: the grace time is over


class UserStatus(IntEnum):
    """A suspended user can cancel and reduce, and nothing else; resting orders stay unless the
    command that suspends him says CANCEL_RESTING."""

    ACTIVE = 1
    SUSPENDED = 2


class CommandFlag(IntFlag):
    """Bits of a command's `flags`."""

    FEE_IN_QUOTE = 1  # ADD_MARKET: both fees in the quote asset (default: the received asset)
    FEE_PER_LOT = 2  # ADD_MARKET: rates are quote atoms per lot (implies FEE_IN_QUOTE)
    OPERATOR = 4  # CANCEL, CANCEL_ALL: by an operator; the owner is not compared
    REQUEUE = 8  # MOVE: an unchanged price is allowed and sends the order to the back
    CANCEL_RESTING = 32  # SET_USER_STATUS: cancel the user's open orders as well
    ICEBERG = 16  # PLACE LIMIT GTC or GTD, LIMIT_MAKER: `ceiling` = displayed lots
    ALLOW_FAILURE = 1024  # REPLACE: place also if there is nothing to cancel
    ONLY_NEW = 2048  # CANCEL, REPLACE: only if nothing of the order has traded
    ONLY_PARTIALLY_FILLED = 4096  # CANCEL, REPLACE: only if something of it has traded
    IN_SESSION = 64  # PLACE, PLACE_LEG: cancelled when the user's session ends


class EventFlag(IntFlag):
    """Bits of an event's `flags`."""

    BID = 1  # the order (in a TRADE: the taker) buys
    DONE = 2  # the order (in a TRADE: the taker) has ended
    MAKER_DONE = 4  # TRADE only: the maker has ended
    OPERATOR = 8  # ORDER_CANCELED by an operator
    AUCTION = 32  # TRADE only: by an uncross; both orders were in the book
    PARKED = 16  # the order is not in the book: it waits for its trigger, or for its list


class Reason(IntEnum):
    """Why a command was refused, or an order expired. Stable: clients map on it."""

    NONE = 0
    MALFORMED = 1  # unknown type, unknown enum value, or an unused field that is not zero
    UNKNOWN_ASSET = 2
    UNKNOWN_MARKET = 3
    UNKNOWN_USER = 4
    UNKNOWN_ORDER = 5  # unknown, finished or somebody else's: told apart to nobody
    ALREADY_EXISTS = 6  # same asset, market or user with other content
    NOTHING_CHANGES = 7
    INVALID_DECIMALS = 8
    INVALID_MAX_TOTAL = 9
    INVALID_SYMBOL = 10
    INVALID_TICK_OR_LOT = 11  # tick x lot is not a whole number of quote atoms
    INVALID_FEE = 12
    INVALID_FILTER = 13
    INVALID_AMOUNT = 14
    INVALID_PRICE = 15
    INVALID_QUANTITY = 16
    PRICE_FILTER = 17
    LOT_SIZE = 18
    NOTIONAL = 19
    OVERFLOW = 20  # price x quantity leaves int64
    INSUFFICIENT_BALANCE = 21
    MAX_TOTAL_EXCEEDED = 22
    WOULD_TAKE = 23  # LIMIT_MAKER would trade at once
    PRICE_ABOVE_CEILING = 24  # a bid moved beyond its hold ceiling
    MARKET_NOT_TRADING = 25
    USER_SUSPENDED = 26
    DUPLICATE_CLIENT_ORDER_ID = 27
    REQUEST_ID_REUSED = 28  # same id, other content
    REQUEST_ID_REQUIRED = 29
    DUPLICATE_ORDER_ID = 30
    CAPACITY = 31  # a stated limit of the engine is reached
    TIME_IN_FORCE = 32  # ORDER_EXPIRED: remainder of IOC or MARKET, or FOK not fillable
    BUDGET = 33  # ORDER_EXPIRED: FOK_BUDGET cannot be met
    KILL_SWITCH = 40  # of the user, the market or all; also why orders were canceled
    MASS_CANCEL = 41  # ORDER_CANCELED by CANCEL_ALL
    USER_STATUS = 42  # ORDER_CANCELED because the user was suspended
    MARKET_STATE = 43  # ORDER_CANCELED because the market was delisted
    MARKET_POST_ONLY = 44
    MARKET_LIMIT_ONLY = 45
    MARKET_IN_AUCTION = 46
    MARKET_CLOSED = 47
    MARKET_DELISTED = 48
    MARKET_LOT_SIZE = 49
    MAX_NUM_ORDERS = 50
    MAX_NUM_ALGO_ORDERS = 51
    MAX_POSITION = 52
    RATE_LIMIT = 53  # too many unfilled orders in this window
    NO_DRAFT = 54  # the legs before it are not those that this command takes
    UNBALANCED = 55  # TRANSFER: the legs of an asset do not add up to zero
    UNKNOWN_HOLD = 56
    HOLD_SETTLED = 57
    HOLD_RELEASED = 58
    REBATE = 59  # a maker is paid only where fees are in quote, at most the lowest taker rate
    WOULD_TRIGGER = 60  # the last price is beyond the stop price already
    INVALID_STOP_PRICE = 61
    INVALID_TRAILING_DELTA = 62  # outside 1..9999 bips
    INVALID_EXPIRE_TIME = 63  # GTD with a time that is not in the future
    ORDER_IS_PARKED = 64  # a stop order, or a pending leg, can be cancelled or reduced only
    GTD = 65  # ORDER_EXPIRED: its time has come
    DEADMAN = 66  # ORDER_CANCELED by the user's dead-man switch
    SESSION = 67  # ORDER_CANCELED because the user's session ended
    LIST = 68  # ORDER_CANCELED because of another leg of its list
    INVALID_TIMEOUT = 69
    INVALID_LIST = 70  # legs that do not make the list that is asked for
    ORDER_IN_LIST = 71  # a leg of a list can be cancelled only
    UNKNOWN_SESSION = 72  # no such session of this user is open
    STP = 80  # ORDER_EXPIRED: it would have traded with an order of its own user or trade group
    PERCENT_PRICE = 81  # too far from the reference price
    SLIPPAGE = 82  # ORDER_EXPIRED: the rest of a MARKET order is beyond the slippage allowance
    VOLATILITY = 83  # ORDER_EXPIRED: beyond the volatility limit; MARKET_STATE_SET: so it paused
    INVALID_ICEBERG = 84  # displayed lots above the quantity, or too many tranches
    QUOTE_REPLACED = 85  # ORDER_CANCELED: by its user's next QUOTE
    CANCEL_RESTRICTED = 86  # ONLY_NEW or ONLY_PARTIALLY_FILLED does not hold
    INVALID_BAND = 87


class Command(NamedTuple):
    """One command, fields named as PLACE uses them.

    Other types read the numbers as follows (all others must be zero):

    ADD_ASSET           asset_id, quantity = decimals, amount = max_total_atoms, text = code
    ADD_MARKET          market_id, asset_id = base, order_id = quote asset, price = tick_atoms
                        (quote atoms per whole base unit), quantity = lot_atoms (base atoms),
                        amount = maker fee, ceiling = taker fee (ppm, or quote atoms per lot),
                        flags = FEE_*, text = symbol
    SET_MARKET_FILTERS  market_id, price = min_price_ticks, ceiling = max_price_ticks,
                        quantity = min_quantity_lots, order_id = max_quantity_lots,
                        amount = min_notional_atoms; 0 = no bound
    SET_MARKET_FEES     market_id, amount = maker fee, ceiling = taker fee
    SET_MARKET_STATE    market_id, quantity = MarketState
    ADD_USER            user_id
    SET_USER_STATUS     user_id, quantity = UserStatus, flags = CANCEL_RESTING
    SET_USER_FEES       user_id, market_id (0 = every market with fees in ppm), quantity = 1: set
                        (0: back to the market's, amount and ceiling then 0), amount = maker fee,
                        ceiling = taker fee, in the market's unit; of two settings the one for
                        the market counts. A negative maker fee (here, in ADD_MARKET and in
                        SET_MARKET_FEES) is a rebate
    SET_MARKET_LIMITS   market_id, quantity = market_min_lots, order_id = market_max_lots (both of
                        MARKET orders), amount = max_notional_atoms, price = max_orders,
                        ceiling = max_algo_orders, spare = max_position_atoms (base; free and
                        locked and open bids of this market), side = 1: min notional holds for
                        MARKET orders, 2: max notional does, 3: both; 0 = no bound
    SET_KILL_SWITCH     user_id or market_id (neither: all), quantity = 1 on, 0 off
    SET_RATE_LIMIT      its number is held for a limit of unfilled orders; refused as MALFORMED
    DEPOSIT WITHDRAW    user_id, asset_id, amount > 0, request_id = business id, text = reference
    ADJUST              the same; amount signed, not 0
    TRANSFER_LEG        the same; user_id 0 = house. Held back until its TRANSFER
    TRANSFER            quantity = number of legs, request_id = that of all legs
    HOLD                as WITHDRAW; request_id is the hold's id from now on
    SETTLE_HOLD         user_id, request_id = the hold's; what was held is withdrawn
    RELEASE_HOLD        the same; what was held is available again
    PLACE               side, order_type, time_in_force, market_id, user_id, order_id, price,
                        quantity, amount = budget_atoms (FOK_BUDGET only, price then 0),
                        ceiling = hold ceiling in ticks (bids: LIMIT GTC/IOC/FOK; 0 = none),
                        stp = StpMode, request_id, text = client order id;
                        MARKET by amount: quantity = 0, amount = quote_atoms to spend (with the fee
                        where it is in quote) or to receive (before the fee);
                        flags = ICEBERG: ceiling = displayed lots
    CANCEL              market_id, user_id, order_id, flags = OPERATOR, ONLY_*, request_id
    REDUCE              market_id, user_id, order_id, quantity = lots to take off, request_id
    MOVE                market_id, user_id, order_id, price = new price, flags = REQUEUE, request_id
    AMEND               market_id, user_id, order_id, price = new price (0 = the same), quantity =
                        new total quantity (0 = the same), request_id
    REPLACE             market_id, user_id, order_id = the order to cancel, quantity = 1, the number
                        of PLACE_LEG just before it, flags = ALLOW_FAILURE, ONLY_*, request_id
    QUOTE               market_id, user_id, order_id of the bid (the ask has the next id), price and
                        quantity = bid, ceiling and amount = price and lots of the ask (0 = none),
                        stp, request_id
    SET_TRADE_GROUP     user_id, quantity = group id, 0 = none
    SET_MARKET_BANDS    market_id, price = reference_price_ticks (0 = the last trade's),
                        quantity = lowest | highest << 32 of a bid, amount the same of an ask (ppm
                        of the reference price, 0 = no bound), ceiling = slippage_ppm, order_id =
                        volatility_ppm, spare = pause_us
    CANCEL_ALL          market_id (0 = all), user_id, quantity = 1 + Side (0 = both),
                        flags = OPERATOR (user_id 0: everybody's), request_id
    CHECKPOINT          nothing
    TICK                nothing: fires the timers that are due at its stamp
    SET_DEADMAN         user_id, quantity = timeout_ms (0 = off): unless it is set again in time,
                        all open orders of the user are cancelled
    SET_SESSION         user_id, order_id = session id, quantity = SessionState OPEN or CLOSED,
                        amount = grace_ms (CLOSED only)
    PLACE_LEG           as PLACE; held back as a draft until the PLACE_LIST that follows
    PLACE_LIST          market_id, user_id, order_type = ListType, quantity = number of legs,
                        request_id, text = client list id; the list's id is its first leg's order id

    TRANSFER_LEG and PLACE_LEG are held back as a draft of up to LEGS_MAX legs; the command that
    takes them must follow at once, any other drops them.

    More of PLACE: for order types with a stop, amount = stop price in ticks and asset_id = trailing
    delta in bips (0 = none; then the stop price may be 0 with a delta); with TimeInForce.GTD,
    spare = expire time_us; flags = IN_SESSION.
    """

    type: int
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    stp: int = 0
    market_id: int = 0
    asset_id: int = 0
    user_id: int = 0
    order_id: int = 0
    price: int = 0
    quantity: int = 0
    amount: int = 0
    ceiling: int = 0
    spare: int = 0
    request_id: bytes = NO_REQUEST_ID
    text: bytes = b""


COMMAND: Final = struct.Struct("<BBBBHHIIqqqqqqq16s40s")
EVENT_HEADER: Final = struct.Struct("<QQqBBHI")
EVENT_BODY_BYTES: Final = RECORD_BYTES - EVENT_HEADER.size
EVENT_TYPE_OFFSET: Final = 24
assert COMMAND.size == RECORD_BYTES
assert EVENT_HEADER.size == 32


class EventHeader(NamedTuple):
    """First 32 bytes of every event. `event_seq` is dense from 1 over the engine's whole life."""

    event_seq: int
    command_seq: int
    time_us: int
    type: int
    flags: int
    reason: int
    market_id: int


_CHANGED = ("<8q32x", OrderChanged)
_FUNDS = ("<3q16x16s40s", FundsMoved)
_LIST = ("<7q40s", ListSet)
_USER = ("<2q80x", UserSet)
_BODIES: Final[dict[int, tuple[str, type[EventBody]]]] = {
    EventType.ASSET_ADDED: ("<3q32x40s", AssetAdded),
    EventType.MARKET_ADDED: ("<7q40s", MarketAdded),
    EventType.MARKET_FILTERS_SET: ("<5q56x", MarketFiltersSet),
    EventType.MARKET_FEES_SET: ("<2q80x", MarketFeesSet),
    EventType.MARKET_STATE_SET: ("<q88x", MarketStateSet),
    EventType.USER_ADDED: _USER,
    EventType.USER_STATUS_SET: _USER,
    EventType.USER_FEES_SET: ("<4q64x", UserFeesSet),
    EventType.MARKET_LIMITS_SET: ("<7q40x", MarketLimitsSet),
    EventType.FUNDS_DEPOSITED: _FUNDS,
    EventType.FUNDS_WITHDRAWN: _FUNDS,
    EventType.FUNDS_ADJUSTED: _FUNDS,
    EventType.FUNDS_TRANSFERRED: ("<5q16s40s", FundsTransferred),
    EventType.FUNDS_HELD: _FUNDS,
    EventType.HOLD_SETTLED: _FUNDS,
    EventType.HOLD_RELEASED: _FUNDS,
    EventType.KILL_SWITCH_SET: ("<2q80x", KillSwitchSet),
    EventType.RATE_LIMIT_SET: ("<3q72x", RateLimitSet),
    EventType.ORDER_ACCEPTED: ("<7q40s", OrderAccepted),
    EventType.ORDER_CANCELED: _CHANGED,
    EventType.ORDER_REDUCED: _CHANGED,
    EventType.ORDER_MOVED: _CHANGED,
    EventType.ORDER_EXPIRED: _CHANGED,
    EventType.ORDER_AMENDED: _CHANGED,
    EventType.ORDER_PREVENTED: ("<10q16x", OrderPrevented),
    EventType.MARKET_UNCROSSED: ("<4q64x", MarketUncrossed),
    EventType.TRADE_GROUP_SET: ("<2q80x", TradeGroupSet),
    EventType.MARKET_BANDS_SET: ("<8q32x", MarketBandsSet),
    EventType.TRADE: ("<12q", Trade),
    EventType.ORDER_TERMS: ("<10q16x", OrderTerms),
    EventType.ORDER_TRIGGERED: _CHANGED,
    EventType.LIST_ACCEPTED: _LIST,
    EventType.LIST_ENDED: _LIST,
    EventType.DEADMAN_SET: ("<3q72x", DeadmanSet),
    EventType.SESSION_SET: ("<5q56x", SessionSet),
    EventType.REFUSED: ("<3q16x16s40s", Refused),
    EventType.REQUEST_REPLAYED: ("<4q8x16s40x", RequestReplayed),
    EventType.CHECKPOINT_ASSET: ("<5q56x", CheckpointAsset),
    EventType.CHECKPOINT: ("<16sq72x", Checkpoint),
    EventType.LEG_TAKEN: ("<4q8x16s40s", LegTaken),
    EventType.CANCEL_ALL_DONE: ("<3q72x", CancelAllDone),
}
BODY_STRUCTS: Final[dict[int, tuple[struct.Struct, type[EventBody]]]] = {
    kind: (struct.Struct(layout), body) for kind, (layout, body) in _BODIES.items()
}
assert all(body.size == EVENT_BODY_BYTES for body, _ in BODY_STRUCTS.values())


def pack_command(command: Command) -> bytes:
    """Return the 128 bytes of a command. `text` longer than 40 bytes is an error (ValueError)."""
    if len(command.text) > TEXT_BYTES or len(command.request_id) != len(NO_REQUEST_ID):
        raise ValueError(
            f"text was {len(command.text)} bytes, expected at most {TEXT_BYTES}; "
            f"request_id was {len(command.request_id)}, expected {len(NO_REQUEST_ID)}"
        )
    return COMMAND.pack(*command)


def unpack_command(record: bytes | memoryview, offset: int = 0) -> Command:
    """Return the command at `offset`; `text` comes without its trailing zero bytes."""
    command = Command._make(COMMAND.unpack_from(record, offset))
    return command._replace(text=command.text.rstrip(b"\0"))


def unpack_event(record: bytes | memoryview, offset: int = 0) -> tuple[EventHeader, EventBody]:
    """Return header and body of the event at `offset`. ValueError names an unknown type."""
    header = EventHeader._make(EVENT_HEADER.unpack_from(record, offset))
    layout = BODY_STRUCTS.get(header.type)
    if layout is None:
        raise ValueError(f"event {header.event_seq} has type {header.type}, which is unknown")
    body_struct, body_type = layout
    body = body_type(*body_struct.unpack_from(record, offset + EVENT_HEADER.size))
    if "text" in body._fields:
        body = body._replace(text=body.text.rstrip(b"\0"))  # type: ignore[union-attr,call-arg]
    return header, body


def decisive_event(events: bytes) -> int:
    """Which of the events of one call's commands tells its outcome, counted from 0.

    The first event of the first command that was refused, else of the last command: legs come
    before what takes them. Triggered orders that an earlier command left over run before a command
    and are passed over.
    """
    refused = events[EVENT_TYPE_OFFSET::RECORD_BYTES].find(EventType.REFUSED)
    if refused >= 0:
        return refused
    command_seqs = memoryview(events).cast("Q")[1 :: RECORD_BYTES // 8]
    first = bisect_left(command_seqs, command_seqs[-1])
    if events[first * RECORD_BYTES + EVENT_TYPE_OFFSET] != EventType.ORDER_TRIGGERED:
        return first
    return next(
        (at for at in range(first, len(command_seqs)) if not _is_of_a_trigger(events, at)), first
    )


def _is_of_a_trigger(events: bytes, at: int) -> bool:
    """Whether an event before a command's own ones tells of an order that was triggered earlier."""
    header = EventHeader._make(EVENT_HEADER.unpack_from(events, at * RECORD_BYTES))
    return header.type in _OF_TRIGGERS or (
        header.type in (EventType.ORDER_CANCELED, EventType.ORDER_REDUCED)
        and header.reason != Reason.NONE
    )


_OF_TRIGGERS: Final = frozenset(
    (
        EventType.ORDER_TRIGGERED,
        EventType.TRADE,
        EventType.ORDER_EXPIRED,
        EventType.ORDER_PREVENTED,
        EventType.LIST_ENDED,
    )
)


def pack_event(header: EventHeader, body: EventBody) -> bytes:
    """Return the 128 bytes of an event."""
    return EVENT_HEADER.pack(*header) + BODY_STRUCTS[header.type][0].pack(*body)
