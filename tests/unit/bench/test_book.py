"""The generator's own book: price, then time."""

from __future__ import annotations

import pytest

from engine.bench.book import ASK, BID, REDUCE, REJECT, TRADE, Book


@pytest.fixture
def book() -> Book:
    """Asks 5 @ 101 (order 1), 5 @ 101 (2), 5 @ 102 (3); bid 4 @ 99 (4)."""
    book = Book()
    book.place(1, ASK, 101, 5)
    book.place(2, ASK, 101, 5)
    book.place(3, ASK, 102, 5)
    book.place(4, BID, 99, 4)
    return book


def test_a_taker_trades_by_price_then_time_at_the_makers_prices(book: Book) -> None:
    assert book.place(5, BID, 102, 12) == [
        (TRADE, 1, 101, 5, False, True),
        (TRADE, 2, 101, 5, False, True),
        (TRADE, 3, 102, 2, True, False),
    ]
    assert book.l2() == ([(102, 3, 1)], [(99, 4, 1)])


def test_what_is_left_of_a_limit_order_rests(book: Book) -> None:
    assert book.place(5, BID, 101, 12) == [
        (TRADE, 1, 101, 5, False, True),
        (TRADE, 2, 101, 5, False, True),
    ]
    assert book.l2() == ([(102, 5, 1)], [(101, 2, 1), (99, 4, 1)])
    assert (book.order_count(ASK), book.order_count(BID)) == (1, 2)
    assert (book.volume(ASK), book.volume(BID)) == (5, 6)


def test_the_rejected_rest_of_an_instant_order_is_reported_before_its_trades(book: Book) -> None:
    assert book.place_instant(ASK, 98, 6) == [
        (REJECT, 0, 0, 2, True, False),
        (TRADE, 4, 99, 4, False, True),
    ]
    assert book.l2()[1] == []


def test_an_order_moved_to_its_own_price_goes_to_the_back(book: Book) -> None:
    assert book.move(1, 101) == []
    assert book.place_instant(BID, 101, 6) == [
        (TRADE, 2, 101, 5, False, True),
        (TRADE, 1, 101, 1, True, False),
    ]


def test_a_moved_order_that_crosses_trades_as_taker(book: Book) -> None:
    assert book.move(3, 99) == [(TRADE, 4, 99, 4, False, True)]
    assert book.l2() == ([(99, 1, 1), (101, 10, 2)], [])


def test_a_moved_order_that_trades_whole_is_gone(book: Book) -> None:
    assert book.move(4, 101) == [(TRADE, 1, 101, 4, True, False)]
    with pytest.raises(KeyError):
        book.cancel(4)


def test_a_reduction_keeps_the_place_in_the_queue_and_one_of_all_ends_the_order(
    book: Book,
) -> None:
    assert book.reduce(1, 3) == [(REDUCE, 0, 0, 3, False, False)]
    assert book.reduce(2, 9) == [(REDUCE, 0, 0, 5, True, False)]
    assert book.l2()[0] == [(101, 2, 1), (102, 5, 1)]
    assert book.volume(ASK) == 7


@pytest.mark.parametrize(
    ("side", "size", "budget", "fills"),
    [
        (BID, 11, 101 * 10 + 102, True),
        (BID, 11, 101 * 10 + 101, False),
        (BID, 16, 10**9, False),
        (ASK, 4, 99 * 4, True),
        (ASK, 4, 99 * 4 + 1, False),
        (ASK, 5, 1, False),
    ],
)
def test_a_budget_order_trades_whole_within_its_budget_or_not_at_all(
    book: Book, side: int, size: int, budget: int, fills: bool
) -> None:
    before = book.l2()
    events = book.place_budget(side, budget, size)
    if fills:
        assert sum(event[3] for event in events if event[0] == TRADE) == size
    else:
        assert events == [(REJECT, 0, 0, size, True, False)]
        assert book.l2() == before
