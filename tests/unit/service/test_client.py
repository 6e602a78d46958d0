"""What the client makes of events, without an engine."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.client import EngineClient, EngineUnavailable, OutcomeUnknown, SyncEngineClient
from engine.client.submitter import split_events
from engine.client.types import outcome_of
from engine.proto.records import (
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    Reason,
    Trade,
    pack_event,
)

BID = EventFlag.BID


def accepted(seq: int, command_seq: int, quantity: int, flags: int = BID) -> bytes:
    return pack_event(
        EventHeader(seq, command_seq, 1, EventType.ORDER_ACCEPTED, flags, 0, 1),
        OrderAccepted(55, 7, 100, quantity, 0, 9, 257, b"mine"),
    )


def trade(seq: int, command_seq: int, quantity: int, flags: int = BID) -> bytes:
    return pack_event(
        EventHeader(seq, command_seq, 1, EventType.TRADE, flags, 0, 1),
        Trade(seq, 44, 55, 8, 7, 100, quantity, 1, 2, 0, 0),
    )


def changed(kind: EventType, seq: int, leaves: int, flags: int = BID) -> bytes:
    return pack_event(
        EventHeader(seq, 1, 1, kind, flags, 0, 1), OrderChanged(55, 7, 100, 1, leaves, 0)
    )


def test_an_order_that_trades_in_part_rests_with_the_remainder() -> None:
    outcome = outcome_of(accepted(1, 1, 10) + trade(2, 1, 3) + trade(3, 1, 4))
    assert (outcome.order_id, outcome.reason, outcome.replayed) == (55, Reason.NONE, False)
    assert (outcome.executed_lots, outcome.leaves_lots) == (7, 3)
    assert [(fill.trade_id, fill.quantity_lots, fill.fee_atoms) for fill in outcome.fills] == [
        (2, 3, 2),
        (3, 4, 2),
    ]


@pytest.mark.parametrize(
    ("records", "executed", "leaves"),
    [
        (accepted(1, 1, 3) + trade(2, 1, 3, BID | EventFlag.DONE), 3, 0),
        (accepted(1, 1, 5) + changed(EventType.ORDER_EXPIRED, 2, 0, BID | EventFlag.DONE), 0, 0),
        (changed(EventType.ORDER_CANCELED, 1, 0, BID | EventFlag.DONE), 0, 0),
        (changed(EventType.ORDER_REDUCED, 1, 4), 0, 4),
        (changed(EventType.ORDER_MOVED, 1, 9) + trade(2, 1, 2), 2, 7),
    ],
)
def test_leaves_and_executed_follow_the_events(records: bytes, executed: int, leaves: int) -> None:
    outcome = outcome_of(records)
    assert (outcome.executed_lots, outcome.leaves_lots) == (executed, leaves)


def test_events_are_cut_where_the_command_changes() -> None:
    parts = [accepted(1, 10, 5), accepted(2, 11, 5) + trade(3, 11, 1), trade(4, 12, 1)]
    assert split_events(b"".join(parts), 10) == parts
    assert split_events(parts[0], 10) == parts[:1]


def test_the_blocking_client_can_be_shared_by_threads_and_closed_unused() -> None:
    with SyncEngineClient("127.0.0.1:1", timeout_s=0.2) as client:
        errors: list[Exception] = []

        def ask() -> None:
            try:
                client.get_status()
            except EngineUnavailable as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(errors) == 4
        assert client.call(lambda _: asyncio.sleep(0, "value")) == "value"
    SyncEngineClient("127.0.0.1:1").close()


def test_a_client_that_is_closed_lets_nobody_wait_and_leaves_no_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = SyncEngineClient("127.0.0.1:9")
    begun = threading.Event()

    async def for_ever(_engine: EngineClient) -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: client.call(for_ever))
        assert begun.wait(10)
        client.close()
        with pytest.raises(OutcomeUnknown, match="was closed before the answer came"):
            waiting.result(10)
    gc.collect()
    assert "Task was destroyed" not in caplog.text
