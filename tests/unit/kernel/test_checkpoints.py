"""Checkpoints, sequences, queries, and the state hash."""

import hashlib
import struct
import sys

import pytest

from engine.kernel import KernelUnavailableError, load_kernel
from engine.kernel.interface import BalanceView, LevelView, OrderView
from engine.proto.records import (
    RECORD_BYTES,
    Checkpoint,
    CheckpointAsset,
    Command,
    CommandType,
    EventType,
    OrderType,
    pack_command,
    unpack_event,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    LOT,
    MARKET,
    UNIT,
    USD,
    Desk,
    cancel,
    kinds,
)

CHECKPOINT = Command(CommandType.CHECKPOINT)


def recomputed(desk: Desk) -> Checkpoint:
    """The digest as documented, from every balance."""
    total = 0
    rows = list(desk.kernel.all_balances())
    for row in rows:
        digest = hashlib.blake2b(struct.pack("<4q", *row), digest_size=16).digest()
        total += int.from_bytes(digest, "little")
    return Checkpoint((total % 2**128).to_bytes(16, "little"), len(rows))


def open_desk(desk: Desk) -> None:
    desk.open_market(maker=1_000, taker=2_000)
    for user_id in (ALICE, BOB):
        desk.fund(user_id, USD, 10**12)
        desk.fund(user_id, BTC, 10**12)


def test_the_digest_is_that_of_all_balances_after_any_change(desk: Desk) -> None:
    open_desk(desk)
    steps = [
        desk.place(ASK, BOB, 100, 5),
        desk.place(BID, ALICE, 100, 2),
        desk.place(BID, ALICE, 90, 2),
        Command(
            CommandType.WITHDRAW,
            user_id=ALICE,
            asset_id=BTC,
            amount=10**12,
            request_id=bytes(15) + b"w",
        ),
    ]
    for command in steps:
        desk.apply(command)
        assert desk.kernel.needs_checkpoint
        *_, last = desk.apply(CHECKPOINT)
        assert last.type is EventType.CHECKPOINT
        assert last.body == recomputed(desk)
        assert not desk.kernel.needs_checkpoint


def test_an_account_that_is_empty_again_leaves_the_digest(desk: Desk) -> None:
    desk.open_market()
    desk.fund(ALICE, USD, 5)
    *_, full = desk.apply(CHECKPOINT)
    assert full.body.row_count == 1  # type: ignore[union-attr]
    desk.apply(
        Command(
            CommandType.WITHDRAW,
            user_id=ALICE,
            asset_id=USD,
            amount=5,
            request_id=bytes(15) + b"w",
        )
    )
    *_, empty = desk.apply(CHECKPOINT)
    assert empty.body == Checkpoint(bytes(16), 0)


def test_a_checkpoint_tells_of_the_assets_that_changed_by_asset_id(desk: Desk) -> None:
    open_desk(desk)
    events = desk.apply(CHECKPOINT)
    assert kinds(events) == ["CHECKPOINT_ASSET", "CHECKPOINT_ASSET", "CHECKPOINT"]
    assert events[0].body == CheckpointAsset(BTC, 2 * 10**12, 2 * 10**12, 0, 0)
    assert events[1].body == CheckpointAsset(USD, 2 * 10**12, 2 * 10**12, 0, 0)
    order_id = desk.rest(BID, ALICE, 90, 1)
    assert kinds(desk.apply(CHECKPOINT)) == ["CHECKPOINT_ASSET", "CHECKPOINT"]
    desk.apply(cancel(ALICE, order_id))
    events = desk.apply(CHECKPOINT)
    assert events[0].body == CheckpointAsset(USD, 2 * 10**12, 2 * 10**12, 0, 0)
    assert kinds(desk.apply(CHECKPOINT)) == ["CHECKPOINT"]


def test_checkpoints_within_one_batch_see_what_came_before_them(desk: Desk) -> None:
    desk.open_market()
    events = desk.apply(
        CHECKPOINT,
        desk.deposit(ALICE, USD, 5),
        CHECKPOINT,
        desk.deposit(ALICE, USD, 5),
        CHECKPOINT,
        CHECKPOINT,
    )
    assert kinds(events) == [
        "CHECKPOINT",
        "FUNDS_DEPOSITED",
        "CHECKPOINT_ASSET",
        "CHECKPOINT",
        "FUNDS_DEPOSITED",
        "CHECKPOINT_ASSET",
        "CHECKPOINT",
        "CHECKPOINT",
    ]
    assert [event.header.command_seq for event in events[-4:]] == [9, 10, 10, 11]


def test_sequences_are_dense_and_events_name_their_command(desk: Desk) -> None:
    open_desk(desk)
    first = desk.kernel.event_seq + 1
    command_seq = desk.kernel.command_seq
    events = desk.apply(desk.place(ASK, BOB, 100, 5), desk.place(BID, ALICE, 100, 7), Command(77))
    assert [event.header.event_seq for event in events] == list(range(first, first + 4))
    assert [event.header.command_seq - command_seq for event in events] == [1, 2, 2, 3]
    assert {event.header.time_us for event in events} == {desk.kernel.time_us}
    assert desk.kernel.command_seq == command_seq + 3
    assert desk.kernel.event_seq == first + 3


