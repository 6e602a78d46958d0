"""What was acknowledged is there after any end of the process, once, and with the same state."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field

import pytest

from engine.client import EngineClient, EngineUnavailable, Outcome, OutcomeUnknown
from engine.journal import journal_records
from engine.proto.records import (
    NO_REQUEST_ID,
    CommandType,
    EventType,
    OrderAccepted,
    Side,
    unpack_command,
    unpack_event,
)
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.support import BUYER, MARKET, SELLER, request_id, set_up

KILLS = 4
WORKERS = 8


async def place(client: EngineClient, number: int, request: bytes = NO_REQUEST_ID) -> Outcome:
    """Order `number`: sides and prices differ, so that many of them trade."""
    return await client.place(
        user_id=BUYER if number % 2 else SELLER,
        market_id=MARKET,
        side=Side.BID if number % 2 else Side.ASK,
        price_ticks=100 + number % 3,
        quantity_lots=1 + number % 4,
        request_id=request,
    )


@dataclass
class Load:
    """Orders with a request id (which must all end well) and without one."""

    acknowledged: dict[bytes, int] = field(default_factory=dict)
    anonymous: list[int] = field(default_factory=list)
    unknown: int = 0
    stop: bool = False

    async def named(self, client: EngineClient, worker: int) -> None:
        number = worker
        while not self.stop:
            key = request_id(number)
            self.acknowledged[key] = (await place(client, number, key)).order_id
            number += WORKERS

    async def unnamed(self, client: EngineClient) -> None:
        while not self.stop:
            try:
                self.anonymous.append((await place(client, len(self.anonymous))).order_id)
            except OutcomeUnknown:
                self.unknown += 1
            except EngineUnavailable:
                await asyncio.sleep(0.05)


def accepted_orders(engine: EngineUnderTest) -> tuple[Counter[bytes], set[int]]:
    """Accepted PLACE commands per request id, and all accepted order ids, from the journal."""
    requests: Counter[bytes] = Counter()
    order_ids: set[int] = set()
    for record in journal_records(engine.data_dir):
        accepted = {}
        for at in range(0, len(record.events), 128):
            header, body = unpack_event(record.events, at)
            if isinstance(body, OrderAccepted):
                accepted[header.command_seq] = body.order_id
                assert body.order_id not in order_ids
                order_ids.add(body.order_id)
        for at in range(0, len(record.commands), 128):
            command = unpack_command(record.commands, at)
            seq = record.first_command_seq + at // 128
            if command.type == CommandType.PLACE and seq in accepted:
                requests[command.request_id] += 1
    return requests, order_ids


async def test_kill_9_under_load_loses_and_doubles_nothing(
    engine_process: EngineFactory, free_address: str
) -> None:
    engine = engine_process("--listen", free_address)
    load = Load()
    async with EngineClient(free_address, timeout_s=60) as client:
        await client.wait_ready(10)
        await set_up(client)
        tasks = [asyncio.create_task(load.named(client, n)) for n in range(1, 1 + WORKERS)]
        tasks += [asyncio.create_task(load.unnamed(client)) for _ in range(WORKERS)]
        for _ in range(KILLS):
            await asyncio.sleep(0.7)
            engine.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(engine.wait)
            engine = await asyncio.to_thread(
                engine_process, "--listen", free_address, kernel="auto"
            )
        await asyncio.sleep(0.3)
        load.stop = True
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
    requests, order_ids = accepted_orders(engine)
    assert len(load.acknowledged) > 10 * KILLS
    assert {key: requests[key] for key in load.acknowledged} == dict.fromkeys(load.acknowledged, 1)
    assert set(load.acknowledged.values()) <= order_ids
    assert len(set(load.anonymous)) == len(load.anonymous)
    assert set(load.anonymous) <= order_ids
    silent = len(order_ids) - len(load.anonymous) - len(load.acknowledged)
    assert 0 <= silent <= load.unknown


async def test_two_restarts_give_the_identical_state_hash_whichever_kernel_replays(
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        await asyncio.gather(*(place(client, n) for n in range(200)))
        await asyncio.sleep(1.3)  # the checkpoint is journaled; nothing changes any more
        expected = await client.get_state_hash()
        books = await client.list_open_orders()
    for end, kernel in ((EngineUnderTest.kill, "auto"), (EngineUnderTest.stop, "reference")):
        end(engine)
        engine = engine_process(kernel=kernel)
        async with EngineClient(engine.address) as client:
            await client.wait_ready(10)
            assert await client.get_state_hash() == expected
            assert await client.list_open_orders() == books
            status = await client.get_status()
    assert status.epoch == 3


async def test_sigterm_finishes_what_is_queued_and_exits_with_zero(
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    client = EngineClient(engine.address, timeout_s=10)
    await client.wait_ready(10)
    await set_up(client)
    tasks = [asyncio.create_task(place(client, n)) for n in range(500)]
    await asyncio.sleep(0.05)
    code = await asyncio.to_thread(engine.stop)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    assert code == 0
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    assert all(isinstance(answer, Outcome | EngineUnavailable) for answer in answers), answers
    _, order_ids = accepted_orders(engine)
    assert {outcome.order_id for outcome in outcomes} == order_ids
    last = list(journal_records(engine.data_dir))[-1]
    assert last.events[24 - 128 :][0] == EventType.CHECKPOINT


async def test_an_order_on_its_way_when_the_engine_dies_is_unknown_or_retried(
    engine_process: EngineFactory, free_address: str
) -> None:
    engine = engine_process("--listen", free_address)
    async with EngineClient(free_address, timeout_s=60) as client:
        await client.wait_ready(10)
        await set_up(client)
        await place(client, 1)
        engine.process.send_signal(signal.SIGSTOP)
        plain = asyncio.create_task(place(client, 3))
        named = asyncio.create_task(place(client, 5, request_id(5)))
        await asyncio.sleep(0.3)
        engine.kill()
        with pytest.raises(OutcomeUnknown, match="connection to the engine was lost"):
            await plain
        engine = await asyncio.to_thread(engine_process, "--listen", free_address)
        outcome = await asyncio.wait_for(named, 30)
        again = await place(client, 5, request_id(5))
    assert again.replayed
    assert (again.order_id, again.records) == (outcome.order_id, outcome.records)
    requests, _ = accepted_orders(engine)
    assert requests[request_id(5)] == 1


async def test_without_an_engine_an_order_is_unavailable_and_nothing_was_sent(
    free_address: str,
) -> None:
    async with EngineClient(free_address, timeout_s=0.5) as client:
        with pytest.raises(EngineUnavailable, match="not reached"):
            await place(client, 1)
        with pytest.raises(EngineUnavailable, match="not reached"):
            await client.add_user(user_id=1)
        with pytest.raises(EngineUnavailable, match="not reached"):
            await client.get_status()
        with pytest.raises(EngineUnavailable, match="not ready within"):
            await client.wait_ready(0.5)
