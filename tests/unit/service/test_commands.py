"""Requests become records, and nothing that the sequencer could misread gets through."""

from __future__ import annotations

import pytest

from engine.kernel import load_kernel
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventType,
    Reason,
    pack_command,
    unpack_command,
)
from engine.service.commands import (
    PACKED_COMMANDS_MAX,
    command_result,
    packed,
    request_id,
    single,
    together,
)
from engine.service.errors import InvalidCallError, NotPermittedError
from engine.service.roles import TRADER_COMMANDS

PLACE = Command(CommandType.PLACE, market_id=3, user_id=4, price=5, quantity=6)
CANCEL = Command(CommandType.CANCEL, market_id=3, user_id=4, order_id=77)
MOVE = Command(CommandType.MOVE, flags=CommandFlag.REQUEUE, market_id=3, user_id=4, order_id=78)


def records(*commands: Command) -> bytes:
    return b"".join(map(pack_command, commands))


def test_place_commands_get_consecutive_ids_and_others_keep_theirs() -> None:
    batch = packed(records(PLACE, CANCEL, PLACE, MOVE, PLACE))
    assert batch.size == 5
    assert batch.assign_order_ids(100) == 103
    ids = [unpack_command(bytes(batch.commands), at).order_id for at in range(0, 5 * 128, 128)]
    assert ids == [100, 77, 101, 78, 102]
    first = unpack_command(bytes(batch.commands))
    assert first == PLACE._replace(order_id=100)


def test_a_batch_without_place_uses_no_id() -> None:
    assert packed(records(CANCEL, MOVE)).assign_order_ids(100) == 100
    assert single(CANCEL).assign_order_ids(100) == 100
    assert single(PLACE).assign_order_ids(100) == 101


def test_the_size_of_a_batch_has_two_ends() -> None:
    assert packed(records(CANCEL)).size == 1
    assert packed(records(CANCEL) * PACKED_COMMANDS_MAX).size == PACKED_COMMANDS_MAX
    for wrong in (b"", bytes(1), bytes(129), records(CANCEL) * (PACKED_COMMANDS_MAX + 1)):
        with pytest.raises(InvalidCallError, match=r"expected 1\.\.4096 records of 128 bytes"):
            packed(wrong)


def test_each_role_may_send_its_own_commands() -> None:
    nobodys = {CommandType.CHECKPOINT, CommandType.TICK}
    for kind in range(256):
        record = bytes([kind]) + bytes(127)
        if kind in (CommandType.PLACE_LEG, CommandType.TRANSFER_LEG):
            continue  # never alone
        known = kind in set(CommandType) - nobodys
        if kind in TRADER_COMMANDS:
            assert packed(record).size == 1
        elif known:
            with pytest.raises(NotPermittedError, match=r"command 1 was [A-Z_]+, which needs"):
                packed(records(CANCEL) + record)
        if known:
            assert packed(record, is_operator=True).size == 1
        else:
            for is_operator in (False, True):
                with pytest.raises(InvalidCallError, match=f"command 1 was of type {kind}, exp"):
                    packed(records(CANCEL) + record, is_operator=is_operator)


def test_legs_are_numbered_as_orders_are() -> None:
    leg = PLACE._replace(type=CommandType.PLACE_LEG)
    taker = Command(CommandType.PLACE_LIST, market_id=3, user_id=4, quantity=2)
    batch = packed(records(PLACE, leg, leg, taker, CANCEL))
    assert batch.assign_order_ids(100) == 103
    ids = [unpack_command(bytes(batch.commands), at).order_id for at in range(0, 5 * 128, 128)]
    assert ids == [100, 101, 102, 0, 77]


@pytest.mark.parametrize("behind", [(), (CANCEL,), (PLACE,), (CANCEL, None)])
def test_legs_without_the_command_that_takes_them_do_not_pass(
    behind: tuple[Command | None, ...],
) -> None:
    for leg, taker in (
        (CommandType.PLACE_LEG, CommandType.REPLACE),
        (CommandType.TRANSFER_LEG, CommandType.TRANSFER),
    ):
        legs = [Command(leg), Command(leg)]
        rest = [each or Command(taker) for each in behind]
        with pytest.raises(InvalidCallError, match=f"command 1 was a {leg.name} without"):
            together([*legs, *rest])
        if leg is CommandType.PLACE_LEG:
            with pytest.raises(InvalidCallError, match="command 1 was a PLACE_LEG without"):
                packed(records(*legs, *rest))
        assert together([*legs, Command(taker)]).size == 3


def test_a_leg_of_one_type_is_not_taken_by_the_taker_of_another() -> None:
    with pytest.raises(InvalidCallError, match="expected one of TRANSFER, TRANSFER_LEG behind it"):
        together([Command(CommandType.TRANSFER_LEG), Command(CommandType.PLACE_LIST)])


def test_a_place_with_an_order_id_and_a_cancel_by_an_operator_do_not_pass() -> None:
    for order_id in (1, -1, 2**63 - 1):
        with pytest.raises(InvalidCallError, match="a new order had an order id, expected 0"):
            packed(records(PLACE, PLACE._replace(order_id=order_id)))
    for flags in (CommandFlag.OPERATOR, CommandFlag.OPERATOR | CommandFlag.REQUEUE):
        forced = records(CANCEL, CANCEL._replace(flags=flags))
        with pytest.raises(NotPermittedError, match="OPERATOR flag"):
            packed(forced)
        assert packed(forced, is_operator=True).size == 2


@pytest.mark.parametrize(
    "command",
    [
        PLACE._replace(side=256),
        PLACE._replace(user_id=2**63),
        PLACE._replace(market_id=2**32),
        PLACE._replace(text=b"x" * 41),
    ],
)
def test_a_number_that_does_not_fit_is_invalid(command: Command) -> None:
    with pytest.raises(InvalidCallError, match="does not fit a command record"):
        single(command)


def test_a_request_id_is_sixteen_bytes_or_none() -> None:
    assert request_id(b"") == bytes(16)
    assert request_id(b"0123456789abcdef") == b"0123456789abcdef"
    for wrong in (b"1", bytes(15), bytes(17)):
        with pytest.raises(InvalidCallError, match=f"request id was {len(wrong)} bytes"):
            request_id(wrong)


def test_results_state_what_the_events_state() -> None:
    kernel = load_kernel("reference")
    setup = [
        Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=10**17, text=b"BTC"),
        Command(CommandType.ADD_USER, user_id=4),
    ]
    added = command_result(kernel.apply(pack_command(setup[0]), 1))
    assert (added.command_seq, added.first_event_seq, added.reason) == (1, 1, 0)
    again = command_result(kernel.apply(pack_command(setup[0]), 1))
    assert (again.command_seq, again.first_event_seq) == (2, 1)
    assert (again.reason, again.replayed) == (0, True)
    kernel.apply(pack_command(setup[1]), 1)
    order = PLACE._replace(order_id=9, order_type=1, time_in_force=1, market_id=99)
    refused = command_result(kernel.apply(pack_command(order), 1))
    assert refused.reason == Reason.UNKNOWN_MARKET
    assert refused.events[24] == EventType.REFUSED
    assert (refused.order_id, refused.replayed) == (9, False)
