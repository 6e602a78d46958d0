"""What a run of events means for the books: one dispatch over every type of event. Pure.

Both the mirror and `verify` stand on it: the mirror stores what it yields, `verify` derives the
same from the archived events and compares. Invariant: whatever does not fit (an unknown type, an
unknown market, an order that is not open) raises `PoisonEventError`; nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from apps.accounts.mirror_apply import AccountChange, account_change
from apps.ledger.balances import BalanceChanges
from apps.ledger.postings import funds_posting, trade_posting
from apps.ledger.types import Posting
from apps.markets.catalogue import MARKET_FACTS, Catalogue
from apps.mirror.errors import PoisonEventError
from apps.trading.orders import OrderBook
from apps.trading.types import Fill, ReserveChange
from engine.proto.records import (
    EVENT_HEADER,
    RECORD_BYTES,
    Checkpoint,
    CheckpointAsset,
    EventBody,
    EventHeader,
    EventType,
    FundsMoved,
    OrderAccepted,
    OrderChanged,
    Refused,
    RequestReplayed,
    Trade,
    UserSet,
    unpack_event,
)

_WITHOUT_EFFECT: Final = (Refused, RequestReplayed)
Event = tuple[EventHeader, EventBody]


class CheckpointSeen(NamedTuple):
    """A checkpoint and the assets that it states, as the engine sees them."""

    header: EventHeader
    body: Checkpoint
    assets: tuple[CheckpointAsset, ...]


class Derivation:
    """Carries the catalogue and open orders forward and collects what is to be stored.

    `checkpoint_assets` goes from run to run: the events of one checkpoint may come in several.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        orders: OrderBook,
        checkpoint_assets: Iterable[CheckpointAsset] = (),
    ) -> None:
        self.catalogue = catalogue
        self.orders = orders
        self.balances = BalanceChanges()
        self.postings: list[Posting] = []
        self.fills: list[Fill] = []
        self.accounts: list[AccountChange] = []
        self.checkpoint: CheckpointSeen | None = None
        self.checkpoint_assets = list(checkpoint_assets)

    def apply_all(self, events: Iterable[Event]) -> None:
        """Take in events in their order. PoisonEventError names the one that does not fit."""
        for header, body in events:
            try:
                self._apply(header, body)
            except (ValueError, LookupError) as error:
                raise PoisonEventError(header.event_seq, f"{error!r}") from error

    def drain(self) -> None:
        """Forget what was collected: it is stored."""
        self.orders.drain()
        self.catalogue.changed_assets.clear()
        self.catalogue.changed_markets.clear()
        self.balances = BalanceChanges()
        self.postings = []
        self.fills = []
        self.accounts = []
        self.checkpoint = None

    def _apply(self, header: EventHeader, body: EventBody) -> None:
        if isinstance(body, Trade):
            self._trade(header, body)
        elif isinstance(body, OrderAccepted):
            market = self.catalogue.markets[header.market_id]
            self._reserve(header, self.orders.accept(header, body, market))
        elif isinstance(body, OrderChanged):
            self._reserve(header, self.orders.change(header, body))
        elif isinstance(body, FundsMoved):
            self._post(funds_posting(header, body))
        elif isinstance(body, UserSet):
            self.accounts.append(account_change(header, body))
        elif isinstance(body, MARKET_FACTS):
            self.catalogue.apply(header, body)
        elif isinstance(body, CheckpointAsset):
            self.checkpoint_assets.append(body)
        elif isinstance(body, Checkpoint):
            self.checkpoint = CheckpointSeen(header, body, tuple(self.checkpoint_assets))
            self.checkpoint_assets = []
        elif not isinstance(body, _WITHOUT_EFFECT):
            raise ValueError(f"no rule for an event of type {header.type}")

    def _trade(self, header: EventHeader, body: Trade) -> None:
        market = self.catalogue.markets[header.market_id]
        fill, *reserves = self.orders.trade(header, body, market)
        self.fills.append(fill)
        self._post(trade_posting(header, body, market))
        for reserve in reserves:
            self._reserve(header, reserve)

    def _post(self, posting: Posting) -> None:
        self.catalogue.assets[posting.legs[0].asset_id]  # an unknown asset raises here
        self.postings.append(posting)
        self.balances.post(posting)

    def _reserve(self, header: EventHeader, change: ReserveChange) -> None:
        self.balances.reserve(*change, header.event_seq)


def unpacked(events: bytes | memoryview) -> Iterator[Event]:
    """Yield the events in `events`. PoisonEventError if one is of an unknown type."""
    view = memoryview(events)
    for offset in range(0, len(view), RECORD_BYTES):
        try:
            yield unpack_event(view, offset)
        except ValueError as error:
            event_seq = EVENT_HEADER.unpack_from(view, offset)[0]
            raise PoisonEventError(event_seq, str(error)) from error


def orders_named(events: Iterable[Event]) -> set[int]:
    """Return the orders that events speak of and that none of them accepts: stored ones."""
    named: set[int] = set()
    accepted: set[int] = set()
    for header, body in events:
        if header.type == EventType.ORDER_ACCEPTED:
            accepted.add(body.order_id)  # type: ignore[union-attr]
        elif isinstance(body, OrderChanged):
            named.add(body.order_id)
        elif isinstance(body, Trade):
            named.update((body.maker_order_id, body.taker_order_id))
    return named - accepted
