"""What the reference kernel remembers: assets, markets, users, accounts, orders, request windows.

Plain objects with `__slots__` and a few methods that keep one object consistent; rules live in the
modules beside this one. Invariant: an account changes only through its four methods, which note it
as touched, so that a checkpoint rehashes exactly the accounts that moved.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import Final, NamedTuple

from engine.kernel.codes import AUCTION
from engine.kernel.limits import REQUEST_WINDOW
from engine.kernel.reference.book import BookSide
from engine.proto.records import INT64_MAX, CommandFlag, MarketState, UserStatus

_ROW: Final = struct.Struct("<4q")


class Asset:
    """`held_atoms` is the sum over all accounts as of the last checkpoint."""

    __slots__ = (
        "adjusted_atoms",
        "asset_id",
        "decimals",
        "deposited_atoms",
        "fingerprint",
        "first_event_seq",
        "held_atoms",
        "max_total_atoms",
        "text",
        "withdrawn_atoms",
    )

    def __init__(self, asset_id: int, decimals: int, max_total_atoms: int, text: bytes) -> None:
        self.asset_id = asset_id
        self.decimals = decimals
        self.max_total_atoms = max_total_atoms
        self.text = text
        self.fingerprint = 0
        self.first_event_seq = 0
        self.held_atoms = 0
        self.deposited_atoms = 0
        self.withdrawn_atoms = 0
        self.adjusted_atoms = 0

    @property
    def supply_atoms(self) -> int:
        """What all accounts together must hold at this very command."""
        return self.deposited_atoms - self.withdrawn_atoms + self.adjusted_atoms


class Account:
    """One user's `available` and `locked` of one asset."""

    __slots__ = (
        "asset_id",
        "available",
        "checkpoint_hash",
        "checkpoint_total",
        "locked",
        "touched",
        "user_id",
    )

    def __init__(self, user_id: int, asset_id: int, touched: set[Account]) -> None:
        self.user_id = user_id
        self.asset_id = asset_id
        self.available = 0
        self.locked = 0
        self.touched = touched
        self.checkpoint_total = 0
        self.checkpoint_hash = 0

    def credit(self, amount: int) -> None:
        """Add to `available` (a negative amount takes away)."""
        if amount:
            self.available += amount
            self.touched.add(self)

    def reserve(self, amount: int) -> None:
        """Move from `available` to `locked`."""
        if amount:
            self.available -= amount
            self.locked += amount
            self.touched.add(self)

    def release(self, amount: int) -> None:
        """Move from `locked` back to `available`."""
        if amount:
            self.available += amount
            self.locked -= amount
            self.touched.add(self)

    def spend(self, amount: int) -> None:
        """Take from `locked`."""
        if amount:
            self.locked -= amount
            self.touched.add(self)

    def row_hash(self) -> int:
        """Return this row's summand in the checkpoint digest; an empty account has none."""
        if not self.available and not self.locked:
            return 0
        row = _ROW.pack(self.user_id, self.asset_id, self.available, self.locked)
        return int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "little")


class Remembered(NamedTuple):
    """Outcome of a command with a request id, as a retry will be told."""

    request_id: bytes
    fingerprint: int
    order_id: int
    first_event_seq: int
    reason: int


class User:
    """`is_barred`: he is suspended or killed. `fees`: his own, by market id (0: in every one)."""

    __slots__ = (
        "fees",
        "first_event_seq",
        "is_barred",
        "is_killed",
        "status",
        "trade_group",
        "user_id",
        "window",
    )

    def __init__(self, user_id: int, first_event_seq: int) -> None:
        self.user_id = user_id
        self.status: int = UserStatus.ACTIVE
        self.fees: dict[int, tuple[int, int]] = {}
        self.is_killed = False
        self.is_barred = False
        self.first_event_seq = first_event_seq
        self.trade_group = 0
        self.window: deque[Remembered] = deque(maxlen=REQUEST_WINDOW)

    def set_status(self, status: int) -> None:
        self.status = status
        self.is_barred = self.is_killed or status != UserStatus.ACTIVE

    def set_killed(self, *, is_killed: bool) -> None:
        self.is_killed = is_killed
        self.set_status(self.status)

    def rates_in(self, market: Market) -> tuple[int, int]:
        """(maker, taker) that an order of his gets now."""
        rates = self.fees.get(market.market_id)
        if rates is None and not market.is_fee_per_lot:
            rates = self.fees.get(0)
        return market.rates if rates is None else rates

    def is_one_with(self, other: User) -> bool:
        """Whether trades between the two are self-trades."""
        return self is other or (self.trade_group != 0 and self.trade_group == other.trade_group)


