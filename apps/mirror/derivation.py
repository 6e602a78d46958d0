"""What a run of events means for the books: one dispatch over every type of event. Pure.

Both the mirror and `verify` stand on it: the mirror stores what it yields, `verify` derives the
same from the archived events and compares. Invariant: whatever does not fit (an unknown type, an
unknown market, an order that is not open) raises `PoisonEventError`; nothing is skipped.

Some events mean something only together with those that follow: ORDER_TERMS with its
ORDER_ACCEPTED, the legs of a transfer with each other. Until the last of them is there they are
`unfinished`, and go from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final, NamedTuple

from apps.accounts.mirror_apply import AccountChange, account_change
from apps.ledger.balances import BalanceChanges
from apps.ledger.postings import funds_posting, trade_posting, transfer_posting
from apps.ledger.types import Posting
from apps.markets.catalogue import MARKET_FACTS, Catalogue, MarketFact
from apps.mirror.errors import PoisonEventError
from apps.trading.orders import OrderBook
from apps.trading.types import Fill, ReserveChange
from engine.proto.records import (
    EVENT_HEADER,
    RECORD_BYTES,
    CancelAllDone,
    Checkpoint,
    CheckpointAsset,
    DeadmanSet,
    EventBody,
    EventHeader,
    EventType,
    FundsMoved,
    FundsTransferred,
    KillSwitchSet,
    LegTaken,
    ListSet,
    MarketBandsSet,
    MarketLimitsSet,
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
    unpack_event,
)

_ORDER_CHANGES: Final = (OrderChanged, OrderPrevented)
UNFINISHED_MAX: Final = 8  # events that can wait for the one that completes them
Event = tuple[EventHeader, EventBody]
Setting = (
    KillSwitchSet | RateLimitSet | TradeGroupSet | UserFeesSet | MarketLimitsSet | MarketBandsSet
)
SettingKey = tuple[int, int, int]  # event type, user id, market id


class CheckpointSeen(NamedTuple):
    """A checkpoint and the assets that it states, as the engine sees them."""

    header: EventHeader
    body: Checkpoint
    assets: tuple[CheckpointAsset, ...]


class Derivation:
    """Carries the catalogue and open orders forward and collects what is to be stored.

    `checkpoint_assets` and `unfinished` go from run to run: the events of one checkpoint, of one
    order or of one transfer may come in several.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        orders: OrderBook,
        checkpoint_assets: Iterable[CheckpointAsset] = (),
        unfinished: Iterable[Event] = (),
    ) -> None:
        self.catalogue = catalogue
        self.orders = orders
        self.balances = BalanceChanges()
        self.postings: list[Posting] = []
        self.fills: list[Fill] = []
        self.accounts: list[AccountChange] = []
        self.settings: dict[SettingKey, int] = {}
        self.checkpoint: CheckpointSeen | None = None
        self.checkpoint_assets = list(checkpoint_assets)
        self.unfinished = list(unfinished)

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
        self.settings = {}
        self.checkpoint = None

    def _apply(self, header: EventHeader, body: EventBody) -> None:
        if self.unfinished:
            self._complete(header, body)
            return
        rule = self.RULES.get(type(body))
        if rule is None:
            raise ValueError(f"no rule for an event of type {header.type}")
        rule(self, header, body)

    def _complete(self, header: EventHeader, body: EventBody) -> None:
        """Take in what must follow the unfinished events. ValueError for anything else."""
        _, before = self.unfinished[-1]
        if isinstance(before, OrderTerms) and isinstance(body, OrderAccepted):
            if body.order_id != before.order_id:
                raise ValueError(
                    f"order {body.order_id} was accepted after the terms of {before.order_id}"
                )
            self.unfinished.clear()
            self._accept(header, body, before)
        elif isinstance(before, FundsTransferred) and isinstance(body, FundsTransferred):
            self._transfer(header, body)
        else:
            raise ValueError(f"an event of type {header.type} followed {before}")

    def _transfer(self, header: EventHeader, body: FundsTransferred) -> None:
        """Take in one leg; with the last one all of them become one transaction."""
        self.unfinished.append((header, body))
        legs = [(at, leg) for at, leg in self.unfinished if isinstance(leg, FundsTransferred)]
        if body.leg != len(legs) or {leg.request_id for _, leg in legs} != {body.request_id}:
            raise ValueError(f"leg {body.leg} came after {len(legs) - 1} legs of its transfer")
        if body.leg == body.leg_count:
            self.unfinished.clear()
            self._post(transfer_posting(legs))

    def _wait(self, header: EventHeader, body: EventBody) -> None:
        """Keep an event for the one that completes it."""
        self.unfinished.append((header, body))

    def _accept(
        self, header: EventHeader, body: OrderAccepted, terms: OrderTerms | None = None
    ) -> None:
        market = self.catalogue.markets[header.market_id]
        self._reserve(header, self.orders.accept(header, body, market, terms))

    def _change(self, header: EventHeader, body: OrderChanged | OrderPrevented) -> None:
        self._reserve(header, self.orders.change(header, body))

    def _trade(self, header: EventHeader, body: Trade) -> None:
        market = self.catalogue.markets[header.market_id]
        fill, *reserves = self.orders.trade(header, body, market)
        self.fills.append(fill)
        self._post(trade_posting(header, body, market))
        for reserve in reserves:
            self._reserve(header, reserve)

    def _fund(self, header: EventHeader, body: FundsMoved) -> None:
        self._post(funds_posting(header, body))

    def _account(self, header: EventHeader, body: UserSet) -> None:
        self.accounts.append(account_change(header, body))

    def _list(self, header: EventHeader, body: MarketFact) -> None:
        self.catalogue.apply(header, body)

    def _total(self, _header: EventHeader, body: CheckpointAsset) -> None:
        self.checkpoint_assets.append(body)

    def _check(self, header: EventHeader, body: Checkpoint) -> None:
        self.checkpoint = CheckpointSeen(header, body, tuple(self.checkpoint_assets))
        self.checkpoint_assets = []

    def _set(self, header: EventHeader, body: Setting) -> None:
        """Note which event set it last; what it set is in the archive."""
        user_id = 0 if isinstance(body, MarketLimitsSet | MarketBandsSet) else body.user_id
        self.settings[header.type, user_id, header.market_id] = header.event_seq

    def _archive(self, _header: EventHeader, _body: EventBody) -> None:
        """Only the archive keeps it: no order, balance or row of the books changes."""

    def _post(self, posting: Posting) -> None:
        for leg in posting.legs:
            self.catalogue.assets[leg.asset_id]  # an unknown asset raises here
        self.postings.append(posting)
        self.balances.post(posting)

    def _reserve(self, header: EventHeader, change: ReserveChange) -> None:
        self.balances.reserve(*change, header.event_seq)

    # What each event means for the books, by the type of its body; the one table of it.
    RULES: ClassVar[dict[type[EventBody], Callable[[Derivation, EventHeader, Any], None]]] = {
        Trade: _trade,
        OrderAccepted: _accept,
        OrderChanged: _change,
        OrderPrevented: _change,
        OrderTerms: _wait,
        FundsMoved: _fund,
        FundsTransferred: _transfer,
        UserSet: _account,
        **dict.fromkeys(MARKET_FACTS, _list),
        CheckpointAsset: _total,
        Checkpoint: _check,
        Refused: _archive,
        RequestReplayed: _archive,
        LegTaken: _archive,
        ListSet: _archive,
        CancelAllDone: _archive,
        DeadmanSet: _archive,
        SessionSet: _archive,
        KillSwitchSet: _set,
        RateLimitSet: _set,
        TradeGroupSet: _set,
        UserFeesSet: _set,
        MarketLimitsSet: _set,
        MarketBandsSet: _set,
        MarketUncrossed: _archive,
    }


