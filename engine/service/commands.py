"""From gRPC requests to command records, and from event records back to answers.

Invariant: nothing that leaves here for the sequencer can be misread by it: sizes are whole records,
and what comes over the packed path is a command that its sender may send, a PLACE without an order
id of its own making.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from engine.proto import engine_pb2 as pb
from engine.proto.records import (
    EVENT_TYPE_OFFSET,
    NO_REQUEST_ID,
    RECORD_BYTES,
    Command,
    CommandFlag,
    CommandType,
    EventType,
    decisive_event,
    pack_command,
)
from engine.service.errors import InvalidCallError, NotPermittedError
from engine.service.roles import OPERATOR_COMMANDS, TRADER_COMMANDS

PACKED_COMMANDS_MAX: Final = 4096
_TYPE_OFFSET: Final = 0
_FLAGS_OFFSET: Final = 4
_OTHER_FLAGS: Final = bytes(flags for flags in range(256) if not flags & CommandFlag.ICEBERG)
_ORDER_ID_WORD: Final = 3  # of the record's sixteen 64-bit words
_WORDS: Final = RECORD_BYTES // 8
# Each leg with those that may stand behind it: more legs, and what takes them.
_BEHIND: Final = {
    int(CommandType.PLACE_LEG): frozenset(
        (CommandType.PLACE_LEG, CommandType.PLACE_LIST, CommandType.REPLACE)
    ),
    int(CommandType.TRANSFER_LEG): frozenset((CommandType.TRANSFER_LEG, CommandType.TRANSFER)),
}
_NEW_ORDERS: Final = frozenset(
    map(int, (CommandType.PLACE, CommandType.PLACE_LEG, CommandType.QUOTE))
)
_HEADER_AND_BODY: Final = struct.Struct("<QQqBBHI4q")
_ORDER_EVENTS: Final = frozenset(
    (
        EventType.ORDER_CANCELED,
        EventType.ORDER_REDUCED,
        EventType.ORDER_MOVED,
        EventType.ORDER_AMENDED,
    )
)


class Batch(NamedTuple):
    """Command records of one caller. `places` are the positions that await an order id, `quotes`
    those among them that await two in a row."""

    commands: bytearray
    places: tuple[int, ...]
    quotes: frozenset[int] = frozenset()

    @property
    def size(self) -> int:
        return len(self.commands) // RECORD_BYTES

    def assign_order_ids(self, next_id: int) -> int:
        """Number the new orders from `next_id` on and return the id after the last."""
        if self.places:
            with memoryview(self.commands) as raw, raw.cast("q") as words:
                for position in self.places:
                    words[position * _WORDS + _ORDER_ID_WORD] = next_id
                    next_id += 2 if position in self.quotes else 1
        return next_id


def single(command: Command) -> Batch:
    """A batch of one command. InvalidCallError if a number does not fit its field."""
    return together([command])


def together(commands: Sequence[Command]) -> Batch:
    """A batch of the commands of one call. InvalidCallError if a number does not fit its field."""
    try:
        packed = bytearray().join(map(pack_command, commands))
    except (struct.error, ValueError) as error:
        raise InvalidCallError(f"the request does not fit a command record: {error}") from error
    types = bytes(command.type for command in commands)
    _check_legs(types)
    return _numbered(packed, types)


def _numbered(commands: bytearray, types: bytes) -> Batch:
    """The batch, with the places where order ids are awaited."""
    if not _NEW_ORDERS.intersection(types):
        return Batch(commands, ())
    places = tuple(at for at, kind in enumerate(types) if kind in _NEW_ORDERS)
    quotes = frozenset(at for at in places if types[at] == CommandType.QUOTE)
    return Batch(commands, places, quotes)


def _check_legs(types: bytes) -> None:
    """Legs must be followed at once by what takes them: what stands elsewhere would drop them."""
    for place, kind in enumerate(types):
        behind = _BEHIND.get(kind)
        if behind is None:
            continue
        if place + 1 == len(types) or types[place + 1] not in behind:
            raise InvalidCallError(
                f"command {place} was a {CommandType(kind).name} without the command that takes "
                f"it, expected one of {', '.join(sorted(each.name for each in behind))} behind it"
            )


def packed(commands: bytes, *, is_operator: bool = False) -> Batch:
    """A packed batch, checked without looking at each record where it can be avoided.

    NotPermittedError: a command that only an operator may send, or nobody.
    """
    count, rest = divmod(len(commands), RECORD_BYTES)
    if rest or not 1 <= count <= PACKED_COMMANDS_MAX:
        raise InvalidCallError(
            f"commands were {len(commands)} bytes, expected 1..{PACKED_COMMANDS_MAX} records "
            f"of {RECORD_BYTES} bytes"
        )
    types = commands[_TYPE_OFFSET::RECORD_BYTES]
    kinds = set(types)
    allowed = OPERATOR_COMMANDS if is_operator else TRADER_COMMANDS
    if not kinds <= allowed:
        _refuse_type(types, allowed)
    if not is_operator and any(
        flags & CommandFlag.OPERATOR for flags in set(commands[_FLAGS_OFFSET::RECORD_BYTES])
    ):
        raise NotPermittedError(
            "a command had the OPERATOR flag, which is not a trader's",
            pb.Error.COMMAND_NOT_PERMITTED,
        )
    if kinds & _BEHIND.keys():
        _check_legs(types)
    batch = _numbered(bytearray(commands), types)
    if batch.places:
        order_ids = memoryview(commands).cast("q")[_ORDER_ID_WORD::_WORDS]
        if any(order_ids[n] for n in batch.places):
            raise InvalidCallError("a new order had an order id, expected 0: the engine gives it")
    return batch


def _refuse_type(types: bytes, allowed: frozenset[int]) -> NoReturn:
    """Say which command it was and why it does not pass."""
    at = next(n for n, kind in enumerate(types) if kind not in allowed)
    if types[at] in OPERATOR_COMMANDS:
        raise NotPermittedError(
            f"command {at} was {CommandType(types[at]).name}, which needs the role operator",
            pb.Error.COMMAND_NOT_PERMITTED,
        )
    raise InvalidCallError(
        f"command {at} was of type {types[at]}, expected "
        f"{', '.join(CommandType(kind).name for kind in sorted(allowed))}"
    )


def iceberg_count(commands: bytes | bytearray) -> int:
    """How many of these records have the flag of an iceberg."""
    return len(commands[_FLAGS_OFFSET::RECORD_BYTES].translate(None, _OTHER_FLAGS))


def request_id(value: bytes) -> bytes:
    """The 16 bytes of an optional request id."""
    if value and len(value) != len(NO_REQUEST_ID):
        raise InvalidCallError(
            f"request id was {len(value)} bytes, expected {len(NO_REQUEST_ID)} or none"
        )
    return value or NO_REQUEST_ID


def command_result(events: bytes) -> pb.CommandResult:
    """The answer to the commands of one call, from their events: legs, and what takes them."""
    types = events[EVENT_TYPE_OFFSET::RECORD_BYTES]
    at = decisive_event(events)
    event_seq, command_seq, _, kind, _, reason, _, *body = _HEADER_AND_BODY.unpack_from(
        events, at * RECORD_BYTES
    )
    result = pb.CommandResult(command_seq=command_seq, first_event_seq=event_seq, events=events)
    if kind == EventType.REFUSED:
        result.reason = reason
        result.order_id = max(body[2], 0)
    elif kind == EventType.REQUEST_REPLAYED:
        result.reason = reason
        result.order_id = max(body[2], 0)
        result.first_event_seq = body[3]
        result.replayed = True
    elif (accepted := types.find(EventType.ORDER_ACCEPTED, at)) >= 0:
        result.order_id = _HEADER_AND_BODY.unpack_from(events, accepted * RECORD_BYTES)[7]
    elif kind in _ORDER_EVENTS and types[-1] != EventType.CANCEL_ALL_DONE:
        result.order_id = body[0]
    return result
