"""Whatever the engine is asked to do: books and feeds have exactly what it has."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.mirror.verification.rederive import BookState
from tests.property.kernel.flow import MARKETS, NARROW, WIDE
from tests.property.mirror.chain import Chain, Listener, assert_books_are_the_kernels, pieces

SEEDS = st.integers(0, 2**32)
PRICES = st.sampled_from([NARROW, WIDE])


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, prices=PRICES)
def test_balances_locked_open_orders_and_digests_are_the_kernels(
    seed: int, prices: tuple[int, int]
) -> None:
    """The flow checkpoints often; `advance` compares each digest with the engine's."""
    chain, state = Chain(seed, prices), BookState()
    chance = random.Random(seed)
    state.advance(chain.events)
    for _ in range(8):
        for piece in pieces(chain.run(60), chance):
            state.advance(piece)
        assert state.last_event_seq == chain.kernel.event_seq
        assert_books_are_the_kernels(state, chain.kernel)


@pytest.mark.parametrize("name", ["compiled", "reference"])
@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, prices=PRICES, before=st.integers(0, 200))
def test_the_feeds_book_is_the_kernels_from_any_place_on(
    name: str, seed: int, prices: tuple[int, int], before: int
) -> None:
    chain = Chain(seed, prices, name)
    chain.run(before)
    listeners = [Listener(chain, market_id) for market_id in MARKETS]
    for _ in range(25):
        chain.run(8)
        for listener in listeners:
            listener.catch_up()
            listener.assert_is_the_kernels()


def test_the_flow_is_long_enough_to_say_something() -> None:
    chain, state = Chain(1), BookState()
    chain.run(3_000)
    state.advance(chain.events)
    assert state.checkpoints > 20
    assert state.transactions > 300
