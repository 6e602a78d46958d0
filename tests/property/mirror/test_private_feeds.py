"""What a user is told of the own orders is what the kernel has, whatever happens."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.realtime.hub import Hub
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import StreamBatch
from tests.property.kernel.care import USERS
from tests.property.mirror.chain import Chain
from tests.unit.realtime.support import Feed

ENDED = ("filled", "canceled", "expired")


class ChainFeed(Feed):
    """The hub and its answers over a chain instead of a script."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.hub = Hub()
        self.load()

    @property
    def kernel(self) -> Any:
        return self.chain.kernel

    def batch(self, first: int, last: int, *, epoch: int = 1) -> StreamBatch:
        packed = self.chain.events[(first - 1) * RECORD_BYTES : last * RECORD_BYTES]
        return StreamBatch(epoch, first, last, bytes(32), packed)


class Copy:
    """A client that keeps its open orders from the snapshot and what follows."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}

    def put(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "snapshot":
            self.orders = {order["order_id"]: order for order in message["orders"]}
            return
        order = message["order"]
        self.orders[order["order_id"]] = order
        if order["status"] in ENDED:
            del self.orders[order["order_id"]]

    @property
    def told(self) -> dict[int, tuple[Any, ...]]:
        return {
            key: (
                order["quantity"],
                order["remaining"],
                order["price"],
                order.get("waiting", False),
                order.get("stop_price"),
                order.get("expires_at"),
            )
            for key, order in self.orders.items()
        }


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), before=st.integers(0, 150), size=st.integers(1, 40))
def test_every_users_open_orders_are_the_kernels(seed: int, before: int, size: int) -> None:
    chain = Chain(seed)
    chain.run(before)
    feed = ChainFeed(chain)
    clients = {user_id: Copy() for user_id in USERS}
    for user_id, client in clients.items():
        feed.hub.subscribe("orders", client, user_id)
    feed.ask()
    for _ in range(8):
        chain.run(30)
        feed.flow(size=size)
        feed.ask()
        for user_id, client in clients.items():
            fresh = Copy()
            other = ChainFeed(chain)
            other.hub.subscribe("orders", fresh, user_id)
            other.ask()
            assert client.told == fresh.told
