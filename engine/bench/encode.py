"""From the workload's commands to the kernel's: what must exist first, then record by record.

Balances and fees are on: every market charges its makers and takers per lot in the quote asset, as
the original does, every order is held against its owner's balance, and every user is given enough
of both assets for a refusal for lack of funds to be an error of the benchmark.

Invariant: kernel commands stand in the order of the workload's, one for one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple

from engine.bench.streams import Stream
from engine.bench.workload import CANCEL, FOK_BUDGET, GTC, IOC, MOVE, PLACE, RECORD
from engine.bench.workload import REDUCE as REDUCE_ORDER
from engine.proto.records import (
    COMMAND,
    INT64_MAX,
    NO_REQUEST_ID,
    RECORD_BYTES,
    Command,
    CommandFlag,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
)

ASSET_DECIMALS: Final = 2
LOT_ATOMS: Final = 100  # one whole unit of the base asset
TICK_LOT_ATOMS: Final = 10  # quote atoms that one lot costs at a price of one tick
DEPOSIT_ATOMS: Final = 10**14
_REQUEST_ID_BYTES: Final = len(NO_REQUEST_ID)
_NO_TEXT: Final = b""


class KernelStream(NamedTuple):
    """A stream as kernel commands, `setup` before the first of them.

    `session_order_ids[kernel order id]` is the id within the symbol's own flow: each flow counts
    from 1, while the kernel's ids are those of one engine.
    """

    setup: bytes
    commands: bytearray
    fill_count: int
    session_order_ids: array[int]
    deposited: dict[int, int]

    @property
    def command_count(self) -> int:
        """Commands after the fill."""
        return len(self.commands) // RECORD_BYTES - self.fill_count


def market_id_of(index: int) -> int:
    """Of the stream's market at `index`."""
    return index + 1


def encode(stream: Stream) -> KernelStream:
    deposits = _accounts(stream)
    deposited: dict[int, int] = {}
    for _, asset_id in deposits:
        deposited[asset_id] = deposited.get(asset_id, 0) + DEPOSIT_ATOMS
    setup = b"".join(pack_command(command) for command in _setup(stream, deposits))
    commands, order_ids = _encode_commands(stream)
    return KernelStream(setup, commands, stream.fill_count, order_ids, deposited)


def _accounts(stream: Stream) -> list[tuple[int, int]]:
    """(user id, asset id) of everyone who trades, for both assets of what he trades."""
    accounts = {
        (uid, asset_id)
        for market in stream.markets
        for uid in market.uids
        for asset_id in (market.symbol.base, market.symbol.quote)
    }
    return sorted(accounts)


def _setup(stream: Stream, deposits: list[tuple[int, int]]) -> Iterator[Command]:
    for asset_id in sorted({asset_id for _, asset_id in deposits}):
        yield Command(
            CommandType.ADD_ASSET,
            asset_id=asset_id,
            quantity=ASSET_DECIMALS,
            amount=INT64_MAX,
            text=b"C%d" % asset_id,
        )
    for index, market in enumerate(stream.markets):
        symbol = market.symbol
        yield Command(
            CommandType.ADD_MARKET,
            flags=CommandFlag.FEE_PER_LOT,
            market_id=market_id_of(index),
            asset_id=symbol.base,
            order_id=symbol.quote,
            price=TICK_LOT_ATOMS * 10**ASSET_DECIMALS // LOT_ATOMS,
            quantity=LOT_ATOMS,
            amount=symbol.maker_fee,
            ceiling=symbol.taker_fee,
            text=b"S%d" % symbol.symbol_id,
        )
    for uid in sorted({uid for uid, _ in deposits}):
        yield Command(CommandType.ADD_USER, user_id=uid)
    for number, (uid, asset_id) in enumerate(deposits, start=1):
        yield Command(
            CommandType.DEPOSIT,
            user_id=uid,
            asset_id=asset_id,
            amount=DEPOSIT_ATOMS,
            request_id=number.to_bytes(_REQUEST_ID_BYTES, "little"),
        )


def _encode_commands(stream: Stream) -> tuple[bytearray, array[int]]:
    """The kernel's commands, and the session's id of each kernel order id.

    Order ids are given in the order of arrival, dense over all markets, as a sequencer gives them.
    """
    index_of = {market.symbol.symbol_id: at for at, market in enumerate(stream.markets)}
    kernel_ids = [array("Q", [0]) for _ in stream.markets]
    session_ids = array("Q", [0])
    commands = bytearray(stream.command_count * RECORD_BYTES)
    offset = 0
    for fields in RECORD.iter_unpack(stream.records):
        kind, session_id, symbol_id = fields[0], fields[5], fields[4]
        index = index_of[symbol_id]
        known = kernel_ids[index]
        if kind == PLACE:
            assert session_id == len(known), f"order id was {session_id}, expected {len(known)}"
            known.append(len(session_ids))
            session_ids.append(session_id)
            _pack_place(commands, offset, index, len(session_ids) - 1, fields)
        else:
            _pack_change(commands, offset, index, known[session_id], fields)
        offset += RECORD_BYTES
    return commands, session_ids


_TIME_IN_FORCE: Final = {GTC: TimeInForce.GTC, IOC: TimeInForce.IOC}


def _pack_place(
    commands: bytearray, offset: int, index: int, order_id: int, fields: tuple[int, ...]
) -> None:
    _, action, order_type, _, _, _, uid, price, size, reserve = fields
    if order_type == FOK_BUDGET:
        terms = (OrderType.FOK_BUDGET, TimeInForce.NONE)
        numbers = (0, size, price * TICK_LOT_ATOMS, 0)
    else:
        terms = (OrderType.LIMIT, _TIME_IN_FORCE[order_type])
        numbers = (price, size, 0, reserve if action == Side.BID else 0)
    COMMAND.pack_into(
        commands,
        offset,
        *(CommandType.PLACE, action, *terms, 0, 0, market_id_of(index), 0, uid, order_id),
        *(*numbers, 0, NO_REQUEST_ID, _NO_TEXT),
    )


def _pack_change(
    commands: bytearray, offset: int, index: int, order_id: int, fields: tuple[int, ...]
) -> None:
    kind, _, _, _, _, _, uid, price, size, _ = fields
    flags = 0
    if kind == CANCEL:
        command_type = CommandType.CANCEL
    elif kind == MOVE:
        # The original puts a moved order last in its queue even where the price stays the same.
        command_type, flags = CommandType.MOVE, CommandFlag.REQUEUE
    else:
        assert kind == REDUCE_ORDER, f"command type was {kind}, expected one of the workload's"
        command_type = CommandType.REDUCE
    COMMAND.pack_into(
        commands,
        offset,
        *(command_type, 0, 0, 0, flags, 0, market_id_of(index), 0, uid, order_id),
        *(price, size, 0, 0, 0, NO_REQUEST_ID, _NO_TEXT),
    )
