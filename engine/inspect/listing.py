"""`list` and `dump`: the segments and snapshots of a directory, and the records as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.journal import DurablePosition, Record, journal_records, placed_records, read_position
from engine.journal.archive import is_archived, stored_path
from engine.journal.segments import segment_headers
from engine.journal.snapshots import SnapshotError, check_snapshot, snapshot_paths
from engine.proto.records import (
    RECORD_BYTES,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    unpack_command,
    unpack_event,
)

_ABOUT_ORDERS: Final = (CommandType.PLACE,)
_PARTIES: Final = ("user_id", "maker_user_id", "taker_user_id")
_ORDERS: Final = ("order_id", "maker_order_id", "taker_order_id")


def list_directory(data_dir: Path) -> dict[str, Any]:
    """Segments with what is durable in each, and snapshots with whether they could be used."""
    bound = read_position(data_dir)
    segments: dict[int, dict[str, Any]] = {}
    for header in segment_headers(data_dir):
        path = stored_path(data_dir, header.number)
        segments[header.number] = {
            "segment": header.number,
            "file": str(path),
            "bytes": path.stat().st_size,
            "archived": is_archived(path),
            "epoch": header.epoch,
            "semantics": header.semantics,
            "records": 0,
            "commands": 0,
            "events": 0,
            "first_command_seq": header.first_command_seq,
            "last_command_seq": header.first_command_seq - 1,
            "first_event_seq": header.first_event_seq,
            "last_event_seq": header.first_event_seq - 1,
            "used_bytes": 0,
        }
    for place, record in placed_records(data_dir):
        row = segments[place.segment]
        row["records"] += 1
        row["commands"] += len(record.commands) // RECORD_BYTES
        row["events"] += len(record.events) // RECORD_BYTES
        row["last_command_seq"] = record.last_command_seq
        row["last_event_seq"] = record.last_event_seq
        row["used_bytes"] = place.end
    return {
        "data": str(data_dir),
        "durable": _durable(bound),
        "segments": list(segments.values()),
        "snapshots": [_snapshot(data_dir, path) for path in snapshot_paths(data_dir)],
    }


def _durable(bound: DurablePosition | None) -> dict[str, int] | None:
    return None if bound is None else dict(bound._asdict())


def _snapshot(data_dir: Path, path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size}
    try:
        header, _ = check_snapshot(data_dir, path)
    except SnapshotError as error:
        return {**row, "usable": False, "reason": str(error)}
    return {
        **row,
        "usable": True,
        "command_seq": header.command_seq,
        "event_seq": header.event_seq,
        "epoch": header.epoch,
        "semantics": header.semantics,
        "state_hash": header.state_hash.hex(),
    }


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines `dump` gives: a range of command sequences, and what must be in a line."""

    first: int = 1
    last: int | None = None
    kinds: tuple[str, ...] = ("command", "event")
    types: frozenset[str] = frozenset()
    user_id: int | None = None
    market_id: int | None = None
    order_id: int | None = None

    def takes(self, line: dict[str, Any]) -> bool:
        """Whether a line passes the filters, the range aside."""
        return (
            line["kind"] in self.kinds
            and (not self.types or line["type"] in self.types)
            and (self.market_id is None or line.get("market_id") == self.market_id)
            and (self.user_id is None or _names(line, _PARTIES, self.user_id))
            and (self.order_id is None or _names(line, _ORDERS, self.order_id))
        )


def _names(line: dict[str, Any], fields: tuple[str, ...], value: int) -> bool:
    return any(line.get(field) == value for field in fields)


def dump(data_dir: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Commands, each followed by its events, as dictionaries with names instead of codes."""
    for record in journal_records(data_dir):
        if record.last_command_seq < wanted.first:
            continue
        if wanted.last is not None and record.first_command_seq > wanted.last:
            return
        for line in _lines(record):
            seq = line["command_seq"]
            if seq < wanted.first or (wanted.last is not None and seq > wanted.last):
                continue
            if wanted.takes(line):
                yield line


def _lines(record: Record) -> Iterator[dict[str, Any]]:
    events = (event_line(record.events, at) for at in range(0, len(record.events), RECORD_BYTES))
    event = next(events, None)
    for number in range(len(record.commands) // RECORD_BYTES):
        seq = record.first_command_seq + number
        yield {
            "kind": "command",
            "command_seq": seq,
            "epoch": record.epoch,
            "time_us": record.time_us,
            **command_line(record.commands, number * RECORD_BYTES),
        }
        while event is not None and event["command_seq"] == seq:
            yield event
            event = next(events, None)


def command_line(records: memoryview, at: int) -> dict[str, Any]:
    """A command's fields by name; those that are zero are left out."""
    command = unpack_command(records, at)
    fields: dict[str, Any] = {"type": _name(CommandType, command.type)}
    for name, value in command._asdict().items():
        if name == "type" or not value or value == bytes(16):
            continue
        fields[name] = _plain(name, value)
    if command.type in _ABOUT_ORDERS:
        fields["side"] = _name(Side, command.side)
        fields["order_type"] = _name(OrderType, command.order_type)
        fields["time_in_force"] = _name(TimeInForce, command.time_in_force)
    if command.flags:
        fields["flags"] = _flags(CommandFlag, command.flags)
    return fields


def event_line(records: memoryview, at: int) -> dict[str, Any]:
    """An event's header and body by name."""
    header, body = unpack_event(records, at)
    line: dict[str, Any] = {"kind": "event", **header._asdict()}
    line["type"] = _name(EventType, header.type)
    line["reason"] = _name(Reason, header.reason)
    line["flags"] = _flags(EventFlag, header.flags)
    for name, value in body._asdict().items():
        line[name] = _name(CommandType, value) if name == "command_type" else _plain(name, value)
    return line


def _plain(name: str, value: int | bytes) -> int | str:
    if isinstance(value, int):
        return value
    return value.decode("latin-1") if name == "text" else value.hex()


def _name(codes: Any, value: int) -> str:
    """The name of a code, or its number where it has none: commands hold what was sent."""
    return str(codes(value).name) if value in codes._value2member_map_ else str(value)


def _flags(codes: Any, value: int) -> list[str]:
    known = [str(flag.name) for flag in codes if value & flag]
    rest = value & ~sum(codes)
    return [*known, str(rest)] if rest else known