class Filters(NamedTuple):
    """Bounds of a market; 0 = no bound."""

    min_price_ticks: int = 0
    max_price_ticks: int = 0
    min_quantity_lots: int = 0
    max_quantity_lots: int = 0
    min_notional_atoms: int = 0


class Bounds(NamedTuple):
    """Bounds of what one user may have and ask in a market; 0 = no bound."""

    market_min_lots: int = 0
    market_max_lots: int = 0
    max_notional_atoms: int = 0
    max_orders: int = 0
    max_algo_orders: int = 0
    max_position_atoms: int = 0
    to_market: int = 0


class Bands(NamedTuple):
    """As in MARKET_BANDS_SET; 0 = no such bound."""

    reference_price_ticks: int = 0
    bid_lowest_ppm: int = 0
    bid_highest_ppm: int = 0
    ask_lowest_ppm: int = 0
    ask_highest_ppm: int = 0
    slippage_ppm: int = 0
    volatility_ppm: int = 0
    pause_us: int = 0


NO_BANDS: Final = Bands()


class Market:
    """`accounts` are those of the users who had an order here: (base, quote) by user id.

    `is_barred`: not everything passes, for it is not TRADING or it is killed.
    """

    __slots__ = (
        "accounts",
        "asks",
        "bands",
        "base",
        "bids",
        "bounds",
        "fee_flags",
        "filters",
        "fingerprint",
        "first_event_seq",
        "house_base",
        "house_quote",
        "is_barred",
        "is_fee_in_quote",
        "is_fee_per_lot",
        "is_killed",
        "last_price_ticks",
        "last_trade_id",
        "lot_atoms",
        "market_id",
        "notional_min",
        "parked",
        "pause_until_us",
        "price_max",
        "price_min",
        "quantity_max",
        "quantity_min",
        "quote",
        "rates",
        "state",
        "state_before_pause",
        "text",
        "tick_atoms",
        "tick_lot_atoms",
    )

    def __init__(
        self,
        market_id: int,
        base: Asset,
        quote: Asset,
        tick_atoms: int,
        lot_atoms: int,
        rates: tuple[int, int],
        fee_flags: int,
        text: bytes,
    ) -> None:
        self.market_id = market_id
        self.base = base
        self.quote = quote
        self.tick_atoms = tick_atoms
        self.lot_atoms = lot_atoms
        self.tick_lot_atoms: int = tick_atoms * lot_atoms // 10**base.decimals
        self.rates = rates  # (maker, taker)
        self.fee_flags = fee_flags
        self.is_fee_in_quote = bool(fee_flags & CommandFlag.FEE_IN_QUOTE)
        self.is_fee_per_lot = bool(fee_flags & CommandFlag.FEE_PER_LOT)
        self.text = text
        self.fingerprint = 0
        self.first_event_seq = 0
        self.set_filters(Filters())
        self.bounds = Bounds()
        self.state: int = MarketState.TRADING
        self.is_killed = False
        self.is_barred = False
        self.last_price_ticks = 0
        self.last_trade_id = 0
        self.bands = NO_BANDS
        self.pause_until_us = 0
        self.state_before_pause = 0
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self.accounts: dict[int, tuple[Account, Account]] = {}
        self.parked: dict[int, Order] = {}
        self.house_base: Account
        self.house_quote: Account

    def set_state(self, state: int) -> None:
        self.state = state
        self.is_barred = self.is_killed or state != MarketState.TRADING

    def set_killed(self, *, is_killed: bool) -> None:
        self.is_killed = is_killed
        self.set_state(self.state)

    @property
    def reference_price(self) -> int:
        """The price that others are measured by; 0: there is none yet."""
        return self.bands.reference_price_ticks or self.last_price_ticks

    def set_filters(self, filters: Filters) -> None:
        self.filters = filters
        self.price_min = filters.min_price_ticks
        self.price_max = filters.max_price_ticks or INT64_MAX
        self.notional_min = filters.min_notional_atoms
        self.quantity_min = filters.min_quantity_lots
        self.quantity_max = filters.max_quantity_lots or INT64_MAX


