"""A hub that a genuine kernel feeds, and subscribers that keep what they are told."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from apps.realtime.hub import Hub
from apps.realtime.limits import DEFAULT_LIMITS, RealtimeLimits
from engine.client import Asset, Balance, Balances, Book, Level, Market, OpenOrder, OpenOrders
from engine.proto.records import RECORD_BYTES, CommandFlag
from engine.proto.stream import StreamBatch
from tests.engine_events import EngineScript


class Listener:
    """A subscriber that decodes what it gets."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def put(self, text: str) -> None:
        self.messages.append(json.loads(text))

    def take(self) -> list[dict[str, Any]]:
        """Return what came since the last call."""
        taken, self.messages = self.messages, []
        return taken


class Feed:
    """A script and the hub that follows it; `load` and `ask` stand for the runner's questions."""

    def __init__(self, limits: RealtimeLimits = DEFAULT_LIMITS, *, load: bool = True) -> None:
        self.script = EngineScript().prepare(3)
        self.hub = Hub(limits)
        if load:
            self.load()

    @property
    def kernel(self) -> Any:
        return self.script.kernel

    def load(self) -> None:
        """Begin with the kernel's listings and books of now."""
        assets = [Asset(**asset._asdict()) for asset in self.kernel.assets()]
        markets = [_market(each) for each in self.kernel.markets()]
        self.hub.load(self.kernel.event_seq, self.kernel.time_us, assets, markets)
        self.ask()

    def ask(self) -> None:
        """Answer everything that the hub wants to know."""
        for feed in self.hub.stale_books():
            bids, asks = self.kernel.book(feed.terms.market_id, 5_000)
            answer = Book(
                event_seq=self.kernel.event_seq,
                bids=tuple(Level(**level._asdict()) for level in bids),
                asks=tuple(Level(**level._asdict()) for level in asks),
            )
            feed.book.load(answer, feed.book.generation)
        for user in self.hub.orders_wanted():
            user.load_orders(self.orders(user.user_id), user.generation)
        for user in list(self.hub.balances_wanted()):
            user.wants_balances = False
            user.load_balances(self.balances(user.user_id))

    def orders(self, user_id: int) -> OpenOrders:
        found = self.kernel.open_orders(user_id)
        return OpenOrders(
            event_seq=self.kernel.event_seq,
            orders=tuple(OpenOrder(**_known(OpenOrder, order)) for order in found),
        )

    def balances(self, user_id: int) -> Balances:
        found = self.kernel.balances(user_id)
        return Balances(
            event_seq=self.kernel.event_seq,
            balances=tuple(Balance(**balance._asdict()) for balance in found),
        )

    def flow(self, *, size: int = 10_000, epoch: int = 1) -> None:
        """Bring the hub every event that it has not seen."""
        last = self.kernel.event_seq
        for first in range(self.hub.event_seq + 1, last + 1, size):
            self.hub.apply(self.batch(first, min(first + size - 1, last), epoch=epoch))

    def batch(self, first: int, last: int, *, epoch: int = 1) -> StreamBatch:
        """Return a message with these events."""
        packed = self.script.events[(first - 1) * RECORD_BYTES : last * RECORD_BYTES]
        return StreamBatch(epoch, first, last, bytes(32), packed)


def _known(kind: type[Any], view: Any) -> dict[str, Any]:
    """The fields of a kernel's view that the client's type has, too."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in view._asdict().items() if name in names}


def _market(view: Any) -> Market:
    stated = _known(Market, view)
    flags = CommandFlag(view.fee_flags)
    per_lot = CommandFlag.FEE_PER_LOT in flags
    return Market(
        **stated, fee_in_quote=per_lot or CommandFlag.FEE_IN_QUOTE in flags, fee_per_lot=per_lot
    )
