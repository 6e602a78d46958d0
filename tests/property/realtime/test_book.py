"""The feed's book is the kernel's book, whatever happened and wherever it began to listen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.realtime import book as module
from apps.realtime.book import MarketBook
from engine.client import Book, Level
from engine.kernel.reference.kernel import ReferenceKernel
from engine.proto.records import RECORD_BYTES, EventBody, EventHeader, Side, unpack_event
from tests.engine_events import BTCUSDT, ETHBTC, ETHUSDT, EngineScript

MARKETS = (BTCUSDT, ETHUSDT, ETHBTC)
DEPTH = 10_000


def engine_book(kernel: ReferenceKernel, market_id: int, depth: int = DEPTH) -> Book:
    """What GetBook answers."""
    found = kernel.book(market_id, depth)
    assert found is not None
    bids, asks = found
    return Book(
        event_seq=kernel.event_seq,
        bids=tuple(Level(**level._asdict()) for level in bids),
        asks=tuple(Level(**level._asdict()) for level in asks),
    )


def kernel_levels(
    kernel: ReferenceKernel, market_id: int, depth: int = DEPTH
) -> dict[Side, list[tuple[int, int]]]:
    found = kernel.book(market_id, depth)
    assert found is not None
    return {
        side: [(level.price_ticks, level.quantity_lots) for level in levels]
        for side, levels in zip((Side.BID, Side.ASK), found, strict=True)
    }


def levels(book: MarketBook, depth: int = DEPTH) -> dict[Side, list[tuple[int, int]]]:
    return {side: book.top(side, depth) for side in (Side.BID, Side.ASK)}


def events(packed: bytes) -> list[tuple[EventHeader, EventBody]]:
    return [unpack_event(packed, offset) for offset in range(0, len(packed), RECORD_BYTES)]


class Listener:
    """A book of one market that follows a script from now on."""

    def __init__(self, script: EngineScript, market_id: int, depth: int = DEPTH) -> None:
        self.script = script
        self.market_id = market_id
        self.depth = depth
        self.book = MarketBook()
        self.seen = len(script.events)
        self.loads = 0
        self.catch_up()

    def catch_up(self) -> None:
        """Apply what is new, and load the book as often as it asks for that."""
        packed = self.script.events
        for header, body in events(packed[self.seen :]):
            if header.market_id == self.market_id:
                self.book.apply(header, body)
        self.seen = len(packed)
        while self.book.is_stale:
            answer = engine_book(self.script.kernel, self.market_id, self.depth)
            self.book.load(answer, self.book.generation, self.depth)
            self.loads += 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    before=st.integers(0, 150),
    after=st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_the_book_is_the_kernels_book_after_any_commands_from_any_place(
    seed: int, before: int, after: list[int]
) -> None:
    script = EngineScript().prepare().run(before, seed=seed)
    listeners = [Listener(script, market_id) for market_id in MARKETS]
    for number, commands in enumerate(after):
        script.run(commands, seed=seed + number + 1)
        for listener in listeners:
            listener.catch_up()
            assert levels(listener.book) == kernel_levels(script.kernel, listener.market_id)
            assert not listener.book.is_crossed


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), lag=st.integers(1, 60))
def test_an_answer_from_before_or_after_the_events_gives_the_same_book(seed: int, lag: int) -> None:
    script = EngineScript().prepare().run(100, seed=seed)
    book = MarketBook()
    asked = len(script.events)
    script.run(lag, seed=seed + 1)
    early = engine_book(script.kernel, BTCUSDT)
    script.run(lag, seed=seed + 2)
    for header, body in events(script.events[asked:]):
        if header.market_id == BTCUSDT:
            book.apply(header, body)
    if not book.load(early, book.generation):
        assert book.load(engine_book(script.kernel, BTCUSDT), book.generation)
    assert levels(book) == kernel_levels(script.kernel, BTCUSDT)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_between_two_commands_the_book_is_never_crossed_and_within_one_only_while_it_trades(
    seed: int,
) -> None:
    script = EngineScript().prepare()
    listener = Listener(script, BTCUSDT)
    script.run(150, seed=seed)
    found = events(script.events[listener.seen :])
    for (header, body), following in zip(found, [*found[1:], None], strict=True):
        if header.market_id == BTCUSDT:
            listener.book.apply(header, body)
        is_last = following is None or following[0].command_seq != header.command_seq
        if listener.book.is_stale:
            return
        assert not (is_last and listener.book.is_crossed)


def test_a_book_with_a_horizon_shows_the_true_best_levels_or_asks_again() -> None:
    script = EngineScript().prepare().run(200, seed=3)
    listener = Listener(script, BTCUSDT, depth=5)
    for number in range(30):
        script.run(20, seed=100 + number)
        listener.catch_up()
        listener.book.require_depth(3)
        listener.catch_up()
        assert levels(listener.book, 3) == kernel_levels(script.kernel, BTCUSDT, 3)
    assert listener.loads > 1


def test_a_move_of_an_order_that_was_never_heard_of_asks_for_the_book_once() -> None:
    script = EngineScript().prepare()
    order_id = script.place(1, Side.BID, 900, 5)
    listener = Listener(script, BTCUSDT)
    assert listener.loads == 1
    script.move(1, order_id, 901)
    listener.catch_up()
    assert listener.loads == 2
    script.move(1, order_id, 902)
    listener.catch_up()
    assert listener.loads == 2
    assert levels(listener.book)[Side.BID] == [(902, 5)]


def test_a_side_is_cut_back_when_it_grows_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEVELS_MAX", 20)
    monkeypatch.setattr(module, "LOAD_DEPTH", 10)
    script = EngineScript().prepare()
    listener = Listener(script, BTCUSDT)
    prices = list(range(500, 540))
    random.Random(1).shuffle(prices)
    for price in prices:
        script.place(1, Side.BID, price, 1)
    listener.catch_up()
    held = listener.book.top(Side.BID, DEPTH)
    assert 10 <= len(held) <= 20
    assert held == [(price, 1) for price in range(539, 539 - len(held), -1)]


def test_a_level_that_would_go_below_zero_asks_for_the_book_again() -> None:
    script = EngineScript().prepare()
    order_id = script.place(1, Side.ASK, 1_100, 5)
    listener = Listener(script, BTCUSDT)
    listener.book.load(Book(event_seq=0, bids=(), asks=()), listener.book.generation)
    for header, body in events(script.cancel(1, order_id)):
        listener.book.apply(header, body)
    assert listener.book.is_stale


def test_an_answer_that_was_under_way_when_events_were_missed_is_not_taken() -> None:
    script = EngineScript().prepare()
    book = MarketBook()
    generation, answer = book.generation, engine_book(script.kernel, BTCUSDT)
    book.invalidate(forget=True)
    assert book.load(answer, generation) is False
    assert book.is_stale
    assert book.load(answer, book.generation) is True


def test_too_many_events_while_a_book_is_loaded_begin_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PENDING_MAX", 10)
    script = EngineScript().prepare()
    book = MarketBook()
    generation = book.generation
    begin = len(script.events)
    for price in range(1, 20):
        script.place(1, Side.BID, price, 1)
    for header, body in events(script.events[begin:]):
        book.apply(header, body)
    assert book.generation > generation
    assert book.load(engine_book(script.kernel, BTCUSDT), book.generation) is True
    assert levels(book) == kernel_levels(script.kernel, BTCUSDT)
