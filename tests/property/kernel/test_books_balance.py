"""Whatever is sent: no atom is made or lost, and what is locked is what open orders reserve."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.kernel.states import MATCHING
from engine.proto.records import (
    RECORD_BYTES,
    Checkpoint,
    CheckpointAsset,
    Command,
    CommandFlag,
    CommandType,
    EventType,
    Side,
    pack_command,
    unpack_event,
)
from engine.service.commands import iceberg_count
from engine.service.core import EVENTS_PER_COMMAND_MAX, EVENTS_PER_ICEBERG_MAX
from tests.property.kernel.flow import LIMITS, NARROW, WIDE, Flow, listing, stamp

END_US = 99_000
SEEDS = st.integers(0, 2**32)
TICK = pack_command(Command(CommandType.TICK))
CHECKPOINT = pack_command(Command(CommandType.CHECKPOINT))


def open_kernel(name: str) -> Kernel:
    kernel = load_kernel(name, LIMITS)
    kernel.apply(listing(), 1)
    return kernel


def assert_conserved(kernel: Kernel) -> None:
    for total in kernel.totals():
        booked = total.deposited_atoms - total.withdrawn_atoms + total.adjusted_atoms
        assert total.held_atoms == booked, total


def assert_locked_is_reserved(kernel: Kernel) -> None:
    held_in = {
        (market.market_id, side): market.quote_asset_id if side else market.base_asset_id
        for market in kernel.markets()
        for side in Side
    }
    reserved: defaultdict[tuple[int, int], int] = defaultdict(int)
    for order in kernel.open_orders():
        assert order.reserved_atoms > 0 or order.list_id
        assert order.leaves_lots > 0
        reserved[order.user_id, held_in[order.market_id, Side(order.side)]] += order.reserved_atoms
    for hold in kernel.holds():
        reserved[hold.user_id, hold.asset_id] += hold.amount_atoms
    for row in kernel.all_balances():
        assert row.available_atoms >= 0
        assert row.locked_atoms == reserved.pop((row.user_id, row.asset_id), 0), row
    assert not any(reserved.values())


def assert_books_are_whole(kernel: Kernel) -> None:
    """Levels are sorted, never crossed, and the sum of their orders."""
    for market in kernel.markets():
        book = kernel.book(market.market_id, 10**6)
        assert book is not None
        bids, asks = book
        prices = [level.price_ticks for level in reversed(bids)]
        prices += [level.price_ticks for level in asks]
        if market.state in MATCHING:
            assert prices == sorted(set(prices))
        lots: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for order in kernel.open_orders(market_id=market.market_id):
            if order.wait:
                assert order.shown_lots == 0
                continue
            lots[order.side, order.price_ticks].append(order.shown_lots)
        for side, levels in ((Side.BID, bids), (Side.ASK, asks)):
            for level in levels:
                leaves = lots.pop((side, level.price_ticks))
                assert (sum(leaves), len(leaves)) == (level.quantity_lots, level.orders)
        assert not lots


@pytest.mark.parametrize("name", ["compiled", "reference"])
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, prices=st.sampled_from([NARROW, WIDE]))
def test_money_is_conserved_and_locked_is_reserved_at_every_step(
    name: str, seed: int, prices: tuple[int, int]
) -> None:
    kernel, flow = open_kernel(name), Flow(seed, prices)
    for step in range(40):
        kernel.apply(flow.records(5), stamp(step))
        assert_conserved(kernel)
        assert_locked_is_reserved(kernel)
        assert_books_are_whole(kernel)


@pytest.mark.parametrize("name", ["compiled", "reference"])
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_after_every_order_is_cancelled_nothing_is_locked(name: str, seed: int) -> None:
    kernel = open_kernel(name)
    kernel.apply(Flow(seed).records(300), 2)
    cancels = b"".join(
        pack_command(
            Command(
                CommandType.CANCEL,
                market_id=order.market_id,
                order_id=order.order_id,
                flags=CommandFlag.OPERATOR,
            )
        )
        for order in kernel.open_orders()
    )
    releases = b"".join(
        pack_command(
            Command(CommandType.RELEASE_HOLD, user_id=hold.user_id, request_id=hold.request_id)
        )
        for hold in kernel.holds()
    )
    kernel.apply(cancels + releases, 3)
    assert kernel.open_order_count == 0
    assert {row.locked_atoms for row in kernel.all_balances()} <= {0}
    assert_conserved(kernel)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_every_checkpoint_has_the_digest_of_all_balances(seed: int) -> None:
    """A kernel that checkpoints often and one that does so once state the same digest."""
    often, once = open_kernel("compiled"), open_kernel("reference")
    flow = Flow(seed)
    for step in range(10):
        records = flow.records(20) + TICK  # which drops a draft that is cut here for both
        often.apply(records + CHECKPOINT, stamp(step))
        once.apply(records, stamp(step))
    digests = [
        unpack_event(kernel.apply(CHECKPOINT, END_US)[-RECORD_BYTES:])[1]
        for kernel in (often, once)
    ]
    assert isinstance(digests[0], Checkpoint)
    assert digests[0] == digests[1]
    assert digests[0].row_count == len(list(once.all_balances()))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_checkpoint_totals_are_those_counted_afresh(seed: int) -> None:
    kernel = open_kernel("compiled")
    events = kernel.apply(Flow(seed).records(200) + CHECKPOINT, 2)
    totals = {total.asset_id: tuple(total) for total in kernel.totals()}
    told = {}
    for offset in range(0, len(events), RECORD_BYTES):
        header, body = unpack_event(events, offset)
        if header.type == EventType.CHECKPOINT_ASSET:
            assert isinstance(body, CheckpointAsset)
            told[body.asset_id] = tuple(body)
    for asset_id, told_total in told.items():
        assert told_total == totals[asset_id]


@pytest.mark.parametrize("name", ["compiled", "reference"])
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_no_batch_causes_more_events_than_what_was_open_and_what_came_can(
    name: str, seed: int
) -> None:
    """The sequencer makes room for so many before it applies a batch."""
    kernel, flow = open_kernel(name), Flow(seed)
    for step in range(20):
        records = flow.records(20)
        own = EVENTS_PER_COMMAND_MAX * 20 + EVENTS_PER_ICEBERG_MAX * iceberg_count(records)
        bound = kernel.event_bound + own
        events = kernel.apply(records, kernel.time_us + 1 + step)
        assert len(events) // RECORD_BYTES <= bound