class OrderList:
    """Orders that belong together; `legs` are order ids (see `state.ListRow`)."""

    __slots__ = (
        "has_traded",
        "is_active",
        "is_filled",
        "is_loose",
        "legs",
        "list_id",
        "list_type",
        "market",
        "text",
        "user",
    )

    def __init__(
        self,
        list_id: int,
        user: User,
        market: Market,
        list_type: int,
        legs: list[int],
        text: bytes,
    ) -> None:
        self.list_id = list_id
        self.user = user
        self.market = market
        self.list_type = list_type
        self.legs = legs
        self.text = text
        self.is_active = False
        self.is_loose = False
        self.is_filled = False  # its working leg; acted upon in the same command
        self.has_traded = False  # a leg of its OCO; likewise


class Extra:
    """What few orders have: a life or a trigger of their own (see `state.TermsRow`)."""

    __slots__ = (
        "delta_bips",
        "display_lots",
        "expire_time_us",
        "extreme",
        "list_id",
        "sequence",
        "session_id",
        "shown_lots",
        "stop_price",
        "time_in_force",
        "wait",
    )

    def __init__(self, time_in_force: int) -> None:
        self.time_in_force = time_in_force
        self.wait = 0
        self.stop_price = 0
        self.delta_bips = 0
        self.extreme = 0
        self.sequence = 0
        self.expire_time_us = 0
        self.session_id = 0
        self.list_id = 0
        self.display_lots = 0
        self.shown_lots = 0


class Order:
    """An order from its acceptance to its end.

    `hold_price` is the price up to which a bid's reserve must reach: its ceiling, or its price;
    0 where the reserve is a fixed sum (MARKET, FOK_BUDGET). `side` is where it rests, `opposite`
    what it trades against. `rates`, `cumulative` and `charged` are
    (maker, taker); the rates are the market's, or the user's own, at acceptance. `quote_atoms` is
    the amount of a MARKET order by amount.
    """

    __slots__ = (
        "base",
        "ceiling",
        "charged",
        "cumulative",
        "extra",
        "is_bid",
        "leaves",
        "market",
        "opposite",
        "order_id",
        "order_type",
        "price",
        "quantity",
        "quote",
        "quote_atoms",
        "rates",
        "reserved",
        "side",
        "stp",
        "text",
        "user",
    )

    def __init__(
        self,
        market: Market,
        user: User,
        order_id: int,
        order_type: int,
        is_bid: bool,
        price: int,
        quantity: int,
        ceiling: int,
        text: bytes,
    ) -> None:
        self.market = market
        self.user = user
        self.order_id = order_id
        self.order_type = order_type
        self.is_bid = is_bid
        self.side = market.bids if is_bid else market.asks
        self.opposite = market.asks if is_bid else market.bids
        self.price = price
        self.quantity = quantity
        self.leaves = quantity
        self.ceiling = ceiling
        self.text = text
        self.stp = 0
        self.quote_atoms = 0
        self.reserved = 0
        self.rates = user.rates_in(market) if user.fees else market.rates
        self.cumulative = [0, 0]
        self.charged = [0, 0]
        self.extra: Extra | None = None
        self.base: Account
        self.quote: Account

    @property
    def hold_price(self) -> int:
        return self.ceiling or self.price

    def crosses(self, price: int) -> bool:
        """Whether it would meet something at this price (0 = any); in an auction nothing meets."""
        return self.opposite.is_within(price) and self.market.state != AUCTION

    @property
    def shown(self) -> int:
        """Lots that the book shows, and that a taker meets before others of the level."""
        return self.extra.shown_lots if self.is_iceberg and self.extra else self.leaves

    @property
    def is_iceberg(self) -> bool:
        return self.extra is not None and self.extra.display_lots > 0
