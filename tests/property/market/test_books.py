"""Snapshot and differences give the kernel's book, whatever happens to it between two looks."""

from __future__ import annotations

import random

import pytest

from engine.client import BookGapError, DepthUpdate, Level, LocalBook
from engine.kernel.interface import LevelView
from engine.service.market.books import EMPTY, BookView, difference
from engine.service.market.scan import touched_markets
from tests.engine_events import BTCUSDT, ETHBTC, ETHUSDT, EngineScript

MARKETS = (BTCUSDT, ETHUSDT, ETHBTC)


def view_of(script: EngineScript, market_id: int, depth: int) -> BookView:
    book = script.kernel.book(market_id, depth)
    assert book is not None
    return BookView(script.kernel.event_seq, tuple(book[0]), tuple(book[1]))


def update(market_id: int, before: BookView, after: BookView) -> DepthUpdate:
    def levels(views: list[LevelView]) -> tuple[Level, ...]:
        return tuple(Level(**view._asdict()) for view in views)

    return DepthUpdate(
        market_id=market_id,
        event_seq=after.event_seq,
        prev_event_seq=before.event_seq,
        bids=levels(difference(before.bids, after.bids)),
        asks=levels(difference(before.asks, after.asks)),
    )


@pytest.mark.parametrize("depth", [1, 5, 1_000])
@pytest.mark.parametrize("seed", range(4))
def test_differences_lead_from_view_to_view(seed: int, depth: int) -> None:
    chance = random.Random(seed)
    script = EngineScript().prepare()
    sent = dict.fromkeys(MARKETS, EMPTY)
    books = {market_id: LocalBook() for market_id in MARKETS}
    for _ in range(150):
        script.run(chance.randint(1, 12), seed=chance.getrandbits(32))
        for market_id in chance.sample(MARKETS, chance.randint(0, 3)):  # others are looked at later
            view = view_of(script, market_id, depth)
            books[market_id].apply(update(market_id, sent[market_id], view))
            sent[market_id] = view
            for own, there in (
                (books[market_id].bids, view.bids),
                (books[market_id].asks, view.asks),
            ):
                assert list(own) == [Level(**level._asdict()) for level in there]
    assert all(view.event_seq for view in sent.values())


def test_an_update_that_does_not_follow_is_a_gap() -> None:
    book = LocalBook()
    level = Level(price_ticks=1, quantity_lots=1, orders=1)
    snapshot = DepthUpdate(market_id=1, event_seq=5, prev_event_seq=0, bids=(level,), asks=())
    book.apply(snapshot)
    late = DepthUpdate(market_id=1, event_seq=9, prev_event_seq=7, bids=(), asks=())
    with pytest.raises(BookGapError, match="update follows event 7, expected 5"):
        book.apply(late)
    assert (book.event_seq, book.bids) == (5, (level,))
    book.apply(snapshot)


@pytest.mark.parametrize("seed", range(3))
def test_a_book_changes_only_with_events_that_name_its_market(seed: int) -> None:
    script = EngineScript().prepare()
    views = {market_id: view_of(script, market_id, 1_000) for market_id in MARKETS}
    for number in range(300):
        heard = len(script.events)
        script.run(1, seed=1_000 * seed + number)
        touched = touched_markets(script.events[heard:])
        for market_id in MARKETS:
            view = view_of(script, market_id, 1_000)
            assert market_id in touched or view[1:] == views[market_id][1:]
            views[market_id] = view