def unpacked(events: bytes | memoryview) -> Iterator[Event]:
    """Yield the events in `events`. PoisonEventError if one is of an unknown type."""
    view = memoryview(events)
    for offset in range(0, len(view), RECORD_BYTES):
        try:
            yield unpack_event(view, offset)
        except ValueError as error:
            event_seq = EVENT_HEADER.unpack_from(view, offset)[0]
            raise PoisonEventError(event_seq, str(error)) from error


def unfinished_at_end(events: Iterable[Event]) -> list[Event]:
    """Return those at the end of `events` that wait for what follows."""
    waiting: list[Event] = []
    for event in events:
        body = event[1]
        if isinstance(body, OrderTerms):
            waiting = [event]
        elif isinstance(body, FundsTransferred) and body.leg < body.leg_count:
            waiting = [event] if body.leg == 1 else [*waiting, event]
        else:
            waiting = []
    return waiting


def orders_named(events: Iterable[Event]) -> set[int]:
    """Return the orders that events speak of and that none of them accepts: stored ones."""
    named: set[int] = set()
    accepted: set[int] = set()
    for header, body in events:
        if header.type == EventType.ORDER_ACCEPTED:
            accepted.add(body.order_id)  # type: ignore[union-attr]
        elif isinstance(body, _ORDER_CHANGES):
            named.add(body.order_id)
        elif isinstance(body, Trade):
            named.update((body.maker_order_id, body.taker_order_id))
    return named - accepted
