"""The hub: one engine's events in, every channel out. It does no input or output of its own.

It takes batches of packed events and the engine's answers, and says what it needs to be asked:
books that are stale, users whose orders or balances it must know. Invariant: events are applied in
order and once; a gap is an error (`GapError`), after which everything is loaded again. All of it
runs in one thread, so subscribers see one order of things.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import Gauge

from apps.ledger.postings import FUNDS_RULES
from apps.realtime.channels import Channel, Subscriber
from apps.realtime.limits import DEFAULT_LIMITS, RealtimeLimits
from apps.realtime.listings import Listings
from apps.realtime.market_feed import MarketFeed
from apps.realtime.user_feed import UserFeed
from apps.trading.types import ORDER_EFFECTS
from engine.client import Asset, Market
from engine.proto.records import (
    RECORD_BYTES,
    EventBody,
    EventHeader,
    EventType,
    FundsMoved,
    FundsTransferred,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    Trade,
    unpack_event,
)
from engine.proto.stream import StreamBatch

PRIVATE_CHANNELS: Final = ("orders", "fills", "balances")
PUBLIC_FEEDS: Final = ("book", "trades", "ticker", "market")
_TYPE_OFFSET: Final = 24  # of the type's byte in an event's header
# What some channel tells of. Everything else is passed over unread.
_HEARD: Final = frozenset(
    {
        *map(int, ORDER_EFFECTS),
        *map(int, FUNDS_RULES),
        *map(
            int,
            (
                EventType.ASSET_ADDED,
                EventType.MARKET_ADDED,
                EventType.MARKET_FILTERS_SET,
                EventType.MARKET_FEES_SET,
                EventType.MARKET_STATE_SET,
                EventType.MARKET_UNCROSSED,
                EventType.FUNDS_TRANSFERRED,
                EventType.ORDER_TERMS,
                EventType.ORDER_ACCEPTED,
                EventType.TRADE,
            ),
        ),
    }
)
_OF_ONE_USER: Final = (
    OrderTerms, OrderAccepted, OrderChanged, OrderPrevented, FundsMoved, FundsTransferred,
)  # fmt: skip
_EVENT_SEQ: Final = Gauge("qt_edge_feed_event_seq", "Newest event that the feeds have seen.")


class GapError(Exception):
    """Events are missing before this batch."""


class UnknownChannelError(Exception):
    """No channel has this name; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Hub:
    """All channels of one edge process."""

    def __init__(self, limits: RealtimeLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.event_seq = 0
        self.epoch = 0
        self.is_loaded = False
        self.listings = Listings()
        self.markets: dict[int, MarketFeed] = {}
        self.users: dict[int, UserFeed] = {}
        self._by_symbol: dict[str, MarketFeed] = {}

    def load(
        self, event_seq: int, time_us: int, assets: Iterable[Asset], markets: Iterable[Market]
    ) -> None:
        """Begin after `event_seq`, which was at `time_us`, with the listings of then or later."""
        markets = tuple(markets)
        self.listings.load(assets, markets)
        for market in markets:
            feed = self._feed(market.market_id)
            feed.restart(
                self.listings.markets[market.market_id],
                event_seq=event_seq,
                time_us=time_us,
                last_ticks=market.last_price_ticks,
                last_trade_id=market.last_trade_id,
            )
        for user in self.users.values():
            user.restart(self.listings.markets, self.listings.assets)
        self.event_seq = event_seq
        self.epoch = 0
        self.is_loaded = True

    def refresh(self) -> None:
        """Send every subscriber a fresh snapshot: a connection was lost and is back."""
        for feed in self.markets.values():
            feed.refresh()
        for user in self.users.values():
            user.restart(self.listings.markets, self.listings.assets)

    def apply(self, batch: StreamBatch) -> None:
        """Apply the events of a batch that are new. GapError if some before it are missing."""
        if batch.last_event_seq <= self.event_seq:
            return
        if batch.first_event_seq > self.event_seq + 1 or batch.epoch < self.epoch:
            raise GapError(
                f"batch was {batch.first_event_seq}..{batch.last_event_seq} of epoch "
                f"{batch.epoch}, expected event {self.event_seq + 1} of epoch {self.epoch} or later"
            )
        self.epoch = batch.epoch
        skipped = self.event_seq + 1 - batch.first_event_seq
        touched: dict[int, MarketFeed] = {}
        for offset in range(skipped * RECORD_BYTES, len(batch.events), RECORD_BYTES):
            if batch.events[offset + _TYPE_OFFSET] not in _HEARD:
                continue
            header, body = unpack_event(batch.events, offset)
            self._apply_event(header, body)
            if header.market_id in self.markets:
                touched[header.market_id] = self.markets[header.market_id]
        self.event_seq = batch.last_event_seq
        _EVENT_SEQ.set(self.event_seq)
        for feed in touched.values():
            feed.end_batch()

    def _apply_event(self, header: EventHeader, body: EventBody) -> None:
        if self.listings.apply(header, body):
            if header.market_id:
                terms = self.listings.markets[header.market_id]
                self._feed(header.market_id).set_terms(header, terms)
            return
        feed = self.markets.get(header.market_id)
        if feed is not None:
            feed.apply(header, body)
        for user_id in _concerned(body):
            user = self.users.get(user_id)
            if user is not None:
                user.apply(header, body)

    def _feed(self, market_id: int) -> MarketFeed:
        feed = self.markets.get(market_id)
        if feed is None:
            feed = MarketFeed(self.listings.markets[market_id], self.limits)
            self.markets[market_id] = feed
            self._by_symbol[feed.terms.symbol] = feed
            feed.ticker.restart(0)
        return feed

    def subscribe(self, name: str, subscriber: Subscriber, user_id: int | None) -> None:
        """Begin to send a channel. UnknownChannelError if there is none, or not for him."""
        channel = self.channel(name, user_id)
        if name in PRIVATE_CHANNELS or name.startswith("book."):
            self._subscribe_later(name, channel, subscriber, user_id)
        else:
            channel.subscribe(subscriber)

    def _subscribe_later(
        self, name: str, channel: Channel, subscriber: Subscriber, user_id: int | None
    ) -> None:
        channel.subscribe_later(subscriber)
        user = self.users.get(user_id) if user_id is not None else None
        if name == "balances" and user is not None:
            user.wants_balances = True
        elif name in PRIVATE_CHANNELS and user is not None and not user.wants_orders:
            channel.admit()

    def check(self, name: str, user_id: int | None) -> None:
        """Raise UnknownChannelError if `subscribe` would."""
        if name in PRIVATE_CHANNELS and user_id is not None:
            return
        self.channel(name, user_id)

    def channel(self, name: str, user_id: int | None) -> Channel:
        """Return a channel by name; `orders`, `fills` and `balances` are those of the user."""
        if name in PRIVATE_CHANNELS:
            if user_id is None:
                raise UnknownChannelError("auth_required", f"{name} needs `auth` first")
            user = self.users.get(user_id)
            if user is None:
                user = UserFeed(user_id, self.limits, self.listings.markets, self.listings.assets)
                self.users[user_id] = user
            channel: Channel = getattr(user, name)
            return channel
        feed_name, _, symbol = name.partition(".")
        if feed_name not in PUBLIC_FEEDS or not symbol:
            raise UnknownChannelError("unknown_channel", f"there is no channel {name[:60]!r}")
        feed = self._by_symbol.get(symbol)
        if feed is None:
            if not self.is_loaded:
                raise UnknownChannelError("not_ready", "the feeds have not started; try again")
            raise UnknownChannelError("unknown_market", f"there is no market {symbol[:40]!r}")
        found: Channel = getattr(feed, f"{feed_name}_channel")
        return found

    def unsubscribe(self, name: str, subscriber: Subscriber, user_id: int | None) -> None:
        """Stop sending a channel; a user whom nobody listens for is forgotten."""
        if name not in PRIVATE_CHANNELS:
            self.channel(name, None).unsubscribe(subscriber)
            return
        user = self.users.get(user_id) if user_id is not None else None
        if user is not None:
            getattr(user, name).unsubscribe(subscriber)
            if not any(channel.is_wanted for channel in user.channels):
                del self.users[user.user_id]

    def tick_books(self) -> None:
        """Publish the changes of every book that somebody listens to."""
        for feed in self.markets.values():
            feed.tick_book()

    def tick_tickers(self, now_us: int) -> None:
        """Publish every ticker that has changed."""
        for feed in self.markets.values():
            feed.tick_ticker(now_us)

    def stale_books(self) -> list[MarketFeed]:
        """Return the markets whose book must be asked for."""
        return [feed for feed in self.markets.values() if feed.book.is_stale]

    def orders_wanted(self) -> list[UserFeed]:
        """Return the users whose open orders must be asked for."""
        return [user for user in self.users.values() if user.wants_orders]

    def balances_wanted(self) -> Iterator[UserFeed]:
        """Yield the users whose balances may have changed and who listen to them."""
        for user in list(self.users.values()):
            if user.wants_balances and user.balances.is_wanted:
                yield user


def _concerned(body: EventBody) -> tuple[int, ...]:
    """Return the users whom an event concerns, each once."""
    if isinstance(body, Trade):
        maker, taker = body.maker_user_id, body.taker_user_id
        return (maker,) if maker == taker else (maker, taker)
    if isinstance(body, _OF_ONE_USER):
        return (body.user_id,)
    return ()
