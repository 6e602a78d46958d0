"""The bodies of the engine's events, field by field; their layouts are in `engine.proto.records`.

Invariant: the order of a body's fields is their order in the record; units are in their names, as
`engine.proto.records` explains.
"""

from __future__ import annotations

from typing import NamedTuple


class AssetAdded(NamedTuple):
    asset_id: int
    decimals: int
    max_total_atoms: int
    text: bytes


class MarketAdded(NamedTuple):
    base_asset_id: int
    quote_asset_id: int
    tick_atoms: int
    lot_atoms: int
    maker_fee: int
    taker_fee: int
    fee_flags: int
    text: bytes


class MarketFiltersSet(NamedTuple):
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional_atoms: int


class MarketFeesSet(NamedTuple):
    maker_fee: int
    taker_fee: int


class MarketStateSet(NamedTuple):
    state: int


class UserSet(NamedTuple):
    """Body of USER_ADDED and USER_STATUS_SET."""

    user_id: int
    status: int


class UserFeesSet(NamedTuple):
    """A user's own fees in the header's market (0: every market), or (`is_set` 0) no longer."""

    user_id: int
    maker_fee: int
    taker_fee: int
    is_set: int


class MarketLimitsSet(NamedTuple):
    """`to_market`: 1 if min notional holds for MARKET orders, 2 if max notional does, 3 both."""

    market_min_lots: int
    market_max_lots: int
    max_notional_atoms: int
    max_orders: int
    max_algo_orders: int
    max_position_atoms: int
    to_market: int


class KillSwitchSet(NamedTuple):
    """Of a user, of the header's market, or (both 0) of everything."""

    user_id: int
    is_on: int


class RateLimitSet(NamedTuple):
    """`user_id` 0: of all who have none of their own."""

    user_id: int
    max_orders: int
    window_us: int


class CancelAllDone(NamedTuple):
    """Closes the ORDER_CANCELED events of a CANCEL_ALL; `side` = 1 + Side, 0 = both."""

    user_id: int
    side: int
    canceled_orders: int


class FundsMoved(NamedTuple):
    """Body of FUNDS_DEPOSITED, FUNDS_WITHDRAWN (amount > 0) and FUNDS_ADJUSTED (signed), and of
    FUNDS_HELD (available to locked), HOLD_SETTLED (out of locked, withdrawn) and HOLD_RELEASED
    (locked to available), whose request id and text are the hold's."""

    user_id: int
    asset_id: int
    amount_atoms: int
    request_id: bytes
    text: bytes


class FundsTransferred(NamedTuple):
    """One leg of a TRANSFER: `leg` of `leg_count`, from 1; the legs of an asset add up to zero."""

    user_id: int
    asset_id: int
    amount_atoms: int
    leg: int
    leg_count: int
    request_id: bytes
    text: bytes


class LegTaken(NamedTuple):
    """A leg is held back, the `leg`th of its draft, and did nothing yet."""

    command_type: int
    user_id: int
    order_id: int
    leg: int
    request_id: bytes
    text: bytes


class OrderAccepted(NamedTuple):
    """`bound` is the hold ceiling in ticks, or the budget in atoms of FOK_BUDGET.

    `terms` = order_type | time_in_force << 8. `reserved_atoms` is held of the quote asset for a
    bid, of the base asset for an ask.
    """

    order_id: int
    user_id: int
    price_ticks: int
    quantity_lots: int
    bound: int
    reserved_atoms: int
    terms: int
    text: bytes


class OrderChanged(NamedTuple):
    """Body of ORDER_CANCELED, _REDUCED, _EXPIRED, _MOVED, _TRIGGERED and _AMENDED.

    `removed_lots` were taken off without trading (0 in ORDER_MOVED and ORDER_TRIGGERED, negative
    in ORDER_AMENDED if the order grew); `leaves_lots` and `reserved_atoms` are what remains (both
    0 when DONE); `price_ticks` is the price now. Of an iceberg that rests `was_shown_lots` and
    `shown_lots` are what the book shows of it before and after the event; both are 0 where the
    whole order is shown.
    """

    order_id: int
    user_id: int
    price_ticks: int
    removed_lots: int
    leaves_lots: int
    reserved_atoms: int
    was_shown_lots: int = 0
    shown_lots: int = 0


class OrderPrevented(NamedTuple):
    """What DECREMENT took off one of two orders instead of a trade; the other's event is beside it,
    the maker's first. As `OrderChanged`, and which order it would have met at which price."""

    order_id: int
    user_id: int
    price_ticks: int
    removed_lots: int
    leaves_lots: int
    reserved_atoms: int
    was_shown_lots: int
    shown_lots: int
    other_order_id: int
    match_price_ticks: int


