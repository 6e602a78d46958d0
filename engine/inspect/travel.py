"""`replay` and `diff`: the state as of any command, and where two states part.

A place in history is a directory, or a directory and a command sequence: `DIR` or `DIR@SEQ`.
Invariant: the state of a sequence is the one the engine had after that very command, whether the
replay began at the first record or at a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.journal import JournalError, placed_records
from engine.journal.replay import apply_record, beginning, check_semantics
from engine.journal.snapshots import load_newest
from engine.kernel.interface import Kernel
from engine.kernel.state import SECTIONS, HeadRow, PackedState, Section, canonical_bytes
from engine.proto.records import RECORD_BYTES

Differences = Iterator[dict[str, Any]]


class SequenceError(JournalError):
    """The journal ends before the wanted command."""


class Moment(NamedTuple):
    """`command_seq` None: the durable end."""

    data_dir: Path
    command_seq: int | None


def parse_moment(text: str) -> Moment:
    """`DIR` or `DIR@SEQ`. ValueError if what follows the @ is no sequence."""
    directory, at, seq = text.rpartition("@")
    if not at:
        return Moment(Path(text), None)
    if not seq.isdigit():
        raise ValueError(f"moment was {text!r}, expected DIR or DIR@SEQ")
    return Moment(Path(directory), int(seq))


def kernel_at(
    moment: Moment, make_kernel: Callable[[], Kernel], *, genesis: bool = False
) -> Kernel:
    """A kernel in the state of that moment; from a snapshot before it unless `genesis`."""
    data_dir, command_seq = moment
    if not data_dir.is_dir():
        raise JournalError(f"{data_dir} is not a directory")
    loaded = (
        beginning(data_dir, make_kernel)
        if genesis
        else load_newest(data_dir, make_kernel, command_seq_max=command_seq)
    )
    kernel = loaded.kernel if loaded else make_kernel()
    for _, record in placed_records(data_dir, loaded.header.place if loaded else None):
        if command_seq is None or record.last_command_seq <= command_seq:
            apply_record(kernel, record)
            continue
        if kernel.command_seq < command_seq:
            check_semantics(record)
            count = command_seq - kernel.command_seq
            events = kernel.apply(record.commands[: count * RECORD_BYTES], record.time_us)
            if events != record.events[: len(events)]:
                raise JournalError(
                    f"commands {record.first_command_seq}..{command_seq} give other events than "
                    f"those journaled from event {record.first_event_seq} on"
                )
        break
    if command_seq is not None and kernel.command_seq != command_seq:
        raise SequenceError(
            f"journal in {data_dir} ends at command {kernel.command_seq}, expected {command_seq}"
        )
    return kernel


# --- one state ----------------------------------------------------------------------------------


def describe(
    kernel: Kernel, *, user_id: int = 0, market_id: int = 0, depth: int, limit: int
) -> dict[str, Any]:
    """A state as a reader would ask for it; users and markets can be narrowed down to one."""
    balances = kernel.balances(user_id) if user_id else kernel.all_balances()
    markets = [each for each in kernel.markets() if not market_id or each.market_id == market_id]
    return {
        "command_seq": kernel.command_seq,
        "event_seq": kernel.event_seq,
        "time_us": kernel.time_us,
        "state_hash": kernel.state_hash().hex(),
        "kernel": kernel.name,
        "users": kernel.user_count,
        "accounts": kernel.account_count,
        "open_orders": kernel.open_order_count,
        "totals": [each._asdict() for each in kernel.totals()],
        "balances": [each._asdict() for each in islice(balances, limit)],
        "orders": [
            each._asdict() for each in islice(kernel.open_orders(user_id, market_id), limit)
        ],
        "books": [_book(kernel, each.market_id, each.symbol, depth) for each in markets],
    }


def _book(kernel: Kernel, market_id: int, symbol: str, depth: int) -> dict[str, Any]:
    bids, asks = kernel.book(market_id, depth) or ([], [])
    return {
        "market_id": market_id,
        "symbol": symbol,
        "bids": [list(level) for level in bids],
        "asks": [list(level) for level in asks],
    }


# --- two states ---------------------------------------------------------------------------------


def diff(first: Kernel, second: Kernel) -> Differences:
    """Where two states differ: by section, in the order of the canonical form."""
    states = PackedState(canonical_bytes(first)), PackedState(canonical_bytes(second))
    for name in HeadRow._fields:
        values = [_plain(getattr(state.head, name)) for state in states]
        if values[0] != values[1]:
            yield {"section": "head", "field": name, "a": values[0], "b": values[1]}
    for section in SECTIONS:
        if states[0].packed(section.tag) == states[1].packed(section.tag):
            continue
        yield from _keyed(section, states) if section.key_fields else _placed(section, states)


def _keyed(section: Section, states: tuple[PackedState, PackedState]) -> Differences:
    count: Final = section.key_fields
    rows = [{row[:count]: row for row in state.rows(section.tag)} for state in states]
    found = False
    for key in sorted(rows[0].keys() | rows[1].keys()):
        one, other = (part.get(key) for part in rows)
        if one != other:
            found = True
            yield _difference(section, [_plain(part) for part in key], one, other)
    if not found:
        orders = [list(part) for part in rows]
        place = next(at for at, key in enumerate(orders[0]) if key != orders[1][at])
        yield {
            "section": section.name,
            "row": place + 1,
            "field": "order of rows",
            "a": [_plain(part) for part in orders[0][place]],
            "b": [_plain(part) for part in orders[1][place]],
        }


def _placed(section: Section, states: tuple[PackedState, PackedState]) -> Differences:
    rows = [list(state.rows(section.tag)) for state in states]
    for place in range(max(map(len, rows))):
        one, other = (part[place] if place < len(part) else None for part in rows)
        if one != other:
            yield _difference(section, [place + 1], one, other)


def _difference(section: Section, key: list[int | str], one: Any, other: Any) -> dict[str, Any]:
    """One row: the fields that differ, or the whole row if only one state has it."""
    line: dict[str, Any] = {"section": section.name, "key": key}
    if one is None or other is None:
        return {**line, "a": _row(one), "b": _row(other)}
    changed = [name for name in one._fields if getattr(one, name) != getattr(other, name)]
    return {
        **line,
        "a": {name: _plain(getattr(one, name)) for name in changed},
        "b": {name: _plain(getattr(other, name)) for name in changed},
    }


def _row(row: Any) -> dict[str, int | str] | None:
    if row is None:
        return None
    return {name: _plain(value) for name, value in row._asdict().items()}


def _plain(value: int | bytes) -> int | str:
    if isinstance(value, int):
        return value
    text = value.rstrip(b"\0")
    return text.decode("ascii") if len(value) == 40 and text.isascii() else value.hex()