def test_queries_show_orders_books_and_balances(desk: Desk) -> None:
    open_desk(desk)
    low = desk.rest(BID, ALICE, 90, 2, text=b"low")
    high = desk.rest(BID, BOB, 95, 3, ceiling=99)
    same = desk.rest(BID, ALICE, 95, 4)
    ask = desk.post_only(ASK, BOB, 110, 5)
    desk.apply(ask)
    kernel = desk.kernel
    assert kernel.open_order_count == 4
    assert kernel.account_count == 6
    assert kernel.book(MARKET, 9) == (
        [LevelView(95, 7, 2), LevelView(90, 2, 1)],
        [LevelView(110, 5, 1)],
    )
    assert kernel.book(MARKET, 1) == ([LevelView(95, 7, 2)], [LevelView(110, 5, 1)])
    assert kernel.book(MARKET, 0) == ([], [])
    assert kernel.book(2, 1) is None
    assert kernel.book(-1, 1) is None
    ids = [view.order_id for view in kernel.open_orders()]
    assert ids == [high, same, low, ask.order_id]
    assert [view.order_id for view in kernel.open_orders(user_id=ALICE)] == [same, low]
    assert list(kernel.open_orders(user_id=ALICE, market_id=2)) == []
    assert kernel.order(MARKET, low) == OrderView(
        order_id=low,
        user_id=ALICE,
        market_id=MARKET,
        side=BID,
        order_type=OrderType.LIMIT,
        price_ticks=90,
        quantity_lots=2,
        leaves_lots=2,
        reserved_atoms=180 * UNIT,
        ceiling_ticks=0,
        client_order_id="low",
        shown_lots=2,
    )
    assert kernel.order(2, low) is None
    assert kernel.order(MARKET, -5) is None
    assert kernel.order(MARKET, 2**70) is None
    assert kernel.balances(BOB) == [
        BalanceView(BOB, BTC, 10**12 - 5 * LOT, 5 * LOT),
        BalanceView(BOB, USD, 10**12 - 3 * 99 * UNIT, 3 * 99 * UNIT),
    ]
    assert kernel.balances(77) == kernel.balances(-1) == kernel.balances(2**70) == []
    assert kernel.balances(0) == [BalanceView(0, BTC, 0, 0), BalanceView(0, USD, 0, 0)]


def test_the_state_hash_tells_apart_states_that_differ_in_one_thing(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(CHECKPOINT)
    hashes = {desk.kernel.state_hash()}
    commands = [
        desk.place(BID, ALICE, 90, 2),
        desk.place(BID, ALICE, 90, 2, request_id=bytes(15) + b"r"),
        CHECKPOINT,
        CHECKPOINT,
        Command(77),
    ]
    for command in commands:
        desk.apply(command)
        hashes.add(desk.kernel.state_hash())
    assert len(hashes) == len(commands) + 1
    assert desk.kernel.state_hash() in hashes


def test_both_kernels_have_the_same_state_hash(compiled: str) -> None:
    packed = b"".join(
        pack_command(command)
        for command in (
            Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=5, text=b"BTC"),
            Command(CommandType.ADD_USER, user_id=5),
        )
    )
    kernels = [load_kernel("reference"), load_kernel(compiled)]
    assert [kernel.name for kernel in kernels] == ["reference", "compiled"]
    assert len({kernel.state_hash() for kernel in kernels}) == 1
    assert len({kernel.apply(packed, 3) for kernel in kernels}) == 1
    assert len({kernel.state_hash() for kernel in kernels}) == 1


def test_a_kernel_of_another_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="kernel was 'fast', expected"):
        load_kernel("fast")


def test_a_kernel_that_is_not_built_is_named_or_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "engine.kernel._compiled", None)
    with pytest.raises(KernelUnavailableError, match=r"python -m engine\.kernel\.build"):
        load_kernel("compiled")
    assert load_kernel("auto").name == "reference"


def test_the_compiled_digest_is_that_of_hashlib_for_every_kind_of_word() -> None:
    """Balances with all bytes in use: the compiled kernel writes BLAKE2b out by itself."""
    kernel = load_kernel("compiled")
    commands = [
        Command(CommandType.ADD_ASSET, asset_id=asset, quantity=0, amount=2**63 - 1, text=text)
        for asset, text in ((1, b"ONE"), (65_535, b"LAST"))
    ]
    expected = 0
    for number, amount in enumerate((1, 255, 2**31, 2**32 + 7, 0x0123456789ABCDEF), start=1):
        user = number * 0x0123456789A
        commands.append(Command(CommandType.ADD_USER, user_id=user))
        for asset in (1, 65_535):
            request = (2 * number + (asset == 1)).to_bytes(16, "little")
            commands.append(
                Command(
                    CommandType.DEPOSIT,
                    user_id=user,
                    asset_id=asset,
                    amount=amount,
                    request_id=request,
                )
            )
            row = struct.pack("<4q", user, asset, amount, 0)
            expected += int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "little")
    commands.append(Command(CommandType.CHECKPOINT))
    events = kernel.apply(b"".join(map(pack_command, commands)), 1)
    _, body = unpack_event(events[-RECORD_BYTES:])
    assert isinstance(body, Checkpoint)
    assert int.from_bytes(body.digest, "little") == expected % 2**128
    assert body.row_count == 10
