"""The packed stream and the coalescing client on it: order, limits, and many callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from grpc import aio

from engine.client import EngineClient, EngineRefused, Outcome
from engine.client.channel import not_executed
from engine.client.submitter import split_events
from engine.journal import journal_records
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    OrderAccepted,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    pack_command,
    unpack_event,
)
from tests.fixtures_engine import EngineUnderTest
from tests.integration.engine.support import BUYER, MARKET, QUOTE, SELLER, request_id

PLACE = Command(
    CommandType.PLACE,
    side=Side.BID,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    market_id=MARKET,
    user_id=BUYER,
    price=10,
    quantity=1,
)


def message(tag: int, *commands: Command) -> pb.PackedCommands:
    return pb.PackedCommands(tag=tag, commands=b"".join(map(pack_command, commands)))


async def exchange(
    address: str, messages: Sequence[pb.PackedCommands]
) -> tuple[list[pb.PackedResults], aio.AioRpcError | None]:
    """Send all messages at once and return the answers, and the error if the stream failed."""
    answers: list[pb.PackedResults] = []

    async def requests() -> AsyncIterator[pb.PackedCommands]:
        for one in messages:
            yield one

    async with aio.insecure_channel(address) as channel:
        try:
            async for answer in pb_grpc.OrderServiceStub(channel).SubmitPacked(requests()):
                answers.append(answer)  # noqa: PERF401
        except aio.AioRpcError as error:
            return answers, error
    return answers, None


async def test_answers_come_in_the_order_of_the_requests(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    sizes = [1, 256, 3, 1, 4096, 17, 2, 1] * 3
    messages = [message(1000 + n, *[PLACE] * size) for n, size in enumerate(sizes)]
    answers, error = await exchange(engine.address, messages)
    assert error is None
    assert [answer.tag for answer in answers] == [one.tag for one in messages]
    following, order_id = answers[0].first_command_seq, 1
    for size, answer in zip(sizes, answers, strict=True):
        assert answer.first_command_seq >= following  # a checkpoint may come between
        following = answer.first_command_seq + size
        for events in split_events(answer.events, answer.first_command_seq):
            _, body = unpack_event(events)
            assert isinstance(body, OrderAccepted)
            assert body.order_id == order_id
            order_id += 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (b"", "commands were 0 bytes, expected 1..4096 records"),
        (bytes(127), "commands were 127 bytes"),
        (pack_command(PLACE) * 4097, f"commands were {4097 * 128} bytes"),
        (pack_command(Command(CommandType.TICK)), "command 0 was of type 31"),
        (pack_command(PLACE) + pack_command(Command(CommandType.CHECKPOINT)), "command 1 was"),
        (bytes(128), "command 0 was of type 0"),
        (pack_command(PLACE._replace(order_id=5)), "a new order had an order id, expected 0"),
    ],
)
async def test_a_message_that_is_no_batch_ends_the_stream_there(
    engine: EngineUnderTest, client: EngineClient, wrong: bytes, sentence: str
) -> None:
    messages = [
        message(1, PLACE),
        message(2, PLACE, PLACE),
        pb.PackedCommands(tag=3, commands=wrong),
        message(4, PLACE),
    ]
    answers, error = await exchange(engine.address, messages)
    assert [answer.tag for answer in answers] == [1, 2]
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in (error.details() or "")
    assert not_executed(error) == "3,4"
    assert (await client.get_status()).open_orders == 3


async def test_64_concurrent_callers_each_get_their_own_outcome_and_share_records(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    rounds = 10

    async def caller(number: int) -> list[Outcome]:
        return [
            await client.place(
                user_id=BUYER,
                market_id=MARKET,
                side=Side.BID,
                price_ticks=1 + number,
                quantity_lots=1 + n,
                client_order_id=f"c{number}-{n}",
            )
            for n in range(rounds)
        ]

    outcomes = await asyncio.gather(*(caller(number) for number in range(64)))
    order_ids = set()
    for number, own in enumerate(outcomes):
        for n, outcome in enumerate(own):
            ((_, body),) = outcome.events
            assert isinstance(body, OrderAccepted)
            assert body.price_ticks == 1 + number
            assert body.quantity_lots == outcome.leaves_lots == 1 + n
            assert body.text == f"c{number}-{n}".encode()
            order_ids.add(outcome.order_id)
    assert order_ids == set(range(1, 64 * rounds + 1))
    places = [
        len(record.commands) // 128
        for record in journal_records(engine.data_dir)
        if record.commands[0] == CommandType.PLACE
    ]
    assert sum(places) == 64 * rounds
    assert max(places) >= 16
    assert len(places) <= 16 * rounds


async def test_a_caller_that_gives_up_disturbs_no_other(client: EngineClient) -> None:
    async def caller(number: int) -> Outcome:
        return await client.place(
            user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=number, quantity_lots=1
        )

    tasks = [asyncio.create_task(caller(number)) for number in range(1, 101)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 3:
            assert isinstance(answer, Outcome)
            assert isinstance(answer.events[0][1], OrderAccepted)
            assert answer.events[0][1].price_ticks == number + 1
        else:
            assert isinstance(answer, asyncio.CancelledError)


async def test_a_retry_gets_the_first_outcome_with_all_its_trades(client: EngineClient) -> None:
    for price in range(100, 200):
        await client.place(
            user_id=SELLER, market_id=MARKET, side=Side.ASK, price_ticks=price, quantity_lots=1
        )
    sweep = PLACE._replace(price=500, quantity=120, request_id=request_id(1))
    first = await client.submit(sweep)
    assert (first.executed_lots, first.leaves_lots, len(first.events)) == (100, 20, 101)
    await client.cancel(user_id=BUYER, market_id=MARKET, order_id=first.order_id)
    again = await client.submit(sweep)
    assert (again.replayed, again.records) == (True, first.records)
    assert again.order_id == first.order_id
    assert again.fills == first.fills

    refused = PLACE._replace(price=-1, request_id=request_id(2))
    one = await client.submit(refused)
    two = await client.submit(refused)
    assert (one.reason, two.reason) == (Reason.INVALID_PRICE, Reason.INVALID_PRICE)
    assert (one.replayed, two.replayed, two.records) == (False, True, one.records)
    with pytest.raises(EngineRefused) as other:
        (await client.submit(refused._replace(price=-2))).expect()
    assert other.value.reason is Reason.REQUEST_ID_REUSED


async def test_many_retries_at_once_all_get_their_first_outcomes(client: EngineClient) -> None:
    users = range(100, 200)
    for user_id in users:
        await client.add_user(user_id=user_id)
        await client.deposit(
            user_id=user_id, asset_id=QUOTE, amount_atoms=10**9, business_id=request_id(user_id, 3)
        )
    orders = [
        PLACE._replace(user_id=user_id, price=1 + n, request_id=request_id(n))
        for user_id in users
        for n in range(3)
    ]
    first = await asyncio.gather(*map(client.submit, orders))
    again = await asyncio.gather(*map(client.submit, orders))
    assert all(outcome.replayed for outcome in again)
    assert [outcome.records for outcome in again] == [outcome.records for outcome in first]


@pytest.mark.parametrize(
    "command",
    [
        Command(CommandType.DEPOSIT),
        PLACE._replace(order_id=1),
        Command(CommandType.CANCEL, flags=CommandFlag.OPERATOR),
    ],
)
async def test_a_command_that_would_spoil_the_shared_stream_is_refused_before_it(
    client: EngineClient, command: Command
) -> None:
    with pytest.raises(ValueError, match="was"):
        await client.submit(command)
