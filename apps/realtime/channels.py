"""A channel: numbered messages that are encoded once and handed to every subscriber.

A subscriber first gets a snapshot with the channel's number, then every message after it, each
naming the number before. Invariant: for one subscriber `prev_seq` of a message is `seq` of the one
it got before; who sees anything else has missed something and subscribes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from prometheus_client import Counter

from apps.realtime.encoding import encode

_PUBLISHED: Final = Counter("qt_edge_feed_messages_total", "Messages encoded.", ["feed"])
_DELIVERED: Final = Counter("qt_edge_feed_deliveries_total", "Messages queued.", ["feed"])

Fields = Mapping[str, Any]


class Subscriber(Protocol):
    """Whoever takes encoded messages. `put` never blocks and never raises."""

    def put(self, text: str) -> None: ...


class Channel:
    """One numbered sequence. `snapshot` describes what the messages so far have led to."""

    def __init__(self, name: str, snapshot: Callable[[], Fields]) -> None:
        self.name = name
        self.seq = 0
        self._snapshot = snapshot
        self._snapshot_text: str | None = None
        self._subscribers: dict[Subscriber, None] = {}
        self._awaiting: dict[Subscriber, None] = {}
        feed = name.partition(".")[0]
        self._published = _PUBLISHED.labels(feed)
        self._delivered = _DELIVERED.labels(feed)

    @property
    def is_wanted(self) -> bool:
        """True if anybody listens or waits for a snapshot."""
        return bool(self._subscribers or self._awaiting)

    @property
    def is_awaited(self) -> bool:
        """True if anybody waits for a snapshot."""
        return bool(self._awaiting)

    def __len__(self) -> int:
        return len(self._subscribers) + len(self._awaiting)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send the snapshot now and every message from here on."""
        self._subscribers[subscriber] = None
        self._deliver(self._snapshot_now(), (subscriber,))

    def subscribe_later(self, subscriber: Subscriber) -> None:
        """Send the snapshot as soon as there is one: see `admit`."""
        self._awaiting[subscriber] = None

    def admit(self) -> None:
        """Send the snapshot to those who wait for it."""
        if not self._awaiting:
            return
        admitted, self._awaiting = self._awaiting, {}
        self._subscribers.update(admitted)
        self._deliver(self._snapshot_now(), tuple(admitted))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send nothing more."""
        self._subscribers.pop(subscriber, None)
        self._awaiting.pop(subscriber, None)

    def publish(self, kind: str, fields: Fields) -> None:
        """Number a message and send it to all subscribers."""
        previous, self.seq = self.seq, self.seq + 1
        self._snapshot_text = None
        if self._subscribers:
            head = {"channel": self.name, "type": kind, "seq": self.seq, "prev_seq": previous}
            self._deliver(encode({**head, **fields}), tuple(self._subscribers))

    def reset(self) -> None:
        """Send a fresh snapshot to all: something may have been missed."""
        self.seq += 1
        self._snapshot_text = None
        if self._subscribers:
            self._deliver(self._snapshot_now(), tuple(self._subscribers))

    def wait_again(self) -> None:
        """Send nothing more until the next `admit`, which sends everybody a snapshot."""
        self._awaiting.update(self._subscribers)
        self._subscribers.clear()
        self.seq += 1
        self._snapshot_text = None

    def _snapshot_now(self) -> str:
        if self._snapshot_text is None:
            head = {"channel": self.name, "type": "snapshot", "seq": self.seq}
            self._snapshot_text = encode({**head, **self._snapshot()})
        return self._snapshot_text

    def _deliver(self, text: str, subscribers: tuple[Subscriber, ...]) -> None:
        self._published.inc()
        self._delivered.inc(len(subscribers))
        for subscriber in subscribers:
            subscriber.put(text)
