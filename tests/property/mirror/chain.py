"""The kernel's random flow, and what books and feeds make of its events, side by side."""

from __future__ import annotations

import random
from typing import Final

from apps.mirror.verification.rederive import BookState
from apps.realtime.book import MarketBook
from engine.client import Book, Level
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import (
    RECORD_BYTES,
    CommandType,
    Side,
    unpack_command,
    unpack_event,
)
from tests.property.kernel.flow import LIMITS, NARROW, Flow, listing

DEPTH = 10_000
CUT_EVENTS_MAX = 7  # pieces so small that nothing that belongs together stays together


_GIVE_IDS: Final = (CommandType.PLACE, CommandType.PLACE_LEG, CommandType.QUOTE)


class Chain:
    """A kernel that is driven by a flow, and its events.

    With `fresh_ids` no order gets the number of one that ended, as under the sequencer.
    """

    def __init__(
        self,
        seed: int,
        prices: tuple[int, int] = NARROW,
        name: str = "compiled",
        *,
        fresh_ids: bool = False,
    ) -> None:
        self.fresh_ids = fresh_ids
        self._taken: set[int] = set()
        self.kernel: Kernel = load_kernel(name, LIMITS)
        self.flow = Flow(seed, prices)
        self.chance = random.Random(seed)
        self.time_us = 1
        self.events = self.kernel.apply(listing(), 1)

    def run(self, commands: int) -> bytes:
        """Apply more commands, each at a time of its own; return their events."""
        new = bytearray()
        for _ in range(commands):
            self.time_us += self.chance.choice((1, 1_000, 400_000))
            new += self.kernel.apply(self._record(), self.time_us)
        self.events += bytes(new)
        return bytes(new)

    def _record(self) -> bytes:
        record = self.flow.record()
        while self.fresh_ids and not self._take_ids(record):
            record = self.flow.record()
        return record

    def _take_ids(self, record: bytes) -> bool:
        """Note the numbers that commands give to orders; False if one of them was given before."""
        given: set[int] = set()
        for at in range(0, len(record), RECORD_BYTES):
            command = unpack_command(record, at)
            if command.type in _GIVE_IDS:
                given.add(command.order_id)
            if command.type == CommandType.QUOTE:
                given.add(command.order_id + 1)
        if given & self._taken:
            return False
        self._taken |= given
        return True


def pieces(events: bytes, chance: random.Random) -> list[bytes]:
    """Cut events at random places, inside of commands too."""
    found, at = [], 0
    while at < len(events):
        size = chance.randint(1, CUT_EVENTS_MAX) * RECORD_BYTES
        found.append(events[at : at + size])
        at += size
    return found


def assert_books_are_the_kernels(state: BookState, kernel: Kernel) -> None:
    """Balances, open orders and asset totals of the books are those of the kernel."""
    balances = {
        key: (held.available, held.locked)
        for key, held in state.balances.items()
        if held.total or held.locked
    }
    assert balances == {
        (each.user_id, each.asset_id): (each.available_atoms, each.locked_atoms)
        for each in kernel.all_balances()
    }
    orders = {
        order.order_id: (
            order.market.market_id,
            order.user_id,
            order.price_ticks,
            order.leaves_lots,
            order.reserved_atoms,
        )
        for order in state.derived.orders.open.values()
    }
    assert orders == {
        each.order_id: (
            each.market_id,
            each.user_id,
            each.price_ticks,
            each.leaves_lots,
            each.reserved_atoms,
        )
        for each in kernel.open_orders()
    }
    flows = {asset_id: tuple(flow) for asset_id, flow in state.flows.items()}
    assert flows == {
        each.asset_id: (each.deposited_atoms, each.withdrawn_atoms, each.adjusted_atoms)
        for each in kernel.totals()
        if each.asset_id in flows
    }


class Listener:
    """A feed's book of one market that follows a chain from now on."""

    def __init__(self, chain: Chain, market_id: int) -> None:
        self.chain = chain
        self.market_id = market_id
        self.book = MarketBook()
        self.seen = len(chain.events)
        self.loads = 0
        self.catch_up()

    def catch_up(self) -> None:
        """Apply what is new, and load the book as often as it asks for that."""
        packed = self.chain.events
        for at in range(self.seen, len(packed), RECORD_BYTES):
            header, body = unpack_event(packed, at)
            if header.market_id == self.market_id:
                self.book.apply(header, body)
        self.seen = len(packed)
        while self.book.is_stale:
            self.book.load(self._answer(), self.book.generation, DEPTH)
            self.loads += 1

    def _answer(self) -> Book:
        kernel = self.chain.kernel
        found = kernel.book(self.market_id, DEPTH)
        assert found is not None
        bids, asks = (tuple(Level(**each._asdict()) for each in side) for side in found)
        return Book(event_seq=kernel.event_seq, bids=bids, asks=asks)

    def assert_is_the_kernels(self) -> None:
        """Every level of the feed's book is one of the kernel's, and the other way round."""
        found = self.chain.kernel.book(self.market_id, DEPTH)
        assert found is not None
        for side, levels in zip((Side.BID, Side.ASK), found, strict=True):
            assert self.book.top(side, DEPTH) == [
                (level.price_ticks, level.quantity_lots) for level in levels
            ]
