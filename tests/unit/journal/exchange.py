"""Journals of a real kernel: a small exchange with a random flow of orders, batch by batch."""

from __future__ import annotations

from pathlib import Path

from engine.journal.replay import recover
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES, Command, CommandType, pack_command
from tests.property.kernel.flow import Flow, listing
from tests.unit.journal.support import SEGMENT_BYTES

CHECKPOINT = pack_command(Command(CommandType.CHECKPOINT))
FIRST_TIME_US = 1_700_000_000_000_000


class Exchange:
    """A journal and its kernel, as an engine holds them; `recovered` is how many it replayed."""

    def __init__(
        self, data_dir: Path, kernel: str = "reference", *, accept_loss: bool = False
    ) -> None:
        self.data_dir = data_dir
        self.journal = Journal(data_dir, segment_bytes=SEGMENT_BYTES, accept_loss=accept_loss)
        self.recovered = 0
        recover_journal = self.journal.recover

        def counted(*arguments):  # type: ignore[no-untyped-def]
            for record in recover_journal(*arguments):
                self.recovered += len(record.commands) // RECORD_BYTES
                yield record

        self.journal.recover = counted  # type: ignore[method-assign]
        try:
            self.kernel: Kernel = recover(
                self.journal, data_dir, lambda: load_kernel(kernel), accept_loss=accept_loss
            )
        except Exception:
            self.journal.close()
            raise

    def apply(self, commands: bytes) -> bytes:
        """One batch; durable when this returns."""
        count = len(commands) // RECORD_BYTES
        self.journal.prepare(count, 4 * count + self.kernel.open_order_count + 64)
        time_us = max(self.kernel.time_us, FIRST_TIME_US) + 1_000
        events = self.kernel.apply(commands, time_us)
        self.journal.append(commands, events, time_us)
        return events

    def close(self) -> None:
        self.journal.close()


def flown(data_dir: Path, flow: Flow, batches: int, size: int = 20) -> Kernel:
    """Open the directory, apply so many batches of a flow, close; the kernel as it was then."""
    exchange = Exchange(data_dir)
    if not exchange.kernel.command_seq:
        exchange.apply(listing())
    for number in range(batches):
        exchange.apply(flow.records(size) + (CHECKPOINT if number % 3 == 2 else b""))
    exchange.close()
    return exchange.kernel