class MarketUncrossed(NamedTuple):
    """The end of an auction. `lots` were traded at `price_ticks`, in the TRADE events before this;
    `imbalance_lots` could not at that price (positive: of bids). All 0: the book did not cross."""

    price_ticks: int
    lots: int
    imbalance_lots: int
    reference_price_ticks: int


class TradeGroupSet(NamedTuple):
    user_id: int
    group_id: int


class MarketBandsSet(NamedTuple):
    """Fields as in SET_MARKET_BANDS; 0 = no such bound."""

    reference_price_ticks: int
    bid_lowest_ppm: int
    bid_highest_ppm: int
    ask_lowest_ppm: int
    ask_highest_ppm: int
    slippage_ppm: int
    volatility_ppm: int
    pause_us: int


class Trade(NamedTuple):
    """One fill. `trade_id` rises by one per market. Fees are in the asset that the market states:
    received asset (base for the bid, quote for the ask) or quote for both. `maker_refilled_lots`
    of an iceberg maker come into view by this fill, at the back of its level."""

    trade_id: int
    maker_order_id: int
    taker_order_id: int
    maker_user_id: int
    taker_user_id: int
    price_ticks: int
    quantity_lots: int
    maker_fee_atoms: int
    taker_fee_atoms: int
    maker_reserved_atoms: int
    taker_reserved_atoms: int
    maker_refilled_lots: int = 0


class OrderTerms(NamedTuple):
    """What an order has beyond the common; comes directly before its ORDER_ACCEPTED.

    0 = does not have it. `stp` is the mode of self-trade prevention, `list_id` the order id of the
    first leg of its list, `display_lots` those of an iceberg, `quote_atoms` the amount of a MARKET
    order by quote amount.
    """

    order_id: int
    user_id: int
    stop_price_ticks: int
    delta_bips: int
    display_lots: int
    expire_time_us: int
    list_id: int
    quote_atoms: int
    stp: int
    session_id: int


class ListSet(NamedTuple):
    """Body of LIST_ACCEPTED and LIST_ENDED. `leg_*` are order ids, 0 where there is no third."""

    list_id: int
    user_id: int
    list_type: int
    leg_count: int
    leg_1: int
    leg_2: int
    leg_3: int
    text: bytes


class DeadmanSet(NamedTuple):
    """Armed until `due_time_us`; 0 and 0 = off, after it fired with the reason DEADMAN."""

    user_id: int
    timeout_ms: int
    due_time_us: int


class SessionSet(NamedTuple):
    """`state` is a SessionState; `due_time_us` is the end of the grace time of a CLOSED one."""

    user_id: int
    session_id: int
    state: int
    grace_ms: int
    due_time_us: int


class Refused(NamedTuple):
    """The command that was refused; the reason is in the header. Nothing else changed."""

    command_type: int
    user_id: int
    order_id: int
    request_id: bytes
    text: bytes


class RequestReplayed(NamedTuple):
    """A retry: the command did nothing; its first outcome began at `first_event_seq`.

    The header's `reason` is the first outcome's (NONE if it was accepted).
    """

    command_type: int
    user_id: int
    order_id: int
    first_event_seq: int
    request_id: bytes


class CheckpointAsset(NamedTuple):
    """Conservation of one asset: held = deposited - withdrawn + adjusted, over all accounts."""

    asset_id: int
    held_atoms: int
    deposited_atoms: int
    withdrawn_atoms: int
    adjusted_atoms: int


class Checkpoint(NamedTuple):
    """`digest` = sum mod 2**128 (little-endian) of BLAKE2b-128 over (user_id, asset_id, available,
    locked) as four little-endian int64, over the `row_count` accounts that are not (0, 0)."""

    digest: bytes
    row_count: int


EventBody = (
    AssetAdded
    | MarketAdded
    | MarketFiltersSet
    | MarketFeesSet
    | MarketStateSet
    | UserSet
    | UserFeesSet
    | MarketLimitsSet
    | KillSwitchSet
    | RateLimitSet
    | FundsMoved
    | FundsTransferred
    | LegTaken
    | CancelAllDone
    | OrderAccepted
    | OrderChanged
    | OrderPrevented
    | MarketUncrossed
    | TradeGroupSet
    | MarketBandsSet
    | Trade
    | OrderTerms
    | ListSet
    | DeadmanSet
    | SessionSet
    | Refused
    | RequestReplayed
    | CheckpointAsset
    | Checkpoint
)
