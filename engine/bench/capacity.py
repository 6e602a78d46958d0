"""`python -m engine.bench.capacity`: what a user and a resting order cost, and a state to restart.

A process of its own, because it looks at its own memory. It adds users with two deposits each and
an order of each user, spread over some thousand prices, journals everything on the way, has the
snapshot made that an engine would start from, and prints one line of JSON. Bytes are those of the
resident memory by which the process grew, tables and unused room in pools included.

Invariant: the directory it leaves is an engine's, durable, with a snapshot at its end.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.bench.deep import BASE, MARKET, QUOTE
from engine.bench.encode import LOT_ATOMS, TICK_LOT_ATOMS
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import (
    COMMAND,
    NO_REQUEST_ID,
    RECORD_BYTES,
    Command,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
)
from engine.snapshot import make_snapshot

BATCH_COMMANDS: Final = 4096
PRICES_A_SIDE: Final = 10_000
DEPOSIT_ATOMS: Final = 10**9
START_US: Final = 1_700_000_000_000_000
_PAGE_BYTES: Final = resource.getpagesize()


class Writer:
    """A kernel and its journal."""

    def __init__(self, data_dir: Path, kernel_name: str) -> None:
        self.kernel: Kernel = load_kernel(kernel_name)
        self._journal = Journal(data_dir)
        for _ in self._journal.recover():
            raise ValueError(f"{data_dir} has a journal already, expected an empty directory")
        self._time_us = START_US

    def write(self, records: Iterator[bytes]) -> None:
        """Apply and journal, in the largest batches an engine makes."""
        batch = bytearray()
        for record in records:
            batch += record
            if len(batch) >= BATCH_COMMANDS * RECORD_BYTES:
                self._flush(batch)
                batch = bytearray()
        self._flush(batch)

    def _flush(self, batch: bytearray) -> None:
        if not batch:
            return
        self._time_us += 1
        count = len(batch) // RECORD_BYTES
        self._journal.prepare(count, 4 * count)
        events = self.kernel.apply(batch, self._time_us)
        self._journal.append(batch, events, self._time_us)

    def close(self) -> None:
        self._journal.close()


def _listing() -> Iterator[bytes]:
    for asset, code in ((BASE, b"BASE"), (QUOTE, b"QUOTE")):
        yield pack_command(
            Command(CommandType.ADD_ASSET, asset_id=asset, quantity=2, amount=2**62, text=code)
        )
    yield pack_command(
        Command(
            CommandType.ADD_MARKET,
            market_id=MARKET,
            asset_id=BASE,
            order_id=QUOTE,
            price=TICK_LOT_ATOMS * 100 // LOT_ATOMS,
            quantity=LOT_ATOMS,
            text=b"MANY",
        )
    )


def _users(count: int) -> Iterator[bytes]:
    for user in range(1, count + 1):
        yield pack_command(Command(CommandType.ADD_USER, user_id=user))


def _deposits(users: int) -> Iterator[bytes]:
    for user in range(1, users + 1):
        for asset in (BASE, QUOTE):
            request = (2 * user + asset).to_bytes(16, "little")
            yield COMMAND.pack(
                *(CommandType.DEPOSIT, 0, 0, 0, 0, 0, 0, asset, user, 0),
                *(0, 0, DEPOSIT_ATOMS, 0, 0, request, b""),
            )


def _orders(count: int, users: int) -> Iterator[bytes]:
    for order in range(1, count + 1):
        side = order % 2
        step = order // 2 % PRICES_A_SIDE
        price = PRICES_A_SIDE - step if side == Side.BID else PRICES_A_SIDE + 1 + step
        yield COMMAND.pack(
            *(CommandType.PLACE, side, OrderType.LIMIT, TimeInForce.GTC, 0, 0, MARKET, 0),
            *(order % users + 1, order, price, 1 + order % 7, 0, 0, 0, NO_REQUEST_ID, b""),
        )


def resident_bytes() -> int:
    """Of this process, now, without what it has freed and the C library keeps."""
    gc.collect()
    with suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
    fields = Path("/proc/self/statm").read_text("ascii").split()
    return int(fields[1]) * _PAGE_BYTES


def measure(data_dir: Path, orders: int, users: int, kernel_name: str) -> dict[str, int | str]:
    writer = Writer(data_dir, kernel_name)
    writer.write(_listing())
    sizes = [resident_bytes()]
    for records in (_users(users), _deposits(users), _orders(orders, users)):
        writer.write(records)
        sizes.append(resident_bytes())
    kernel = writer.kernel
    if kernel.open_order_count != orders or kernel.user_count != users:
        raise ValueError(f"{kernel.open_order_count} orders rest, expected {orders}")
    writer.close()
    started = time.perf_counter()
    made = make_snapshot(data_dir, kernel_name)
    assert made is not None
    return {
        "bytes_per_order": (sizes[3] - sizes[2]) // orders,
        "bytes_per_user": (sizes[1] - sizes[0]) // users,
        "bytes_per_deposit": (sizes[2] - sizes[1]) // (2 * users),
        "snapshot_bytes": made.body_bytes,
        "snapshot_ms": round(1000 * (time.perf_counter() - started)),
        "state_hash": made.state_hash.hex(),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m engine.bench.capacity", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--kernel", default="auto")
    options = parser.parse_args(arguments)
    facts = measure(options.data, options.orders, options.users, options.kernel)
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
